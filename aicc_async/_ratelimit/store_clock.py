"""What time it is in a store that is some way off, and how far off it is. Pure.

The idea is that of NTP (https://www.rfc-editor.org/rfc/rfc5905#section-8): when the store was asked
and when its answer came, on our clock, bound its time; the middle of the quickest exchange is the
best guess. The invariant: the guess lies within what the latest answer allows. What it can't see: a
way there that is longer than the way back. All slots of the process are early or late by half of
the difference then, always by as much, so the distance of its sends from each other is right.
"""

from __future__ import annotations

from math import inf

from .budget import HERE, Distance

# Two clocks drift apart by so much; then the quickest exchange says less than a newer one.
DRIFT = 1e-4
# A store farther away than this is used as if it were no farther. ``budget.lua`` has it too.
MAX_ROUND_TRIP = 0.4  # seconds


class StoreClock:
    """The clock of a store; all other times are the loop's, in seconds."""

    def __init__(self) -> None:
        self.distance: Distance = HERE
        self._offset = 0.0
        self._quickest = inf
        self._noted_at = 0.0

    def note(self, requested_at: float, answered_at: float, store_time: float) -> None:
        """Note when the store was asked, when it answered, and its own time between the two."""
        took = answered_at - requested_at
        self._quickest += DRIFT * (answered_at - self._noted_at)
        self._noted_at = answered_at
        is_possible = store_time - answered_at <= self._offset <= store_time - requested_at
        if took <= self._quickest or not is_possible:
            self._quickest = took
            self._offset = store_time - (requested_at + answered_at) / 2
        # A way that has become longer is seen at once, one that was long once is soon forgotten.
        longest = max(took, (self.distance.round_trip + took) / 2)
        round_trip = min(longest, MAX_ROUND_TRIP)
        self.distance = Distance(round_trip=round_trip, lag=max(round_trip - self._quickest / 2, 0))

    def to_loop_time(self, store_time: float) -> float:
        """Return when it is, or was, that time in the store."""
        return store_time - self._offset
