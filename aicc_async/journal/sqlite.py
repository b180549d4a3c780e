"""The journal of the processes of one machine: an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from attrs import evolve

from ..errors import ConfigError, JournalError
from .entry import SETTLED, STATES, Entry, Finding, State, decide
from .owner import Owner
from .writer import Writer

T = TypeVar("T")
APPLICATION = 0x41494343  # "AICC"
BUSY = 30.0  # seconds that another process may take over a transaction
SCHEMA = """
CREATE TABLE IF NOT EXISTS creates (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, likeness TEXT NOT NULL, state TEXT NOT NULL,
    began REAL NOT NULL, touched REAL NOT NULL, case_id TEXT UNIQUE, note TEXT NOT NULL DEFAULT '',
    candidates TEXT NOT NULL DEFAULT '[]', owner TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS creates_open ON creates (likeness)
    WHERE state IN ('sent', 'unknown');
"""
COLUMNS = "key, digest, likeness, state, began, touched, case_id, note, candidates, owner"


class SQLiteJournal:
    """A journal that several processes of one machine may share, each with an object of its own.

    ``path`` is a file on a local disk (SQLite's locks don't hold on network file systems), made
    when it is first needed; locks of the processes at work stand beside it. Each change is synced
    to the disk before the coroutine returns, those of many tasks together. ``:memory:`` keeps it
    for as long as it is open.

    Raises JournalError when the file can't be read or written: nothing is sent then. The client
    closes it with itself; it opens again when it is used again.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._is_file = str(path) != ":memory:"
        if self._is_file and (self._path.is_dir() or not self._path.parent.is_dir()):
            raise ConfigError(f"journal: {self._path} can't be a file")
        self._at_work: tuple[Owner, Writer] | None = None
        self._mine: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Write what waits, and let go of every key."""
        if self._at_work:
            (owner, writer), self._at_work = self._at_work, None
            await writer.close()
            owner.close()

    async def claim(self, key: str, *, digest: str, likeness: str) -> Entry:
        """Take a key that nobody holds, and tell what is known of it (see ``Journal``)."""
        if key in self._mine:  # another task of this process is at work on it
            return evolve(await self.entry(key) or _new(key, digest, likeness), held=False)
        owner, _ = self._open()
        self._mine.add(key)

        def work(db: sqlite3.Connection) -> Entry:
            row = _row(db, key)
            if row is None or row["state"] == "rejected":
                entry = _new(key, digest, likeness)
                _put(db, entry, owner.name)
                return entry
            found = _entry(row)
            if found.state in SETTLED or found.digest != digest:
                return found
            if self._is_elsewhere(row["owner"]):
                return found
            doubt: dict[str, Any] = {"state": "unknown", "owner": owner.name}
            if found.state == "sent":  # it may have been until its process died
                doubt["touched"] = _seconds(_now())
            _set(db, key, **doubt)
            return _entry({**row, **doubt}, held=True)

        try:
            entry = await self._write(work)
        except BaseException:  # the job may be done all the same
            self.release(key)
            raise
        if not entry.held:
            self._mine.discard(key)
        return entry

    async def resend(self, key: str) -> None:
        """Note that a key which is held is about to be sent again."""
        await self._change(key, state="sent")

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE creates SET state = 'unknown', case_id = NULL, note = ?"
                " WHERE case_id = ? AND key <> ?",
                (f"{case_id} was made by another key", case_id, key),
            )
            _settle(db, key, "confirmed", case_id)

        await self._write(work)

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        await self._change(key, state="rejected", note=note, owner=None)

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        ids = msgspec.json.encode(candidates).decode()
        await self._change(key, state="unknown", note=note, candidates=ids)

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Leave out the cases that keys have."""
        return await self._write(lambda db: [each for each in ids if not _is_taken(db, each)])

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: datetime
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``)."""

        def work(db: sqlite3.Connection) -> Finding:
            entry = _entry(_row(db, key) or {})
            finding = decide(
                [each for each in same if not _is_taken(db, each)],
                [each for each in alike if not _is_taken(db, each)],
                equals=_doubts(db, entry.likeness, "digest = ?", entry.digest),
                others=_doubts(db, entry.likeness, "digest <> ?", entry.digest),
                rivals=self._rivals(db, entry, asked),
            )
            if finding.word == "found":
                _settle(db, key, "reconciled", finding.ids[0])
            return finding

        return await self._write(work)

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for the disk."""
        if key not in self._mine:
            return
        self._mine.discard(key)
        if self._at_work:
            owner, writer = self._at_work
            sql = "UPDATE creates SET owner = NULL WHERE key = ? AND owner = ?"
            writer.put(lambda db: db.execute(sql, (key, owner.name)))

    async def entry(self, key: str) -> Entry | None:
        """Look one up."""
        row = await self._write(lambda db: _row(db, key))
        return _entry(row) if row else None

    async def entries(self, state: str | None = None) -> list[Entry]:
        """List all, or those of a state, oldest first."""
        if state not in (None, *STATES):
            raise ConfigError(f"state: one of {', '.join(STATES)} is needed, {state!r} was given")
        sql = f"SELECT {COLUMNS} FROM creates WHERE coalesce(?, state) = state ORDER BY began, key"  # noqa: S608  (fixed)
        rows = await self._write(lambda db: db.execute(sql, (state,)).fetchall())
        return [_entry(row) for row in rows]

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """

        def work(db: sqlite3.Connection) -> Entry | str:
            row = _row(db, key)
            if row is None or row["state"] not in {"sent", "unknown"}:
                return f"its state is {row['state']}" if row else "it is not in the journal"
            if key in self._mine or self._is_elsewhere(row["owner"]):
                return "a process is at work on it"
            if case_id and _is_taken(db, case_id):
                return f"{case_id} is another key's case"
            _settle(db, key, "reconciled" if case_id else "rejected", case_id)
            return _entry(_row(db, key) or {})

        found = await self._write(work)
        if isinstance(found, str):
            raise ConfigError(f"key: {key!r} can't be resolved, {found}")
        return found

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        """
        if older_than <= timedelta(0):
            raise ConfigError(f"older_than: more than 0 is needed, {older_than} was given")
        before = _seconds(_now() - older_than)
        sql = "DELETE FROM creates WHERE touched < ? AND state NOT IN ('sent', 'unknown')"
        return await self._write(lambda db: db.execute(sql, (before,)).rowcount)

    def _rivals(self, db: sqlite3.Connection, entry: Entry, asked: datetime) -> int:
        """Count the creates on their way that may have made what the list showed."""
        sql = (
            "SELECT key, owner FROM creates"
            " WHERE likeness = ? AND key <> ? AND state = 'sent' AND touched <= ?"
        )
        rows = db.execute(sql, (entry.likeness, entry.key, _seconds(asked)))
        return sum(row["key"] in self._mine or self._is_elsewhere(row["owner"]) for row in rows)

    def _is_elsewhere(self, owner: str | None) -> bool:
        """Tell whether another process is at work as this owner."""
        mine, _ = self._open()
        return owner is not None and owner != mine.name and mine.lives(owner)

    def _open(self) -> tuple[Owner, Writer]:
        if not self._at_work:
            try:
                owner = Owner(self._path if self._is_file else None)
            except sqlite3.Error as error:
                raise JournalError(f"{self._path}: it can't be written: {error}") from error
            self._at_work = owner, Writer(self._connect)
        return self._at_work

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        try:
            _prepare(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        _, writer = self._open()
        return await writer.run(work)

    async def _change(self, key: str, **values: Any) -> None:
        await self._write(lambda db: _set(db, key, touched=_seconds(_now()), **values))


def _prepare(db: sqlite3.Connection) -> None:
    """Make sure that it is a journal, or an empty file that becomes one."""
    db.execute("BEGIN IMMEDIATE")
    (name,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and name != APPLICATION:
        raise sqlite3.DatabaseError("it is another database")
    if not tables:
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        for statement in SCHEMA.split(";"):
            db.execute(statement)
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")


def _row(db: sqlite3.Connection, key: str) -> dict[str, Any] | None:
    row = db.execute(f"SELECT {COLUMNS} FROM creates WHERE key = ?", (key,)).fetchone()  # noqa: S608  (fixed)
    return dict(row) if row else None


def _put(db: sqlite3.Connection, entry: Entry, owner: str) -> None:
    db.execute(
        "INSERT OR REPLACE INTO creates (key, digest, likeness, state, began, touched, owner)"
        " VALUES (?,?,?,?,?,?,?)",
        (
            *(entry.key, entry.digest, entry.likeness, entry.state),
            *(_seconds(entry.began), _seconds(entry.touched), owner),
        ),
    )


def _set(db: sqlite3.Connection, key: str, **values: Any) -> None:
    columns = ", ".join(f"{name} = ?" for name in values)  # names of ours
    db.execute(f"UPDATE creates SET {columns} WHERE key = ?", (*values.values(), key))  # noqa: S608


def _settle(db: sqlite3.Connection, key: str, state: State, case_id: str | None) -> None:
    now = _seconds(_now())
    _set(db, key, state=state, case_id=case_id, touched=now, owner=None, note="", candidates="[]")


def _is_taken(db: sqlite3.Connection, case_id: str) -> bool:
    return bool(db.execute("SELECT 1 FROM creates WHERE case_id = ?", (case_id,)).fetchone())


def _doubts(db: sqlite3.Connection, likeness: str, condition: str, value: str) -> int:
    sql = f"SELECT count(*) FROM creates WHERE likeness = ? AND state = 'unknown' AND {condition}"  # noqa: S608
    (count,) = db.execute(sql, (likeness, value)).fetchone()
    return int(count)


def _new(key: str, digest: str, likeness: str) -> Entry:
    now = _now()
    return Entry(
        key=key,
        digest=digest,
        likeness=likeness,
        state="sent",
        began=now,
        touched=now,
        held=True,
    )


def _entry(row: Mapping[str, Any], *, held: bool = False) -> Entry:
    return Entry(
        key=row["key"],
        digest=row["digest"],
        likeness=row["likeness"],
        state=row["state"],
        began=datetime.fromtimestamp(row["began"], UTC),
        touched=datetime.fromtimestamp(row["touched"], UTC),
        case_id=row["case_id"],
        note=row["note"],
        candidates=tuple(msgspec.json.decode(row["candidates"])),
        held=held,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
