"""A limit that finds its own height: its rules, on a clock of the tests', and a hidden quota."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar

import looptime
import pytest
from attrs import evolve
from helpers.clock import StoppedClock
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, RateLimit, RetryPolicy, StaticToken
from aicc_async._ratelimit.adaptive import AdaptiveLimiter
from aicc_async._ratelimit.pace import (
    FIRST_RETRIAL_SECONDS,
    MAX_RETRIAL_SECONDS,
    Pace,
    initial_pace,
    lower_limit,
    raise_limit,
)
from aicc_async._ratelimit.sliding_window import Limiter
from aicc_async._transport.session import limiter_of
from aicc_async.emulator import Emulator

T = TypeVar("T")

paces = st.builds(
    lambda proven, more, above, retrial_at: Pace(
        limit=proven + more,
        proven_limit=proven,
        refused_limit=proven + more + above if above else 0,
        retrial_at=retrial_at,
        raise_at=1.0,
    ),
    st.integers(1, 100),
    st.integers(0, 50),
    st.integers(0, 20),
    st.floats(0, 100),
)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on a new event loop whose clock starts at 0 and jumps from event to event."""
    with closing(looptime.new_event_loop(start=0, noop_cycles=1)) as loop:
        return loop.run_until_complete(main())


def climb(pace: Pace, *, quota: int, seconds: int, ceiling: int = 1000) -> list[int]:
    """Use all that is allowed for so many seconds; one above the quota is refused."""
    limits = []
    for second in range(1, seconds + 1):
        now = float(second)
        sent = min(pace.limit, quota + 1)
        if pace.limit > quota:
            pace = lower_limit(pace, now=now, sent=sent, seconds=1.0, per=1.0)
        else:
            pace = raise_limit(pace, now=now, sent=sent, per=1.0, ceiling=ceiling)
        limits.append(pace.limit)
    return limits


@given(paces, st.floats(0, 200), st.integers(0, 200), st.integers(1, 300))
def test_a_limit_rises_only_to_its_ceiling_and_only_when_used(
    pace: Pace, now: float, sent: int, ceiling: int
) -> None:
    """A limit that was not used is not raised, and none goes above the ceiling."""
    new = raise_limit(pace, now=now, sent=sent, per=1.0, ceiling=ceiling)
    assert new.limit <= max(ceiling, pace.limit)
    if sent < pace.limit * 0.8 or now < pace.raise_at:
        assert new == pace


@given(paces, st.floats(0, 200), st.integers(0, 200), st.floats(0, 10))
def test_a_refusal_lowers_the_limit_but_never_below_one(
    pace: Pace, now: float, sent: int, seconds: float
) -> None:
    """The first refusal lowers the limit, and what was refused is remembered."""
    new = lower_limit(pace, now=now, sent=sent, seconds=seconds, per=1.0)
    assert 1 <= new.limit <= pace.limit
    assert new.limit < pace.limit or pace.limit == 1
    assert new.proven_limit <= new.limit < new.refused_limit


@given(paces, st.integers(0, 200), st.lists(st.floats(0, 0.9), max_size=20))
def test_the_refusals_of_one_pause_cut_once(pace: Pace, sent: int, delays: list[float]) -> None:
    """Requests under way at the first refusal lower the limit no further than to the proven one."""
    first = lower_limit(pace, now=10.0, sent=sent, seconds=1.0, per=1.0)
    last = first
    for delay in sorted(delays):
        last = lower_limit(last, now=10.0 + delay, sent=sent, seconds=1.0, per=1.0)
    assert last.limit >= first.proven_limit
    assert last.limit >= first.limit - len(delays)


@given(st.integers(1, 30), st.integers(1, 300))
@settings(max_examples=50)
def test_a_steady_quota_is_found_and_kept(start: int, quota: int) -> None:
    """Within some seconds the limit is the quota, and it is exceeded rarely from then on."""
    limits = climb(initial_pace(start), quota=quota, seconds=150)[50:]
    assert max(limits) <= quota + 1
    assert sum(limit > quota for limit in limits) <= 10
    assert sum(limits) / len(limits) >= 0.85 * quota


