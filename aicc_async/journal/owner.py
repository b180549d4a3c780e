"""Who holds a key, and whether that process is still alive."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import uuid4

from .._files import create_private


class Owner:
    """A name, and a locked file beside the journal: the system unlocks it when its process dies.

    No time-out could tell a killed process from one that was only stopped for a while. A journal
    in memory has one owner, and no file.
    """

    def __init__(self, journal: Path | None) -> None:
        self.name = uuid4().hex
        self._journal = journal
        self._lock = journal and lock_file(_path(journal, self.name))

    def close(self) -> None:
        """Unlock the file, and remove it."""
        if self._lock and self._journal:
            self._lock.close()
            _path(self._journal, self.name).unlink(missing_ok=True)

    def is_elsewhere(self, name: str | None) -> bool:
        """Return whether another process is at work as this owner; tidy up after a dead one."""
        if name is None or name == self.name or not self._journal:
            return False
        path = _path(self._journal, name)
        if not path.exists():
            return False
        try:
            lock_file(path).close()
        except sqlite3.OperationalError:
            return True
        path.unlink(missing_ok=True)
        return False


def _path(journal: Path, name: str) -> Path:
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
