"""The limiter, on a clock that the tests own."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from itertools import cycle, pairwise
from typing import Any, TypeVar

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async._ratelimit.sliding_window import MAX_LAG_SECONDS, SLACK_SECONDS, Limiter
from aicc_async._ratelimit.spacing import RECOVERY_SECONDS
from aicc_async.settings import RateLimit

T = TypeVar("T")
TINY = 1e-6  # the clock of the tests counts microseconds

arrivals = st.lists(st.floats(0, 3), min_size=1, max_size=25)
rates = st.builds(
    RateLimit, st.integers(1, 6), per=st.sampled_from([0.1, 0.5, 1.0]), strict=st.booleans()
)


def make(rate: RateLimit | None) -> Limiter:
    """Return the limiter of a limit."""
    return Limiter(rate.limit, per=rate.per, strict=rate.strict) if rate else Limiter()


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on a new event loop whose clock starts at 0 and jumps from event to event."""
    with closing(looptime.new_event_loop(start=0, noop_cycles=1)) as loop:
        return loop.run_until_complete(main())


def now() -> float:
    """Read the clock."""
    return asyncio.get_running_loop().time()


async def call(limiter: Limiter, log: list[tuple[float, float]], takes: float = 0.0) -> None:
    """Take a slot, note when, be answered a while later."""
    await limiter.acquire()
    went = now()
    try:
        await asyncio.sleep(takes)
    finally:
        limiter.release()
        log.append((went, now()))


async def calls_at(
    limiter: Limiter, moments: Sequence[float], takes: Sequence[float] = ()
) -> list[tuple[float, float]]:
    """Make a call at each moment; return when each was sent and answered, in order of sending."""
    log: list[tuple[float, float]] = []

    async def later(i: int, moment: float) -> None:
        await asyncio.sleep(moment)
        await call(limiter, log, takes[i % len(takes)] if takes else 0.0)

    await asyncio.gather(*(later(i, moment) for i, moment in enumerate(moments)))
    return sorted(log)


def most_in(per: float, moments: Sequence[float]) -> int:
    """Count the most moments that lie within a span shorter than ``per``."""
    return max(sum(a <= b < a + per - TINY for b in moments) for a in moments)


@settings(max_examples=60, deadline=None)
@given(rates, arrivals)
def test_never_more_than_n_in_any_t(rate: RateLimit, moments: list[float]) -> None:
    """Whatever the arrivals, no span of T holds more than N sends."""
    log = run(lambda: calls_at(make(rate), moments))
    assert len(log) == len(moments)
    assert most_in(rate.per, [went for went, _ in log]) <= rate.limit


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), arrivals, st.lists(st.floats(0, 2), min_size=1), st.floats(0, 1))
def test_strict_holds_wherever_between_send_and_answer_it_is_counted(
    limit: int, moments: list[float], takes: list[float], fraction: float
) -> None:
    """A strict limit holds if the service counts at the send, the answer, or between."""
    rate = RateLimit(limit, strict=True)
    log = run(lambda: calls_at(make(rate), moments, takes))
    assert most_in(1.0, [went + fraction * (back - went) for went, back in log]) <= limit


def test_strict_holds_when_each_arrives_at_the_worst_moment() -> None:
    """Sends that arrive late beside sends that arrive early still are no more than N."""
    log = run(lambda: calls_at(Limiter(2, strict=True), [0.0] * 8, [0.9]))
    late_then_early = [back for _, back in log[:2]] + [went for went, _ in log[2:4]]
    assert most_in(1.0, late_then_early) == 2


def test_loose_spaces_by_the_send() -> None:
    """Without strict, a slot comes back T and the slack after the send, answered or not.

    What didn't find one free is sent evenly.
    """
    log = run(lambda: calls_at(Limiter(2), [0.0] * 5, [60.0]))
    third = 3 * (1 + RECOVERY_SECONDS) / 2
    expected = [0, 0, 1 + SLACK_SECONDS, third, 2 + 2 * SLACK_SECONDS]
    assert [went for went, _ in log] == pytest.approx(expected, abs=2e-3)


