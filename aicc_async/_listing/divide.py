"""Windows that are divided while they are read: they are too deep, or their totals may be caps.

The idea: nobody counts before a listing is iterated, so a window shows only when it is read that it
has more rows than offsets reach, or announces a total that may be a cap (``caps.py``). Its parts
are then planned by counts, as an export plans, and read in its place. What was learnt holds for all
windows of the run.

The invariant: parts cover the window, and each is shorter, so that dividing ends. None is divided
where a time without cases is announced with some: totals mean nothing then.

What it can't see: in a range without a beginning, cases without a date, once it is divided.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import field, frozen

from .caps import MIN_CAP, is_proven
from .counting import NO_CASES, Totals, find_first_day, split_open
from .limits import Limits
from .paging import ReadingVerdict
from .plan import PlannedWindow, plan_windows
from .windows import Window, bisect, split
from .zones import SECOND

# Below it no total is doubted where nothing was counted yet: two requests more would be many.
LARGE_TOTAL = 1000


@frozen(kw_only=True)
class Divider:
    """Divides the windows of one run; ``now`` returns what the tenant's clock shows."""

    totals: Totals = field(repr=False)
    zone: ZoneInfo
    span: timedelta
    now: Callable[[], datetime]
    limits: Limits

    async def parts_of(self, window: Window, verdict: ReadingVerdict) -> list[PlannedWindow]:
        """Return what to read in place of a window that is too large; none where nothing helps."""
        parts = await self.divide(window)
        if parts or verdict.problem or verdict.refused:
            return parts
        # Nothing of it was read yet.
        self.limits.indivisible.add(window)
        return [PlannedWindow(window, verdict.announced_last)]

    async def divide(self, window: Window) -> list[PlannedWindow]:
        """Return shorter windows that cover a window; none where it cannot be divided."""
        pieces = await self._bounded(window)
        if not pieces or await self.totals.count(NO_CASES):
            return []
        count, max_rows = self.totals.count, self.limits.max_rows
        if max_rows is not None:
            planned = await plan_windows(
                pieces, count, self.zone, max_rows=max_rows, span=self.span
            )
            pieces = [each.window for each in planned]
        # The count may be at odds with what was refused.
        shorter = (bisect(window) or ()) if pieces == [window] else pieces
        return [PlannedWindow(each, await count(each)) for each in shorter]

    async def find_hidden(self, window: Window, total: int) -> list[PlannedWindow] | None:
        """Return parts of a window whose total may hide rows, none where it can't be divided.

        None means that the total is no cap, as far as that is asked: see ``LARGE_TOTAL``.
        """
        if not self.limits.may_be_capped(total):
            floor = MIN_CAP if self.totals.has_counted else LARGE_TOTAL
            is_small = total < max(floor, self.totals.highest)
            self.totals.note(window, total)
            if is_small or await self._is_proven(window, total):
                return None
            self.limits.learn_cap(total)
        return await self.divide(window)

    async def _is_proven(self, window: Window, total: int) -> bool:
        totals = self.totals
        if window.start is not None and await is_proven(total, bisect(window), totals):
            return True
        if await totals.count_everything() > total:
            return True
        if window.start is not None:
            return False
        end = window.end or self.now()
        return await is_proven(
            total, await split_open(window, total, totals.count, end=end), totals
        )

    async def _bounded(self, window: Window) -> list[Window]:
        """Return a window that can be halved, or in place of an open one windows that have ends."""
        if window.start is not None:
            return [window] if bisect(window) else []
        end = window.end or self.now()
        start = await find_first_day(end, self.totals.count)
        if start is None:
            return []
        later = [] if window.end else [Window(end - SECOND)]
        return [*split(start, end, self.zone, self.span), *later]
