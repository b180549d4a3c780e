"""A target and its manifest: neither is there without the other, wherever a run is cancelled."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from helpers.exports import SINCE, read_sqlite

from aicc_async import AICCClient, CaseQuery, ConfigError, ExportReport, export_cases
from aicc_async.emulator import Emulator
from aicc_async.export import manifest
from aicc_async.export.stop import StoppedError, current_stop

DAY = timedelta(days=1)
# Of what is done to files while a target and its manifest are written.
STEPS = ("write_bytes", "chmod", "replace", "unlink")
MAX_STEPS = 30
pytestmark = pytest.mark.filterwarnings("ignore:.*new cases are added:RuntimeWarning")


def export(aicc: AICCClient, out: Path, days: int, *, keep: bool) -> asyncio.Task[ExportReport]:
    """Start an export of the first days, or of what came since the last one."""
    end = SINCE + days * DAY
    query = CaseQuery(end_time=end) if keep else CaseQuery(start_time=SINCE, end_time=end)
    return asyncio.create_task(export_cases(aicc, query, out, since_last=DAY if keep else None))


async def cancel_at(step: int, task: asyncio.Task[ExportReport], patch: Any) -> bool:
    """Cancel a task in the middle of a step of its thread; return whether it came so far."""
    loop, steps = asyncio.get_running_loop(), count()

    def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            in_thread = threading.current_thread().name == "aicc-export"
            if in_thread and next(steps) == step:
                loop.call_soon_threadsafe(task.cancel)
                with suppress(StoppedError):
                    current_stop().wait(10.0)
            return function(*arguments, **options)

        return call

    for name in STEPS:
        patch.setattr(Path, name, interrupted(getattr(Path, name)))
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


def check_both(out: Path, before: ExportReport) -> bool:
    """Check that a target and its manifest are of one run; return whether it is the new one."""
    found = manifest.load(manifest.manifest_path(out))
    assert found
    if out.suffix == ".db":
        assert found.in_target == len(read_sqlite(out, "id"))
    else:
        assert found.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    return found != before


@pytest.mark.parametrize(
    ("name", "keep"),
    [
        ("cases.jsonl", False),
        ("cases.jsonl", True),
        ("cases.csv", True),
        ("cases.parquet", False),
        ("cases.db", True),
    ],
)
async def test_a_cancellation_leaves_both_files_of_one_run(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, name: str, keep: bool
) -> None:
    """Both are the old ones or both the new ones, and the same run again completes them."""
    outcomes = []
    for step in range(MAX_STEPS):
        out = tmp_path / str(step) / name
        out.parent.mkdir()
        before = await export(aicc, out, 9, keep=keep)
        with pytest.MonkeyPatch.context() as patch:
            was_cancelled = await cancel_at(step, export(aicc, out, 20, keep=keep), patch)
        outcomes.append(check_both(out, before))
        report = await export(aicc, out, 20, keep=keep)
        assert check_both(out, before)
        assert report.in_target == len(tenant.ids(str(SINCE), str(SINCE + 20 * DAY)))
        assert len(list(out.parent.iterdir())) == 2
        if not was_cancelled:
            break
    # There were steps before the renames and behind them, and none was left out.
    assert not was_cancelled
    assert outcomes == sorted(outcomes)
    assert outcomes.count(True) >= 2 <= len(outcomes) - 2


async def test_one_without_the_other_is_told(aicc: AICCClient, tmp_path: Path) -> None:
    """A file without its manifest is no silent matter, nor is a manifest that is continued."""
    out = tmp_path / "cases.jsonl"
    await export(aicc, out, 9, keep=False)
    path = manifest.manifest_path(out)
    path.unlink()
    without = r"^cases\.jsonl is there without its manifest .*: all is read, and "
    with pytest.warns(RuntimeWarning, match=f"{without}what is new is added to it$"):
        assert (await export(aicc, out, 9, keep=True)).added == 0
    path.unlink()
    with pytest.raises(ConfigError, match="no export has written it"):
        await export(aicc, out, 9, keep=False)
    with pytest.warns(RuntimeWarning, match=f"{without}what is new is added to it$"):
        await export(aicc, out, 9, keep=True)
    out.unlink()
    with pytest.raises(ConfigError, match="it is gone"):
        await export(aicc, out, 9, keep=True)
    # Who writes all anew has no use for the manifest.
    assert (await export(aicc, out, 9, keep=False)).verified
    table = tmp_path / "cases.db"
    await export(aicc, table, 9, keep=False)
    table.unlink()
    for keep in (True, False):
        with pytest.warns(RuntimeWarning, match=r"^cases\.db\.manifest\.json is there without "):
            await export(aicc, table, 9, keep=keep)
        table.unlink()
