"""A token in a real Redis: one process signs in, the others take it, and nobody shows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import redis
from helpers.commands import unset_options
from helpers.redis_process import RedisServer
from helpers.tenants import QUICK, count

from aicc_async import AICCClient, AuthError, ClientCredentials, ConfigError, TransportError
from aicc_async.cli.connect import client as command_client
from aicc_async.connectors.redis import RedisTokens
from aicc_async.connectors.redis.tokens import RedisTokenStore
from aicc_async.connectors.spark.options import source_from_options
from aicc_async.credentials import IssuedToken
from aicc_async.emulator import Emulator, Quirks

pytest_plugins = ["helpers.redis_server"]


@pytest.fixture
async def tenant() -> AsyncIterator[Emulator]:
    """Run a tenant that keeps one token per app."""
    async with Emulator(cases=3, quirks=Quirks(one_token=True)) as emulator:
        yield emulator


def sharing(tenant: Emulator, url: str, *, secret: str | None = None) -> AICCClient:
    """Return a client as each process has one."""
    auth = ClientCredentials(
        tenant.client_id, secret or tenant.client_secret, shared=RedisTokens(url)
    )
    return AICCClient(tenant.url, auth=auth, retry=QUICK, timezone="Asia/Shanghai")


@pytest.fixture
async def clients(tenant: Emulator, redis_url: str) -> AsyncIterator[list[AICCClient]]:
    """Run four clients, each with a connection to Redis of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(sharing(tenant, redis_url)) for _ in range(4)]


async def ask_all(clients: list[AICCClient]) -> None:
    """Ask with each client, five times at once."""
    await asyncio.gather(*(client.list_cases(limit=1) for client in clients for _ in range(5)))


async def test_without_sharing_a_second_sign_in_ends_the_first(tenant: Emulator) -> None:
    """Two clients of such a tenant refuse each other's tokens: the trouble that sharing ends."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(tenant.url, auth=auth) as one, AICCClient(tenant.url, auth=auth) as two:
        for _ in range(3):
            await one.list_cases(limit=1)
            await two.list_cases(limit=1)
    assert count(tenant, "token") == 6


async def test_one_signs_in_for_all(tenant: Emulator, clients: list[AICCClient]) -> None:
    """However many begin together, one of them signs in; a refused token is renewed by one."""
    await ask_all(clients)
    assert count(tenant, "token") == 1
    tenant.expire_tokens()
    await ask_all(clients)
    await ask_all(clients)
    assert count(tenant, "token") == 2
    statuses = [request.status for request in tenant.requests if request.operation == "list"]
    assert statuses.count(401) <= len(clients) * 5


async def test_the_token_ends_in_redis_with_itself(
    tenant: Emulator, clients: list[AICCClient], redis_url: str
) -> None:
    """It is stored until it should be renewed; the turn is given back."""
    await ask_all(clients)
    with redis.Redis.from_url(redis_url) as server:
        [key] = server.keys()
        assert key.startswith(b"aicc:token:{")
        assert tenant.client_id.encode() not in key
        left = server.pttl(key) / 1000
    assert tenant.token_lifetime - 120 < left <= tenant.token_lifetime - 60


async def test_a_wrong_secret_ends_its_turn(tenant: Emulator, redis_url: str) -> None:
    """A sign-in that fails holds up nobody."""
    async with sharing(tenant, redis_url, secret="wrong") as wrong:
        with pytest.raises(AuthError):
            await wrong.list_cases()
    async with sharing(tenant, redis_url) as right:
        await right.list_cases(limit=1)


async def test_a_refused_sign_in_is_told_without_redis(
    redis_server: RedisServer, redis_url: str
) -> None:
    """A turn that can't be ended hides no error of the sign-in: it ends by itself."""
    store = RedisTokenStore(redis_url, "app")

    async def sign_in() -> IssuedToken:
        redis_server.kill()
        raise AuthError("wrong secret")

    try:
        with pytest.raises(AuthError, match=r"^wrong secret$"):
            await store.obtain(sign_in, refused=None)
    finally:
        redis_server.start()
        await store.close()


async def test_a_sign_in_that_lost_its_turn_is_not_stored(redis_url: str) -> None:
    """A newer token stays: the late one is dropped, and the newer one taken."""
    store = RedisTokenStore(redis_url, "app")
    issued = iter(["late", "never"])

    async def sign_in() -> IssuedToken:
        with redis.Redis.from_url(redis_url) as server:
            [turn] = server.keys()
            server.delete(turn)
            server.set(turn.replace(b":turn", b":value"), "newer", px=60_000)
        return IssuedToken(next(issued), 60.0)

    assert (await store.obtain(sign_in, refused=None)).token == "newer"
    await store.close()


async def test_nothing_shows_the_token(
    tenant: Emulator, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No log and no repr has it, nor the URL of the Redis."""
    caplog.set_level(logging.DEBUG)
    async with sharing(tenant, redis_url) as client:
        await client.list_cases(limit=1)
    with redis.Redis.from_url(redis_url) as server:
        token = server.get(server.keys()[0]).decode()
    shared = RedisTokens(redis_url)
    texts = [caplog.text, repr(shared), repr(ClientCredentials("id", "s", shared=shared))]
    assert not [text for text in [*texts, repr(IssuedToken(token, 1.0))] if token in text]
    assert redis_url not in "".join(texts)


async def test_an_outage_of_redis_ends_no_token(
    tenant: Emulator, redis_server: RedisServer, redis_url: str
) -> None:
    """The token at hand is used on; a renewal is an error that says it was not sent."""
    async with sharing(tenant, redis_url) as client:
        await client.list_cases(limit=1)
        redis_server.kill()
        try:
            await client.list_cases(limit=1)
            tenant.expire_tokens()
            with pytest.raises(TransportError, match="the Redis that holds the token") as caught:
                await client.list_cases(limit=1)
        finally:
            redis_server.start()
    assert not caught.value.sent
    assert count(tenant, "token") == 1


async def test_commands_share_it_by_a_variable(
    tenant: Emulator, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``AICC_TOKEN_REDIS_URL`` is enough."""
    monkeypatch.setenv("AICC_BASE_URL", tenant.url)
    monkeypatch.setenv("AICC_CLIENT_ID", tenant.client_id)
    monkeypatch.setenv("AICC_CLIENT_SECRET", tenant.client_secret)
    monkeypatch.setenv("AICC_TOKEN_REDIS_URL", redis_url)
    for _ in range(2):
        async with command_client(**unset_options()) as aicc:
            await aicc.list_cases(limit=1)
    assert count(tenant, "token") == 1


async def test_spark_s_tasks_share_it_by_the_same_variable(
    tenant: Emulator, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task makes a client of its own, and all of them use one token."""
    monkeypatch.setenv("AICC_TOKEN_REDIS_URL", redis_url)
    credentials = {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    source = source_from_options({"base_url": tenant.url, **credentials}, {})
    async with source.client() as one, source.client() as two:
        await ask_all([one, two])
    assert count(tenant, "token") == 1


def test_bad_input_is_named() -> None:
    """What is no URL, and what is no store."""
    with pytest.raises(ConfigError, match="redis must be a URL of Redis"):
        RedisTokens("http://host")
    with pytest.raises(ConfigError, match="shared must be RedisTokens or None, got str"):
        ClientCredentials("id", "s", shared="redis://host")  # type: ignore[arg-type]
