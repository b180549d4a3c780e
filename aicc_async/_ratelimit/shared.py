"""The limiter of a budget that other processes share: slots reserved ahead, and a fallback alone.

The idea: the store keeps the slots of all processes on one clock, its own, and gives each process a
few at a time, for the next tens of milliseconds, or for a round trip where that is longer. The
invariant: a request leaves only in a slot that the store has given, when that begins by the store's
clock (see ``store_clock``), and hardly later; what leaves later than a few milliseconds is
reported, and what would leave later still gives its slot back. So the store's slots are the sends,
to within ``SLACK_SECONDS``, and the store allows N of them in any T. While the store is lost, each
process keeps to its share of N, once all slots are over; when it comes back, the store is told what
was sent in T, and nobody sends until all can have told it. What it can't see: how long a request is
on its way (the service counts arrivals), a process that alone has lost the store, and more
processes than ``fallback_processes``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from math import ceil, inf
from typing import Any, TypeVar, cast

import msgspec
from attrs import evolve

from .._validators import MAX_SECONDS
from . import search
from .budget import (
    REQUEST_PRIORITIES,
    BudgetState,
    BudgetUnreachable,
    RequestPriority,
    Share,
    SharedBudget,
    SlotReports,
    Terms,
    current_priority,
)
from .pace import Pace, assume_sent, initial_pace, lower_limit, raise_limit
from .sliding_window import MIN_SLEEP_SECONDS, AcquiredSlot, Limiter
from .spacing import MIN_FIRST_LIMIT
from .store_clock import MAX_ROUND_TRIP, StoreClock
from .wait_queue import MAX_DELAY_SECONDS, ReservedSlot, WaitQueue

# Sends that are T apart may arrive closer together, and small delays are not reported.
SLACK_SECONDS = 0.055
# How long before the last slot the next ones are asked for, beside a round trip to the store.
RESERVE_AHEAD_SECONDS = 0.02
# What a batch of slots spans at least.
BATCH_SECONDS = 0.03
# Reports go along with the next reservation, or by themselves after this.
REPORT_AFTER_SECONDS = 0.01
# Slots lie at most so far ahead, or so many slots where that is longer: then as many processes wait
# in the store's line, one slot each.
MIN_HORIZON_SECONDS = 0.25
MIN_HORIZON_SLOTS = 8
# So much farther they lie for who is far away.
FAR_HORIZON_SECONDS = 1.5 * MAX_ROUND_TRIP
# How often a lost store is asked whether it is back. The connection bounds how long it is silent.
PROBE_INTERVAL_SECONDS = 0.2
# What a process that is near needs to notice that the store is back.
NOTICE_SECONDS = 0.5
# Who sends so much of a shared limit has tried it: slack and the way to the store take the rest.
TRIED_SHARE = 0.9
# How long nothing is sent while the store is told what was sent.
MAX_REJOIN_SECONDS = 2.0
# A loss that lasts is logged again, as often as this.
LOG_INTERVAL_SECONDS = 60.0
# Other processes may change the limit at the same moment.
MAX_PACE_ATTEMPTS = 3

# Of a limit that was chosen and then refused, and of an adaptive one.
FoundLimit = Pace | search.Search

T = TypeVar("T")
logger = logging.getLogger("aicc_async")


class SharedLimiter:
    """Hand out the slots of a shared budget; the share of one process while that is lost.

    Each queue has one reservation under way, for no more slots than a few tens of milliseconds or a
    round trip hold: so processes take turns, and nobody waits behind a long queue of another's.
    """

    def __init__(
        self,
        budget: SharedBudget,
        *,
        limit: int,
        per: float,
        ceiling: int | None = None,
        priority: RequestPriority = "worker",
        domain: str = "",
    ) -> None:
        self._priority = priority
        self._terms = Terms(
            limit=limit,
            per=per,
            slack=SLACK_SECONDS,
            horizon=max(MIN_HORIZON_SECONDS, min(per, MIN_HORIZON_SLOTS * per / limit)),
            hold=per + SLACK_SECONDS + NOTICE_SECONDS,
            ceiling=ceiling or limit,
            is_adaptive=ceiling is not None,
            domain=domain,
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
        self._clock = StoreClock()
        self._reports = SlotReports()
        self._paused_until = 0.0
        self._used_at = -inf
        self._fallback: Limiter | None = None
        # When requests left that the store does not know of.
        self._sent_alone: deque[float] = deque(maxlen=max(limit // self._processes, 1))
        self._rejoining: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # The store spaces: beyond half of the limit, and everything after a refusal.
    async def acquire(self, *, is_even: bool = False) -> AcquiredSlot | None:  # noqa: ARG002
        """Wait for a slot and take it; None when the limiter is closed."""
        queue = self._queues[current_priority() or self._priority]
        busy_seconds = self._clock.distance.round_trip + BATCH_SECONDS
        queue.enter(_loop_time(), busy_seconds=busy_seconds)
        try:
            async with queue.lock:
                while not self._closed:
                    await _sleep_until(self._paused_until)
                    fallback = self._fallback
                    slot = await (self._own(fallback) if fallback else self._reserved(queue))
                    if slot is not None:
                        self._used_at = _loop_time()
                        queue.note_use()
                        return slot
                return None
        finally:
            queue.leave(_loop_time())

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
        for queue in self._queues.values():
            if queue.timer:
                queue.timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._budget.close()

    async def _reserved(self, queue: WaitQueue) -> ReservedSlot | None:
        """Wait for the next reserved slot; None when there is none, or its turn was missed."""
        if not queue.reserved and not self._closed:
            reserving = self._reserve_soon(queue)
            await asyncio.wait({reserving})
            if not reserving.cancelled():
                reserving.result()
        if not queue.reserved or self._fallback:
            return None
        slot = queue.reserved.popleft()
        queue.waiting -= 1
        try:
            await _sleep_until(slot.begins_at)
        except BaseException:
            # Whoever is next in the queue takes it.
            queue.reserved.appendleft(slot)
            raise
        finally:
            queue.waiting += 1
        now = _loop_time()
        is_over = slot.begins_at + MAX_DELAY_SECONDS < now
        if is_over or now < self._paused_until or self._closed:
            self._give_back(slot.name)
            return None
        return slot

    def _reserve_soon(self, queue: WaitQueue) -> asyncio.Task[None]:
        if queue.reserving is None or queue.reserving.done():
            queue.reserving = self._start(self._reserve(queue, max(self._count_wanted(queue), 1)))
        return queue.reserving

    def _count_wanted(self, queue: WaitQueue) -> int:
        ahead = 2 * self._clock.distance.round_trip + RESERVE_AHEAD_SECONDS + BATCH_SECONDS
        return queue.count_wanted(int(self.limit / self._terms.per * ahead) + 2)

    async def _reserve(self, queue: WaitQueue, count: int) -> None:
        reports, requested_at = self._take_reports(), _loop_time()
        is_idle = requested_at - self._used_at > self._terms.per + self._terms.slack
        share = Share(limit=max(self.limit // self._processes, 1), is_idle=is_idle)
        try:
            reservation = await self._budget.reserve(
                *(count, queue.priority, reports),
                waiting=max(queue.waiting, 1),
                distance=self._clock.distance,
                share=share,
            )
        except BudgetUnreachable as error:
            self._fall_back(error)
            return
        time = reservation.state.time
        self._clock.note(requested_at, _loop_time(), time)
        moments = [
            (name, self._clock.to_loop_time(time + wait)) for name, wait in reservation.slots
        ]
        queue.add([ReservedSlot(name, at, self._report_late) for name, at in moments])
        self._follow(reservation.state)
        asyncio.get_running_loop().call_soon(self._look_ahead, queue)
        if not reservation.slots:
            await asyncio.sleep(max(reservation.retry_after, MIN_SLEEP_SECONDS))

    def _look_ahead(self, queue: WaitQueue) -> None:
        """Reserve the next slots before these are over, give back those that nobody came for."""
        if queue.timer:
            queue.timer.cancel()
        if self._closed or self._fallback:
            return
        now = _loop_time()
        self._give_back(*queue.take_lapsed(now))
        lead = self._clock.distance.round_trip + RESERVE_AHEAD_SECONDS
        ahead_at = queue.last_at - lead - MIN_SLEEP_SECONDS
        is_due = ahead_at <= now < queue.last_at and not queue.is_reserving
        if is_due and self._count_wanted(queue) > 0:
            self._reserve_soon(queue)
        moments = [slot.begins_at + MAX_DELAY_SECONDS for slot in list(queue.reserved)[:1]]
        moments += [ahead_at] if ahead_at > now else []
        if moments:
            at = min(moments) + MIN_SLEEP_SECONDS
            queue.timer = asyncio.get_running_loop().call_at(at, self._look_ahead, queue)

    def _give_back(self, *names: str) -> None:
        if names:
            self._reports.unused += names
            self._report_soon()

    def _take_reports(self) -> SlotReports:
        """Return what is to be reported, with times as if the report arrived at once."""
        reports, self._reports = self._reports, SlotReports()
        distance = self._clock.distance
        on_its_way = distance.round_trip - distance.lag
        reports.late = [(name, sent_at - on_its_way) for name, sent_at in reports.late]
        return reports

    def _report_late(self, name: str, sent_at: float) -> None:
        self._reports.late.append((name, sent_at))
        self._report_soon()

    def _report_soon(self) -> None:
        async def report() -> None:
            await asyncio.sleep(REPORT_AFTER_SECONDS)
            reports = self._take_reports()
            if reports and not self._fallback:
                await self._unless_lost(self._budget.report(reports))

        is_reporting = self._reporting is not None and not self._reporting.done()
        if not is_reporting and not self._closed:
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
                sent = ceil(sent / TRIED_SHARE)
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
        try:
            found = cast(FoundLimit, msgspec.json.decode(state.pace, type=kind))
        except msgspec.DecodeError:
            # It is replaced at the next change.
            return self._initial_limit(state.limit)
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
        # Evenly, and by the budget's slack: bursts of many processes would meet after T.
        self._fallback = Limiter(share, per=per + self._terms.slack, burst=1)
        wait = self._terms.per + self._terms.slack + self._terms.horizon + FAR_HORIZON_SECONDS
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
                self._sent_alone.append(_loop_time())
                return acquiring.result()
            return None if rejoining.cancelled() else rejoining.result()
        finally:
            acquiring.cancel()

    async def _rejoin(self, fallback: Limiter) -> None:
        lost_at = _loop_time()
        await self._probe(lost_at)
        while True:
            # What is sent while the store is being told would not be told.
            fallback.hold(MAX_REJOIN_SECONDS)
            ages = [_loop_time() - sent_at for sent_at in self._sent_alone]
            span = self._terms.per + self._terms.slack
            try:
                async with asyncio.timeout(MAX_REJOIN_SECONDS):
                    wait = await self._budget.rejoin(
                        lost_for=_loop_time() - lost_at,
                        sent=[age for age in ages if age < span],
                        distance=self._clock.distance,
                    )
                break
            except (BudgetUnreachable, TimeoutError):
                await self._probe(lost_at)
        # Nobody sends until all other processes have noticed as well.
        fallback.hold(MAX_SECONDS)
        await asyncio.sleep(wait)
        for queue in self._queues.values():
            queue.reserved.clear()
        self._fallback = None
        logger.warning("the shared budget is back")

    async def _probe(self, lost_at: float) -> None:
        """Wait until the store answers; log it again now and then when it does not."""
        log_at = _loop_time() + LOG_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            lost_for = _loop_time() - lost_at
            try:
                await self._budget.rejoin(lost_for=lost_for, distance=self._clock.distance)
            except BudgetUnreachable as error:
                if _loop_time() >= log_at:
                    log_at += LOG_INTERVAL_SECONDS
                    logger.warning(
                        "the shared budget can't be reached (%s), for %.0f s now", error, lost_for
                    )
            else:
                return

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
