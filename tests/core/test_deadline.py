"""Time budgets: what a deadline ends, with which error, and that no end leaves anything taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.clock import SOON, Jump, time_out_when, until
from helpers.tenants import NEW, client_of, count

from aicc_async import (
    AICCClient,
    ConfigError,
    KeyInUse,
    RateLimit,
    RateLimitError,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    SQLiteJournal,
    Timeouts,
    UnknownOutcome,
    deadline,
)
from aicc_async._ratelimit.adaptive import AdaptiveLimiter
from aicc_async._ratelimit.sliding_window import Limiter
from aicc_async._transport.deadline import earliest_end
from aicc_async.emulator import Emulator, Fault

PLACES = 2
# Waits of days between attempts: none that is drawn is short.
SLOW = RetryPolicy(base=1e6, cap=1e6, deadline=1e8)


async def end_when(
    reached: Callable[[], object], jump: Jump, call: Callable[[], Awaitable[object]]
) -> None:
    """Make a call under a deadline that ends once something is so."""

    async def bounded() -> None:
        with deadline(SOON):
            await call()

    calling = asyncio.create_task(bounded())
    await until(reached)
    jump()
    await calling


@asynccontextmanager
async def hanging(tenant: Emulator, aicc: AICCClient, calls: int) -> AsyncIterator[None]:
    """Keep places taken by calls that are not answered; fail unless all of them get one."""
    before = count(tenant, "get")
    tenant.fail("get", Fault.HANG, times=calls)
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        tasks = [group.create_task(aicc.get_case(tenant.ids()[0])) for _ in range(calls)]
        try:
            await until(lambda: count(tenant, "get") == before + calls)
            yield
        finally:
            for task in tasks:
                task.cancel()


async def cancel_when(reached: Callable[[], object], aicc: AICCClient, case_id: str) -> None:
    """Read a case under a timeout of asyncio's that ends once something is so."""
    await time_out_when(reached, lambda: aicc.get_case(case_id))


# ---- cancelled from outside ----------------------------------------------------------------


async def test_cancelled_in_the_queue(tenant: Emulator) -> None:
    """A call that is cancelled while it waits for a place takes none."""
    case_id = tenant.ids()[0]
    async with client_of(tenant, signs_in=False, max_concurrency=PLACES) as aicc:
        async with hanging(tenant, aicc, PLACES):
            await cancel_when(lambda: True, aicc, case_id)
            assert count(tenant, "get") == PLACES
        async with hanging(tenant, aicc, PLACES):
            pass


async def test_cancelled_in_the_limiter(tenant: Emulator, jump: Jump) -> None:
    """A call that is cancelled while it waits for the rate limit gives its place back."""
    case_id = tenant.ids()[0]
    limit = RateLimit(PLACES, per=0.9 * SOON)
    async with client_of(tenant, signs_in=False, max_concurrency=PLACES, rate_limit=limit) as aicc:
        await asyncio.gather(*(aicc.get_case(case_id) for _ in range(PLACES)))
        await cancel_when(lambda: True, aicc, case_id)
        assert count(tenant, "get") == PLACES
        jump()
        async with hanging(tenant, aicc, PLACES):
            pass


async def test_cancelled_in_the_sign_in(tenant: Emulator, jump: Jump) -> None:
    """A call that is cancelled while it waits for a token takes no place, and the token comes."""
    tenant.fail("token", Fault.HANG)
    timeouts = Timeouts(read=0.9 * SOON)
    async with client_of(tenant, max_concurrency=PLACES, timeouts=timeouts) as aicc:
        await cancel_when(lambda: count(tenant, "token"), aicc, tenant.ids()[0])
        jump()
        async with hanging(tenant, aicc, PLACES):
            pass


async def test_cancelled_in_an_attempt(tenant: Emulator) -> None:
    """A call that is cancelled while it waits for its answer gives its place back."""
    tenant.fail("get", Fault.HANG)
    async with client_of(tenant, signs_in=False, max_concurrency=PLACES) as aicc:
        await cancel_when(lambda: count(tenant, "get"), aicc, tenant.ids()[0])
        async with hanging(tenant, aicc, PLACES):
            pass


