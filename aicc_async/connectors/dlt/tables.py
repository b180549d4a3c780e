"""The tables ``cases`` and ``cases_windows``: their columns, and the resources that fill them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.extract import DltResource, make_hints, with_hints

from ..._optional import load
from ...export import WindowReport
from ...export.sinks.arrow import ArrowRows
from ...export.sinks.parquet import group_records
from ...export.sinks.sink import batch_lines
from ...export.sinks.typed import KINDS, TypedRows
from .reading import Reading, SharedReading, close_all

# dlt uses it for a resource that is loaded without its source. It would take the name of this
# module, so that moving the function would lose the settings of users.
RESOURCE_SECTION = "dlt"
# Without data types dlt infers them from the first rows; a column of nulls would not exist at all.
_DLT_TYPES = {str: "text", bool: "bool", int: "double", datetime: "timestamp"}
CASE_COLUMNS: Any = {name: {"data_type": _DLT_TYPES[kind]} for name, kind in KINDS.items()} | {
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
    """Return the resource of the rows; it closes their files when dlt has them."""

    @dlt.resource(
        name="cases",
        section=RESOURCE_SECTION,
        primary_key="id",
        write_disposition="merge",
        columns=CASE_COLUMNS,
    )
    def cases() -> Iterator[Any]:
        reading = shared.take("cases")
        hints = make_hints(file_format="preferred") if confuses_empty_texts() else None
        try:
            for table in case_tables(reading):
                yield with_hints(table, hints) if hints else table
        finally:
            close_all(reading.rows)
        # After the last row: dlt commits the state with the rows, or neither.
        state = reading.state
        if state and reading.open_cases:
            state["open"] = reading.open_cases.spans()
        dlt.current.resource_state("cases")[reading.key] = state

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


def confuses_empty_texts() -> bool:
    """Return whether dlt would load Arrow tables so that an empty text becomes null.

    It takes the first format of the destination that Arrow can write. For Postgres that is CSV.
    """
    context = Container()[PipelineContext]
    destination = context.pipeline().destination if context.is_active() else None
    found = destination.capabilities().supported_loader_file_formats if destination else None
    return next((name for name in found or () if name in {"csv", "parquet"}), None) == "csv"


def case_tables(reading: Reading) -> Iterator[Any]:
    """Yield the rows of the files as Arrow tables, tens of thousands at a time."""
    typed = TypedRows(reading.zone)
    arrow = ArrowRows(reading.zone.key, "dlt", has_json_extra=True)
    lines = chain.from_iterable(reading.rows)
    records = (arrow.read(typed, batch) for batch in batch_lines(lines))
    # dlt handles each item that is yielded in Python:
    # https://dlthub.com/docs/dlt-ecosystem/verified-sources/arrow-pandas
    for table in group_records(load("pyarrow", "dlt"), records):
        if reading.open_cases:
            reading.open_cases.note(table)
        yield table
    typed.warn("cases")


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
