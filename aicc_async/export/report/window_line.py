"""What the report page reads in a manifest: any field may be missing, null or of another shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from attrs import frozen

VERDICTS = ("unverified", "repaired", "open", "verified")  # worst first
LARGEST = 2**63
LONGEST = 300  # characters of a text: a page is to be looked at


@frozen(kw_only=True)
class WindowLine:
    """A window of the manifest, as far as it can be read; ``verdict`` is one of VERDICTS."""

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
        """Say from when to when."""
        return f"{self.start or '…'} to {self.end or '…'}"

    @property
    def kept(self) -> int | None:
        """Count what was received, each case once where that is known."""
        return self.received if self.distinct is None else self.distinct


def count(value: Any) -> int | None:
    """Take a whole number from 0 up; anything else is as good as missing."""
    return value if type(value) is int and 0 <= value < LARGEST else None


def seconds(value: Any) -> float | None:
    """Take a finite number from 0 up; anything else is as good as missing."""
    usable = type(value) in {int, float} and 0 <= value < LARGEST  # NaN is not
    return float(value) if usable else None


def text(value: Any) -> str:
    """Take a text as it is, anything else as JSON; what is missing is empty, what is long cut."""
    if value is None:
        return ""
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"


def day(value: Any) -> date | None:
    """Take the day of a date or a time."""
    try:
        return date.fromisoformat(text(value)[:10])
    except ValueError:
        return None


def table(value: Any) -> dict[str, Any]:
    """Take an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def window_lines(manifest: dict[str, Any]) -> list[WindowLine]:
    """Read the windows in their order; what is no object is left out."""
    windows = manifest.get("windows")
    lines = windows if isinstance(windows, list) else []
    return [_line(window) for window in lines if isinstance(window, dict)]


def by_verdict(windows: Sequence[WindowLine]) -> dict[str, int]:
    """Count the windows of each verdict, worst first."""
    return {verdict: sum(line.verdict == verdict for line in windows) for verdict in VERDICTS}


def _line(window: dict[str, Any]) -> WindowLine:
    verdict, reason = text(window.get("verdict")), text(window.get("reason"))
    if verdict not in VERDICTS:  # of a newer version, say: it proves nothing to us
        verdict, reason = "unverified", reason or f"the verdict is {verdict or 'missing'}"
    first, last = count(window.get("announced")), count(window.get("announced_last"))
    return WindowLine(
        start=text(window.get("start")),
        end=text(window.get("end")),
        verdict=verdict,
        reason=reason,
        announced=first if last is None else last,
        announced_first=first,
        finished=seconds(window.get("finished")),
        **{name: count(window.get(name)) for name in ("received", "distinct", "readings")},
        **{name: count(window.get(name)) for name in ("requests", "retries", "throttled")},
    )