async def test_cancelled_between_attempts(tenant: Emulator) -> None:
    """A call that is cancelled in its back-off has no place any more."""
    tenant.fail("get", Fault.HTTP_503)
    async with client_of(tenant, signs_in=False, max_concurrency=PLACES, retry=SLOW) as aicc:
        await cancel_when(lambda: aicc.api.last_headers, aicc, tenant.ids()[0])
        assert count(tenant, "get") == 1
        async with hanging(tenant, aicc, PLACES):
            pass


# ---- the deadline of a call ----------------------------------------------------------------


async def test_a_deadline_ends_in_the_queue(tenant: Emulator, jump: Jump) -> None:
    """A call without a place in time was not sent, and leaves the places as they were."""
    async with client_of(tenant, signs_in=False, max_concurrency=PLACES) as aicc:
        async with hanging(tenant, aicc, PLACES):
            with pytest.raises(RequestTimeout, match="deadline ended") as caught:
                await end_when(lambda: True, jump, lambda: aicc.get_case(tenant.ids()[0]))
        assert not caught.value.sent
        async with hanging(tenant, aicc, PLACES):
            pass


async def test_a_limit_without_room_in_time_fails_at_once(tenant: Emulator) -> None:
    """A call that would wait too long for the rate limit waits for nothing, and takes no slot."""
    case_id = tenant.ids()[0]
    async with client_of(tenant, signs_in=False, rate_limit=RateLimit(1, per=3600)) as aicc:
        with deadline(60):
            await aicc.get_case(case_id)
            for _ in range(3):
                with pytest.raises(RequestTimeout, match="room in 3") as caught:
                    await aicc.get_case(case_id)
                assert not caught.value.sent
                # Whoever had taken a slot would have moved it by an hour.
                assert 3500 < (caught.value.retry_after or 0) < 3601
    assert count(tenant, "get") == aicc.stats.requests == 1


async def test_a_deadline_ends_in_the_sign_in_of_one_caller_only(
    tenant: Emulator, jump: Jump
) -> None:
    """The caller whose deadline ends was not sent; the sign-in that it began goes on."""
    tenant.fail("token", Fault.HANG)
    async with client_of(tenant, timeouts=Timeouts(read=2 * SOON)) as aicc:
        with pytest.raises(RequestTimeout, match="deadline ended") as caught:
            await end_when(
                lambda: count(tenant, "token"), jump, lambda: aicc.get_case(tenant.ids()[0])
            )
        assert not caught.value.sent
        jump()
        await aicc.get_case(tenant.ids()[0])
    # The one that hung, and its second attempt: nobody began another.
    assert (count(tenant, "token"), count(tenant, "get")) == (2, 1)


async def test_a_deadline_cuts_an_attempt(tenant: Emulator, jump: Jump) -> None:
    """A call that is not answered in time is a timeout that may have been sent."""
    tenant.fail("get", Fault.HANG, times=None)
    async with client_of(tenant, signs_in=False) as aicc:
        with pytest.raises(RequestTimeout) as caught:
            await end_when(
                lambda: count(tenant, "get"), jump, lambda: aicc.get_case(tenant.ids()[0])
            )
        tenant.clear_faults()
        await aicc.get_case(tenant.ids()[0])
    assert caught.value.sent
    assert isinstance(caught.value, TimeoutError)


async def test_a_deadline_is_not_waited_for_between_attempts(tenant: Emulator) -> None:
    """A call whose next attempt would come too late ends with the error of the last one."""
    tenant.fail("get", Fault.HTTP_503)
    async with client_of(tenant, signs_in=False, retry=SLOW) as aicc:
        with pytest.raises(ServerError), deadline(60):
            await aicc.get_case(tenant.ids()[0])
    assert count(tenant, "get") == 1


async def test_a_failed_attempt_says_more_than_its_deadline(tenant: Emulator, jump: Jump) -> None:
    """A call that waits for its second turn ends with the error of its first."""
    case_id = tenant.ids()[0]
    tenant.fail("get", Fault.HTTP_503)
    tenant.fail("get", Fault.HANG)
    async with client_of(tenant, signs_in=False, max_concurrency=1) as aicc:
        others: list[asyncio.Task[Any]] = []

        async def read() -> None:
            others.append(asyncio.create_task(read_in_turn()))
            await aicc.get_case(case_id)

        async def read_in_turn() -> None:
            # It comes second, and keeps the only place.
            await asyncio.sleep(0)
            await aicc.get_case(case_id)

        with pytest.raises(ServerError):
            await end_when(lambda: count(tenant, "get") == 2, jump, read)
        others[0].cancel()
        assert count(tenant, "get") == 2


