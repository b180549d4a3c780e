"""The checkpoint: what an export has safely on disk while it runs, in a hidden folder.

The idea: the rows of finished windows are in one file (``row_file.py``), which only grows, and
SQLite holds the rest: the plan, and for each finished window its report and the size of the file at
its end. Windows are read in the order of time. One is marked as finished, in a durable transaction,
only after its rows were written and synced.

The invariant: at any instant the first ``finished_bytes`` of the file are the rows of the finished
windows. So after a kill those windows are there, whatever is behind them in the file is cut off,
and a window is as if it had never been begun until it is finished. SQLite's lock, which the system
takes back from a killed process, keeps a second run out.

The digest of those bytes is kept as well. Where the file has another one, somebody else has cut or
changed it: a run that begins reads everything again, and one that ends is refused.

What it cannot see: a disk that says "synced" and is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from .._validators import shown
from ..errors import ConfigError, ExportError
from .prefix_digest import PrefixDigest
from .saved_plan import check_plan
from .state import StateDatabase, damage_errors, disk_errors, put_values
from .window_table import WindowTable

# Of the row file, when it is read line by line.
BUFFER_SIZE = 2**20  # bytes
# Its rows hold contact data, whoever may read the target.
FOLDER_MODE = 0o700
# The names of all files in it; a database has others beside it while it is open, and after a kill.
_FILES = re.compile(
    r"(state|seen)\.db(-journal|-wal|-shm)?|(rows|unique)\.jsonl|reading\.\d+", re.ASCII
)


class Checkpoint:
    """The folder of one export, locked while it is open."""

    def __init__(self, folder: Path, database: StateDatabase) -> None:
        self.folder = folder
        self.windows = WindowTable(database)
        self._database = database

    @classmethod
    def open(cls, folder: Path, *, restart: bool = False, overwrite: bool = False) -> Self:
        """Open or create a folder; ``restart`` forgets what is in it.

        ``overwrite`` opens one that has other files as well: these stay.

        Raises ConfigError when another run has it, when it cannot be written, or when it holds
        anything else than a checkpoint of this layout.
        """
        try:
            folder.mkdir(FOLDER_MODE, exist_ok=True)
            others = sorted(
                path.name for path in folder.iterdir() if not _FILES.fullmatch(path.name)
            )
        except OSError as error:
            raise ConfigError(
                f"target must be in a folder that can be written to, got {folder.parent}:"
                f" {error.strerror}"
            ) from error
        if others and not overwrite:
            raise ConfigError(
                f"cannot use {folder}: it has files that no export makes, such as"
                f" {shown(others[0])}. Choose another target, or leave them in it with --overwrite"
                " (overwrite=True)"
            )
        checkpoint = cls(folder, StateDatabase.open(folder))
        try:
            if restart:
                checkpoint.clear()
            checkpoint.windows.check()
            size, rows = checkpoint.windows.finished_bytes(), checkpoint.rows_path
            if size and not (rows.is_file() and rows.stat().st_size >= size):
                checkpoint.clear()
        except BaseException:
            checkpoint.close()
            raise
        return checkpoint

    @property
    def rows_path(self) -> Path:
        """The file of the rows, a line each."""
        return self.folder / "rows.jsonl"

    def has_its_rows(self) -> bool:
        """Return whether the rows of the finished windows are as written; call it in a thread."""
        digest = self.values().get("sha256")
        size = self.windows.finished_bytes()
        if not size or digest is None:
            return True
        found = PrefixDigest(self.rows_path)
        with disk_errors(self.folder):
            found.extend_to(size)
        return bool(found.hexdigest() == digest)

    def close(self) -> None:
        """Unlock the folder; what is finished stays."""
        self._database.close()

    def clear(self) -> None:
        """Forget everything: a restart is wanted, or the rows are gone."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM state")
            connection.execute("DELETE FROM windows")
        with disk_errors(self.folder):
            self.rows_path.unlink(missing_ok=True)

    def discard_changed_rows(self) -> ExportError:
        """Forget everything: somebody else changed the rows. Return the error that says so."""
        path = self.rows_path
        self.clear()
        return ExportError(
            f"cannot use {path}: somebody else has changed it since it was written",
            resume="run the same again: all is read anew",
        )

    def delete(self) -> None:
        """Unlock the folder and delete what is ours in it, and itself when it is empty then."""
        self._database.close()
        with suppress(OSError):
            for path in self.folder.iterdir():
                if _FILES.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            self.folder.rmdir()

    def values(self) -> dict[str, Any]:
        """Return what was saved."""
        return self._database.values()

    def save(self, **values: Any) -> None:
        """Save values durably, all of them or none."""
        with self._database.write() as connection:
            put_values(connection, values)

    @property
    def is_planned(self) -> bool:
        """Whether there is a plan that a run can resume."""
        return "fingerprint" in self._database.names()


@contextmanager
def open_checkpoint(
    folder: Path, *, restart: bool, overwrite: bool = False
) -> Iterator[Checkpoint]:
    """Open a checkpoint, and delete it when the block ends well.

    When the block fails, it stays for a later run, unless there is nothing to resume.
    """
    checkpoint = Checkpoint.open(folder, restart=restart, overwrite=overwrite)
    try:
        if checkpoint.is_planned:
            with damage_errors(folder):
                check_plan(checkpoint.values())
        yield checkpoint
    except BaseException:
        if checkpoint.is_planned:
            checkpoint.close()
        else:
            checkpoint.delete()
        raise
    checkpoint.delete()
