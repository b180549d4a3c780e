"""Pages of windows: complete or loud, in order, bounded, and nothing left behind."""

from __future__ import annotations

import asyncio
import math
import random
import warnings
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from attrs import Factory, define
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from aicc_async._listing.pages import Page
from aicc_async._listing.paging import MAX_READINGS, Batch
from aicc_async._listing.prefetch import MAX_BYTES_AHEAD, PAGES_AHEAD, REQUESTS_AHEAD
from aicc_async._listing.reading import read_windows
from aicc_async._listing.windows import Window
from aicc_async.errors import ExportError

ANY = Window()
Fetch = Callable[[Window, int, int], Awaitable[Page[str]]]
Change = tuple[int, str, float, float]  # after which call, what, where from, where to


@define
class Service:
    """Rows that change between the answers, paged by offset, with a total that may be wrong."""

    rows: list[str]
    clamp: int = 100
    changes: Sequence[Change] = ()
    lies: Sequence[int] = (0,)  # what is added to the total, call by call, over and over
    empty: frozenset[int] = frozenset()  # calls that bring no rows
    repeated: frozenset[int] = frozenset()  # calls that bring the rows of the call before
    yields: Sequence[int] = (0,)  # how often a call lets others go first
    calls: int = 0
    inserted: int = 0
    touched: set[str] = Factory(set)
    last: list[str] = Factory(list)

    async def fetch(self, _: Window, start: int, limit: int) -> Page[str]:
        """Answer with a page, then let the rows change."""
        number = self.calls
        self.calls += 1
        for _turn in range(self.yields[number % len(self.yields)]):
            await asyncio.sleep(0)
        ids = self.rows[start : start + min(limit, self.clamp)]
        ids = [] if number in self.empty else self.last if number in self.repeated else ids
        self.last = ids
        total = max(len(self.rows) + self.lies[number % len(self.lies)], 0)
        for change in self.changes:
            if change[0] == number:
                self._apply(*change[1:])
        return Page(list(ids), list(ids), total, 1000)

    def _apply(self, what: str, source: float, target: float) -> None:
        if what == "insert":
            self.inserted += 1
            self.rows.insert(int(target * len(self.rows)), f"new{self.inserted}")
        elif self.rows:
            row = self.rows.pop(int(source * len(self.rows)))
            self.touched.add(row)
            if what == "move":
                self.rows.insert(int(target * len(self.rows)), row)
            elif what == "replace":
                self._apply("insert", 0, target)

    def bound(self, concurrency: int) -> int:
        """Tell how many calls are plenty: twice for each row, and what was fetched in vain."""
        most = len(self.rows) + len(self.touched) + self.inserted
        return MAX_READINGS * (2 * most + 2 * PAGES_AHEAD * concurrency + 10)


def names(count: int) -> list[str]:
    """Name rows."""
    return [f"row{number}" for number in range(count)]


def months(count: int) -> list[Window]:
    """Make windows one after the other."""
    first = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time)
    edges = [first + timedelta(days=31) * number for number in range(count + 1)]
    return [Window(*pair) for pair in pairwise(edges)]


async def collect(
    fetch: Fetch,
    windows: Sequence[Window] = (ANY,),
    *,
    concurrency: int = 4,
    strict: bool = True,
) -> list[str]:
    """Read everything."""
    pages = read_windows(windows, fetch, concurrency=concurrency, strict=strict)
    return [row async for batch in pages for row in batch.rows]


