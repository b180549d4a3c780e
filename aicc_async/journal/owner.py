"""Who holds a key, and whether that process is still alive."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

from .._files import create_private

NAME = re.compile("[0-9a-f]{32}")
MAX_ATTEMPTS = 10


class Owner:
    """A name, and a locked file beside the journal: the system unlocks it when its process dies.

    No time-out could tell a killed process from one that was only stopped for a while. A journal
    in memory has one owner, and no file.
    """

    def __init__(self, journal: Path | None) -> None:
        self.name = uuid4().hex
        self._journal = journal
        self._lock: sqlite3.Connection | None = None
        if journal:
            self._lock = self._take_lock(journal)
            self._sweep(journal)

    def close(self) -> None:
        """Unlock the file, and remove it."""
        if self._lock and self._journal:
            self._lock.close()
            lock_path(self._journal, self.name).unlink(missing_ok=True)

    def _take_lock(self, journal: Path) -> sqlite3.Connection:
        """Lock a file of the owner's name, which another name replaces if the file was swept away.

        Between its creation and its lock it looks like that of a dead process.
        """
        error = sqlite3.OperationalError("its locks are removed as soon as they are made")
        for _ in range(MAX_ATTEMPTS):
            path = lock_path(journal, self.name)
            try:
                lock = lock_file(path)
            except sqlite3.OperationalError as found:
                # Busy, or an I/O error, when the file is removed at that very moment.
                error = found
            else:
                # Whoever removes it has its lock: from now on nobody can.
                if path.exists():
                    return lock
                lock.close()
            self.name = uuid4().hex
        raise error

    def _sweep(self, journal: Path) -> None:
        """Remove what killed processes left: whose keys nobody asks for, nobody looks at either."""
        prefix = lock_path(journal, "").name
        # Not ``glob``: the name of a journal may hold its signs.
        with suppress(OSError):
            for path in journal.parent.iterdir():
                name = path.name.removeprefix(prefix)
                if name != path.name and NAME.fullmatch(name):
                    self.is_elsewhere(name)

    def is_elsewhere(self, name: str | None) -> bool:
        """Return whether another process is at work as this owner; tidy up after a dead one."""
        if name is None or name == self.name or not self._journal:
            return False
        path = lock_path(self._journal, name)
        if not path.exists():
            return False
        try:
            lock = lock_file(path)
        except sqlite3.Error:
            # In doubt it lives.
            return True
        # While it is locked: else its process could lock it in between, and nobody would know.
        try:
            with closing(lock):
                path.unlink(missing_ok=True)
        except PermissionError:
            # Windows removes no open file, and none that another process has open.
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return False


def lock_path(journal: Path, name: str) -> Path:
    """Return the file that an owner of a journal locks."""
    return journal.with_name(f"{journal.name}-owner-{name}")


def lock_file(path: Path) -> sqlite3.Connection:
    """Lock a file until the connection is closed or the process dies.

    By SQLite, which knows how on every system. Raises sqlite3.OperationalError when somebody else
    has it.
    """
    create_private(path)
    lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        lock.close()
        raise
    return lock
