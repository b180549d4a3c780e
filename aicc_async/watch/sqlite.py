"""The state of a watch in an SQLite file, which one process uses at a time.

The idea: SQLite's exclusive locking mode holds the file for as long as it is open, and the system
gives it free when the process dies (https://www.sqlite.org/pragma.html#pragma_locking_mode). So no
lock is left behind, and no other one is taken. The invariant: each look is one transaction, synced
before ``commit`` returns. What it can't see: processes of other machines, since SQLite's locks
don't hold on network file systems.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from .._files import create_private
from .._validators import check, kind
from ..errors import ConfigError, WatchError
from ..export.concurrency import call_in_thread
from ..journal.file_layout import FileLayout
from .state import LAYOUT_ADVICE, KnownCase, Look, PendingEvent

T = TypeVar("T")
# Numbers of events are never used again: a late acknowledgement would take another's.
SCHEMA = """
CREATE TABLE cases (
    id TEXT PRIMARY KEY, created INTEGER NOT NULL, digest BLOB NOT NULL, event_id TEXT NOT NULL,
    row BLOB NOT NULL, missing_at REAL
) WITHOUT ROWID;
CREATE INDEX cases_by_second ON cases (created, id);
CREATE INDEX cases_missing ON cases (created, id) WHERE missing_at IS NOT NULL;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, case_id TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
"""
FILE_LAYOUT = FileLayout(
    # "AICW"
    application_id=0x41494357,
    # Raise it with every change of the schema: a file of another layout is refused.
    number=1,
    schema=SCHEMA,
    foreign="it must be the state of a watch, got another database",
    advice=LAYOUT_ADVICE,
)
COLUMNS = "id, created, digest, event_id, row, missing_at"
# SQLite limits how many values a statement takes.
IDS_PER_STATEMENT = 500


class SQLiteWatchState:
    """The state of a watch in a file on a local disk, made when it is first used, for its owner.

    Contact data is in it, as in the cases. One process uses it at a time; for another one
    WatchError says that it is held.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(check("path", path, kind(str, PathLike)))
        self._db: sqlite3.Connection | None = None
        # One statement at a time, in the order of the calls.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Open the file, and keep others out, within."""
        async with self._turn:
            if self._db is not None:
                raise _is_held(self._path)
            try:
                self._db = await call_in_thread(lambda: _open(self._path))
            except (sqlite3.Error, OSError) as error:
                raise _describe(self._path, error) from error
        try:
            yield
        finally:
            await self.close()

    async def meta(self) -> bytes | None:
        """Return what the watch noted for itself; None: it is new."""
        found = await self._run(lambda db: db.execute("SELECT body FROM meta").fetchone())
        return found and bytes(found[0])

    async def count(self, begin: int, end: int) -> int:
        """Count the cases that were created from ``begin`` on and before ``end``."""
        sql = "SELECT count(*) FROM cases WHERE created >= ? AND created < ?"
        return int((await self._run(lambda db: db.execute(sql, (begin, end)).fetchone()))[0])

    async def cases(self, begin: int, end: int) -> list[KnownCase]:
        """Return those cases, oldest first."""
        return await self._select("created >= ? AND created < ?", (begin, end))

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when those cases were created, oldest first, the first ``limit`` of them."""
        sql = "SELECT created FROM cases WHERE created >= ? AND created < ? ORDER BY 1 LIMIT ?"
        found = await self._run(lambda db: db.execute(sql, (begin, end, limit)).fetchall())
        return [created for (created,) in found]

    async def find(self, ids: Sequence[str]) -> list[KnownCase]:
        """Return the cases that are known among these."""
        found = []
        for start in range(0, len(ids), IDS_PER_STATEMENT):
            part = ids[start : start + IDS_PER_STATEMENT]
            found += await self._select(f"id IN ({', '.join('?' * len(part))})", part)
        return found

    async def missing(self) -> list[KnownCase]:
        """Return the cases that have ``missing_at``, oldest first."""
        return await self._select("missing_at IS NOT NULL", ())

    async def commit(self, look: Look) -> None:
        """Keep what came of a look: durable when this returns."""

        def write(db: sqlite3.Connection) -> None:
            rows = [
                (each.id, each.created, each.digest, each.event_id, each.row, each.missing_at)
                for each in look.known
            ]
            db.executemany(
                f"INSERT OR REPLACE INTO cases ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  (fixed)
                rows,
            )
            db.executemany("DELETE FROM cases WHERE id = ?", [(each,) for each in look.forgotten])
            db.executemany("INSERT INTO events (case_id, body) VALUES (?, ?)", look.events)
            if look.meta is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES (1, ?)", (look.meta,))

        await self._run(write)

    async def pending(self, after: int, *, limit: int) -> list[PendingEvent]:
        """Return events with numbers higher than ``after``, in order."""
        sql = "SELECT number, case_id, body FROM events WHERE number > ? ORDER BY number LIMIT ?"
        found = await self._run(lambda db: db.execute(sql, (after, limit)).fetchall())
        return [
            PendingEvent(number=number, case_id=case_id, body=body)
            for number, case_id, body in found
        ]

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Forget events; again is nothing. ``within`` must be None: none can be joined."""
        if within is not None:
            raise ConfigError("within must be None for a state in an SQLite file")
        rows = [(number,) for number in numbers]

        def delete(db: sqlite3.Connection) -> None:
            # The cursor must end in this thread: the next one may run the same statement by then.
            db.executemany("DELETE FROM events WHERE number = ?", rows)

        await self._run(delete)

    async def close(self) -> None:
        """Close the file, which others may use then."""
        async with self._turn:
            db, self._db = self._db, None
            if db is not None:
                await call_in_thread(db.close)

    async def _select(self, condition: str, values: Sequence[Any]) -> list[KnownCase]:
        sql = f"SELECT {COLUMNS} FROM cases WHERE {condition} ORDER BY created, id"  # noqa: S608  (fixed texts)
        found = await self._run(lambda db: db.execute(sql, values).fetchall())
        return [
            KnownCase(
                id=case_id,
                created=created,
                digest=digest,
                event_id=event_id,
                row=row,
                missing_at=missing_at,
            )
            for case_id, created, digest, event_id, row, missing_at in found
        ]

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work in a transaction of its own, in a thread."""

        def run(db: sqlite3.Connection) -> T:
            with db:
                db.execute("BEGIN")
                return work(db)

        async with self._turn:
            held = self._db
            if held is None:
                raise WatchError(f"the state {self._path} is not held any more: it was closed")
            try:
                return await call_in_thread(lambda: run(held))
            except (sqlite3.Error, OSError) as error:
                raise _describe(self._path, error) from error


def _open(path: Path) -> sqlite3.Connection:
    create_private(path)
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # In one transaction, or of two processes both would find an empty file.
        db.execute("BEGIN EXCLUSIVE")
        FILE_LAYOUT.create_or_check(db)
        db.execute("COMMIT")
        # The lock stays: in this mode only the end of the connection gives it free.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def _describe(path: Path, error: Exception) -> WatchError:
    """Return the error for a file that can't be used."""
    # The low byte is the primary code: there are several kinds of busy.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return _is_held(path)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return WatchError(f"cannot use the state {path}: {reason or type(error).__name__}")


def _is_held(path: Path) -> WatchError:
    return WatchError(f"another watch has the state {path}. Stop it, or choose another state")
