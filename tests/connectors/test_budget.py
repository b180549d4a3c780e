"""The shared budget on a real Redis: its window, its ranks, its outages, and processes over it."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from attrs import evolve
from helpers.budget_load import (
    Load,
    Log,
    Target,
    collect_logs,
    run_processes,
    shared_limit,
    wait_for,
)
from helpers.commands import unset_options
from helpers.exports import QUARTER, SINCE, UNTIL
from helpers.nginx import limiting
from helpers.recipes import recipe
from helpers.redis_process import RedisServer
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ConfigError,
    RateLimit,
    RetryPolicy,
    StaticToken,
    export_cases,
)
from aicc_async._ratelimit.budget import (
    REQUEST_PRIORITIES,
    BudgetUnreachable,
    RequestPriority,
    Reservation,
    SlotReports,
    Terms,
    request_priority,
)
from aicc_async._ratelimit.pace import initial_pace
from aicc_async._ratelimit.shared import SharedLimiter
from aicc_async._transport.session import limiter_of
from aicc_async.cli.connect import client as command_client
from aicc_async.cli.connect import reader
from aicc_async.connectors.redis.budget import RedisBudget, RedisBudgetConnection
from aicc_async.emulator import Emulator, Fault, run_in_thread

pytest_plugins = ["helpers.redis_server"]

Connect = Callable[..., RedisBudgetConnection]
TERMS = Terms(limit=5, per=0.2, slack=0.01, horizon=10.0, hold=0.0)
# Low enough that a loaded machine can use it.
QUOTA = 40

rounds = st.lists(
    st.tuples(
        st.integers(0, 2),  # who asks
        st.sampled_from(REQUEST_PRIORITIES),
        st.integers(1, 9),  # for how many
        st.booleans(),  # and leaves the last one unused
    ),
    min_size=1,
    max_size=30,
)


def most_in(span: float, moments: Sequence[float]) -> int:
    """Count the most moments that lie within less than a span."""
    return max((sum(a <= b < a + span - 1e-5 for b in moments) for a in moments), default=0)


async def reserve(
    connection: RedisBudgetConnection, count: int, priority: RequestPriority = "worker"
) -> Reservation:
    """Reserve without anything to report."""
    return await connection.reserve(count, priority, SlotReports())


def slot_times(answer: Reservation) -> dict[str, float]:
    """Return when its slots begin, by the store's clock."""
    return {name: answer.state.time + wait for name, wait in answer.slots}


