"""A day is whole whatever the service's bounds are, and a wrong zone is never called verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.exports import read_jsonl
from helpers.tenants import client_of, pair

from aicc_async import AICCClient, CaseQuery, export_cases
from aicc_async.emulator import Emulator, Quirks
from aicc_async.settings.profile import Profile

JANUARY = CaseQuery(
    start_time=datetime(2025, 1, 1),  # noqa: DTZ001  (wall-clock time, as all here)
    end_time=datetime(2025, 1, 31, 23, 59, 59),  # noqa: DTZ001
)
# The last seconds before the month and of it, and the first ones of it and after.
EDGES = [
    "2024-12-31 23:59:58",
    "2024-12-31 23:59:59",
    "2025-01-01 00:00:00",
    "2025-01-15 12:00:00",
    "2025-01-31 23:59:59",
    "2025-02-01 00:00:00",
    "2025-02-01 00:00:01",
]
WITHIN = EDGES[2:5]
SHANGHAI = ZoneInfo("Asia/Shanghai")
Read = Callable[[AICCClient, Path], Awaitable[list[str]]]


async def read_by_iterating(aicc: AICCClient, _: Path) -> list[str]:
    """Iterate over January, and return when its cases were created."""
    cases = [case async for case in aicc.iter_cases(JANUARY)]
    return sorted(f"{case.created_date:%Y-%m-%d %H:%M:%S}" for case in cases)


async def read_by_export(aicc: AICCClient, out: Path) -> list[str]:
    """Export January, verified, and return when its cases were created."""
    report = await export_cases(aicc, JANUARY, out)
    assert report.verified
    assert (report.start, report.end) == (str(JANUARY.start_time), str(JANUARY.end_time))
    return sorted(row["createdDate"] for row in read_jsonl(out))


@pytest.mark.parametrize("read", [read_by_iterating, read_by_export])
@pytest.mark.parametrize("start_inclusive", [True, False])
@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("date_field", [None, "createdDate"])
async def test_until_a_day_has_the_days_last_second(
    read: Read, *, start_inclusive: bool, end_inclusive: bool, date_field: str | None, out: Path
) -> None:
    """The range's first and last seconds are within, and no other second, by any bounds."""
    bounds: dict[str, Any] = {"start_inclusive": start_inclusive, "end_inclusive": end_inclusive}
    profile = Profile(date_field=date_field, **bounds)
    async with Emulator(cases=0, **bounds) as tenant:
        tenant.insert_many({"createdDate": date} for date in EDGES)
        async with client_of(tenant, signs_in=False, profile=profile) as aicc:
            assert await read(aicc, out) == WITHIN


async def test_cases_that_are_filtered_by_another_date_are_not_dropped_by_their_creation() -> None:
    """A case created in the second before the range, and closed within, is of the range."""
    async with pair(cases=0, quirks=Quirks(date_field="closedDate")) as (tenant, aicc):
        tenant.insert(createdDate="2024-12-31 23:59:59", closedDate="2025-01-05 10:00:00")
        tenant.insert(createdDate="2024-11-11 11:11:11", closedDate="2025-01-06 10:00:00")
        profile = Profile(date_field="closedDate")
        async with client_of(tenant, signs_in=False, profile=profile) as knowing:
            assert len([case async for case in knowing.iter_cases(JANUARY)]) == 2
        with pytest.warns(RuntimeWarning, match="timezone"):
            assert len([case async for case in aicc.iter_cases(JANUARY)]) == 2


# ---- a wrong zone ---------------------------------------------------------------------------


def hours(count: int) -> str:
    """Return what Shanghai's clock showed so many hours ago."""
    return f"{datetime.now(UTC).astimezone(SHANGHAI) - timedelta(hours=count):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata"])
