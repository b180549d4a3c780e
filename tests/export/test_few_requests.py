"""What an export does not ask: what it has asked, and what cannot change a verdict."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from helpers.exports import QUARTER, SINCE, UNTIL, read_jsonl
from helpers.tenants import pair
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import CaseQuery, export_cases
from aicc_async._listing.empty_runs import find_empty
from aicc_async._listing.first_pages import FirstPages
from aicc_async._listing.pages import LongestPage, Page
from aicc_async._listing.windows import Window, split
from aicc_async.emulator import Emulator, Quirks

ZONE = ZoneInfo("Asia/Shanghai")
YEARS = CaseQuery(start_time=SINCE.replace(year=2020), end_time=UNTIL.replace(year=2026))


def bodies(tenant: Emulator) -> list[dict[str, Any]]:
    """Return what was asked of the list."""
    return [msgspec.json.decode(one.body) for one in tenant.requests if one.operation == "list"]


async def test_a_total_of_nothing_beside_a_row_is_one_each_time() -> None:
    """A window that is counted again has the count that it had, and is not asked for again."""
    asked: list[int] = []

    async def fetch(_: Window, __: int, limit: int) -> Page[str]:
        asked.append(limit)
        return Page(["1"], ["row"], 0, 1)

    pages = FirstPages(fetch, LongestPage(), asked_at=SINCE, concurrency=1, max_rows=100)
    window = Window(SINCE, UNTIL)
    assert [await pages.count(window), await pages.count(window)] == [1, 1]
    assert asked == [100]


async def test_no_first_page_is_asked_for_twice(out: Path) -> None:
    """What planned a window is the beginning of its reading."""
    async with pair(cases=900, since=SINCE, until=UNTIL) as (tenant, aicc):
        report = await export_cases(aicc, QUARTER, out)
    first = [body["endTime"] for body in bodies(tenant) if body["start"] == 0 < body["limit"] - 1]
    # And a row at the date that it shows.
    assert len(set(first)) == len(first) == len(report.windows) + 1
    assert report.verified


@pytest.mark.parametrize("older", [False, True])
async def test_empty_years_are_found_by_a_few_counts(out: Path, *, older: bool) -> None:
    """At both ends; where cases are older than the range, its first windows are asked for."""
    async with pair(cases=300, since=SINCE, until=UNTIL) as (tenant, aicc):
        if older:
            tenant.insert(createdDate="2019-12-01 00:00:00")
        report = await export_cases(aicc, YEARS, out)
        assert len(tenant.requests) < (100 if older else 32)
    assert len(report.windows) > 70
    assert (report.rows, report.verified) == (300, True)


async def test_rows_that_a_wrong_total_hides_end_no_run(out: Path) -> None:
    """A total of 0 beside a row is not a total: the window of that row is read."""
    quirks = Quirks(count_offset=-5)
    async with pair(cases=0, quirks=quirks) as (tenant, aicc):
        tenant.insert_many({"createdDate": f"{year}-06-01 12:00:00"} for year in (2021, 2024))
        report = await export_cases(aicc, YEARS, out)
    assert len(read_jsonl(out)) == 2
    assert not report.verified


@pytest.mark.parametrize("minutes", [None, 1])
async def test_a_night_without_news_is_a_few_requests(tmp_path: Path, minutes: int | None) -> None:
    """The last minutes are read where the whole has more than what is before them."""
    week, now = timedelta(days=7), datetime.now(ZONE).replace(tzinfo=None, microsecond=0)
    until = now - timedelta(hours=1)
    async with pair(cases=2000, since=now - 5 * week, until=until) as (tenant, aicc):
        table = tmp_path / "cases.db"
        await export_cases(aicc, CaseQuery(start_time=now - 5 * week), table)
        if minutes:
            tenant.insert(createdDate=str(now - timedelta(minutes=minutes)))
        before = len(tenant.requests)
        report = await export_cases(aicc, None, table, since_last=week)
    pages = -(-report.windows[0].distinct // 99)
    # A count of all from the beginning on, and a row at the date that it shows.
    assert minutes or len(tenant.requests) - before <= pages + 2
    assert (report.verified, report.in_target) == (True, 2000 + bool(minutes))
    assert [window.verdict for window in report.windows] == ["verified", "open"]


@given(st.sets(st.integers(0, 38), max_size=4))
async def test_a_window_with_rows_is_in_no_run(filled: set[int]) -> None:
    """Only those at the ends are, all of them but for a single one, by few counts."""
    windows = list(split(SINCE, SINCE + timedelta(days=1200), ZONE))
    moments = [SINCE + timedelta(days=31 * at + 1) for at in filled]
    asked = []

    def rows_of(window: Window) -> int:
        low, high = window.start or datetime.min, window.end or datetime.max  # noqa: DTZ901
        return sum(low <= moment <= high for moment in moments)

    async def count(window: Window) -> int:
        asked.append(window)
        return rows_of(window)

    found = await find_empty(windows, count)
    assert not any(map(rows_of, found))
    lengths = [min(filled, default=39), 38 - max(filled, default=38)]
    assert len(found) == len(set(found)) == sum(length for length in lengths if length > 1)
    assert len(asked) <= 2 + 2 * 7


async def test_a_small_range_is_one_request_once_longer_pages_were_seen() -> None:
    """The client remembers over its readings how much the service gives at once."""
    day = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=1))
    async with pair(cases=900, since=SINCE, until=UNTIL, signs_in=False) as (tenant, aicc):
        for expected in (2, 1):
            before = len(tenant.requests)
            assert [case.id async for case in aicc.iter_cases(day)]
            assert len(tenant.requests) - before == expected
            assert [case.id async for case in aicc.iter_cases(QUARTER)]
