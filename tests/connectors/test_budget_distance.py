"""The shared budget at a distance, between ranks, and across losses, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from attrs import evolve
from helpers.virtual_budget import Process, Quota, VirtualBudget, VirtualRedis, loop_time, share
from redis.asyncio import Redis

from aicc_async import ConfigError, RateLimit
from aicc_async._ratelimit.budget import Share, SlotReports, Terms
from aicc_async._ratelimit.shared import SharedLimiter
from aicc_async._ratelimit.store_clock import StoreClock
from aicc_async._transport.session import limiter_of
from aicc_async.connectors.redis.budget import RedisBudget, RedisBudgetConnection

pytest_plugins = ["helpers.redis_server"]
TERMS = Terms(limit=5, per=0.2, slack=0.01, horizon=10.0, hold=0.0)


@pytest.fixture
def store(redis_url: str) -> Iterator[VirtualRedis]:
    """Return an empty store."""
    store = VirtualRedis(redis_url)
    yield store
    store.client.close()


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("round_trip", "count", "least"),
    [(0.0004, 4, 0.93), (0.05, 1, 0.93), (0.05, 8, 0.93), (0.2, 1, 0.85), (0.2, 8, 0.85)],
)
async def test_most_of_a_quota_is_used_at_any_distance(
    store: VirtualRedis, round_trip: float, count: int, least: float
) -> None:
    """One process or eight, near or far: hardly a slot is lost, and each has its share."""
    found = await share(store, [Process() for _ in range(count)], round_trip=round_trip)
    assert found.used >= least
    assert min(found.shares) >= 0.8 / count
    assert found.refused == 0


@pytest.mark.looptime
@pytest.mark.parametrize("round_trip", [0.0004, 0.1])
async def test_requests_that_arrive_later_exceed_nothing(
    store: VirtualRedis, round_trip: float
) -> None:
    """A process 100 ms farther from the service than three others: none of theirs is refused."""
    processes = [Process(way=0.1, tasks=24), *(Process() for _ in range(3))]
    found = await share(store, processes, round_trip=round_trip)
    assert (found.used >= 0.93, found.refused) == (True, 0)


@pytest.mark.looptime
@pytest.mark.parametrize("exports", [1, 4])
async def test_workers_go_before_bulk(store: VirtualRedis, exports: int) -> None:
    """However many processes read in bulk, a worker has what it can use but for a fifth."""
    bulk = [Process(priority="bulk", tasks=16) for _ in range(exports)]
    found = await share(store, [Process(), *bulk], round_trip=0.0004)
    assert 0.7 <= found.shares[0] <= 0.85
    assert found.used >= 0.88
    assert found.refused == 0


@pytest.mark.looptime
async def test_bulk_alone_has_all(store: VirtualRedis) -> None:
    """A minute after the last of the others there is nobody to leave a tenth to."""
    connection = VirtualBudget(store, 0.0, 1).connect(evolve(TERMS, limit=20, per=1.0))

    async def spread_of_a_window() -> float:
        answers = [await connection.reserve(1, "bulk", SlotReports()) for _ in range(20)]
        waits = [wait for answer in answers for _, wait in answer.slots]
        assert len(waits) == 20
        return max(waits) - min(waits)

    assert await spread_of_a_window() < 1.0
    await asyncio.sleep(5)
    await connection.reserve(1, "interactive", SlotReports())
    await asyncio.sleep(55)
    assert await spread_of_a_window() > 1.0
    await asyncio.sleep(10)
    assert await spread_of_a_window() < 1.0
    await connection.close()


@pytest.mark.looptime
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("round_trip", [0.0004, 0.2])
async def test_interactive_calls_go_before_those_who_wait(
    store: VirtualRedis, workers: int, round_trip: float
) -> None:
    """Beside saturating bulk and workers none waits longer than 0.3 s and a round trip."""
    busy = [Process(priority="bulk", tasks=16), *(Process(tasks=16) for _ in range(workers))]
    person = Process(priority="interactive", tasks=1, every=0.5)
    found = await share(store, [*busy, person], round_trip=round_trip, seconds=10.0)
    assert max(person.waited) <= 0.3 + round_trip
    assert (found.used >= 0.85, found.refused) == (True, 0)


@pytest.mark.looptime
async def test_a_process_with_few_tasks_has_its_turns(store: VirtualRedis) -> None:
    """Two calls at a time get as much as eight, where their answers come in time."""
    found = await share(
        store, [Process(tasks=2), *(Process() for _ in range(3))], round_trip=0.0004
    )
    assert found.shares[0] >= 0.9 / 4


@pytest.mark.looptime
@pytest.mark.parametrize("round_trip", [0.0004, 0.2])
@pytest.mark.parametrize(("seconds", "is_flushed"), [(0.0, True), (6.0, False), (6.0, True)])
async def test_nothing_is_refused_when_the_store_stumbles(
    store: VirtualRedis,
    caplog: pytest.LogCaptureFixture,
    round_trip: float,
    seconds: float,
    is_flushed: bool,
) -> None:
    """Away for a while or flushed: shares and slots never add up, and all are back in time."""

    async def stumble() -> None:
        await asyncio.sleep(1)
        store.is_away = seconds > 0
        await asyncio.sleep(seconds)
        store.is_away = False
        if is_flushed:
            store.client.flushall()

    processes = [Process(), Process(answer=0.1), Process(way=0.05), Process(tasks=4)]
    length = seconds + 7 + 12 * round_trip
    found = await share(store, processes, round_trip=round_trip, seconds=length, meanwhile=stumble)
    assert found.refused == 0
    end = max(each.ended[-1] for each in processes) - 1
    last = [sum(moment > end for moment in each.ended) for each in processes]
    assert sum("is back" in each for each in caplog.messages) == (4 if seconds else 0)
    assert sum(last) >= 75
    assert min(last) > 0


@pytest.mark.looptime
async def test_a_process_that_is_far_away_comes_back(
    store: VirtualRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """It is back within two seconds and ten round trips; a lasting loss is logged each minute."""
    limiter = SharedLimiter(VirtualBudget(store, 0.2, 1), limit=10, per=1.0)
    store.is_away = True
    with caplog.at_level(logging.WARNING, "aicc_async"):
        await limiter.acquire()
        await asyncio.sleep(125)
        lasting = list(caplog.messages)
        store.is_away = False
        returned = loop_time()
        while "back" not in caplog.messages[-1]:  # noqa: ASYNC110  (it waits for the log)
            await asyncio.sleep(0.1)
    await limiter.close()
    assert loop_time() - returned <= 2 + 10 * 0.2
    assert len(lasting) == 3
    assert "for 120 s now" in lasting[-1]


@pytest.mark.looptime
async def test_a_short_pause_costs_no_window(store: VirtualRedis) -> None:
    """600 in 60 s: a new name is used at once, and a pause of 0.7 s costs about a second."""
    limiter = SharedLimiter(VirtualBudget(store, 0.001, 4), limit=600, per=60.0)
    began = loop_time()
    await limiter.acquire()
    assert loop_time() - began < 0.1
    await asyncio.sleep(70)
    await limiter.acquire()
    store.is_away = True
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0.7)
    store.is_away = False
    returned = loop_time()
    await waiting
    assert loop_time() - returned < 2
    await limiter.close()


@pytest.mark.looptime
async def test_a_state_of_the_wrong_type_leaves_the_own_share(store: VirtualRedis) -> None:
    """Where slots can't be read nobody comes back: each goes on with its share of the limit."""
    store.client.set("aicc:budget:{virtual}:slots", "a text")
    limiter = SharedLimiter(VirtualBudget(store, 0.001, 2), limit=20, per=1.0)
    began, count = loop_time(), 0
    while loop_time() < began + 20:
        count += await limiter.acquire() is not None
    await limiter.close()
    assert count >= 150


