"""Clock arithmetic: moments, and what the clock of a zone shows.

Times on the wire have no offset. Twice a year in many zones a clock shows an hour twice or skips
one; what a text means then is not documented for the service, so a range is widened rather than
cut. Python calls the two showings ``fold`` 0 and 1, and compares times of one zone without it.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from operator import gt
from zoneinfo import ZoneInfo

from ..errors import ConfigError

SECOND = timedelta(seconds=1)


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment's wall-clock time in a zone, cut to the second; naive is taken as is."""
    try:
        shown = moment if moment.tzinfo is None else moment.astimezone(zone)
    except OverflowError:
        raise ConfigError(f"{moment} must have a wall-clock time in {zone}") from None
    return shown.replace(tzinfo=None, fold=0, microsecond=0)


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment as an aware one of the zone; naive is taken in it."""
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def instant(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment in UTC: two times of one zone are compared without their fold."""
    return local(moment, zone).astimezone(UTC)


def now(zone: ZoneInfo) -> datetime:
    """Return what the zone's clock shows now, by this machine."""
    return wall(datetime.now(UTC), zone)


def elapsed(start: datetime, end: datetime, zone: ZoneInfo) -> timedelta:
    """Return the longest time that can pass between two wall-clock times.

    An hour that a clock shows twice counts twice, and one that it skips is read both ways: it is
    not known whether the service measures wall-clock time or time passed.
    """
    return end - start + max(_offsets(start, zone)) - min(_offsets(end, zone))


def _offsets(shown: datetime, zone: ZoneInfo) -> list[timedelta]:
    return [_offset(shown.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _put_back(first: datetime, second: datetime) -> timedelta:
    """Return by how much the clock goes back between two showings of a time; 0 if shown once."""
    return max(_offset(first) - _offset(second), timedelta(0))


def earliest_shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a time that the clock shows never before, from this moment on; for a range's start.

    In an hour that is shown twice, what comes after its first showing may read earlier. The time
    is before that hour, not its first second as ``shown_from`` has it: whichever showing the
    service takes a text for, the range begins no later than the moment.
    """
    shown = local(moment, zone)
    return wall(shown, zone) - _put_back(shown, shown.replace(fold=1))


def latest_shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a time that the clock has never passed, up to this moment; for a range's end."""
    shown = local(moment, zone)
    return wall(shown, zone) + _put_back(shown.replace(fold=0), shown)


def shown_from(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the earliest time that a zone's clock shows from this moment on; naive is in the zone.

    That is the moment's own time; but while an hour is shown that will be shown again, its begin.
    """
    here = local(moment, zone)
    shown = wall(here, zone)
    back = _put_back(here, here.replace(fold=1))
    if not back:
        return shown
    seconds = [shown - n * SECOND for n in range(back // SECOND, -1, -1)]
    # A time comes again where its first showing is further ahead of UTC than its second.
    return seconds[bisect_left(seconds, 1, key=lambda time: gt(*_offsets(time, zone)))]


def is_within(moment: datetime, start: datetime, end: datetime) -> bool:
    """Return whether it was then; an hour that the clock shows twice may be either."""
    return any(start <= moment.replace(fold=fold) <= end for fold in (0, 1))
