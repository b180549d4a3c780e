"""What earlier runs into a target are still the proof of: their windows that nobody read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from .manifest import EarlierRun, ExportReport, WindowReport, parse_time

BEGINNING, END_OF_TIME = datetime.min, datetime.max  # noqa: DTZ901  (wall clock)


def earlier_runs(
    last: ExportReport | None,
    windows: Sequence[WindowReport],
    *,
    start: str | None,
    in_target: int,
) -> tuple[EarlierRun, ...]:
    """Return the runs of the ``last`` manifest, without the windows that a run read again.

    ``windows`` are those of that run, ``start`` is where its range begins, None for the first case
    of all. A target that has fewer cases than it had has lost some, nobody knows which: then
    nothing is proven of any.
    """
    if not windows or last is None or last.in_target is None or in_target < last.in_target:
        return ()
    before = EarlierRun(
        start=last.start,
        end=last.end,
        ended=last.ended,
        rows=last.rows,
        added=last.added,
        windows=last.windows,
    )
    spans = [interval(window) for window in windows]
    begin = BEGINNING if start is None else min(span[0] for span in spans)
    end = max(span[1] for span in spans)
    runs = [
        evolve(run, windows=tuple(each for each in run.windows if not _is_within(each, begin, end)))
        for run in (*last.earlier, before)
    ]
    return tuple(run for run in runs if run.windows)


def highest_total(last: ExportReport) -> int:
    """Return the highest total that a window announced and gave, in a run or those before it."""
    windows = [*last.windows, *(window for run in last.earlier for window in run.windows)]
    return max((each.announced_last for each in windows if each.verdict != "unverified"), default=0)


def _is_within(window: WindowReport, begin: datetime, end: datetime) -> bool:
    try:
        first, last = interval(window)
    except ValueError:
        # Somebody has edited the manifest: the page says that the time cannot be read.
        return False
    return begin <= first and last <= end


def interval(window: WindowReport) -> tuple[datetime, datetime]:
    """Return a window's wall-clock times, the ends of all time where it is open.

    Raises ValueError for a text that is not such a time.
    """
    begin, end = parse_time(window.start), parse_time(window.end)
    if (begin and begin.tzinfo) or (end and end.tzinfo):
        raise ValueError("a wall-clock time has no offset")
    return begin or BEGINNING, end or END_OF_TIME
