"""Totals that may be a cap: a service may give and count so many rows of a query at most.

The idea: a cap is the same for all queries, so a total is proven by any other one that is higher.
One that nothing exceeds is proven where two halves, each with fewer rows, have no more than it.
Where they have more, it is a cap. Where one half has all rows, its own halves are counted.

What it can't see: a cap that differs from query to query, one below ``MIN_CAP``, and one that hid
as many rows as were deleted before the halves were counted.
"""

from __future__ import annotations

from .counting import Totals
from .run_all import run_all
from .windows import Window, bisect

# A page holds as many.
MIN_CAP = 100


async def is_proven(total: int, halves: tuple[Window, Window] | None, totals: Totals) -> bool:
    """Return whether halves prove the total of their whole."""
    while halves:
        counts = await run_all(totals.count(half) for half in halves)
        if total not in counts:
            excess, shared = sum(counts) - total, Window(halves[1].start, halves[0].end)
            if max(counts) > total or excess <= 0:
                return max(counts) < total
            # Rows of the second that the halves share are counted twice.
            return excess <= await totals.count(shared)
        if sum(counts) > total:
            return False
        halves = bisect(halves[counts.index(total)])
    return False
