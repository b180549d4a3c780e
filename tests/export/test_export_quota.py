"""Behind a real nginx that keeps a quota, and through outages: one run is enough."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.exports import QUARTER, SINCE, UNTIL, read_jsonl
from helpers.nginx import REFUSE_429, REFUSE_503, limiting
from helpers.tenants import NEW

from aicc_async import (
    AICCClient,
    ClientCredentials,
    Dialect,
    RateLimit,
    RetryPolicy,
    ServerError,
    StaticToken,
    TransportError,
    UnknownOutcome,
    export_cases,
)
from aicc_async.emulator import Emulator, Fault

# How nginx's 503 is known: by its bursts, or since it is said.
THROTTLES_503 = Dialect(throttle_statuses=(503,))


def client_of(tenant: Emulator, url: str, **options: Any) -> AICCClient:
    """Return a client of a tenant that is behind another address."""
    return AICCClient(url, auth=StaticToken(tenant.token()), **options)


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (REFUSE_429, {}),
        (REFUSE_429, {"max_concurrency": 1}),
        (REFUSE_429, {"rate_limit": RateLimit(100)}),
        (REFUSE_429, {"rate_limit": RateLimit.adaptive()}),
        (REFUSE_503, {}),
        (REFUSE_503, {"dialect": THROTTLES_503}),
        (REFUSE_503, {"rate_limit": RateLimit.adaptive(10), "dialect": THROTTLES_503}),
    ],
)
async def test_an_export_ends_behind_a_quota_of_nginxs(
    tmp_path: Path, status: str, options: dict[str, Any]
) -> None:
    """Whatever the limit, and whichever status it refuses with, one run is enough."""
    async with Emulator(cases=3000, since=SINCE, until=UNTIL) as tenant:
        with limiting(tenant.url, options=status) as url:
            async with client_of(tenant, url, **options) as aicc:
                report = await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl")
        assert (report.verified, report.rows) == (True, 3000)
        assert {row["id"] for row in read_jsonl(tmp_path / "cases.jsonl")} == set(tenant.ids())


@pytest.mark.parametrize("rate", [RateLimit(8), RateLimit(8, strict=True), RateLimit(8, burst=1)])
async def test_a_limit_below_the_quota_is_never_refused(tmp_path: Path, rate: RateLimit) -> None:
    """An export, an iterator, and with burst=1 anything else: nginx refuses nothing."""
    async with Emulator(cases=1000, since=SINCE, until=UNTIL) as tenant:
        # It refuses the sixth of eight at once, but none of what a slow machine bunches.
        burst = "limit_req zone=q burst=4 nodelay; limit_req_status 429;"
        with limiting(tenant.url, rate=10, options=burst) as url:
            async with client_of(tenant, url, rate_limit=rate) as aicc:
                await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl")
                ids = [case.id async for case in aicc.iter_cases(QUARTER)]
                if rate.burst:
                    await asyncio.gather(*(aicc.get_case(case_id) for case_id in ids[:8]))
    assert len(ids) == 1000
    assert (aicc.stats.throttled, aicc.stats.retries) == (0, 0)


async def test_creates_at_once_behind_a_quota_are_made_once_each() -> None:
    """A refusal is no doubt: all creates of a burst are made, in the service's own time."""
    async with Emulator(cases=0) as tenant:
        with limiting(tenant.url) as url:
            async with client_of(tenant, url, max_concurrency=20) as aicc:
                ids = await asyncio.gather(*(aicc.create_case(NEW) for _ in range(20)))
        assert aicc.stats.throttled > 0
        assert sorted(ids) == sorted(tenant.ids())


@pytest.mark.parametrize("dialect", [Dialect(), THROTTLES_503])
async def test_a_503_is_no_doubt_of_a_create_where_that_is_said(dialect: Dialect) -> None:
    """A 503 may come from behind the gateway: only what the caller says makes creates go again."""
    async with Emulator(cases=0) as tenant:
        with limiting(tenant.url, options=REFUSE_503) as url:
            async with client_of(tenant, url, max_concurrency=20, dialect=dialect) as aicc:
                creates = (aicc.create_case(NEW) for _ in range(20))
                ends = await asyncio.gather(*creates, return_exceptions=True)
        made = [end for end in ends if isinstance(end, str)]
        assert sorted(made) == sorted(tenant.ids())
    unknown = [end for end in ends if isinstance(end, UnknownOutcome)]
    assert len(made) + len(unknown) == 20
    assert bool(unknown) is (dialect == Dialect())


