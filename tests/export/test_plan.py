"""The plan: windows that cover a range, as large as can be trusted, with few requests."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicc_async._listing.counting import find_first_day
from aicc_async._listing.plan import PlannedWindow, plan_windows
from aicc_async._listing.run_all import run_all
from aicc_async._listing.windows import EARLIEST_START, MAX_SPAN, Window, bisect, join, split
from aicc_async._listing.zones import SECOND

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2024, 9, 1)  # noqa: DTZ001  (wall-clock times)
DAY = timedelta(days=1)
spans = st.one_of(st.integers(0, 30), st.integers(0, 90 * 24 * 3600), st.just(31 * 24 * 3600)).map(
    lambda seconds: seconds * SECOND
)
bounds = st.sampled_from([1, 3, 10, 100])


@st.composite
def ranges(draw: st.DrawFn) -> tuple[list[Window], list[datetime]]:
    """Draw a range in windows, and the moments of its cases, often many in one second."""
    span = draw(spans)
    offsets = draw(st.lists(st.integers(0, span // SECOND), max_size=20))
    moments = [START + offset * SECOND for offset in offsets]
    crowd = draw(st.sampled_from([1, 1, 50]))
    return list(split(START, START + span, ZONE)), sorted(moments * crowd)


class Service:
    """Counts cases in windows, and how often it was asked."""

    def __init__(self, moments: Sequence[datetime]) -> None:
        self._moments = moments
        self.asked = 0

    async def count(self, window: Window) -> int:
        """Count the cases of a window, both ends included."""
        self.asked += 1
        first = bisect_left(self._moments, window.start or datetime.min)  # noqa: DTZ901
        last = bisect_right(self._moments, window.end or datetime.max)  # noqa: DTZ901
        return last - first


def planned(windows: Sequence[Window], service: Service, max_rows: int) -> list[PlannedWindow]:
    """Plan windows, and return them oldest first."""
    pieces = asyncio.run(plan_windows(windows, service.count, ZONE, max_rows=max_rows))
    return sorted(pieces, key=lambda piece: str(piece.window.start))


@given(ranges(), bounds)
def test_the_pieces_cover_the_range(
    case: tuple[list[Window], list[datetime]], max_rows: int
) -> None:
    """They begin and end with the range, and neighbours overlap as those of a split do."""
    windows, moments = case
    pieces = planned(windows, Service(moments), max_rows)
    assert pieces[0].window.start == windows[0].start
    assert pieces[-1].window.end == windows[-1].end
    for one, next_ in pairwise(pieces):
        assert one.window.end
        assert next_.window.start
        assert one.window.end - next_.window.start == SECOND


@given(ranges(), bounds)
def test_no_piece_is_larger_than_it_must_be(
    case: tuple[list[Window], list[datetime]], max_rows: int
) -> None:
    """None has more rows than the bound unless it is two seconds long, none more than 31 days."""
    windows, moments = case
    for piece in planned(windows, Service(moments), max_rows):
        assert piece.count <= max_rows or bisect(piece.window) is None
        assert piece.window.start
        assert piece.window.end
        assert piece.window.end - piece.window.start <= MAX_SPAN


@given(ranges(), bounds)
def test_the_pieces_expect_what_there_is(
    case: tuple[list[Window], list[datetime]], max_rows: int
) -> None:
    """A piece expects its own rows, those in the overlaps of what was joined counted twice."""
    windows, moments = case
    service = Service(moments)
    for piece in planned(windows, service, max_rows):
        assert piece.count >= asyncio.run(service.count(piece.window))


@given(ranges(), bounds)
def test_small_neighbours_are_joined(
    case: tuple[list[Window], list[datetime]], max_rows: int
) -> None:
    """No two neighbours would fit into one window."""
    windows, moments = case
    for one, next_ in pairwise(planned(windows, Service(moments), max_rows)):
        too_many = one.count + next_.count > max_rows
        assert too_many or join(one.window, next_.window, ZONE) is None


@given(ranges(), bounds)
def test_a_plan_asks_little(case: tuple[list[Window], list[datetime]], max_rows: int) -> None:
    """It asks once a window, and for two halves of each part that holds too many."""
    windows, moments = case
    service = Service(moments)
    planned(windows, service, max_rows)
    too_large = 3 * len(moments) // max_rows  # at any depth; a second is in three parts at most
    assert service.asked <= len(windows) + 2 * 23 * too_large


@given(spans, bounds, st.sampled_from([0, 1, 7, 10**6]))
def test_totals_that_can_not_be_true_are_not_chased(
    span: timedelta, max_rows: int, total: int
) -> None:
    """A service that ignores the times announces the same for every part: few are asked for."""
    asked = []

    async def count(window: Window) -> int:
        asked.append(window)
        return total

    windows = list(split(START, START + span, ZONE))
    pieces = asyncio.run(plan_windows(windows, count, ZONE, max_rows=max_rows))
    assert len(asked) <= 15 * len(windows) + 30
    assert len(pieces) <= 5 * len(windows)


@given(st.lists(st.datetimes(datetime(1995, 1, 1), START), max_size=5))  # noqa: DTZ001
def test_the_first_day_is_found_within_a_month(moments: list[datetime]) -> None:
    """It is before all cases, by 31 days at most; without any there is none; few counts do."""
    moments = sorted(moment.replace(microsecond=0) for moment in moments)
    service = Service(moments)
    found = asyncio.run(find_first_day(START, service.count))
    assert service.asked <= 20
    if found is None:
        assert moments == []
        return
    assert found.microsecond == 0
    assert timedelta(0) <= moments[0] - found <= 31 * DAY


def test_cases_since_ever_begin_in_1990() -> None:
    """Nothing is looked for before that."""
    service = Service([datetime(1980, 1, 1)])  # noqa: DTZ001
    assert asyncio.run(find_first_day(START, service.count)) == EARLIEST_START


async def test_the_first_error_cancels_all_that_runs_together() -> None:
    """It is raised as it is, and nothing runs on behind."""
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run_all([waits(), fails()])
    assert ended.is_set()
