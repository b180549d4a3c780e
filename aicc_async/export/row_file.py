"""The file of the rows: it grows window by window, and has each id once among neighbours.

The idea: pages are written as they come, two megabytes at a time, so that memory holds a window's
ids and dates, never all of its rows. When a window is read again, the lines of the reading before
are set aside; if a reading agrees with itself, its lines stay, and if none does, what any of them
brought is kept. Windows overlap, so ids of the last two are remembered, and rows that come again
are dropped.

The invariant: what is before the present window is final, and only the lines behind it are ever cut
off or written anew. So the digest can be carried along, and a killed run is cut back to the end of
its last finished window.

What it cannot see: an id that comes again in a window that is no neighbour, because the case's date
changed meanwhile. ``is_distinct`` says whether that can be, and ``dedupe.py`` finds it at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import compress
from operator import itemgetter

from .._listing.windows import Window
from .checkpoint import Checkpoint
from .dedupe import DAY_LENGTH, RecentIds
from .manifest import WindowReport
from .prefix_digest import PrefixDigest
from .state import disk_errors
from .window_rows import WindowRows
from .window_table import FinishedWindow

# They take about 10 MB.
MAX_IDS_IN_MEMORY = 100_000
_day = itemgetter(slice(DAY_LENGTH))


class RowFile:
    """Takes the rows of one window after the other; a new reading of one replaces its rows."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._folder = checkpoint.folder
        self._recent = RecentIds(checkpoint)
        with disk_errors(self._folder):
            start = checkpoint.windows.finished_bytes()
            self._rows = WindowRows(checkpoint.rows_path, start)
        self._digest = PrefixDigest(checkpoint.rows_path)
        # What an earlier run wrote is not read again for this: then it is not known.
        self._distinct: set[str] | None = None if start else set()
        self._count = 0

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def write(
        self, reading: int, ids: Sequence[str], *, dates: Sequence[str], lines: Sequence[bytes]
    ) -> None:
        """Append rows that are no duplicates; a new reading begins the window anew.

        They are written when there are enough of them, or the window ends.
        """
        with disk_errors(self._folder):
            if self._rows.is_full:
                self._rows.flush()
            self._rows.begin_reading(reading)
            is_new = self._recent.are_new(ids)
            if is_new is not None:
                self._rows.reading.known.update(ids)
                ids, dates = list(compress(ids, is_new)), list(compress(dates, is_new))
                lines = list(compress(lines, is_new))
            self._rows.append(ids, dates, lines)

    def needs_disk(self, reading: int | None = None) -> bool:
        """Return whether the next row waits for the disk: then it must be written in a thread.

        It does where many rows are held, or where another ``reading`` begins.
        """
        return self._rows.is_full or reading not in (None, self._rows.reading.number)

    def settle_window(self, readings: int, *, agreed: bool) -> int:
        """Take it that the window has all its rows, and return how many.

        Call it in a thread where there were several readings. A window that no two of them agree on
        gets what any brought: nobody knows which was right.
        """
        with disk_errors(self._folder):
            # The last reading may have brought nothing.
            self._rows.begin_reading(readings)
            if not agreed:
                self._rows.unite()
            self._rows.delete_earlier()
        return len(self._rows.reading.ids)

    @contextmanager
    def rewriting(self) -> Iterator[Iterator[tuple[str, bytes]]]:
        """Take the settled window's rows back, and yield them with their ids.

        For each of them a row must be given to ``rewrite``, in the same order.
        """
        with disk_errors(self._folder):
            plain = self._rows.set_aside()

        def read_back() -> Iterator[tuple[str, bytes]]:
            with disk_errors(self._folder), plain.open("rb") as lines:
                for row_id, line in zip(self._rows.reading.ids, lines, strict=True):
                    yield row_id, line.rstrip(b"\n")

        yield read_back()
        with disk_errors(self._folder):
            plain.unlink()

    def rewrite(self, row: bytes) -> None:
        """Write the next row in place of the one that was taken back."""
        with disk_errors(self._folder):
            if self._rows.is_full:
                self._rows.flush()
            self._rows.hold([row])

    def end_window(self, window: Window, report: WindowReport) -> FinishedWindow:
        """End a window that is settled; its rows stay. Call it in a thread.

        Raises ExportError when any were cut off.
        """
        with disk_errors(self._folder):
            self._rows.flush()
        reading = self._rows.reading
        ids = set(reading.ids)
        self._count += len(reading.ids)
        if self._distinct is not None:
            self._distinct |= ids
            if self._count > MAX_IDS_IN_MEMORY:
                self._distinct = None
        ids |= reading.known
        self._recent.end_window(ids)
        days = count_days(reading.dates)
        if self._rows.is_cut():
            # Windows that wait for their sync may be finished with what is left.
            raise self._checkpoint.discard_changed_rows()
        self._rows.begin_window()
        return FinishedWindow(window, report, self._rows.size(), days)

    def undo_window(self) -> None:
        """Take the window's rows back; call it in a thread."""
        with disk_errors(self._folder):
            self._rows.cut()
            self._rows.delete_earlier()
        self._rows.begin_window()

    def sync(self, size: int) -> None:
        """Make durable what is written, and digest ``size`` bytes of it; call it in a thread."""
        with disk_errors(self._folder):
            self._rows.sync()
            self._digest.extend_to(size)

    def sha256(self, size: int) -> str:
        """Return the digest of the first ``size`` bytes; call it in a thread.

        An earlier run may have written them.
        """
        with disk_errors(self._folder):
            self._digest.extend_to(size)
        return self._digest.hexdigest()

    def is_unchanged(self) -> bool:
        """Return whether the file has what was digested, and nothing else; call it in a thread."""
        with disk_errors(self._folder):
            return self._digest.is_unchanged()

    def is_distinct(self) -> bool:
        """Return whether it is known that no id is there twice: they are few, and of one run."""
        return self._distinct is not None and len(self._distinct) == self._count


@contextmanager
def open_row_file(checkpoint: Checkpoint) -> Iterator[RowFile]:
    """Open the row file of a checkpoint, and close it in the end."""
    with closing(RowFile(checkpoint)) as rows:
        yield rows


def count_days(dates: Sequence[str]) -> Counter[str]:
    """Count dates by day; they are mostly sorted already, and then few are looked at."""
    ordered, days, start = sorted(dates), Counter[str](), 0
    while start < len(ordered):
        day = _day(ordered[start])
        stop = bisect_right(ordered, day, start, key=_day)
        days[day] = stop - start
        start = stop
    return days