def test_strict_spaces_by_the_answer() -> None:
    """With strict, a slot comes back T after the answer."""
    log = run(lambda: calls_at(Limiter(1, strict=True), [0.0] * 3, [2.0]))
    expected = [0, 3, 6]
    assert [went for went, _ in log] == pytest.approx(expected, abs=5e-3)


@settings(max_examples=40, deadline=None)
@given(rates, st.integers(1, 20))
def test_first_come_first_served(rate: RateLimit, count: int) -> None:
    """Slots go out in the order of the requests for them."""

    async def main() -> list[int]:
        limiter, order = make(rate), list[int]()

        async def one(i: int) -> None:
            await limiter.acquire()
            order.append(i)
            limiter.release()

        await asyncio.gather(*(one(i) for i in range(count)))
        return order

    assert run(main) == list(range(count))


@settings(max_examples=80, deadline=None)
@given(
    rates,
    st.integers(2, 12),
    st.lists(st.tuples(st.integers(0, 11), st.floats(0, 4)), max_size=8),
)
def test_a_cancelled_waiter_takes_nothing(
    rate: RateLimit, count: int, cuts: list[tuple[int, float]]
) -> None:
    """Cancelled at any moment, a waiter uses no slot up and blocks nobody."""

    async def main() -> tuple[list[float], int]:
        limiter, log = make(rate), list[tuple[float, float]]()
        waiting = [asyncio.create_task(call(limiter, log)) for _ in range(count)]
        for i, moment in cuts:
            asyncio.get_running_loop().call_later(moment, waiting[i % count].cancel)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        return [went for went, _ in log], sum(end is None for end in ends)

    went, survivors = run(main)
    assert len(went) >= survivors
    for i, moment in enumerate(sorted(went)):  # as if the cancelled ones had never been
        turn, place = divmod(i, rate.limit)
        even = place * rate.per / rate.limit if turn else 0.0
        assert moment <= turn * (rate.per + SLACK_SECONDS) + even + 0.02


@pytest.mark.parametrize("steps", range(12))
def test_cancelled_after_any_number_of_steps(steps: int) -> None:
    """Cancelled between any two steps of the loop, the head of the queue leaves it moving."""

    async def main() -> float:
        limiter = Limiter(1)
        await limiter.acquire()
        first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        await second
        return now()

    assert run(main) == pytest.approx(1 + SLACK_SECONDS, abs=2e-3)


def test_cancelled_while_every_strict_slot_is_out() -> None:
    """A waiter that is cancelled before any answer leaves its place to the next one."""

    async def main() -> float:
        limiter = Limiter(1, strict=True)
        await limiter.acquire()
        first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
        await asyncio.sleep(5)
        first.cancel()
        limiter.release()
        await second
        return now()

    assert run(main) == pytest.approx(6, abs=2e-3)


@pytest.mark.parametrize("rate", [None, RateLimit(100), RateLimit(100, strict=True)])
def test_a_pause_holds_everybody(rate: RateLimit | None) -> None:
    """Those who come during a pause go when it ends, limit or not."""

    async def main() -> list[tuple[float, float]]:
        limiter = make(rate)
        limiter.hold(3.0)
        return await calls_at(limiter, [0.0, 1.0, 2.9, 3.1])

    assert [went for went, _ in run(main)] == pytest.approx([3, 3, 3, 3.1], abs=2e-3)


def test_a_pause_holds_those_who_wait_already() -> None:
    """A pause that begins while somebody waits for a slot holds them too."""

    async def main() -> list[tuple[float, float]]:
        limiter = Limiter(1)
        asyncio.get_running_loop().call_later(0.5, limiter.hold, 10.0)
        return await calls_at(limiter, [0.0, 0.0])

    assert [went for went, _ in run(main)] == pytest.approx([0, 10.5], abs=2e-3)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(-1, 5)), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_longest_pause_counts(pauses: list[tuple[float, float]]) -> None:
    """A shorter pause never ends a longer one."""

    async def main() -> float:
        limiter, last = Limiter(), 0.0
        for wait, pause in sorted(pauses):
            await asyncio.sleep(wait - now())
            limiter.hold(pause)
            last = max(last, now() + pause)
        await limiter.acquire()
        return max(now() - max(last, max(pauses)[0]), last - now())

    assert run(main) <= 2e-3


