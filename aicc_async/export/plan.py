"""Windows that are small enough to trust, by the totals that their first pages announce."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from attrs import frozen

from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.windows import MAX_SPAN, Window, bisect, join
from ..profile import Profile

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
MOST = 10_000  # rows in a window: the depth of an offset that is trusted
SHARED = 3  # parts at most that a second is in
EARLIEST = datetime(1990, 1, 1)  # noqa: DTZ001  (wall-clock time; nothing is older than that)

Count = Callable[[Window], Coroutine[Any, Any, int]]


@frozen
class Planned:
    """A window, and the rows that it is expected to bring."""

    window: Window
    count: int


def most_rows(profile: Profile) -> int:
    """Tell how many rows a window may have: no deeper than offsets are answered."""
    deepest = profile.deepest_start
    if deepest is None:
        return MOST
    return min(MOST, max(deepest, profile.page_size or MAX_ROWS_PER_PAGE))


async def plan(
    windows: Sequence[Window],
    count: Count,
    zone: ZoneInfo,
    *,
    most: int = MOST,
    span: timedelta = MAX_SPAN,
) -> list[Planned]:
    """Count windows, halve those with too many rows, and join small neighbours; oldest first.

    None is longer than ``span``. A window of two seconds stays whole, however many rows it has.
    """
    found = await together([_halved(window, count, most) for window in windows])
    pieces = [piece for several in found for piece in several]
    return _joined(pieces, zone, most=most, span=span)


async def _halved(window: Window, count: Count, most: int) -> list[Planned]:
    """Halve a window, and its halves, until all fit; leave it whole where its parts can't be true.

    A second is in three parts at most. Were the times ignored or the totals invented, all parts
    would announce too much, down to the last second.
    """
    whole = Planned(window, await count(window))
    pieces = [whole]
    while any(piece.count > most and bisect(piece.window) for piece in pieces):
        parts = await together([_parts(piece, count, most) for piece in pieces])
        pieces = [part for several in parts for part in several]
        if sum(piece.count for piece in pieces) > SHARED * whole.count + most:
            return [whole]
    return pieces


async def _parts(piece: Planned, count: Count, most: int) -> list[Planned]:
    halves = bisect(piece.window) if piece.count > most else None
    if halves is None:
        return [piece]
    counts = await together([count(half) for half in halves])
    return [Planned(half, found) for half, found in zip(halves, counts, strict=True)]


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all of it at once; the first error ends the rest, and comes out as it is."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Run two things at once likewise."""
    tasks: list[Coroutine[Any, Any, Any]] = [first, second]
    one, two = await together(tasks)
    return one, two


def _joined(
    pieces: Sequence[Planned], zone: ZoneInfo, *, most: int, span: timedelta
) -> list[Planned]:
    """Join neighbours, oldest first, while they stay small and short enough."""
    result: list[Planned] = []
    for piece in pieces:
        last = result[-1] if result else None
        whole = join(last.window, piece.window, zone, span) if last else None
        if last and whole and last.count + piece.count <= most:
            result[-1] = Planned(whole, last.count + piece.count)
        else:
            result.append(piece)
    return result


async def first_day(end: datetime, count: Count) -> datetime | None:
    """Find a day before which there are no cases, within a month; None when there are none at all.

    Only ends of ranges are asked for, which the service takes alone.
    """
    if not await count(Window(None, end)):
        return None
    late, years = end, 1
    while late > EARLIEST:
        early = max(late - timedelta(days=366 * years), EARLIEST)
        if not await count(Window(None, early)):
            return await _between(early, late, count)
        late, years = early, years * 2
    return EARLIEST


async def _between(early: datetime, late: datetime, count: Count) -> datetime:
    while late - early > timedelta(days=31):
        middle = early + (late - early) // 2
        if await count(Window(None, middle)):
            late = middle
        else:
            early = middle
    return early.replace(microsecond=0)
