"""What the tests of journals share: a file's name, and clients that have a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

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
                "timezone": "Asia/Shanghai",
            }
            made = AICCClient(tenant.url, **usual | client_options | options)
            stack.push_async_callback(made.close)
            return made

        yield client


class MachineClock:
    """The clocks of this machine as a journal sees them, set as a test wants."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._starts = 0

    def set_ahead(self, ahead: timedelta) -> None:
        """Set the wall clock so far ahead of the true time."""

        class Set(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return super().now(tz) + ahead

        self._patch.setattr("aicc_async.journal.clock.datetime", Set)

    def restart(self) -> None:
        """Start the machine again: its steady clock says nothing of what was before."""
        self._starts += 1
        name = f"start {self._starts}"
        self._patch.setattr("aicc_async.journal.clock.boot_id", lambda: name)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    """Set the clocks of this machine."""
    return MachineClock(monkeypatch)
