"""The file of the rows, as it grows window by window."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EIO
from itertools import compress
from operator import itemgetter
from pathlib import Path

from attrs import Factory, define

from .._listing.windows import Window
from .._protocol.raw import DatedRow
from .checkpoint import Done, Spool, writing
from .dedupe import Neighbours
from .manifest import WindowReport

PIECE = 2**21  # bytes; each costs the loop a wait for its turn
FEW = 100_000  # ids that fit in 10 MB
_day = itemgetter(slice(len("2025-01-31")))


@define
class _Reading:
    """What a reading wrote: a line each."""

    number: int
    ids: list[str] = Factory(list)
    dates: list[str] = Factory(list)


class GrowingFile:
    """Takes the rows of one window after the other; a new reading of one replaces its rows."""

    def __init__(self, spool: Spool) -> None:
        self._folder = spool.folder
        self._path = spool.rows
        self._neighbours = Neighbours(spool)
        with writing(self._folder):
            self._file = spool.rows.open("ab", buffering=0)  # a page at once needs no buffer
            self._start = spool.size()
            self._cut()
        self._digest, self._digested = hashlib.sha256(), 0
        self._distinct: set[str] | None = None if self._start else set()
        self._count = 0
        self._begin_window()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def write(self, reading: int, ids: Sequence[str], rows: Sequence[DatedRow]) -> None:
        """Append rows that are no doubles; a new reading begins the window anew."""
        with writing(self._folder):
            self._begin_reading(reading)
            dates, lines = zip(*rows, strict=True)
            new = self._neighbours.new(ids)
            if new is not None:
                self._known.update(ids)
                ids, dates, lines = (tuple(compress(each, new)) for each in (ids, dates, lines))
            self._append(ids, dates, lines)

    def settle_window(self, readings: int, *, agreed: bool) -> int:
        """Say that the window has all its rows, and count them.

        A window that no two readings agree on gets what any brought: nobody knows which was right.
        """
        with writing(self._folder):
            self._begin_reading(readings)  # the last one may have brought nothing
            if not agreed:
                self._unite()
            self._drop_earlier()
        return len(self._reading.ids)

    @contextmanager
    def rewriting(self) -> Iterator[Iterator[tuple[str, bytes]]]:
        """Take the settled window's rows back, and hand them out with their ids.

        As many are to be ``put`` in their place, in the same order.
        """
        plain = self._aside(self._reading)
        with writing(self._folder):
            self._set_aside()
        yield self._plain(plain)
        with writing(self._folder):
            plain.unlink()

    def put(self, row: bytes) -> None:
        """Write a row in the place of one that was taken back."""
        with writing(self._folder):
            self._write([row])

    def end_window(self, window: Window, report: WindowReport) -> Done:
        """End a window that is settled."""
        reading = self._reading
        self._count_distinct(set(reading.ids), len(reading.ids))
        days = Counter(map(_day, reading.dates))
        done = Done(window, report, self._file.tell(), days)
        self._begin_window()
        return done

    def undo_window(self) -> None:
        """Take the window's rows back."""
        with writing(self._folder):
            self._cut()
            self._drop_earlier()
        self._begin_window()

    def sync(self, size: int) -> None:
        """Make durable what the system has, and digest so much of it; in a thread."""
        with writing(self._folder):
            os.fsync(self._file.fileno())
            self._digest_up_to(size)

    def sha256(self, size: int) -> str:
        """Tell the digest of so much of it, which an earlier run may have written; in a thread."""
        with writing(self._folder):
            self._digest_up_to(size)
        return self._digest.hexdigest()

    def is_distinct(self) -> bool:
        """Tell whether it is known that no id stands there twice: they are few, and of one run."""
        return self._distinct is not None and len(self._distinct) == self._count

    def _count_distinct(self, ids: set[str], count: int) -> None:
        self._count += count
        if self._distinct is not None:
            self._distinct |= ids
            if self._count > FEW:
                self._distinct = None
        self._neighbours.end_window(ids | self._known)

    def _digest_up_to(self, size: int) -> None:
        if self._digested == size:
            return
        piece = memoryview(bytearray(PIECE))  # one, used again: memory costs more than reading
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._digested)
            while self._digested < size:
                count = file.readinto(piece[: size - self._digested])
                if not count:  # somebody has cut it
                    raise OSError(EIO, "it is shorter than what was written")
                self._digest.update(piece[:count])
                self._digested += count

    def _begin_window(self) -> None:
        self._start = self._file.tell()
        self._known: set[str] = set()  # ids of pages that brought doubles of neighbours
        self._reading = _Reading(1)
        self._earlier: list[_Reading] = []

    def _append(self, ids: Sequence[str], dates: Sequence[str], lines: Sequence[bytes]) -> None:
        if ids:
            self._write(lines)
            self._reading.ids += ids
            self._reading.dates += dates

    def _write(self, lines: Sequence[bytes]) -> None:
        rest = memoryview(b"\n".join([*lines, b""]))
        while rest:
            rest = rest[self._file.write(rest) :]

    def _begin_reading(self, number: int) -> None:
        """Put the rows of the reading before aside, if this is another one."""
        if number == self._reading.number:
            return
        self._set_aside()
        self._earlier.append(self._reading)
        self._known, self._reading = set(), _Reading(number)

    def _set_aside(self) -> None:
        with self._path.open("rb") as source, self._aside(self._reading).open("wb") as aside:
            source.seek(self._start)
            shutil.copyfileobj(source, aside)
        self._cut()

    def _plain(self, path: Path) -> Iterator[tuple[str, bytes]]:
        with writing(self._folder), path.open("rb") as lines:
            for row_id, line in zip(self._reading.ids, lines, strict=True):
                yield row_id, line.rstrip(b"\n")

    def _unite(self) -> None:
        known = self._known.union(self._reading.ids)
        for earlier in self._earlier:
            with self._aside(earlier).open("rb") as lines:
                for row_id, date, line in zip(earlier.ids, earlier.dates, lines, strict=True):
                    if row_id not in known:
                        self._append([row_id], [date], [line.rstrip(b"\n")])
            known.update(earlier.ids)

    def _cut(self) -> None:
        self._file.truncate(self._start)
        self._file.seek(self._start)

    def _drop_earlier(self) -> None:
        for earlier in self._earlier:
            self._aside(earlier).unlink()

    def _aside(self, reading: _Reading) -> Path:
        return self._folder / f"reading.{reading.number}"
