"""A range in pieces with about as many rows each, found by few totals.

The idea: a range without a beginning may be of any length, so two of them tell how many rows are
between two times, however far apart. A range that has too many is cut where as many rows would be
on both sides if they were spread evenly, and its sides likewise. That takes about a request for
each piece, where windows of 31 days would take one each, be there rows or not.

The invariant: pieces cover the range without a gap, and overlap as windows do. A count decides only
how large a piece is, never whether it is read. Where a profile knows that totals are capped, or the
service takes no range without a beginning, windows of 31 days are counted instead.

What it can't see: a cap that no profile knows. What is beyond it is one large piece then: it takes
one task longer, and no row is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from attrs import frozen

from ..._api import CaseApi
from ..._listing.counting import Totals, is_refusal
from ..._listing.empty_runs import MIN_WINDOWS
from ..._listing.plan import PlannedWindow, plan_windows
from ..._listing.run_all import run_all, run_both
from ..._listing.windows import Window, bisect
from ..._listing.zones import SECOND
from ...errors import ApiError

# Pieces are planned smaller than they may be, since rows are not spread evenly.
ROOM = 0.9


async def cut_range(
    api: CaseApi, windows: Sequence[Window], totals: Totals, *, max_rows: int
) -> list[Window]:
    """Cut a range, given as windows, into pieces of up to so many rows; oldest first."""
    limits = api.limits()
    most = max_rows if limits.max_rows is None else min(max_rows, limits.max_rows)
    pieces = None
    # Fewer cost no more when they are counted themselves.
    if len(windows) >= MIN_WINDOWS and limits.cap is None:
        pieces = await _cut_whole(windows[0].start, windows[-1].end, totals, most)
    if pieces is None:
        pieces = await plan_windows(windows, totals.count, api.zone, max_rows=most, span=api.span)
    # Neighbours are joined while they are small; a part may be of any length.
    result: list[PlannedWindow] = []
    for piece in pieces:
        last = result[-1] if result else None
        if last and last.count + piece.count <= most:
            whole = Window(last.window.start, piece.window.end)
            result[-1] = PlannedWindow(whole, last.count + piece.count)
        else:
            result.append(piece)
    return [piece.window for piece in result]


async def _cut_whole(
    start: datetime | None, end: datetime | None, totals: Totals, max_rows: int
) -> list[PlannedWindow] | None:
    """Cut a range by totals of ranges without a beginning; None where these say nothing."""
    if start is None or end is None:
        return None
    try:
        older, newest = await run_all(totals.count(Window(None, time)) for time in (start, end))
    except ApiError as error:
        if is_refusal(error):
            return None
        raise
    if older >= newest:
        return None
    return await _cut(_Range(start, end, older, newest), totals, max_rows)


@frozen
class _Range:
    """A range, and how many rows are older than its beginning and than its end."""

    start: datetime
    end: datetime
    older: int
    newest: int

    def time_at(self, share: float) -> datetime:
        """Return the time that is so far within; both sides of it can be windows."""
        middle = self.start + (self.end - self.start) * share // SECOND * SECOND
        return min(max(middle, self.start + 2 * SECOND), self.end - SECOND)


async def _cut(piece: _Range, totals: Totals, max_rows: int) -> list[PlannedWindow]:
    rows, window = piece.newest - piece.older, Window(piece.start, piece.end)
    if rows <= max_rows or bisect(window) is None:
        return [PlannedWindow(window, rows)]
    parts = max(2, ceil(rows / (ROOM * max_rows)))
    middle = piece.time_at(parts // 2 / parts)
    # Rows come and go meanwhile.
    found = min(max(await totals.count(Window(None, middle)), piece.older), piece.newest)
    early, late = await run_both(
        _cut(_Range(piece.start, middle, piece.older, found), totals, max_rows),
        _cut(_Range(middle - SECOND, piece.end, found, piece.newest), totals, max_rows),
    )
    return [*early, *late]
