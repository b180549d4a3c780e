"""Pages of a listing: what one holds, how one is fetched, and what to do without a total."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import define, field, frozen

from ..errors import ExportError
from .windows import Window

R = TypeVar("R")
# Rows that one page may hold (document 001, ``limit``).
MAX_ROWS_PER_PAGE = 100
# The total of a page whose total the service does not announce.
UNKNOWN_TOTAL = -1


@frozen
class Page(Generic[R]):
    """A page of a listing: rows, their ids, the total that the service announced, and bytes."""

    ids: list[str]
    # Rows hold contact data, which no log may show.
    rows: list[R] = field(repr=False)
    count: int
    size: int


@define
class LongestPage:
    """How many rows the service was seen to give at once, in any reading of a client.

    A shorter page is not all that it ever gives.
    """

    rows: int = 0

    def note(self, rows: int) -> int:
        """Take a page of so many rows into account, and return the most so far."""
        self.rows = max(self.rows, rows)
        return self.rows


# Takes a window, the number of the first row, and how many rows to ask for.
Fetch = Callable[[Window, int, int], Awaitable[Page[R]]]


def with_totals(fetch: Fetch[R]) -> Fetch[R]:
    """Return a function that fetches pages which always have a total.

    Where the service announces none, a page holds all rows from ``start`` on: pages are fetched
    until nothing new comes, since a page shorter than asked may be all that the service gives at
    once. A full page that comes again and again raises ExportError: what is behind it cannot be
    read.
    """

    async def fetch_to_the_end(window: Window, start: int, limit: int) -> Page[R]:
        page = await fetch(window, start, limit)
        if page.count != UNKNOWN_TOTAL:
            return page
        rows: dict[str, R] = {}
        size = 0
        while not rows.keys() >= set(page.ids):
            rows |= zip(page.ids, page.rows, strict=True)
            size += page.size
            page = await fetch(window, start + len(rows), limit)
        if len(page.ids) >= limit:
            raise ExportError(
                f"cannot read past row {start + len(rows)}: the same {limit} rows come again,"
                " since the service ignores start"
            )
        return Page(list(rows), list(rows.values()), start + len(rows), size)

    return fetch_to_the_end
