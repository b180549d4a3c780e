"""Pages of windows: fetched ahead, handed out in order, checked for drift.

Reading by offset while rows come and go loses and doubles rows in silence. So neighbouring pages
overlap by a row: while that seam holds and the order is stable, nothing that stood throughout can
have slipped between them. A window whose seams, totals or distinct ids disagree has drifted, and is
read again. ``read`` hands rows out as they come, and from a second reading only what was missed;
``readings`` tells its caller that the window begins anew.

What none of this can see: a row that changes its place in the order while as many others come and
go, so that every seam and the total look as they did.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import compress
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from ..errors import ExportError
from .pages import UNTOLD, Page
from .windows import Window

R = TypeVar("R")
Fetch = Callable[[Window, int, int], Awaitable[Page[R]]]  # window, start, limit

LIMIT = 100  # rows in a page at most (document 001)
OVERLAP = 1  # rows that neighbouring pages share
READINGS = 5  # of one window, before it is called unstable
PAGES_AHEAD = 12  # times the concurrency: with unequal answer times less stalls behind the slowest
BYTES_AHEAD = 64 * 2**20


@frozen
class Batch(Generic[R]):
    """Rows of a window that its present reading had not brought yet, with their ids.

    ``announced`` is the window's total as the service told it; ``done`` counts finished windows,
    ``reading`` how often this one was begun. An empty batch ends the window: for ``readings`` it
    carries the ``verdict``.
    """

    ids: Sequence[str] = field(repr=False)
    rows: Sequence[R] = field(repr=False)  # people stand in them
    window: Window
    announced: int
    done: int
    reading: int = 1
    verdict: Verdict | None = None


@frozen
class Verdict:
    """What is known of a window when it was read: whether its last reading agreed with itself.

    ``announced`` and ``announced_last`` are the totals that its first and last page told,
    ``received`` counts the rows that came, ``distinct`` their ids. ``problem`` says what disagreed
    (None: nothing); ``settled`` that it disagreed twice in the very same way.
    """

    readings: int
    announced: int
    announced_last: int
    received: int
    distinct: int
    problem: str | None = None
    settled: bool = False


@define
class _Part(Generic[R]):
    """A page as it was asked for; ``longest`` is what the service is known to give at once."""

    start: int
    asked: int
    page: Page[R]
    longest: int

    @property
    def stop(self) -> int:
        return self.start + len(self.page.ids)


async def read(
    windows: Sequence[Window], fetch: Fetch[R], *, concurrency: int, strict: bool = True
) -> AsyncGenerator[Batch[R]]:
    """Hand out the rows of all windows, each once, oldest window first, in the service's order.

    A row is known by its id within its window and the one before. A window that stays unstable
    raises ExportError; ``strict=False`` hands out what there is and warns.
    """
    before: set[str] = set()
    handed: set[str] = set()
    async with aclosing(readings(windows, fetch, concurrency=concurrency)) as batches:
        async for batch in batches:
            if batch.verdict is None:
                new = set(batch.ids)
                known = [ids for ids in (before, handed) if not ids.isdisjoint(new)]
                fresh = _without(batch, *known) if known else batch
                handed |= new
                if fresh.rows:
                    yield fresh
                continue
            if batch.verdict.problem:
                _unstable(batch.window, batch.verdict, strict=strict)
            yield batch
            before, handed = handed, set()


async def readings(
    windows: Sequence[Window], fetch: Fetch[R], *, concurrency: int
) -> AsyncGenerator[Batch[R]]:
    """Read window after window, and again those that disagree; a verdict ends each.

    A new ``reading`` begins the window anew: it replaces what came before.
    """
    async with aclosing(_Lookahead(windows, fetch, concurrency)) as ahead:
        for done, window in enumerate(windows):
            problems: list[tuple[int, set[str]]] = []
            for number in range(1, READINGS + 1):
                reading = _Reading[R]()
                source = ahead if number == 1 else _Lookahead([window], fetch, concurrency)
                async with aclosing(_rows(window, reading, source)) as batches:
                    async for ids, rows in batches:
                        yield Batch(ids, rows, window, reading.count, done, number)
                problem = reading.judge()
                settled = (reading.count, reading.ids) in problems
                if problem is None or settled:
                    break
                problems.append((reading.count, reading.ids))
            verdict = reading.verdict(number, problem, settled=settled)
            yield Batch((), (), window, reading.count, done + 1, number, verdict)


def _without(batch: Batch[R], *known: set[str]) -> Batch[R]:
    fresh = [not any(row_id in ids for ids in known) for row_id in batch.ids]
    return evolve(
        batch, ids=list(compress(batch.ids, fresh)), rows=list(compress(batch.rows, fresh))
    )


async def _rows(
    window: Window, reading: _Reading[R], source: _Lookahead[R]
) -> AsyncGenerator[tuple[Sequence[str], Sequence[R]]]:
    """Read a window once: what was planned, and on while there may be more."""
    async with aclosing(source.parts()) as parts:
        async for part in parts:
            if (taken := reading.take(part))[0]:
                yield taken
            if reading.ended:
                return
    while not reading.ended:
        start = reading.stop - _overlap(reading.stop)
        if (taken := reading.take(await source.get(window, start, LIMIT)))[0]:
            yield taken


def _unstable(window: Window, verdict: Verdict, *, strict: bool) -> None:
    found = "disagreed alike" if verdict.settled else "kept moving"
    message = f"{window}: the rows {found} in {verdict.readings} readings: {verdict.problem}"
    if strict:
        raise ExportError(
            f"{message}. strict=False takes what there is",
            window=str(window),
            resume="read it again when fewer cases change, or in shorter ranges of time",
        )
    warnings.warn(f"{message}; rows may be missing", RuntimeWarning, stacklevel=2)


def _overlap(size: int) -> int:
    return OVERLAP if size > OVERLAP else 0


class _Reading(Generic[R]):
    """One reading of a window: what is new in each page, and whether all of it agrees."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.count = 0
        self._first_count = 0
        self._received = 0
        self.stop = 0  # rows read without a gap
        self.ended = False
        self._last_id = ""
        self._problem: str | None = None

    def take(self, part: _Part[R]) -> tuple[Sequence[str], Sequence[R]]:
        """Check a page against what came before it, and return its new rows."""
        page = part.page
        self._received += len(page.ids)
        if not part.start:
            self._first_count = page.count
        elif page.count != self.count:
            self._note(f"the total went from {self.count} to {page.count}")
        skip = self._check_seam(part)
        known = len(self.ids)
        fresh = self._fresh(page.ids[skip:], page.rows[skip:])
        # a page that brings nothing new would come again for ever
        self.ended = self._is_last(part) or len(self.ids) == known
        self.count = page.count
        if part.stop > self.stop:
            self.stop, self._last_id = part.stop, page.ids[-1]
        return fresh

    def judge(self) -> str | None:
        """Say what disagrees, if anything does; called when the window is read."""
        if len(self.ids) != self.count:
            self._note(f"{self.count} rows were announced, {len(self.ids)} different ones came")
        if self.stop != self.count:
            self._note(f"{self.count} rows were announced, the last one came as row {self.stop}")
        return self._problem

    def verdict(self, number: int, problem: str | None, *, settled: bool) -> Verdict:
        """Sum up."""
        return Verdict(
            readings=number,
            announced=self._first_count,
            announced_last=self.count,
            received=self._received,
            distinct=len(self.ids),
            problem=problem,
            settled=settled,
        )

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _is_last(self, part: _Part[R]) -> bool:
        # shorter than asked says nothing while the service may be one that never gives more: to
        # stop there would be to stop on the total alone
        short = len(part.page.ids) < min(part.asked, part.longest)
        return part.stop <= self.stop or (short and part.stop >= part.page.count)

    def _check_seam(self, part: _Part[R]) -> int:
        """Return how many rows of the page are known from the one before."""
        seam = self.stop - 1 - part.start  # where the last row should stand in this page
        if seam >= 0:
            if part.page.ids[seam : seam + 1] == [self._last_id]:
                return 0 if seam else 1
            self._note(f"rows moved across row {self.stop - 1}")
        elif part.start > self.stop:
            self._note(f"rows {self.stop} to {part.start} did not come")
        elif part.start and part.page.ids:
            self._note(f"a page of one row has no seam at row {part.start}")
        return 0

    def _fresh(self, ids: Sequence[str], rows: Sequence[R]) -> tuple[Sequence[str], Sequence[R]]:
        new = set(ids)
        if len(new) != len(ids) or not self.ids.isdisjoint(new):
            found = dict(zip(ids, rows, strict=True))
            fresh = [row_id for row_id in found if row_id not in self.ids]
            ids, rows = fresh, [found[row_id] for row_id in fresh]
        self.ids |= new
        return ids, rows


