"""The invented cases."""

import random
from datetime import datetime, timedelta

import pytest
from emulator.bare_client import (
    Wire,
)

from aicc_async.emulator.data import arrivals, seed

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time, as on the wire)
UNTIL = datetime(2026, 1, 1)  # noqa: DTZ001  (same)


def seeded(number: int, *, of: int = 1) -> list[Wire]:
    """Invent cases of the default year."""
    return list(seed.seed_cases(number, since=SINCE, until=UNTIL, seed=of))


def test_the_same_seed_gives_the_same_cases() -> None:
    """The same seed invents the same cases, another seed others."""
    assert seeded(50) == seeded(50)
    assert seeded(50) != seeded(50, of=2)


def test_seeded_cases_are_believable() -> None:
    """Ids, numbers, times and lengths are as documented, and values vary."""
    cases = seeded(3000)
    assert all(str(SINCE) <= case["createdDate"] < str(UNTIL) for case in cases)
    assert all(len(case["title"].encode()) <= 128 for case in cases)
    assert all(len(case["id"]) == 20 and case["id"].startswith("c6m8") for case in cases)
    assert all(len(case["caseNo"]) == 30 for case in cases)
    assert len({case["id"] for case in cases}) == 3000
    assert {case["priority"] for case in cases} == {"Low", "Medium", "High", "Critical", ""}
    assert all((case["state"] == "Completed") is bool(case["closedDate"]) for case in cases)
    assert 500 < sum("AICC__region__CST" in case for case in cases) < 1500
    assert {True, False} == {"\n" in case["title"] for case in cases}
    assert {True, False} == {case["title"].isascii() for case in cases}


def test_telephone_numbers_are_fictitious() -> None:
    """Every number lies in the range that is reserved for fiction."""
    phones = {case["contactPhone"] for case in seeded(500)} - {None}
    assert all(phone.startswith("+120255501") and len(phone) == 12 for phone in phones)


def test_working_hours_are_busy() -> None:
    """Weekday office hours hold most of the cases, weekends few."""
    times = [datetime.fromisoformat(case["createdDate"]) for case in seeded(5000)]
    weekend = sum(moment.weekday() >= 5 for moment in times)
    office = sum(moment.weekday() < 5 and 9 <= moment.hour < 18 for moment in times)
    assert weekend < 0.1 * len(times)
    assert office > 0.7 * len(times)


@pytest.mark.parametrize("span", [timedelta(seconds=1), timedelta(minutes=90), timedelta(days=3)])
def test_short_and_ragged_spans(span: timedelta) -> None:
    """A span that cuts hours keeps its bounds."""
    since = SINCE.replace(minute=40)
    drawn = arrivals.draw_arrivals(200, random.Random(1), since=since, until=since + span)  # noqa: S311
    assert since <= min(drawn) <= max(drawn) < since + span
    assert drawn == sorted(drawn)
