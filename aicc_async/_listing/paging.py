"""Windows read page by page, handed out in order, and checked for drift.

The idea: reading by offset while rows come and go loses and doubles rows in silence. So
neighbouring pages overlap by a row, the seam: while it holds and the order is stable, nothing that
was there throughout can have slipped between them. A window whose seams, totals or distinct ids
disagree has drifted, and is read again. ``readings`` tells its caller that the window begins anew;
``read_windows`` (``reading.py``) yields rows as they come, and from a second reading only what was
missed.

The invariant: a window ends without a problem only if every page fits the one before it, the total
never moved, and as many distinct rows came as it says. No total alone ends a window, and a page
that brings nothing new always does. A window that has more rows than can be read is given up, for
the caller to read its parts.

What it can't see: a row that changes its place in the order while as many others come and go, so
that every seam and the total look as they did.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import compress
from typing import Generic, TypeVar

from attrs import evolve, field, frozen

from ..errors import ApiError
from .counting import is_refusal
from .limits import Limits, TooDeepError
from .pages import Fetch, LongestPage
from .prefetch import FetchedPage, Prefetch
from .windows import Window

R = TypeVar("R")
# Of one window, before it is called unstable.
MAX_READINGS = 5


@frozen
class Batch(Generic[R]):
    """Rows of a window that its present reading had not brought yet, with their ids.

    ``announced`` is the total that the service announced for the window; ``done`` counts finished
    windows, ``reading`` how often this one was begun. An empty batch ends the window: for
    ``readings`` it carries the ``verdict``.
    """

    ids: Sequence[str] = field(repr=False)
    # Rows hold contact data, which no log may show.
    rows: Sequence[R] = field(repr=False)
    window: Window
    announced: int
    done: int
    reading: int = 1
    verdict: ReadingVerdict | None = None

    def select(self, wanted: Sequence[bool]) -> Batch[R]:
        """Return the same batch with those rows that are wanted."""
        ids, rows = compress(self.ids, wanted), compress(self.rows, wanted)
        return evolve(self, ids=list(ids), rows=list(rows))


@frozen
class ReadingVerdict:
    """What is known of a window when it was read: whether its last reading agreed with itself.

    ``announced`` and ``announced_last`` are the totals that its first and last page announced,
    ``received`` counts the rows that came, ``distinct`` their ids. ``problem`` says what disagreed
    (None: nothing); ``settled`` that it disagreed twice in the very same way. ``too_large`` says
    that its parts should be read instead, ``refused`` is the error of a page for which that is so.
    """

    readings: int
    announced: int
    announced_last: int
    received: int
    distinct: int
    problem: str | None = None
    settled: bool = False
    too_large: bool = False
    refused: ApiError | None = None

    def describe_problem(self) -> str | None:
        """Return what disagreed, and how often; None: nothing did."""
        if self.problem is None:
            return None
        what = "disagreed alike" if self.settled else "kept moving"
        return f"the rows {what} in {self.readings} readings: {self.problem}"


async def readings(
    windows: Sequence[Window],
    fetch: Fetch[R],
    *,
    concurrency: int,
    limits: Limits,
    longest_page: LongestPage | None = None,
) -> AsyncGenerator[Batch[R]]:
    """Read window after window, and again those that disagree; a verdict ends each.

    A new ``reading`` begins the window anew: it replaces what came before. One that is too large
    may have brought some of its rows. ``longest_page`` is what is known of earlier ones; where a
    window has to be read again nothing is taken as known.
    """
    async with aclosing(Prefetch(windows, fetch, concurrency, limits, longest_page)) as ahead:
        for done, window in enumerate(windows):
            problems: list[tuple[int, set[str]]] = []
            for number in range(1, MAX_READINGS + 1):
                reading = _WindowReading[R](window, limits)
                source = ahead if number == 1 else Prefetch([window], fetch, concurrency, limits)
                async with aclosing(reading.read(source)) as pages:
                    async for ids, rows in pages:
                        yield Batch(ids, rows, window, reading.count, done, number)
                problem = None if reading.too_large else reading.find_problem()
                settled = (reading.count, reading.ids) in problems
                if problem is None or settled:
                    break
                problems.append((reading.count, reading.ids))
            verdict = reading.verdict(number, problem, settled=settled)
            yield Batch((), (), window, reading.count, done + 1, number, verdict)


class _WindowReading(Generic[R]):
    """One reading of a window: what is new in each page, and whether all of it agrees."""

    def __init__(self, window: Window, limits: Limits) -> None:
        self.ids: set[str] = set()
        self.count = 0
        self.too_large = False
        self._window = window
        self._limits = limits
        self._has_ended = False
        self._refused: ApiError | None = None
        self._first_count = 0
        self._received = 0
        # Rows read without a gap.
        self._stop = 0
        # An empty page came in the place of rows that were announced.
        self._ends_early = False
        self._last_id = ""
        self._problem: str | None = None

    async def read(self, source: Prefetch[R]) -> AsyncGenerator[tuple[Sequence[str], Sequence[R]]]:
        """Read pages until the window ends, or is known to be too large, and yield what is new."""
        async with aclosing(source.pages()) as pages:
            try:
                async for page in pages:
                    if self._limits.is_too_large(self._window, page.page.count):
                        self.count, self.too_large = page.page.count, True
                        return
                    ids, rows = self._add(page)
                    if ids:
                        yield ids, rows
                    if self._has_ended:
                        return
            except TooDeepError as error:
                self.too_large, self._refused = True, error.error
                # An HTTP 500 may have had another reason.
                if is_refusal(error.error):
                    self._limits.learn_depth(error.start)

    def _add(self, fetched: FetchedPage[R]) -> tuple[Sequence[str], Sequence[R]]:
        """Check a page against what came before it, and return its new ids and rows."""
        page = fetched.page
        self._received += len(page.ids)
        if not fetched.start:
            self._first_count = page.count
        elif page.count != self.count:
            self._note(f"the total went from {self.count} to {page.count}")
        skip = self._check_seam(fetched)
        known = len(self.ids)
        fresh = self._take_new(page.ids[skip:], page.rows[skip:])
        # A page shorter than asked says nothing while the service may be one that never gives more:
        # to stop there would be to stop on the total alone.
        is_short = len(page.ids) < min(fetched.asked, fetched.longest)
        is_last = fetched.stop <= self._stop or (is_short and fetched.stop >= page.count)
        # A page that brings nothing new would come again for ever.
        self._has_ended = is_last or len(self.ids) == known
        self.count = page.count
        self._ends_early = not page.ids and 0 < fetched.start < page.count
        if fetched.stop > self._stop:
            self._stop, self._last_id = fetched.stop, page.ids[-1]
        return fresh

    def find_problem(self) -> str | None:
        """Return what disagrees, if anything does; for when the window is read."""
        if len(self.ids) != self.count:
            self._note(f"{self.count} rows were announced, {len(self.ids)} different ones came")
        if self._stop != self.count:
            self._note(f"{self.count} rows were announced, the last one came as row {self._stop}")
        return self._problem

    def verdict(self, number: int, problem: str | None, *, settled: bool) -> ReadingVerdict:
        """Return the verdict on this reading, the ``number``th of its window."""
        ends_at_depth = self._limits.ends_at_depth(self._stop)
        return ReadingVerdict(
            readings=number,
            announced=self._first_count,
            announced_last=self.count,
            received=self._received,
            distinct=len(self.ids),
            problem=problem,
            settled=settled,
            too_large=self.too_large or (ends_at_depth and settled and self._ends_early),
            refused=self._refused,
        )

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _check_seam(self, fetched: FetchedPage[R]) -> int:
        """Return how many rows of the page are known from the one before."""
        # Where in this page the last row so far should come again.
        seam = self._stop - 1 - fetched.start
        if seam >= 0:
            if fetched.page.ids[seam : seam + 1] == [self._last_id]:
                return 0 if seam else 1
            self._note(f"rows moved across row {self._stop - 1}")
        elif fetched.start > self._stop:
            self._note(f"rows {self._stop} to {fetched.start} did not come")
        elif fetched.start and fetched.page.ids:
            self._note(f"a page of one row has no seam at row {fetched.start}")
        return 0

    def _take_new(self, ids: Sequence[str], rows: Sequence[R]) -> tuple[Sequence[str], Sequence[R]]:
        """Return the rows that this reading has not brought yet, and remember their ids."""
        new = set(ids)
        if len(new) != len(ids) or not self.ids.isdisjoint(new):
            found = dict(zip(ids, rows, strict=True))
            fresh = [row_id for row_id in found if row_id not in self.ids]
            ids, rows = fresh, [found[row_id] for row_id in fresh]
        self.ids |= new
        return ids, rows
