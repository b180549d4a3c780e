"""In which order rows come, and whether totals and order stay when nothing is written.

A service may shuffle rows, or only those of one second. Shuffled rows come alike by chance now and
then, so a page is read until chance is unlikely. What that can't see: an order that changes more
rarely than the readings of a few seconds show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import factorial, prod

from .asking import Asker
from .pages import CREATED, ObservedPage, RowDates
from .survey import Survey

MIN_READINGS = 3
# So many different dates are in order by chance once in 20,160 times, either way.
MIN_ORDERED_ROWS = 8
# The probability at most that shuffled rows are taken for stable ones.
MAX_CHANCE = 0.02

Row = tuple[str, RowDates]


async def find_order(survey: Survey, asker: Asker) -> None:  # noqa: ARG001  (asks nothing)
    """Read the order off all pages that came."""
    survey.conclude("order", detect_order(survey.pages))


async def find_stability(survey: Survey, asker: Asker) -> None:
    """Read the quiet month again, and a page with ties so often that chance is ruled out."""
    quiet = survey.quiet_page
    if quiet:
        readings = await read_repeatedly(quiet, survey, asker)
        survey.answers["count_stable"] = len({page.count for page in readings}) == 1
        survey.conclude("order_stable", is_order_stable(readings))
    if survey.answers.get("order_stable") is False:
        survey.answers["ties_stable"] = False
        return
    candidates = [quiet, *survey.pages] if quiet else survey.pages
    tied = next((page for page in candidates if page.has_ties()), None)
    if tied:
        readings = await read_repeatedly(tied, survey, asker)
        survey.conclude("ties_stable", are_ties_stable(readings))


async def read_repeatedly(page: ObservedPage, survey: Survey, asker: Asker) -> list[ObservedPage]:
    """Collect readings of one page, asking for those that are missing."""
    place = (page.window, page.start, page.limit)
    readings = [one for one in survey.pages if (one.window, one.start, one.limit) == place]
    while len(readings) < MIN_READINGS or may_be_chance(page, len(readings)):
        again = await asker.page(page.window, start=page.start, limit=page.limit)
        if again is None:
            break
        readings.append(again)
    return readings


def detect_order(pages: Iterable[ObservedPage]) -> str | None:
    """Return the order of pages; one step the other way is enough against it."""
    times = [page.created_dates() for page in pages]
    steps = [pair for moments in times for pair in pairwise(moments)]
    rises = any(one < two for one, two in steps)
    falls = any(one > two for one, two in steps)
    if rises and falls:
        return "neither"
    distinct = {moment for moments in times for moment in moments}
    if len(distinct) < MIN_ORDERED_ROWS or rises == falls:
        return None
    return "oldest_first" if rises else "newest_first"


def may_be_chance(page: ObservedPage, readings: int) -> bool:
    """Return whether shuffled ties may well have come alike so often."""
    ties = Counter(page.created_dates()).values()
    orders = prod(factorial(min(rows, MIN_ORDERED_ROWS)) for rows in ties)
    return orders > 1 and _chance_of_agreement(orders, readings) > MAX_CHANCE


def is_order_stable(readings: Sequence[ObservedPage]) -> bool | None:
    """Return whether readings of one page had their seconds in one order; None: too few to say."""
    first, *others = readings
    for page in others:
        if first.created_dates() == page.created_dates():
            continue
        if not _agree(first, page, lambda row: row[1].get(CREATED)):
            return False
    orders = factorial(min(len(set(first.created_dates())), MIN_ORDERED_ROWS))
    return None if _chance_of_agreement(orders, len(readings)) > MAX_CHANCE else True


def are_ties_stable(readings: Sequence[ObservedPage]) -> bool | None:
    """Return whether readings of one page had its ties in one order; None: there are no ties."""
    first, *others = readings
    if not others or not first.has_ties():
        return None
    return all(_agree(first, page, lambda row: row[0]) for page in others)


def _chance_of_agreement(orders: int, readings: int) -> float:
    return float(orders) ** (1 - readings)


def _agree(one: ObservedPage, two: ObservedPage, key: Callable[[Row], object]) -> bool:
    """Compare the rows that two readings share, which must be most: rows may have come or gone."""
    shared = set(one.ids) & set(two.ids)
    keys = [[key(row) for row in page.rows() if row[0] in shared] for page in (one, two)]
    return len(shared) * 2 >= len(one.ids) and keys[0] == keys[1]