async def test_a_refusal_holds_the_others_back_all_the_same(tenant: Emulator) -> None:
    """A call that is asked to wait beyond its deadline ends at once, and the others keep to it."""
    case_id, tenant.retry_after = tenant.ids()[0], "60"
    tenant.fail("get", Fault.THROTTLED)
    async with client_of(tenant, signs_in=False) as aicc:
        with deadline(30):
            with pytest.raises(RateLimitError):
                await aicc.get_case(case_id)
            with pytest.raises(RequestTimeout, match="has room in") as caught:
                await aicc.get_case(case_id)
    assert 30 < (caught.value.retry_after or 0) <= 60
    assert count(tenant, "get") == 1


async def test_a_refused_token_is_no_reason(tenant: Emulator, jump: Jump) -> None:
    """A call whose token is renewed too late has no time, and no wrong credentials."""
    limit = RateLimit(2, per=3600)
    async with client_of(tenant, rate_limit=limit) as aicc:
        tenant.fail("get", Fault.TOKEN_EXPIRED_401)
        with pytest.raises(RequestTimeout, match="deadline ended") as caught:
            await end_when(
                lambda: count(tenant, "get") and aicc.api.last_headers,
                jump,
                lambda: aicc.get_case(tenant.ids()[0]),
            )
    assert not caught.value.sent
    assert (count(tenant, "token"), count(tenant, "get")) == (1, 1)


async def test_an_answer_within_the_deadline_is_as_ever(tenant: Emulator, aicc: AICCClient) -> None:
    """A call that fails at first and succeeds in time is answered."""
    tenant.fail("get", Fault.HTTP_503)
    tenant.fail("get", Fault.TOKEN_EXPIRED_401)
    with deadline(60):
        detail = await aicc.get_case(tenant.ids()[0])
    assert detail.case.id == tenant.ids()[0]


async def test_an_iterator_has_a_deadline(tenant: Emulator, aicc: AICCClient, jump: Jump) -> None:
    """A listing whose pages do not come in time ends, patient as it is, and leaves no place."""
    tenant.fail("list", Fault.HANG, times=None)

    async def read() -> None:
        [case async for case in aicc.iter_cases()]

    with pytest.raises(RequestTimeout):
        await end_when(lambda: count(tenant, "list"), jump, read)
    tenant.clear_faults()
    with deadline(60):
        assert len([case async for case in aicc.iter_cases()]) == 300


# ---- creates -------------------------------------------------------------------------------


@pytest.fixture
async def keyed(tenant: Emulator, tmp_path: Path) -> AsyncIterator[AICCClient]:
    """Run a client with a journal."""
    options: dict[str, Any] = {"journal": SQLiteJournal(tmp_path / "a"), "list_lag": 300}
    async with client_of(tenant, timezone="Asia/Shanghai", signs_in=False, **options) as aicc:
        yield aicc


async def create(keyed: AICCClient) -> str:
    """Create a case under the key of all these tests."""
    return await keyed.create_case(NEW, key="order-1")


async def test_a_create_that_may_have_left_is_in_doubt(
    tenant: Emulator, aicc: AICCClient, jump: Jump
) -> None:
    """A create whose answer does not come in time may have been made, and is sent once."""
    await aicc.list_cases()
    tenant.fail("create", Fault.HANG_AFTER)
    with pytest.raises(UnknownOutcome):
        await end_when(lambda: count(tenant, "create"), jump, lambda: aicc.create_case(NEW))
    assert (tenant.count(), count(tenant, "create")) == (301, 1)


async def test_a_create_in_doubt_is_found_under_its_key(
    tenant: Emulator, keyed: AICCClient, jump: Jump
) -> None:
    """What a deadline left in doubt is in the journal, and the next call finds the case."""
    tenant.fail("create", Fault.HANG_AFTER)
    with pytest.raises(UnknownOutcome):
        await end_when(lambda: count(tenant, "create"), jump, lambda: create(keyed))
    with deadline(60):
        assert await create(keyed) in tenant.ids()
    assert (tenant.count(), count(tenant, "create")) == (301, 1)


