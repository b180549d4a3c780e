"""The checkpoint's database: one run at a time, one layout, changes that are durable or undone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from .._files import create_private
from ..errors import ConfigError, ExportError
from .manifest_json import MisfitError

# Raise it with every change of what is stored and of what that means: a checkpoint of another
# layout is refused. 0 is what SQLite says where nobody has set it.
LAYOUT = 1
RESUME = "run the same again to resume"
SCHEMA = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE windows (
        start TEXT, "end" TEXT, count INT NOT NULL, report BLOB, size INT, days BLOB
    )""",
)


class StateDatabase:
    """Named values and windows in SQLite, locked while it is open."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        # A connection has one transaction at a time, and windows are finished in a thread.
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open or create the database of a folder.

        Raises ConfigError when another run has it, or when it is not of this layout.
        """
        try:
            create_private(folder / "state.db")
            connection = sqlite3.connect(folder / "state.db", timeout=0, check_same_thread=False)
            try:
                _prepare(folder, connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # The module fails to decode SQLite's message where that quotes a damaged file.
            # The lowest byte is the kind of error; errors of the module itself have no code.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            message = f"cannot resume from {folder}: {error}. Delete the folder to start again"
            if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                message = f"cannot open {folder}: another run of this export uses it"
            elif code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                message = f"cannot write {folder}: {error}"
            raise ConfigError(message) from error
        return cls(folder, connection)

    def close(self) -> None:
        """Unlock it; what was written stays."""
        self._connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that is durable when the block ends, and undone when it fails."""
        with disk_errors(self.folder), self._lock, self._connection:
            yield self._connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with disk_errors(self.folder):
            return self._connection.execute(query).fetchall()

    def names(self) -> set[str]:
        """Return the names of all named values, whatever became of these."""
        return {name for (name,) in self.rows("SELECT name FROM state")}

    def values(self) -> dict[str, Any]:
        """Return all named values."""
        rows = self.rows("SELECT name, value FROM state")
        with damage_errors(self.folder):
            return {name: msgspec.json.decode(value) for name, value in rows}


def put_values(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    """Set named values within a transaction."""
    pairs = [(name, msgspec.json.encode(value).decode()) for name, value in values.items()]
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?,?)", pairs)


def _prepare(folder: Path, connection: sqlite3.Connection) -> None:
    """Take the lock, check the layout, and create what is missing."""
    for setting in ("locking_mode = EXCLUSIVE", "synchronous = OFF", "journal_mode = WAL"):
        connection.execute(f"PRAGMA {setting}")
    with connection:
        # One transaction, so that a kill leaves no tables without a layout.
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for table in SCHEMA:
                connection.execute(table)
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
        [layout] = connection.execute("PRAGMA user_version").fetchone()
        if layout != LAYOUT:
            raise ConfigError(
                f"cannot resume from {folder}: its state has layout {layout}, this version reads"
                f" layout {LAYOUT}. Delete the folder to start again"
            )
        # What one changed bit makes of a tree of pages is not always an error when it is read.
        [[found], *_] = connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")
        # Somebody else's database may have that number by chance.
        connection.execute("SELECT report, size, days FROM windows LIMIT 1")
        # Only a write takes SQLite's lock for certain.
        put_values(connection, {"opened": 1})
    # Nothing before this was worth waiting for the disk.
    connection.execute("PRAGMA synchronous = FULL")


@contextmanager
def damage_errors(folder: Path) -> Iterator[None]:
    """Raise a ConfigError for what is not as it was written."""
    try:
        yield
    except (MisfitError, ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(
            f"cannot resume from {folder}: its state is damaged."
            " Re-run with restart=True (--restart), or delete the folder"
        ) from None


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise an ExportError for what the disk refuses."""
    try:
        yield
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ExportError(
            f"cannot read or write {folder}: {reason}", resume=f"fix the cause, then {RESUME}"
        ) from error
