"""A listing in parts of like size, that tasks which know nothing of each other can read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from ..._api import CaseApi
from ..._listing.windows import Window
from ..._listing.zones import SECOND, wall
from ...errors import ApiError
from ...export.concurrency import run_all
from ...export.export_range import find_first_day, is_refusal
from ...export.plan import Count, max_rows_per_window, plan_windows
from ...models import CaseQuery

PARTS = 200  # that a listing is cut into when it is large enough: more than most clusters' cores
LEAST = 1000  # rows of a part: below, counting and signing in cost more than reading


@frozen
class Part:
    """What one task reads: a window, without the rows of ``before``, which another task has.

    Neighbouring windows overlap (see ``windows``), so some rows come to two tasks. An export drops
    the second one by its id, and at last over all rows; tasks can't see each other. A row's own
    createdDate can't decide for sure: it may be null, and it is not documented which date is
    filtered, nor whether its bounds are inclusive. But the service itself tells what both windows
    hold: the rows of the span they share. They are the earlier task's; each row is kept by the
    first window that has it, and by that alone, whatever date is filtered and however its bounds
    are read. That costs a request for each part.

    A case whose filtered date changes while the tasks run may stand in two parts that are no
    neighbours, or in none: only an export sees that.
    """

    window: Window
    before: Window | None = None


def parts(windows: Sequence[Window], before: Window | None = None) -> list[Part]:
    """Give each window, oldest first, what it shares with the one before it."""
    ends = [window.end for window in windows]
    shared = [Window(w.start, end) for w, end in zip(windows[1:], ends, strict=False)]
    return [Part(window, span) for window, span in zip(windows, [before, *shared], strict=True)]


async def plan_listing(api: CaseApi, query: CaseQuery) -> list[Part]:
    """Cut all that a query asks for; an open end is now, and stays so for all tasks."""
    count = counted(api, query)
    return parts(await _even(api, await _windows(api, query, count), count))


async def plan_range(
    api: CaseApi, query: CaseQuery, start: datetime, end: datetime, *, goes_on: bool
) -> list[Part]:
    """Cut the rows after one time up to another (wall-clock).

    When it ``goes_on`` from an earlier range that ended at ``start``, no row of that one comes.
    """
    first = start - SECOND if goes_on else start
    windows = await _even(api, api.split(first, end), counted(api, query))
    return parts(windows, Window(first, start) if goes_on else None)


def counted(api: CaseApi, query: CaseQuery) -> Count:
    """Make a function that counts the rows of a window, each window by one request."""
    fetch = api.dated_pages(query)
    known: dict[Window, int] = {}

    async def count(window: Window) -> int:
        if window not in known:
            page = await fetch(window, 0, 1)
            known[window] = max(page.count, len(page.ids))  # 0 beside a row is no total
        return known[window]

    return count


async def _windows(api: CaseApi, query: CaseQuery, count: Count) -> list[Window]:
    asked = api.windows(query)
    if asked[0].start is not None:
        return asked
    end = asked[0].end or wall(datetime.now(api.zone), api.zone)
    try:
        start = await find_first_day(end, count)
    except ApiError as error:
        if not is_refusal(error):
            raise
        start = None  # no range without a beginning is taken: then by offset, however deep
    return api.split(start, end) if start else [Window(None, end)]


async def _even(api: CaseApi, windows: Sequence[Window], count: Count) -> list[Window]:
    if any(window.start is None for window in windows):
        return list(windows)
    total = sum(await run_all(count(window) for window in windows))
    most = min(max(total // PARTS, LEAST), max_rows_per_window(api.profile))
    planned = await plan_windows(windows, count, api.zone, max_rows=most, span=api.span)
    return [piece.window for piece in planned]
