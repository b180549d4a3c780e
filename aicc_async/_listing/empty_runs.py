"""Runs of windows without rows at both ends of a range, found by counts of longer ranges.

The idea: a range without a beginning, or without an end, may be of any length. Where nothing is up
to the end of a window, nothing is in any window before it. So a run is found by bisecting, as the
first day is (``counting.py``), once the window at the very end of the range is empty.

The invariant: a window counts as empty only where a range that holds all of it was announced with
no rows, and brought none. That is what an empty window itself would say; no cap makes a total 0.

What it can't see: a run with rows before and behind it. Two totals that are equal do not prove that
nothing is between them: both may be a cap. So each window of such a run is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..errors import ApiError
from .counting import Count, is_refusal
from .run_all import run_both
from .windows import Window

# Fewer are asked for at the same time in place of bisecting.
MIN_WINDOWS = 5


async def find_empty(windows: Sequence[Window], count: Count) -> list[Window]:
    """Return the windows, oldest first, that are empty since a longer range is; perhaps none."""
    if len(windows) < MIN_WINDOWS:
        return []
    # Those windows are read anyway, and mostly say that there is no run.
    first, last = await run_both(count(windows[0]), count(windows[-1]))

    async def is_empty_up_to(number: int) -> bool:
        return await _is_empty(Window(None, windows[number - 1].end), count)

    async def is_empty_from(number: int) -> bool:
        return await _is_empty(Window(windows[-number].start), count)

    early, late = await run_both(
        _run_length(is_empty_up_to, len(windows), has_rows=first > 0),
        _run_length(is_empty_from, len(windows), has_rows=last > 0),
    )
    return [*windows[:early], *windows[max(early, len(windows) - late) :]]


async def _run_length(
    is_empty: Callable[[int], Awaitable[bool]], most: int, *, has_rows: bool
) -> int:
    """Return how many windows in a row are empty; 0 where the second one, or any beyond, is not."""
    shortest = 2
    if has_rows or not await is_empty(shortest):
        return 0
    longest = most + 1
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if await is_empty(middle):
            shortest = middle
        else:
            longest = middle
    return shortest


async def _is_empty(window: Window, count: Count) -> bool:
    try:
        return not await count(window)
    except ApiError as error:
        if not is_refusal(error):
            raise
        return False
