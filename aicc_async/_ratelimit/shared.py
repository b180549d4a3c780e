"""The limiter of a budget that other processes share: slots reserved ahead, and a fallback alone.

The idea: the store keeps the slots of all processes on one clock, its own, and gives each process a
few at a time, for the next tens of milliseconds. The invariant: a request leaves only in a slot
that the store has given, not before it begins, and hardly later; what leaves later than a few
milliseconds is reported, and what would leave later still gives its slot back. So the store's
slots are the sends, to within ``SLACK_SECONDS``, and the store allows N of them in any T. While the
store is lost, each process keeps to its share of N; at both ends of that nobody sends for a T, so
that slots and shares never add up. What it can't see: how long a request is on its way (the service
counts arrivals), a process that alone has lost the store, and more processes than
``fallback_processes``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, TypeVar, cast

import msgspec
from attrs import define, evolve, field

from .._validators import MAX_SECONDS
from . import search
from .budget import (
    REQUEST_PRIORITIES,
    BudgetState,
    BudgetUnreachable,
    RequestPriority,
    SharedBudget,
    SlotReports,
    Terms,
    current_priority,
)
from .pace import Pace, assume_sent, initial_pace, lower_limit, raise_limit
from .sliding_window import MIN_SLEEP_SECONDS, AcquiredSlot, Limiter
from .spacing import MIN_FIRST_LIMIT

# Sends that are T apart may arrive closer together, and small delays are not reported.
SLACK_SECONDS = 0.04
# A slot that is used later than the first is reported; later than the second it is not used at all.
REPORTED_DELAY_SECONDS = 0.005
MAX_DELAY_SECONDS = 0.02
# How long before the last slot the next ones are asked for: a round trip to the store.
RESERVE_AHEAD_SECONDS = 0.01
# Reports go along with the next reservation, or by themselves after this.
REPORT_AFTER_SECONDS = 0.01
# Slots lie at most so far ahead, or so many slots where that is longer: then as many processes wait
# in the store's line, one slot each.
MIN_HORIZON_SECONDS = 0.25
MIN_HORIZON_SLOTS = 8
# How often a lost store is asked whether it is back, and how long it may take to answer.
PROBE_INTERVAL_SECONDS = 0.2
PROBE_TIMEOUT_SECONDS = 0.25
# Other processes may change the limit at the same moment.
MAX_PACE_ATTEMPTS = 3

# Of a limit that was chosen and then refused, and of an adaptive one.
FoundLimit = Pace | search.Search

T = TypeVar("T")
logger = logging.getLogger("aicc_async")


@define(eq=False)
class ReservedSlot:
    """A slot that the store gave: good from ``begins_at`` on, on the loop's clock, for a moment.

    ``earliest`` is when it began if the store answered at once.
    """

    name: str
    begins_at: float
    earliest: float
    _report_late: Callable[[str, float], None]

    def mark_leaving(self) -> None:
        """Do nothing: the store counts from when the slot begins."""

    def mark_over(self) -> None:
        """Do nothing, as ``mark_leaving``."""

    def mark_sent(self) -> None:
        """Note that the request leaves now."""
        now = _loop_time()
        if now > self.earliest + REPORTED_DELAY_SECONDS:
            self._report_late(self.name, now)


@define(eq=False)
class WaitQueue:
    """Waiters of one priority in the order in which they came, and the slots reserved for them."""

    priority: RequestPriority
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    waiting: int = 0
    reserved: deque[ReservedSlot] = field(factory=deque)
    reserving: asyncio.Task[None] | None = None


class SharedLimiter:
    """Hand out the slots of a shared budget; the share of one process while that is lost.

    Each queue has one reservation under way, for no more slots than a few tens of milliseconds
    hold: so processes take turns, and nobody waits behind a long queue of another's.
    """

    def __init__(
        self,
        budget: SharedBudget,
        *,
        limit: int,
        per: float,
        ceiling: int | None = None,
        priority: RequestPriority = "worker",
    ) -> None:
        self._priority = priority
        self._terms = Terms(
            limit=limit,
            per=per,
            slack=SLACK_SECONDS,
            horizon=max(MIN_HORIZON_SECONDS, min(per, MIN_HORIZON_SLOTS * per / limit)),
            hold=per + SLACK_SECONDS + PROBE_INTERVAL_SECONDS + PROBE_TIMEOUT_SECONDS,
            ceiling=ceiling or limit,
        )
        # Any other limit has a pace only from its first refusal on.
        self._is_adaptive = ceiling is not None
        # The latest that the store is known to have.
        self._found: FoundLimit = self._initial_limit(limit)
        # Of the store's clock, to that of the loop, give or take a round trip.
        self._clock_ahead = 0.0
        self._processes = budget.fallback_processes
        self._budget = budget.connect(self._terms)
        self._queues = {priority: WaitQueue(priority) for priority in REQUEST_PRIORITIES}
        self.limit = limit
        self._reports = SlotReports()
        self._paused_until = 0.0
        self._fallback: Limiter | None = None
        self._rejoining: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # The store spaces: beyond half of the limit, and everything after a refusal.
    async def acquire(self, *, is_even: bool = False) -> AcquiredSlot | None:  # noqa: ARG002
        """Wait for a slot and take it; None when the limiter is closed."""
        queue = self._queues[current_priority() or self._priority]
        queue.waiting += 1
        try:
            async with queue.lock:
                while not self._closed:
                    await _sleep_until(self._paused_until)
                    fallback = self._fallback
                    slot = await (self._own(fallback) if fallback else self._reserved(queue))
                    if slot is not None:
                        return slot
                return None
        finally:
            queue.waiting -= 1

    def note_answer(self, slot: AcquiredSlot | None) -> None:
        """Do nothing, as ``release``."""

    def release(self) -> None:
        """Do nothing: the budget counts from the send, not from the answer."""

    def least_wait(self, *, is_even: bool = False) -> float:
        """Return for how many seconds whoever comes now waits at the least.

        When the store gives a slot is known only once it is asked.
        """
        wait = max(self._paused_until - _loop_time(), 0.0)
        return max(wait, self._fallback.least_wait(is_even=is_even)) if self._fallback else wait

    def pause(self, seconds: float, *, sent_at: float = inf) -> None:
        """Hold everybody back for some seconds, here at once, and in all other processes."""
        left_at = min(sent_at, _loop_time()) + self._clock_ahead
        is_brief = isinstance(self._found, search.Search) and search.is_brief_trial(
            self._found, sent_at=left_at, seconds=seconds, per=self._terms.per
        )
        held = 0.0 if is_brief and not self._fallback else seconds
        self._paused_until = max(self._paused_until, _loop_time() + held)
        if self._fallback:
            self._fallback.pause(seconds, sent_at=sent_at)
        else:
            self._start(self._pause(seconds, held=held, left_at=left_at))

    def note_quota(self, limit: int, period: float) -> None:
        """Lower what all have to a quota that the service names, one at least.

        The others may raise it again until they are refused as well, and this process may not.
        """
        ceiling = max(int(limit * self._terms.per / period), 1)
        if ceiling >= (self._terms.ceiling or self._terms.limit):
            return
        logger.warning(
            "the service allows %d requests in %g s, the shared limit is %d in %g s:"
            " the lower one is kept",
            *(limit, period, self._terms.ceiling, self._terms.per),
        )
        self._terms = evolve(self._terms, ceiling=ceiling)
        self._start(self._keep_to(ceiling))

    async def close(self) -> None:
        """Cancel what runs in the background, and close the connections."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._budget.close()

    async def _reserved(self, queue: WaitQueue) -> ReservedSlot | None:
        """Wait for the next reserved slot; None when there is none, or its turn was missed."""
        if not queue.reserved:
            reserving = self._reserve_soon(queue, queue.waiting)
            await asyncio.wait({reserving})
            if not reserving.cancelled():
                reserving.result()
        if not queue.reserved or self._fallback:
            return None
        slot = queue.reserved.popleft()
        try:
            if not queue.reserved and queue.waiting > 1:
                await _sleep_until(slot.begins_at - RESERVE_AHEAD_SECONDS)
                self._reserve_soon(queue, queue.waiting - 1)
            await _sleep_until(slot.begins_at)
        except BaseException:
            # Whoever is next in the queue takes it.
            queue.reserved.appendleft(slot)
            raise
        now = _loop_time()
        if slot.begins_at + MAX_DELAY_SECONDS < now or now < self._paused_until:
            self._reports.unused.append(slot.name)
            self._report_soon()
            return None
        return slot

    def _reserve_soon(self, queue: WaitQueue, count: int) -> asyncio.Task[None]:
        if queue.reserving is None or queue.reserving.done():
            queue.reserving = self._start(self._reserve(queue, count))
        return queue.reserving

    async def _reserve(self, queue: WaitQueue, count: int) -> None:
        reports, self._reports = self._reports, SlotReports()
        requested_at = _loop_time()
        try:
            reservation = await self._budget.reserve(count, queue.priority, reports)
        except BudgetUnreachable as error:
            self._fall_back(error)
            return
        # The store's "now" lies somewhere between the request and its answer.
        answered_at = _loop_time()
        queue.reserved.extend(
            ReservedSlot(name, answered_at + wait, requested_at + wait, self._report_late)
            for name, wait in reservation.slots
        )
        self._follow(reservation.state)
        if not reservation.slots:
            await asyncio.sleep(max(reservation.retry_after, MIN_SLEEP_SECONDS))

    def _report_late(self, name: str, sent_at: float) -> None:
        self._reports.late.append((name, sent_at))
        self._report_soon()

    def _report_soon(self) -> None:
        async def report() -> None:
            await asyncio.sleep(REPORT_AFTER_SECONDS)
            reports, self._reports = self._reports, SlotReports()
            if reports and not self._fallback:
                await self._unless_lost(self._budget.report(reports))

        if self._reporting is None or self._reporting.done():
            self._reporting = self._start(report())

    async def _pause(self, seconds: float, *, held: float, left_at: float) -> None:
        def lower(found: FoundLimit, state: BudgetState) -> FoundLimit:
            now, per = state.time, self._terms.per
            if isinstance(found, search.Search):
                return search.lower_limit(
                    found, now=now, sent_at=left_at, sent=state.sent, seconds=seconds, per=per
                )
            if not state.pace:
                # A limit that was chosen may be far too high: as alone, half of what was seen.
                first = min(max(state.sent // 2, MIN_FIRST_LIMIT), found.limit)
                return evolve(initial_pace(first), paused_until=now + max(seconds, per))
            sent = assume_sent(found, state.sent)
            return lower_limit(found, now=now, sent=sent, seconds=seconds, per=per)

        state = await self._unless_lost(self._budget.pause(held))
        if not state:
            return
        await self._change_pace(state, lower)
        # A search may ask for more than the service does.
        if isinstance(self._found, search.Search):
            longer = self._found.held_until - state.time
            if longer > held:
                await self._unless_lost(self._budget.pause(longer))

    async def _keep_to(self, ceiling: int) -> None:
        def lower(found: FoundLimit, _: BudgetState) -> FoundLimit:
            if isinstance(found, search.Search):
                return search.keep_to(found, ceiling)
            proven = min(found.proven_limit, ceiling)
            return evolve(found, limit=min(found.limit, ceiling), proven_limit=proven)

        state = await self._unless_lost(self._budget.report(SlotReports()))
        if state:
            await self._change_pace(state, lower)

    def _follow(self, state: BudgetState) -> None:
        """Take over the limit that all have, and raise it if it is time."""
        self.limit = state.limit
        ceiling = self._terms.ceiling or self._terms.limit

        def higher(found: FoundLimit, state: BudgetState) -> FoundLimit:
            now, sent, per = state.time, state.sent, self._terms.per
            if isinstance(found, search.Search):
                return search.raise_limit(found, now=now, sent=sent, per=per, ceiling=ceiling)
            return raise_limit(found, now=now, sent=sent, per=per, ceiling=ceiling)

        self._found = self._read_found(state)
        self._clock_ahead = state.time - _loop_time()
        can_rise = bool(state.pace) or self._is_adaptive
        if can_rise and higher(self._found, state) != self._found:
            self._start(self._change_pace(state, higher))

    async def _change_pace(
        self, state: BudgetState, change: Callable[[FoundLimit, BudgetState], FoundLimit]
    ) -> None:
        """Change what all have, from what it is now: another process may have, too."""
        for _ in range(MAX_PACE_ATTEMPTS):
            self._found = self._read_found(state)
            new = change(self._found, state)
            if new == self._found:
                return
            text = msgspec.json.encode(new).decode()
            if await self._unless_lost(self._budget.replace_pace(state.pace, text)):
                self._found = new
                return
            latest = await self._unless_lost(self._budget.report(SlotReports()))
            if latest is None:
                return
            state = latest

    def _read_found(self, state: BudgetState) -> FoundLimit:
        if not state.pace:
            return self._initial_limit(self._terms.limit)
        kind = search.Search if self._is_adaptive else Pace
        found = cast(FoundLimit, msgspec.json.decode(state.pace, type=kind))
        # It was found under a higher ceiling than this limiter's.
        return self._initial_limit(state.limit) if found.limit > state.limit else found

    def _initial_limit(self, limit: int) -> FoundLimit:
        return search.start_search(limit) if self._is_adaptive else initial_pace(limit)

    async def _unless_lost(self, call: Coroutine[Any, Any, T]) -> T | None:
        """Return what the store answers; None when it is lost."""
        try:
            return await call
        except BudgetUnreachable as error:
            self._fall_back(error)
            return None

    def _fall_back(self, error: BudgetUnreachable) -> None:
        """Use the share of one process, once all slots that the store gave to anybody are over."""
        if self._fallback:
            return
        share, per = self.limit // self._processes, self._terms.per
        # A share below one request in T is one request in a longer T.
        if not share:
            share, per = 1, per * self._processes / self.limit
        self._fallback = Limiter(share, per=per)
        wait = self._terms.per + self._terms.slack + self._terms.horizon
        self._fallback.hold(max(wait, self._paused_until - _loop_time()))
        logger.warning(
            "the shared budget can't be reached (%s): at most %d requests in %g s until it can",
            *(error, share, per),
        )
        self._rejoining = self._start(self._rejoin(self._fallback))

    async def _own(self, fallback: Limiter) -> AcquiredSlot | None:
        """Wait for a slot of our own share; None when the store is back first."""
        acquiring = asyncio.create_task(fallback.acquire())
        rejoining = self._rejoining or acquiring
        try:
            await asyncio.wait({acquiring, rejoining}, return_when=asyncio.FIRST_COMPLETED)
            if acquiring.done():
                return acquiring.result()
            return None if rejoining.cancelled() else rejoining.result()
        finally:
            acquiring.cancel()

    async def _rejoin(self, fallback: Limiter) -> None:
        while True:
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                    wait = await self._budget.rejoin()
                break
            except (BudgetUnreachable, TimeoutError):
                continue
        # Nobody sends until all other processes have noticed as well.
        fallback.hold(MAX_SECONDS)
        await asyncio.sleep(wait)
        for queue in self._queues.values():
            queue.reserved.clear()
        self._fallback = None
        logger.warning("the shared budget is back")

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


async def _sleep_until(time: float) -> None:
    while (left := time - _loop_time()) > 0:  # noqa: ASYNC110  (the clock is what it waits for)
        await asyncio.sleep(max(left, MIN_SLEEP_SECONDS))
