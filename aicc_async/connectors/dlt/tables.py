"""The tables ``cases`` and ``cases_windows``: their columns, and the resources that fill them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from shutil import rmtree
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.extract import DltResource

from ...export import WindowReport
from ...export.sinks.sink import batch_lines
from ...export.sinks.typed import KINDS, TypedRows
from .reading import CASES_FILE, Reading, SharedReading

READ_BUFFER_BYTES = 2**20
MAX_INTEGER = 2**63 - 1
# dlt uses it for a resource that is loaded without its source. It would take the name of this
# module, so that moving the function would lose the settings of users.
RESOURCE_SECTION = "dlt"
# Without data types dlt infers them from the first rows; a column of nulls would not exist at all.
_DLT_TYPES = {str: "text", bool: "bool", int: "double", datetime: "timestamp"}
_CASE_COLUMNS: Any = {name: {"data_type": _DLT_TYPES[kind]} for name, kind in KINDS.items()} | {
    "extra": {"data_type": "json"}
}
_WINDOW_COLUMNS: Any = {
    "window_start": {"data_type": "timestamp"},
    "window_end": {"data_type": "timestamp"},
    "verdict": {"data_type": "text"},
    "reason": {"data_type": "text"},
    "announced": {"data_type": "bigint"},
    "received": {"data_type": "bigint"},
    "distinct_ids": {"data_type": "bigint"},
    "readings": {"data_type": "bigint"},
    "without_detail": {"data_type": "bigint"},
}
Rows = list[dict[str, Any]]


def cases_resource(shared: SharedReading) -> DltResource:
    """Return the resource of the rows; it removes their file when dlt has them."""

    @dlt.resource(
        name="cases",
        section=RESOURCE_SECTION,
        primary_key="id",
        write_disposition="merge",
        columns=_CASE_COLUMNS,
    )
    def cases() -> Iterator[Rows]:
        reading = shared.take("cases")
        try:
            yield from case_rows(reading)
        finally:
            rmtree(reading.folder)
        # After the last row: dlt commits the state with the rows, or neither.
        dlt.current.resource_state("cases")[reading.key] = reading.state

    return cases


def windows_resource(shared: SharedReading) -> DltResource:
    """Return the resource of the windows' verdicts."""

    @dlt.resource(
        name="cases_windows",
        section=RESOURCE_SECTION,
        write_disposition="append",
        columns=_WINDOW_COLUMNS,
    )
    def cases_windows() -> Iterator[Rows]:
        reading = shared.take("cases_windows")
        yield [window_row(window, reading.zone) for window in reading.report.windows]

    return cases_windows


def case_rows(reading: Reading) -> Iterator[Rows]:
    """Yield the rows of the file, a thousand at a time."""
    # dlt handles each yielded item in Python, so lists are much faster than single rows:
    # https://dlthub.com/docs/reference/performance
    typed = TypedRows(reading.zone)
    with (reading.folder / CASES_FILE).open("rb", READ_BUFFER_BYTES) as lines:
        for batch in batch_lines(lines):
            yield [
                {name: getattr(case, name) for name in KINDS} | {"extra": _exact(case.extra)}
                for case in typed.read(batch)
            ]
    typed.warn("cases")


def _exact(value: Any) -> Any:
    """Return extension fields without integers that dlt's JSON has no room for.

    It writes a Decimal as a text, with all its digits.
    """
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return Decimal(value) if value.__class__ is int and abs(value) > MAX_INTEGER else value


def window_row(window: WindowReport, zone: ZoneInfo) -> dict[str, Any]:
    """Return the row of a window; its times get their zone, which a destination may convert."""
    start, end = (
        datetime.fromisoformat(text).replace(tzinfo=zone) if text else None
        for text in (window.start, window.end)
    )
    return {
        "window_start": start,
        "window_end": end,
        "verdict": window.verdict,
        "reason": window.reason,
        "announced": window.announced,
        "received": window.received,
        "distinct_ids": window.distinct,
        "readings": window.readings,
        "without_detail": window.without_detail,
    }
