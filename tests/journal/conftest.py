"""What the tests of journals share: a file's name, and clients that have a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from aicc_async import AICCClient, RetryPolicy, SQLiteJournal, StaticToken
from aicc_async.emulator import Emulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal's file."""
    return tmp_path / "journal.db"


@pytest.fixture
def client_options() -> dict[str, Any]:
    """Set what a module's clients have in common."""
    return {}


@pytest.fixture
async def connect(
    tenant: Emulator, path: Path, client_options: dict[str, Any]
) -> AsyncIterator[Callable[..., AICCClient]]:
    """Make clients that hardly wait, with one journal; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def client(**options: Any) -> AICCClient:
            usual: dict[str, Any] = {
                "auth": StaticToken(tenant.token()),
                "retry": RetryPolicy(base=0.001),
                "list_lag": 0,
                "journal": SQLiteJournal(path),
            }
            made = AICCClient(tenant.url, **usual | client_options | options)
            stack.push_async_callback(made.close)
            return made

        yield client
