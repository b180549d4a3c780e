"""Pages fetched ahead: the next windows' first pages, and the other pages of known windows.

The idea: a window's first page shows its total and how many rows the service gives at once; all
its other pages are planned from that and fetched at once, while the first pages of the windows
behind it are fetched already. Pages are handed out window by window and in order, whichever is
answered first.

The invariant: at most ``PAGES_AHEAD`` times the concurrency, and about ``MAX_BYTES_AHEAD``, are
under way or wait to be handed out, of which ``REQUESTS_AHEAD`` times the concurrency are not
answered; at least one page always is, however large. A page that came short is followed up from
where it ended, so that no plan leaves a gap.

What it can't see: whether the pages fit together. Rows may come and go between two of them, and
the total may be wrong; ``paging`` checks both. So a plan may end too early: pages go on beyond it
for as long as the reader asks for more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Generic, TypeVar

from attrs import define

from ..errors import ApiError
from .limits import Limits, TooDeepError, is_refused_depth
from .ordered_map import cancel_all
from .pages import MAX_ROWS_PER_PAGE, Fetch, LongestPage, Page
from .windows import Window

R = TypeVar("R")
# Rows that neighbouring pages share: the seam where a drift shows.
OVERLAP_ROWS = 1
# Times the concurrency: answers take unequal times, and with fewer all wait for the slowest.
PAGES_AHEAD = 12
# Times the concurrency: the next request is there when one is answered, and those of others,
# such as a count that this reading waits for, have few before them.
REQUESTS_AHEAD = 2
MAX_BYTES_AHEAD = 64 * 2**20


def overlap_of(rows: int) -> int:
    """Return how many of so many rows the next page repeats; a page of one row has no seam."""
    return OVERLAP_ROWS if rows > OVERLAP_ROWS else 0


@define
class FetchedPage(Generic[R]):
    """A page as it was asked for; ``longest`` is what the service is known to give at once."""

    start: int
    asked: int
    page: Page[R]
    longest: int

    @property
    def stop(self) -> int:
        """The number of the row behind the page."""
        return self.start + len(self.page.ids)


@define(eq=False)
class _Plan(Generic[R]):
    """A window's pages under way, in order, and those to ask for once its first page is there."""

    window: Window
    tasks: deque[asyncio.Task[list[FetchedPage[R]]]]
    # First row, rows to ask for, and the row up to which they are there.
    rest: Iterator[tuple[int, int, int]] | None = None