def others() -> set[asyncio.Task[object]]:
    """Tell the tasks that are not this one."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


places = st.floats(0, 1, exclude_max=True)


def changes(*kinds: str) -> st.SearchStrategy[list[Change]]:
    """Draw changes at random moments, in random places."""
    change = st.tuples(st.integers(0, 30), st.sampled_from(kinds), places, places)
    return st.lists(change, max_size=12)


sizes = st.integers(0, 40)
clamps = st.one_of(st.integers(1, 12), st.integers(1, 100))
yields = st.lists(st.integers(0, 3), min_size=1, max_size=5)
totals = st.one_of(st.just([0]), st.lists(st.integers(-45, 45), min_size=1, max_size=4))


async def check(service: Service, *, concurrency: int) -> None:
    """Read strictly: what stood throughout came once, or an error was raised, soon enough."""
    stood = set(service.rows)
    try:
        found = await collect(service.fetch, concurrency=concurrency)
    except ExportError:
        pass
    else:
        assert stood - service.touched <= set(found)
        assert len(found) == len(set(found))
    assert service.calls <= service.bound(concurrency)


@examples(max_examples=80, deadline=None)
@given(
    size=sizes,
    clamp=clamps,
    script=changes("insert", "delete", "replace"),
    lies=totals,
    turns=yields,
    concurrency=st.integers(1, 6),
)
async def test_rows_that_come_and_go_lose_none_that_stood(
    *,
    size: int,
    clamp: int,
    script: list[Change],
    lies: list[int],
    turns: list[int],
    concurrency: int,
) -> None:
    """Rows inserted and deleted at any moment, under any total, lose no other row in silence."""
    service = Service(names(size), clamp, script, lies, yields=turns)
    await check(service, concurrency=concurrency)


@examples(max_examples=80, deadline=None)
@given(sizes, clamps, changes("move"), yields, st.integers(1, 6))
async def test_rows_that_move_lose_none_that_stood(
    size: int, clamp: int, script: list[Change], turns: list[int], concurrency: int
) -> None:
    """Rows that change places, while none come or go, are all found."""
    service = Service(names(size), clamp, script, yields=turns)
    stood = set(service.rows)
    try:
        found = await collect(service.fetch, concurrency=concurrency)
    except ExportError:
        assert script or clamp == 1
    else:
        assert sorted(found) == sorted(stood)
    assert service.calls <= service.bound(concurrency)


calls = st.frozensets(st.integers(0, 30), max_size=6)


@examples(max_examples=80, deadline=None)
@given(
    size=sizes,
    clamp=clamps,
    script=changes("insert", "delete", "replace"),
    empty=calls,
    repeated=calls,
    turns=yields,
    concurrency=st.integers(1, 6),
)
async def test_empty_and_repeated_pages_lose_nothing(
    *,
    size: int,
    clamp: int,
    script: list[Change],
    empty: frozenset[int],
    repeated: frozenset[int],
    turns: list[int],
    concurrency: int,
) -> None:
    """Pages that come empty, or a second time, lose no row in silence and double none."""
    service = Service(names(size), clamp, script, empty=empty, repeated=repeated, yields=turns)
    await check(service, concurrency=concurrency)


@examples(max_examples=80, deadline=None)
@given(st.integers(0, 150), st.integers(1, 100), st.none() | st.integers(-150, 150))
async def test_a_total_that_is_always_wrong_is_no_reason_to_stop(
    size: int, clamp: int, lie: int | None
) -> None:
    """A constant wrong total, even one that is just the size of a page, hides no row."""
    service = Service(names(size), clamp, lies=[clamp - size if lie is None else lie])
    await check(service, concurrency=3)


@examples(max_examples=80, deadline=None)
@given(
    size=sizes,
    clamp=clamps,
    script=changes("insert", "delete", "replace", "move"),
    lies=totals,
    empty=calls,
    repeated=calls,
    turns=yields,
)
async def test_unstrict_never_raises_and_never_doubles(
    *,
    size: int,
    clamp: int,
    script: list[Change],
    lies: list[int],
    empty: frozenset[int],
    repeated: frozenset[int],
    turns: list[int],
) -> None:
    """Whatever the service does, reading without strictness ends, and nothing comes twice."""
    service = Service(names(size), clamp, script, lies, empty, repeated, turns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = await collect(service.fetch, strict=False)
    assert len(found) == len(set(found))
    assert service.calls <= service.bound(4)


@examples(max_examples=50, deadline=None)
@given(st.integers(1, 60), clamps, changes("insert", "delete", "replace"))
async def test_unstrict_warns_where_strict_raises(
    size: int, clamp: int, script: list[Change]
) -> None:
    """Without strictness every row that stood comes out, or a warning is given."""
    service = Service(names(size), clamp, script)
    stood = set(service.rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = set(await collect(service.fetch, strict=False))
    assert caught or stood - service.touched <= found
    assert all(one.category is RuntimeWarning for one in caught)


@examples(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(names(12)), max_size=40), clamps)
async def test_equal_ids_come_once_or_not_at_all(ids: list[str], clamp: int) -> None:
    """Rows with equal ids are handed out once, and a window that has them is no complete one."""
    service = Service(ids, clamp)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = await collect(service.fetch, strict=False)
    assert len(found) == len(set(found))
    assert bool(caught) or found == ids


@pytest.mark.parametrize("size", [1, 60, 100, 101, 450])
async def test_an_ignored_offset_is_noticed(size: int) -> None:
    """A service that always gives the first page is not taken for a complete one."""
    service = Service(names(size))

    async def fetch(window: Window, _: int, limit: int) -> Page[str]:
        return await service.fetch(window, 0, limit)

    if size == 1:
        with pytest.raises(ExportError, match="seam at row 1"):
            await collect(fetch)
    else:
        with pytest.raises(ExportError, match="rows moved"):
            await collect(fetch)
    assert service.calls <= service.bound(4)


@pytest.mark.parametrize("clamp", [1, 50, 100])
async def test_a_total_of_the_page_alone_is_noticed(clamp: int) -> None:
    """A service whose total is that of the page loses nothing in silence."""
    service = Service(names(120), clamp)

    async def fetch(window: Window, start: int, limit: int) -> Page[str]:
        page = await service.fetch(window, start, limit)
        return Page(page.ids, page.rows, len(page.ids), page.size)

    with pytest.raises(ExportError, match="all time"):
        await collect(fetch)


async def test_rows_without_a_seam_are_not_trusted() -> None:
    """One row a page, one deleted and one added: the total agrees, and yet a row is lost."""
    drift = [(0, "delete", 0.0, 0.0), (0, "insert", 0.0, 0.99)]
    service = Service(names(4), 1, drift)
    with pytest.raises(ExportError, match="no seam"):
        await collect(service.fetch)


async def test_a_loss_that_the_total_hides_is_found_by_the_seam() -> None:
    """Two drifts that cancel out in total and distinct ids are noticed where pages meet."""
    front, back = 0.0, 0.999
    first = [(0, "delete", front, 0.0)] * 2 + [(0, "insert", 0.0, back)] * 2
    second = [(1, "insert", 0.0, front), (1, "delete", back, 0.0)]
    service = Service(names(12), 4, [*first, *second])
    stood = set(service.rows)
    found = await collect(service.fetch)
    assert stood - service.touched <= set(found)
    assert service.calls > 6


@pytest.mark.parametrize("kind", ["insert", "delete", "move"])
async def test_a_drifted_window_is_read_again(kind: str) -> None:
    """One change while pages are read costs a second reading, which hands out only what is new."""
    service = Service(names(950), changes=[(4, kind, 0.0, 0.99)])
    stood = set(service.rows)
    found = await collect(service.fetch)
    assert len(found) == len(set(found))
    assert stood | set(service.rows) >= set(found) >= stood - service.touched
    assert service.calls > 15


async def test_an_unstable_window_says_which_and_how_to_go_on() -> None:
    """The error names the window, what moved, and a way out."""
    window = months(1)[0]
    service = Service(names(300), changes=[(call, "delete", 0.0, 0.0) for call in range(99)])
    with pytest.raises(ExportError, match="the rows kept moving in 5 readings") as caught:
        await collect(service.fetch, [window])
    assert caught.value.window == "2025-01-01 00:00:00 to 2025-02-01 00:00:00"
    assert caught.value.resume


async def test_unstrict_says_what_it_could_not_do() -> None:
    """Without strictness the same is a warning."""
    service = Service(names(300), changes=[(call, "delete", 0.0, 0.0) for call in range(99)])
    with pytest.warns(RuntimeWarning, match="all time: the rows kept moving"):
        found = await collect(service.fetch, strict=False)
    assert len(found) == len(set(found))


async def test_a_stable_window_is_read_once() -> None:
    """Nothing is asked for twice where nothing moves: 950 rows are ten pages."""
    service = Service(names(950))
    assert await collect(service.fetch) == names(950)
    assert service.calls == 10


async def test_short_windows_are_believed_once_the_page_size_is_known() -> None:
    """After a full page, a short page is an end, and costs no second request."""
    sizes_of = dict(zip(months(4), [150, 30, 0, 99], strict=True))
    asked: list[Window] = []

    async def fetch(window: Window, start: int, limit: int) -> Page[str]:
        asked.append(window)
        ids = [f"{window}/{number}" for number in range(sizes_of[window])][start : start + limit]
        return Page(ids, ids, sizes_of[window], 1000)

    assert len(await collect(fetch, months(4))) == 279
    assert len(asked) == 5


async def test_rows_on_a_boundary_come_once() -> None:
    """Rows that two neighbouring windows share are handed out with the first."""
    rows = {
        window: names(20 * (at + 1))[20 * at - 5 * (at > 0) :]
        for at, window in enumerate(months(3))
    }

    async def fetch(window: Window, start: int, limit: int) -> Page[str]:
        ids = rows[window][start : start + limit]
        return Page(ids, ids, len(rows[window]), 1000)

    assert await collect(fetch, months(3)) == names(60)


async def test_batches_tell_window_total_and_progress() -> None:
    """A batch names its window and the announced total, and an empty one ends the window."""
    service = Service(names(150))
    windows = months(2)
    batches = [batch async for batch in read_windows(windows[:1], service.fetch, concurrency=2)]
    assert [(len(batch.rows), batch.done) for batch in batches] == [(100, 0), (50, 0), (0, 1)]
    assert {(batch.window, batch.announced) for batch in batches} == {(windows[0], 150)}


async def test_no_windows_are_no_rows() -> None:
    """Nothing to read asks nothing."""
    service = Service(names(5))
    assert await collect(service.fetch, []) == []
    assert service.calls == 0


@define
class Slow:
    """A service whose windows each have as many rows, and whose answers take their time."""

    rows: int
    delay: Callable[[], float]
    gate: asyncio.Semaphore = Factory(lambda: asyncio.Semaphore(16))
    size: int = 70_000
    calls: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def fetch(self, window: Window, start: int, limit: int) -> Page[str]:
        """Answer after a while, as many at once as the gate lets in."""
        self.calls += 1
        async with self.gate:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(self.delay())
            self.at_once -= 1
        ids = [f"{window.start}/{at}" for at in range(start, min(start + limit, self.rows))]
        return Page(ids, ids, self.rows, self.size)


def lognormal(mean: float, sigma: float) -> Callable[[], float]:
    """Draw answer times, the same ones every time."""
    draw = random.Random(7)  # noqa: S311  (repeatable on purpose)
    return lambda: draw.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)


@pytest.mark.looptime
async def test_pages_come_in_order_though_answers_do_not() -> None:
    """Rows come out in the service's order, whichever page answered first."""
    service = Slow(1500, lognormal(0.05, 0.8))
    found = await collect(service.fetch, months(3), concurrency=16)
    assert found == [f"{window.start}/{at}" for window in months(3) for at in range(1500)]


