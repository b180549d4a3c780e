"""Fixtures of the emulator's tests: a bare HTTP client of the tenant that all tests have."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from emulator.bare_client import BareClient

from aicc_async.emulator import Emulator


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session that never inflates a bomb."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
def client(tenant: Emulator, http: aiohttp.ClientSession) -> BareClient:
    """Sign a bare client in."""
    return BareClient(tenant, http)