@pytest.mark.looptime
@pytest.mark.parametrize("pace", ["no JSON", '{"limit": 7}', "[]"])
async def test_a_pace_that_cannot_be_read_says_nothing(store: VirtualRedis, pace: str) -> None:
    """The limit is used as if nothing had been found."""
    store.client.hset("aicc:budget:{virtual}:state", "adaptive_pace", pace)
    limiter = SharedLimiter(VirtualBudget(store, 0.001, 1), limit=20, per=1.0, ceiling=40)
    began = loop_time()
    for _ in range(50):
        await limiter.acquire()
    assert loop_time() - began < 20
    await limiter.close()


@pytest.mark.looptime
async def test_a_fixed_limit_ignores_a_found_one(store: VirtualRedis) -> None:
    """What an adaptive limit left under the name is for adaptive limits."""
    budget = VirtualBudget(store, 0.001, 1)
    found = SharedLimiter(budget, limit=10, per=1.0, ceiling=50)
    await found.acquire()
    found.pause(0.0)
    await asyncio.sleep(5)
    await found.close()
    fixed = SharedLimiter(budget, limit=100, per=1.0)
    await fixed.acquire()
    assert fixed.limit == 100
    await fixed.close()


@pytest.mark.looptime
async def test_a_quota_that_rises_is_found_by_all(store: VirtualRedis) -> None:
    """An adaptive limit that three share follows the quota up, after it was refused below it."""
    budget, quota = VirtualBudget(store, 0.0004, 3), Quota(15)
    limiters = [SharedLimiter(budget, limit=5, per=1.0, ceiling=100) for _ in range(3)]

    async def ask(limiter: SharedLimiter, until: float) -> None:
        while loop_time() < until:
            slot = await limiter.acquire()
            assert slot is not None
            slot.mark_sent()
            before = quota.refused
            quota.arrive(loop_time())
            if quota.refused > before:
                limiter.pause(1.0, sent_at=loop_time())
            await asyncio.sleep(0.005)

    for quota.limit in (15, 60):
        until = loop_time() + 12
        await asyncio.gather(*(ask(each, until) for each in limiters for _ in range(3)))
        assert 0.85 * quota.limit <= limiters[0].limit <= 1.15 * quota.limit
    await asyncio.gather(*(each.close() for each in limiters))