@pytest.mark.looptime
async def test_steady_answers_are_waited_for_together() -> None:
    """At 200 ms an answer and 16 at once, the reading takes at most 1.1 of the ideal time."""
    service = Slow(84 * 99, lambda: 0.2)
    began = asyncio.get_running_loop().time()
    found = await collect(service.fetch, months(12), concurrency=16)
    took = asyncio.get_running_loop().time() - began
    assert len(found) == 12 * 84 * 99
    assert took <= 1.1 * math.ceil(service.calls / 16) * 0.2
    assert service.most_at_once == 16


@pytest.mark.looptime
@pytest.mark.parametrize(("windows", "rows"), [(12, 42 * 99), (1, 400 * 99), (400, 60)])
async def test_unequal_answers_do_not_hold_up_the_others(windows: int, rows: int) -> None:
    """With answers of very unequal times, the reading takes at most 1.3 of the ideal time."""
    service = Slow(rows, lognormal(0.05, 0.8))
    began = asyncio.get_running_loop().time()
    found = await collect(service.fetch, months(windows), concurrency=16)
    took = asyncio.get_running_loop().time() - began
    assert len(found) == windows * rows
    assert took <= 1.3 * service.calls / 16 * 0.05


@pytest.mark.looptime
@pytest.mark.parametrize(("windows", "rows"), [(1, 50_000), (500, 50), (40, 5000)])
async def test_the_look_ahead_is_bounded_in_pages(windows: int, rows: int) -> None:
    """However long nobody takes a page, only so many are asked for."""
    service = Slow(rows, lambda: 0.01)
    async with aclosing(read_windows(months(windows), service.fetch, concurrency=4)) as batches:
        for taken in range(30):
            await anext(batches)
            await asyncio.sleep(60)
            assert service.calls <= taken + 1 + PAGES_AHEAD * 4 + 1


