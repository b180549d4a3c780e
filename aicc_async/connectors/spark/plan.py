"""A listing in parts of like size, that tasks which know nothing of each other can read.

Neighbouring windows overlap (see ``_listing.windows``), so some rows come to two tasks. An export
drops the second one by its id, and at last over all rows; tasks can't see each other. A row's own
createdDate can't decide for sure: it may be null, and it is not documented which date is filtered,
nor whether its bounds are inclusive. But the service itself says what both windows hold: the rows
of the span they share. The invariant: these belong to the earlier task, so each row is kept by the
first window that has it, and by that alone, whatever date is filtered and however its bounds are
read. That costs a request for each part.

What it can't see: a case whose filtered date changes while the tasks run may be in two parts that
are no neighbours, or in none. Only an export sees that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from attrs import evolve, frozen

from ..._api import CaseApi
from ..._listing.counting import Totals, find_first_day, is_refusal, row_counter
from ..._listing.plan import max_rows_per_window, plan_windows
from ..._listing.run_all import run_all
from ..._listing.windows import Window
from ..._listing.zones import SECOND
from ...errors import ApiError
from ...models import CaseQuery

# Of a listing that is large enough: more than most clusters have cores.
TARGET_PARTS = 200
# Below, counting and signing in cost more than reading.
MIN_ROWS_PER_PART = 1000


@frozen
class Part:
    """What one task reads: a window, without the rows of ``before``, which another task has.

    ``highest`` is the highest total that the driver was told: lower ones are no cap.
    """

    window: Window
    before: Window | None = None
    highest: int = 0


def to_parts(windows: Sequence[Window], before: Window | None = None) -> list[Part]:
    """Pair each window, oldest first, with what it shares with the one before it."""
    ends = [window.end for window in windows]
    shared = [Window(w.start, end) for w, end in zip(windows[1:], ends, strict=False)]
    return [Part(window, span) for window, span in zip(windows, [before, *shared], strict=True)]


async def plan_listing(api: CaseApi, query: CaseQuery) -> list[Part]:
    """Cut all that a query asks for; an open end is now, and stays so for all tasks.

    Rows that are dated later make a RuntimeWarning.
    """
    asked, totals = api.range(query), _totals(api, query)
    rows_after = await api.count_rows_after(query, asked.end)
    api.creation_dates(asked, rows_after=rows_after).judge(asked, 1)
    windows = await _closed_windows(api, query, totals)
    parts = to_parts(await even_windows(api, windows, totals))
    return await _with_highest(parts, totals)


async def plan_range(
    api: CaseApi, query: CaseQuery, start: datetime, end: datetime, *, goes_on: bool
) -> list[Part]:
    """Cut the rows after one time up to another (wall-clock).

    When it ``goes_on`` from an earlier range that ended at ``start``, no row of that one comes.
    Either way it begins a second earlier: the service may leave out a window's first second.
    """
    first = start - SECOND
    totals = _totals(api, query)
    windows = await even_windows(api, api.split(first, end), totals)
    parts = to_parts(windows, Window(first, start) if goes_on else None)
    return await _with_highest(parts, totals)


async def batch_end(
    api: CaseApi, query: CaseQuery, start: datetime, end: datetime, *, max_days: int, max_rows: int
) -> datetime:
    """Return the latest time up to ``end`` before which there are not too many days and rows.

    One window is always within, however many rows it has: else a stream would never go on.
    """
    # Not the bound itself: no date is that many days later where it is a huge number.
    days = min(max_days, (end - start).days + 1)
    windows = api.split(start, min(end, start + timedelta(days=days)))
    count = _totals(api, query).count
    planned = await plan_windows(windows, count, api.zone, max_rows=max_rows, span=api.span)
    fitting = sum(rows <= max_rows for rows in accumulate(piece.count for piece in planned))
    return planned[max(fitting, 1) - 1].window.end or end


async def _with_highest(parts: Sequence[Part], totals: Totals) -> list[Part]:
    """Give each task the highest total there is, or each would ask for it."""
    await totals.count_everything()
    return [evolve(part, highest=totals.highest) for part in parts]


def _totals(api: CaseApi, query: CaseQuery) -> Totals:
    return Totals(row_counter(api.dated_pages(query)))


async def _closed_windows(api: CaseApi, query: CaseQuery, totals: Totals) -> list[Window]:
    """Cut a query's range, which begins with the first case where it has no beginning."""
    windows = api.windows(query)
    if windows[0].start is not None:
        return windows
    end = windows[0].end or api.now()
    try:
        start = await find_first_day(end, totals.count)
    except ApiError as error:
        if not is_refusal(error):
            raise
        # No range without a beginning is accepted: one task reads by offset, however deep.
        start = None
    return api.split(start, end) if start else [Window(None, end)]


async def even_windows(api: CaseApi, windows: Sequence[Window], totals: Totals) -> list[Window]:
    """Cut and join windows until they have like numbers of rows; an open one stays as it is."""
    if any(window.start is None for window in windows):
        return list(windows)
    total = sum(await run_all(totals.count(window) for window in windows))
    most = min(max(total // TARGET_PARTS, MIN_ROWS_PER_PART), max_rows_per_window(api.limits()))
    planned = await plan_windows(windows, totals.count, api.zone, max_rows=most, span=api.span)
    return [piece.window for piece in planned]