def test_a_raised_quota_is_found() -> None:
    """A quota that was doubled long after a refusal is used within a few steps of the trial."""
    pace = evolve(initial_pace(20), refused_limit=21, raise_at=1.0, retrial_at=5.0)
    limits = climb(pace, quota=40, seconds=20)
    assert limits[:4] == [20] * 4
    assert limits[4] == 21
    assert limits[-1] == 40


def test_trials_become_rare() -> None:
    """Each trial that is refused makes the next one later, but there always is one."""
    waits = []
    pace = initial_pace(10)
    for number in range(60):
        pace = evolve(pace, limit=11, proven_limit=10, refused_limit=11, paused_until=0.0)
        now = 1000.0 * number
        pace = lower_limit(pace, now=now, sent=11, seconds=1.0, per=1.0)
        waits.append(pace.retrial_at - now)
    assert waits == sorted(waits)
    assert FIRST_RETRIAL_SECONDS < waits[0] < waits[-1] == MAX_RETRIAL_SECONDS


async def use_quota(limiter: AdaptiveLimiter, quota: int, seconds: float) -> tuple[int, int]:
    """Send with eight tasks for so long; count what a sliding quota accepts and refuses."""
    loop, passed, refusals = asyncio.get_running_loop(), list[float](), 0

    async def ask() -> None:
        nonlocal refusals
        while loop.time() < seconds:
            await limiter.acquire()
            now = loop.time()
            if sum(now - 1 < each for each in passed[-quota:]) < quota:
                passed.append(now)
            else:
                refusals += 1
                limiter.pause(1.0)
            await asyncio.sleep(0.004)

    await asyncio.gather(*(ask() for _ in range(8)))
    return len(passed), refusals


@pytest.mark.parametrize("quota", [6, 12, 33, 80])
def test_a_hidden_quota_is_used(quota: int) -> None:
    """From a start of 5, most of a minute's quota is used, and hardly anything is refused."""

    async def main() -> tuple[int, int]:
        return await use_quota(AdaptiveLimiter(5, 100), quota, 60.0)

    passed, refusals = run(main)
    assert passed >= 0.75 * 60 * quota
    assert refusals <= max(0.02 * passed, 20)


def test_a_ceiling_is_never_passed() -> None:
    """Whatever the service accepts, no second holds more than the ceiling."""

    async def main() -> tuple[int, int]:
        return await use_quota(AdaptiveLimiter(5, 20), 1000, 30.0)

    passed, refusals = run(main)
    assert refusals == 0
    assert 400 <= passed <= 31 * 20


async def test_a_429_of_a_real_service_lowers_the_limit(clock: StoppedClock) -> None:
    """A client whose start is above the quota comes down to it, and every call is answered."""
    async with Emulator(cases=1, quota=10, retry_after="0.1") as tenant:
        async with AICCClient(
            tenant.url,
            auth=StaticToken(tenant.token()),
            rate_limit=RateLimit.adaptive(16, 50),
            retry=RetryPolicy(base=0.001, attempts=20),
        ) as aicc:
            await clock.run(asyncio.gather(*(aicc.list_cases(limit=1) for _ in range(24))))
            limiter = aicc._session._limiter
            assert isinstance(limiter, AdaptiveLimiter)
            assert limiter.limit < 16
        assert tenant.refused > 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"ceiling": 4}, "ceiling"),
        ({"ceiling": 5.0}, "ceiling"),
        ({"start": 0}, "limit"),
        ({"per": 0}, "per"),
        ({"priority": "urgent"}, "priority"),
        ({"shared": "redis://localhost"}, "shared"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], name: str) -> None:
    """The error names the bad setting."""
    with pytest.raises(ConfigError, match=name):
        RateLimit.adaptive(**options)


def test_strict_cannot_be_combined() -> None:
    """A strict limit counts from the answer, which neither of the others does."""
    with pytest.raises(ConfigError, match="strict"):
        RateLimit(5, strict=True, ceiling=50)


def test_a_plain_limit_has_the_plain_limiter() -> None:
    """Without a ceiling or a shared budget the session has the plain limiter."""
    assert type(limiter_of(RateLimit(10))) is Limiter
    assert type(limiter_of(None)) is Limiter
