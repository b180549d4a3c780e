"""The journal of the processes of one machine: an SQLite file.

The idea: a row for each key, claimed by an owner whose process is known to be alive by the file
that it keeps locked (see ``Owner``). The invariants: every change is one transaction, so that of
two processes one sees the other's; a key has one owner at a time, and a case belongs to one key at
most (``UNIQUE``); a key is on the disk as ``sent`` before its request leaves. So whatever a killed
process may have sent is found as ``sent`` by the next one, and looked for instead of sent again.
What it can't see: processes of other machines (SQLite's locks don't hold on network file systems,
https://www.sqlite.org/howtocorrupt.html), and a disk that says "synced" too early.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import msgspec
from attrs import evolve

from .._validators import check, hide_passwords, kind, one_of, shown
from ..errors import ConfigError, JournalError
from .clock import read_clocks, steady_now
from .database import RESTORE, JournalFile
from .entry import SETTLED, STATES, Entry, Finding, State, decide, is_age, new_entry
from .owner import Owner, lock_path
from .writer import Writer

T = TypeVar("T")
# A journal in memory is pruned by itself: nobody else can reach it.
CLAIMS_PER_PRUNE = 1000
MEMORY_RETENTION = timedelta(days=1)
IS_HELD = "SELECT 1 FROM creates WHERE key = ? AND owner = ?"
# What was on its way is in doubt, from this moment on; another state stays, with its time. What the
# steady clock showed says nothing after the machine was started again.
UNKNOWN_IF_SENT = (
    "created_steady = iif(state <> 'sent' OR boot = :boot, created_steady, NULL),"
    " updated_at = iif(state = 'sent', :updated_at, updated_at),"
    " updated_steady = iif(state = 'sent', :updated_steady, updated_steady),"
    " boot = iif(state = 'sent', :boot, boot),"
    " state = iif(state = 'sent', 'unknown', state)"
)
# Old by both clocks: one that was put forward must not forget what may still come again. What looks
# like a create in doubt stays: its case could be taken for the other's.
PRUNE = (
    "DELETE FROM creates WHERE updated_at < :updated_at"
    " AND (boot <> :boot OR updated_steady < :updated_steady) AND match_digest NOT IN"
    " (SELECT match_digest FROM creates WHERE state IN ('sent', 'unknown'))"
)
COLUMNS = (
    "key, digest, match_digest, state, created_at, updated_at, case_id, note, candidates, owner,"
    " created_steady, updated_steady, boot, skew"
)


class SQLiteJournal:
    """A journal that several processes of one machine may share, each with an object of its own.

    ``path`` is a file on a local disk, made when it is first used; the locks of the processes at
    work lie beside it. Each change is synced to the disk before the coroutine returns, those of
    many tasks together. ``:memory:`` keeps it for as long as it is open.

    The locks are found by the file's name, so it must have one only: a file with hard links, or one
    that is mounted itself, is refused. For containers, mount the folder that it is in.

    Raises JournalError when the file can't be read or written, another version wrote it, it was
    replaced or removed while it was open, or it was opened before ``os.fork()``: nothing is sent
    then. The client closes it with itself; it opens again when it is used again.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        check("path", path, kind(str, PathLike))
        self._is_file = str(path) != ":memory:"
        # Resolved: the locks lie beside the file itself, by whichever link it is reached.
        self._path = _find_file(Path(path)) if self._is_file else Path(path)
        self._at_work: tuple[Owner, Writer] | None = None
        self._pid = os.getpid()
        self._mine: set[str] = set()
        self._claims = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Write what waits, and release every key."""
        # After a fork, what is open is the parent's.
        if self._at_work and self._pid == os.getpid():
            (_, writer), self._at_work = self._at_work, None
            await writer.close()

    async def claim(
        self, key: str, *, digest: str, match_digest: str, skew: timedelta | None = None
    ) -> Entry:
        """Take a key that nobody holds, and return what is known of it (see ``Journal``)."""
        # Another task of this process is at work on it.
        if key in self._mine:
            unknown = new_entry(key, digest=digest, match_digest=match_digest)
            return evolve(await self.entry(key) or unknown, held=False)
        owner, writer = self._open()

        def work(db: sqlite3.Connection) -> Entry:
            new = new_entry(key, digest=digest, match_digest=match_digest, skew=skew)
            return _claim(db, owner, new)

        self._mine.add(key)
        self._claims += 1
        if not self._is_file and self._claims % CLAIMS_PER_PRUNE == 0:
            before = _stamp(MEMORY_RETENTION)
            writer.put(lambda db: db.execute(PRUNE, before))
        try:
            entry = await self._write(work)
        except BaseException:
            # It may be claimed all the same.
            self.withdraw(key)
            raise
        if not entry.held:
            self._mine.discard(key)
        return entry

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (see Journal)
        """Send within this; a key is held here until it is released, or the process dies."""
        return nullcontext()

    async def resend(self, key: str, *, skew: timedelta | None = None) -> None:
        """Note that a key which is held is about to be sent again, and the skew of all sends."""
        if not await self._change(key, state="sent", skew=_seconds(skew), **_stamp()):
            raise JournalError(f"the key {key!r} is not held any more")

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE creates SET state = 'unknown', case_id = NULL, note = ?"
                " WHERE case_id = ? AND key <> ?",
                (f"{case_id} was made by another key", case_id, key),
            )
            _settle(db, key, "confirmed", case_id=case_id)

        await self._write(work)

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        await self._change(key, state="rejected", note=note, owner=None, **_stamp())

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        sql = (
            f"UPDATE creates SET {UNKNOWN_IF_SENT}, note = :note, candidates = :candidates"  # noqa: S608  (fixed)
            " WHERE key = :key AND owner = :owner"
        )
        owner, _ = self._open()
        values = {"note": note, "candidates": msgspec.json.encode(candidates).decode()}
        values |= {"key": key, "owner": owner.name, **_stamp()}
        await self._write(lambda db: db.execute(sql, values))

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Return those of the cases that no key has."""
        return await self._write(lambda db: [each for each in ids if not _is_taken(db, each)])

    async def open_digests(self, digests: Sequence[str]) -> list[str]:
        """Return those of the match digests that a key has which is sent or in doubt."""
        sql = "SELECT 1 FROM creates WHERE match_digest = ? AND state IN ('sent', 'unknown')"
        return await self._write(
            lambda db: [each for each in digests if db.execute(sql, (each,)).fetchone()]
        )

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: float
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``)."""
        owner, _ = self._open()
        listed_at = steady_now() - (asyncio.get_running_loop().time() - asked)

        def work(db: sqlite3.Connection) -> Finding:
            entry = _entry(_row(db, key) or {})
            finding = decide(
                [each for each in same if not _is_taken(db, each)],
                [each for each in alike if not _is_taken(db, each)],
                **self._count_open(db, owner, entry, listed_at),
            )
            if finding.status == "found":
                _settle(db, key, "reconciled", case_id=finding.ids[0])
            return finding

        return await self._write(work)

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for the disk."""
        if key not in self._mine:
            return
        self._mine.discard(key)
        if self._at_work and self._pid == os.getpid():
            owner, writer = self._at_work
            sql = (
                f"UPDATE creates SET {UNKNOWN_IF_SENT}, owner = NULL"  # noqa: S608  (fixed)
                " WHERE key = :key AND owner = :owner"
            )
            values = {"key": key, "owner": owner.name, **_stamp()}
            writer.put(lambda db: db.execute(sql, values))

    def withdraw(self, key: str) -> None:
        """Release a key under which nothing was sent; it is rejected then."""
        if self._at_work and self._pid == os.getpid():
            owner, writer = self._at_work
            sql = (
                "UPDATE creates SET state = 'rejected'"
                " WHERE state = 'sent' AND key = ? AND owner = ?"
            )
            writer.put(lambda db: db.execute(sql, (key, owner.name)))
        self.release(key)

    async def entry(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""

        def work(db: sqlite3.Connection) -> Entry | None:
            row = _row(db, key)
            return _entry(row) if row else None

        return await self._write(work)

    async def entries(self, state: str | None = None) -> list[Entry]:
        """Return all entries, or those of a state, oldest first."""
        if state is not None:
            check("state", state, one_of(*STATES))
        sql = (
            f"SELECT {COLUMNS} FROM creates WHERE coalesce(?, state) = state"  # noqa: S608  (fixed)
            " ORDER BY created_at, key"
        )
        return await self._write(
            lambda db: [_entry(row) for row in db.execute(sql, (state,)).fetchall()]
        )

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """
        owner, _ = self._open()

        def work(db: sqlite3.Connection) -> Entry | str:
            row = _row(db, key)
            if row is None or row["state"] not in {"sent", "unknown"}:
                return f"its state is {row['state']}" if row else "it is not in the journal"
            if key in self._mine or owner.is_elsewhere(row["owner"]):
                return "a process is at work on it"
            if case_id and _is_taken(db, case_id):
                return f"{case_id} is another key's case"
            _settle(db, key, "reconciled" if case_id else "rejected", case_id=case_id)
            return _entry(_row(db, key) or {})

        result = await self._write(work)
        if isinstance(result, str):
            raise ConfigError(f"cannot resolve the key {key!r}: {result}")
        return result

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        What looks like one in doubt stays as well: its case could be taken for the other's.
        """
        check("older_than", older_than, is_age)
        before = _stamp(older_than)
        return await self._write(lambda db: db.execute(PRUNE, before).rowcount)

    def _count_open(
        self, db: sqlite3.Connection, owner: Owner, entry: Entry, listed_at: float
    ) -> dict[str, int]:
        """Count the open creates that look like it: equal, others, and rivals on their way.

        What a dead process had sent is in doubt, though nobody has noted that yet.
        """
        sql = (
            "SELECT key, digest, state, updated_steady, owner FROM creates"
            " WHERE match_digest = ? AND key <> ? AND state IN ('sent', 'unknown')"
        )
        counts = {"equals": 1, "others": 0, "rivals": 0}
        for row in db.execute(sql, (entry.match_digest, entry.key)):
            is_at_work = row["key"] in self._mine or owner.is_elsewhere(row["owner"])
            if row["state"] == "sent" and is_at_work:
                # Its process lives: both readings are of the same start of the machine.
                counts["rivals"] += row["updated_steady"] <= listed_at
            else:
                counts["equals" if row["digest"] == entry.digest else "others"] += 1
        return counts

    def _open(self) -> tuple[Owner, Writer]:
        # Never called by a job: the thread may run it after ``close``, and would open all anew.
        if not self._at_work:
            try:
                owner = Owner(self._path if self._is_file else None)
            except sqlite3.Error as error:
                raise JournalError(f"cannot use the journal {self._path}: {error}") from error
            file = JournalFile(self._path if self._is_file else None)
            writer = Writer(
                str(self._path), connect=file.open, check=file.check_same, at_end=owner.close
            )
            self._at_work, self._pid = (owner, writer), os.getpid()
        if self._pid != os.getpid():
            # The thread that writes was not copied, and the locks are the parent's.
            raise JournalError(
                f"the journal {self._path} was opened before os.fork(), and cannot be used after"
                " it. Open one in each process"
            )
        return self._at_work

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        _, writer = self._open()
        return await writer.run(work)

    async def _change(self, key: str, **values: Any) -> bool:
        """Change a key that is held here; False when it is not any more."""
        owner, _ = self._open()

        def work(db: sqlite3.Connection) -> bool:
            is_held = db.execute(IS_HELD, (key, owner.name)).fetchone() is not None
            if is_held:
                _set(db, key, **values)
            return is_held

        return await self._write(work)


def _claim(db: sqlite3.Connection, owner: Owner, new: Entry) -> Entry:
    row = _row(db, new.key)
    if row is None or row["state"] == "rejected":
        _insert(db, new, owner.name)
        return new
    found = _entry(row)
    if found.state in SETTLED or found.digest != new.digest or owner.is_elsewhere(row["owner"]):
        return found
    # It may have been on its way until its process died.
    stamp = _stamp() if found.state == "sent" else {}
    _set(db, new.key, state="unknown", owner=owner.name, **stamp)
    return _entry(_row(db, new.key) or {}, held=True)


def _row(db: sqlite3.Connection, key: str) -> dict[str, Any] | None:
    row = db.execute(f"SELECT {COLUMNS} FROM creates WHERE key = ?", (key,)).fetchone()  # noqa: S608  (fixed)
    return dict(row) if row else None


def _insert(db: sqlite3.Connection, entry: Entry, owner: str) -> None:
    clocks = read_clocks()
    db.execute(
        "INSERT OR REPLACE INTO creates (key, digest, match_digest, state, created_at, updated_at,"
        " owner, created_steady, updated_steady, boot, skew) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            *(entry.key, entry.digest, entry.match_digest, entry.state),
            *(entry.created_at.timestamp(), entry.updated_at.timestamp(), owner),
            *(clocks.steady, clocks.steady, clocks.boot, _seconds(entry.skew)),
        ),
    )


