"""What the tests share: a tenant on a socket, a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from helpers.clock import Jump, StoppedClock, jump_of
from hypothesis import HealthCheck, settings

from aicc_async import AICCClient, ClientCredentials, RetryPolicy
from aicc_async.emulator import Emulator

# a slow machine is no failure: nothing is judged by time here
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_configure() -> None:
    """Leave no loop set before the first test: pytest-asyncio makes one there, never closed."""
    asyncio.set_event_loop(None)


@pytest.fixture
async def tenant() -> AsyncIterator[Emulator]:
    """Run a tenant with 300 cases of January to March 2025."""
    since, until = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
    async with Emulator(cases=300, since=since, until=until) as emulator:
        yield emulator


@pytest.fixture
async def aicc(tenant: Emulator) -> AsyncIterator[AICCClient]:
    """Run a client of that tenant that signs in and hardly waits between attempts."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(
        tenant.url, auth=auth, retry=RetryPolicy(base=0.001, patience=0)
    ) as client:
        yield client


@pytest.fixture
async def jump() -> Jump:
    """Return what puts the clock of the test's loop past what is waited for."""
    return jump_of(asyncio.get_running_loop())


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Stop the clock of the test's loop, by which tenants count their quotas as well."""
    stopped = StoppedClock(asyncio.get_running_loop())
    monkeypatch.setattr("aicc_async.emulator.handler.time", stopped)
    return stopped
