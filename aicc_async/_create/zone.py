"""What is known of the zone in which a tenant dates its cases, which no document says."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta

from attrs import define, field

from .._api import CaseApi
from ..errors import AICCError
from .readings import CLOCK_TOLERANCE, MAX_SKEW

# The offsets of all zones are multiples of it (https://www.iana.org/time-zones).
ZONE_STEP = timedelta(minutes=15)


@define
class TenantZone:
    """By how much the tenant dates cases ahead of the client's zone, once that is known.

    ``offset`` is learnt from the first case that was confirmed: its detail is read when the offset
    is asked for, so that creates which all go well cost no request more.
    """

    offset: timedelta | None = None
    _confirmed: tuple[str, datetime] | None = field(default=None, init=False)

    def note_confirmed(self, case_id: str, now: datetime, service_time: datetime | None) -> None:
        """Note a case that was just made; where the two clocks differ, it can't show the zone."""
        if service_time is None or abs(service_time - now) <= MAX_SKEW:
            self._confirmed = self._confirmed or (case_id, now)

    async def learn(self, api: CaseApi) -> timedelta | None:
        """Return the offset, read from a case if need be; None: there is none to read."""
        if self.offset is None and self._confirmed:
            case_id, at = self._confirmed
            try:
                created = (await api.detail(case_id)).case.created_date
            except AICCError:
                # What cannot be learnt is looked for in all zones.
                return None
            ahead = as_offset(created - at) if created else None
            if ahead is not None and self.offset is None:
                self.offset = ahead
                if ahead:
                    warnings.warn(
                        f"the tenant dates cases {describe(ahead)} off the client's zone: is"
                        " timezone right?",
                        RuntimeWarning,
                        stacklevel=2,
                    )
        return self.offset


def as_offset(ahead: timedelta) -> timedelta | None:
    """Return the difference of two zones that a difference of times is; None: it is none."""
    steps = round(ahead / ZONE_STEP)
    return ZONE_STEP * steps if abs(ahead - ZONE_STEP * steps) <= CLOCK_TOLERANCE else None


def describe(span: timedelta) -> str:
    """Return a length of time as ``8 h``, ``5 h 45 min``, ``3 min`` or ``40 s``."""
    seconds = round(abs(span).total_seconds())
    minutes = round(seconds / 60)
    parts = [(minutes // 60, "h"), (minutes % 60, "min")] if minutes else [(seconds, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