def _set(db: sqlite3.Connection, key: str, **values: Any) -> None:
    # The names are ours, never a caller's.
    columns = ", ".join(f"{name} = :{name}" for name in values)
    if "boot" in values:
        columns += ", created_steady = iif(boot = :boot, created_steady, NULL)"
    db.execute(f"UPDATE creates SET {columns} WHERE key = :key", {**values, "key": key})  # noqa: S608


def _settle(db: sqlite3.Connection, key: str, state: State, *, case_id: str | None) -> None:
    settled: dict[str, Any] = {"state": state, "case_id": case_id, "owner": None, **_stamp()}
    _set(db, key, **settled, note="", candidates="[]")


def _is_taken(db: sqlite3.Connection, case_id: str) -> bool:
    return bool(db.execute("SELECT 1 FROM creates WHERE case_id = ?", (case_id,)).fetchone())


def _entry(row: Mapping[str, Any], *, held: bool = False) -> Entry:
    """Return a row as an entry; raise sqlite3.DatabaseError where somebody has damaged it."""
    try:
        return _read_entry(row, held=held)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise sqlite3.DatabaseError(f"an entry of it is damaged. {RESTORE}") from None


def _read_entry(row: Mapping[str, Any], *, held: bool) -> Entry:
    created_at = datetime.fromtimestamp(row["created_at"], UTC)
    updated_at = datetime.fromtimestamp(row["updated_at"], UTC)
    clocks, boot = read_clocks(), row["boot"]
    return Entry(
        key=row["key"],
        digest=row["digest"],
        match_digest=row["match_digest"],
        state=row["state"],
        created_at=created_at,
        updated_at=updated_at,
        case_id=row["case_id"],
        note=row["note"],
        candidates=tuple(msgspec.json.decode(row["candidates"])),
        held=held,
        skew=None if row["skew"] is None else timedelta(seconds=row["skew"]),
        created_drift=clocks.drift_since(created_at, row["created_steady"], boot),
        updated_drift=clocks.drift_since(updated_at, row["updated_steady"], boot),
    )


def _stamp(ago: timedelta = timedelta(0)) -> dict[str, Any]:
    """Return what the clocks show now, or showed so long ago, by the names of the columns."""
    clocks = read_clocks()
    return {
        "updated_at": (clocks.wall - ago).timestamp(),
        "updated_steady": clocks.steady - ago.total_seconds(),
        "boot": clocks.boot,
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _find_file(path: Path) -> Path:
    """Return the file of a journal by its own name, once that can be one."""
    try:
        path = path.resolve()
        # The names of its locks are longer, and SQLite's of what is beside these still more.
        Path(f"{lock_path(path, uuid4().hex)}-journal").exists()
        is_usable = not path.is_dir() and path.parent.is_dir()
    except (OSError, ValueError) as error:
        # An error of the system would show all of the path again.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"journal must be a file, got {shown(str(path))}: {reason}") from error
    if not is_usable:
        place = hide_passwords(str(path))
        raise ConfigError(f"journal must be a file in an existing folder, got {place}")
    return path