class Prefetch(Generic[R]):
    """Fetches ahead: the first pages of the next windows, and all pages of those that are known."""

    def __init__(
        self,
        windows: Sequence[Window],
        fetch: Fetch[R],
        concurrency: int,
        limits: Limits,
        longest_page: LongestPage | None = None,
    ) -> None:
        self._windows = iter(windows)
        self._fetch = fetch
        self._concurrency = concurrency
        self._limits = limits
        self._plans: deque[_Plan[R]] = deque()
        # Those with pages that are not asked for yet.
        self._unfinished: deque[_Plan[R]] = deque()
        # Pages asked for and not handed out, and those of them that are not answered.
        self._under_way = 0
        self._unanswered = 0
        self._largest_size = 1  # bytes
        self._longest_page = longest_page or LongestPage()

    async def pages(self) -> AsyncGenerator[FetchedPage[R]]:
        """Yield the pages of the next window in order: those planned, then on without an end."""
        self._fill()
        plan = self._plans[0]
        stop = 0
        try:
            while plan.tasks:
                pages = await plan.tasks[0]
                if plan.rest is None:
                    # The first page must be in its place, for the rest is planned from it.
                    self._fill()
                plan.tasks.popleft()
                self._under_way -= 1
                self._fill()
                for page in pages:
                    stop = max(stop, page.stop)
                    yield page
        finally:
            self._plans.popleft()
            if self._unfinished and self._unfinished[0] is plan:
                self._unfinished.popleft()
            self._under_way -= len(plan.tasks)
            await cancel_all(plan.tasks)
        while True:
            page = await self._get(plan.window, stop - overlap_of(stop), MAX_ROWS_PER_PAGE)
            stop = max(stop, page.stop)
            yield page

    async def aclose(self) -> None:
        """End every fetch under way."""
        self._windows = iter(())
        self._unfinished.clear()
        await cancel_all(task for plan in self._plans for task in plan.tasks)

    def _note_answer(self, _: object) -> None:
        self._unanswered -= 1
        self._fill()

    def _fill(self) -> None:
        """Ask for as much as there is room for: known windows first, then new ones."""
        for plan in tuple(self._unfinished):
            if self._ask_for_rest(plan):
                self._unfinished.remove(plan)
        while not self._plans or (len(self._unfinished) < self._concurrency and self._has_room(2)):
            if (window := next(self._windows, None)) is None:
                break
            plan = _Plan(window, deque([self._start(window, 0, MAX_ROWS_PER_PAGE, 0)]))
            self._plans.append(plan)
            self._unfinished.append(plan)

    def _ask_for_rest(self, plan: _Plan[R]) -> bool:
        """Ask for more of a window's pages, and return whether all of them are asked for."""
        if plan.rest is None:
            first = plan.tasks[0]
            if not first.done() or first.cancelled() or first.exception():
                return False
            page = first.result()[0]
            if self._limits.is_too_large(plan.window, page.page.count):
                # Its halves are read instead.
                return True
            plan.rest = plan_rest(page.stop, page.page.count, page.longest)
        # Half of the room is for the windows that come next, or late ones could take it all.
        share = 1 if plan is self._unfinished[0] else 2
        while self._has_room(share) or (plan is self._plans[0] and not plan.tasks):
            if (next_page := next(plan.rest, None)) is None:
                return True
            plan.tasks.append(self._start(plan.window, *next_page))
        return False

    def _has_room(self, share: int) -> bool:
        most = min(PAGES_AHEAD * self._concurrency, MAX_BYTES_AHEAD // self._largest_size)
        is_queue_short = self._unanswered < REQUESTS_AHEAD * self._concurrency
        return is_queue_short and self._under_way * share < most

    def _start(
        self, window: Window, start: int, asked: int, stop: int
    ) -> asyncio.Task[list[FetchedPage[R]]]:
        self._under_way += 1
        self._unanswered += 1
        task = asyncio.create_task(self._get_up_to(stop, window, start, start + asked))
        task.add_done_callback(self._note_answer)
        return task

    async def _get_up_to(
        self, stop: int, window: Window, start: int, end: int
    ) -> list[FetchedPage[R]]:
        """Fetch rows up to ``stop``, going on after a short page from where it ended."""
        pages: list[FetchedPage[R]] = []
        while True:
            pages.append(page := await self._get(window, start, end - start))
            start = page.stop - overlap_of(len(page.page.ids))
            if page.stop >= stop or start <= page.start:
                return pages

    async def _get(self, window: Window, start: int, asked: int) -> FetchedPage[R]:
        try:
            page = await self._fetch(window, start, asked)
        except ApiError as error:
            if is_refused_depth(start, error):
                raise TooDeepError(start, error) from error
            raise
        self._largest_size = max(self._largest_size, page.size)
        return FetchedPage(start, asked, page, self._longest_page.note(len(page.ids)))


def plan_rest(found: int, count: int, longest: int) -> Iterator[tuple[int, int, int]]:
    """Plan the pages after the first, which shows how many rows the service gives at once.

    Where the last of them should be full, or the first may be all that the service ever gives at
    once, one more looks beyond the total.
    """
    size = min(found, MAX_ROWS_PER_PAGE)
    overlap = overlap_of(size)
    start = found - overlap
    while size and start + overlap < count:
        yield start, size, min(start + size, count)
        start += size - overlap
    if start + overlap == count and size >= min(longest, MAX_ROWS_PER_PAGE) > 0:
        yield start, MAX_ROWS_PER_PAGE, 0
