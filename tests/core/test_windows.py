"""Windows: every second of a range is covered, and no window is longer than the list accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async._listing.windows import MAX_SPAN, Window, bisect, join, split
from aicc_async._listing.zones import elapsed

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAMES = [
    "Africa/Casablanca",  # leaves summer time for a month in between
    "America/Santiago",  # changes at midnight
    "Antarctica/Troll",  # changes by two hours
    "Asia/Shanghai",  # changes no more
    "Australia/Lord_Howe",  # changes by half an hour
    "Europe/Berlin",
    "Pacific/Apia",  # left out a day
    "UTC",
]
zones = st.sampled_from(NAMES).map(ZoneInfo)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
spans = st.one_of(
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.timedeltas(MAX_SPAN - 2 * HOUR, MAX_SPAN + 2 * HOUR),
).map(lambda span: timedelta(seconds=span // SECOND))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _longest(window: Window, zone: ZoneInfo) -> timedelta:
    """Tell the longest time between any readings of a window's ends."""
    assert window.start is not None
    assert window.end is not None
    starts, ends = (
        [end.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        for end in (window.start, window.end)
    )
    return max(ends) - min(starts)


@given(moments, spans, zones)
@example(_at("2024-10-26 12:00:00"), 2 * DAY, ZoneInfo("Europe/Berlin"))
@example(_at("2024-02-20 00:00:00"), 60 * DAY, ZoneInfo("Africa/Casablanca"))
@example(_at("2011-12-01 00:00:00"), 60 * DAY, ZoneInfo("Pacific/Apia"))
def test_windows_cover_the_range_without_a_gap(
    start: datetime, span: timedelta, zone: ZoneInfo
) -> None:
    """They begin and end with the range, go forward, and a boundary second is inside of both."""
    windows = list(split(start, start + span, zone))

    assert (windows[0].start, windows[-1].end) == (start, start + span)
    pairs = [(one.end, next_.start) for one, next_ in pairwise(windows)]
    assert all(end and start and end - start == SECOND for end, start in pairs)
    ends = [window.end for window in windows if window.end]
    assert ends == sorted(set(ends))


@given(moments, spans, zones)
@example(_at("2024-09-27 00:00:00"), 31 * DAY, ZoneInfo("Europe/Berlin"))
@example(_at("2024-10-27 02:30:00"), 31 * DAY, ZoneInfo("Europe/Berlin"))
@example(_at("2024-02-29 02:30:00"), 31 * DAY, ZoneInfo("Europe/Berlin"))
@example(_at("2024-03-10 01:30:00"), 31 * DAY, ZoneInfo("Africa/Casablanca"))
def test_no_window_is_longer_than_31_days(start: datetime, span: timedelta, zone: ZoneInfo) -> None:
    """Neither by the clock on the wall nor by time passed, however a doubled hour is read."""
    for window in split(start, start + span, zone):
        assert window.start is not None
        assert window.end is not None
        assert window.end - window.start <= MAX_SPAN
        assert _longest(window, zone) <= MAX_SPAN


@given(moments, spans, zones)
def test_windows_are_as_long_as_they_may_be(
    start: datetime, span: timedelta, zone: ZoneInfo
) -> None:
    """No window but the last is more than a clock's change short of 31 days."""
    *full, _ = split(start, start + span, zone)

    assert all(_longest(window, zone) >= MAX_SPAN - DAY - 2 * HOUR for window in full)


@pytest.mark.parametrize(
    ("span", "count"),
    [
        (timedelta(0), 1),
        (SECOND, 1),
        (MAX_SPAN, 1),
        (MAX_SPAN + SECOND, 2),
        (2 * MAX_SPAN - SECOND, 2),
        (2 * MAX_SPAN, 3),
    ],
    ids=str,
)
def test_31_days_are_one_window(span: timedelta, count: int) -> None:
    """The bound itself is allowed, one second more is not."""
    start = _at("2023-05-16 00:00:00")

    assert len(list(split(start, start + span, ZoneInfo("Asia/Shanghai")))) == count


def test_an_hour_shown_twice_shortens_a_window() -> None:
    """Where the clock is put back, 31 days on the wall are 31 days and an hour."""
    start, end = _at("2024-10-01 00:00:00"), _at("2024-11-01 00:00:00")

    windows = list(split(start, end, ZoneInfo("Europe/Berlin")))

    assert windows == [Window(start, end - HOUR), Window(end - HOUR - SECOND, end)]


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_the_calendar_can_be_split(name: str) -> None:
    """The first and the last days that Python knows raise nothing."""
    first, last = _at("0001-01-01 00:00:00"), _at("9999-12-31 23:59:59")

    assert list(split(first, first + DAY, ZoneInfo(name))) == [Window(first, first + DAY)]
    assert list(split(last - DAY, last, ZoneInfo(name))) == [Window(last - DAY, last)]


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(), "all time"),
        (Window(_at("2025-01-01")), "2025-01-01 00:00:00 to …"),
        (Window(None, _at("2025-01-01")), "… to 2025-01-01 00:00:00"),
        (
            Window(_at("2025-01-01"), _at("2025-01-02")),
            "2025-01-01 00:00:00 to 2025-01-02 00:00:00",
        ),
    ],
)
def test_a_window_reads_well(window: Window, text: str) -> None:
    """Errors show windows as a person would write them."""
    assert str(window) == text


