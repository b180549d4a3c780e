"""Ids that came twice: in windows that overlap, or because a case's date changed meanwhile.

The idea: neighbouring windows share a second or two, so a row can come in each of them. That is
common, and the ids of the last two windows are enough to drop the second one at once. A case whose
date changes while the export runs can come in any two windows. That is rare, and found at the end:
the ids of all lines are read once to count their hashes, and once more to keep only those whose
hash came more than once, on disk, where the second of them is known.

The invariant: of all lines with one id, the first stays, and a line is dropped only when its very
id was seen before, never for its hash alone. Memory is bounded, whatever the number of rows.

What it cannot see: which of two lines is the newer state of a case. The first one counts.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import msgspec

from .._files import create_private
from .checkpoint import BUFFER_SIZE, Checkpoint
from .state import disk_errors
from .stop import current_stop

DAY_LENGTH = len("2025-01-31")
# A window may share rows with that many before it.
OVERLAPPING_WINDOWS = 2
# A byte each: enough for a few million rows before many hashes come twice by chance.
HASH_SLOTS = 2**23
SEVERAL = 2
_INSERT = "INSERT OR IGNORE INTO seen VALUES (?)"


class _Key(msgspec.Struct):
    id: str


class _Created(msgspec.Struct):
    # A service may write a number.
    createdDate: Any = None  # noqa: N815


_read_key = msgspec.json.Decoder(_Key).decode
_read_created = msgspec.json.Decoder(_Created).decode


class RecentIds:
    """The ids of the windows that reach into the present one."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        recent = checkpoint.windows.byte_ranges()[-OVERLAPPING_WINDOWS:]
        sets = (set(_read_ids(checkpoint, *each)) for each in reversed(recent))
        self._recent = deque(sets, maxlen=OVERLAPPING_WINDOWS)

    def are_new(self, ids: Sequence[str]) -> list[bool] | None:
        """Return for each id whether it is new; None when all are."""
        for known in self._recent:
            if not known.isdisjoint(ids):
                return [not any(row_id in known for known in self._recent) for row_id in ids]
        return None

    def end_window(self, ids: set[str]) -> None:
        """Remember what a window brought, and forget the oldest one."""
        self._recent.appendleft(ids)


def deduplicate(checkpoint: Checkpoint) -> tuple[Path, Counter[str]]:
    """Return a file of all rows, each id once, and count the rows by day of creation.

    That is the row file itself, unless an id came twice: then it is copied.
    """
    days, folder = checkpoint.windows.days(), checkpoint.folder
    with disk_errors(folder), TemporaryFile(dir=folder) as marks:
        with _SeenIds(folder / "seen.db") as seen:
            for ids in ids_by_window(checkpoint):
                seen.count(ids)
            # A byte for each line, 1 if its id is the first of its kind, else 0.
            found = sum(marks.write(bytes(seen.are_new(ids))) for ids in ids_by_window(checkpoint))
        if found != days.total():
            raise checkpoint.discard_changed_rows()
        if days.total() == sum(_bytes_of(marks)):
            return checkpoint.rows_path, days
        path = folder / "unique.jsonl"
        create_private(path)
        with (
            checkpoint.rows_path.open("rb", BUFFER_SIZE) as rows,
            path.open("wb", BUFFER_SIZE) as unique,
        ):
            for row, wanted in zip(rows, _bytes_of(marks), strict=True):
                if wanted:
                    unique.write(row)
                else:
                    date = _read_created(row).createdDate
                    days[date[:DAY_LENGTH] if date.__class__ is str else ""] -= 1
    return path, +days


def _bytes_of(file: IO[bytes]) -> Iterator[int]:
    file.seek(0)
    return chain.from_iterable(iter(partial(file.read, BUFFER_SIZE), b""))


def ids_by_window(checkpoint: Checkpoint) -> Iterator[list[str]]:
    """Yield the ids of the lines of the row file, window by window."""
    for start, stop in checkpoint.windows.byte_ranges():
        current_stop().check()
        yield _read_ids(checkpoint, start, stop)


def _read_ids(checkpoint: Checkpoint, start: int, stop: int) -> list[str]:
    """Return the ids of the lines from one byte of the row file up to another."""
    with disk_errors(checkpoint.folder), checkpoint.rows_path.open("rb", BUFFER_SIZE) as file:
        file.seek(start)
        ids = []
        while start < stop:
            line = file.readline()
            start += len(line)
            try:
                ids.append(_read_key(line).id)
            except ValueError:
                # Not even its end is there, or it is another line's.
                raise checkpoint.discard_changed_rows() from None
        return ids


class _SeenIds:
    """Which ids came before, in bounded memory: those whose hash is not their own are on disk.

    All ids must be counted before the first is asked for.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        create_private(path)
        # How many ids have this hash: 0, 1 or several.
        self._hits = bytearray(HASH_SLOTS)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def count(self, ids: Sequence[str]) -> None:
        """Count the hashes of ids."""
        hits = self._hits
        for slot in [hash(row_id) % HASH_SLOTS for row_id in ids]:
            if hits[slot] < SEVERAL:
                hits[slot] += 1

    def are_new(self, ids: Sequence[str]) -> list[bool]:
        """Return for each id whether it is asked for for the first time."""
        hits, execute = self._hits, self._database.execute
        return [
            hits[hash(row_id) % HASH_SLOTS] < SEVERAL or execute(_INSERT, (row_id,)).rowcount > 0
            for row_id in ids
        ]
