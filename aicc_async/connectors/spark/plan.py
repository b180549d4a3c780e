"""A listing in parts of like size, that tasks which know nothing of each other can read.

A part is a range of any length with about ``rows_per_task`` rows: its task cuts it into windows,
and counts them by their first pages, as an export does (``rows.py``). So the driver asks for few
totals, whatever the range (``ranges.py``).

Neighbouring parts overlap (see ``_listing.windows``), so some rows come to two tasks. An export
drops the second one by its id, and at last over all rows; tasks can't see each other. A row's own
createdDate can't decide for sure: it may be null, and it is not documented which date is filtered,
nor whether its bounds are inclusive. But the service itself says what both parts hold: the rows
of the span they share. The invariant: these belong to the earlier task, so each row is kept by the
first part that has it, and by that alone, whatever date is filtered and however its bounds are
read. That costs a request for each part but the first.

Where Spark asks for one of several texts, and that is fewer rows, each text is listed by itself,
and a row is kept only where its column is that very text: so no row comes to two of them, however
the service compares. Spark filters by the same texts again.

What it can't see: a case whose filtered date, or column, changes while the tasks run may be in two
parts that are no neighbours, or in none. Only an export sees that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from attrs import evolve, field, frozen

from ..._api import CaseApi
from ..._listing.counting import Totals, find_first_day, is_refusal, row_counter
from ..._listing.empty_runs import find_empty
from ..._listing.pages import MAX_ROWS_PER_PAGE
from ..._listing.plan import plan_windows
from ..._listing.run_all import run_all
from ..._listing.windows import Window
from ..._listing.zones import SECOND
from ...errors import ApiError
from ...models import Case, CaseQuery
from .._shared_token import KeptToken
from .ranges import cut_range


@frozen
class ColumnText:
    """A text that a column is to have, one of those of Spark's ``IN``; it may be contact data."""

    column: str
    text: str = field(repr=False)

    def narrow(self, query: CaseQuery) -> CaseQuery:
        """Return a query for cases that have it; raise ConfigError where it is too long."""
        changes: dict[str, Any] = {self.column: self.text}
        return evolve(query, **changes)

    def is_in(self, case: Case) -> bool:
        """Return whether a case has it."""
        return bool(getattr(case, self.column) == self.text)


@frozen
class Part:
    """What one task reads: a range, without the rows of ``before``, which another task has.

    ``highest`` is the highest total that the driver was told: lower ones are no cap. ``only``
    is a text that a column must have. ``token`` is the driver's, for a process that has none.
    """

    window: Window
    before: Window | None = None
    highest: int = 0
    only: ColumnText | None = None
    token: KeptToken | None = field(default=None, repr=False)


def to_parts(windows: Sequence[Window], before: Window | None = None) -> list[Part]:
    """Pair each window, oldest first, with what it shares with the one before it."""
    ends = [window.end for window in windows]
    shared = [Window(w.start, end) for w, end in zip(windows[1:], ends, strict=False)]
    return [Part(window, span) for window, span in zip(windows, [before, *shared], strict=False)]


async def plan_listing(
    api: CaseApi, query: CaseQuery, *, rows_per_task: int, any_of: Sequence[ColumnText] = ()
) -> list[Part]:
    """Cut all that a query asks for; an open end is now, and stays so for all tasks.

    Rows that are dated later make a RuntimeWarning.
    """
    asked = api.range(query)
    rows_after = await api.count_rows_after(query, asked.end)
    api.creation_dates(asked, rows_after=rows_after).judge(asked, 1)
    whole = api.widen(Window(asked.start, asked.end or api.now()))
    totals = _totals(api, query)
    if not await _is_less(api, query, whole, any_of=any_of, totals=totals):
        return await _plan_query(api, whole, totals, rows_per_task=rows_per_task)
    parts = []
    for only in any_of:
        totals = _totals(api, only.narrow(query))
        found = await _plan_query(api, whole, totals, rows_per_task=rows_per_task)
        parts += [evolve(part, only=only) for part in found]
    return parts


async def plan_range(
    api: CaseApi,
    query: CaseQuery,
    start: datetime,
    end: datetime,
    *,
    goes_on: bool,
    rows_per_task: int,
) -> list[Part]:
    """Cut the rows after one time up to another (wall-clock).

    When it ``goes_on`` from an earlier range that ended at ``start``, no row of that one comes.
    Either way it begins a second earlier: the service may leave out a window's first second.
    """
    first = start - SECOND
    totals = _totals(api, query)
    ranges = await cut_range(api, api.split(first, end), totals, max_rows=rows_per_task)
    parts = to_parts(ranges, Window(first, start) if goes_on else None)
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


async def _is_less(
    api: CaseApi, query: CaseQuery, whole: Window, *, any_of: Sequence[ColumnText], totals: Totals
) -> bool:
    """Return whether listing each text by itself takes fewer requests."""
    if not any_of:
        return False
    several = [_totals(api, each.narrow(query)) for each in any_of]
    rows = await run_all(each.count_everything() for each in several)
    # Each window takes a request at least, however few rows it has.
    span = (whole.end - whole.start) if whole.start and whole.end else timedelta(0)
    least = MAX_ROWS_PER_PAGE * (1 + span // api.span)
    return sum(rows) + least * len(rows) < await totals.count_everything() + least


async def _plan_query(
    api: CaseApi, whole: Window, totals: Totals, *, rows_per_task: int
) -> list[Part]:
    """Cut a range, which begins with the first case where it has no beginning."""
    windows = await _closed_windows(api, whole, totals)
    if windows[0].start is None:
        return await _with_highest([Part(windows[0])], totals)
    empty = set(await find_empty(windows, totals.count))
    windows = [window for window in windows if window not in empty]
    if not windows:
        return []
    ranges = await cut_range(api, windows, totals, max_rows=rows_per_task)
    return await _with_highest(to_parts(ranges), totals)


async def _closed_windows(api: CaseApi, whole: Window, totals: Totals) -> list[Window]:
    start, end = whole.start, whole.end or api.now()
    if start is None:
        try:
            start = await find_first_day(end, totals.count)
        except ApiError as error:
            if not is_refusal(error):
                raise
    # None: there are no cases, or no range without a beginning is accepted. Then one task reads by
    # offset, however deep.
    return api.split(start, end) if start else [Window(None, end)]
