"""At most as many as the service lets pass, which is found out."""

from __future__ import annotations

import asyncio

from . import pace as adaptive
from .pace import Pace
from .sliding_window import Limiter, Slot

HASTE = 0.5  # of an even distance: what a pause took can be made good
BURST = 0.9  # of the limit that may go at once


class AdaptiveLimiter:
    """A limiter whose limit follows what the service lets pass.

    Once most of it is used, the rest goes one by one: so the first refusals come alone, and few.
    """

    def __init__(self, start: int, ceiling: int, *, per: float = 1.0) -> None:
        self._per = per
        self._ceiling = ceiling
        self._pace = adaptive.begin(start)
        self._limiter = Limiter(start, per=per)
        self._turn = asyncio.Lock()
        self._next = 0.0

    @property
    def limit(self) -> int:
        """What is allowed now."""
        return self._pace.limit

    async def acquire(self) -> Slot | None:
        """Wait for a slot and take it."""
        async with self._turn:
            slot = await self._limiter.acquire()
            sent, loop = self._limiter.sent(), asyncio.get_running_loop()
            if sent > self._pace.limit * BURST and self._next > loop.time():
                await asyncio.sleep(self._next - loop.time())
            self._raise(loop.time(), sent)
            self._next = loop.time() + HASTE * self._per / self._pace.limit
            return slot

    def release(self) -> None:
        """Say that the answer came."""

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long after a 429, and fewer from then on."""
        now, sent = asyncio.get_running_loop().time(), self._limiter.sent()
        self._turn_to(
            adaptive.refused(self._pace, now=now, sent=sent, seconds=seconds, per=self._per)
        )
        self._limiter.pause(seconds)

    async def close(self) -> None:
        """Nothing is open here."""

    def _raise(self, now: float, sent: int) -> None:
        self._turn_to(
            adaptive.grown(self._pace, now=now, sent=sent, per=self._per, ceiling=self._ceiling)
        )

    def _turn_to(self, pace: Pace) -> None:
        if pace.limit != self._pace.limit:
            self._limiter.resize(pace.limit)
        self._pace = pace
