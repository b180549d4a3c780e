"""The windows of a checkpoint: planned, then finished with a report, or replaced by halves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from attrs import asdict, frozen

from .._listing.plan import MAX_PARTS_PER_SECOND, PlannedWindow
from .._listing.windows import Window
from .manifest import WindowReport, parse_time, time_text
from .saved_plan import check_window
from .state import StateDatabase, damage_errors, put_values

_INSERT = 'INSERT INTO windows (start, "end", count) VALUES (?,?,?)'
_DELETE = 'DELETE FROM windows WHERE start IS ? AND "end" IS ?'
_FINISH = (
    'UPDATE windows SET report = ?, count = ?, size = ?, days = ? WHERE start IS ? AND "end" IS ?'
)


@frozen
class FinishedWindow:
    """A window whose rows are in the row file, which they end at ``size`` bytes.

    ``days`` counts them by day of creation.
    """

    window: Window
    report: WindowReport
    size: int
    days: Mapping[str, int]


class WindowTable:
    """The windows of an export, in the order of time."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def plan(self, windows: Sequence[PlannedWindow], **values: Any) -> None:
        """Set the windows that are to be read, and named values with them."""
        with self._database.write() as connection:
            connection.executemany(_INSERT, map(_planned_cells, windows))
            put_values(connection, {**values, "planned": sum(each.count for each in windows)})

    def finish(self, windows: Iterable[FinishedWindow], **values: Any) -> None:
        """Mark windows as finished, and set named values; their rows must be synced before."""
        with self._database.write() as connection:
            connection.executemany(
                _FINISH,
                (
                    (
                        msgspec.json.encode(asdict(each.report)),
                        each.report.distinct,
                        each.size,
                        msgspec.json.encode(each.days),
                        time_text(each.window.start),
                        time_text(each.window.end),
                    )
                    for each in windows
                ),
            )
            put_values(connection, values)

    def split(self, window: Window, parts: Iterable[PlannedWindow]) -> None:
        """Replace a window that could not be read as a whole."""
        with self._database.write() as connection:
            connection.execute(_DELETE, (time_text(window.start), time_text(window.end)))
            connection.executemany(_INSERT, map(_planned_cells, parts))

    def check(self) -> None:
        """Read everything once; raise ConfigError where it is not as it was written."""
        rows = self._database.rows('SELECT start, "end", count, report, size, days FROM windows')
        with damage_errors(self._database.folder):
            for start, end, count, report, size, days in rows:
                decoded = {
                    name: None if text is None else msgspec.json.decode(text)
                    for name, text in (("report", report), ("days", days))
                }
                check_window(start, end, {"count": count, "size": size, **decoded})

    def pending(self) -> list[PlannedWindow]:
        """Return the windows that are not finished, oldest first."""
        rows = self._database.rows(
            'SELECT start, "end", count FROM windows WHERE report IS NULL ORDER BY start'
        )
        return [
            PlannedWindow(Window(parse_time(start), parse_time(end)), count)
            for start, end, count in rows
        ]

    def reports(self) -> list[WindowReport]:
        """Return the reports of the finished windows, oldest first."""
        rows = self._database.rows(
            "SELECT report FROM windows WHERE report IS NOT NULL ORDER BY start"
        )
        return [WindowReport(**msgspec.json.decode(report)) for (report,) in rows]

    def finished_rows(self) -> int:
        """Count the rows that the finished windows brought, those in two of them twice."""
        rows = self._database.rows("SELECT total(count) FROM windows WHERE report IS NOT NULL")
        return int(rows[0][0])

    def is_plausible(self) -> bool:
        """Return whether the windows brought no more rows than overlapping ones can share.

        If the service ignored the times, every half of a window would bring all of its rows.
        """
        planned: int = self._database.values()["planned"]
        return self.finished_rows() <= MAX_PARTS_PER_SECOND * planned

    def byte_ranges(self) -> list[tuple[int, int]]:
        """Return where the lines of each finished window begin and end in the row file."""
        rows = self._database.rows("SELECT size FROM windows WHERE size NOT NULL ORDER BY start")
        return list(pairwise([0, *(size for (size,) in rows)]))

    def finished_bytes(self) -> int:
        """Return how many bytes of the row file belong to finished windows."""
        rows = self._database.rows("SELECT max(size) FROM windows")
        return rows[0][0] or 0

    def days(self) -> Counter[str]:
        """Count the lines of the row file by day of creation; those without a date under ""."""
        rows = self._database.rows("SELECT days FROM windows WHERE days IS NOT NULL")
        total = Counter[str]()
        for (days,) in rows:
            # Not their sum: that would copy all days for each window.
            total.update(msgspec.json.decode(days))
        return +total


def _planned_cells(planned: PlannedWindow) -> tuple[Any, ...]:
    return time_text(planned.window.start), time_text(planned.window.end), planned.count
