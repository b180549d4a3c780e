"""Pages of the list as they were read. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from attrs import field, frozen

from .._listing.windows import Window
from .._protocol.lenient import read_json

# The dates that rows show, by their wire names.
DATE_FIELDS = ("createdDate", "closedDate", "dueDate", "suspendDate", "stayDate")
CREATED = DATE_FIELDS[0]

RowDates = dict[str, datetime]


@frozen
class ObservedPage:
    """A page as it was asked for: its ids, the dates of its rows, and the announced total."""

    window: Window
    start: int
    limit: int
    ids: list[str]
    dates: list[RowDates] = field(repr=False)
    count: int

    @property
    def stop(self) -> int:
        """The offset after its last row."""
        return self.start + len(self.ids)

    def rows(self) -> Iterator[tuple[str, RowDates]]:
        """Iterate over ids and dates, in the page's order."""
        return zip(self.ids, self.dates, strict=True)

    def created_dates(self) -> list[datetime]:
        """Return when its rows were created, in the page's order."""
        return [dates[CREATED] for dates in self.dates if CREATED in dates]

    def has_ties(self) -> bool:
        """Return whether rows share the second of their creation."""
        moments = self.created_dates()
        return len(set(moments)) < len(moments)

    def has_all_within(self, name: str) -> bool:
        """Return whether all its rows have a date that lies within its window."""
        start, end = self.window.start, self.window.end
        if start is None or end is None:
            return False
        return all(name in dates and start <= dates[name] <= end for dates in self.dates)


def parse_dates(row: bytes) -> RowDates:
    """Parse the dates that a row shows; a value that is not a date is left out."""
    values = read_json(row)
    found: RowDates = {}
    for name in DATE_FIELDS:
        text = values.get(name)
        with suppress(ValueError):
            if isinstance(text, str):
                found[name] = datetime.fromisoformat(text).replace(tzinfo=None)
    return found
