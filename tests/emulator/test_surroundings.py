"""What is around a tenant: one token per app, a gateway's headers, the platform's own route."""

import aiohttp
import pytest
from emulator.bare_client import FIRST_PAGE, LIST, TOKEN, BareClient, sign_in_form

from aicc_async.emulator import Emulator, Quirks, Readings

PLATFORM = "/u-route/baas/data/v1.0/count/AICC__CASE__CST"
DEBUG = {"X-Apig-Mode": "debug"}


@pytest.mark.parametrize(("one_token", "code"), [(True, "405230602"), (False, "0")])
async def test_a_second_sign_in_ends_the_first_token(
    http: aiohttp.ClientSession, *, one_token: bool, code: str
) -> None:
    """Only where the tenant keeps one token per app, and only a sign-in that succeeds."""
    async with Emulator(cases=0, quirks=Quirks(one_token=one_token)) as tenant:
        client = BareClient(tenant, http)
        wrong = sign_in_form(tenant, client_secret="wrong")
        await http.post(f"{tenant.url}{TOKEN}", data=wrong)
        assert await client.code() == "0"
        await http.post(f"{tenant.url}{TOKEN}", data=sign_in_form(tenant))
        assert await client.code() == code


async def test_the_gateway_tells_its_quotas_to_who_asks(http: aiohttp.ClientSession) -> None:
    """What is left of each goes down; who does not ask gets an id alone."""
    async with Emulator(cases=0, quota=10, quirks=Quirks(gateway=True)) as tenant:
        client = BareClient(tenant, http)
        plain = await client.send("POST", LIST, FIRST_PAGE)
        asked = await client.send("POST", LIST, FIRST_PAGE, headers=DEBUG)
    assert plain.headers["X-Request-Id"] != asked.headers["X-Request-Id"]
    assert not [name for name in plain.headers if name.startswith("X-Apig-")]
    assert asked.headers["X-Apig-RateLimit-api"] == "remain:8,limit:10,time:1 second"
    assert asked.headers["X-Apig-RateLimit-api-allenv"].endswith(",limit:200,time:1 second")


async def test_without_a_gateway_nobody_tells(client: BareClient) -> None:
    """It is off by default."""
    reply = await client.send("POST", LIST, FIRST_PAGE, headers=DEBUG)
    assert not [name for name in reply.headers if name.startswith("X-")]


@pytest.mark.parametrize(
    ("reading", "status", "code"),
    [("absent", 404, "404"), ("refuses", 403, "405230403"), ("answers", 200, "0")],
)
async def test_the_platform_s_route(
    http: aiohttp.ClientSession, reading: str, status: int, code: str
) -> None:
    """It is absent by default, and may answer or refuse an account."""
    async with Emulator(cases=7, readings=Readings(platform=reading)) as tenant:
        reply = await BareClient(tenant, http).send("POST", PLATFORM, {"condition": {}})
    assert (reply.status, reply.json()["resCode"]) == (status, code)
    if status == 200:
        assert reply.json()["result"] == [{"count": 7}]
