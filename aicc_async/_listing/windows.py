"""Windows of time: a range is cut into spans that the list accepts.

All times here are wall-clock times of the tenant's zone, naive and in whole seconds, as the wire
has them. Whether ``startTime`` and ``endTime`` are inclusive is not documented: if neither is, a
boundary second that is only shared is in neither window. So neighbours overlap by one second more,
and rows seen twice are dropped by id elsewhere. For the same reason a whole range is widened by a
second at both ends, and what was created in these is dropped elsewhere (``creation_dates.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from .zones import SECOND, elapsed

# Document 001, ``endTime``.
MAX_SPAN = timedelta(days=31)
# A case may come into the list so long after it was created: younger ones are not settled.
SETTLE = timedelta(minutes=5)
# No case is older than that.
EARLIEST_START = datetime(1990, 1, 1)  # noqa: DTZ001  (wall-clock time)
# The calendar has one second more.
LAST_END = datetime(9999, 12, 31, 23, 59, 58)  # noqa: DTZ001  (same)


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


def split(
    start: datetime, end: datetime, zone: ZoneInfo, span: timedelta = MAX_SPAN
) -> Iterator[Window]:
    """Cut a range of wall-clock time into windows, oldest first.

    Each is at most ``span`` long by the clock and by time passed; each begins a second before the
    one before ends. A range of one second gives one window.
    """
    while True:
        stop = start + min(end - start, span)
        # A shorter window may end where the clock shows an hour twice, which counts once more.
        while (excess := elapsed(start, stop, zone) - span) > timedelta(0):
            stop -= excess
        yield Window(start, stop)
        if stop == end:
            return
        start = stop - SECOND


def widen(window: Window) -> Window:
    """Add a second at both ends, so that the very seconds of its bounds are within; open stays."""
    start, end = window.start, window.end
    return Window(start and start - SECOND, end and min(end, LAST_END) + SECOND)


def bisect(window: Window) -> tuple[Window, Window] | None:
    """Halve a window; the halves overlap as neighbours do. None when it is as short as it gets.

    That is two seconds from start to end: shorter ones would hold nothing if neither bound is
    inclusive. An open window can't be halved.
    """
    if window.start is None or window.end is None or window.end - window.start < 3 * SECOND:
        return None
    middle = window.start + (window.end - window.start + SECOND) // (2 * SECOND) * SECOND
    return Window(window.start, middle), Window(middle - SECOND, window.end)


def join(
    first: Window, second: Window, zone: ZoneInfo, span: timedelta = MAX_SPAN
) -> Window | None:
    """Put two neighbours together; None when that would be too long for one."""
    if first.start is None or second.end is None:
        return None
    whole = Window(first.start, second.end)
    fits = elapsed(first.start, second.end, zone) <= span
    return whole if fits and second.end - first.start <= span else None
