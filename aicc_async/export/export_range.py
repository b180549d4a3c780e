"""The range that an export reads: frozen once, cut into windows, and counted as a whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import field, frozen

from .._api import CaseApi
from .._listing.caps import MIN_CAP
from .._listing.counting import Count, Totals, find_first_day, is_refusal, row_counter
from .._listing.empty_runs import find_empty
from .._listing.first_pages import FirstPages
from .._listing.plan import PlannedWindow, max_rows_per_window, plan_windows
from .._listing.run_all import run_all, run_both
from .._listing.windows import Window
from .._listing.zones import SECOND
from .._protocol.raw import DatedRow
from ..errors import ApiError
from ..models import CaseQuery
from .manifest import WholeCount

# A killed run asks for the details of its unfinished window again: at most so many requests.
MAX_ROWS_PER_DETAILED_WINDOW = 1000


@frozen
class RangePlan:
    """A frozen range in windows, and how many rows it had as a whole when it was planned.

    ``start`` None is open. ``announced`` are those at most: all from the beginning on where the
    windows have as many, else those less what is behind the end. None means that the service does
    not count the whole, or not beyond a cap. ``windows`` have a second more at both ends.
    ``highest`` is the highest total of anything that was counted. ``rows_after`` were announced as
    later than the end of what can exist: none are, unless the zones differ. ``pages`` are for the
    reading to take.
    """

    start: datetime | None
    end: datetime
    windows: list[PlannedWindow]
    announced: int | None
    highest: int
    rows_after: int
    pages: FirstPages[DatedRow] = field(repr=False)


async def plan_range(
    api: CaseApi, query: CaseQuery, *, settle: timedelta, detail: bool, highest: int = 0
) -> RangePlan:
    """Freeze the range of a query (an open end is now), and cut it by what the service announces.

    What ended less than ``settle`` ago is apart, so that no window is settled in part only.
    ``highest`` is the highest total that the service was seen to announce before.
    """
    max_rows = max_rows_per_window(api.limits())
    if detail:
        max_rows = min(max_rows, MAX_ROWS_PER_DETAILED_WINDOW)
    now, asked = api.now(), api.range(query)
    start, end = asked.start, asked.end or now
    pages = FirstPages(
        api.dated_pages(query),
        api.longest_page,
        asked_at=now,
        concurrency=api.concurrency,
        max_rows=max_rows,
    )
    planner = _Planner(api, query, start, end, pages=pages, settled=now - settle, max_rows=max_rows)
    announced, after, planned = await planner.plan(highest=highest)
    # Rows that were read long before their details would be out of date.
    pages.keep(planned, max_rows=max_rows if detail else None)
    highest = max(planner.totals.highest, highest)
    return RangePlan(start, end, planned, announced, highest, after, pages)


@frozen
class _Planner:
    """Counts a range and cuts it, with as few requests as that takes."""

    api: CaseApi
    query: CaseQuery
    start: datetime | None
    end: datetime
    pages: FirstPages[DatedRow] = field(kw_only=True)
    settled: datetime = field(kw_only=True)
    max_rows: int = field(kw_only=True)
    totals: Totals = field(init=False)

    @totals.default
    def _count_pages(self) -> Totals:
        return Totals(self.pages.count)

    async def plan(self, *, highest: int) -> tuple[int | None, int, list[PlannedWindow]]:
        """Return what is announced of the whole, how many rows are after it, and its windows."""
        from_start, is_all = None, False
        settled, open_ = await self._cut() if self.start else ([], [])
        if is_short := len(settled) == 1:
            from_start, is_all = await self._count_short(settled[0], highest)
        if is_all:
            self.pages.note_empty(open_)
        # First, so that no case can have been dated by a clock that went on meanwhile.
        after = 0 if is_all else await self.api.count_rows_after(self.query, self.end)
        if is_short:
            planned = await self._windows()
        else:
            # At the same time: each takes as long as a few answers.
            from_start, planned = await run_both(
                _count_if_accepted(self.totals.count, Window(self.start)), self._windows()
            )
        announced = from_start
        if from_start is not None and from_start > sum(each.count for each in planned):
            # Some rows are behind the end. Both are counted at the same time, else cases that come
            # between would hide as many that are missing.
            announced = await count_whole_range(row_counter(self.pages.fetch), self.start, self.end)
        if self.api.limits().may_be_capped(self.totals.highest):
            announced = None
        return announced, after, planned

    async def _count_short(self, settled: Window, highest: int) -> tuple[int | None, bool]:
        """Count from the start on; return whether the settled window alone has all of that, too.

        Then nothing is behind it, neither in the range nor later. A total as high as one that was
        seen before may be a cap, and proves nothing.
        """
        from_start, rows = await run_both(
            _count_if_accepted(self.totals.count, Window(self._wide.start)),
            self.totals.count(settled),
        )
        if from_start is None:
            return None, False
        return from_start, from_start <= rows and from_start < max(MIN_CAP, highest)

    async def _windows(self) -> list[PlannedWindow]:
        settled, open_ = await self._cut()
        self.pages.note_empty(await find_empty([*settled, *open_], self.totals.count))
        planned = await run_all(
            plan_windows(
                part,
                self.totals.count,
                self.api.zone,
                max_rows=self.max_rows,
                span=self.api.span,
            )
            for part in (settled, open_)
        )
        return [window for part in planned for window in part]

    async def _cut(self) -> tuple[list[Window], list[Window]]:
        return await _cut(self.api, self.totals.count, self._wide, settled=self.settled)

    @property
    def _wide(self) -> Window:
        return self.api.widen(Window(self.start, self.end))


async def _count_if_accepted(count: Count, window: Window) -> int | None:
    """Count a window; None where the service takes no range without an end."""
    try:
        return await count(window)
    except ApiError as error:
        if is_refusal(error):
            return None
        raise


async def _cut(
    api: CaseApi, count: Count, whole: Window, *, settled: datetime
) -> tuple[list[Window], list[Window]]:
    """Cut a range that has an end into windows that are settled, and those that are not."""
    start, end = whole.start, whole.end or settled
    if start is None:
        try:
            start = await find_first_day(end, count)
        except ApiError as error:
            if not is_refusal(error):
                raise
        if start is None:
            # Either there are no cases, or the service takes no range without a beginning. Then
            # all of it is read by offset, however deep.
            return [Window(None, end)], []
    if end <= settled:
        return api.split(start, end), []
    if settled <= start:
        return [], api.split(start, end)
    return api.split(start, settled), api.split(settled - SECOND, end)


async def count_whole_range(count: Count, start: datetime | None, end: datetime) -> int | None:
    """Count a range of any length: what is after its beginning, less what is after its end.

    None when the service takes no range without an end.
    """
    try:
        from_start, from_end = await run_both(count(Window(start)), count(Window(end)))
    except ApiError as error:
        if is_refusal(error):
            return None
        raise
    return from_start - from_end


async def compare_whole_range(
    count: Count, start: datetime | None, end: datetime, *, announced: int | None, rows: int
) -> WholeCount | None:
    """Compare the rows that came with the whole, as it was ``announced`` before and is now.

    No window can have left out what this counts.
    """
    if announced is None:
        return None
    if rows >= announced:
        # Another count could not be lower than what came.
        return WholeCount(announced=announced, before=announced, agrees=True)
    now = await count_whole_range(count, start, end)
    if now is None:
        return None
    # Either count leaves out one of the range's very seconds, whose rows were read.
    return WholeCount(announced=now, before=announced, agrees=rows >= min(announced, now))
