"""Windows of time: a range is cut into spans that the list accepts.

All times here are wall-clock times of the tenant's zone, naive and in whole seconds, as they stand
on the wire. Whether ``startTime`` and ``endTime`` are inclusive is not documented: if neither is, a
boundary second that is only shared is in neither window. So neighbours overlap by one second more,
and rows seen twice are dropped by id elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from .errors import ConfigError

MAX_SPAN = timedelta(days=31)  # document 001, endTime
SECOND = timedelta(seconds=1)


@frozen
class Window:
    """A span of wall-clock time, both ends included; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        """Write it as a person would."""
        if self.start is None and self.end is None:
            return "all time"
        return f"{self.start or '…'} to {self.end or '…'}"


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Turn a moment into wall-clock time of the zone, cut to the second; naive is taken as is."""
    try:
        local = moment if moment.tzinfo is None else moment.astimezone(zone)
    except OverflowError:
        raise ConfigError(f"{moment} has no wall-clock time in {zone}") from None
    return local.replace(tzinfo=None, fold=0, microsecond=0)


def elapsed(start: datetime, end: datetime, zone: ZoneInfo) -> timedelta:
    """Tell the longest time that can pass between two wall-clock times.

    An hour that a clock shows twice counts twice, and one that it skips is read both ways: it is
    not known whether the service measures wall-clock time or time passed.
    """
    return end - start + max(_offsets(start, zone)) - min(_offsets(end, zone))


def _offsets(moment: datetime, zone: ZoneInfo) -> list[timedelta]:
    readings = [moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    return [offset for offset in readings if offset is not None]


def split(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Window]:
    """Cut a range of wall-clock time into windows, oldest first.

    Each is at most 31 days long by the clock and by time passed; each begins a second before the
    one before ends. A range of one second gives one window.
    """
    while True:
        stop = _latest_stop(start, end, zone)
        yield Window(start, stop)
        if stop == end:
            return
        start = stop - SECOND


def _latest_stop(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    stop = start + min(end - start, MAX_SPAN)
    while (over := elapsed(start, stop, zone) - MAX_SPAN) > timedelta(0):
        stop -= over
    return stop
