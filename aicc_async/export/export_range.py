"""A count of the whole range, which no window can have left out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from .._listing.windows import Window
from .._listing.zones import SECOND
from ..errors import ApiError
from .manifest import WholeCount
from .plan import both

Count = Callable[[Window], Coroutine[Any, Any, int]]


async def count_whole(count: Count, start: datetime | None, end: datetime) -> int | None:
    """Count a range of any length: what is after its beginning, less what is after its end.

    None when the service takes no range without an end.
    """
    try:
        from_start, from_end = await both(count(Window(start)), count(Window(end)))
    except ApiError as error:
        if is_refusal(error):
            return None
        raise
    return from_start - from_end


async def compare_whole(
    count: Count, start: datetime | None, end: datetime, *, before: int | None, rows: int
) -> WholeCount | None:
    """Compare the rows that came with the whole, as it was before and is now."""
    if before is None:
        return None
    # whether the last second is within is not known
    second = count(Window(end - SECOND, end + SECOND))
    after, edge = await both(count_whole(count, start, end), second)
    if after is None:
        return None
    return WholeCount(announced=after, agrees=rows + edge >= min(before, after))


def is_refusal(error: ApiError) -> bool:
    """Tell whether the service understood, and said no: not for lack of rights, haste or health."""
    return type(error) is ApiError
