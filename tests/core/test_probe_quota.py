"""The probe, and what is around the tenant: the gateway's quota, the platform's own route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.tenants import client_of, count, pair
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import ConfigError, RateLimit
from aicc_async._protocol.refusals import parse_quota
from aicc_async.cli.group import run
from aicc_async.emulator import Emulator, Fault, Quirks, Readings
from aicc_async.probe import probe
from aicc_async.probe.gateway import lowest_quota
from aicc_async.settings.profile import Profile

GATEWAY: dict[str, Any] = {"cases": 30, "quirks": Quirks(gateway=True)}
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def debug_requests(tenant: Emulator) -> int:
    """Count the requests that asked the gateway."""
    return sum("X-Apig-Mode" in request.headers for request in tenant.requests)


async def test_a_gateway_is_asked_for_its_quota_and_no_rate_is_tried() -> None:
    """The lower of its quotas is found by one request; with it no rate is looked for."""
    async with pair(**GATEWAY, quota=50) as (tenant, aicc):
        profile = await probe(aicc, find_rate=True)
        assert debug_requests(tenant) == 1
        assert len(tenant.requests) <= 40
        assert tenant.refused == 0
    assert (profile.quota, profile.rate, profile.rate_refused) == ("50/1", None, None)
    assert profile.rate_limit == RateLimit(40)


async def test_a_gateway_without_a_quota_of_the_api_tells_its_ceiling() -> None:
    """200 a second, for all environments together."""
    async with pair(**GATEWAY) as (_, aicc):
        assert (await probe(aicc)).quota == "200/1"


async def test_without_a_gateway_nothing_is_known_and_nothing_tried() -> None:
    """It is asked once all the same; only ``find_rate`` would try."""
    async with pair(cases=30) as (tenant, aicc):
        profile = await probe(aicc)
        assert debug_requests(tenant) == 1
    assert (profile.quota, profile.rate, profile.platform) == (None, None, None)


async def test_a_client_keeps_to_the_quota_of_its_profile() -> None:
    """Four fifths of it, in its own period; a rate limit of the client's goes before it."""
    profile = Profile(quota="10/10", rate=30.0, rate_refused=40.0)
    assert profile.rate_limit == RateLimit(8, per=10)
    async with (
        Emulator(cases=0) as tenant,
        client_of(tenant, profile=profile) as aicc,
        client_of(tenant, profile=profile, rate_limit=RateLimit(3)) as other,
    ):
        assert aicc.api.rate_limit == RateLimit(8, per=10)
        assert other.api.rate_limit == RateLimit(3)


@pytest.mark.parametrize("quota", ["fast", "0", "1/0", 10, "10/"])
def test_a_quota_is_a_rate(quota: Any) -> None:
    """What no rate limit can be is refused."""
    with pytest.raises(ConfigError, match="quota must be like '10' or '600/60', got "):
        Profile(quota=quota)


@given(
    limit=st.integers(0, 10**9 - 1),
    periods=st.integers(0, 10**9 - 1),
    unit=st.sampled_from(sorted(UNITS)),
    remain=st.integers(0, 10**9),
)
def test_quotas_are_read_as_they_are_written(
    limit: int, periods: int, unit: str, remain: int
) -> None:
    """In a header, and in the text of a refusal."""
    text = f"limit:{limit},time:{periods} {unit}"
    assert parse_quota(f"remain:{remain},{text}") == (limit, periods * UNITS[unit])
    assert parse_quota(f"policy user over ratelimit,{text}") == (limit, periods * UNITS[unit])


@given(text=st.text())
def test_any_header_is_read(text: str) -> None:
    """What is no quota is none, and raises nothing."""
    assert lowest_quota({"X-Apig-RateLimit-api": text, "Date": "limit:1,time:1 second"}) is None


def test_the_lowest_quota_counts() -> None:
    """By requests in a second, whatever the period; one of nothing is none."""
    headers = {
        "X-Apig-RateLimit-api-allenv": "remain:199,limit:200,time:1 second",
        "x-apig-ratelimit-user": "remain:9,limit:10,time:10 second",
        "X-Apig-RateLimit-app": "remain:99,limit:100,time:1 minute",
        "X-Apig-RateLimit-ip": "remain:0,limit:0,time:1 second",
    }
    assert lowest_quota(headers) == (10, 10.0)


# ---- the platform's own route ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "answer"),
    [
        ("answers", "answered"),
        ("refuses", "refused: HTTP 403, resCode 405230403"),
        ("absent", "refused: HTTP 404, resCode 404"),
    ],
)
async def test_the_platform_is_asked_once(reading: str, answer: str) -> None:
    """How it met the count is in the profile; the count itself is not."""
    async with pair(cases=3, readings=Readings(platform=reading)) as (tenant, aicc):
        assert (await probe(aicc, platform=True)).platform == answer
        assert count(tenant, "platform_count") == (reading != "absent")
        assert not any(request.applied for request in tenant.requests)


async def test_the_platform_is_not_asked_unless_told() -> None:
    """It is off by default."""
    async with pair(cases=3, readings=Readings(platform="answers")) as (tenant, aicc):
        assert (await probe(aicc)).platform is None
        assert count(tenant, "platform_count") == 0


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault.HTTP_503, "refused: HTTP 503, resCode 405230503"),
        (Fault.HTML_200, "answered otherwise than documented"),
        (Fault.DROP_AFTER, "not answered"),
    ],
)
async def test_a_platform_that_fails_is_not_asked_again(fault: Fault, answer: str) -> None:
    """Whatever comes of it, one request was sent, and the rest of the profile is there."""
    async with pair(cases=3, readings=Readings(platform="answers")) as (tenant, aicc):
        tenant.fail("platform_count", fault, times=None)
        profile = await probe(aicc, platform=True)
        assert count(tenant, "platform_count") == 1
    assert profile.platform == answer
    assert profile.content_type is not None


def test_the_command_writes_what_it_got(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """``--platform`` is in the file and in the table; the tenant of the demo has no such route."""
    path = tmp_path / "profile.toml"
    command = ["aicc-async", "probe", "--demo", "--platform", "-o", str(path)]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setenv("COLUMNS", "120")
    assert run() == 0
    assert Profile.load(path).platform == "refused: HTTP 404, resCode 404"
    printed = capsys.readouterr().out
    assert "refused: HTTP 404, resCode 404" in printed
    assert "Quota, as the gateway tells" in printed
