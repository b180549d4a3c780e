"""The creation dates of rows, against the range and the windows that were asked for.

The idea: whether ``startTime`` and ``endTime`` are inclusive is not documented, so a range is asked
for with a second more at both ends, and a row that was created in one of these seconds is dropped.
And a row that was created outside the window that it came in, or later than now, is evidence: the
service filters by another zone than it shows, or the client's ``timezone`` is not the tenant's.

There may be none where such rows would lie. So an export asks for one row at the date it shows.

The invariant: no row that was created within the range is dropped, and none without a date. Where
another date than the creation is known to be filtered, nothing is dropped, and nothing is evidence.
Where it is not known, a row of the second before the range is dropped only if all rows of its page
were created within their window.

What it cannot see: a wrong zone where no row shows it, such as in a range of a few hours, and
anything where no row came at all.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from .pages import Fetch
from .paging import Batch
from .windows import Window
from .zones import SECOND, elapsed

R = TypeVar("R")
CREATED = "createdDate"
# By how much the service's clock may be ahead of ours before a row is dated in the future.
CLOCK_TOLERANCE = timedelta(minutes=5)
# Of a few seconds; where there are more, other rows show a wrong zone.
ROWS_OF_A_DATE = 10
_STRAYS = "rows came that are dated outside the window or after now, as {}: {}"
# As the wire has it, as a record has it, or none.
Date = str | datetime | None
# Reads the date that a row shows by now; None when there is no such row any more.
ReadDate = Callable[[str], Awaitable[datetime | None]]


class CreationDates:
    """Compare the dates of one listing's rows with ``asked``, its range as it was asked for."""

    def __init__(
        self,
        asked: Window,
        zone: ZoneInfo,
        *,
        date_field: str | None,
        now: Callable[[], datetime],
        hours_ahead: float | None = None,
        rows_after: int = 0,
    ) -> None:
        # What a profile knows: rows show dates so far ahead of those that are filtered.
        self._hours_ahead = hours_ahead
        # So many are dated later than the range, which ends now or later.
        self._rows_after = rows_after
        self._asked = asked
        self._zone = zone
        self._date_field = date_field
        self._now = now
        self._began = now()
        # The bounds between which no row needs a closer look, as dates of the rows' type.
        self._bounds: tuple[Window, type, Any, Any] | None = None
        self._doubts: dict[tuple[Window, int], str] = {}
        self._has_warned = False
        # Rows that came first, by their ids, to be asked for at their dates; None: that was done.
        self._samples: dict[str, datetime] | None = {}
        self._is_shifted = False

    def are_wanted(self, batch: Batch[Any], dates: Sequence[Date]) -> list[bool] | None:
        """Return for each row of a batch whether it is wanted; None when all are."""
        if not dates or self._date_field not in {None, CREATED}:
            return None
        if self._samples == {}:
            ends = (batch.ids[0], dates[0]), (batch.ids[-1], dates[-1])
            known = {row_id: date for row_id, each in ends if (date := _to_second(each))}
            # Programs write the first or the last year where there is no date.
            self._samples = {
                row_id: date for row_id, date in known.items() if MINYEAR < date.year < MAXYEAR
            }
        if self._are_within(batch, dates):
            return None
        found = [_to_second(date) for date in dates]
        strays = [date for date in found if date and not self._is_in(batch.window, date)]
        if strays:
            self._doubts.setdefault(
                (batch.window, batch.reading), _STRAYS.format(strays[0], self._advice())
            )
        is_creation = self._date_field == CREATED or not strays
        wanted = [date is None or self._is_wanted(date, is_creation) for date in found]
        return None if all(wanted) else wanted

    @property
    def has_samples(self) -> bool:
        """Whether there are rows that ``look_up`` would ask for."""
        return bool(self._samples)

    async def look_up(self, fetch: Fetch[Any], read_date: ReadDate) -> None:
        """Ask for a row at the date that it shows, once for all windows; for two if need be.

        One that was deleted or changed meanwhile, or may be on a page that was cut, shows nothing.
        """
        samples = self._samples
        if not samples:
            return
        self._samples = None
        for row_id, date in samples.items():
            page = await fetch(Window(date - SECOND, date + SECOND), 0, ROWS_OF_A_DATE)
            if row_id in page.ids or page.count > len(page.ids):
                return
            if _to_second(await read_date(row_id)) != date:
                return
        self._is_shifted = True

    def find_doubt(self, window: Window, reading: int) -> str | None:
        """Return what a window's reading says against the zone, if anything."""
        doubt, end = self._doubts.get((window, reading)), self._asked.end
        if self._rows_after and end and window.end and window.end >= end:
            doubt = doubt or f"{self._rows_after} rows are dated after {end}: {self._advice()}"
        if self._is_shifted:
            doubt = doubt or f"a row is not found at the date that it shows: {self._advice()}"
        if self._hours_ahead:
            doubt = (
                f"the dates that rows show are {self._hours_ahead:g} h ahead of those that are"
                f" filtered, by the profile: no timezone fits both, {self._zone} neither"
            )
        return doubt

    def judge(self, window: Window, reading: int) -> str | None:
        """Return the same; warn of it once."""
        doubt = self.find_doubt(window, reading)
        if doubt and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{window}: {doubt}", RuntimeWarning, stacklevel=2)
        return doubt

    def _are_within(self, batch: Batch[Any], dates: Sequence[Date]) -> bool:
        """Return whether no date needs a closer look; it costs two comparisons for each."""
        try:
            low: Any = min(dates)  # type: ignore[type-var]
            high: Any = max(dates)  # type: ignore[type-var]
        except TypeError:
            # Some have no date.
            return False
        # Texts with a T between date and time sort otherwise.
        if isinstance(low, str) and not low[10:11] == high[10:11] == " ":
            return False
        if self._bounds is None or self._bounds[:2] != (batch.window, type(low)):
            self._bounds = batch.window, type(low), *self._bounds_of(batch.window, type(low))
        _, _, start, end = self._bounds
        return bool(start <= low and high <= end)

    def _bounds_of(self, window: Window, kind: type) -> tuple[Any, Any]:
        starts = [time for time in (window.start, self._asked.start) if time]
        ends = [time for time in (window.end, self._asked.end) if time]
        bounds = max(starts, default=datetime.min), min([*ends, self._began])  # noqa: DTZ901
        if kind is str:
            return str(bounds[0]), str(bounds[1])
        return tuple(bound.replace(tzinfo=self._zone) for bound in bounds)  # type: ignore[return-value]

    def _is_in(self, window: Window, date: datetime) -> bool:
        """Return whether a row's date is within its window, and not in the future."""
        start, end = window.start or date, window.end or date
        # An hour that the clock shows twice may be meant either way.
        early, late = (elapsed(bound, bound, self._zone) for bound in (start, end))
        is_past = date <= self._now() + CLOCK_TOLERANCE
        return start - early <= date <= end + late and is_past

    def _is_wanted(self, date: datetime, is_creation: bool) -> bool:
        start, end = self._asked.start, self._asked.end
        if end and end < date <= end + SECOND:
            return False
        return not (is_creation and start and start - SECOND <= date < start)

    def _advice(self) -> str:
        other = "" if self._date_field else ", or another date is filtered"
        return f"timezone {self._zone} may be wrong{other}; probe finds out"


async def wanted_batches(
    batches: AsyncGenerator[Batch[R]], dates: CreationDates, date_of: Callable[[R], Date]
) -> AsyncGenerator[Batch[R]]:
    """Yield batches without the rows beyond the range; warn once when dates don't fit."""
    async with aclosing(batches):
        async for batch in batches:
            wanted = dates.are_wanted(batch, list(map(date_of, batch.rows)))
            if wanted:
                batch = batch.select(wanted)  # noqa: PLW2901  (the same batch, without them)
            dates.judge(batch.window, batch.reading)
            yield batch


def _to_second(date: Date) -> datetime | None:
    """Return a date as wall-clock time in whole seconds; None for what is not one."""
    if isinstance(date, str):
        try:
            date = datetime.fromisoformat(date)
        except ValueError:
            return None
    return date and date.replace(tzinfo=None, microsecond=0, fold=0)
