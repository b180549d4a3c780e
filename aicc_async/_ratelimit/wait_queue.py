"""Who waits for a slot of a shared budget, the slots reserved for them, how many more to ask for.

The idea: what is asked for arrives a round trip later, so whoever uses up all that it has asks for
twice as much the next time, for those who will be waiting then. The invariant: a slot that nobody
came for halves that, and two in a row give back all the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

from attrs import define, field

from .budget import RequestPriority

# A slot that is used later than the first is reported; later than the second it is not used at all.
REPORTED_DELAY_SECONDS = 0.005
MAX_DELAY_SECONDS = 0.02
# So many slots in a row that nobody came for: nobody will come for the others either.
MAX_LAPSED = 2


@define(eq=False)
class ReservedSlot:
    """A slot that the store gave: good from ``begins_at`` on, on the loop's clock, for a moment."""

    name: str
    begins_at: float
    _report_late: Callable[[str, float], None]

    def mark_leaving(self) -> None:
        """Do nothing: the store counts from when the slot begins."""

    def mark_over(self) -> None:
        """Do nothing, as ``mark_leaving``."""

    def mark_sent(self) -> None:
        """Note that the request leaves now."""
        now = asyncio.get_running_loop().time()
        if now > self.begins_at + REPORTED_DELAY_SECONDS:
            self._report_late(self.name, now)


@define(eq=False)
class WaitQueue:
    """Waiters of one priority in the order in which they came, and the slots reserved for them.

    ``waiting`` counts those who have no slot yet, ``expected`` the slots that were used up of late
    in a round trip. ``last_at`` is when the last slot begins that was reserved.
    """

    priority: RequestPriority
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    waiting: int = 0
    reserved: deque[ReservedSlot] = field(factory=deque)
    reserving: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    expected: int = 0
    last_at: float = -inf
    _present: int = 0
    _left_at: float = -inf
    _uses: int = 0
    _lapsed: int = 0

    @property
    def is_reserving(self) -> bool:
        """Whether slots were asked for, and the answer is not there yet."""
        return self.reserving is not None and not self.reserving.done()

    def add(self, slots: list[ReservedSlot]) -> None:
        """Add slots that were reserved."""
        self.reserved.extend(slots)
        if slots:
            self.last_at = slots[-1].begins_at

    def enter(self, now: float, *, busy_seconds: float) -> None:
        """Note that somebody came; nobody for so long before means that nothing is expected."""
        if not self._present and now - self._left_at > busy_seconds:
            self.expected = self._uses = 0
        self._present += 1
        self.waiting += 1

    def leave(self, now: float) -> None:
        """Note that somebody who had come has a slot, or was cancelled."""
        self._present -= 1
        self.waiting -= 1
        self._left_at = now

    def note_use(self) -> None:
        """Note that a slot was used."""
        self._uses, self._lapsed = self._uses + 1, 0

    def count_wanted(self, most: int) -> int:
        """Return for how many slots to ask; ``most`` is what a queue can use ahead.

        Who waits again after a use would have used more.
        """
        if self.waiting and self._uses:
            self.expected = min(2 * max(self.expected, self.waiting), most)
        return max(self.waiting, self.expected) - len(self.reserved)

    def take_lapsed(self, now: float) -> list[str]:
        """Return the names of slots that nobody will use, which are reserved no longer."""
        names = []
        while self.reserved and self.reserved[0].begins_at + MAX_DELAY_SECONDS < now:
            names.append(self.reserved.popleft().name)
        if names and not self.waiting:
            self.expected //= 2
            self._lapsed += len(names)
        if self._lapsed >= MAX_LAPSED:
            names += [slot.name for slot in self.reserved]
            self.reserved.clear()
            self.last_at = now
            self.expected = self._lapsed = 0
        return names
