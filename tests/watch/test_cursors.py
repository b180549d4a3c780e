"""The state in SQLite: what its threads hand back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicc_async.export.concurrency import call_in_thread
from aicc_async.watch import Look, SQLiteWatchState
from aicc_async.watch import sqlite as module


async def test_no_cursor_leaves_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freed by the loop's thread, it would reset the statement that the next call is running."""
    found: list[Any] = []

    async def call(work: Callable[[], Any]) -> Any:
        found.append(await call_in_thread(work))
        return found[-1]

    monkeypatch.setattr(module, "call_in_thread", call)
    state = SQLiteWatchState(tmp_path / "watch.db")
    async with state.hold():
        await state.commit(Look(events=[("c1", b"{}")], meta=b"{}"))
        [event] = await state.pending(0, limit=1)
        await state.acknowledge([event.number])
        assert await state.pending(0, limit=1) == []
    assert len(found) > 4
    assert not [each for each in found if isinstance(each, sqlite3.Cursor)]
