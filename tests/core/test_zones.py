"""Clock arithmetic: hours that a clock shows twice or never, odd offsets, the calendar's ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicc_async._listing.zones import (
    SECOND,
    earliest_shown,
    elapsed,
    instant,
    is_within,
    latest_shown,
    local,
    now,
    shown_from,
    wall,
)
from aicc_async.errors import ConfigError

HOUR = timedelta(hours=1)
NAMES = [
    "Africa/Casablanca",  # leaves summer time for a month in between
    "Africa/Monrovia",  # 44 minutes and 30 seconds behind until 1972
    "America/Santiago",  # changes at midnight
    "America/St_Johns",  # half an hour off, by two hours in 1988, at one past midnight
    "Antarctica/Troll",  # changes by two hours
    "Asia/Kathmandu",  # three quarters of an hour off
    "Asia/Shanghai",  # changes no more
    "Asia/Tehran",
    "Australia/Lord_Howe",  # changes by half an hour
    "Europe/Berlin",
    "Europe/Dublin",  # its winter time is the one that is saved
    "Pacific/Apia",  # left out a day
    "Pacific/Kiritimati",  # 14 hours ahead
    "Pacific/Kwajalein",  # had a day twice, and left one out
    "UTC",
]
zones = st.sampled_from(NAMES).map(ZoneInfo)
FIRST, LAST = datetime(1969, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)


@lru_cache
def transitions(name: str) -> list[datetime]:
    """Find the moments when a zone's clock is changed."""
    zone = ZoneInfo(name)

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    weeks = [FIRST + timedelta(days=7 * number) for number in range((LAST - FIRST).days // 7)]
    found = []
    for before, after in pairwise(weeks):
        low, high = before, after
        while offset(low) != offset(high) and high - low > SECOND:
            middle = low + (high - low) // 2 // SECOND * SECOND
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        if offset(low) != offset(high):
            found.append(high)
    return found


@st.composite
def moments(draw: st.DrawFn, count: int = 1) -> tuple[ZoneInfo, *tuple[datetime, ...]]:
    """Draw a zone and moments in order, most of them near a change of its clock."""
    name = draw(st.sampled_from(NAMES))
    changes = transitions(name) or [FIRST]
    near = st.tuples(st.sampled_from(changes), st.integers(-30 * 3600, 30 * 3600)).map(
        lambda pair: pair[0] + pair[1] * SECOND
    )
    any_time = st.integers(0, (LAST - FIRST) // SECOND).map(lambda n: FIRST + n * SECOND)
    apart = st.integers(0, 3 * 3600) | st.integers(0, 40 * 24 * 3600)
    drawn = [draw(near | any_time)]
    while len(drawn) < count:
        drawn.append(drawn[-1] + draw(apart) * SECOND)
    return ZoneInfo(name), *drawn


def readings(shown: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the moments that a text on the wire may mean."""
    return [instant(shown.replace(fold=fold), zone) for fold in (0, 1)]


def is_shown_once(shown: datetime, zone: ZoneInfo) -> bool:
    """Return whether a wall-clock time is neither repeated nor left out."""
    first, second = readings(shown, zone)
    return first == second


def test_the_zones_have_what_is_tested() -> None:
    """Clocks are put back by different times, a day is repeated, and one zone never changes."""
    back = {
        before - after
        for name in NAMES
        for change in transitions(name)
        for before, after in [
            (
                (change - SECOND).astimezone(ZoneInfo(name)).utcoffset() or timedelta(0),
                change.astimezone(ZoneInfo(name)).utcoffset() or timedelta(0),
            )
        ]
    }
    assert {HOUR, HOUR / 2, 2 * HOUR, -24 * HOUR, -HOUR} <= back
    assert max(back) > 20 * HOUR
    assert transitions("UTC") == []


# ---- from a moment on, and up to it --------------------------------------------------------


@given(moments())
def test_the_bounds_enclose_the_time_shown(drawn: tuple[ZoneInfo, datetime]) -> None:
    """No bound is on the wrong side of what the clock shows at the very moment."""
    zone, moment = drawn
    shown = wall(moment, zone)
    assert earliest_shown(moment, zone) <= shown_from(moment, zone) <= shown
    assert shown <= latest_shown(moment, zone)


@given(moments(2))
def test_no_time_before_the_bound_is_shown_later(
    drawn: tuple[ZoneInfo, datetime, datetime],
) -> None:
    """From a moment on the clock shows nothing earlier, also when it is put back."""
    zone, moment, later = drawn
    assert earliest_shown(moment, zone) <= wall(later, zone)
    assert shown_from(moment, zone) <= wall(later, zone)


@given(moments(2))
def test_no_time_after_the_bound_was_shown_before(
    drawn: tuple[ZoneInfo, datetime, datetime],
) -> None:
    """Up to a moment the clock has shown nothing later."""
    zone, earlier, moment = drawn
    assert wall(earlier, zone) <= latest_shown(moment, zone)


@given(moments())
def test_a_range_holds_the_moment_whichever_showing_a_text_means(
    drawn: tuple[ZoneInfo, datetime],
) -> None:
    """A service that reads the first or the second showing begins in time, and ends in time."""
    zone, moment = drawn
    assert max(readings(earliest_shown(moment, zone), zone)) <= moment
    assert moment <= min(readings(latest_shown(moment, zone), zone))


@given(moments())
def test_the_earliest_time_will_be_shown(drawn: tuple[ZoneInfo, datetime]) -> None:
    """``shown_from`` is exact: from the moment on, the clock shows that very second."""
    zone, moment = drawn
    assert max(readings(shown_from(moment, zone), zone)) >= moment


@pytest.mark.parametrize(
    ("bound", "fold", "expected"),
    [
        (earliest_shown, 0, "01:30:00"),
        (earliest_shown, 1, "02:30:00"),
        (shown_from, 0, "02:00:00"),
        (shown_from, 1, "02:30:00"),
        (latest_shown, 0, "02:30:00"),
        (latest_shown, 1, "03:30:00"),
    ],
)
def test_the_bounds_of_an_hour_that_is_shown_twice(
    bound: Callable[[datetime, ZoneInfo], datetime], fold: int, expected: str
) -> None:
    """Naive or aware, half past two of either showing has its own bounds."""
    zone = ZoneInfo("Europe/Berlin")
    naive = datetime(2025, 10, 26, 2, 30, fold=fold)  # noqa: DTZ001  (wall-clock time)
    for moment in (naive, naive.replace(tzinfo=zone), instant(naive, zone)):
        assert str(bound(moment, zone)) == f"2025-10-26 {expected}"


def test_the_start_of_a_range_is_no_text_with_two_meanings() -> None:
    """``shown_from`` would do for a service that reads the first showing, and for no other."""
    zone = ZoneInfo("Europe/Berlin")
    moment = datetime(2025, 10, 26, 2, 30, tzinfo=zone).astimezone(UTC)
    assert max(readings(shown_from(moment, zone), zone)) > moment
    assert max(readings(earliest_shown(moment, zone), zone)) <= moment


# ---- between two times ---------------------------------------------------------------------


@given(moments(2))
def test_no_more_time_passes_than_is_said(drawn: tuple[ZoneInfo, datetime, datetime]) -> None:
    """However the ends are read, and exactly where neither is shown twice."""
    zone, start, end = drawn
    first, last = wall(start, zone), wall(end, zone)
    bound = elapsed(first, last, zone)
    assert max(readings(last, zone)) - min(readings(first, zone)) <= bound
    if is_shown_once(first, zone) and is_shown_once(last, zone):
        assert bound == end - start


@given(moments(3))
def test_a_time_within_is_within_as_the_wire_has_it(
    drawn: tuple[ZoneInfo, datetime, datetime, datetime],
) -> None:
    """What the wire says of a moment has no fold, and is found all the same."""
    zone, start, moment, end = drawn
    told = wall(moment, zone).replace(tzinfo=zone)
    assert is_within(told, start, end)


@given(moments(3), st.permutations(range(3)))
def test_a_time_is_within_if_one_of_its_readings_is(
    drawn: tuple[ZoneInfo, datetime, datetime, datetime], order: list[int]
) -> None:
    """And only then."""
    zone, *rest = drawn
    told, start, end = (rest[place] for place in order)
    shown = wall(told, zone)
    expected = any(start <= each <= end for each in readings(shown, zone))
    assert is_within(shown.replace(tzinfo=zone), start, end) is expected


# ---- the same moment -----------------------------------------------------------------------


@given(moments())
def test_a_moment_stays_what_it_is(drawn: tuple[ZoneInfo, datetime]) -> None:
    """In its zone and in UTC, with the fold that says which showing it is."""
    zone, moment = drawn
    here = local(moment, zone)
    assert here.tzinfo is zone
    assert instant(here, zone) == instant(moment, zone) == moment
    assert instant(here.replace(tzinfo=None), zone) == moment
    assert local(here.replace(tzinfo=None), zone) == here


def test_now_is_between_before_and_after() -> None:
    """By this machine's clock, in whole seconds."""
    zone = ZoneInfo("Asia/Kathmandu")
    before = wall(datetime.now(UTC), zone)
    assert before <= now(zone) <= wall(datetime.now(UTC), zone)


# ---- what the clock shows -------------------------------------------------------------------


@given(st.datetimes(timezones=zones), zones)
def test_wall_time_is_the_moment_in_the_zone(moment: datetime, zone: ZoneInfo) -> None:
    """It is naive, in whole seconds, and with its fold names the second of the moment."""
    try:
        there = moment.astimezone(zone)
    except OverflowError:
        with pytest.raises(ConfigError):
            wall(moment, zone)
        return
    naive = wall(moment, zone)

    assert (naive.tzinfo, naive.microsecond, naive.fold) == (None, 0, 0)
    assert naive == there.replace(tzinfo=None, microsecond=0)


@given(st.datetimes(), zones)
def test_naive_times_are_taken_as_they_are(moment: datetime, zone: ZoneInfo) -> None:
    """A naive time is in the zone already; only its fraction goes."""
    assert wall(moment, zone) == moment.replace(microsecond=0)


def test_a_moment_outside_the_calendar_is_a_config_error() -> None:
    """A moment that has no date in the zone is refused by one of our errors."""
    with pytest.raises(ConfigError, match="must have a wall-clock time in Asia/Shanghai"):
        wall(datetime.max.replace(tzinfo=UTC), ZoneInfo("Asia/Shanghai"))


# ---- the ends of the calendar --------------------------------------------------------------

ends = st.sampled_from([datetime.min, datetime.max]).flatmap(  # noqa: DTZ901  (the calendar's)
    lambda end: st.timedeltas(timedelta(0), timedelta(days=2)).map(
        lambda away: end + away if end == datetime.min else end - away  # noqa: DTZ901
    )
)


@given(st.sampled_from(NAMES), ends, st.booleans())
@pytest.mark.parametrize("bound", [wall, earliest_shown, latest_shown, shown_from])
def test_the_ends_of_the_calendar_are_shown_or_refused(
    bound: Callable[[datetime, ZoneInfo], datetime], name: str, moment: datetime, is_naive: bool
) -> None:
    """A time that no calendar has is one of two errors, never another one or another time."""
    zone = ZoneInfo(name)
    given_time = moment if is_naive else moment.replace(tzinfo=UTC)
    try:
        shown = bound(given_time, zone)
    except (ConfigError, OverflowError):
        assert not is_naive
    else:
        assert abs(shown - moment) < 24 * HOUR
