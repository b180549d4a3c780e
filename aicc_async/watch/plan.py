"""What a watch costs, and how late it tells what: by a few counts, before it begins."""

from __future__ import annotations

from math import ceil

from attrs import frozen

from .._api import MAX_FUTURE, CaseApi
from .._listing.counting import row_counter
from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.plan import max_rows_per_window, plan_windows
from .._listing.windows import SETTLE, Window
from .._listing.zones import wall
from .settings import Clock, WatchSettings

HOUR = 3600.0  # seconds


@frozen(kw_only=True)
class WatchPlan:
    """What a watch asks for while nothing happens, in requests an hour.

    ``rows`` are in the horizon, counted in so many ``windows``. ``counts`` are of these windows,
    ``newest`` of the newest cases, ``rereading`` of all of them again. A new case is told within
    ``new_within`` seconds of when the list shows it, a change or a deletion within
    ``changed_within``; a look takes some more.
    """

    rows: int
    windows: int
    counts: int
    newest: int
    rereading: int
    new_within: float
    changed_within: float

    @property
    def requests(self) -> int:
        """The requests an hour."""
        return self.counts + self.newest + self.rereading


async def plan_watch(api: CaseApi, settings: WatchSettings, clock: Clock) -> WatchPlan:
    """Count the cases of the horizon, and return what a watch of them costs."""
    count = row_counter(api.pages(api.protocol.dated_cases(settings.query)))
    now = wall(clock.now(), api.zone)
    windows = api.split(now - settings.lookback, now)
    planned = await plan_windows(
        windows, count, api.zone, max_rows=max_rows_per_window(api.limits()), span=api.span
    )
    newest = await count(Window(now - SETTLE, now + MAX_FUTURE))
    rows, page = sum(each.count for each in planned), api.profile.page_size or MAX_ROWS_PER_PAGE
    rounds = HOUR / settings.every
    return WatchPlan(
        rows=rows,
        windows=len(planned),
        counts=ceil(len(planned) * rounds),
        newest=ceil(max(1, ceil(newest / page)) * rounds),
        rereading=ceil(ceil(rows / page) * HOUR / settings.period),
        new_within=settings.every,
        changed_within=settings.period + settings.every,
    )
