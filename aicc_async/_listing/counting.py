"""Rows of windows, counted by requests for one row each, and what follows from counts alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from ..errors import ApiError
from .pages import Fetch
from .windows import EARLIEST_START, Window
from .zones import SECOND

Count = Callable[[Window], Coroutine[Any, Any, int]]

# A service that announces rows here announces them whatever the time.
NO_CASES = Window(EARLIEST_START - 3 * SECOND, EARLIEST_START - SECOND)


def row_counter(fetch: Fetch[Any]) -> Count:
    """Return what counts the rows of a window by a request for one of them."""

    async def count(window: Window) -> int:
        page = await fetch(window, 0, 1)
        # A total of 0 beside a row is not a total.
        return max(page.count, len(page.ids))

    return count


class Totals:
    """Counts windows, each once, and knows the highest total that anything announced.

    ``highest`` is the one that earlier counts announced; 0: nothing was counted yet.
    """

    def __init__(self, count: Count, *, highest: int = 0) -> None:
        self.highest = highest
        self.has_counted = highest > 0
        self._count = count
        self._known: dict[Window, int] = {}

    async def count(self, window: Window) -> int:
        """Return a window's total; what has no cases is asked for anew each time."""
        if window not in self._known or window == NO_CASES:
            self.note(window, await self._count(window))
            self.has_counted = True
        return self._known[window]

    async def count_everything(self) -> int:
        """Return the total of all time; 0 where the service does not say it."""
        try:
            return await self.count(Window())
        except ApiError as error:
            if not is_refusal(error):
                raise
            return 0

    def note(self, window: Window, total: int) -> None:
        """Remember a total that was announced."""
        self._known[window] = total
        self.highest = max(self.highest, total)


async def find_first_day(end: datetime, count: Count) -> datetime | None:
    """Return a time at most a month before the first case; None when there are no cases.

    It asks for ranges without a beginning only, which may be of any length.
    """
    if not await count(Window(None, end)):
        return None
    late, years = end, 1
    while True:
        if late <= EARLIEST_START:
            return EARLIEST_START
        early = max(late - timedelta(days=366 * years), EARLIEST_START)
        if not await count(Window(None, early)):
            break
        late, years = early, years * 2
    while late - early > timedelta(days=31):
        middle = early + (late - early) // 2
        if await count(Window(None, middle)):
            late = middle
        else:
            early = middle
    return early.replace(microsecond=0)


async def split_open(
    window: Window, total: int, count: Count, *, end: datetime
) -> tuple[Window, Window] | None:
    """Cut a window without a beginning where some of its cases are older, and not all."""
    early, late = EARLIEST_START, end.replace(microsecond=0)
    while late - early > SECOND:
        middle = early + (late - early) // (2 * SECOND) * SECOND
        older = await count(Window(None, middle))
        if 0 < older < total:
            return Window(None, middle), Window(middle - SECOND, window.end)
        early, late = (early, middle) if older else (middle, late)
    return None


def is_refusal(error: ApiError) -> bool:
    """Return whether the service understood and refused: not for lack of rights, haste or health.

    Each of those has a subclass of its own.
    """
    return type(error) is ApiError
