"""What an export has safely on disk while it runs: rows in a file that grows, the rest in SQLite.

Windows are read in the order of time, and one is said to be done, in a durable transaction, only
after its rows were written and synced. So after a kill at any instant the finished windows are
there, and what stands behind them in the file is cut off. SQLite's lock, which the system takes
back from a killed process, keeps a second run out.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import msgspec
from attrs import asdict, frozen

from .._listing.windows import Window
from ..errors import ConfigError, ExportError
from .manifest import WindowReport
from .plan import SHARED, Planned

BUFFER = 2**20
REMEMBERED = 2  # windows that may reach into the next one
RESUME = "run the same again to go on where it ended"
SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS windows (
    start TEXT, "end" TEXT, count INT NOT NULL, report BLOB, size INT, days BLOB
);
"""


class _Key(msgspec.Struct):
    id: str


_read_key = msgspec.json.Decoder(_Key).decode


@frozen
class Done:
    """A window whose rows stand in the file, up to ``size`` bytes of it.

    ``days`` count them by day of creation.
    """

    window: Window
    report: WindowReport
    size: int
    days: Mapping[str, int]


class Spool:
    """The folder of one export, locked while it is open."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self._folder = folder
        self._db = db
        self._turn = threading.Lock()  # a connection has one transaction at a time

    @classmethod
    def open(cls, folder: Path, *, restart: bool = False) -> Self:
        """Open or make the folder. Raises ConfigError when another run has it, or it can't be."""
        try:
            folder.mkdir(exist_ok=True)
            db = _locked(folder / "state.db")
        except OSError as error:
            raise ConfigError(
                f"path: {folder.parent} can't be written to: {error.strerror}"
            ) from error
        spool = cls(folder, db)
        if restart or not spool._has_its_rows():
            spool.clear()
        return spool

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    @property
    def rows(self) -> Path:
        """The file of the rows, each on a line."""
        return self._folder / "rows.jsonl"

    def close(self) -> None:
        """Let go of the folder; what is done stays."""
        self._db.close()

    def clear(self) -> None:
        """Forget everything: another export is wanted, or the rows are gone."""
        with writing(self._folder), self._turn, self._db:
            self._db.execute("DELETE FROM notes")
            self._db.execute("DELETE FROM windows")
        with writing(self._folder):
            self.rows.unlink(missing_ok=True)

    def remove(self) -> None:
        """Throw the folder away."""
        self._db.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def notes(self) -> dict[str, Any]:
        """Read what was noted."""
        rows = self._db.execute("SELECT name, value FROM notes")
        return {name: msgspec.json.decode(value) for name, value in rows}

    def note(self, **values: Any) -> None:
        """Note values durably, all of them or none."""
        with writing(self._folder), self._turn, self._db:
            self._note(values)

    def plan(self, windows: Sequence[Planned], **notes: Any) -> None:
        """Set the windows that are to be read."""
        with writing(self._folder), self._turn, self._db:
            self._add(windows)
            self._note({**notes, "planned": sum(each.count for each in windows)})

    def todo(self) -> list[Planned]:
        """List the windows that are not done, oldest first."""
        rows = self._db.execute(
            'SELECT start, "end", count FROM windows WHERE report IS NULL ORDER BY start'
        )
        return [Planned(Window(_moment(start), _moment(end)), n) for start, end, n in rows]

    def finish(self, done: Sequence[Done], **notes: Any) -> None:
        """Say that windows are done; their rows are on the disk already."""
        with writing(self._folder), self._turn, self._db:
            self._db.executemany(
                "UPDATE windows SET report = ?, count = ?, size = ?, days = ?"
                ' WHERE start IS ? AND "end" IS ?',
                map(_values, done),
            )
            self._note(notes)

    def split(self, window: Window, parts: Sequence[Planned]) -> None:
        """Put parts in the place of a window that could not be read whole."""
        with writing(self._folder), self._turn, self._db:
            key = (text(window.start), text(window.end))
            self._db.execute('DELETE FROM windows WHERE start IS ? AND "end" IS ?', key)
            self._add(parts)

    def is_plausible(self) -> bool:
        """Tell whether the windows brought no more rows than overlapping ones can share.

        Were the times ignored, every half of a window would bring all of it.
        """
        return self.count() <= int(SHARED * self.notes()["planned"])

    def reports(self) -> list[WindowReport]:
        """List the reports of the finished windows, oldest first."""
        rows = self._db.execute(
            "SELECT report FROM windows WHERE report IS NOT NULL ORDER BY start"
        )
        return [WindowReport(**msgspec.json.decode(report)) for (report,) in rows]

    def size(self) -> int:
        """Tell how many bytes of the file belong to finished windows."""
        (size,) = self._db.execute("SELECT max(size) FROM windows").fetchone()
        return size or 0

    def count(self) -> int:
        """Count the rows that the finished windows brought, those in two of them twice."""
        (count,) = self._db.execute(
            "SELECT total(count) FROM windows WHERE report IS NOT NULL"
        ).fetchone()
        return int(count)

    def last_ids(self) -> list[set[str]]:
        """Tell the ids of the last finished windows, the latest first."""
        return [set(self._ids(*part)) for part in reversed(self._parts()[-REMEMBERED:])]

    def ids(self) -> Iterator[list[str]]:
        """Hand out the ids of the lines of the file, window by window."""
        for part in self._parts():
            yield self._ids(*part)

    def days(self) -> Counter[str]:
        """Count the lines of the file by day of creation; those without a date under ""."""
        rows = self._db.execute("SELECT days FROM windows WHERE days IS NOT NULL")
        return sum((Counter(msgspec.json.decode(days)) for (days,) in rows), Counter[str]())

    def _parts(self) -> list[tuple[int, int]]:
        """Tell where the lines of each finished window begin and end."""
        rows = self._db.execute("SELECT size FROM windows WHERE size NOT NULL ORDER BY start")
        sizes = [size for (size,) in rows]
        return list(pairwise([0, *sizes]))

    def _ids(self, start: int, stop: int) -> list[str]:
        with writing(self._folder), self.rows.open("rb", BUFFER) as file:
            file.seek(start)
            ids = []
            while start < stop:
                line = file.readline()
                start += len(line)
                ids.append(_read_key(line).id)
            return ids

    def _add(self, windows: Sequence[Planned]) -> None:
        values = [(text(each.window.start), text(each.window.end), each.count) for each in windows]
        self._db.executemany('INSERT INTO windows (start, "end", count) VALUES (?,?,?)', values)

    def _note(self, values: Mapping[str, Any]) -> None:
        pairs = [(name, msgspec.json.encode(value).decode()) for name, value in values.items()]
        self._db.executemany("INSERT OR REPLACE INTO notes VALUES (?,?)", pairs)

    def _has_its_rows(self) -> bool:
        size = self.size()
        return not size or (self.rows.is_file() and self.rows.stat().st_size >= size)