# ---- outages -------------------------------------------------------------------------------

# Single calls end before any of the outages here.
QUICK = RetryPolicy(attempts=3, base=0.001, cap=0.02, patience=60)


async def until_requests(aicc: AICCClient, number: int) -> None:
    """Wait until so many requests were sent, or tried."""
    while aicc.stats.requests < number:  # noqa: ASYNC110  (nothing tells it)
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("fault", [Fault.HTTP_502, Fault.HTTP_503, Fault.DROP_BEFORE])
@pytest.mark.parametrize("skip", [0, 1, 20])
async def test_an_export_rides_out_an_outage(
    tenant: Emulator, tmp_path: Path, fault: Fault, skip: int
) -> None:
    """Far more failures than attempts, while planning or reading, cost time and nothing else."""
    async with client_of(tenant, tenant.url, retry=QUICK, max_concurrency=2) as aicc:
        exporting = asyncio.create_task(
            export_cases(aicc, QUARTER, tmp_path / "c.jsonl", detail=True)
        )
        await until_requests(aicc, skip)
        tenant.fail("*", fault, times=300)
        report = await exporting
    assert (report.verified, report.rows, report.without_detail) == (True, 300, 0)
    assert report.retries == 300


async def test_an_export_rides_out_a_service_that_is_not_there(
    tenant: Emulator, tmp_path: Path
) -> None:
    """Nothing listens for dozens of attempts: what was read is kept, and reading goes on."""
    with limiting(tenant.url, options="") as url:
        port = int(url.rpartition(":")[2])
        # Its connections end with it.
        aicc = client_of(tenant, url, retry=QUICK, max_concurrency=2)
        exporting = asyncio.create_task(
            export_cases(aicc, QUARTER, tmp_path / "c.csv", detail=True)
        )
        await until_requests(aicc, 20)
    async with aicc:
        await until_requests(aicc, aicc.stats.requests + 60)
        assert not exporting.done()
        with limiting(tenant.url, options="", port=port):
            report = await exporting
    assert (report.verified, report.rows) == (True, 300)


async def test_an_export_rides_out_an_outage_of_the_sign_in(
    tenant: Emulator, tmp_path: Path
) -> None:
    """A token that can't be renewed for a while ends no export, and no iterator."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(tenant.url, auth=auth, retry=QUICK) as aicc:
        tenant.fail("token", Fault.HTTP_503, times=40)
        assert len([case async for case in aicc.iter_cases(QUARTER)]) == 300
        tenant.expire_tokens()
        tenant.fail("token", Fault.DROP_BEFORE, times=40)
        report = await export_cases(aicc, QUARTER, tmp_path / "c.jsonl")
    assert (report.verified, report.rows) == (True, 300)


async def test_an_iterator_rides_out_an_outage_and_a_call_does_not(tenant: Emulator) -> None:
    """A single call has its attempts, and no more."""
    async with client_of(tenant, tenant.url, retry=QUICK) as aicc:
        tenant.fail("list", Fault.HTTP_502, times=50)
        with pytest.raises(ServerError):
            await aicc.list_cases()
        assert aicc.stats.requests == 3
        assert len([case async for case in aicc.iter_cases(QUARTER)]) == 300


async def test_an_outage_that_outlasts_the_patience_ends_an_export(
    tenant: Emulator, tmp_path: Path
) -> None:
    """It ends in the outage's own error; the same call resumes."""
    policy = RetryPolicy(base=0.001, patience=0.2, cap=0.02)
    async with client_of(tenant, tenant.url, retry=policy) as aicc:
        tenant.fail("list", Fault.DROP_BEFORE, times=None)
        with pytest.raises(TransportError):
            await export_cases(aicc, QUARTER, tmp_path / "c.jsonl")
        tenant.clear_faults()
        assert (await export_cases(aicc, QUARTER, tmp_path / "c.jsonl")).rows == 300
