"""How fast one may ask: gently, with rising rates, until the first HTTP 429."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from .._transport.session import Stats
from ..errors import RateLimitError

RATES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50)  # a second
ENOUGH = 0.9  # of the requests of a second must have left in it
BEHIND = 0.25  # of them may wait at a time

Ask = Callable[[], Awaitable[object]]


async def find_rate(ask: Ask, stats: Stats) -> dict[str, float]:
    """Ask for a second at each rate; return the one that passed, and the one that was refused."""
    found: dict[str, float] = {}
    for rate in RATES:
        throttled = stats.throttled
        reached = await _second(ask, stats, rate)
        if stats.throttled > throttled:
            return found | {"rate_refused": float(rate)}
        if not reached:  # the client's own limits, or its machine
            break
        found["rate"] = float(rate)
    return found


async def _second(ask: Ask, stats: Stats, rate: int) -> bool:
    """Send so many requests, evenly in a second, but none after a 429; False if too few left."""
    try:
        async with asyncio.TaskGroup() as tasks:
            return await _evenly(lambda: tasks.create_task(_patiently(ask)), stats, rate)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _evenly(send: Callable[[], object], stats: Stats, rate: int) -> bool:
    began, throttled, requests = asyncio.get_running_loop().time(), stats.throttled, stats.requests
    for number in range(1, rate + 1):
        send()
        await _until(began + number / rate)
        behind = number - (stats.requests - requests)
        if stats.throttled > throttled or behind > max(rate * BEHIND, 2):
            return False
    return stats.requests - requests >= rate * ENOUGH


async def _until(time: float) -> None:
    await asyncio.sleep(max(time - asyncio.get_running_loop().time(), 0))


async def _patiently(ask: Ask) -> None:
    with suppress(RateLimitError):  # counted by the session; that it stays refused is no matter
        await ask()