@define(eq=False)
class _Plan(Generic[R]):
    """A window's pages under way, in order, and how to ask for the rest once that is known."""

    window: Window
    tasks: deque[asyncio.Task[list[_Part[R]]]]
    starts: Iterator[tuple[int, int, int]] | None = None  # start, rows asked, rows there


class _Lookahead(Generic[R]):
    """Fetches ahead: the first pages of the next windows, and all pages of those that are known."""

    def __init__(self, windows: Sequence[Window], fetch: Fetch[R], concurrency: int) -> None:
        self._windows = iter(windows)
        self._fetch = fetch
        self._concurrency = concurrency
        self._plans: deque[_Plan[R]] = deque()
        self._unplanned: deque[_Plan[R]] = deque()  # those with pages that are not asked for yet
        self._under_way = 0  # pages asked for and not handed out
        self._largest = 1  # bytes
        self._longest = 0  # rows

    async def parts(self) -> AsyncGenerator[_Part[R]]:
        """Hand out the pages of the next window, in order."""
        self._fill()
        plan = self._plans[0]
        try:
            while plan.tasks:
                parts = await plan.tasks[0]
                if plan.starts is None:
                    self._fill()  # while the first page is there to plan by
                plan.tasks.popleft()
                self._under_way -= 1
                self._fill()
                for part in parts:
                    yield part
        finally:
            self._drop(plan)
            await _end(plan.tasks)

    async def aclose(self) -> None:
        """End every fetch under way."""
        self._windows = iter(())
        tasks = [task for plan in self._plans for task in plan.tasks]
        self._unplanned.clear()
        await _end(tasks)

    def _drop(self, plan: _Plan[R]) -> None:
        self._plans.popleft()
        if self._unplanned and self._unplanned[0] is plan:
            self._unplanned.popleft()
        self._under_way -= len(plan.tasks)

    def _fill(self, _: object = None) -> None:
        for plan in tuple(self._unplanned):
            if self._plan_pages(plan):
                self._unplanned.remove(plan)
        while not self._plans or (len(self._unplanned) < self._concurrency and self._has_room(2)):
            if (window := next(self._windows, None)) is None:
                break
            plan = _Plan(window, deque([self._start(window, 0, LIMIT, 0)]))
            plan.tasks[0].add_done_callback(self._fill)
            self._plans.append(plan)
            self._unplanned.append(plan)

    def _plan_pages(self, plan: _Plan[R]) -> bool:
        """Start fetching a window's pages; False while some are still to be asked for."""
        if plan.starts is None:
            first = plan.tasks[0]
            if not first.done() or first.cancelled() or first.exception():
                return False
            part = first.result()[0]
            plan.starts = _starts(part.stop, part.page.count, part.longest)
        # half of the room is for the windows that come next, or late ones could take it all
        share = 1 if plan is self._unplanned[0] else 2
        while self._has_room(share) or (plan is self._plans[0] and not plan.tasks):
            if (next_part := next(plan.starts, None)) is None:
                return True
            plan.tasks.append(self._start(plan.window, *next_part))
        return False

    def _start(
        self, window: Window, start: int, asked: int, stop: int
    ) -> asyncio.Task[list[_Part[R]]]:
        self._under_way += 1
        return asyncio.create_task(self._get_up_to(stop, window, start, start + asked))

    def _has_room(self, share: int) -> bool:
        pages = min(PAGES_AHEAD * self._concurrency, BYTES_AHEAD // self._largest)
        return self._under_way * share < pages

    async def _get_up_to(self, stop: int, window: Window, start: int, end: int) -> list[_Part[R]]:
        """Fetch rows up to ``stop``, going on after a short page from where it ended."""
        parts: list[_Part[R]] = []
        while True:
            parts.append(part := await self.get(window, start, end - start))
            start = part.stop - _overlap(len(part.page.ids))
            if part.stop >= stop or start <= part.start:
                return parts

    async def get(self, window: Window, start: int, asked: int) -> _Part[R]:
        """Fetch a page now."""
        page = await self._fetch(window, start, asked)
        self._largest = max(self._largest, page.size)
        self._longest = max(self._longest, len(page.ids))
        return _Part(start, asked, page, self._longest)


def _starts(found: int, count: int, longest: int) -> Iterator[tuple[int, int, int]]:
    """Plan the pages after the first, which shows how many rows the service gives at once.

    Where the last of them should be full, or the first may be all that the service ever gives at
    once, one more looks beyond the total.
    """
    size = min(found, LIMIT)
    overlap = _overlap(size)
    start = found - overlap
    while size and start + overlap < count:
        yield start, size, min(start + size, count)
        start += size - overlap
    if start + overlap == count and size >= min(longest, LIMIT) > 0:
        yield start, LIMIT, 0


async def _end(tasks: Iterable[asyncio.Task[list[_Part[R]]]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def with_totals(fetch: Fetch[R]) -> Fetch[R]:
    """Return a function that fetches pages which always have a total.

    Where none is told, a page holds all rows from ``start`` on: it is read on until nothing new
    comes, since a page shorter than asked may be all that the service gives at once. A full page
    that comes again and again raises ExportError: what is behind it cannot be read.
    """

    async def fetch_on(window: Window, start: int, limit: int) -> Page[R]:
        page = await fetch(window, start, limit)
        if page.count != UNTOLD:
            return page
        rows: dict[str, R] = {}
        size = 0
        while not rows.keys() >= set(page.ids):
            rows |= zip(page.ids, page.rows, strict=True)
            size += page.size
            page = await fetch(window, start + len(rows), limit)
        if len(page.ids) >= limit:
            raise ExportError(f"the service gives the same {limit} rows again: it ignores start")
        return Page(list(rows), list(rows.values()), start + len(rows), size)

    return fetch_on
