"""Which offset from UTC fits: of the dates that rows show, and of those that a range filters.

A row proves it: one that is dated after now, and one that is found a number of hours from its date.
What can't be seen: the zone of a tenant that has no row of the last hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil, floor

from .._api import MAX_FUTURE
from .._listing.creation_dates import CLOCK_TOLERANCE
from .._listing.windows import Window
from .._listing.zones import SECOND
from .asking import Asker
from .pages import CREATED, ObservedPage
from .survey import Survey

# All zones are so many of these from UTC.
STEP = timedelta(minutes=15)
HOUR = timedelta(hours=1)
# By far the likeliest: the service's zone is that of its public cloud, or UTC.
LIKELY_SHIFTS = (timedelta(hours=8), timedelta(hours=-8))


async def find_utc_offset(survey: Survey, asker: Asker) -> None:
    """Look for rows that are dated after now: by the clock that dates them, they are not."""
    late = survey.now + CLOCK_TOLERANCE
    page = await asker.page(Window(late))
    dates = [moment for moment in page.created_dates() if moment > late] if page else []
    if dates:
        ahead = max(dates) - datetime.now(UTC).replace(tzinfo=None) - CLOCK_TOLERANCE
        if ahead <= MAX_FUTURE:
            survey.answers["utc_offset"] = ceil(ahead / STEP) * STEP / HOUR


async def find_shift(survey: Survey, asker: Asker) -> timedelta | None:
    """Find how far the dates that rows show are ahead of those that a range filters; None: none is.

    It is asked for a row at its date less each shift, the likely ones first, then by halving.
    """
    quiet = survey.quiet_page
    rows = quiet.rows() if quiet else ()
    dated = ((row_id, dates[CREATED]) for row_id, dates in rows if CREATED in dates)
    row_id, shown = next(dated, ("", survey.now))
    if quiet is None or not row_id:
        return None

    async def has_row(low: timedelta, high: timedelta) -> bool | None:
        """Return whether the row is at one of these shifts; None when it cannot be told."""
        page = await asker.page(Window(shown - high - SECOND, shown - low + SECOND))
        if page and row_id in page.ids:
            return True
        return None if page is None or survey.is_cut(page) else False

    for shift in dict.fromkeys([*_guesses(quiet), *LIKELY_SHIFTS]):
        if abs(shift) <= MAX_FUTURE and await has_row(shift, shift):
            return shift
    low, high = -(MAX_FUTURE // STEP), MAX_FUTURE // STEP
    while low < high:
        middle = (low + high) // 2
        found = await has_row(low * STEP, middle * STEP)
        if found is None:
            return None
        low, high = (low, middle) if found else (middle + 1, high)
    return low * STEP if await has_row(low * STEP, low * STEP) else None


def _guesses(page: ObservedPage) -> Iterator[timedelta]:
    """Yield the shifts that fit a page whose first or last row is near an end of its window."""
    start, end, dates = page.window.start, page.window.end, page.created_dates()
    if start and end:
        # Most zones are whole hours apart.
        for step in (HOUR, STEP):
            yield ceil((max(dates) - end) / step) * step
            yield floor((min(dates) - start) / step) * step