@pytest.mark.looptime
async def test_few_requests_wait_for_their_turn() -> None:
    """Requests of others, which come behind those that are not answered, wait for few of them."""
    service = Slow(50_000, lambda: 0.2)
    await collect(service.fetch, months(3), concurrency=4)
    assert service.most_at_once == REQUESTS_AHEAD * 4


@pytest.mark.looptime
async def test_the_look_ahead_is_bounded_in_bytes() -> None:
    """Large pages are fewer."""
    service = Slow(5000, lambda: 0.01, size=MAX_BYTES_AHEAD // 4)
    async with aclosing(read_windows(months(9), service.fetch, concurrency=2)) as batches:
        await anext(batches)
        await asyncio.sleep(60)
        assert service.calls <= 6


@pytest.mark.looptime
async def test_pages_too_large_to_look_ahead_still_come() -> None:
    """A page larger than the bound is fetched, one at a time."""
    service = Slow(500, lambda: 0.01, size=2 * MAX_BYTES_AHEAD)
    assert len(await collect(service.fetch, months(3), concurrency=2)) == 1500


def endings() -> list[Callable[[AsyncGenerator[Batch[str]]], Awaitable[None]]]:
    """List the ways to stop reading halfway."""

    async def leave(batches: AsyncGenerator[Batch[str]]) -> None:
        async with aclosing(batches):
            async for _ in batches:
                break

    async def raise_in_the_body(batches: AsyncGenerator[Batch[str]]) -> None:
        with pytest.raises(KeyError):  # noqa: PT012  (the loop is what is tested)
            async with aclosing(batches):
                async for batch in batches:
                    raise KeyError(batch.done)

    async def cancel(batches: AsyncGenerator[Batch[str]]) -> None:
        async def body() -> None:
            async for _ in batches:
                pass

        task = asyncio.create_task(body())
        await asyncio.sleep(0.035)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def time_out(batches: AsyncGenerator[Batch[str]]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005), aclosing(batches):
                await anext(batches)

    return [leave, raise_in_the_body, cancel, time_out]


@pytest.mark.looptime
@pytest.mark.parametrize("end", endings(), ids=lambda end: end.__name__)
async def test_no_task_stays_behind(
    end: Callable[[AsyncGenerator[Batch[str]]], Awaitable[None]],
) -> None:
    """However the reading is left, the fetching ahead has ended when it is."""
    service = Slow(20_000, lambda: 0.01)
    await end(read_windows(months(5), service.fetch, concurrency=4))
    calls = service.calls
    assert not others()
    await asyncio.sleep(1)
    assert service.calls == calls > 0


@pytest.mark.looptime
@pytest.mark.parametrize("bad", [0, 99, 990, 4950])
async def test_an_error_comes_out_at_its_place(bad: int) -> None:
    """All rows before the page that fails come out, then its error, and no task stays behind."""
    service = Slow(8000, lognormal(0.05, 0.8))

    async def fetch(window: Window, start: int, limit: int) -> Page[str]:
        if start >= bad and window == months(2)[1]:
            raise ConnectionError(start)
        return await service.fetch(window, start, limit)

    found: list[str] = []
    with pytest.raises(ConnectionError, match=f"^{bad}$"):  # noqa: PT012  (rows, then the error)
        async for batch in read_windows(months(2), fetch, concurrency=4):
            found += batch.rows
    assert len(found) == 8000 + (bad + 1 if bad else 0)
    assert not others()


@pytest.mark.looptime
async def test_errors_nobody_waited_for_are_not_reported() -> None:
    """Pages ahead that failed, and were never reached, trouble nobody."""
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    service = Slow(8000, lambda: 0.01)

    async def fetch(window: Window, start: int, limit: int) -> Page[str]:
        if start >= 500:
            raise ConnectionError(start)
        return await service.fetch(window, start, limit)

    async with aclosing(read_windows(months(3), fetch, concurrency=4)) as batches:
        await anext(batches)
        await asyncio.sleep(1)
    assert not troubles


class Name(str):
    """An id or a row that can be watched while it is forgotten."""

    __slots__ = ("__weakref__",)


@define
class Watched:
    """A service that remembers its rows and ids only as long as somebody else does."""

    rows: int
    given_rows: list[list[weakref.ref[Name]]] = Factory(list)
    given_ids: dict[Window, list[weakref.ref[Name]]] = Factory(dict)

    async def fetch(self, window: Window, start: int, limit: int) -> Page[Name]:
        """Answer at once."""
        texts = [f"{window.start}/{at}" for at in range(start, min(start + limit, self.rows))]
        rows, ids = [Name(text) for text in texts], [Name(text) for text in texts]
        self.given_ids.setdefault(window, []).extend(weakref.ref(one) for one in ids)
        return Page(list[str](ids), rows, self.rows, 1000)

    def alive(self, window: Window) -> int:
        """Count the ids of a window that somebody still has."""
        return sum(ref() is not None for ref in self.given_ids.get(window, []))


async def test_pages_are_let_go() -> None:
    """Of the rows handed out, only those of a few pages are still somewhere."""
    service = Watched(5000)
    past: list[list[weakref.ref[Name]]] = []
    async for batch in read_windows([ANY], service.fetch, concurrency=2):
        past.append([weakref.ref(row) for row in batch.rows])
        del batch
        assert sum(any(ref() for ref in page) for page in past) <= 4
    assert len(past) == 52


async def test_ids_are_kept_of_two_windows() -> None:
    """Ids of the window before are kept for its boundary, those of earlier ones are not."""
    service = Watched(300)
    windows = months(6)
    done: dict[int, list[int]] = {}
    async for batch in read_windows(windows, service.fetch, concurrency=1):
        if batch.rows:
            continue
        done[batch.done] = [service.alive(window) for window in windows[: batch.done]]
    assert [sum(count > 4 for count in alive) for alive in done.values()] == [1, 2, 2, 2, 2, 2]
