"""Which date a range filters, whether its bounds are inclusive, and how its 31 days are counted.

A row proves it: asked for in the second before its date, in the very second and in the one after.
A row can't prove which date is filtered where several of its dates are the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from .._listing.windows import MAX_SPAN, Window
from .._listing.zones import SECOND
from .asking import Asker
from .clock import find_shift
from .pages import CREATED, DATE_FIELDS, ObservedPage, RowDates
from .survey import MONTH, Survey

# Longer than any reading of "31 days".
LONG_SPAN = timedelta(days=40)
# A month that is over for so long is hardly written to.
QUIET_TIME = timedelta(hours=1)
# So many rows that all have a date within the month make it unlikely that another one is filtered.
MIN_ROWS = 8
# A row that has one of them was changed at that time.
CHANGE_FIELDS = ("closedDate", "suspendDate")


async def find_quiet_month(survey: Survey, asker: Asker) -> None:
    """Find a month with rows that is over, near the oldest row that was seen."""
    created = [moment for page in survey.pages for moment in page.created_dates()]
    if not created:
        return
    oldest = min(created)
    months = [(oldest, oldest + MONTH), (oldest - MONTH, oldest - SECOND)]
    over = [month for month in months if month[1] < survey.now - QUIET_TIME]
    # Where neither is over or has rows, the month that ends with the oldest row has it at least.
    for start, end in (*over, (oldest - MONTH + SECOND, oldest + SECOND)):
        page = await asker.page(Window(start, end))
        if page and page.ids:
            survey.quiet_page = page
            return


async def find_date_field(survey: Survey, asker: Asker) -> None:
    """Look for a row by each of its dates, a second around it, until one finds it."""
    quiet = survey.quiet_page
    if quiet is None:
        return
    for name in filter(quiet.has_all_within, DATE_FIELDS):
        row = distinguishing_row([quiet, *survey.pages], name)
        if row is None or (name != CREATED and len(quiet.ids) < MIN_ROWS):
            return
        row_id, moment = row
        page = await asker.page(Window(moment - SECOND, moment + SECOND))
        if page is None or (row_id not in page.ids and survey.is_cut(page)):
            return
        if row_id in page.ids and page.has_all_within(name):
            survey.answers["date_field"] = name
            await find_bounds(name, moment, survey=survey, asker=asker)
            return
    # Not another date, if it is the creation by the clock of another zone.
    if shift := await find_shift(survey, asker):
        survey.answers |= {"date_field": CREATED, "hours_ahead": shift / timedelta(hours=1)}
        return
    survey.answers["date_field"] = "other"


async def find_bounds(name: str, moment: datetime, *, survey: Survey, asker: Asker) -> None:
    """Ask for the second after a row's date, and for the second before it: it is on the bound."""
    windows = {
        "start_inclusive": Window(moment, moment + SECOND),
        "end_inclusive": Window(moment - SECOND, moment),
    }
    for answer, window in windows.items():
        page = await asker.page(window)
        if page and any(dates.get(name) == moment for dates in page.dates):
            survey.answers[answer] = True
        elif page and not survey.is_cut(page):
            survey.answers[answer] = False


async def find_span(survey: Survey, asker: Asker) -> None:
    """Ask for 31 days from midday to midday, for a second more, and for 40 days."""

    async def accepts(start: datetime, span: timedelta) -> bool:
        return await asker.page(Window(start, start + span), limit=1) is not None

    quiet_start = survey.quiet_page.window.start if survey.quiet_page else None
    midnight = (quiet_start or survey.now - 2 * MONTH).replace(hour=0, minute=0, second=0)
    midday = midnight + timedelta(hours=12)
    if not await accepts(midday, MAX_SPAN):
        if await accepts(midnight, MAX_SPAN - SECOND):
            survey.answers["span"] = "dates"
    elif not await accepts(midday, MAX_SPAN + SECOND):
        survey.answers["span"] = "seconds"
    else:
        survey.answers["span"] = "none" if await accepts(midday, LONG_SPAN) else "days"


def distinguishing_row(pages: Iterable[ObservedPage], name: str) -> tuple[str, datetime] | None:
    """Find a row whose date shows which date a range filters: its other dates lie elsewhere."""
    for page in pages:
        for row_id, dates in page.rows():
            if name in dates and _is_distinct(dates, name):
                return row_id, dates[name]
    return None


def _is_distinct(dates: RowDates, name: str) -> bool:
    others = [moment for other, moment in dates.items() if other != name]
    if any(abs(moment - dates[name]) <= SECOND for moment in others):
        return False
    # A row that was never changed has its modification, which rows do not show, at its creation.
    return name != CREATED or any(other in dates for other in CHANGE_FIELDS)
