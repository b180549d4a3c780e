"""Rows that are taken by column: they come out as those that are read one by one."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.rows_for_sinks import in_batches, line
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async._protocol.converter import dumps
from aicc_async.export.sinks.arrow import ArrowRows
from aicc_async.export.sinks.csv import CSV
from aicc_async.export.sinks.csv_cells import encode_rows, quote_column
from aicc_async.export.sinks.defuse import defuse
from aicc_async.export.sinks.sqlite import SQLite
from aicc_async.export.sinks.typed import TypedRows

pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
ZONE = ZoneInfo("Europe/Berlin")
# An hour that is skipped, one that is shown twice, and some without either.
TIMES = st.sampled_from(
    ["2025-03-30 02:30:00", "2025-10-26T02:30:00.5", "2025-01-02 03:04:05", "1890-01-01 00:00:00"]
)
TEXTS = st.text(alphabet="=+-@;,|\"' \t\r\n\0a1é客", max_size=5)
FIELDS: dict[str, Any] = {
    "title": TEXTS | st.none(),
    "dueDate": TIMES | st.sampled_from(["", None]),
    "createdDate": TIMES,
    "isCanced": st.booleans() | st.none(),
    "suspendAccumulatedTime": st.integers(-5, 5) | st.just(1.5) | st.none(),
    "x": TEXTS | st.none() | st.integers() | st.booleans() | st.lists(TEXTS, max_size=2),
    "y": st.sampled_from([1.25, True, 1, "1", None]),
}
ROWS = st.lists(st.fixed_dictionaries({}, optional=FIELDS), min_size=1, max_size=6)


def lines_of(rows: list[dict[str, Any]]) -> list[bytes]:
    """Write rows with ids of their own."""
    return [line(f"c{number}", **row) for number, row in enumerate(rows)]


@given(ROWS)
@example([{"createdDate": "2025-03-30 02:30:00"}])
@example([{"x": None}, {}])
def test_arrow_has_the_same_values_either_way(rows: list[dict[str, Any]]) -> None:
    """Times, numbers, flags and the map of extension fields do not depend on how they are read."""
    lines, arrow, typed = lines_of(rows), ArrowRows(ZONE.key, "parquet"), TypedRows(ZONE)
    by_case = arrow.record(typed.read(lines))
    assert typed.read_columns(lines)
    fast = arrow.read(typed, lines)
    fast.validate(full=True)
    # Fields that were learned come in the order of learning.
    assert [
        row | {"extra": sorted(row["extra"])}
        for row in fast.drop_columns(["created_date"]).to_pylist()
    ] == [
        row | {"extra": sorted(row["extra"])}
        for row in by_case.drop_columns(["created_date"]).to_pylist()
    ]
    assert fast["created_date"] == by_case["created_date"]


@given(ROWS)
def test_extension_fields_are_the_same_json_either_way(rows: list[dict[str, Any]]) -> None:
    """As a text, for programs without maps, they keep types that a map of texts has not."""
    lines, typed = lines_of(rows), TypedRows(ZONE)
    arrow = ArrowRows(ZONE.key, "dlt", has_json_extra=True)
    cases = typed.read(lines)
    by_case = arrow.record(cases)["extra"].to_pylist()
    fast = arrow.read(typed, lines)["extra"].to_pylist()
    extras = [json.loads(dumps(case.extra)) for case in cases]
    assert [json.loads(text) for text in by_case] == extras
    assert [json.loads(text) for text in fast] == extras


@given(ROWS)
def test_sqlite_stores_the_same_values_either_way(rows: list[dict[str, Any]]) -> None:
    """What was written case by case is not changed by the same rows, taken by column."""
    lines = [
        line(f"c{number}", **{name: row[name] for name in row if name != "y"}, y=None)
        for number, row in enumerate(rows)
    ]
    # The first one teaches the fields, in the order of the others.
    teacher = line("c", **{name: None for row in rows for name in row if name != "y"}, y=None)
    with TemporaryDirectory() as folder:
        sink = SQLite(Path(folder) / "cases.db", ZONE)
        assert sink.write(iter([[*lines, teacher]]), keep=True) == len(lines) + 1
        assert sink.write(iter([[teacher], lines]), keep=True) == 0


@given(st.lists(st.sampled_from(["a", "", "=1", "a-b", "x;", None, True, False, 1, 0]) | TEXTS))
def test_cells_are_those_of_the_csv_module(values: list[Any]) -> None:
    """A column at once has the cells that each value alone has, quoted as ``csv.writer`` does."""
    names = {"None": "", "True": "true", "False": "false"}
    alone = [
        defuse(value) if isinstance(value, str) else names.get(str(value), str(value))
        for value in values
    ]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([cell, "-"] for cell in alone)
    cells = quote_column(values, defuse)
    assert encode_rows((cell, "-") for cell in cells).decode() == file.getvalue()


def test_a_late_field_widens_the_lines_before_it(tmp_path: Path) -> None:
    """Lines that were formatted before a field was known get its empty cell in its place."""
    path, title = tmp_path / "cases.csv", 'a "b",\r\n=1'
    rows = [line("c1", title=title, z=1), line("c2", z=2), line("c3", a="x"), line("c4", m=[1])]
    assert CSV(path, columns=["n"]).write(in_batches(rows, 1), keep=False) == len(rows)
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, strict=True))
    assert list(found[0])[-4:] == ["a", "m", "n", "z"]
    assert [[row[name] for name in "amnz"] for row in found] == [
        ["", "", "", "1"],
        ["", "", "", "2"],
        ["x", "", "", ""],
        ["", "[1]", "", ""],
    ]
    assert found[0]["title"] == defuse(title)
