"""At most N sends in any T, for everybody who shares the limiter. Nothing about HTTP.

The idea: N slots, each of them busy until T after its send, in a queue whose head is free first.
The invariant: a slot is not used twice within T and there are N of them, so no span of T holds
more than N sends, wherever it begins. (A counter per calendar second lets twice as many through
around the turn of the second; how the service counts is documented nowhere, its gateway says no
more than "limit:XX,time:1 second": https://support.huaweicloud.com/bpconsole_faq/csdp_apifaq_00001.md)
What it can't see: when a request arrives, which is what the service counts. It lies between the
send and the answer, and there are two ways to be on the safe side.

A strict limit frees a slot T after the answer, which holds under any delay. That is the most that
can be had without knowing the delays: with N answers outstanding or younger than T, one more
request may be the N+1st of some T, whatever the client does. So a slot serves one request in T and
a latency L, N slots N requests, and a run of k turns takes k * (T + L): the rate is that of the
limit divided by 1 + L / T. At 80 ms and T = 1 s that is 1.08, however the sends are spread.

The other one takes the quickest answer for the way that all have in common (see ``arrivals``): what
an answer took beyond it is the most by which its request may have been late, and a slot is free T
and that after the send. It is no more than a small slack as long as there is no answer. It is more
than the slack only as long as the schedule of even sends has room for it, since a service that
works long looks like a way that is long; a longer delay meets a 429 then.
Nor does it see other processes (see ``shared``).

N slots that are free may be used at once. When there were more than N sends to make, what waited is
sent evenly, and so is everything after a refusal (see ``spacing``).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from math import inf
from typing import Protocol

from attrs import define

from .arrivals import Arrivals
from .spacing import RECOVERY_SECONDS, Spacing

# Sends that are T apart may arrive closer together than that; how much closer, no answer shows yet.
SLACK_SECONDS = 0.02
# A wait below the clock's resolution would return at once, again and again.
MIN_SLEEP_SECONDS = 0.001
# What is left of a wait then is not worth a sleep, which may take ten times as long.
MIN_WAIT_SECONDS = 0.0001
# A slot whose request may have been late is held back until even sends are so far behind.
MAX_LAG_SECONDS = 0.2
# A request that has not left T after it got its slot is looked at again after this.
LEAVING_POLL_SECONDS = 0.01
# After all slots were in use, sends are even for so many T; or each T would begin with a burst.
EVEN_WINDOWS = 2

logger = logging.getLogger("aicc_async")


class AcquiredSlot(Protocol):
    """A slot that was acquired for one request."""

    def mark_leaving(self) -> None:
        """Note that the request is about to leave, as soon as it has a connection."""
        ...

    def mark_sent(self) -> None:
        """Note that the request leaves now."""
        ...

    def mark_over(self) -> None:
        """Note that the request is answered, or never will be."""
        ...


class AnyLimiter(Protocol):
    """What a session needs of a limiter."""

    async def acquire(self, *, is_even: bool = False) -> AcquiredSlot | None:
        """Wait for a slot and take it; None where the time of sending doesn't count.

        ``is_even``: it is one of many, which are to leave evenly spaced.
        """
        ...

    def note_answer(self, slot: AcquiredSlot | None) -> None:
        """Note that the answer to what was sent in the slot begins now."""
        ...

    def release(self) -> None:
        """Note that the answer arrived, or that none will."""
        ...

    def least_wait(self, *, is_even: bool = False) -> float:
        """Return for how many seconds whoever comes now waits at the least, as far as is known."""
        ...

    def pause(self, seconds: float, *, sent_at: float = inf) -> None:
        """Hold everybody back after a 429 to what was sent then, and go slower from then on."""
        ...

    def note_quota(self, limit: int, period: float) -> None:
        """Note what the service names as its quota: so many requests in so many seconds."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