async def test_the_search_for_a_case_has_the_deadline(
    tenant: Emulator, keyed: AICCClient, jump: Jump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case that may show only after the deadline is an unknown outcome that says when."""
    # The second look would come too late, and it is not waited for.
    monkeypatch.setattr("aicc_async._create.search.SEARCH_INTERVALS", (200, 200))
    tenant.fail("create", Fault.HANG)
    with pytest.raises(UnknownOutcome):
        await end_when(lambda: count(tenant, "create"), jump, lambda: create(keyed))
    with pytest.raises(UnknownOutcome) as caught, deadline(60):
        await create(keyed)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 300
    assert count(tenant, "create") == 1


async def test_a_create_that_was_not_sent_may_be_sent_again(
    tenant: Emulator, keyed: AICCClient, jump: Jump
) -> None:
    """A key whose create had no place in time is free, and makes its one case later."""
    async with hanging(tenant, keyed, 8):
        with pytest.raises(RequestTimeout) as caught:
            await end_when(lambda: keyed.stats.requests == 8, jump, lambda: create(keyed))
        assert not caught.value.sent
    made = await create(keyed)
    assert made in tenant.ids()
    assert (tenant.count(), count(tenant, "create")) == (301, 1)


async def test_a_key_at_work_elsewhere_is_waited_for_until_the_deadline(
    tenant: Emulator, keyed: AICCClient, jump: Jump
) -> None:
    """A call that waits for another one with its key ends as one that is in use."""
    tenant.fail("create", Fault.HANG)
    first = asyncio.create_task(create(keyed))
    await until(lambda: count(tenant, "create"))
    with pytest.raises(KeyInUse):
        await end_when(lambda: True, jump, lambda: create(keyed))
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first


# ---- the block -----------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.parametrize(("outer", "inner", "end"), [(2, 5, 2), (5, 2, 2)])
async def test_the_earlier_end_counts(outer: float, inner: float, end: float) -> None:
    """A deadline within another ends no later than that, and the outer one is back after it."""
    now = asyncio.get_running_loop().time()
    with deadline(outer):
        with deadline(inner):
            assert earliest_end() == pytest.approx(now + end)
            assert await asyncio.create_task(in_a_task()) == earliest_end()
        assert earliest_end() == pytest.approx(now + outer)
    assert earliest_end() is None


async def in_a_task() -> float | None:
    """Return the deadline that a task has."""
    return earliest_end()


def test_it_needs_an_event_loop() -> None:
    """Without a running loop there is no clock to count by."""
    with pytest.raises(ConfigError, match="running event loop"), deadline(1):
        pass


@pytest.mark.parametrize("seconds", [-1, float("nan"), "2", None, True])
async def test_odd_seconds_are_refused(seconds: Any) -> None:
    """What is not a number of seconds from 0 on is a ConfigError before anything is sent."""
    with pytest.raises(ConfigError, match="seconds must be a number from 0"), deadline(seconds):
        pass


async def test_no_time_at_all_sends_nothing(tenant: Emulator, aicc: AICCClient) -> None:
    """A deadline that has ended ends each call before its sign-in."""
    with pytest.raises(RequestTimeout) as caught, deadline(0):
        await aicc.get_case("1")
    assert not caught.value.sent
    assert tenant.requests == []


# ---- what limiters know --------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("waiting", [0, 1, 2, 3, 5])
async def test_the_least_wait_is_one(strict: bool, waiting: int) -> None:
    """Whoever comes now waits no less than was said, by who waits already, and hardly more."""
    limiter, loop = Limiter(2, per=10, strict=strict), asyncio.get_running_loop()

    async def call() -> float:
        await limiter.acquire()
        limiter.release()
        return loop.time()

    began = loop.time()
    tasks = [asyncio.create_task(call()) for _ in range(2 + waiting)]
    await asyncio.sleep(1)
    wait, asked = limiter.least_wait(), loop.time()
    left = await call()
    await asyncio.gather(*tasks)
    assert left - asked >= wait - 1e-3
    # Those who waited are sent evenly, five seconds from each other.
    assert wait >= left - asked - 5.1
    assert began < asked


@pytest.mark.looptime
async def test_an_adaptive_limit_takes_a_cancelled_slot_back() -> None:
    """Who is cancelled while a slot is spaced has taken none."""
    limiter = AdaptiveLimiter(2, 2, per=10)
    for _ in range(2):
        task = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.sleep(0)
    assert task.cancelled()
    assert limiter.least_wait() < 5
