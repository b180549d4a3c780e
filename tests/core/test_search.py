"""How a hidden quota is found, whichever way it is counted: the rules, and a simulated service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import closing

import looptime
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aicc_async._ratelimit.adaptive import AdaptiveLimiter
from aicc_async._ratelimit.search import (
    LONG_SECONDS,
    MAX_HOLD_SECONDS,
    MIN_HOLD_SECONDS,
    Search,
    keep_to,
    lower_limit,
    raise_limit,
    start_search,
    wait_out,
)
from aicc_async.emulator import Bucket, FixedWindow
from aicc_async.emulator.faults.quota import Quota

TASKS = 8
LATENCY = 0.03  # seconds
NOW = 500.0

searches = st.builds(
    lambda proven, more, above, late, passed: Search(
        limit=proven + more,
        proven_limit=proven,
        refused_limit=proven + more + above if above else 0,
        raise_at=1.0,
        tried_at=NOW - passed,
        counted_from=NOW - passed,
        counted_at=NOW - passed,
        late_refusals=late,
    ),
    st.integers(1, 100),
    st.integers(0, 50),
    st.integers(0, 20),
    st.integers(0, 3),
    st.floats(0, 100),
)


@given(searches, st.floats(0, 200), st.integers(0, 200), st.integers(1, 300))
def test_a_limit_rises_only_to_its_ceiling_and_only_when_used(
    search: Search, now: float, sent: int, ceiling: int
) -> None:
    """A limit that was not used is not raised, none is lowered, and none goes above the ceiling."""
    new = raise_limit(search, now=now, sent=sent, per=1.0, ceiling=ceiling)
    assert search.limit <= new.limit <= max(ceiling, search.limit)
    if sent < search.limit * 0.8 or now < search.raise_at:
        assert new == search


@given(searches, st.integers(0, 200), st.floats(0, 10))
def test_a_refusal_lowers_the_limit_but_never_below_one(
    search: Search, sent: int, seconds: float
) -> None:
    """What was refused is remembered, and nobody is held back for less than the service asks."""
    new = lower_limit(search, now=NOW, sent_at=NOW, sent=sent, seconds=seconds, per=1.0)
    assert 1 <= new.limit <= search.limit
    assert new.proven_limit <= new.limit < new.refused_limit
    assert new.held_until == NOW + new.hold_seconds
    if new.hold_seconds:
        assert new.hold_seconds >= max(seconds, MIN_HOLD_SECONDS)
    else:
        assert 0 < search.refused_limit <= search.limit


@given(searches, st.integers(0, 200), st.lists(st.floats(0, 0.2), max_size=20))
def test_the_refusals_of_one_event_cut_once(search: Search, sent: int, delays: list[float]) -> None:
    """Requests under way at the first refusal lower the limit no further than to the proven one."""
    first = lower_limit(search, now=NOW, sent_at=NOW, sent=sent, seconds=1.0, per=1.0)
    last = first
    for delay in sorted(delays):
        last = lower_limit(last, now=NOW + 1, sent_at=NOW + delay, sent=sent, seconds=1.0, per=1.0)
    assert last.limit >= first.proven_limit
    assert last.limit >= first.limit - len(delays)


@given(searches, st.integers(1, 30))
def test_a_closed_service_is_asked_ever_more_seldom(search: Search, refusals: int) -> None:
    """While nothing passes, pauses grow up to a bound, and the limit is cut only once."""
    waits, limits, now = [], set(), NOW
    for _ in range(refusals):
        search = lower_limit(search, now=now, sent_at=now, sent=0, seconds=1.0, per=1.0)
        waits.append(search.held_until - now)
        limits.add(search.limit)
        now = search.held_until + 0.01
    assert waits == sorted(waits)
    assert max(waits) <= MAX_HOLD_SECONDS + 1e-6
    assert len(limits) == 1


def test_what_a_window_of_a_minute_let_through_is_spread_over_it() -> None:
    """After 600 requests in 12 s and a refused one behind the pause, the limit is 10 a second."""
    search = evolve(start_search(50), raise_at=1.0, counted_from=NOW - 12, counted_at=NOW - 12)
    refused = lower_limit(search, now=NOW, sent_at=NOW, sent=50, seconds=1.0, per=1.0)
    again = NOW + 1.05
    closed = lower_limit(refused, now=again, sent_at=again, sent=1, seconds=1.0, per=1.0)
    assert closed.limit == 600 / LONG_SECONDS


def test_what_a_bucket_let_through_on_average_is_the_limit() -> None:
    """At 15 a second a bucket of 10 a second refuses 2 s after each pause of 1 s."""
    search = evolve(
        start_search(15), raise_at=1.0, refused_limit=16, tried_at=NOW - 2, held_until=NOW - 2
    )
    search = evolve(search, counted_from=NOW - 3, counted_at=NOW - 3, refused_at=NOW - 3)
    assert lower_limit(search, now=NOW, sent_at=NOW, sent=15, seconds=1.0, per=1.0).limit == 10


@given(searches, st.integers(1, 100))
def test_a_ceiling_that_becomes_known_is_kept(search: Search, ceiling: int) -> None:
    """Neither the limit nor what is proven of it exceeds the ceiling, and none is raised."""
    new = keep_to(search, ceiling)
    assert new.limit == min(search.limit, ceiling)
    assert new.proven_limit == min(search.proven_limit, ceiling)


async def use(
    limiter: AdaptiveLimiter,
    shape: Callable[[float], int | Bucket | FixedWindow],
    *,
    seconds: float,
    seed: int,
) -> tuple[int, int]:
    """Send all that the limiter lets through for so long; count what passes and is refused."""
    loop, quota, passed = asyncio.get_running_loop(), Quota(), 0
    jitter = random.Random(seed)  # noqa: S311  (repeatable on purpose)

    async def ask() -> None:
        nonlocal passed
        while loop.time() < seconds:
            slot = await limiter.acquire()
            sent_at = loop.time()
            if slot:
                slot.mark_sent()
            await asyncio.sleep(LATENCY / 2 * jitter.uniform(0.8, 1.2) + jitter.expovariate(500))
            is_passed = quota.admit(loop.time(), shape(loop.time()))
            await asyncio.sleep(LATENCY / 2)
            if is_passed:
                passed += 1
            else:
                limiter.pause(1.0, sent_at=sent_at)
                await asyncio.sleep(1.0)

    await asyncio.gather(*(ask() for _ in range(TASKS)))
    return passed, quota.refused


def changing(now: float) -> int:
    """Return a quota of a sliding second that changes after one and after two minutes."""
    return (30, 15, 60, 60)[int(now // 60)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("shape", "allowed"),
    [
        (changing, 60 * (30 + 15 + 60)),
        (lambda _: Bucket(burst=20, per_second=10), 20 + 180 * 10),
        (lambda _: FixedWindow(600), 3 * 600),
    ],
    ids=["sliding", "bucket", "window"],
)
def test_each_shape_of_quota_is_used_and_hardly_exceeded(
    shape: Callable[[float], int | Bucket | FixedWindow], allowed: int, seed: int
) -> None:
    """In three minutes at least 85 % is used, and at most 1 % is refused."""

    async def main() -> tuple[int, int]:
        return await use(AdaptiveLimiter(5, 100), shape, seconds=180.0, seed=seed)

    with closing(looptime.new_event_loop(start=0, noop_cycles=1)) as loop:
        passed, refused = loop.run_until_complete(main())
    assert passed >= 0.85 * allowed
    assert refused <= 0.01 * (passed + refused)


def test_a_refusal_of_what_left_before_a_trial_ended_holds_nobody_back() -> None:
    """One that left later does, for as long as it asks."""
    search = Search(limit=23, proven_limit=20, refused_limit=21, raise_at=1.0, tried_at=NOW - 1)
    search = lower_limit(search, now=NOW, sent_at=NOW - 0.1, sent=20, seconds=1.0, per=1.0)
    assert (search.limit, search.held_until) == (20, NOW)
    same = lower_limit(search, now=NOW + 0.1, sent_at=NOW, sent=20, seconds=1.0, per=1.0)
    assert same.held_until == NOW
    later = lower_limit(same, now=NOW + 2, sent_at=NOW + 2, sent=20, seconds=3.0, per=1.0)
    assert later.held_until == NOW + 5
    assert later.retrial_at > NOW + 5


def test_what_was_not_sent_is_not_proven() -> None:
    """A busy machine sends less than its limit: the next one falls back to what was sent."""
    search = evolve(start_search(40), proven_limit=20, raise_at=1.0, tried_at=NOW - 2)
    assert raise_limit(search, now=NOW, sent=33, per=1.0, ceiling=100).proven_limit == 33


def test_a_trial_that_was_not_used_goes_on() -> None:
    """A refused rate that was not sent again has not passed."""
    search = Search(limit=34, proven_limit=30, refused_limit=31, raise_at=1.0, tried_at=NOW - 2)
    longer = raise_limit(search, now=NOW, sent=30, per=1.0, ceiling=100)
    assert (longer.limit, longer.tried_at) == (34, NOW)
    assert raise_limit(search, now=NOW, sent=31, per=1.0, ceiling=100).limit > 34


def test_a_refusal_that_says_nothing_begins_the_trial_anew() -> None:
    """The next one, soon after the pause, is no late one: no bucket is seen in it."""
    search = evolve(start_search(60), proven_limit=32, raise_at=1.0, tried_at=NOW - 0.1)
    search = evolve(search, counted_from=NOW - 6, counted_at=NOW, passed=97.0)
    waited = wait_out(search, now=NOW, seconds=1.0, per=1.0)
    refused = lower_limit(waited, now=NOW + 1.6, sent_at=NOW + 1.6, sent=31, seconds=1.0, per=1.0)
    assert (refused.limit, refused.late_refusals) == (32, 0)
