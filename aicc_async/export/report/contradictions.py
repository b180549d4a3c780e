"""What a manifest says against itself: somebody may have edited it, or cut it short.

The idea: a verdict is believed only where the figures beside it bear it out. Windows that agreed
have as many different cases as the service announced; the windows of a run have at least as many as
it wrote; and together they leave no gap in the range of any run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..history import interval
from ..manifest import EarlierRun, ExportReport, WindowReport, parse_time
from .texts import figure, plural


def find_contradiction(window: WindowReport) -> str | None:
    """Return why a window's verdict cannot be true; None when it may be."""
    if window.verdict == "unverified":
        return None
    counts = {window.announced, window.announced_last, window.distinct}
    is_borne_out = len(counts) == 1 and window.distinct <= window.received
    if is_borne_out and figure(window.distinct) is not None:
        return None
    return f"it cannot be {window.verdict}: what was announced is not what came"


def find_contradictions(report: ExportReport) -> list[str]:
    """Return a sentence for each way in which a manifest contradicts itself."""
    found, rows, whole = [], report.rows, report.whole
    came = sum(window.distinct for window in report.windows)
    if not report.unverified and came < rows:
        found.append(
            f"The windows of this run have {plural(came, 'case')}, but it read {rows:,}:"
            " a window may be missing."
        )
    if report.days and sum(report.days.values()) != rows:
        found.append(f"The cases per day are not the {plural(rows, 'case')} that this run read.")
    if report.in_target is not None and report.in_target < rows:
        found.append("The target has fewer cases than this run read.")
    if whole and whole.agrees:
        counts = [whole.announced, *([] if whole.before is None else [whole.before])]
        if rows < min(counts):
            found.append(
                f"The count of the whole range cannot agree: {whole.announced:,} against"
                f" {rows:,} that this run read."
            )
    return found + _gaps(report)


def _gaps(report: ExportReport) -> list[str]:
    runs: list[EarlierRun | ExportReport] = [*report.earlier, report]
    windows = [window for run in runs for window in run.windows]
    try:
        covered = sorted(interval(window) for window in windows)
        # This run without a window is told elsewhere.
        gaps = [_gap(run, covered) for run in runs if run.windows or run is not report]
    except (ValueError, TypeError):
        return ["The times of its windows cannot be read."]
    return [
        f"No window covers what follows {gap}: cases may be missing there." for gap in gaps if gap
    ]


def _gap(
    run: EarlierRun | ExportReport, covered: Sequence[tuple[datetime, datetime]]
) -> datetime | None:
    """Return where the windows of all runs leave a part of one's range out; None: nowhere."""
    # Without a beginning it is that of the first window: nothing is known before it.
    reached = parse_time(run.start) or min(interval(window)[0] for window in run.windows)
    end = parse_time(run.end) or reached
    for begin, stop in covered:
        if begin > reached:
            break
        reached = max(reached, stop)
    return None if reached >= end else reached