@pytest.mark.looptime
async def test_no_limit_is_no_wait() -> None:
    """Without a limit, no acquire yields to the loop."""
    limiter, other = Limiter(), list[int]()
    asyncio.get_running_loop().call_soon(other.append, 1)
    for _ in range(1000):
        await limiter.acquire()
        limiter.release()
    assert other == []


@pytest.mark.looptime
async def test_free_slots_are_no_wait() -> None:
    """The first N go at once, also when the clock of the loop stands at 0."""
    limiter = Limiter(50, per=3600)
    before = now()
    for _ in range(50):
        await limiter.acquire()
    assert now() == before


def test_a_second_loop_may_use_it_after_the_first() -> None:
    """A limiter made outside any loop works in the loop that comes."""
    limiter = Limiter(3)
    assert len(run(lambda: calls_at(limiter, [0.0] * 3))) == 3


def test_waiting_costs_no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for an hour takes a handful of timers."""
    limiter, sleeps = Limiter(1, per=3600), list[float]()
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        sleeps.append(seconds)
        await sleep(seconds)

    async def main() -> None:
        await asyncio.gather(*(limiter.acquire() for _ in range(5)))

    monkeypatch.setattr(asyncio, "sleep", counted)
    run(main)
    assert 4 <= len(sleeps) <= 8
    assert max(sleeps) > 3000


def test_a_slot_counts_from_when_the_request_left() -> None:
    """A new connection or a stall between the slot and the send doesn't shorten the interval."""

    async def main() -> float:
        limiter = Limiter(1)
        slot = await limiter.acquire()
        await asyncio.sleep(0.5)
        assert slot is not None
        slot.mark_sent()
        await limiter.acquire()
        return now()

    assert run(main) == pytest.approx(1.5 + SLACK_SECONDS, abs=2e-3)


def test_a_slot_is_kept_while_its_request_has_not_left() -> None:
    """A connection that takes longer than T to open doesn't free the slot before the send."""

    async def main() -> float:
        limiter = Limiter(1)
        slot = await limiter.acquire()
        assert slot is not None
        slot.mark_leaving()
        asyncio.get_running_loop().call_later(3.0, slot.mark_sent)
        await limiter.acquire()
        return now()

    assert run(main) == pytest.approx(4 + SLACK_SECONDS, abs=2e-3)


def test_a_request_that_never_left_frees_its_slot() -> None:
    """One that failed to connect, or was cancelled, keeps the slot until then, or for T."""

    async def main() -> float:
        limiter = Limiter(1)
        slot = await limiter.acquire()
        assert slot is not None
        slot.mark_leaving()
        asyncio.get_running_loop().call_later(3.0, slot.mark_over)
        await limiter.acquire()
        return now()

    assert run(main) == pytest.approx(3, abs=0.02)


async def test_a_huge_limit_takes_memory_by_use() -> None:
    """A limit of ten million costs no more than the requests that were sent."""
    tracemalloc.start()
    try:
        limiter = Limiter(10_000_000)
        for _ in range(100):
            await limiter.acquire()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert limiter.count_sent() == 100


# ---- as the tenant counts: on arrival ------------------------------------------------------


