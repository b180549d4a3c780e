"""At most N in any T, for everybody who shares the limiter. Nothing about HTTP."""

from __future__ import annotations

import asyncio
from collections import deque

from .settings import RateLimit

SLACK = 0.02  # seconds; sends that are T apart may arrive closer; a longer stall meets a 429
TICK = 0.001  # seconds; a wait below the clock's resolution would come back at once, and again


class Limiter:
    """Hand out slots, first come first served; ``pause()`` holds everybody back.

    A log of the last N slots is kept: the next one is free when the oldest is T old. Times are the
    loop's own. A cancelled waiter takes nothing.
    """

    def __init__(self, rate: RateLimit | None = None) -> None:
        self._rate = rate
        self._free = deque([0.0] * rate.limit) if rate else None  # when each slot is free again
        self._paused_until = 0.0
        self._turn = asyncio.Lock()
        self._returned = asyncio.Event()

    async def acquire(self) -> None:
        """Wait for a slot and take it."""
        if self._free is None and self._wait() <= 0:
            return
        async with self._turn:
            await self._until_free()
            if self._free is not None:
                self._free.popleft()
                if self._rate and not self._rate.strict:
                    self._give_back()

    def release(self) -> None:
        """Say that the answer came; only a strict limit waits for that."""
        if self._rate and self._rate.strict:
            self._give_back()
            self._returned.set()

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; a shorter pause never ends a longer one."""
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    def _give_back(self) -> None:
        if self._free is not None and self._rate is not None:
            slack = TICK if self._rate.strict else SLACK
            self._free.append(asyncio.get_running_loop().time() + self._rate.per + slack)

    async def _until_free(self) -> None:
        while self._free is not None and not self._free:
            self._returned.clear()
            await self._returned.wait()
        while (seconds := self._wait()) > 0:  # noqa: ASYNC110  (the clock is what it waits for)
            await asyncio.sleep(max(seconds, TICK))

    def _wait(self) -> float:
        free = self._free[0] if self._free else 0.0
        return max(free, self._paused_until) - asyncio.get_running_loop().time()
