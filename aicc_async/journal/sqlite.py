"""The journal of the processes of one machine: an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

import msgspec
from attrs import evolve

from ..errors import ConfigError, JournalError
from .entry import SETTLED, STATES, Entry, Finding, State, decide
from .owner import Owner
from .writer import Writer

T = TypeVar("T")
APPLICATION = 0x41494343  # "AICC"
SELDOM, DAY = 1000, timedelta(days=1)
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
HELD = "SELECT 1 FROM creates WHERE key = ? AND owner = ?"
# what was on its way is in doubt, from this moment on; other values stay
LEFT = "touched = iif(state = 'sent', ?, touched), state = iif(state = 'sent', 'unknown', state)"
PRUNE = (
    "DELETE FROM creates WHERE touched < ? AND likeness NOT IN"
    " (SELECT likeness FROM creates WHERE state IN ('sent', 'unknown'))"
)
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
        self._is_file = str(path) != ":memory:"
        # resolved: the locks stand beside the file itself, by whichever link it is reached
        self._path = Path(path).resolve() if self._is_file else Path(path)
        if self._is_file and (self._path.is_dir() or not self._path.parent.is_dir()):
            raise ConfigError(f"journal: {self._path} can't be a file")
        self._at_work: tuple[Owner, Writer] | None = None
        self._mine: set[str] = set()
        self._claims = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Write what waits, and let go of every key."""
        if self._at_work:
            (_, writer), self._at_work = self._at_work, None
            await writer.close()

    async def claim(self, key: str, *, digest: str, likeness: str) -> Entry:
        """Take a key that nobody holds, and tell what is known of it (see ``Journal``)."""
        if key in self._mine:  # another task of this process is at work on it
            return evolve(await self.entry(key) or _new(key, digest, likeness), held=False)
        owner, _ = self._open()
        self._mine.add(key)
        self._prune_memory()

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
            self._withdraw(key)
            raise
        if not entry.held:
            self._mine.discard(key)
        return entry

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (see Journal)
        """Send within this; a key is held here until it is released, or the process dies."""
        return nullcontext()

    async def resend(self, key: str) -> None:
        """Note that a key which is held is about to be sent again."""
        if not await self._change(key, state="sent", touched=_seconds(_now())):
            raise JournalError(f"the key {key!r} is not held any more")

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
        now = _seconds(_now())
        await self._change(key, state="rejected", note=note, owner=None, touched=now)

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        ids, now = msgspec.json.encode(candidates).decode(), _seconds(_now())
        sql = f"UPDATE creates SET {LEFT}, note = ?, candidates = ? WHERE key = ? AND owner = ?"  # noqa: S608  (fixed)
        owner, _ = self._open()
        await self._write(lambda db: db.execute(sql, (now, note, ids, key, owner.name)))

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
                **self._like(db, entry, asked),
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
            sql = f"UPDATE creates SET {LEFT}, owner = NULL WHERE key = ? AND owner = ?"  # noqa: S608  (fixed)
            now = _seconds(_now())
            writer.put(lambda db: db.execute(sql, (now, key, owner.name)))

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
        What looks like one in doubt stays as well, lest its case be taken for the other's.
        """
        if older_than <= timedelta(0):
            raise ConfigError(f"older_than: more than 0 is needed, {older_than} was given")
        before = _seconds(_now() - older_than)
        return await self._write(lambda db: db.execute(PRUNE, (before,)).rowcount)

    def _prune_memory(self) -> None:
        """Forget now and then what nobody else can prune."""
        self._claims += 1
        if self._at_work and not self._is_file and self._claims % SELDOM == 0:
            before = _seconds(_now() - DAY)
            self._at_work[1].put(lambda db: db.execute(PRUNE, (before,)))

    def _withdraw(self, key: str) -> None:
        """Undo a claim that nobody was told of: nothing was sent."""
        if self._at_work:
            owner, writer = self._at_work
            sql = "UPDATE creates SET state = 'rejected' WHERE state = 'sent' AND key = ?"
            writer.put(lambda db: db.execute(f"{sql} AND owner = ?", (key, owner.name)))
        self.release(key)

    def _like(self, db: sqlite3.Connection, entry: Entry, asked: datetime) -> dict[str, int]:
        """Count the open creates that look like it: equal, others, and rivals on their way.

        What a dead process had sent is in doubt, though nobody has noted that yet.
        """
        sql = (
            "SELECT key, digest, state, touched, owner FROM creates"
            " WHERE likeness = ? AND key <> ? AND state IN ('sent', 'unknown')"
        )
        counts = {"equals": 1, "others": 0, "rivals": 0}
        for row in db.execute(sql, (entry.likeness, entry.key)):
            if row["state"] == "sent" and self._is_at_work(row):
                counts["rivals"] += row["touched"] <= _seconds(asked)
            else:
                counts["equals" if row["digest"] == entry.digest else "others"] += 1
        return counts

    def _is_at_work(self, row: sqlite3.Row) -> bool:
        return row["key"] in self._mine or self._is_elsewhere(row["owner"])

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
            self._at_work = owner, Writer(self._connect, at_end=owner.close)
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

    async def _change(self, key: str, **values: Any) -> bool:
        """Change a key that is held here; False when it is not any more."""
        owner, _ = self._open()

        def work(db: sqlite3.Connection) -> bool:
            is_held = db.execute(HELD, (key, owner.name)).fetchone() is not None
            if is_held:
                _set(db, key, **values)
            return is_held

        return await self._write(work)


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
    _use_wal(db)
    db.execute("PRAGMA synchronous = FULL")


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch a new file over; SQLite itself does not wait for a process that is doing the same."""
    given_up = monotonic() + BUSY
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > given_up:
                raise
            sleep(0.01)
        else:
            return


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
