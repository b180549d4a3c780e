"""Windows that are small enough to trust, planned by the totals that the service announces.

The idea: a page is read by its offset, and a deep offset is slow, may be refused, and shifts when
rows come or go. So no window should have more than ``MAX_ROWS_PER_WINDOW`` rows. Every window is
counted by a request; those with too many rows are halved until they fit, and small
neighbours are joined again, so that there are few windows and few requests.

The invariant: the windows cover the range without a gap. Halving keeps both outer ends and lets the
halves overlap by a second; joining keeps both outer ends. A count decides only how large a window
is, never whether it is read: a window that announces nothing is read like the others.

What it cannot see: whether a total is true. A service that ignores the times announces the same for
every half, down to the last second. A second is in three parts at most, so parts that announce more
than ``MAX_PARTS_PER_SECOND`` times the whole are either of a whole that was capped (``caps.py``),
or not to be believed: then a time without any cases is announced with some, and the window is read
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from attrs import frozen

from .counting import NO_CASES, Count
from .limits import Limits
from .run_all import run_all
from .windows import MAX_SPAN, Window, bisect, join

MAX_ROWS_PER_WINDOW = 10_000
MAX_PARTS_PER_SECOND = 3


@frozen
class PlannedWindow:
    """A window, and the rows that it is expected to bring."""

    window: Window
    count: int


def max_rows_per_window(limits: Limits) -> int:
    """Return how many rows a planned window may have: fewer where a lower limit is known."""
    known = limits.max_rows
    return MAX_ROWS_PER_WINDOW if known is None else min(MAX_ROWS_PER_WINDOW, known)


async def plan_windows(
    windows: Sequence[Window],
    count: Count,
    zone: ZoneInfo,
    *,
    max_rows: int,
    span: timedelta = MAX_SPAN,
) -> list[PlannedWindow]:
    """Count windows, halve those with too many rows, and join small neighbours; oldest first.

    None is longer than ``span``. A window of two seconds stays whole, however many rows it has.
    """
    halved = await run_all(_halve(window, count, max_rows) for window in windows)
    result: list[PlannedWindow] = []
    for piece in chain.from_iterable(halved):
        last = result[-1] if result else None
        whole = join(last.window, piece.window, zone, span) if last else None
        if last and whole and last.count + piece.count <= max_rows:
            result[-1] = PlannedWindow(whole, last.count + piece.count)
        else:
            result.append(piece)
    return result


async def _halve(window: Window, count: Count, max_rows: int) -> list[PlannedWindow]:
    """Halve a window, and its halves, until all fit; keep it where its parts cannot be true."""

    async def halve_once(piece: PlannedWindow) -> list[PlannedWindow]:
        halves = bisect(piece.window) if piece.count > max_rows else None
        if halves is None:
            return [piece]
        counts = await run_all(count(half) for half in halves)
        return [PlannedWindow(half, rows) for half, rows in zip(halves, counts, strict=True)]

    whole = PlannedWindow(window, await count(window))
    pieces = [whole]
    while any(piece.count > max_rows and bisect(piece.window) for piece in pieces):
        halved = await run_all(halve_once(piece) for piece in pieces)
        pieces = [part for several in halved for part in several]
        excess = sum(piece.count for piece in pieces) - MAX_PARTS_PER_SECOND * whole.count
        if excess > max_rows and await count(NO_CASES):
            return [whole]
    return pieces
