"""Ranges with more rows than the service reaches by offset, or than it counts: whole, or loud."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from helpers import tenants

from aicc_async import AICCClient, CaseQuery, ExportError
from aicc_async._listing.prefetch import PAGES_AHEAD
from aicc_async.emulator import Emulator, Quirks
from aicc_async.settings.profile import Profile

SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
MONTH = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=31))
QUARTER = CaseQuery(start_time=SINCE, end_time=UNTIL)
CROWD = "2025-02-10 10:00:00"


def pair(**options: Any) -> AbstractAsyncContextManager[tuple[Emulator, AICCClient]]:
    """Run a tenant of these months, and a client of it that has a token."""
    return tenants.pair(signs_in=False, **{"since": SINCE, "until": UNTIL, **options})


async def ids(aicc: AICCClient, query: CaseQuery | None, *, strict: bool = True) -> list[str]:
    """Read the ids of a range."""
    return [case.id async for case in aicc.iter_cases(query, strict=strict)]


def starts(tenant: Emulator) -> list[int]:
    """Return the offsets that were asked for, in order."""
    return [msgspec.json.decode(request.body)["start"] for request in tenant.requests]


# ---- depth -------------------------------------------------------------------------------------


@pytest.mark.parametrize("too_deep", ["refuse", "fail", "empty"])
@pytest.mark.parametrize("deepest", [99, 150, 400])
@pytest.mark.parametrize("query", [QUARTER, CaseQuery(end_time=UNTIL), None])
async def test_a_refused_depth_loses_nothing(
    deepest: int, too_deep: str, query: CaseQuery | None
) -> None:
    """Where offsets go no deeper than that, a range comes out whole and once all the same."""
    quirks = Quirks(deepest_start=deepest, too_deep=too_deep)
    async with pair(cases=3000, quirks=quirks) as (tenant, aicc):
        found = await ids(aicc, query)
        assert len(found) == len(set(found))
        assert sorted(found) == sorted(tenant.ids())


async def test_a_refused_depth_is_learnt() -> None:
    """After the first refusal no offset is asked for that is as deep."""
    year = CaseQuery(start_time=SINCE, end_time=datetime(2026, 1, 1))  # noqa: DTZ001
    quirks = Quirks(deepest_start=400)
    async with pair(cases=9000, until=year.end_time, quirks=quirks) as (tenant, _):
        async with tenants.client_of(tenant, signs_in=False, max_concurrency=1) as aicc:
            assert len(await ids(aicc, year)) == 9000
        # What was asked for ahead when the first one was refused.
        assert 0 < sum(start > 400 for start in starts(tenant)) <= PAGES_AHEAD


async def test_a_depth_that_the_profile_knows_is_not_tried() -> None:
    """A window that announces more rows than offsets reach is halved before it is read."""
    async with pair(cases=3000, quirks=Quirks(deepest_start=400)) as (tenant, _):
        profile = Profile(deepest_start=400)
        async with tenants.client_of(tenant, signs_in=False, profile=profile) as aicc:
            assert sorted(await ids(aicc, QUARTER)) == sorted(tenant.ids())
        assert max(starts(tenant)) <= 400


async def test_a_second_that_is_too_deep_is_named() -> None:
    """What cannot be halved is an error, which says which second and why."""
    async with pair(cases=100, quirks=Quirks(deepest_start=400)) as (tenant, aicc):
        tenant.insert_many({"createdDate": CROWD} for _ in range(700))
        with pytest.raises(ExportError, match=rf"{CROWD}.*start: at most 400") as caught:
            await ids(aicc, QUARTER)
    assert CROWD[:17] in str(caught.value.window)
    assert caught.value.resume


async def test_a_depth_refused_where_times_mean_nothing() -> None:
    """Totals that are the same for any time are not halved to the last second."""
    quirks = Quirks(deepest_start=100, count_offset=5000)
    async with pair(cases=300, quirks=quirks) as (tenant, aicc):
        with pytest.raises(ExportError):
            await ids(aicc, QUARTER)
        assert len(tenant.requests) < 200


# ---- caps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [1000, 1100, 2000])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("query", [MONTH, QUARTER, None])
async def test_a_capped_total_loses_nothing(
    *, cap: int, newest_first: bool, query: CaseQuery | None
) -> None:
    """Where a query gives and counts so many rows at most, a range comes out whole and once."""
    quirks = Quirks(max_count=cap)
    async with pair(cases=7000, newest_first=newest_first, quirks=quirks) as (tenant, aicc):
        found = await ids(aicc, query)
        end = str(query.end_time) if query else None
        assert len(found) == len(set(found))
        assert sorted(found) == sorted(tenant.ids(None, end))


async def test_a_capped_total_that_the_profile_knows() -> None:
    """Windows that announce a known cap are halved before they are read."""
    async with pair(cases=3000, quirks=Quirks(max_count=300)) as (tenant, _):
        profile = Profile(max_count=300)
        async with tenants.client_of(tenant, signs_in=False, profile=profile) as aicc:
            assert sorted(await ids(aicc, QUARTER)) == sorted(tenant.ids())
        assert max(starts(tenant)) < 300


@pytest.mark.parametrize("cap", [None, 1500])
async def test_a_crowded_second_that_may_be_capped_is_loud(cap: int | None) -> None:
    """A second that announces as much as anything does may have more rows, and nobody can tell."""
    async with pair(cases=0, quirks=Quirks(max_count=cap)) as (tenant, aicc):
        tenant.insert_many({"createdDate": CROWD} for _ in range(cap or 1500))
        with pytest.raises(ExportError, match="the total may be capped at 1500"):
            await ids(aicc, QUARTER)
        with pytest.warns(RuntimeWarning, match="the total may be capped at 1500"):
            found = await ids(aicc, QUARTER, strict=False)
        assert len(found) == len(set(found)) == 1500


async def test_a_crowded_second_below_another_total_is_trusted() -> None:
    """A total that is less than another one is no cap."""
    async with pair(cases=0) as (tenant, aicc):
        tenant.insert_many({"createdDate": CROWD} for _ in range(1500))
        tenant.insert(createdDate="2020-01-01 00:00:00")
        assert len(await ids(aicc, QUARTER)) == 1500


async def test_usual_ranges_cost_no_request_more() -> None:
    """Below a thousand rows in a window nothing is asked in addition; above, for its halves."""
    async with pair(cases=2400) as (tenant, aicc):
        await ids(aicc, QUARTER)
        assert starts(tenant).count(0) == len(aicc.api.windows(QUARTER))
        tenant.insert_many({"createdDate": f"2025-02-10 10:{i % 60:02}:00"} for i in range(800))
        before = len(tenant.requests)
        await ids(aicc, QUARTER)
        assert starts(tenant)[before:].count(0) == len(aicc.api.windows(QUARTER)) + 2


async def test_a_month_that_is_all_there_is_costs_a_few_requests_more() -> None:
    """Where no other total is higher, its halves prove it, and the second that they share."""
    async with pair(cases=2400, until=SINCE + timedelta(days=30)) as (tenant, aicc):
        assert len(await ids(aicc, MONTH)) == 2400
        assert starts(tenant).count(0) == 1 + 2 + 1
