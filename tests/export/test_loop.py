"""What an export waits for, other tasks of the loop do not."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from helpers.exports import QUARTER

from aicc_async import AICCClient, export_cases
from aicc_async.export.checkpoint import Checkpoint
from aicc_async.export.state import StateDatabase
from aicc_async.export.window_rows import WindowRows

PATIENCE = 5.0
# Each of these may wait for the disk.
WAITS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (Path, "unlink"),
    (Checkpoint, "delete"),
    (StateDatabase, "write"),
    (StateDatabase, "close"),
    (WindowRows, "flush"),
    (WindowRows, "cut"),
]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv", "sqlite", "parquet"])
async def test_the_loop_runs_while_the_disk_is_waited_for(
    aicc: AICCClient, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever may wait for the disk ends only after the loop has had a turn meanwhile."""
    loop, seen = asyncio.get_running_loop(), set[str]()

    def after_a_turn(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def wait(*args: Any, **options: Any) -> Any:
            turn = threading.Event()
            loop.call_soon_threadsafe(turn.set)
            assert turn.wait(PATIENCE), f"{name} must not be called in the loop's thread"
            seen.add(name)
            return work(*args, **options)

        return wait

    for owner, name in WAITS:
        monkeypatch.setattr(owner, name, after_a_turn(name, getattr(owner, name)))
    report = await export_cases(aicc, QUARTER, tmp_path / f"cases.{suffix}")
    assert report.verified
    assert seen == {name for _, name in WAITS}


@pytest.mark.parametrize(
    ("owner", "name"), [(WindowRows, "flush"), (StateDatabase, "write"), (Checkpoint, "delete")]
)
async def test_a_cancelled_export_waits_for_the_disk(
    aicc: AICCClient, tmp_path: Path, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is under way on the disk when an export is cancelled has ended when that has."""
    loop, target = asyncio.get_running_loop(), tmp_path / "cases.jsonl"
    begun, may_end, has_ended = asyncio.Event(), threading.Event(), threading.Event()
    work = getattr(owner, name)

    def wait(*args: Any, **options: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(PATIENCE)
        try:
            return work(*args, **options)
        finally:
            has_ended.set()

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, wait)
        running = asyncio.create_task(export_cases(aicc, QUARTER, target))
        await begun.wait()
        running.cancel()
        await asyncio.wait([running], timeout=0)
        assert not running.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert has_ended.is_set()
    report = await export_cases(aicc, QUARTER, target)
    assert report.verified
    assert len(target.read_bytes().splitlines()) == report.rows
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cases.jsonl",
        "cases.jsonl.manifest.json",
    ]
