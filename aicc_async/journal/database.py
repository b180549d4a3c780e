"""The file of a journal: its tables, whose file it is, its layout, and how writes get durable."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic, sleep

from .._files import create_private, is_mount_point
from .file_layout import FileLayout

RESTORE = "Restore the file from a backup"
# Raise it with every change of the schema: a file of another layout is refused.
LAYOUT = 2
# Another process may take so long over a transaction.
BUSY_TIMEOUT_SECONDS = 30.0
BUSY_RETRY_SECONDS = 0.01
SCHEMA = """
CREATE TABLE creates (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, match_digest TEXT NOT NULL, state TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, case_id TEXT UNIQUE,
    note TEXT NOT NULL DEFAULT '', candidates TEXT NOT NULL DEFAULT '[]', owner TEXT,
    created_steady REAL, updated_steady REAL NOT NULL, boot TEXT NOT NULL, skew REAL
) WITHOUT ROWID;
CREATE INDEX creates_open ON creates (match_digest) WHERE state IN ('sent', 'unknown');
"""
FILE_LAYOUT = FileLayout(
    # "AICC"
    application_id=0x41494343,
    number=LAYOUT,
    schema=SCHEMA,
    foreign="it is another database",
)


class JournalFile:
    """The file of an open journal, which must stay what its name says; None: it is in memory.

    Processes find one another by the name. One that goes on with a file which the name does not
    lead to any more, or which has a second name, works beside the others unseen.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def open(self) -> sqlite3.Connection:
        """Return a connection to it (see ``open_database``); a mount point is refused."""
        if self._path is None:
            return open_database(Path(":memory:"))
        if self._path.exists():
            self._identify(self._path)
            if is_mount_point(self._path):
                raise OSError("it must not be a mount point. Mount its folder instead")
        create_private(self._path)
        db = open_database(self._path)
        try:
            self._identity = self._identify(self._path)
        except OSError:
            db.close()
            raise
        return db

    def check_same(self) -> None:
        """Raise OSError unless the name still leads to the file that was opened, and no other."""
        if self._path and self._identify(self._path) != self._identity:
            raise OSError("it was replaced while it was open")

    def _identify(self, path: Path) -> tuple[int, int]:
        status = path.stat()
        if status.st_nlink > 1:
            raise OSError(f"it must have one name only, got {status.st_nlink} hard links")
        return status.st_dev, status.st_ino


def open_database(path: Path) -> sqlite3.Connection:
    """Return a connection to a journal; a missing or empty file becomes one.

    Raises sqlite3.Error for a file that can't be used, is not a journal, or has another layout;
    UnicodeDecodeError where SQLite's message quotes what is no text. The file stays as it is.
    """
    db = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    db.row_factory = sqlite3.Row
    try:
        # In one transaction, or two processes would both find an empty file.
        db.execute("BEGIN IMMEDIATE")
        FILE_LAYOUT.create_or_check(db)
        db.execute("COMMIT")
        _use_wal(db)
        # In WAL mode nothing less syncs each commit (https://www.sqlite.org/wal.html).
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        # It has a transaction open: whoever opens the file next would wait for its lock.
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch a new file over; SQLite itself does not wait for a process that is doing the same."""
    give_up_at = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The low byte is the primary code: there are several kinds of busy. Errors of the
            # module itself have none.
            is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or monotonic() > give_up_at:
                raise
            sleep(BUSY_RETRY_SECONDS)
        else:
            return
