"""Fetching ahead in order: pure with invented fetches, then ``get_cases`` against a tenant."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, nullcontext
from typing import Any, TypeVar

import pytest
from helpers.clock import time_out_when
from helpers.tenants import client_of
from hypothesis import given
from hypothesis import strategies as st
from looptime import LoopTimeProxy

from aicc_async import AICCClient, ApiError, CaseDetail, ConfigError, StaticToken
from aicc_async._listing.ordered_map import ANSWERS_AHEAD, ordered_map
from aicc_async.emulator import Emulator, Fault, Latency

T = TypeVar("T")


class Service:
    """Answers with what it is asked for, after so many turns of the loop, and counts."""

    def __init__(self, turns: Sequence[int] = (0,), *, wrong: frozenset[int] = frozenset()) -> None:
        self._turns = turns
        self._wrong = wrong
        self.asked: list[int] = []
        self.busy = self.peak = 0

    async def fetch(self, item: int) -> int:
        """Answer, or refuse."""
        self.asked.append(item)
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            for _ in range(self._turns[item % len(self._turns)]):
                await asyncio.sleep(0)
            if item in self._wrong:
                raise KeyError(item)
            return item
        finally:
            self.busy -= 1


class Source:
    """Hands out numbers, as an iterable or an async one, and knows how far it got."""

    def __init__(self, size: int, *, turns: int = 0) -> None:
        self._size = size
        self._turns = turns
        self.taken = 0
        self.is_closed = False

    def plain(self) -> Iterator[int]:
        """Hand out without waiting."""
        for number in range(self._size):
            self.taken += 1
            yield number

    async def slow(self) -> AsyncGenerator[int]:
        """Hand out, waiting before each."""
        try:
            for number in range(self._size):
                for _ in range(self._turns):
                    await asyncio.sleep(0)
                self.taken += 1
                yield number
        finally:
            self.is_closed = True


async def collect(answers: AsyncIterator[T], found: list[T]) -> None:
    """Note what comes, also when an error ends it."""
    async for answer in answers:
        found.append(answer)  # noqa: PERF401  (it may end with an error)


turns = st.lists(st.integers(0, 9), min_size=1, max_size=7)
sizes, places = st.integers(0, 60), st.integers(1, 4)


@given(size=sizes, waits=turns, concurrency=places, is_slow=st.booleans(), wait=st.integers(0, 3))
async def test_answers_come_in_order_and_bounded(
    *, size: int, waits: list[int], concurrency: int, is_slow: bool, wait: int
) -> None:
    """However long answers take: each once, in order, so many at a time, so many ahead."""
    service, source = Service(waits), Source(size, turns=wait)
    items = source.slow() if is_slow else source.plain()
    found: list[int] = []
    async with aclosing(ordered_map(items, service.fetch, concurrency=concurrency)) as answers:
        async for answer in answers:
            assert source.taken - len(found) <= ANSWERS_AHEAD * concurrency
            found.append(answer)
    assert found == list(range(size))
    assert service.asked == found
    assert service.peak <= concurrency


@given(sizes, turns, places, st.integers(0, 59))
async def test_an_error_comes_in_its_place(
    size: int, waits: list[int], concurrency: int, wrong: int
) -> None:
    """What was asked for before comes first, then the error, and no task is left."""
    service, found = Service(waits, wrong=frozenset([wrong])), list[int]()
    before = asyncio.all_tasks()
    with pytest.raises(KeyError) if wrong < size else nullcontext():
        await collect(ordered_map(range(size), service.fetch, concurrency=concurrency), found)
    assert found == list(range(min(size, wrong)))
    assert (service.busy, asyncio.all_tasks()) == (0, before)


@given(sizes, turns, places, st.integers(0, 59))
async def test_breaking_out_ends_all_that_is_under_way(
    size: int, waits: list[int], concurrency: int, stop: int
) -> None:
    """No task is left, and the items are closed, at the very end of the block."""
    service, source = Service(waits), Source(size)
    before = asyncio.all_tasks()
    answers = ordered_map(source.slow(), service.fetch, concurrency=concurrency)
    async with aclosing(answers):
        async for answer in answers:
            if answer == stop:
                break
    assert (service.busy, asyncio.all_tasks()) == (0, before)
    assert source.is_closed


@given(sizes, turns, places)
async def test_what_the_items_raise_comes_after_their_answers(
    size: int, waits: list[int], concurrency: int
) -> None:
    """A source that breaks costs no answer to what it gave."""

    async def breaking() -> AsyncGenerator[int]:
        for number in range(size):
            yield number
        raise LookupError

    found: list[int] = []
    answers = ordered_map(breaking(), Service(waits).fetch, concurrency=concurrency)
    with pytest.raises(LookupError):
        await collect(answers, found)
    assert found == list(range(size))


@pytest.mark.looptime
async def test_a_slow_answer_holds_up_few(looptime: LoopTimeProxy) -> None:
    """With a tenth of the answers ten times as slow, no place is empty for long."""

    async def fetch(item: int) -> int:
        await asyncio.sleep(1 if item % 10 else 10)
        return item

    found = [item async for item in ordered_map(range(400), fetch, concurrency=4)]
    assert found == list(range(400))
    assert looptime < 1.1 * (360 + 40 * 10) / 4


@pytest.mark.looptime
@pytest.mark.parametrize("is_source", [False, True], ids=["answer", "items"])
async def test_cancellation_passes_through(*, is_source: bool) -> None:
    """Whoever it waits for, it ends at once, and nothing goes on behind."""

    async def items() -> AsyncGenerator[int]:
        yield 1
        await asyncio.Event().wait()

    async def fetch(item: int) -> int:
        await asyncio.sleep(0 if is_source else 1e9)
        return item

    before = asyncio.all_tasks()
    task = asyncio.create_task(collect(ordered_map(items(), fetch, concurrency=2), []))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


# ---- get_cases -----------------------------------------------------------------------------


def asked(tenant: Emulator) -> Counter[str]:
    """Count the details that were asked for, by id."""
    return Counter(
        request.path.rpartition("/")[2] for request in tenant.requests if request.operation == "get"
    )


@pytest.fixture
async def slow() -> AsyncIterator[Emulator]:
    """Run a tenant whose answers take unequal times."""
    async with Emulator(cases=120, latency=Latency(0.002, sigma=1.0)) as emulator:
        yield emulator


@pytest.fixture
async def few(slow: Emulator) -> AsyncIterator[AICCClient]:
    """Run a client of that tenant with three requests at a time."""
    async with client_of(slow, signs_in=False, max_concurrency=3) as client:
        yield client


async def test_details_come_in_the_order_of_their_ids(few: AICCClient, slow: Emulator) -> None:
    """Each is asked for once, at most three at a time, and is what get_case gives."""
    ids, unanswered = slow.ids()[::-1], set[int]()
    details: list[CaseDetail] = []
    async with aclosing(few.get_cases(ids)) as found:
        async for detail in found:
            details.append(detail)
            unanswered.add(sum(request.status is None for request in slow.requests))
    assert [detail.case.id for detail in details] == ids
    assert asked(slow) == dict.fromkeys(ids, 1)
    assert max(unanswered) <= 3
    assert details[7] == await few.get_case(ids[7])


async def test_ids_may_come_from_a_listing(few: AICCClient, slow: Emulator) -> None:
    """An async generator of ids is read as there is room."""
    ids = (case.id async for case in few.iter_cases())
    found = [detail.case.id async for detail in few.get_cases(ids, concurrency=1)]
    assert sorted(found) == sorted(slow.ids())


async def test_who_breaks_out_has_asked_for_few(few: AICCClient, slow: Emulator) -> None:
    """What is ahead is bounded, and when the block ends every place is free again."""
    async with aclosing(few.get_cases(slow.ids(), concurrency=2)) as details:
        async for _ in details:
            break
    assert 1 <= asked(slow).total() <= ANSWERS_AHEAD * 2
    assert few._session._slots._value == 3


async def test_cancelled_while_the_service_hangs(few: AICCClient, slow: Emulator) -> None:
    """It ends at once, and the client can be used on."""
    slow.fail("get", Fault.HANG, times=3)
    await time_out_when(
        lambda: asked(slow).total() == 3, lambda: collect(few.get_cases(slow.ids()), [])
    )
    assert asked(slow).total() == 3
    assert (await few.get_case(slow.ids()[0])).case.id == slow.ids()[0]


async def test_a_failure_that_passes_costs_no_order(few: AICCClient, slow: Emulator) -> None:
    """Requests are sent again beneath, as ever."""
    for fault in (Fault.HTTP_503, Fault.DROP_AFTER, Fault.CUT_BODY):
        slow.fail("get", fault)
    ids = slow.ids()[:40]
    assert [detail.case.id async for detail in few.get_cases(ids)] == ids


UNKNOWN = "c6m8000000nobodyhere"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(UNKNOWN, ApiError), ("", ConfigError), ("x" * 21, ConfigError), (7, ConfigError)],
    ids=["unknown", "empty", "long", "number"],
)
async def test_a_wrong_id_is_told_of_where_its_case_would_have_come(
    few: AICCClient, slow: Emulator, wrong: Any, error: type[Exception]
) -> None:
    """The cases before it come; an id that can be none is never sent."""
    ids = slow.ids()
    found: list[CaseDetail] = []
    with pytest.raises(error):
        await collect(few.get_cases([*ids[:20], wrong, *ids[20:]]), found)
    assert [detail.case.id for detail in found] == ids[:20]
    assert asked(slow)[str(wrong)] == (wrong == UNKNOWN)


PLACES = "concurrency must be an integer from 1 to 3"


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (
            lambda aicc: aicc.get_cases("c6m8000001tSDqQAcMPR"),
            "ids must be an iterable of strings, got str",
        ),
        (lambda aicc: aicc.get_cases(b"c6m8"), "ids must be an iterable of strings, got bytes"),
        (lambda aicc: aicc.get_cases(5), "ids must be an iterable of strings, got int"),
        (lambda aicc: aicc.get_cases([], concurrency=0), f"{PLACES}, got 0"),
        (lambda aicc: aicc.get_cases([], concurrency=4), f"{PLACES}, got 4"),
        (lambda aicc: aicc.get_cases([], concurrency=True), f"{PLACES}, got True"),
        (lambda aicc: aicc.get_cases([], concurrency=2.0), f"{PLACES}, got 2.0"),
    ],
    ids=["text", "bytes", "number", "none", "many", "flag", "float"],
)
def test_what_makes_no_sense_is_refused_at_once(
    call: Callable[[AICCClient], object], what: str
) -> None:
    """The call itself says which argument, which bound, and what was given."""
    aicc = AICCClient("https://aicc.example", auth=StaticToken("t"), max_concurrency=3)
    with pytest.raises(ConfigError, match=f"^{what}$"):
        call(aicc)


async def test_no_ids_are_no_cases(few: AICCClient, slow: Emulator) -> None:
    """Nothing is asked of the service."""
    assert [detail async for detail in few.get_cases([])] == []
    assert slow.requests == []
