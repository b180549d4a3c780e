"""At most N in any T, for everybody who shares the limiter. Nothing about HTTP."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from attrs import define

SLACK = 0.02  # seconds; sends that are T apart may arrive closer; a longer stall meets a 429
TICK = 0.001  # seconds; a wait below the clock's resolution would come back at once, and again


class Taken(Protocol):
    """A slot that was acquired."""

    def take(self) -> None:
        """Say that the request leaves now."""
        ...


class AnyLimiter(Protocol):
    """What a session needs of a limiter."""

    async def acquire(self) -> Taken | None:
        """Wait for a slot and take it; None where the time of sending doesn't count."""
        ...

    def release(self) -> None:
        """Say that the answer came."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long: there was a 429."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


@define(eq=False)
class Slot:
    """One of the N: taken until ``free``, a time of the loop's clock."""

    free: float = 0.0
    _seconds: float = 0.0

    def take(self) -> None:
        """Count from now. Again when the request leaves: connecting takes a while, or a stall."""
        self.free = asyncio.get_running_loop().time() + self._seconds


class Limiter:
    """Hand out slots, first come first served; ``pause()`` holds everybody back.

    A slot comes back T after it was taken, a strict one T after the answer: so no two sends of
    one slot are closer than T, and there are N. Times are the loop's own. A cancelled waiter takes
    nothing.
    """

    def __init__(self, limit: int | None = None, *, per: float = 1.0, strict: bool = False) -> None:
        self._strict = strict
        self._seconds = per + (TICK if strict else SLACK)
        self._free = None if limit is None else deque(Slot() for _ in range(limit))
        self._paused_until = 0.0
        self._turn = asyncio.Lock()
        self._returned = asyncio.Event()

    async def acquire(self) -> Slot | None:
        """Wait for a slot and take it; None where the time of sending doesn't count."""
        if self._free is None and (not self._paused_until or self._wait() <= 0):
            return None
        async with self._turn:
            await self._until_free()
            if self._free is None:
                return None
            self._free.popleft()
            return None if self._strict else self._give_back()

    def release(self) -> None:
        """Say that the answer came; only a strict limit waits for that."""
        if self._strict:
            self._give_back()
            self._returned.set()

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; a shorter pause never ends a longer one."""
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    def resize(self, limit: int) -> None:
        """Allow more from now on, or fewer: then those that were sent last count (not strict)."""
        if self._free is not None:
            while len(self._free) < limit:
                self._free.appendleft(Slot())
            while len(self._free) > limit:
                self._free.popleft()

    def sent(self) -> int:
        """Count the slots taken in the last T."""
        since = asyncio.get_running_loop().time() + SLACK
        return sum(slot.free > since for slot in self._free or ())

    async def close(self) -> None:
        """Nothing is open here."""

    def _give_back(self) -> Slot:
        slot = Slot(seconds=self._seconds)
        slot.take()
        if self._free is not None:
            self._free.append(slot)
        return slot

    async def _until_free(self) -> None:
        while self._free is not None and not self._free:
            self._returned.clear()
            await self._returned.wait()
        while (seconds := self._wait()) > 0:  # noqa: ASYNC110  (the clock is what it waits for)
            await asyncio.sleep(max(seconds, TICK))

    def _wait(self) -> float:
        free = self._free[0].free if self._free else 0.0
        return max(free, self._paused_until) - asyncio.get_running_loop().time()