async def test_the_newest_hours_that_a_wrong_zone_hides_are_not_verified(
    zone: str, out: Path
) -> None:
    """A client behind the tenant's zone asks up to a time that is past there: that is noticed."""
    async with pair(cases=0, timezone=zone) as (tenant, aicc):
        tenant.insert_many({"createdDate": hours(count)} for count in range(60))
        since = CaseQuery(start_time=datetime.now(UTC) - timedelta(days=5))
        with pytest.warns(RuntimeWarning, match=f"timezone {zone}"):
            report = await export_cases(aicc, since, out)
        assert report.rows < 60
        assert not report.verified
        assert "timezone" in report.unverified[-1].reason
        with pytest.warns(RuntimeWarning, match=f"timezone {zone}"):
            assert len([case async for case in aicc.iter_cases(since)]) < 60


async def test_a_month_filtered_in_another_zone_than_it_shows_is_not_verified(out: Path) -> None:
    """A tenant that shows +8 and filters in UTC gives another month: dates say so."""
    since, until = datetime(2024, 12, 1), datetime(2025, 3, 1)  # noqa: DTZ001
    quirks = Quirks(hours_ahead=8)
    async with pair(cases=5000, since=since, until=until, quirks=quirks) as (_, aicc):
        with pytest.warns(RuntimeWarning, match="timezone"):
            report = await export_cases(aicc, JANUARY, out)
        assert not report.verified
        assert all("timezone" in window.reason for window in report.unverified)
        with pytest.warns(RuntimeWarning, match="timezone"):
            assert [case async for case in aicc.iter_cases(JANUARY)]


async def test_what_a_profile_knows_of_the_zone_is_never_verified(out: Path) -> None:
    """Where a probe found hours between shown and filtered dates, no row need show it again."""
    async with Emulator(cases=0, quirks=Quirks(hours_ahead=8)) as tenant:
        profile = Profile(date_field="createdDate", hours_ahead=8.0)
        async with client_of(tenant, profile=profile) as aicc:
            with pytest.warns(RuntimeWarning, match="8 h ahead.*timezone"):
                report = await export_cases(aicc, JANUARY, out)
    assert not report.verified


async def test_the_right_zone_is_verified_up_to_now(out: Path) -> None:
    """In the tenant's own zone nothing is dated after now, and nobody is warned."""
    async with pair(cases=0) as (tenant, aicc):
        tenant.insert_many({"createdDate": hours(count)} for count in range(60))
        since = CaseQuery(start_time=datetime.now(UTC) - timedelta(days=5))
        report = await export_cases(aicc, since, out)
        assert (report.rows, report.verified) == (60, True)
        assert len([case async for case in aicc.iter_cases(since)]) == 60


async def test_cases_dated_after_now_within_a_range_that_ends_later_are_not_verified(
    out: Path,
) -> None:
    """Until tomorrow, asked by a client that is behind: cases of the next hours are noticed."""
    async with pair(cases=0, timezone="UTC") as (tenant, aicc):
        tenant.insert_many({"createdDate": hours(count)} for count in range(60))
        now = datetime.now(UTC)
        query = CaseQuery(start_time=now - timedelta(days=5), end_time=now + timedelta(days=1))
        with pytest.warns(RuntimeWarning, match="timezone UTC"):
            report = await export_cases(aicc, query, out)
        assert (report.rows, report.verified) == (60, False)


# ---- the ends of the calendar ---------------------------------------------------------------


@pytest.mark.parametrize("last", [True, False])
async def test_until_the_end_of_the_calendar_plans_no_window_of_the_future(
    out: Path, *, last: bool
) -> None:
    """A range of ten thousand years takes no more requests than one until tomorrow."""
    first_day, last_day = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001
    start = datetime(2025, 1, 1) if last else first_day  # noqa: DTZ001
    end = last_day if last else datetime(2025, 1, 1)  # noqa: DTZ001
    async with pair(cases=100) as (tenant, aicc):
        report = await export_cases(aicc, CaseQuery(start_time=start, end_time=end), out)
        assert (report.rows, report.verified) == (100 if last else 0, True)
        assert len(tenant.requests) < 1000
        assert [case.id async for case in aicc.iter_cases(CaseQuery(start_time=start))]
