"""Limiters that share a budget in virtual time: the real script in a real Redis, at a distance.

The script reads the time of the loop instead of Redis's own clock, so that minutes pass in a second
(``looptime``), and every request to it takes as long as the round trip is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import redis
from attrs import define, field

from aicc_async._ratelimit.budget import (
    HERE,
    BudgetUnreachable,
    Distance,
    RequestPriority,
    SharedBudget,
    Terms,
    request_priority,
)
from aicc_async._ratelimit.shared import SharedLimiter
from aicc_async.connectors.redis.budget import SCRIPT, RedisBudgetConnection

CLOCK = "redis.call('TIME')"
VIRTUAL_CLOCK = "{1700000000, tonumber(redis.call('GET', 'virtual-time'))}"
WARM_UP = 3.0  # seconds


class VirtualRedis:
    """A Redis that may be away; ``client`` reaches it at once."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)
        assert SCRIPT.count(CLOCK) == 1
        self._script = self.client.register_script(SCRIPT.replace(CLOCK, VIRTUAL_CLOCK))
        self.is_away = False

    def run(self, keys: list[str], args: list[Any]) -> Any:
        """Run the script at this moment."""
        if self.is_away:
            raise BudgetUnreachable("away")
        self.client.set("virtual-time", round(loop_time() * 1e6))
        try:
            return self._script(keys=keys, args=args)
        except redis.ResponseError as error:
            raise BudgetUnreachable("ResponseError") from error


class VirtualConnection(RedisBudgetConnection):
    """The connection of one limiter, with a round trip of so many seconds."""

    def __init__(self, store: VirtualRedis, terms: Terms, round_trip: float) -> None:
        super().__init__("unix:///nowhere", "virtual", terms)
        self._store = store
        self._round_trip = round_trip

    async def _run(self, step: str, *values: str | int, distance: Distance = HERE) -> Any:
        where = round(distance.round_trip * 1e6)
        await asyncio.sleep(self._round_trip / 2)
        try:
            return self._store.run(self._keys, [step, *self._terms, where, *values])
        finally:
            await asyncio.sleep(self._round_trip / 2)


@define
class VirtualBudget:
    """Where the budget is (see ``SharedBudget``)."""

    store: VirtualRedis
    round_trip: float
    fallback_processes: int

    def connect(self, terms: Terms) -> VirtualConnection:
        """Return a connection for one limiter."""
        return VirtualConnection(self.store, terms, self.round_trip)


@define
class Quota:
    """A service that allows so many requests in any sliding second, counted on arrival."""

    limit: int
    refused: int = 0
    _arrived: deque[float] = field(factory=deque)

    def arrive(self, now: float) -> None:
        """Count a request."""
        while self._arrived and self._arrived[0] <= now - 1:
            self._arrived.popleft()
        if len(self._arrived) < self.limit:
            self._arrived.append(now)
        else:
            self.refused += 1


@define(kw_only=True)
class Process:
    """What one process does, when its calls ended, and how long each waited for its slot.

    Times are in seconds; ``every`` is from the start of one call of a task to that of the next.
    """

    tasks: int = 8
    priority: RequestPriority = "worker"
    answer: float = 0.005
    way: float = 0.0
    every: float = 0.0
    ended: list[float] = field(factory=list)
    waited: list[float] = field(factory=list)

    async def work(self, limiter: SharedLimiter, quota: Quota, until: float) -> None:
        """Call, and call again, by all tasks."""

        async def call() -> None:
            while (began := loop_time()) < until:
                slot = await limiter.acquire()
                assert slot is not None
                self.waited.append(loop_time() - began)
                slot.mark_sent()
                await asyncio.sleep(self.way)
                quota.arrive(loop_time())
                await asyncio.sleep(self.answer)
                self.ended.append(loop_time())
                await asyncio.sleep(max(began + self.every - loop_time(), 0))

        with request_priority(self.priority):
            await asyncio.gather(*(call() for _ in range(self.tasks)))


@define(kw_only=True)
class Outcome:
    """The share of the quota that was used, that of each process, and how many were refused."""

    used: float
    shares: list[float]
    refused: int


async def share(
    store: VirtualRedis,
    processes: Iterable[Process],
    *,
    round_trip: float,
    quota: int = 100,
    seconds: float = 5.0,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> Outcome:
    """Run processes that saturate a budget, and count from the end of a warm-up on."""
    processes, counter = list(processes), Quota(quota)
    budget: SharedBudget = VirtualBudget(store, round_trip, len(processes))
    limiters = [SharedLimiter(budget, limit=quota, per=1.0) for _ in processes]
    began = loop_time() + WARM_UP
    until = began + seconds
    pairs = zip(processes, limiters, strict=True)
    work = asyncio.gather(*(each.work(limiter, counter, until) for each, limiter in pairs))
    if meanwhile:
        await asyncio.sleep(WARM_UP)
        await meanwhile()
    await work
    for limiter in limiters:
        await limiter.close()
    counts = [sum(began <= moment < until for moment in each.ended) for each in processes]
    return Outcome(
        used=sum(counts) / seconds / quota,
        shares=[count / sum(counts) for count in counts],
        refused=counter.refused,
    )


def loop_time() -> float:
    """Return the time of the loop's clock."""
    return asyncio.get_running_loop().time()
