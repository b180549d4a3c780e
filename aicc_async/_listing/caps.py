"""Totals that may be a cap: a service may give and count so many rows of a query at most.

The idea: a cap is the same for all queries, so a total is proven by any other one that is higher.
A total that nothing exceeds is proven where two halves, each with fewer rows, have no more than it.
Where they have more, or one of them has as many, the window is replaced by parts of fewer rows.

The invariant: a window that announces a total which may be a cap is as short as it gets.

What it can't see: a cap that differs from query to query, and one below ``MIN_CAP``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from attrs import frozen

from .counting import Totals
from .plan import MAX_PARTS_PER_SECOND, PlannedWindow, plan_windows
from .run_all import run_all
from .windows import Window, bisect

# A page holds as many.
MIN_CAP = 100


async def is_proven(window: Window, halves: tuple[Window, Window] | None, totals: Totals) -> bool:
    """Return whether a window's total is no cap: there is a higher one, or its halves prove it."""
    whole = await totals.count(window)
    if whole < max(totals.highest, MIN_CAP):
        return True
    if halves is None:
        return False
    counts = await run_all(totals.count(half) for half in halves)
    return max(counts) < whole and not await _has_more(halves, whole, totals)


async def _has_more(parts: Sequence[Window], whole: int, totals: Totals) -> bool:
    """Return whether parts of a window have more rows than it, those of shared seconds once."""
    excess = sum(await run_all(totals.count(part) for part in parts)) - whole
    if not 0 < excess <= MAX_PARTS_PER_SECOND * whole:
        return excess > 0
    spans = [Window(after.start, before.end) for before, after in pairwise(parts)]
    return excess > sum(await run_all(totals.count(span) for span in spans))


@frozen
class CheckedPlan:
    """Windows, and the total that may be a cap; None: none of theirs is."""

    windows: list[PlannedWindow]
    cap: int | None = None


async def check_plan(
    planned: Sequence[PlannedWindow],
    totals: Totals,
    zone: ZoneInfo,
    *,
    max_rows: int,
    span: timedelta,
) -> CheckedPlan:
    """Replace windows whose total may be a cap by parts that announce less."""
    doubtful = [each.window for each in planned if each.count >= max(totals.highest, MIN_CAP)]
    proofs = await run_all(is_proven(each, bisect(each), totals) for each in doubtful)
    unproven = [each for each, proof in zip(doubtful, proofs, strict=True) if not proof]
    highest = totals.highest
    if not unproven or await totals.count_everything() > highest:
        return CheckedPlan(list(planned))
    parts = await run_all(
        plan_windows([each], totals.count, zone, max_rows=min(max_rows, highest - 1), span=span)
        for each in unproven
    )
    replaced = dict(zip(unproven, parts, strict=True))
    windows = [part for each in planned for part in replaced.get(each.window, [each])]
    for window, pieces in replaced.items():
        whole = await totals.count(window)
        is_cap = any(part.count >= highest for part in pieces)
        if is_cap or await _has_more([part.window for part in pieces], whole, totals):
            return CheckedPlan(windows, highest)
    return CheckedPlan(windows)
