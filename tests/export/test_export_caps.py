"""Exports from a tenant that counts so many rows at most, or answers no deep offset."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from attrs import evolve
from helpers import tenants
from helpers.exports import QUARTER, SINCE, UNTIL, read_lines

from aicc_async import AICCClient, CaseQuery, ExportError, export_cases
from aicc_async.emulator import Emulator, Quirks
from aicc_async.emulator.data.store import Query, Store
from aicc_async.settings.profile import Profile

MONTH = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=31))
CROWD = "2025-02-10 10:00:00"


def client(tenant: Emulator, profile: Profile | None = None) -> AICCClient:
    """Make a client of a tenant."""
    return tenants.client_of(tenant, signs_in=False, profile=profile)


def written(out: Path) -> list[str]:
    """Read the ids of a file."""
    return sorted(json.loads(line)["id"] for line in read_lines(out))


@pytest.mark.parametrize("too_deep", ["refuse", "fail", "empty"])
@pytest.mark.parametrize("deepest", [99, 400])
async def test_a_tenant_that_was_never_probed_may_refuse_depth(
    out: Path, deepest: int, too_deep: str
) -> None:
    """Its windows are halved until offsets reach all rows, and the whole is proven."""
    quirks = Quirks(deepest_start=deepest, too_deep=too_deep)
    async with (
        Emulator(cases=3000, since=SINCE, until=UNTIL, quirks=quirks) as tenant,
        client(tenant) as aicc,
    ):
        report = await export_cases(aicc, QUARTER, out)
        assert written(out) == sorted(tenant.ids())
    assert (report.verified, report.rows) == (True, 3000)
    assert {window.verdict for window in report.windows} == {"verified"}


async def test_a_second_that_is_too_deep_is_named(out: Path) -> None:
    """Only what cannot be halved is an error, which names the second."""
    quirks = Quirks(deepest_start=400)
    async with Emulator(cases=100, since=SINCE, until=UNTIL, quirks=quirks) as tenant:
        tenant.insert_many({"createdDate": CROWD} for _ in range(700))
        async with client(tenant) as aicc:
            with pytest.raises(ExportError, match=rf"{CROWD}.*start: at most 400"):
                await export_cases(aicc, QUARTER, out)


@pytest.mark.parametrize("query", [MONTH, QUARTER, CaseQuery(end_time=UNTIL), None])
@pytest.mark.parametrize("cap", [200, 1000, 2100])
async def test_a_capped_total_loses_nothing(out: Path, cap: int, query: CaseQuery | None) -> None:
    """Windows that announce the cap are halved, each is proven, and the whole is no witness."""
    quirks = Quirks(max_count=cap)
    async with (
        Emulator(cases=7000, since=SINCE, until=UNTIL, quirks=quirks) as tenant,
        client(tenant) as aicc,
    ):
        report = await export_cases(aicc, query, out)
        end = str(query.end_time) if query else None
        assert written(out) == sorted(tenant.ids(None, end))
    assert report.verified
    assert report.whole is None
    assert max(window.announced for window in report.windows) < cap


@pytest.mark.parametrize("known", [True, False])
async def test_a_second_that_announces_the_cap_is_unverified(out: Path, *, known: bool) -> None:
    """All that can be read is in the file, and the report names the second and why."""
    quirks = Quirks(max_count=300)
    async with Emulator(cases=1000, since=SINCE, until=UNTIL, quirks=quirks) as tenant:
        tenant.insert_many({"createdDate": CROWD} for _ in range(700))
        async with client(tenant, Profile(max_count=300) if known else None) as aicc:
            report = await export_cases(aicc, QUARTER, out)
        crowd = set(tenant.ids(CROWD, CROWD))
        assert set(written(out)) >= set(tenant.ids()) - crowd
    [doubt, *more] = report.unverified
    assert doubt.reason == "the total may be capped at 300"
    for window in [doubt, *more]:
        assert str(window.start) <= CROWD <= str(window.end)
    assert not report.verified


async def test_a_tenant_of_one_crowded_second_is_in_doubt(out: Path) -> None:
    """Without any other total to compare with, nobody can tell whether that is all."""
    async with Emulator(cases=0) as tenant, client(tenant) as aicc:
        tenant.insert_many({"createdDate": CROWD} for _ in range(300))
        report = await export_cases(aicc, QUARTER, out)
        assert report.rows == 300
        assert {window.reason for window in report.unverified} == {"the total may be capped at 300"}
        tenant.insert(createdDate="2020-01-01 00:00:00")
        report = await export_cases(aicc, QUARTER, out)
        assert report.verified


async def test_a_usual_export_costs_two_requests_more_at_most(out: Path) -> None:
    """Several windows prove each other; one that is all there is is proven by its halves."""
    async with Emulator(cases=600, since=SINCE, until=UNTIL) as tenant, client(tenant) as aicc:
        bodies = [await limits(aicc, tenant, query, out) for query in (QUARTER, MONTH)]
    # What is there from the beginning on: the windows have as many.
    assert bodies[0].count(1) == 1
    # A month has fewer: what is behind it is counted too, at the same time as the whole again.
    assert bodies[1].count(1) == 1 + 2


async def test_a_month_that_is_all_there_is_costs_two_requests_more(out: Path) -> None:
    """Its halves are counted, once."""
    until = SINCE + timedelta(days=30)
    async with Emulator(cases=600, since=SINCE, until=until) as tenant, client(tenant) as aicc:
        assert (await limits(aicc, tenant, MONTH, out)).count(1) == 1 + 2


async def limits(aicc: AICCClient, tenant: Emulator, query: CaseQuery, out: Path) -> list[int]:
    """Export, and return how many rows each request was for."""
    before = len(tenant.requests)
    assert (await export_cases(aicc, query, out, restart=True)).verified
    return [msgspec.json.decode(one.body)["limit"] for one in tenant.requests[before:]]


async def test_totals_that_count_rows_nobody_sees_are_not_chased(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where some rows are announced and never come, windows are not cut into seconds for them."""
    page = Store.page

    def hide(store: Store, query: Query, **order: Any) -> tuple[list[bytes], int]:
        rows, count = page(store, evolve(query, start=0, limit=10_000), **order)
        seen = [row for row in rows if crc32(row) % 50]
        return seen[query.start : query.start + query.limit], count

    monkeypatch.setattr(Store, "page", hide)
    async with Emulator(cases=3000, since=SINCE, until=UNTIL) as tenant, client(tenant) as aicc:
        report = await export_cases(aicc, QUARTER, out)
    assert 2900 < report.rows < 3000
    assert len(report.unverified) >= 3
    assert report.requests < 200
