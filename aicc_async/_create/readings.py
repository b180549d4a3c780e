"""When a create can have been sent, by all clocks: where its case is dated. No I/O.

The idea: no clock is trusted alone. The wall clock of this machine may have been set since the
create was noted, the service's ``Date`` may be a gateway's, and the zone in which the tenant dates
cases may be another one. Each gives a reading of when the create was sent. ``likely`` is the best
one; ``possible`` is from the earliest to the latest of all. The invariant: a case that lies between
is never taken for the one that was made, nor passed over: nobody knows.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from attrs import field, frozen

from .._listing.zones import is_within
from ..journal import Entry
from ..journal.clock import wall_now
from ..models import Case

# By how much clocks may differ; the more of it, the more cases of strangers are found.
CLOCK_TOLERANCE = timedelta(minutes=2)
# By how much the service's clock may be ahead of this one, or behind it, to be the same time.
MAX_SKEW = timedelta(seconds=30)
NONE = timedelta(0)


@frozen
class Span:
    """From a moment to another one."""

    start: datetime
    end: datetime

    def widened(self, margin: timedelta) -> Span:
        """Return a span that begins earlier and ends later."""
        return Span(self.start - margin, self.end + margin)

    def distance(self, moment: datetime) -> timedelta:
        """Return how far a moment is from it: below zero before it, zero within."""
        if moment < self.start:
            return moment - self.start
        return max(moment - self.end, NONE)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@frozen
class CallClock:
    """The wall clock as it goes on from the beginning of a call, however it is set meanwhile."""

    _began: datetime = field(factory=wall_now)
    _loop_began: float = field(factory=_loop_time)

    def now(self) -> datetime:
        """Return the time."""
        return self._began + timedelta(seconds=_loop_time() - self._loop_began)


@frozen(kw_only=True)
class Readings:
    """The readings of an entry.

    ``now`` is the wall clock's time, and ``skew`` by how much the service's clock is ahead of it
    (None: it does not say). ``offset`` is by how much the tenant dates cases ahead of the client's
    zone.
    """

    entry: Entry
    now: datetime
    skew: timedelta | None
    offset: timedelta = NONE

    @property
    def likely(self) -> Span:
        """When it was sent, by the best clock for that, as the tenant dates it."""
        created, updated = self._both()
        start, end = (self._best(*each) + self.offset for each in (created, updated))
        return Span(min(start, end), max(start, end))

    @property
    def possible(self) -> Span:
        """When it can have been sent at all, as the tenant dates it."""
        readings = [each for moment in self._both() for each in self._all(*moment)]
        return Span(min(readings) + self.offset, max(readings) + self.offset)

    @property
    def are_sure(self) -> bool:
        """Whether several clocks agree, those of the service included."""
        entry, skew = self.entry, self.skew
        # Where the two differ, one is wrong: perhaps both are.
        if skew is None or abs(skew) > MAX_SKEW:
            return False
        if entry.updated_at < entry.created_at - CLOCK_TOLERANCE:
            return False
        if entry.skew is not None and abs(entry.skew - skew) > CLOCK_TOLERANCE:
            return False
        # Without the steady clock, two that agree may have been wrong by as much.
        drifts = [drift for _, drift in self._both()]
        return all(drift is not None and abs(drift) <= CLOCK_TOLERANCE for drift in drifts)

    @property
    def age(self) -> timedelta:
        """For how long it was certainly sent already; zero when nothing shows that."""
        updated_at, drift = self.entry.updated_at, self.entry.updated_drift
        if drift is None:
            return NONE
        return max(self.now - updated_at - max(drift, NONE), NONE)

    def _both(self) -> list[tuple[datetime, timedelta | None]]:
        entry = self.entry
        return [(entry.created_at, entry.created_drift), (entry.updated_at, entry.updated_drift)]

    def _best(self, moment: datetime, drift: timedelta | None) -> datetime:
        if drift is not None:
            return moment + drift + (self.skew or NONE)
        known = [each for each in (self.entry.skew, self.skew, NONE) if each is not None]
        return moment + known[0]

    def _all(self, moment: datetime, drift: timedelta | None) -> list[datetime]:
        skews = [NONE, *(each for each in (self.skew, self.entry.skew) if each is not None)]
        walls = [moment, moment + (drift or NONE)]
        # Nothing shows what the wall clock was worth: it may have been sent just now.
        if drift is None:
            walls.append(self.now)
        return [wall + skew for wall in walls for skew in skews]


def is_dated_within(case: Case, span: Span) -> bool:
    """Return whether a case may have been created then; one without a date may."""
    return case.created_date is None or is_within(case.created_date, span.start, span.end)
