"""What a load has read, for both of its tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import BinaryIO
from zoneinfo import ZoneInfo

from attrs import frozen

from ...export import ExportReport
from .open_cases import OpenCases
from .state import LoadState


@frozen(kw_only=True)
class Reading:
    """Open files of rows, which have no names any more, and what is known of them.

    ``state`` is where the next load begins, under its ``key``; None: anew. ``open_cases`` has those
    that are to be read again then, once it has seen all rows.
    """

    rows: Sequence[BinaryIO]
    report: ExportReport
    zone: ZoneInfo
    key: str
    state: LoadState | None
    open_cases: OpenCases | None


class SharedReading:
    """One reading for both tables, whichever dlt extracts first, and in whichever thread."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._outcome: Future[Reading] | None = None
        self._served_tables: set[str] = set()

    def take(self, table: str) -> Reading:
        """Read, or return what was read for the other table; or raise what was raised then."""
        with self._lock:
            # A table that comes a second time means that the source is loaded once more.
            if self._outcome is None or table in self._served_tables:
                self._outcome, self._served_tables = Future(), set()
                try:
                    self._outcome.set_result(self._read())
                except BaseException as error:  # noqa: BLE001  (raised below, for both tables)
                    self._outcome.set_exception(error)
            self._served_tables.add(table)
            return self._outcome.result()


def close_all(files: Iterable[BinaryIO]) -> None:
    """Close the files of a reading: what they hold is gone."""
    for file in files:
        file.close()
