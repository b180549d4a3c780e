"""A plan of an export: what it announces is what the export takes, and it writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from helpers.exports import QUARTER, SINCE, UNTIL
from helpers.tenants import client_of, count, pair

from aicc_async import CaseQuery, ConfigError, RateLimit, export_cases, plan_export
from aicc_async.emulator import Emulator
from aicc_async.settings.profile import Profile

TENANT: dict[str, Any] = {"cases": 900, "since": SINCE, "until": UNTIL}


def limits(tenant: Emulator) -> list[int]:
    """Return how many rows each request for a page was for."""
    bodies = [each.body for each in tenant.requests if each.operation == "list"]
    return [msgspec.json.decode(body)["limit"] for body in bodies]


async def test_it_asks_only_what_the_plan_needs() -> None:
    """A page for each window, one of which tells the size, and a count of the whole range."""
    async with pair(**TENANT) as (tenant, aicc):
        found = await plan_export(aicc, QUARTER)
        assert limits(tenant).count(1) == 1
        assert limits(tenant).count(100) == len(found.windows)
        assert found.asked == len(tenant.requests) == len(found.windows) + 1 + 1
    assert (found.rows, found.start, found.end) == (900, str(SINCE), str(UNTIL))


@pytest.mark.parametrize("detail", [False, True])
async def test_the_export_takes_what_was_planned(tmp_path: Path, detail: bool) -> None:
    """Rows and windows as planned, requests but for two a window, and about as many bytes."""
    tenant_of = TENANT | {"cases": 250}
    async with pair(**tenant_of) as (_, aicc):
        found = await plan_export(aicc, QUARTER, detail=detail)
    async with pair(**tenant_of) as (tenant, aicc):
        report = await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl", detail=detail)
        assert count(tenant, "get") == 250 * detail
    assert (found.rows, len(found.windows)) == (report.rows, len(report.windows))
    assert 0 <= report.requests - found.requests <= 2 * len(found.windows)
    assert found.size == pytest.approx(report.size, rel=0.15)


async def test_a_smaller_page_is_more_requests(tmp_path: Path) -> None:
    """The tenant's page size, which its profile knows, is the one that is planned with."""
    async with Emulator(**TENANT) as tenant:
        profile = Profile(page_size=20)
        async with client_of(tenant, profile=profile, timezone="Asia/Shanghai") as aicc:
            found = await plan_export(aicc, QUARTER)
        async with client_of(tenant, profile=profile, timezone="Asia/Shanghai") as aicc:
            report = await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl")
    assert 0 <= report.requests - found.requests <= 2 * len(found.windows)


@pytest.mark.parametrize(
    ("rate", "seconds_per_request"),
    [(None, None), (RateLimit(10), 0.1), (RateLimit(60, per=0.5), 0.5 / 60)],
)
async def test_the_time_is_that_of_the_rate(
    rate: RateLimit | None, seconds_per_request: float | None
) -> None:
    """As many requests as the limit lets through; without one it is not known."""
    async with (
        Emulator(cases=0) as tenant,
        client_of(tenant, rate_limit=rate, timezone="Asia/Shanghai") as aicc,
    ):
        found = await plan_export(aicc, QUARTER)
    expected = seconds_per_request and pytest.approx(found.requests * seconds_per_request)
    assert found.seconds == expected
    assert (found.rows, found.size) == (0, None)


async def test_bad_input_sends_nothing() -> None:
    """The arguments are checked as those of an export are."""
    async with pair(cases=0) as (tenant, aicc):
        with pytest.raises(ConfigError, match="query must be a CaseQuery"):
            await plan_export(aicc, "all")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="settle must be a timedelta"):
            await plan_export(aicc, CaseQuery(), settle=5)  # type: ignore[arg-type]
        assert not tenant.requests
