"""First pages of windows, asked for once: a plan counts windows by them, and a reading takes them.

The idea: a window's first page says what a request for one row would say, its total. So a plan asks
for whole pages, and hands those of the windows that it ends with to the reading. Where the service
has said that nothing is in a longer range, the windows in it have an empty page without asking.

The invariant: a page is handed out once, for the very window that it was asked for; another reading
of that window asks anew. As many are kept as may be fetched ahead, in number and in bytes.

What it can't see: what happens between plan and reading. It shows where the other pages are
compared with the first; what has no others is as it was when it was planned, at ``asked_at``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Generic, Self, TypeVar

from .pages import MAX_ROWS_PER_PAGE, Fetch, LongestPage, Page
from .plan import PlannedWindow
from .prefetch import MAX_BYTES_AHEAD, PAGES_AHEAD
from .windows import Window

R = TypeVar("R")


class FirstPages(Generic[R]):
    """Counts windows by their first pages, and gives these to whoever fetches them."""

    def __init__(
        self,
        fetch: Fetch[R],
        longest: LongestPage,
        *,
        asked_at: datetime,
        concurrency: int,
        max_rows: int,
    ) -> None:
        self._fetch = fetch
        self._longest = longest
        self._asked_at = asked_at
        self._room = PAGES_AHEAD * concurrency
        # Of a window that is not halved.
        self._max_rows = max_rows
        self._pages: dict[Window, Page[R]] = {}
        self._bytes = 0
        self._taken: set[Window] = set()

    @classmethod
    def none(cls, fetch: Fetch[R]) -> Self:
        """Return what has no page: all are asked for."""
        return cls(fetch, LongestPage(), asked_at=datetime.max, concurrency=0, max_rows=0)  # noqa: DTZ901  (never looked at)

    async def count(self, window: Window) -> int:
        """Return a window's total, by its first page while there is room, else by one row."""
        page = self._pages.get(window) or await self._ask(window)
        # A total of 0 beside a row is not a total.
        return max(page.count, len(page.ids))

    def note_empty(self, windows: Iterable[Window]) -> None:
        """Take it that windows have no rows: a range that they are in was announced with none."""
        self._pages |= {window: Page([], [], 0, 0) for window in windows}

    def keep(self, planned: Iterable[PlannedWindow], *, max_rows: int | None = None) -> None:
        """Forget the pages of other windows, and of those behind so many rows."""
        kept: dict[Window, Page[R]] = {}
        rows = 0
        for each in planned:
            rows += each.count
            if each.window in self._pages and (max_rows is None or rows <= max_rows):
                kept[each.window] = self._pages[each.window]
        self._pages = kept

    def peek(self, window: Window) -> Page[R] | None:
        """Return a window's page, which stays."""
        return self._pages.get(window)

    async def fetch(self, window: Window, start: int, limit: int) -> Page[R]:
        """Return the window's first page as it was, once; ask for any other page."""
        page = None if start else self._pages.pop(window, None)
        if page is None:
            return await self._fetch(window, start, limit)
        self._taken.add(window)
        return page

    def asked_at(self, window: Window) -> datetime | None:
        """Return when the first page that was handed out was asked for; None: none was."""
        return self._asked_at if window in self._taken else None

    async def _ask(self, window: Window) -> Page[R]:
        has_room = self._room > 0 and self._bytes < MAX_BYTES_AHEAD
        is_kept = has_room and None not in {window.start, window.end}
        self._room -= is_kept
        page = await self._fetch(window, 0, MAX_ROWS_PER_PAGE if is_kept else 1)
        self._longest.note(len(page.ids))
        if is_kept and page.count <= self._max_rows:
            self._pages[window] = page
            self._bytes += page.size
        elif is_kept:
            self._room += 1
        return page