async def reserve_all(
    url: str, name: str, terms: Terms, asked: Sequence[Any]
) -> list[tuple[float, RequestPriority]]:
    """Reserve by three clients in turn, use the slots; return each with its priority."""
    slots: dict[str, tuple[float, RequestPriority]] = {}
    reports = [SlotReports() for _ in range(3)]
    async with AsyncExitStack() as stack:
        connections = [RedisBudgetConnection(url, name, terms) for _ in range(3)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        for who, priority, count, leaves in asked:
            answer = await connections[who].reserve(count, priority, reports[who])
            reports[who] = SlotReports()
            found = slot_times(answer)
            slots |= {slot: (moment, priority) for slot, moment in found.items()}
            if leaves and found:
                last = list(found)[-1]
                reports[who].unused.append(last)
                del slots[last]
    return list(slots.values())


@given(rounds, st.integers(1, 12))
@settings(max_examples=60)
def test_no_window_holds_more_than_n(redis_server: RedisServer, asked: Any, limit: int) -> None:
    """Whatever is reserved and given back: no span of T and slack has more than N."""
    url, name = redis_server.url, f"window-{time.monotonic_ns()}"
    terms = evolve(TERMS, limit=limit)
    slots = asyncio.run(reserve_all(url, name, terms, asked))
    assert most_in(terms.per + terms.slack, [moment for moment, _ in slots]) <= limit


@given(rounds, st.integers(2, 20))
@settings(max_examples=30)
def test_bulk_leaves_a_reserve(redis_server: RedisServer, asked: Any, limit: int) -> None:
    """While others are there, bulk never has the last tenth of a window."""
    url, name = redis_server.url, f"bulk-{time.monotonic_ns()}"
    terms = evolve(TERMS, limit=limit)
    slots = asyncio.run(reserve_all(url, name, terms, [(0, "interactive", 1, False), *asked]))
    bulk = [moment for moment, priority in slots if priority == "bulk"]
    assert most_in(terms.per + terms.slack, bulk) <= limit - max(limit // 10, 1)


async def test_no_second_is_full_of_slots(connect: Connect) -> None:
    """Any second leaves some of the slack to a process that is farther from the service."""
    connection = connect(evolve(TERMS, limit=100, per=1.0, slack=0.055))
    moments: list[float] = []
    while len(moments) < 300:
        moments += slot_times(await reserve(connection, 3)).values()
    after_the_burst = [moment for moment in moments if moment > moments[0] + 1.055]
    assert len(after_the_burst) > 150
    assert most_in(1.0, after_the_burst) <= 97


@pytest.fixture
async def connect(redis_url: str, prefix: str) -> AsyncIterator[Connect]:
    """Connect to a budget that nobody used before; all is closed at the end."""
    async with AsyncExitStack() as stack:

        def one(terms: Terms = TERMS) -> RedisBudgetConnection:
            made = RedisBudgetConnection(redis_url, prefix, terms)
            stack.push_async_callback(made.close)
            return made

        yield one


@pytest.fixture
def connection(connect: Connect) -> RedisBudgetConnection:
    """Connect with the usual terms."""
    return connect()


async def test_an_unused_slot_is_given_to_the_next(connection: RedisBudgetConnection) -> None:
    """A slot that is given back is reserved again at once, between the slots of others."""
    first = await connection.reserve(1, "interactive", SlotReports())
    for _ in range(4):
        await connection.reserve(1, "interactive", SlotReports())
    taken = await connection.reserve(1, "interactive", SlotReports())
    assert taken.slots[0][1] > 0.1
    [(unused, _)] = first.slots
    again = await connection.reserve(
        1, "interactive", SlotReports(unused=[unused, taken.slots[0][0]])
    )
    assert again.slots[0][1] == 0


async def test_a_late_slot_counts_from_when_it_left(connection: RedisBudgetConnection) -> None:
    """The request that follows a slot used late is delayed by as much."""
    slots = [(await connection.reserve(1, "interactive", SlotReports())).slots[0] for _ in range(5)]
    await asyncio.sleep(0.05)
    left = asyncio.get_running_loop().time()
    late = SlotReports(late=[(name, left) for name, _ in slots])
    answer = await connection.reserve(1, "interactive", late)
    wait = asyncio.get_running_loop().time() - left + answer.slots[0][1]
    assert wait >= TERMS.per + TERMS.slack - 1e-3


async def test_bulk_is_not_starved_by_workers(connect: Connect) -> None:
    """When workers have used up all slots, bulk may try again as soon as they may."""
    connection = connect(evolve(TERMS, limit=20, horizon=1.0))
    while (workers := await reserve(connection, 9)).slots:
        assert len(workers.slots) <= 3
    bulk = await reserve(connection, 9, "bulk")
    # A slot may have come free between the two.
    assert bulk.slots or bulk.retry_after <= workers.retry_after


async def test_a_batch_is_small(connect: Connect) -> None:
    """One reservation gets the slots of some tens of milliseconds, not all."""
    connection = connect(evolve(TERMS, limit=20))
    assert len((await reserve(connection, 1000)).slots) == 3


async def test_nothing_is_given_beyond_the_horizon(connect: Connect) -> None:
    """Slots too far ahead are not given: the answer has the time of the next try."""
    connection = connect(evolve(TERMS, limit=1, per=600.0, horizon=0.25))
    assert len((await reserve(connection, 1)).slots) == 1
    answer = await reserve(connection, 1)
    assert answer.slots == []
    # The first slot is of some moments ago.
    assert 590 < answer.retry_after <= 600.01 - 0.25


async def test_a_pause_holds_every_process(connect: Connect) -> None:
    """A 429 of one process holds the others back; a shorter pause ends nothing."""
    one, other = (connect(evolve(TERMS, horizon=100.0)) for _ in range(2))
    await one.pause(60.0)
    await one.pause(1.0)
    wait = (await reserve(other, 1, "interactive")).slots[0][1]
    assert 50.0 < wait <= 60.0


async def test_after_a_refusal_nobody_gets_a_burst(connect: Connect) -> None:
    """The slots of all processes and priorities are evenly spaced, from the first on."""
    one, other = connect(evolve(TERMS, limit=20)), connect(evolve(TERMS, limit=20))
    await one.pause(0.0)
    waits = []
    for connection in (one, other) * 2:
        answer = await reserve(connection, 2, "interactive")
        waits += [wait + answer.state.time for _, wait in answer.slots]
    assert len(waits) >= 4
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert min(gaps) >= TERMS.per / 20 - 0.0001


async def test_a_forgetful_server_holds_all_up(connect: Connect) -> None:
    """A server that knows nothing gives nothing until everybody has noticed; then it does."""
    connection = connect(evolve(TERMS, hold=60.0, horizon=0.25))
    answer = await reserve(connection, 1)
    assert answer.slots == []
    assert 50.0 < answer.retry_after <= 59.75
    assert 50.0 < await connection.rejoin() <= 60.0


async def test_another_server_with_old_data_holds_all_up(
    redis_url: str, prefix: str, connect: Connect
) -> None:
    """A restart is seen even when the data survived it."""
    with redis.Redis.from_url(redis_url) as client:
        client.hset(
            f"aicc:budget:{{{prefix}}}:state", mapping={"server": "another", "hold_until": "1"}
        )
    connection = connect(evolve(TERMS, hold=60.0, horizon=0.25))
    assert (await reserve(connection, 1)).retry_after > 50.0


async def test_a_clock_that_was_put_back_holds_all_up_once(
    redis_url: str, prefix: str, connect: Connect
) -> None:
    """Slots that lie an hour ahead are forgotten, and nothing is given until all have noticed."""
    await reserve(connect(), 1)
    ahead = (time.time() + 3600) * 1e6
    with redis.Redis.from_url(redis_url) as store:
        store.zadd(f"aicc:budget:{{{prefix}}}:slots", {f"old:{n}": ahead for n in range(9)})
    connection = connect(evolve(TERMS, hold=60.0, horizon=100.0))
    assert 50.0 < (await reserve(connection, 1)).slots[0][1] <= 60.0


async def test_keys_are_of_one_cluster_slot_and_end(
    redis_url: str, connection: RedisBudgetConnection
) -> None:
    """All keys have one hash tag, and the slots a time to live."""
    await reserve(connection, 1, "bulk")
    with redis.Redis.from_url(redis_url) as client:
        keys = [key.decode() for key in client.scan_iter()]
        assert len(keys) == 3
        assert len({key[key.index("{") : key.index("}")] for key in keys}) == 1
        assert all(0 < client.pttl(key) < 3000 for key in keys if not key.endswith("state"))


async def test_the_pace_is_changed_by_one_at_a_time(connection: RedisBudgetConnection) -> None:
    """A change that was derived from an older pace is refused."""
    seen = (await reserve(connection, 1)).state
    assert (seen.limit, seen.pace) == (5, "")
    assert await connection.replace_pace("", '{"limit":7}')
    assert not await connection.replace_pace("", '{"limit":9}')
    seen = await connection.report(SlotReports())
    assert (seen.limit, seen.pace) == (7, '{"limit":7}')


async def test_a_lost_server_is_reported_without_its_address(prefix: str) -> None:
    """The error of a server that can't be reached names no host and no password."""
    url = "redis://somebody:pass-word@127.0.0.1:1/0"
    connection = RedisBudgetConnection(url, prefix, TERMS)
    with pytest.raises(BudgetUnreachable, match=r"^ConnectionError$"):
        await reserve(connection, 1)
    await connection.close()
    assert "pass-word" not in repr(RateLimit(5, shared=RedisBudget(url)))


@pytest.mark.parametrize(
    ("url", "options", "name"),
    [
        ("http://localhost", {}, "redis must be a URL of Redis"),
        (7, {}, "redis must be a URL of Redis"),
        ("redis://localhost", {"name": ""}, "name"),
        ("redis://localhost", {"name": "a{b"}, "name"),
        ("redis://localhost", {"name": 5}, "name"),
        ("redis://localhost", {"fallback_processes": 0}, "fallback_processes"),
        ("redis://localhost", {"fallback_processes": True}, "fallback_processes"),
    ],
)
def test_bad_budgets_are_refused(url: Any, options: dict[str, Any], name: str) -> None:
    """A bad argument is refused before any I/O, by its name."""
    with pytest.raises(ConfigError, match=name):
        RedisBudget(url, **options)


def test_a_priority_is_one_of_three() -> None:
    """Another word is refused where it is set."""
    with pytest.raises(ConfigError, match="priority"), request_priority("urgent"):  # type: ignore[arg-type]
        pass


def client(tenant: Emulator, rate: RateLimit, **options: Any) -> AICCClient:
    """Return a client of a tenant that hardly waits between attempts."""
    auth = StaticToken(tenant.token())
    return AICCClient(
        tenant.url, auth=auth, rate_limit=rate, retry=RetryPolicy(base=0.001), **options
    )


@pytest.mark.slow
async def test_calls_of_one_client_may_go_first(tenant: Emulator, redis_url: str) -> None:
    """An interactive call overtakes the bulk calls of the same client that were there before."""
    rate = evolve(shared_limit(redis_url, 4, name="first", processes=1), priority="bulk")
    order: list[str] = []

    async def call(what: str) -> None:
        await aicc.list_cases(limit=1)
        order.append(what)

    async with client(tenant, rate, max_concurrency=2) as aicc:
        await call("warm")
        bulk = [asyncio.create_task(call("bulk")) for _ in range(6)]
        await asyncio.sleep(0)
        with request_priority("interactive"):
            await call("interactive")
        assert order.count("bulk") < 4
        await asyncio.gather(*bulk)


async def test_a_cancelled_call_takes_no_turn(tenant: Emulator, redis_url: str) -> None:
    """Calls that are cancelled while they wait don't block the others."""
    rate = shared_limit(redis_url, 10, name="cancelled", processes=1)
    async with client(tenant, rate) as aicc:
        tasks = [asyncio.create_task(aicc.list_cases(limit=1)) for _ in range(14)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(end, asyncio.CancelledError) for end in ends) == 5
    assert len(tenant.requests) == 9


@pytest.mark.parametrize("limit", [18, 100])
async def test_exports_that_share_a_limit_end_behind_a_quota_of_nginxs(
    redis_url: str, tmp_path: Path, limit: int
) -> None:
    """A limit below 20 a second, or far above it: one run is enough, and few are refused."""
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(Emulator(cases=3000, since=SINCE, until=UNTIL))
        url = stack.enter_context(limiting(tenant.url))
        rate = shared_limit(redis_url, limit, name=f"nginx-{limit}", processes=2)
        auth = StaticToken(tenant.token())
        clients = [AICCClient(url, auth=auth, rate_limit=rate) for _ in range(2)]
        for each in clients:
            await stack.enter_async_context(each)
        reports = await asyncio.gather(
            *(export_cases(c, QUARTER, tmp_path / f"{i}.jsonl") for i, c in enumerate(clients))
        )
    assert [(report.verified, report.rows) for report in reports] == [(True, 3000)] * 2
    assert sum(c.stats.throttled for c in clients) <= sum(c.stats.requests for c in clients) / 3


async def test_a_pace_never_exceeds_a_limit_that_was_lowered(connect: Connect) -> None:
    """What was found under a higher limit holds for those that have that limit, not for others."""
    pace = msgspec.json.encode(initial_pace(50)).decode()
    assert await connect().replace_pace("", pace)
    lowered = [connect(evolve(TERMS, ceiling=ceiling)) for ceiling in (5, 40, 80)]
    limits = [(await each.report(SlotReports())).limit for each in lowered]
    assert limits == [5, 40, 50]


async def test_a_429_pauses_the_budget(redis_url: str) -> None:
    """The pause that one client is asked for by the service is every client's."""
    async with Emulator(cases=1, retry_after="0.2") as tenant:
        async with client(tenant, shared_limit(redis_url, 50, name="paused", processes=1)) as aicc:
            await aicc.list_cases(limit=1)
            began = time.time()
            tenant.fail("list", Fault.THROTTLED)
            await aicc.list_cases(limit=1)
        assert aicc.stats.throttled == 1
    with redis.Redis.from_url(redis_url) as store:
        paused = store.hget("aicc:budget:{paused}:state", "paused_until")
    assert isinstance(paused, bytes)
    assert float(paused) / 1e6 >= began + 0.2


async def test_a_quota_that_is_named_is_kept_by_all(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What one process is told lowers the limit of the others, and one warning has both."""
    rate = shared_limit(redis_url, 50, name="quota", processes=1)
    told, other = limiter_of(rate), limiter_of(rate)
    assert isinstance(other, SharedLimiter)
    with caplog.at_level(logging.WARNING, "aicc_async"):
        await told.acquire()
        told.note_quota(1200, 60.0)
        told.note_quota(3000, 60.0)
        async with asyncio.timeout(60):
            while other.limit != 20:
                await other.acquire()
    await asyncio.gather(told.close(), other.close())
    [warning] = caplog.messages
    assert "allows 1200 requests in 60 s, the shared limit is 50 in 1 s" in warning


async def test_without_a_store_there_is_a_share(caplog: pytest.LogCaptureFixture) -> None:
    """A store that was never there is no error: a share is used, and one warning logged."""
    rate = shared_limit("unix:///nowhere/at-all", 100, name="share", processes=4)
    limiter = limiter_of(rate)
    with caplog.at_level(logging.WARNING, "aicc_async"):
        assert await limiter.acquire() is not None
        assert await limiter.acquire() is not None
    await limiter.close()
    [said] = (record.getMessage() for record in caplog.records)
    assert said.startswith("the shared budget can't be reached (ConnectionError): at most 25 ")
    assert "nowhere" not in caplog.text


async def test_a_pause_is_known_beforehand(redis_url: str) -> None:
    """Whoever comes during a pause, with the store or without it, is told of it without waiting."""
    for url in (redis_url, "unix:///nowhere/at-all"):
        limiter = limiter_of(shared_limit(url, 100, name="known", processes=4))
        assert limiter.least_wait() == 0
        limiter.pause(60)
        assert 30 < limiter.least_wait() <= 60
        await limiter.close()


async def test_a_closed_limiter_releases_its_waiters(redis_url: str) -> None:
    """A waiter returns at once when it is closed, and nothing is left running."""
    limiter = limiter_of(shared_limit(redis_url, 1, name="closed", processes=1))
    assert await limiter.acquire() is not None
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0.01)
    await limiter.close()
    assert await waiting is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_slot_that_nobody_takes_at_the_close_starts_nothing(redis_url: str) -> None:
    """A waiter whose turn passed while its limiter was closed reports to nobody any more."""
    rate = RateLimit(1, shared=RedisBudget(redis_url, name="passed"))
    limiter = limiter_of(rate)
    assert await limiter.acquire() is not None
    waiting = asyncio.create_task(limiter.acquire())
    with redis.Redis.from_url(redis_url) as store:
        while store.zcard("aicc:budget:{passed}:slots") < 2:  # noqa: ASYNC110  (as below)
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    time.sleep(1.2)  # noqa: ASYNC251  (the turn passes)
    await limiter.close()
    assert await waiting is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_slot_that_comes_too_late_is_not_used(redis_url: str) -> None:
    """A process whose loop stalled when its turn came gives the slot back and reserves another."""
    rate = RateLimit(1, per=1.0, shared=RedisBudget(redis_url, name="late"))
    limiter = limiter_of(rate)
    first = await limiter.acquire()
    assert first is not None
    first.mark_sent()
    waiting = asyncio.create_task(limiter.acquire())
    slots = "aicc:budget:{late}:slots"
    with redis.Redis.from_url(redis_url) as store:
        while store.zcard(slots) < 2:  # noqa: ASYNC110  (Redis sets no event)
            await asyncio.sleep(0)
        [(_, turn)] = store.zrange(slots, -1, -1, withscores=True)
        # That is the stall.
        time.sleep(max(turn / 1e6 + 0.2 - time.time(), 0))  # noqa: ASYNC251
        moved_on = time.time()
        assert await waiting is not None
        await limiter.close()
        [(_, score)] = store.zrange(slots, -1, -1, withscores=True)
    assert score / 1e6 > moved_on - 0.05


def test_the_command_line_reads_as_bulk(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With AICC_REDIS_URL the command line shares its limit, and what it reads comes last."""
    token = tmp_path / "token"
    token.write_text("emulated")
    options = unset_options() | {"base_url": "https://some.where/", "token_file": token}
    monkeypatch.setenv("AICC_REDIS_URL", redis_url)
    with pytest.raises(ConfigError, match="AICC_REDIS_URL"):
        reader(**options)
    for make, priority in ((reader, "bulk"), (command_client, "worker")):
        made = make(**options | {"rate": "10"})
        assert isinstance(made, AICCClient)
        rate = made._session._endpoint.rate_limit
        expected = RedisBudget(redis_url, name="some.where")
        assert rate == RateLimit(10, shared=expected, priority=priority)  # type: ignore[arg-type]


@pytest.mark.slow
async def test_the_found_limit_outlives_its_finders(redis_url: str) -> None:
    """What one client found with an adaptive limit, another begins with."""
    with run_in_thread(cases=1, quota=4, retry_after="0.2") as tenant:
        rate = RateLimit.adaptive(8, 20, shared=RedisBudget(redis_url, name="found"))
        async with client(tenant, rate) as aicc:
            await asyncio.gather(*(aicc.list_cases(limit=1) for _ in range(12)))
        limiter = limiter_of(rate)
        assert isinstance(limiter, SharedLimiter)
        await limiter.acquire()
        assert limiter.limit < 8
        await limiter.close()


# A stall of most of a second brings so many more at once. Shares and slots that add up are twice as
# many. What is used of a limit, and that not one request is too many, is judged in virtual time
# (``test_budget_distance.py``) and by ``bench_budget.py``.
TOLERATED = QUOTA * 19 // 10
DIFFERENT = (Load(), Load(works=0.1, blocks=0.005), Load(slow=0.2, tasks=16), Load(tasks=4))


@contextmanager
def run_loads(redis_url: str, name: str, loads: Sequence[Load]) -> Iterator[list[Connection]]:
    """Run processes, none of whose calls may fail or be refused."""
    with run_in_thread(cases=1, quota=TOLERATED, record=False) as tenant:
        rate = shared_limit(redis_url, QUOTA, name=name, processes=4)
        target = Target(url=tenant.url, token=tenant.token(), rate=rate)
        with run_processes(target, loads) as pipes:
            yield pipes
            seen = collect_logs(pipes)
        assert tenant.refused == 0
    assert not any(log.failed for log in seen)


def have_called(count: int, *, before: Sequence[Log] | None = None) -> Callable[[list[Log]], bool]:
    """Return whether all together have called so often, or so much oftener than before."""
    least = count + sum(len(log.ended) for log in before or ())
    return lambda seen: sum(len(log.ended) for log in seen) >= least


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_processes_of_different_speed_share_a_quota(redis_url: str) -> None:
    """The service refuses none of them, and each has its share."""
    with run_loads(redis_url, "fleet", DIFFERENT) as pipes:
        before = wait_for(pipes, have_called(QUOTA))
        after = wait_for(pipes, have_called(6 * QUOTA, before=before))
    calls = [len(now.ended) - len(log.ended) for now, log in zip(after, before, strict=True)]
    assert min(calls) >= 0.5 * sum(calls) / len(calls)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_killed_redis_lets_nobody_exceed_the_quota(
    redis_url: str, redis_server: RedisServer
) -> None:
    """While Redis is dead each process uses its share; all are back when it is."""
    with run_loads(redis_url, "killed", DIFFERENT) as pipes:
        before = wait_for(pipes, have_called(QUOTA))
        redis_server.kill()
        alone = wait_for(pipes, have_called(3 * QUOTA, before=before))
        redis_server.start()
        back = wait_for(pipes, lambda seen: all(log.back for log in seen))
        after = wait_for(pipes, have_called(QUOTA, before=back))
    assert not any(log.back for log in alone)
    for one, other in ((before, alone), (back, after)):
        assert all(len(now.ended) > len(log.ended) for log, now in zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_interactive_calls_pass_a_saturating_export(redis_url: str) -> None:
    """Beside an export that takes what it can get, a call doesn't wait for the export's."""
    loads = (Load(priority="bulk", tasks=16), Load(priority="interactive", tasks=1, every=0.25))
    with run_loads(redis_url, "ranked", loads) as pipes:
        before = wait_for(pipes, have_called(QUOTA))
        after = wait_for(pipes, lambda seen: len(seen[1].ended) >= len(before[1].ended) + 24)
    bulk, interactive = (
        len(now.ended) - len(log.ended) for now, log in zip(after, before, strict=True)
    )
    # Ten calls of the export fit in between; behind its sixteen there would be more than twenty.
    assert bulk <= 16 * interactive


@pytest.mark.slow
def test_the_page_s_sample_runs(redis_url: str) -> None:
    """It shares a limit, reads once, and prints how many cases there are."""
    with run_in_thread(cases=7) as tenant:
        environ = {
            **os.environ,
            "AICC_BASE_URL": tenant.url,
            "AICC_ACCESS_TOKEN": tenant.token(),
            "REDIS_URL": redis_url,
        }
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-W", "error", "-c", recipe("budget.py")],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    # A loaded machine may be late to answer: the limit says so, and holds.
    errors = [line for line in done.stderr.splitlines() if "the shared budget" not in line]
    assert (done.returncode, done.stdout, errors) == (0, "7\n", [])