@given(moments, spans)
@example(_at("2025-01-01"), 2 * SECOND)
@example(_at("2025-01-01"), 3 * SECOND)
def test_halves_cover_a_window_and_are_shorter(start: datetime, span: timedelta) -> None:
    """They share a second and overlap by one more than a boundary; two seconds stay whole."""
    window = Window(start, start + span)
    halves = bisect(window)
    if halves is None:
        assert span <= 2 * SECOND
        return
    first, second = halves
    assert (first.start, second.end) == (window.start, window.end)
    assert first.end
    assert second.start
    assert second.end
    assert first.end - second.start == SECOND
    lengths = (first.end - start, second.end - second.start)
    assert all(2 * SECOND <= length < span for length in lengths)
    assert abs(lengths[0] - lengths[1]) <= SECOND


@pytest.mark.parametrize(
    "window", [Window(), Window(_at("2025-01-01")), Window(None, _at("2025-01-01"))], ids=str
)
def test_an_open_window_has_no_halves(window: Window) -> None:
    """Nobody knows its middle."""
    assert bisect(window) is None


@given(moments, spans)
def test_halving_ends_at_two_seconds(start: datetime, span: timedelta) -> None:
    """However often it is done, there are not more steps than a month of seconds has bits."""
    window, steps = Window(start, start + min(span, MAX_SPAN)), 0
    while halves := bisect(window):
        window, steps = halves[steps % 2], steps + 1
    assert steps <= 23


@given(moments, spans, zones)
def test_halves_can_be_joined_again(start: datetime, span: timedelta, zone: ZoneInfo) -> None:
    """What was one window becomes that window, where the list accepts its length."""
    window = Window(start, start + span)
    halves = bisect(window)
    if halves:
        fits = elapsed(start, start + span, zone) <= MAX_SPAN and span <= MAX_SPAN
        assert join(*halves, zone) == (window if fits else None)


@given(moments, spans, zones)
def test_joined_windows_are_no_longer_than_31_days(
    start: datetime, span: timedelta, zone: ZoneInfo
) -> None:
    """Neighbours of a split are joined only where both fit into one window."""
    for one, next_ in pairwise(split(start, start + span, zone)):
        whole = join(one, next_, zone)
        if whole:
            assert (whole.start, whole.end) == (one.start, next_.end)
            assert _longest(whole, zone) <= MAX_SPAN


def test_open_windows_are_not_joined() -> None:
    """A window without an end or a beginning stays as it is."""
    closed = Window(_at("2025-01-01"), _at("2025-01-02"))
    utc = ZoneInfo("UTC")
    assert join(Window(None, _at("2025-01-01")), closed, utc) is None
    assert join(closed, Window(_at("2025-01-02")), utc) is None
