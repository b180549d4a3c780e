"""The limiter of a budget that other processes share: it asks ahead, and falls back alone."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from attrs import define, field

from . import pace as adaptive
from .budget import (
    REQUEST_PRIORITIES,
    BudgetLost,
    Reports,
    RequestPriority,
    Seen,
    SharedBudget,
    Terms,
    current_priority,
)
from .pace import Pace
from .sliding_window import TICK, Limiter, Taken

SLACK = 0.04  # seconds; sends that are T apart may arrive closer, and small delays go unreported
LATE = 0.005  # seconds; a slot that was used later than that is reported
GRACE = 0.02  # seconds; a slot whose turn comes later than that is not used at all
LEAD = 0.01  # seconds before the last slot: the time to ask for the next ones
SOON = 0.01  # seconds; reports go with the next asking, or by themselves after that
REACH = 0.25  # seconds ahead that slots may lie, at least
IN_LINE = 8  # slots ahead, where that is longer: so many processes stand in line one by one
PROBE = 0.2  # seconds between attempts at a lost store
ATTEMPT = 0.25  # seconds that one may take
TRIES = 3  # others may change the limit at the same moment
FOREVER = 1e9  # seconds

T = TypeVar("T")
logger = logging.getLogger("aicc_async")


@define(eq=False)
class Lease:
    """A slot that the store gave: good from ``at`` on, on the loop's clock, for a moment.

    ``earliest`` is when it began if the answer took no time to come.
    """

    name: str
    at: float
    earliest: float
    _left: Callable[[Lease], None]

    def take(self) -> None:
        """Say that the request leaves now."""
        self._left(self)


@define(eq=False)
class Line:
    """Waiters of one priority, in the order of their coming, and the slots that they have ahead."""

    priority: RequestPriority
    turn: asyncio.Lock = field(factory=asyncio.Lock)
    waiting: int = 0
    ahead: deque[Lease] = field(factory=deque)
    asking: asyncio.Task[None] | None = None


class SharedLimiter:
    """Hand out the slots of a shared budget; the share of one process while that is lost.

    Each line has one asking under way, for no more than a few tens of milliseconds are good for:
    so processes take turns, and nobody waits behind a long queue of another's.
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
        self._terms = _terms(limit, per, ceiling)
        self._processes = budget.fallback_processes
        self._ledger = budget.connect(self._terms)
        self._lines = {priority: Line(priority) for priority in REQUEST_PRIORITIES}
        self.limit = limit
        self._reports = Reports()
        self._paused_until = 0.0
        self._alone: Limiter | None = None
        self._returning: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def acquire(self) -> Taken | None:
        """Wait for a slot and take it; None when the limiter is closed."""
        line = self._lines[current_priority() or self._priority]
        line.waiting += 1
        try:
            async with line.turn:
                return await self._slot(line)
        finally:
            line.waiting -= 1

    def release(self) -> None:
        """Say that the answer came."""

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long, here at once, and in all other processes."""
        self._paused_until = max(self._paused_until, _now() + seconds)
        if self._alone:
            self._alone.pause(seconds)
        else:
            self._start(self._pause(seconds))

    async def close(self) -> None:
        """Stop what goes on behind, and close the connections."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._ledger.close()

    async def _slot(self, line: Line) -> Taken | None:
        while not self._closed:
            await _until(self._paused_until)
            slot = await (self._own(self._alone) if self._alone else self._lease(line))
            if slot is not None:
                return slot
        return None

    async def _lease(self, line: Line) -> Lease | None:
        """Wait for the next slot; None when there is none, or it came too late."""
        if not line.ahead:
            asking = self._ask(line, line.waiting)
            await asyncio.wait({asking})
            if not asking.cancelled():
                asking.result()
        if not line.ahead or self._alone:
            return None
        lease = line.ahead.popleft()
        try:
            await self._come(line, lease)
        except BaseException:
            line.ahead.appendleft(lease)  # for whoever is next
            raise
        now = _now()
        if lease.at + GRACE < now or now < self._paused_until:
            self._reports.unused.append(lease.name)
            self._tell_soon()
            return None
        return lease

    async def _come(self, line: Line, lease: Lease) -> None:
        """Wait until a slot begins; ask for the next ones shortly before, if it is the last."""
        if not line.ahead and line.waiting > 1:
            await _until(lease.at - LEAD)
            self._ask(line, line.waiting - 1)
        await _until(lease.at)

    def _ask(self, line: Line, count: int) -> asyncio.Task[None]:
        if line.asking is None or line.asking.done():
            line.asking = self._start(self._reserve(line, count))
        return line.asking

    async def _reserve(self, line: Line, count: int) -> None:
        reports, self._reports = self._reports, Reports()
        asked = _now()
        try:
            granted = await self._ledger.reserve(count, line.priority, reports)
        except BudgetLost as error:
            self._lost(error)
            return
        came = _now()
        line.ahead.extend(
            Lease(name, came + wait, asked + wait, self._left) for name, wait in granted.slots
        )
        self._notice(granted.seen)
        if not granted.slots:
            await asyncio.sleep(max(granted.again, TICK))

    def _left(self, lease: Lease) -> None:
        now = _now()
        if now > lease.earliest + LATE:
            self._reports.moved.append((lease.name, now))
            self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = self._start(self._tell())

    async def _tell(self) -> None:
        await asyncio.sleep(SOON)
        reports, self._reports = self._reports, Reports()
        if reports and not self._alone:
            await self._heard(self._ledger.tell(reports))

    async def _pause(self, seconds: float) -> None:
        def lower(pace: Pace, seen: Seen) -> Pace:
            return adaptive.refused(
                pace, now=seen.time, sent=seen.sent, seconds=seconds, per=self._terms.per
            )

        seen = await self._heard(self._ledger.pause(seconds))
        if seen and self._terms.ceiling:
            await self._adapt(seen, lower)

    def _notice(self, seen: Seen) -> None:
        self.limit = seen.limit
        ceiling = self._terms.ceiling

        def higher(pace: Pace, seen: Seen) -> Pace:
            return adaptive.grown(
                pace, now=seen.time, sent=seen.sent, per=self._terms.per, ceiling=ceiling or 1
            )

        if ceiling and higher(self._pace(seen), seen) != self._pace(seen):
            self._start(self._adapt(seen, higher))

    async def _adapt(self, seen: Seen, change: Callable[[Pace, Seen], Pace]) -> None:
        """Change the limit that all have, by what it is now."""
        for _ in range(TRIES):
            pace = self._pace(seen)
            new = change(pace, seen)
            if new == pace or await self._heard(self._ledger.adapt(seen.pace, _json(new))):
                return
            again = await self._heard(self._ledger.tell(Reports()))
            if again is None:
                return
            seen = again

    def _pace(self, seen: Seen) -> Pace:
        if not seen.pace:
            return adaptive.begin(self._terms.limit)
        return msgspec.json.decode(seen.pace, type=Pace)

    async def _heard(self, telling: Coroutine[Any, Any, T]) -> T | None:
        """Tell the store something; None when it is lost."""
        try:
            return await telling
        except BudgetLost as error:
            self._lost(error)
            return None

    def _lost(self, error: BudgetLost) -> None:
        """Go on alone, when what the store gave to anybody is used up."""
        if self._alone:
            return
        share, per = _share(self.limit, self._terms.per, self._processes)
        self._alone = Limiter(share, per=per)
        wait = self._terms.per + self._terms.slack + self._terms.reach
        self._alone.pause(max(wait, self._paused_until - _now()))
        logger.warning(
            "the shared budget can't be reached (%s): at most %d requests in %g s until it can",
            *(error, share, per),
        )
        self._returning = self._start(self._return(self._alone))

    async def _own(self, alone: Limiter) -> Taken | None:
        """Wait for a slot of our own; None when the store is back first."""
        taking = asyncio.create_task(alone.acquire())
        back = self._returning or taking
        try:
            await asyncio.wait({taking, back}, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            return None if back.cancelled() else back.result()
        finally:
            taking.cancel()

    async def _return(self, alone: Limiter) -> None:
        while True:
            await asyncio.sleep(PROBE)
            try:
                async with asyncio.timeout(ATTEMPT):
                    wait = await self._ledger.rejoin()
                break
            except (BudgetLost, TimeoutError):
                continue
        alone.pause(FOREVER)  # until all others have noticed as well
        await asyncio.sleep(wait)
        for line in self._lines.values():
            line.ahead.clear()
        self._alone = None
        logger.warning("the shared budget is back")

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _terms(limit: int, per: float, ceiling: int | None) -> Terms:
    return Terms(
        limit=limit,
        per=per,
        slack=SLACK,
        reach=max(REACH, min(per, IN_LINE * per / limit)),
        hold=per + SLACK + PROBE + ATTEMPT,
        ceiling=ceiling,
    )


def _share(limit: int, per: float, processes: int) -> tuple[int, float]:
    """Divide; below one request in T it is one in a longer T."""
    most = limit // processes
    return (most, per) if most else (1, per * processes / limit)


def _json(pace: Pace) -> str:
    return msgspec.json.encode(pace).decode()


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(time: float) -> None:
    while (left := time - _now()) > 0:  # noqa: ASYNC110  (the clock is what it waits for)
        await asyncio.sleep(max(left, TICK))
