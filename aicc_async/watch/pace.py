"""How much of a horizon is read again in each round, so that all of it is within a period. Pure."""

from __future__ import annotations

from math import ceil


def rounds_per_period(every: float, period: float) -> int:
    """Return in how many rounds all rows are read again."""
    return max(1, int(period // every))


def pages_due(pages_left: int, rounds_left: int) -> int:
    """Return how many of the pages that are left to read again in this round, the last one too.

    They are spread evenly: in the last round nothing is left.
    """
    if pages_left <= 0:
        return 0
    rounds_left = max(1, rounds_left)
    if pages_left >= rounds_left:
        return ceil(pages_left / rounds_left)
    return int(rounds_left % (rounds_left // pages_left) == 0)
