"""Pages as they were seen, and what they tell. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from math import factorial, prod

from attrs import field, frozen

from .._listing.windows import Window
from .._listing.zones import SECOND
from .._protocol.converter import loads

DATES = ("createdDate", "closedDate", "dueDate", "suspendDate", "stayDate")  # that rows show
CREATED = DATES[0]
TOUCHED = ("closedDate", "suspendDate")  # a row that has one was changed at that time
ENOUGH = 8  # dates in order by chance once in 20,160 times, either way
CHANCE = 0.02  # of taking shuffled ties for stable ones

Dates = dict[str, datetime]


@frozen
class Seen:
    """A page as it was asked for: its ids, the dates of its rows, and the announced total."""

    window: Window
    start: int
    limit: int
    ids: list[str]
    dates: list[Dates] = field(repr=False)
    count: int

    @property
    def stop(self) -> int:
        """The offset after its last row."""
        return self.start + len(self.ids)

    def created(self) -> list[datetime]:
        """Tell when its rows were created, in their order."""
        return [dates[CREATED] for dates in self.dates if CREATED in dates]

    def only(self, ids: set[str]) -> tuple[list[str], list[datetime | None]]:
        """Keep some rows in their order: their ids, and when they were created."""
        kept = [row for row in zip(self.ids, self.dates, strict=True) if row[0] in ids]
        return [row_id for row_id, _ in kept], [dates.get(CREATED) for _, dates in kept]

    def all_within(self, name: str) -> bool:
        """Tell whether all its rows have a date that lies within its window."""
        start, end = self.window.start, self.window.end
        if start is None or end is None:
            return False
        return all(name in dates and start <= dates[name] <= end for dates in self.dates)


def dates_of(row: bytes) -> Dates:
    """Read the dates that a row shows; what is no date is left out."""
    values = loads(row)
    found = {name: _moment(values.get(name)) for name in DATES}
    return {name: moment for name, moment in found.items() if moment}


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if isinstance(text, str) else None
    except ValueError:
        return None


def order_of(pages: Iterable[Seen]) -> str | None:
    """Read the order off pages: one step the wrong way is enough against it."""
    times = [page.created() for page in pages]
    steps = [pair for moments in times for pair in pairwise(moments)]
    rises = any(one < two for one, two in steps)
    falls = any(one > two for one, two in steps)
    if rises and falls:
        return "neither"
    distinct = {moment for moments in times for moment in moments}
    if len(distinct) < ENOUGH or rises == falls:
        return None
    return "oldest_first" if rises else "newest_first"


def has_ties(page: Seen) -> bool:
    """Tell whether rows of a page share a second."""
    moments = page.created()
    return len(set(moments)) < len(moments)


def by_chance(page: Seen, readings: int) -> bool:
    """Tell whether shuffled ties may well have come alike so often."""
    shared = Counter(page.created()).values()
    orders = prod(factorial(min(rows, ENOUGH)) for rows in shared)
    return orders > 1 and _chance(orders, readings) > CHANCE


def _chance(orders: int, readings: int) -> float:
    return float(orders) ** (1 - readings)


def order_stable(readings: Sequence[Seen]) -> bool | None:
    """Tell whether readings of one page had their seconds in one order; None: too few to tell."""
    first, *others = readings
    if not all(_same_seconds(first, page) for page in others):
        return False
    orders = factorial(min(len(set(first.created())), ENOUGH))
    return None if _chance(orders, len(readings)) > CHANCE else True


def ties_stable(readings: Sequence[Seen]) -> bool | None:
    """Tell whether readings of one page had rows of one second in one order; None: no such rows."""
    first, *others = readings
    if not others or not has_ties(first):
        return None
    return all(_same_rows(first, page) for page in others)


def _same_seconds(one: Seen, two: Seen) -> bool:
    """Compare what two readings share, which must be most: rows may have come or gone."""
    if one.created() == two.created():
        return True
    both = set(one.ids) & set(two.ids)
    return len(both) * 2 >= len(one.ids) and one.only(both)[1] == two.only(both)[1]


def _same_rows(one: Seen, two: Seen) -> bool:
    both = set(one.ids) & set(two.ids)
    return len(both) * 2 >= len(one.ids) and one.only(both)[0] == two.only(both)[0]


def witness(pages: Iterable[Seen], name: str) -> tuple[str, datetime] | None:
    """Find a row whose date tells which date a range is of: its other dates lie elsewhere.

    A date of creation tells only where the row was changed later: else its modification, which rows
    do not show, may be the same moment.
    """
    for page in pages:
        for row_id, dates in zip(page.ids, page.dates, strict=True):
            if name in dates and _stands_alone(dates, name):
                return row_id, dates[name]
    return None


def _stands_alone(dates: Dates, name: str) -> bool:
    others = [moment for other, moment in dates.items() if other != name]
    if any(abs(moment - dates[name]) <= SECOND for moment in others):
        return False
    return name != CREATED or any(other in dates for other in TOUCHED)
