"""At most N sends in any T, for everybody who shares the limiter. Nothing about HTTP.

The idea: N slots, each of them busy until T after its send, in a queue whose head is free first.
The invariant: a slot is not used twice within T and there are N of them, so no span of T holds
more than N sends, wherever it begins. (A counter per calendar second lets twice as many through
around the turn of the second; how the service counts is documented nowhere, its gateway says no
more than "limit:XX,time:1 second": https://support.huaweicloud.com/bpconsole_faq/csdp_apifaq_00001.md)
What it can't see: when a request arrives, which is what the service counts. A strict limit frees a
slot T after the answer, which holds under any delay of the network; the other one adds a small
slack to the send, and a longer delay meets a 429. Nor does it see other processes (see ``shared``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from attrs import define

# Sends that are T apart may arrive closer together than that.
SLACK_SECONDS = 0.02
# A wait below the clock's resolution would return at once, again and again.
MIN_SLEEP_SECONDS = 0.001


class AcquiredSlot(Protocol):
    """A slot that was acquired for one request."""

    def mark_sent(self) -> None:
        """Note that the request leaves now."""
        ...


class AnyLimiter(Protocol):
    """What a session needs of a limiter."""

    async def acquire(self) -> AcquiredSlot | None:
        """Wait for a slot and take it; None where the time of sending doesn't count."""
        ...

    def release(self) -> None:
        """Note that the answer arrived."""
        ...

    def pause(self, seconds: float) -> None:
        """Hold everybody back for some seconds, after a 429."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


@define(eq=False)
class Slot:
    """One of the N: busy until ``free_at``, a time of the loop's clock."""

    free_at: float = 0.0
    _busy_seconds: float = 0.0

    def mark_sent(self) -> None:
        """Count T from now."""
        self.free_at = asyncio.get_running_loop().time() + self._busy_seconds


class Limiter:
    """Hand out slots, first come first served; ``pause()`` holds everybody back.

    A slot comes back T after its send, a strict one T after the answer. Times are the loop's own.
    A cancelled waiter takes nothing.
    """

    def __init__(self, limit: int | None = None, *, per: float = 1.0, strict: bool = False) -> None:
        self._strict = strict
        self._busy_seconds = per + (MIN_SLEEP_SECONDS if strict else SLACK_SECONDS)
        self._free: deque[Slot] | None = None if limit is None else deque()
        # Slots are made when they are needed: a limit of millions must not take memory.
        self._unused = limit or 0
        self._paused_until = 0.0
        self._lock = asyncio.Lock()
        self._returned = asyncio.Event()

    async def acquire(self) -> Slot | None:
        """Wait for a slot and take it; None where the time of sending doesn't count.

        The slot counts from now on, and anew when it is marked as sent: in between there may be a
        new connection, or a stall.
        """
        if self._free is None and (not self._paused_until or self._seconds_left() <= 0):
            return None
        async with self._lock:
            # Only a strict limit runs out of slots: the others come back before they are free.
            while self._free is not None and not self._free and not self._unused:
                self._returned.clear()
                await self._returned.wait()
            while (seconds := self._seconds_left()) > 0:  # noqa: ASYNC110  (it waits for the clock)
                await asyncio.sleep(max(seconds, MIN_SLEEP_SECONDS))
            if self._free is None:
                return None
            if self._unused and not (self._free and self._free[0].free_at <= self._now()):
                self._unused -= 1
            else:
                self._free.popleft()
            return None if self._strict else self._give_back()

    def release(self) -> None:
        """Note that the answer arrived; only a strict limit waits for that."""
        if self._strict:
            self._give_back()
            self._returned.set()

    def pause(self, seconds: float) -> None:
        """Hold everybody back for some seconds; a shorter pause never ends a longer one."""
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    def resize(self, limit: int) -> None:
        """Change the limit; when it shrinks, the latest sends are those that count (not strict)."""
        if self._free is not None:
            self._unused = max(limit - len(self._free), 0)
            while len(self._free) > limit:
                self._free.popleft()

    def count_sent(self) -> int:
        """Count the slots taken in the last T."""
        since = asyncio.get_running_loop().time() + SLACK_SECONDS
        return sum(slot.free_at > since for slot in self._free or ())

    async def close(self) -> None:
        """Do nothing: nothing is open here."""

    def _give_back(self) -> Slot:
        slot = Slot(busy_seconds=self._busy_seconds)
        slot.mark_sent()
        if self._free is not None:
            self._free.append(slot)
        return slot

    def _seconds_left(self) -> float:
        free_at = self._free[0].free_at if self._free and not self._unused else 0.0
        return max(free_at, self._paused_until) - self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
