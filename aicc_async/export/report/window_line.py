"""What the page shows of a window."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ..manifest import WindowReport
from .contradictions import find_contradiction
from .texts import figure, seconds, shorten

# Worst first.
VERDICTS = ("unverified", "repaired", "open", "verified")


@frozen(kw_only=True)
class WindowLine:
    """A window as the page shows it; None is a figure that cannot be true."""

    start: str
    end: str
    verdict: str
    reason: str
    announced: int | None
    announced_first: int | None
    received: int | None
    distinct: int | None
    readings: int | None
    finished: float | None
    requests: int | None
    retries: int | None
    throttled: int | None

    @property
    def span(self) -> str:
        """From when to when."""
        return f"{self.start or '…'} to {self.end or '…'}"

    @property
    def kept(self) -> int | None:
        """What was received, each case once where that is known."""
        return self.received if self.distinct is None else self.distinct


def window_line(window: WindowReport) -> WindowLine:
    """Return what the page shows of a window; one whose figures contradict it is unverified."""
    first, last = figure(window.announced), figure(window.announced_last)
    problem = find_contradiction(window)
    return WindowLine(
        start=shorten(window.start),
        end=shorten(window.end),
        verdict="unverified" if problem else window.verdict,
        reason=problem or shorten(window.reason),
        announced=first if last is None else last,
        announced_first=first,
        received=figure(window.received),
        distinct=figure(window.distinct),
        readings=figure(window.readings),
        finished=seconds(window.finished),
        requests=figure(window.requests),
        retries=figure(window.retries),
        throttled=figure(window.throttled),
    )


def count_by_verdict(windows: Sequence[WindowLine]) -> dict[str, int]:
    """Count the windows of each verdict, worst first."""
    return {verdict: sum(line.verdict == verdict for line in windows) for verdict in VERDICTS}
