"""Signing in, and what tokens open."""

import aiohttp
import pytest
from emulator.bare_client import (
    FIRST_PAGE,
    JSON,
    LIST,
    QFLOW_SIGN_IN,
    TOKEN,
    BareClient,
    sign_in_form,
)

from aicc_async.emulator import Emulator, Latency


async def test_client_credentials_give_a_token_that_works(client: BareClient) -> None:
    """A token issued for client credentials is accepted, and its lifetime is announced."""
    async with client.http.post(
        f"{client.tenant.url}{TOKEN}", data=sign_in_form(client.tenant)
    ) as r:
        answer = await r.json()
    assert answer["expires_in"] == 7200
    assert answer["token_type"] == "Bearer"
    client.headers["access-token"] = answer["access_token"]
    assert await client.code() == "0"


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"grant_type": "password"}])
async def test_wrong_credentials_are_refused(client: BareClient, changes: dict[str, str]) -> None:
    """A wrong secret or grant is a 400 with an OAuth error."""
    form = sign_in_form(client.tenant, **changes)
    async with client.http.post(f"{client.tenant.url}{TOKEN}", data=form) as response:
        assert response.status == 400
        assert (await response.json()).keys() == {"error", "error_description"}


async def test_credentials_in_the_query_are_refused(client: BareClient) -> None:
    """Secrets in the query string are refused, since addresses end up in logs."""
    url = f"{client.tenant.url}{TOKEN}"
    async with client.http.post(url, params=sign_in_form(client.tenant)) as response:
        assert response.status == 400


@pytest.mark.parametrize("token", [None, "", "invented"])
async def test_a_bad_token_is_refused(client: BareClient, token: str | None) -> None:
    """A missing or unknown token is a 401 with the observed resCode."""
    client.headers = {"Content-Type": JSON} | ({} if token is None else {"access-token": token})
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert (reply.status, reply.json()["resCode"]) == (401, "405230602")


async def test_expired_tokens_are_refused(client: BareClient) -> None:
    """Tokens issued before expire_tokens are refused, later ones are not."""
    client.tenant.expire_tokens()
    assert await client.code() == "405230602"
    client.headers["access-token"] = client.tenant.token()
    assert await client.code() == "0"


async def test_a_token_expires_after_its_lifetime(http: aiohttp.ClientSession) -> None:
    """A token with a lifetime of 0 is expired at once."""
    async with Emulator(cases=0, token_lifetime=0) as tenant:
        assert await BareClient(tenant, http).code() == "405230602"


async def test_signing_in_costs_no_quota_and_no_latency(http: aiohttp.ClientSession) -> None:
    """A sign-in to Q-Flow costs no quota and is not delayed, like that to AICC."""
    async with Emulator(cases=0, quota=1, latency=Latency(30)) as tenant:
        client = BareClient(tenant, http)
        for _ in range(3):
            assert (await client.qflow("POST", "Users/Token", QFLOW_SIGN_IN))[0] == 200
        assert tenant.peak == 0