async def test_limits_that_contradict_each_other_are_refused(redis_url: str, prefix: str) -> None:
    """Two limits under one name are an error that names both, until the first one is over."""
    one = limiter_of(RateLimit(100, shared=RedisBudget(redis_url, name=prefix)))
    other = limiter_of(RateLimit(50, per=2, shared=RedisBudget(redis_url, name=prefix)))
    await one.acquire()
    with pytest.raises(ConfigError, match=r"100 requests in 1 s in use, got 50 requests in 2 s"):
        await other.acquire()
    await asyncio.gather(one.close(), other.close())


async def test_a_limit_may_follow_another_one(redis_url: str, prefix: str) -> None:
    """Once the slots of the first limit are over, another one has the name."""
    terms = evolve(TERMS, horizon=0.0)
    one = RedisBudgetConnection(redis_url, prefix, terms)
    other = RedisBudgetConnection(redis_url, prefix, evolve(terms, limit=9))
    await one.reserve(1, "worker", SlotReports())
    await asyncio.sleep(terms.per + terms.slack)
    assert (await other.reserve(1, "worker", SlotReports())).state.limit == 9
    await asyncio.gather(one.close(), other.close())


async def test_a_share_is_no_more_than_that(redis_url: str, prefix: str) -> None:
    """During a hold a process that sent nothing before has its share of the limit, and no more."""
    terms = evolve(TERMS, limit=8, per=60.0, hold=600.0, horizon=60.0)
    # Without a time limit: what is asked twice, because the answer came late, wastes a slot.
    connection = RedisBudgetConnection(lambda: Redis.from_url(redis_url), prefix, terms)
    counts = []
    for is_idle in (False, True, False, False):
        given = await connection.reserve(
            2, "interactive", SlotReports(), share=Share(limit=3, is_idle=is_idle)
        )
        counts.append(len(given.slots))
    await connection.close()
    assert sum(counts) == 3
    assert counts[0] == 0


def test_the_clock_follows_the_quickest_answer() -> None:
    """The middle of the quickest exchange is kept, until an answer contradicts it."""
    clock = StoreClock()
    clock.note(10.0, 10.2, 1000.1)
    assert clock.to_loop_time(1000.1) == pytest.approx(10.1)
    clock.note(11.0, 11.3, 1001.2)
    assert clock.to_loop_time(1000.1) == pytest.approx(10.1)
    clock.note(12.0, 12.02, 1002.01)
    assert clock.distance.round_trip == pytest.approx(0.16)
    clock.note(13.0, 13.3, 2000.15)
    assert clock.to_loop_time(2000.15) == pytest.approx(13.15)


@pytest.mark.parametrize("name", [None, "other"])
def test_a_budget_is_named_after_the_domain(name: str | None, redis_url: str) -> None:
    """Without a name it has that of the service's domain."""
    made = RedisBudget(redis_url, name=name).connect(evolve(TERMS, domain="some.where:8443"))
    assert isinstance(made, RedisBudgetConnection)
    assert f"{{{name or 'some.where:8443'}}}" in made._keys[0]