async def ask_all(
    limiter: Limiter, count: int, *, delays: Sequence[float], trip: float = 0.03
) -> tuple[list[float], list[float]]:
    """Ask at once, each delayed on its way to the service; return when each left and arrived."""
    left, arrived = list[float](), list[float]()

    async def ask(i: int) -> None:
        slot = await limiter.acquire()
        assert slot is not None
        slot.mark_leaving()
        left.append(now())
        slot.mark_sent()
        await asyncio.sleep(trip + delays[i % len(delays)])
        arrived.append(now())
        await asyncio.sleep(trip)
        limiter.note_answer(slot)
        slot.mark_over()
        limiter.release()

    await asyncio.gather(*(ask(i) for i in range(count)))
    return left, sorted(arrived)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 12),
    st.lists(st.floats(0, 0.02), min_size=1, max_size=13),
    st.sampled_from([0.001, 0.04]),
)
def test_never_more_arrive_than_n_in_any_t(limit: int, delays: list[float], trip: float) -> None:
    """Whatever delays each below the slack, no span of T holds more than N arrivals."""
    limiter = Limiter(limit)
    _, arrived = run(lambda: ask_all(limiter, 6 * limit, delays=[0.0, *delays], trip=trip))
    assert most_in(1.0, arrived) <= limit


@pytest.mark.parametrize("limit", [10, 50])
def test_one_that_arrives_late_is_waited_for(limit: int) -> None:
    """A delay far longer than the slack is seen by its answer, and costs a lag that is bounded."""
    delays = [0.0] * 32 + [0.09]
    left, arrived = run(lambda: ask_all(Limiter(limit), 9 * limit + 1, delays=delays))
    assert most_in(1.0, arrived) <= limit
    assert left[-1] <= 9 * (1 + RECOVERY_SECONDS) + MAX_LAG_SECONDS


def test_how_long_the_service_works_costs_no_more_than_the_slack() -> None:
    """Answers that take half a second more, now and then, are no reason to go slower."""
    left, _ = run(lambda: ask_all(Limiter(20), 40 * 20 + 1, delays=[0.0, 0.5, 0.1, 0.3]))
    assert left[-1] <= 40 * (1 + SLACK_SECONDS) + MAX_LAG_SECONDS + 0.05


