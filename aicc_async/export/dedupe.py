"""Ids that came twice: in windows that overlap, or because a case's date changed meanwhile."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from .checkpoint import BUFFER, REMEMBERED, Spool, writing

DAY = len("2025-01-31")
SLOTS, MORE = 2**23, 2  # bytes of memory, for a few million rows


class _Row(msgspec.Struct):
    createdDate: str | None = None  # noqa: N815


_read_row = msgspec.json.Decoder(_Row).decode


class Neighbours:
    """Knows the ids of the windows that reach into the present one."""

    def __init__(self, spool: Spool) -> None:
        self._last = deque(spool.last_ids(), maxlen=REMEMBERED)

    def new(self, ids: Sequence[str]) -> list[bool] | None:
        """Tell for each id whether it is new; None when all are."""
        for known in self._last:
            if not known.isdisjoint(ids):
                return [not any(row_id in known for known in self._last) for row_id in ids]
        return None

    def end_window(self, ids: set[str]) -> None:
        """Note what a window brought."""
        self._last.appendleft(ids)


def without_doubles(spool: Spool) -> tuple[Path, Counter[str]]:
    """Give the file of all rows, each id once, and count the rows by day of creation.

    A case whose date changed while it was read can stand in any two windows. That is rare: the file
    is copied only when it happened.
    """
    with writing(spool.folder):
        new, days = _flags(spool), spool.days()
        if 0 not in new:
            return spool.rows, days
        path = spool.folder / "unique.jsonl"
        with spool.rows.open("rb", BUFFER) as rows, path.open("wb", BUFFER) as unique:
            for row, wanted in zip(rows, new, strict=True):
                if wanted:
                    unique.write(row)
                else:
                    days[(_read_row(row).createdDate or "")[:DAY]] -= 1
        return path, +days


def _flags(spool: Spool) -> bytes:
    """Tell for each line whether its id is new."""
    flags = bytearray()
    with _Seen(spool.folder / "seen.db") as seen:
        for ids in spool.ids():
            seen.expect(ids)
        for ids in spool.ids():
            flags += bytes(seen.new(ids))
    return bytes(flags)


class _Seen:
    """Knows which ids came before, in bounded memory: on disk, those whose hash is not their own.

    All ids are to be expected first, then asked for.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._hits = bytearray(SLOTS)  # how many ids have this hash: 0, 1 or more
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def expect(self, ids: Sequence[str]) -> None:
        """Count their hashes."""
        hits = self._hits
        for slot in [hash(row_id) % SLOTS for row_id in ids]:
            if hits[slot] < MORE:
                hits[slot] += 1

    def new(self, ids: Sequence[str]) -> list[bool]:
        """Tell for each id whether it is new."""
        hits = self._hits
        return [hits[hash(row_id) % SLOTS] < MORE or self._is_new(row_id) for row_id in ids]

    def _is_new(self, row_id: str) -> bool:
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (row_id,)).rowcount > 0
