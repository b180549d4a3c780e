"""Clients of an emulated tenant that hardly wait between attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aicc_async import AICCClient, ClientCredentials, NewCase, RetryPolicy, StaticToken
from aicc_async.emulator import Emulator

QUICK = RetryPolicy(base=0.001, patience=0)
NEW = NewCase(title="t", description="d", type="T", contact_id="c", creator_id="u")


def client_of(tenant: Emulator, *, signs_in: bool = True, **options: Any) -> AICCClient:
    """Return a client of a tenant, which has a token already unless it ``signs_in``."""
    credentials = ClientCredentials(tenant.client_id, tenant.client_secret)
    auth = credentials if signs_in else StaticToken(tenant.token())
    return AICCClient(tenant.url, **{"auth": auth, "retry": QUICK, **options})


@asynccontextmanager
async def pair(
    *, signs_in: bool = True, timezone: str = "Asia/Shanghai", **options: Any
) -> AsyncIterator[tuple[Emulator, AICCClient]]:
    """Run a tenant with some options, and a client of it."""
    async with (
        Emulator(**options) as tenant,
        client_of(tenant, signs_in=signs_in, timezone=timezone) as client,
    ):
        yield tenant, client


def count(tenant: Emulator, operation: str) -> int:
    """Count the requests of an operation that arrived."""
    return sum(request.operation == operation for request in tenant.requests)
