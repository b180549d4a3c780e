"""The rows of the window that is being read: the end of the row file, and readings set aside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from attrs import Factory, define

from .._files import create_private

# A write for each page would make the thread that writes wait for the loop's every time.
BUFFER_SIZE = 2**21  # bytes


@define
class WrittenReading:
    """What one reading of a window wrote: a line for each id.

    ``known`` are the ids of pages that brought duplicates of neighbours.
    """

    number: int
    ids: list[str] = Factory(list)
    dates: list[str] = Factory(list)
    known: set[str] = Factory(set)


class WindowRows:
    """The lines behind the last finished window, and a file for each earlier reading of them.

    Which reading was right is known when one agrees with itself, and not even then if none does.
    So none is deleted before the window is settled.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        # Rows are held and written here: a buffer would only copy them.
        create_private(path)
        self._file = path.open("ab", buffering=0)
        self._start = start
        self.cut()
        self.begin_window()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def size(self) -> int:
        """Return the size of the whole file, with what is held."""
        return self._size

    def is_cut(self) -> bool:
        """Return whether the file is shorter than what was written."""
        return os.fstat(self._file.fileno()).st_size < self._size - self._held_size

    def sync(self) -> None:
        """Make durable what is written."""
        os.fsync(self._file.fileno())

    def begin_window(self) -> None:
        """Keep what is written, and begin another window behind it."""
        self._start = self._size
        self.reading = WrittenReading(1)
        self._earlier: list[WrittenReading] = []

    def begin_reading(self, number: int) -> None:
        """Set the rows of the reading before aside, if this is another one."""
        if number != self.reading.number:
            self.set_aside()
            self._earlier.append(self.reading)
            self.reading = WrittenReading(number)

    def append(self, ids: Sequence[str], dates: Sequence[str], lines: Sequence[bytes]) -> None:
        """Add rows to the present reading; they are held until ``flush``."""
        if ids:
            self.hold(lines)
            self.reading.ids += ids
            self.reading.dates += dates

    def hold(self, lines: Sequence[bytes]) -> None:
        """Hold lines that are to be written; nothing here waits for the disk."""
        text = b"\n".join([*lines, b""])
        self._held.append(text)
        self._held_size += len(text)
        self._size += len(text)

    @property
    def is_full(self) -> bool:
        """Whether so much is held that it should be written."""
        return self._held_size >= BUFFER_SIZE

    def flush(self) -> None:
        """Write what is held; without a buffer the system may take a part of it at a time."""
        rest = memoryview(b"".join(self._held))
        self._drop_held()
        while rest:
            rest = rest[self._file.write(rest) :]

    def unite(self) -> None:
        """Add to the present reading what only earlier ones brought."""
        known = self.reading.known.union(self.reading.ids)
        for earlier in self._earlier:
            with self._aside(earlier).open("rb") as lines:
                for row_id, date, line in zip(earlier.ids, earlier.dates, lines, strict=True):
                    if row_id not in known:
                        self.append([row_id], [date], [line.rstrip(b"\n")])
                        if self.is_full:
                            self.flush()
            known.update(earlier.ids)

    def set_aside(self) -> Path:
        """Move the lines of the present reading to a file of their own."""
        self.flush()
        path = self._aside(self.reading)
        create_private(path)
        with self._path.open("rb") as source, path.open("wb") as aside:
            source.seek(self._start)
            shutil.copyfileobj(source, aside)
        self.cut()
        return path

    def cut(self) -> None:
        """Cut the window's lines off, also those that are held."""
        self._drop_held()
        self._file.truncate(self._start)
        self._file.seek(self._start)
        self._size = self._start

    def delete_earlier(self) -> None:
        """Delete the readings that were set aside."""
        for earlier in self._earlier:
            self._aside(earlier).unlink()

    def _drop_held(self) -> None:
        self._held: list[bytes] = []
        self._held_size = 0

    def _aside(self, reading: WrittenReading) -> Path:
        return self._path.with_name(f"reading.{reading.number}")
