"""Whatever an export or a journal waits for, an interrupt ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers.exports import QUARTER, read_sqlite, start_export
from helpers.processes import COMMAND, interruptible, wait_until
from helpers.tenants import NEW, client_of

from aicc_async import AICCClient, ExportError, ExportReport, SQLiteJournal, export_cases
from aicc_async.emulator import Emulator
from aicc_async.emulator.thread import run_in_thread
from aicc_async.export.sinks import postgres, sqlite

pytest_plugins = ["helpers.postgres_server"]
# No wait of these tests ends by itself within so many seconds: what is locked stays locked for
# longer, a connection is waited for for ten, and a journal for thirty.
PATIENCE = 8.0


async def interrupt(running: asyncio.Task[Any]) -> None:
    """Cancel a task, which must have ended soon."""
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(running), PATIENCE)
    assert running.done()


def waiting(url: str) -> list[int]:
    """Return the processes of a server that wait for a lock."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
        return [pid for (pid,) in found]


async def until_waiting(url: str, count: int = 1) -> list[int]:
    """Look until so many processes of a server wait for a lock."""
    while len(found := await asyncio.to_thread(waiting, url)) != count:  # noqa: ASYNC110  (it asks the server)
        await asyncio.sleep(0.01)
    return found


def has_opened(pid: int, path: Path) -> bool:
    """Return whether a process has a file open."""
    opened = Path(f"/proc/{pid}/fd").iterdir()
    with suppress(OSError):  # one that was closed meanwhile
        return any(each.readlink() == path for each in opened)
    return False


@contextmanager
def locked_table(url: str) -> Iterator[None]:
    """Hold a table as a migration does."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS aicc_cases (id text PRIMARY KEY)")
        connection.commit()
        connection.execute("LOCK TABLE aicc_cases IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.fixture
def url(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a server whose manifests are in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    return postgres_url


def export(aicc: AICCClient, target: str | Path) -> asyncio.Task[ExportReport]:
    """Start an export."""
    return asyncio.create_task(export_cases(aicc, QUARTER, target))


async def test_a_locked_table_can_be_interrupted(aicc: AICCClient, url: str) -> None:
    """A cancelled export ends while the table is locked, and leaves nothing waiting there."""
    with locked_table(url):
        running = export(aicc, url)
        await until_waiting(url)
        await interrupt(running)
        await until_waiting(url, 0)
    assert (await export_cases(aicc, QUARTER, url)).rows == 300


async def test_a_server_that_falls_silent_can_be_interrupted(aicc: AICCClient, url: str) -> None:
    """A server that answers no cancel either keeps nobody."""
    with locked_table(url):
        running = export(aicc, url)
        [pid] = await until_waiting(url)
        os.kill(pid, signal.SIGSTOP)
        try:
            await interrupt(running)
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_server_that_never_greets_can_be_interrupted(
    aicc: AICCClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What listens and says nothing keeps nobody either."""
    monkeypatch.chdir(tmp_path)
    greeted, hang_up = asyncio.Event(), asyncio.Event()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        await hang_up.wait()
        writer.close()
        await writer.wait_closed()
        greeted.clear()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        running = export(aicc, f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable")
        await greeted.wait()
        await interrupt(running)
        # Since Python 3.12 a server waits for its connections.
        hang_up.set()
        while greeted.is_set():  # noqa: ASYNC110  (the next turns of the loop)
            await asyncio.sleep(0)


async def test_a_lock_is_not_waited_for_without_end(
    aicc: AICCClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the export ends with an error that says so; a user's own time-out stays."""
    monkeypatch.setattr(
        postgres, "_SET_LOCK_TIMEOUT", postgres._SET_LOCK_TIMEOUT.replace("60s", "50ms")
    )
    with locked_table(url):
        with pytest.raises(ExportError, match="lock timeout"):
            await export_cases(aicc, QUARTER, url)
        running = export(aicc, url.replace("options=", "options=-clock_timeout%3D1h%20"))
        await until_waiting(url)
        await interrupt(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_that_waits_for_a_lock(
    url: str, tmp_path: Path, number: signal.Signals
) -> None:
    """The command exits with 130 and says that it was interrupted."""
    with run_in_thread(cases=10) as tenant, locked_table(url):
        process = start_export(tenant, tmp_path, url)
        asyncio.run(until_waiting(url))
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in said


async def test_a_locked_file_can_be_interrupted(
    aicc: AICCClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that another program has locked keeps nobody, at its beginning and its end."""
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT", 1000.0)
    table = tmp_path / "cases.db"
    await export_cases(aicc, QUARTER, table)
    before = read_sqlite(table)
    for lock in ("BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM cases"):
        with closing(sqlite3.connect(table, isolation_level=None)) as other:
            for statement in lock.split(";"):
                other.execute(statement).fetchall()
            running = export(aicc, table)
            # Long enough for the export to be where it waits.
            done, _ = await asyncio.wait([running], timeout=1.0)
            assert not done
            await interrupt(running)
    assert read_sqlite(table) == before


# ---- the journal ----------------------------------------------------------------------------


async def test_a_locked_journal_can_be_interrupted(tenant: Emulator, tmp_path: Path) -> None:
    """A keyed create that waits for another program's lock ends, and so does its client."""
    path = tmp_path / "creates.journal"
    async with client_of(tenant, journal=SQLiteJournal(path), timezone="Asia/Shanghai") as aicc:
        await aicc.create_case(NEW, key="first")

    async def create() -> None:
        async with client_of(tenant, journal=SQLiteJournal(path), timezone="Asia/Shanghai") as aicc:
            await aicc.create_case(NEW, key="second")

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        running = asyncio.create_task(create())
        done, _ = await asyncio.wait([running], timeout=0.5)
        assert not done
        await interrupt(running)


def test_a_signal_ends_a_command_that_waits_for_a_journal(tmp_path: Path) -> None:
    """The command ends although its thread still waits for the lock."""
    path = tmp_path / "creates.journal"
    rows = tmp_path / "new.jsonl"
    rows.write_text(
        '{"key": "k", "title": "t", "description": "d", "type": "T", "contactId": "c",'
        ' "creatorId": "u"}\n'
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as other, run_in_thread() as tenant:
        other.execute("BEGIN EXCLUSIVE")
        settings = {"AICC_BASE_URL": tenant.url, "AICC_ACCESS_TOKEN": tenant.token()}
        with interruptible():
            process = subprocess.Popen(  # noqa: S603  (our own command)
                [*COMMAND, "create", "--from", str(rows), "--key-field", "key",
                 "--results", str(tmp_path / "results.jsonl"), "--journal", str(path)],
                env={**os.environ, **settings}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        wait_until(lambda: has_opened(process.pid, path))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (
        130,
        "interrupted; run the same command again to resume\n",
    )