@define(eq=False)
class Slot:
    """One of the N: busy for so long after its request was sent; times are the loop's."""

    sent_at: float
    busy_seconds: float
    _spacing: Spacing | None = None
    # When sending began: perhaps with a new connection.
    leaving_at: float | None = None
    is_leaving: bool = False
    answered_at: float | None = None

    @property
    def free_at(self) -> float:
        """When it is free again, whenever the request arrived."""
        return self.sent_at + self.busy_seconds

    def mark_leaving(self) -> None:
        """Keep the slot until ``mark_sent`` or ``mark_over``: connecting may take longer than T."""
        self.is_leaving = True
        self.leaving_at = asyncio.get_running_loop().time()

    def mark_sent(self) -> None:
        """Count T from now."""
        self.is_leaving = False
        self.sent_at = asyncio.get_running_loop().time()
        if self._spacing:
            self._spacing.mark_sent(self.sent_at)

    def mark_over(self) -> None:
        """Keep the slot no longer than T and its slack, sent or not."""
        self.is_leaving = False


class Limiter:
    """Hand out slots, first come first served; ``pause()`` holds everybody back.

    A slot comes back T after its request may have arrived, a strict one T after the answer. Times
    are the loop's own. A cancelled waiter takes nothing.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        per: float = 1.0,
        strict: bool = False,
        burst: int | None = None,
    ) -> None:
        self._strict = strict
        self._limit = limit
        self._per = per
        self._free: deque[Slot] | None = None if limit is None else deque()
        # Slots are made when they are needed: a limit of millions must not take memory.
        self._unused = limit or 0
        # Of a strict limit: those of requests without an answer.
        self._out = 0
        self._spacing = Spacing(limit, per, burst=burst)
        self._arrivals = Arrivals(per)
        self._even_until = 0.0
        self._paused_until = 0.0
        self._waiting = 0
        self._lock = asyncio.Lock()
        self._returned = asyncio.Event()

    async def acquire(self, *, is_even: bool = False) -> Slot | None:
        """Wait for a slot and take it; None where the time of sending doesn't count.

        The slot counts from now on, and anew when it is marked as sent: in between there may be a
        new connection, or a stall.
        """
        now = asyncio.get_running_loop().time()
        if self._spacing.is_free and self._paused_until <= now:
            self._spacing.add(now)
            return None
        self._waiting += 1
        try:
            return await self._acquire_in_turn(is_even=is_even)
        finally:
            self._waiting -= 1

    async def _acquire_in_turn(self, *, is_even: bool) -> Slot:
        async with self._lock:
            # Only a strict limit runs out of slots: the others come back before they are free.
            while self._free is not None and not self._free and not self._unused:
                self._returned.clear()
                await self._returned.wait()
            free_at = self._free_at()
            now = asyncio.get_running_loop().time()
            if free_at and free_at + RECOVERY_SECONDS > now:
                if self._even_until < now and self._free:
                    self._spacing.begin(self._free[0].sent_at + self._per)
                self._even_until = max(free_at, now) + EVEN_WINDOWS * self._per
            while (seconds := self._seconds_left(is_even=is_even)) > MIN_WAIT_SECONDS:  # noqa: ASYNC110
                await asyncio.sleep(max(seconds, MIN_SLEEP_SECONDS))
            return self._take()

    def note_answer(self, slot: AcquiredSlot | None) -> None:
        """Note that the answer begins now, which bounds when the request arrived."""
        if isinstance(slot, Slot) and slot.leaving_at is not None:
            slot.answered_at = asyncio.get_running_loop().time()
            self._arrivals.add(slot.answered_at, slot.answered_at - slot.leaving_at)

    def release(self) -> None:
        """Note that the answer arrived; only a strict limit waits for that."""
        if not (self._strict and self._free is not None and self._out):
            return
        self._out -= 1
        # Where the limit has shrunk meanwhile, the slot is one too many.
        if len(self._free) + self._unused + self._out < (self._limit or 0):
            now = asyncio.get_running_loop().time()
            self._free.append(Slot(now, self._busy_seconds))
            self._returned.set()

    def put_back(self, slot: Slot | None) -> None:
        """Give back the slot that was taken last, when nothing was sent in it."""
        if self._free and self._free[-1] is slot:
            self._free.pop()
            self._unused += 1

    def least_wait(self, *, is_even: bool = False) -> float:
        """Return for how many seconds whoever comes now waits at the least, by who waits already.

        The distance of those who wait from each other is not counted: it may change.
        """
        wait = max(self._seconds_left(is_even=is_even), 0.0)
        if self._free is None or not self._waiting:
            return wait
        # The slots as they become free: the unused ones, the others, those without an answer.
        turns, number = divmod(self._waiting, self._limit or 1)
        now = asyncio.get_running_loop().time()
        free_at = now
        if number >= self._unused + len(self._free):
            free_at = now + self._busy_seconds
        elif number >= self._unused:
            free_at = max(now, self._busy_until(self._free[number - self._unused]))
        return max(wait, free_at + turns * self._per - now)

    def hold(self, seconds: float) -> None:
        """Hold everybody back for some seconds; a shorter time never ends a longer one."""
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    def pause(self, seconds: float, *, sent_at: float = inf) -> None:
        """Hold everybody back after a 429 to what was sent then, and go slower from then on."""
        self.hold(seconds)
        self._spacing.slow_down(asyncio.get_running_loop().time(), sent_at)

    def resize(self, limit: int) -> None:
        """Change the limit; when it shrinks, the latest sends are those that count."""
        self._limit = limit
        self._spacing.resize(limit)
        if self._free is not None:
            self._unused = max(limit - len(self._free) - self._out, 0)
            while len(self._free) > max(limit - self._out, 0):
                self._free.popleft()

    def count_sent(self) -> int:
        """Count the slots taken in the last T."""
        since = asyncio.get_running_loop().time() + SLACK_SECONDS
        return sum(slot.free_at > since for slot in self._free or ())

    def note_quota(self, limit: int, period: float) -> None:
        """Keep to a quota that the service names, where it is lower than the limit."""
        if self._limit is not None and self._limit / self._per <= limit / period:
            return
        chosen = "none" if self._limit is None else f"{self._limit} requests in {self._per:g} s"
        logger.warning(
            "the service allows %d requests in %g s, the rate limit is %s: the lower one is kept",
            *(limit, period, chosen),
        )
        # As many as fit into the span of the limit, and that so long that the rate is the quota's.
        fitting = max(int(limit * self._per / period), 1)
        self._per = fitting * period / limit
        self._free = deque() if self._free is None else self._free
        self._spacing.change_span(self._per)
        self.resize(fitting)

    async def close(self) -> None:
        """Do nothing: nothing is open here."""

    @property
    def _busy_seconds(self) -> float:
        return self._per + (MIN_SLEEP_SECONDS if self._strict else SLACK_SECONDS)

    def _take(self) -> Slot:
        now = asyncio.get_running_loop().time()
        self._spacing.add(now)
        slot = Slot(now, self._busy_seconds, self._spacing)
        if self._free is not None:
            if self._unused and not (self._free and self._free[0].free_at <= now):
                self._unused -= 1
            else:
                self._free.popleft()
            if self._strict:
                self._out += 1
            else:
                self._free.append(slot)
        return slot

    def _seconds_left(self, *, is_even: bool) -> float:
        now = asyncio.get_running_loop().time()
        spaced_at = self._spacing.next_at(is_even=is_even or now < self._even_until)
        return max(self._free_at(), self._paused_until, spaced_at) - now

    def _free_at(self) -> float:
        """Return when the next slot is free; 0 when one was never used."""
        return self._busy_until(self._free[0]) if self._free and not self._unused else 0.0

    def _busy_until(self, slot: Slot) -> float:
        """Return when a slot is free, as far as its answer shows when the request arrived.

        What may have been late by more than the slack gets more than that, but only as long as the
        schedule of even sends has room for it: how long the service works is no delay.
        """
        if slot.is_leaving:
            now = asyncio.get_running_loop().time()
            return max(slot.free_at, now + LEAVING_POLL_SECONDS)
        if self._strict or slot.answered_at is None:
            return slot.free_at
        delay = self._arrivals.max_delay(slot.answered_at - slot.sent_at)
        more = delay - SLACK_SECONDS
        if more <= 0:
            return slot.free_at + more
        return max(slot.free_at, min(slot.free_at + more, self._spacing.due_at + MAX_LAG_SECONDS))
