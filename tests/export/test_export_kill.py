"""Exports that are killed at random instants and resumed: the same rows in every format."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers.exports import (
    checkpoint_copy,
    read_csv,
    read_gzip,
    read_jsonl,
    read_parquet,
    read_sqlite,
    read_zst,
    start_export,
)
from helpers.processes import SECONDS, without_progress

from aicc_async import AICCClient, CaseQuery, StaticToken, export_cases
from aicc_async.emulator import Emulator, Latency, run_in_thread

pytest_plugins = ["helpers.postgres_server"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 12, 31)  # noqa: DTZ001  (wall-clock times)
ROWS = 3000
FILES = ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "sqlite"]


@pytest.fixture(scope="module")
def tenant() -> Iterator[Emulator]:
    """Run a tenant whose answers take a while, in a thread."""
    with run_in_thread(cases=ROWS, since=SINCE, until=UNTIL, latency=Latency(0.005)) as emulator:
        yield emulator


class PageWatch:
    """Knows when a run has asked for so many pages, and when it has read them all."""

    def __init__(self, tenant: Emulator) -> None:
        self._tenant = tenant
        self._wanted = 0
        self.reached = threading.Event()
        self.read_all = threading.Event()

    def expect(self, pages: int) -> None:
        """Watch a run from its start."""
        self._wanted = pages
        self._tenant.latency = Latency(0.005)
        self.reached.clear()
        self.read_all.clear()
        self._tenant.requests.clear()
        self._tenant.on_page(self._on_page)

    def _on_page(self, tenant: Emulator, number: int) -> None:
        if number == self._wanted:
            # However late the signal is, the run can't end before it.
            tenant.latency = Latency(600)
            self.reached.set()
        if json.loads(tenant.requests[-1].body).get("endTime", "") > str(UNTIL):
            self.read_all.set()  # the last count of all looks a second further


class Export:
    """One target, and the command that makes it."""

    def __init__(self, tenant: Emulator, folder: Path, target: str) -> None:
        self._tenant = tenant
        self._folder = folder
        self._target = target
        self._watch = PageWatch(tenant)

    def start(self) -> subprocess.Popen[str]:
        """Start a run, or resume it."""
        span = ("--since", SINCE, "--until", UNTIL)
        return start_export(self._tenant, self._folder, self._target, *span)

    def finish(self) -> str:
        """Run to the end."""
        self._watch.expect(0)
        process = self.start()
        output, complaints = process.communicate()
        assert (process.returncode, without_progress(complaints)) == (0, "")
        return output

    def stop_while_reading(self, pages: int, how: signal.Signals) -> subprocess.Popen[str]:
        """Send a signal when so many pages were asked for; no more are answered then."""
        self._watch.expect(pages)
        process = self.start()
        self._watch.reached.wait()
        process.send_signal(how)
        return process

    def kill_at_the_end(self, seconds: float) -> None:
        """Kill so long after all pages were answered, if it still runs then."""
        self._watch.expect(0)
        process = self.start()
        self._watch.read_all.wait()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def asked(self) -> Counter[tuple[str, str, int]]:
        """Count the pages of rows that the last run asked for: start, end, offset."""
        bodies = [json.loads(request.body) for request in self._tenant.requests]
        return Counter(
            (body["startTime"], body["endTime"], body["start"])
            for body in bodies
            if body["limit"] > 1  # others only count
        )

    def finished(self, copy: Path) -> set[tuple[str, str]]:
        """Return which windows are safe."""
        [folder] = self._folder.glob(".*.export")
        with checkpoint_copy(folder, copy) as state:
            rows = state.execute('SELECT start, "end" FROM windows WHERE report IS NOT NULL')
            return set(rows)


READERS: dict[str, Callable[[Path], list[Any]]] = {
    "jsonl": lambda path: [path.read_bytes(), *read_jsonl(path)],
    "jsonl.gz": read_gzip,
    "jsonl.zst": read_zst,
    "csv": read_csv,
    "parquet": read_parquet,
    "sqlite": read_sqlite,
}


def check_nothing_twice(export: Export, finished: set[tuple[str, str]]) -> None:
    """Check that no finished window was asked for again, and no page twice in a run."""
    asked = export.asked()
    assert finished & {(start, end) for start, end, _ in asked} == set()
    assert [page for page, times in asked.items() if times > 1] == []


def kill_and_resume(export: Export, tmp_path: Path, draw: random.Random) -> int:
    """Kill some runs while they read and one while it ends, then let one finish."""
    finished: set[tuple[str, str]] = set()
    for number, pages in enumerate(draw.randint(1, most) for most in (30, 15, 12)):
        process = export.stop_while_reading(pages, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        check_nothing_twice(export, finished)
        finished = export.finished(tmp_path / f"copy{number}")
    export.kill_at_the_end(draw.uniform(0, 0.05))
    check_nothing_twice(export, finished)
    export.finish()
    return len(finished)


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("suffix", FILES)
def test_a_killed_export_ends_as_one_that_was_not(
    suffix: str, tenant: Emulator, tmp_path: Path
) -> None:
    """After four kills there are the same rows in the file, in the same order, and nothing else."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    name = f"cases.{suffix}"
    Export(tenant, whole, name).finish()
    kill_and_resume(Export(tenant, killed, name), tmp_path, random.Random(suffix))  # noqa: S311
    rows = READERS[suffix](whole / name)
    assert len(rows) >= ROWS
    assert READERS[suffix](killed / name) == rows
    assert sorted(entry.name for entry in killed.iterdir()) == [name, f"{name}.manifest.json"]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_killed_export_fills_a_table_of_a_server(
    tenant: Emulator, tmp_path: Path, postgres_url: str
) -> None:
    """After four kills every case is in the table, once."""
    kill_and_resume(Export(tenant, tmp_path, postgres_url), tmp_path, random.Random(7))  # noqa: S311
    with psycopg.connect(postgres_url) as connection:
        ids = connection.execute("SELECT id FROM aicc_cases").fetchall()
    assert sorted(row_id for (row_id,) in ids) == sorted(tenant.ids())


@pytest.mark.parametrize("suffix", FILES)
async def test_what_a_killed_run_left_is_written_over(
    suffix: str, tenant: Emulator, tmp_path: Path
) -> None:
    """The half of a file that a killed run left does not get into the next one."""
    whole, target = tmp_path / f"whole.{suffix}", tmp_path / f"cases.{suffix}"
    day = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=1))
    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
        await export_cases(aicc, day, whole)
        target.with_name(f".{target.name}.part").write_bytes(whole.read_bytes()[:-9] * 2)
        await export_cases(aicc, day, target)
    assert READERS[suffix](target) == READERS[suffix](whole) != []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_an_interrupted_export_says_how_to_resume(
    how: signal.Signals, tenant: Emulator, tmp_path: Path
) -> None:
    """It ends with 130 while it waits for answers, and the same command resumes from there."""
    export = Export(tenant, tmp_path, "cases.jsonl")
    process = export.stop_while_reading(35, how)
    _, complaints = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    end = "interrupted; run the same command again to resume\n"
    assert without_progress(complaints) == end
    finished = export.finished(tmp_path / "copy")
    export.finish()
    check_nothing_twice(export, finished)
    assert finished
    assert len(read_jsonl(tmp_path / "cases.jsonl")) == ROWS