@pytest.mark.parametrize("limit", [5, 10, 50, 200])
@pytest.mark.parametrize("is_late", [False, True])
def test_time_over_the_least_possible(
    limit: int, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With timers that are late by milliseconds as with exact ones, it is 2 % at the most."""
    if is_late:
        monkeypatch.setattr(asyncio, "sleep", late_sleep([0.0002, 0.001, 0.003, 0.0005, 0.006]))
    left, arrived = run(lambda: ask_all(Limiter(limit), 9 * limit + 1, delays=[0.0]))
    assert left[-1] <= 9 * 1.02
    assert most_in(1.0, arrived) <= limit


def test_a_burst_is_spread() -> None:
    """N leave at once; the next turns are even, and after ten no tenth has more than its share."""
    left, _ = run(lambda: ask_all(Limiter(50), 11 * 50, delays=[0.0]))
    assert left[49] == left[0]
    assert most_in(0.1, left[50:]) <= 2 * 5
    assert most_in(0.1, left[-50:]) <= 5 + 1


# ---- evenly --------------------------------------------------------------------------------


def gaps_of(moments: Sequence[float]) -> list[float]:
    """Return the times between neighbours."""
    return [later - earlier for earlier, later in pairwise(moments)]


def test_a_burst_of_one_spaces_all_evenly() -> None:
    """With burst=1 no two leave closer than T divided by the limit, from the first on."""
    log = run(lambda: calls_at(Limiter(10, burst=1), [0.0] * 30))
    assert gaps_of([went for went, _ in log]) == pytest.approx([0.1] * 29, abs=0.025)
    assert min(gaps_of([went for went, _ in log])) >= 0.097 - TINY


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.data(), arrivals)
def test_never_more_at_once_than_the_burst(
    limit: int, data: st.DataObject, moments: list[float]
) -> None:
    """Whatever the arrivals, no moment has more sends than the burst, and no T more than N."""
    burst = data.draw(st.integers(1, limit))
    log = run(lambda: calls_at(Limiter(limit, burst=burst), moments))
    went = [moment for moment, _ in log]
    assert max(went.count(moment) for moment in went) <= burst
    assert most_in(1.0, went) <= limit


def test_many_of_one_reading_are_even_from_the_start() -> None:
    """What asks for it is spaced though all slots are free; what doesn't goes at once."""

    async def main() -> list[float]:
        limiter, went = Limiter(5), list[float]()
        for is_even in (True, True, True, False):
            await limiter.acquire(is_even=is_even)
            went.append(now())
        return went

    assert run(main) == pytest.approx([0, 0.2, 0.4, 0.4], abs=5e-3)


def late_sleep(lateness: Sequence[float]) -> Callable[[float], Coroutine[Any, Any, None]]:
    """Return a sleep whose timers are late by these, in turns."""
    sleep, late = asyncio.sleep, cycle(lateness)

    async def slept(seconds: float) -> None:
        await sleep(seconds + next(late))

    return slept


async def use(limiter: Limiter, seconds: float) -> list[float]:
    """Send evenly, one after the other, for so long; return when each left."""
    went: list[float] = []
    while now() < seconds:
        slot = await limiter.acquire(is_even=True)
        went.append(now())
        if slot:
            slot.mark_sent()
        limiter.release()
    return went


@pytest.mark.parametrize("limit", [5, 18, 50, 200])
def test_late_timers_cost_hardly_any_of_a_limit(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine whose timers are late by milliseconds, 97 % of a limit are used, evenly."""
    monkeypatch.setattr(asyncio, "sleep", late_sleep([0.0002, 0.001, 0.003, 0.0005, 0.006]))
    went = run(lambda: use(Limiter(limit), 20.0))
    assert (len(went) - 1) / (went[-1] - went[0]) >= 0.97 * limit
    assert most_in(1.0, went[-3 * limit :]) <= limit
    # Not even a machine that stands still makes more than a few leave at once.
    assert most_in(0.1, went[-3 * limit :]) <= 0.15 * limit + 3


def test_a_late_timer_brings_no_two_together_in_a_small_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a limit of 18 a second none is closer than a bucket of 20 asks for, with room left."""
    monkeypatch.setattr(asyncio, "sleep", late_sleep([0.0, 0.02, 0.001, 0.0, 0.08]))
    assert min(gaps_of(run(lambda: use(Limiter(18), 20.0)))) >= 0.053 - TINY


@pytest.mark.parametrize("burst", [1, 2])
def test_late_timers_bring_no_more_together_than_the_burst(
    burst: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst that was chosen is never exceeded to make up for lost time."""
    monkeypatch.setattr(asyncio, "sleep", late_sleep([0.0, 0.02, 0.09]))
    log = run(lambda: calls_at(Limiter(100, burst=burst), [0.0] * 60))
    assert most_in(0.0097, [went for went, _ in log]) <= burst


def test_after_a_rest_a_burst_goes_at_once_again() -> None:
    """Sends are even only while the limit is used fully."""
    log = run(lambda: calls_at(Limiter(4), [0.0] * 6 + [10.0] * 4))
    assert [went for went, _ in log][6:] == pytest.approx([10] * 4, abs=2e-3)


@pytest.mark.parametrize("limit", [None, 100])
@pytest.mark.parametrize("is_strict", [True, False])
def test_after_a_refusal_one_goes_first(limit: int | None, is_strict: bool) -> None:
    """Nobody goes during the pause; then one does, and the others follow at half the rate seen."""

    async def main() -> list[tuple[float, float]]:
        limiter = Limiter(limit, strict=is_strict)
        for _ in range(40):
            await call(limiter, [])
        limiter.pause(2.0, sent_at=now())
        return await calls_at(limiter, [0.0] * 10)

    went = [moment for moment, _ in run(main)]
    assert went[0] == pytest.approx(2.0, abs=5e-3)
    assert gaps_of(went) == pytest.approx([1 / 20] * 9, abs=5e-3)


async def drain(limiter: Limiter, seconds: float, interval: float) -> tuple[int, int]:
    """Send with eight tasks for so long; count what a leaky bucket lets through and refuses."""
    passed, refusals, last = 0, 0, -interval

    async def ask() -> None:
        nonlocal passed, refusals, last
        while now() < seconds:
            await limiter.acquire()
            sent_at = now()
            if sent_at - last >= interval - TINY:
                passed, last = passed + 1, sent_at
            else:
                refusals += 1
                await asyncio.sleep(0.002)
                limiter.pause(0.0, sent_at=sent_at)
            await asyncio.sleep(0.004)
            limiter.release()

    await asyncio.gather(*(ask() for _ in range(8)))
    return passed, refusals


@pytest.mark.parametrize("limit", [None, 100, 25])
@pytest.mark.parametrize("quota", [3, 20, 70])
def test_a_leaky_bucket_is_used(limit: int | None, quota: int) -> None:
    """Most of what it lets through in half a minute is used, at few refusals."""
    passed, refusals = run(lambda: drain(Limiter(limit), 30.0, 1 / quota))
    assert passed >= 0.7 * 30 * min(quota, limit or quota)
    assert refusals <= 40


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_a_limit_below_a_leaky_bucket_is_refused_nothing(limit: int, more: int) -> None:
    """Spaced evenly, no limit that is 3 % below the rate of the bucket is refused once."""
    limiter = Limiter(limit, burst=1)
    passed, refusals = run(lambda: drain(limiter, 5.0, 0.97 / (limit + more / 10)))
    assert refusals == 0
    assert passed >= 0.9 * 5 * limit - 1


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize(
    ("chosen", "quota", "rate"),
    [
        ((10, 1.0), (60, 60.0), 1.0),
        ((10, 1.0), (90, 60.0), 1.5),
        ((10, 1.0), (30, 60.0), 0.5),
        ((1000, 60.0), (300, 60.0), 5.0),
    ],
)
def test_a_quota_that_is_named_is_kept(
    chosen: tuple[int, float],
    quota: tuple[int, float],
    rate: float,
    is_strict: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The lower rate holds from then on, and one warning has both."""
    limit, per = chosen
    limiter = make(RateLimit(limit, per=per, strict=is_strict))
    log: list[tuple[float, float]] = []

    async def main() -> None:
        for _ in range(2):
            await call(limiter, log)
        limiter.note_quota(*quota)
        limiter.note_quota(*quota)
        await asyncio.sleep(per)
        del log[:]
        limiter.note_quota(quota[0] + 1, quota[1])
        await asyncio.gather(*(call(limiter, log) for _ in range(int(rate * 240))))

    with caplog.at_level("WARNING", "aicc_async"):
        run(main)
    moments = [sent for sent, _ in log]
    took = moments[-1] - moments[0]
    assert 0.9 * rate <= (len(moments) - 1) / took <= 1.35 * rate
    assert most_in(quota[1], moments) <= quota[0] + max(rate * per, 1)
    [warning] = caplog.messages
    assert warning.startswith(f"the service allows {quota[0]} requests in {quota[1]:g} s")
    assert f"the rate limit is {limit} requests in {per:g} s" in warning


def test_a_quota_is_kept_where_there_was_no_limit(caplog: pytest.LogCaptureFixture) -> None:
    """A client that chose no limit is told of it too."""
    limiter = make(None)
    log: list[tuple[float, float]] = []

    async def main() -> None:
        await call(limiter, log)
        limiter.note_quota(60, 60.0)
        await asyncio.gather(*(call(limiter, log) for _ in range(10)))

    with caplog.at_level("WARNING", "aicc_async"):
        run(main)
    assert log[-1][0] - log[1][0] >= 9
    assert caplog.messages[0].endswith("the rate limit is none: the lower one is kept")


def test_a_quota_above_the_limit_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What was chosen is lower already."""
    limiter = make(RateLimit(10))
    log: list[tuple[float, float]] = []

    async def main() -> None:
        limiter.note_quota(600, 60.0)
        await asyncio.gather(*(call(limiter, log) for _ in range(10)))

    with caplog.at_level("WARNING", "aicc_async"):
        run(main)
    assert log[-1][0] == log[0][0]
    assert caplog.messages == []
