"""Counts against what is known: a request for each window, and halves where they differ.

The idea: the total of a window is the number of cases that the state has between its bounds, as
long as nothing came or went. Where it is another, halves are counted until few rows are left, and
these are read. The invariant: a total alone changes nothing; what explains it is read.

What it cannot see: a case that came where another one went; that is found when all is read again.
Totals that mean nothing, since a time without cases has some too, are not used.
"""

from __future__ import annotations

from itertools import pairwise

from .._listing.counting import NO_CASES
from .._listing.plan import max_rows_per_window
from .._listing.run_all import run_all
from .bounds import ROWS_PER_LEAF, Span, cut, find_bound, is_quiet, window_of
from .keeper import Keeper

# Differences are followed down to a leaf, or so short a span.
MIN_LEAF_SECONDS = 8
# The first window begins so far behind the horizon at most, which moves on.
BEGIN_MARGIN = 1800  # seconds


class Counts:
    """Counts the windows of a horizon, look by look."""

    def __init__(self, keeper: Keeper, *, span: int) -> None:
        self._keeper = keeper
        # The seconds that a window may have.
        self._span = span
        self._windows: list[Span] = []
        # A window's total and what was expected, where reading it explained nothing.
        self._unexplained: dict[Span, tuple[int, int]] = {}

    @property
    def begin(self) -> int | None:
        """Where the first window begins; None: nothing was counted yet."""
        return self._windows[0][0] if self._windows else None

    async def compare(self, horizon: int, edge: int) -> None:
        """Count what is settled, and read where a total is not what is expected."""
        self._windows = await self._plan_windows(horizon, edge)
        totals = await run_all(self._keeper.reader.count(window_of(each)) for each in self._windows)
        expected = [await self._keeper.state.count(*span) for span in self._windows]
        if totals != expected and await self._keeper.reader.count(NO_CASES):
            self._keeper.warn(
                "totals", "a time without cases is announced with some: no total is used"
            )
            return
        for span, total in zip(self._windows, totals, strict=True):
            await self._compare(span, total)
        kept = self._unexplained.keys() & set(self._windows)
        self._unexplained = {span: self._unexplained[span] for span in kept}

    async def _plan_windows(self, horizon: int, edge: int) -> list[Span]:
        """Return the windows to count: those of the last look, as far as they still do."""
        rows = max_rows_per_window(self._keeper.reader.limits)
        begin = self._windows[0][0] if self._windows else 0
        # The first bound stays for as long as cases behind the horizon are known.
        if not horizon - BEGIN_MARGIN <= begin < edge:
            begin = await find_bound(
                self._keeper.state, horizon, begin=horizon, end=max(edge, horizon)
            )
        inner = [end for _, end in self._windows[:-1] if begin < end < edge]
        inner = [each for each in inner if await is_quiet(self._keeper.state, each)]
        spans = [each for each in pairwise([begin, *inner, edge]) if each[0] < each[1]]
        return [
            part
            for span in spans
            for part in await cut(self._keeper.state, span, rows=rows, seconds=self._span)
        ]

    async def _compare(self, span: Span, total: int) -> None:
        """Look for what explains a total that is not what is expected."""
        expected = await self._keeper.state.count(*span)
        if total == expected:
            self._unexplained.pop(span, None)
        if total == expected or self._unexplained.get(span) == (total, expected):
            return
        if max(total, expected) <= ROWS_PER_LEAF or span[1] - span[0] < MIN_LEAF_SECONDS:
            await self._keeper.read(span)
        else:
            await self._compare_halves(span, total)
        left = await self._keeper.state.count(*span)
        if left != total:
            self._unexplained[span] = (total, left)

    async def _compare_halves(self, span: Span, total: int) -> None:
        middle = await find_bound(
            self._keeper.state, sum(span) // 2, begin=span[0] + 1, end=span[1]
        )
        halves = [(span[0], middle), (middle, span[1])]
        totals = await run_all(self._keeper.reader.count(window_of(half)) for half in halves)
        if total < min(sum(totals), await self._keeper.state.count(*span)):
            # It is a cap if halves have more than it, and it is the same again.
            shared = await self._keeper.reader.count(window_of((middle, middle)))
            if sum(totals) - shared > total == await self._keeper.reader.count(window_of(span)):
                self._keeper.reader.limits.learn_cap(total)
        for half, found in zip(halves, totals, strict=True):
            await self._compare(half, found)
