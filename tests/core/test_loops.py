"""One client per event loop: a second loop gets a ConfigError, whatever it calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from helpers.tenants import NEW, QUICK

from aicc_async import (
    AICCClient,
    CaseEnqueue,
    CaseQuery,
    ClientCredentials,
    ConfigError,
    QFlowClient,
    RateLimit,
    SQLiteJournal,
    export_cases,
)
from aicc_async.emulator import Emulator, run_in_thread

MESSAGE = "one client per event loop"


async def _read_all(client: AICCClient) -> None:
    async for _ in client.iter_cases():
        pass


async def _create_all(client: AICCClient) -> None:
    async def items() -> AsyncIterator[tuple[str, Any]]:
        yield "k2", NEW

    async for _ in client.create_cases(items()):
        pass


CALLS: dict[str, Callable[[AICCClient, Path], Awaitable[Any]]] = {
    "list": lambda client, _: client.list_cases(),
    "iterate": lambda client, _: _read_all(client),
    "create": lambda client, _: client.create_case(NEW),
    "keyed create": lambda client, _: client.create_case(NEW, key="k1"),
    "many creates": lambda client, _: _create_all(client),
    "export": lambda client, folder: export_cases(client, CaseQuery(), folder / "cases.jsonl"),
    "close": lambda client, _: client.close(),
}


def _client(tenant: Emulator, **options: Any) -> AICCClient:
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    return AICCClient(tenant.url, auth=auth, retry=QUICK, timezone="Asia/Shanghai", **options)


@pytest.mark.parametrize("rate", [None, RateLimit(50, strict=True), RateLimit.adaptive(50, 90)])
@pytest.mark.parametrize("name", CALLS)
def test_a_second_loop_is_a_config_error(tmp_path: Path, name: str, rate: RateLimit | None) -> None:
    """What was used in one loop is refused in another one, and goes on in its own."""
    with run_in_thread(cases=3) as tenant, asyncio.Runner() as first, asyncio.Runner() as second:
        client = _client(tenant, journal=SQLiteJournal(":memory:"), rate_limit=rate)
        first.run(client.create_case(NEW, key="k0"))

        async def call() -> None:
            await CALLS[name](client, tmp_path)

        with pytest.raises(ConfigError, match=MESSAGE):
            second.run(call())
        assert first.run(client.list_cases()).count == 4
        first.run(client.close())


def test_qflow_refuses_a_second_loop() -> None:
    """The client of Q-Flow says the same."""
    with run_in_thread() as tenant, asyncio.Runner() as first, asyncio.Runner() as second:
        client = QFlowClient(tenant.qflow_url)
        first.run(client.enqueue_case(CaseEnqueue(service_id=2)))
        with pytest.raises(ConfigError, match=MESSAGE):
            second.run(client.get_case(1))
        first.run(client.close())


def test_a_callers_session_of_another_loop_is_refused() -> None:
    """A session that was made in another loop is refused before anything is sent."""

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    with run_in_thread() as tenant, asyncio.Runner() as first, asyncio.Runner() as second:
        session = first.run(make())
        client = _client(tenant, session=session)
        with pytest.raises(ConfigError, match=MESSAGE):
            second.run(client.list_cases())
        assert not tenant.requests
        first.run(session.close())


def test_a_client_may_be_made_outside_of_its_loop() -> None:
    """Only where it is used counts, not where it is made."""
    with run_in_thread(cases=3) as tenant, asyncio.Runner() as runner:
        client = _client(tenant)
        assert runner.run(client.list_cases()).count == 3
        runner.run(client.close())