def _values(done: Done) -> tuple[Any, ...]:
    return (
        msgspec.json.encode(asdict(done.report)),
        done.report.distinct,
        done.size,
        msgspec.json.encode(done.days),
        text(done.window.start),
        text(done.window.end),
    )


def _locked(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, timeout=0, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigError(_refusal(path, error)) from error
    try:
        for setting in ("locking_mode = EXCLUSIVE", "synchronous = OFF", "journal_mode = WAL"):
            db.execute(f"PRAGMA {setting}")
        db.executescript(SCHEMA)
        db.execute("SELECT report, size, days FROM windows LIMIT 1")  # is it one of ours?
        with db:  # a write, so that the lock is taken now
            db.execute("INSERT OR REPLACE INTO notes VALUES ('opened', '1')")
        db.execute("PRAGMA synchronous = FULL")  # nothing before this was worth a sync
    except sqlite3.Error as error:
        db.close()
        raise ConfigError(_refusal(path, error)) from error
    return db


def _refusal(path: Path, error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"{path.parent}: another run of this export is at work"
    return f"{path.parent}: it holds no export that can be gone on with ({error}); delete it"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make an ExportError of what the disk says."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ExportError(
            f"{folder}: it can't be written: {why}", resume=f"mend that, and {RESUME}"
        ) from error


def text(moment: datetime | None) -> str | None:
    """Write a time of a window."""
    return None if moment is None else str(moment)


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)
