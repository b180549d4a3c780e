"""How fast one may ask: gently, with rising rates, until the first HTTP 429.

A quota over longer than a second passes at any rate until it is used up: where the refusal names
it, that is the rate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from .._transport.session import Stats
from ..errors import RateLimitError

RATES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50)  # requests per second
# Of the requests of a second so many must have left in it, for the rate to count as passed.
MIN_SENT_SHARE = 0.9
# Of them so many may wait at a time. More means that the client's own limits hold them back.
MAX_WAITING_SHARE = 0.25

Ask = Callable[[], Awaitable[object]]


async def find_rate(ask: Ask, stats: Stats) -> dict[str, float]:
    """Ask for a second at each rate; return the one that passed, and the one that was refused."""
    found: dict[str, float] = {}
    for rate in RATES:
        throttled = stats.throttled
        is_reached = await ask_for_a_second(ask, stats, rate=rate)
        if stats.throttled > throttled:
            if stats.quota:
                limit, period = stats.quota
                found["rate"] = limit / period
            return found | {"rate_refused": float(rate)}
        # Held back by the client's own limits, or by its machine: that says nothing of the tenant.
        if not is_reached:
            break
        found["rate"] = float(rate)
    return found


async def ask_for_a_second(ask: Ask, stats: Stats, *, rate: int) -> bool:
    """Send so many requests, evenly in a second, but none after a 429; False if too few left."""
    loop = asyncio.get_running_loop()
    started, throttled, requests = loop.time(), stats.throttled, stats.requests

    async def send() -> None:
        # The session has counted the refusal; that its repetitions are refused too is no matter.
        with suppress(RateLimitError):
            await ask()

    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, rate + 1):
                tasks.create_task(send())
                await asyncio.sleep(max(started + number / rate - loop.time(), 0))
                waiting = number - (stats.requests - requests)
                if stats.throttled > throttled or waiting > max(rate * MAX_WAITING_SHARE, 2):
                    return False
            return stats.requests - requests >= rate * MIN_SENT_SHARE
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
