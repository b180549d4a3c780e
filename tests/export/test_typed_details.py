"""Details in the formats with types: odd values, rows without details, tables of earlier runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no types
import pytest
from helpers.exports import read_parquet
from helpers.rows_for_sinks import bare_line as line
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import ConfigError, DecodeError
from aicc_async._protocol.names import wire_names
from aicc_async.export.sinks.detail_parts import PARTS, PartReader
from aicc_async.export.sinks.parquet import Parquet
from aicc_async.export.sinks.postgres import Postgres
from aicc_async.export.sinks.sink import Misfits, Written
from aicc_async.export.sinks.sqlite import SQLite
from aicc_async.models import CaseTrace

pytest_plugins = ["helpers.postgres_server"]

ZONE = ZoneInfo("Asia/Shanghai")
STEP = {"title": "called", "createdDate": "2025-01-02 03:04:05"}
Query = Callable[[str], list[Any]]


class Table:
    """A table of one of the two kinds, and how it is queried."""

    def __init__(self, sink: Callable[..., Any], cases: str, query: Query) -> None:
        self.sink, self.cases, self.query = sink, cases, query

    def write(self, *rows: bytes, **options: Any) -> int:
        """Write rows with details into it."""
        return int(self.sink(**{"detail": True} | options).write([rows], keep=True))


@pytest.fixture(params=["sqlite", "postgres"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Table:
    """Name a table that is not there yet."""
    if request.param == "sqlite":
        file = tmp_path / "cases.db"

        def read(query: str) -> list[Any]:
            with closing(sqlite3.connect(file)) as database, database:
                return database.execute(query).fetchall()

        return Table(lambda **options: SQLite(file, ZONE, **options), "cases", read)
    url: str = request.getfixturevalue("postgres_url")

    def ask(query: str) -> list[Any]:
        with psycopg.connect(url) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    return Table(lambda **options: Postgres(url, ZONE, **options), "aicc_cases", ask)


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    """Each part has its model's fields by Python's names, and what else there was in extra."""
    target = tmp_path / "cases.parquet"
    step = {**STEP, "from": "0123", "x": [1.10, None]}
    row = line("a", caseTrace=[step], customerInfo={"customerInfo": {"age": 7}}, isFollower=True)
    Parquet(target, ZONE, detail=True).write([[row, line("b")]], keep=False)
    schema = pq.read_schema(target)
    assert schema.field("is_follower").type == pa.bool_()
    assert schema.field("customer").type.field("created_date").type == pa.timestamp("us", ZONE.key)
    step_type = schema.field("case_trace").type.value_type
    assert [field.name for field in step_type] == [*wire_names(CaseTrace), "extra"]
    first, second = read_parquet(target)
    [found] = first["case_trace"]
    assert (found["from_"], found["created_date"].hour) == ("0123", 3)
    assert found["extra"] == '{"x":[1.1,null]}'
    assert (first["customer"]["age"], first["is_follower"], first["tasks"]) == ("7", True, None)
    parts = ("case_info", "case_trace", "customer", "tasks", "is_follower")
    assert [second[name] for name in parts] == [None] * 5


def test_odd_values_go_into_extra(table: Table) -> None:
    """A field's into that of its record, a part that is no record into the row's; all counted."""
    odd = {**STEP, "createdDate": "today", "title": 5}
    row = line("a", caseTrace=[STEP, odd], tasks=[{}, 7], isFollower="no", customerInfo=None)
    with pytest.warns(RuntimeWarning, match=r"caseTrace\.createdDate in 1 rows"):
        done = written(table, row)
    assert done.misfits == {
        name: Misfits("a", 1)
        for name in ("isFollower", "caseTrace.title", "caseTrace.createdDate", "tasks")
    }
    assert table.query("SELECT position, title FROM aicc_case_trace ORDER BY position") == [
        (0, "called"),
        (1, None),
    ]
    [(extra,)] = table.query("SELECT extra FROM aicc_case_trace WHERE position = 1")
    assert as_json(extra) == {"createdDate": "today", "title": 5}
    [(extra, follower)] = table.query(f"SELECT extra, is_follower FROM {table.cases}")  # noqa: S608
    assert (as_json(extra), follower) == ({"isFollower": "no", "tasks": [{}, 7]}, None)
    assert table.query("SELECT * FROM aicc_tasks") == table.query("SELECT * FROM aicc_customer")
    with pytest.raises(DecodeError, match=r"^case b: must be a str, got int @ .*\[0\]\.title$"):
        table.write(line("b", caseTrace=[{"title": 5}]), strict_types=True)


def written(table: Table, row: bytes) -> Written:
    """Return what a sink says that it has written."""
    reports: list[Written] = []
    table.sink(detail=True).write([[row]], keep=True, seal=lambda _, done: reports.append(done))
    return reports[0]


def as_json(value: Any) -> Any:
    """Return what a column of JSON holds."""
    return json.loads(value) if isinstance(value, str) else value


def test_records_change_with_their_case(table: Table) -> None:
    """Steps that are gone are removed; a row that came without details leaves those of before."""
    count = "SELECT case_id, count(*) FROM aicc_case_trace GROUP BY 1 ORDER BY 1"
    titles = "SELECT title FROM aicc_case_trace WHERE case_id = 'a' ORDER BY position"
    rows = [line(each, caseTrace=[STEP, STEP], caseInfo={"id": each}) for each in "ab"]
    table.write(*rows)
    table.write(line("a", caseTrace=[{"title": "new"}]), line("b", title="gone"))
    assert table.query(count) == [("a", 1), ("b", 2)]
    assert table.query(titles) == [("new",)]
    with pytest.raises(ZeroDivisionError):
        table.sink(detail=True).write(failing(line("a", caseTrace=[])), keep=True)
    assert table.query(titles) == [("new",)]
    assert table.write(line("a", caseTrace=[]), replace=True) == 1
    assert table.query(count) == table.query("SELECT * FROM aicc_case_info") == []
    table.write(*rows)
    table.write(line("c"), replace=True, detail=False)
    assert table.query(count) == []


def failing(*rows: bytes) -> Any:
    """Yield rows, and fail before they are committed."""
    yield rows
    raise ZeroDivisionError


def test_a_table_without_details_gets_the_others(table: Table) -> None:
    """They are created when they are first used; a table that is not ours is refused."""
    table.write(line("a"), detail=False)
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        table.query("SELECT * FROM aicc_case_trace")
    table.write(line("a", caseTrace=[STEP], isFollower=True))
    assert table.query(f"SELECT is_follower FROM {table.cases}") in ([(1,)], [(True,)])  # noqa: S608
    table.query("DROP TABLE aicc_tasks")
    table.query("CREATE TABLE aicc_tasks (number integer)")
    with pytest.raises(ConfigError, match="'aicc_tasks' has no column 'case_id'"):
        table.write(line("a"))


values = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just({"a": [1]})
names = st.sampled_from(["customerInfo", "x", *wire_names(CaseTrace).values(), "address", "age"])
records = st.recursive(
    st.dictionaries(names, values, max_size=4),
    lambda inner: st.dictionaries(names, inner | values, max_size=4) | st.lists(inner, max_size=3),
)


@given(st.sampled_from(PARTS), records | values)
def test_no_value_of_a_part_is_lost(part: Any, value: Any) -> None:
    """Each value is in its field or in extra, or the part stays as it came."""
    try:
        found = PartReader(ZONE).read(part, value, lambda _: None)
    except DecodeError:
        return
    sources = value if part.is_list else [value]
    if found is None:
        assert value in (None, {part.wire: None})
        return
    for cells, source in zip(found, sources, strict=True):
        extra = json.loads(cells["extra"] or "{}")
        if part.name == "customer" and part.wire in source:
            source = {**source, **(source[part.wire] or {})}  # noqa: PLW2901
            del source[part.wire]
        fields = {field.wire: field.name for field in part.fields}
        for name, each in source.items():
            # An empty time is none.
            if each not in (None, ""):
                assert extra.get(name) == each or cells[fields[name]] is not None
