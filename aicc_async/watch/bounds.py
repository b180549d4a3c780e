"""Where windows begin and end: in quiet seconds, so that what they should count is known.

The idea: whether the service includes the bounds of a range is not documented. Where no known case
is dated in the second of a bound or in one beside it, that does not matter: the total to expect is
the number of cases that the state has between the bounds. Spans here are half open, in seconds of
the tenant's wall clock; the window that is asked for has a second more at both ends, so that what
is new in a bound's second is in both neighbours.

Where none is near, as after an import of thousands of cases a second, any second is a bound. What
is counted there may differ from what is expected without a change, which costs readings, no truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from .._listing.windows import Window
from .._listing.zones import SECOND
from .rows import to_seconds, to_time
from .state import WatchState

Span = tuple[int, int]
# How far from where a bound should be one is looked for, nearest first.
SEARCH_SECONDS = (60, 3600, 86_400)
MAX_SEARCHED_CASES = 1000
# What is read where something differs, or is missing, has about so many.
ROWS_PER_LEAF = 200
# Of the cases that a window may have.
FILL_SHARE = 0.9
# From a case to the next one, for a quiet second between them.
QUIET_GAP = 4


def find_quiet(seconds: Sequence[int], target: int, *, begin: int, end: int) -> int | None:
    """Return the quiet second nearest to ``target``; None where there is none.

    ``seconds`` are those of all cases from ``begin`` on and before ``end``, in order.
    """
    found = [
        min(max(target, before + 2), after - 2)
        for before, after in pairwise([begin - 1, *seconds, end])
        if after - before >= QUIET_GAP
    ]
    return min(found, key=lambda each: abs(each - target), default=None)


async def find_bound(state: WatchState, target: int, *, begin: int, end: int) -> int:
    """Return a quiet second near ``target``, within a span; ``target`` where none is near."""
    for distance in SEARCH_SECONDS:
        low, high = max(begin, target - distance), min(end, target + distance)
        if high <= low:
            break
        seconds = await state.seconds(low, high, limit=MAX_SEARCHED_CASES)
        if len(seconds) == MAX_SEARCHED_CASES:
            # More may be in the last of these seconds, and behind it.
            high = seconds[-1]
        quiet = find_quiet(seconds, target, begin=low, end=max(high, low))
        if quiet is not None:
            return quiet
        if (low, high) == (begin, end):
            break
    return target


async def is_quiet(state: WatchState, second: int) -> bool:
    """Return whether no known case is dated in a second, or in one beside it."""
    return not await state.seconds(second - 1, second + 2, limit=1)


async def find_leaf(state: WatchState, begin: int, end: int, *, rows: int, span: int) -> Span:
    """Return a span from ``begin`` on with about so many known cases, and not longer than that."""
    latest = min(end, begin + span)
    seconds = await state.seconds(begin, latest, limit=rows)
    if len(seconds) < rows:
        return begin, latest
    # In its second half, or else right behind its last case.
    middle, last = seconds[len(seconds) // 2], seconds[-1]
    later = [each for each in seconds if each > middle]
    quiet = find_quiet(later, last, begin=middle + 1, end=max(last, middle + 1))
    return begin, quiet or min(max(last, begin) + 1, latest)


async def cut(state: WatchState, span: Span, *, rows: int, seconds: int) -> list[Span]:
    """Cut a span at quiet seconds into parts with so many cases, and of such a length, at most.

    All but the last are filled so far that a few cases which come late have room.
    """
    (begin, end), parts = span, []
    fill = max(1, int(rows * FILL_SHARE))
    while end - begin > seconds or await state.count(begin, end) > rows:
        latest = min(end, begin + seconds)
        found = await state.seconds(begin, latest, limit=fill)
        target = found[-1] if len(found) == fill else latest
        # Where all of them are of the first seconds, a part is longer than nothing.
        target = max(target, min(latest, begin + 2 * QUIET_GAP))
        bound = await find_bound(state, target, begin=begin + 1, end=target + 1)
        if end - begin < 2 * QUIET_GAP or not begin < bound < end:
            break
        parts.append((begin, bound))
        begin = bound
    return [*parts, (begin, end)]


def split(span: Span, seconds: int) -> list[Span]:
    """Return the parts of a span, each of so many seconds at most."""
    return [(begin, min(begin + seconds, span[1])) for begin in range(*span, seconds)]


def window_of(span: Span) -> Window:
    """Return the window to ask for: a second more at both ends."""
    begin, end = span
    return Window(to_time(begin) - SECOND, to_time(end) + SECOND)


def span_of(window: Window) -> Span:
    """Return the seconds of which a window surely brings all cases, whatever its bounds mean."""
    if window.start is None or window.end is None:
        return 0, 0
    return to_seconds(window.start) + 1, to_seconds(window.end)


def subtract(spans: Iterable[Span], taken: Span) -> list[Span]:
    """Return spans without the part of them that is in another one."""
    parts = (
        part
        for begin, end in spans
        for part in ((begin, min(end, taken[0])), (max(begin, taken[1]), end))
    )
    return [(begin, end) for begin, end in parts if begin < end]


def is_in(spans: Iterable[Span], second: int) -> bool:
    """Return whether a second is in one of several spans."""
    return any(begin <= second < end for begin, end in spans)
