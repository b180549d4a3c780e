"""Template fields of a known type, as columns of their own."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no types
import pytest
from click.testing import CliRunner
from helpers.exports import QUARTER, read_csv, read_parquet
from helpers.rows_for_sinks import bare_line as line

from aicc_async import AICCClient, CaseQuery, ConfigError, export_cases
from aicc_async.cli.commands.export import export
from aicc_async.emulator import Emulator
from aicc_async.export.sinks.parquet import Parquet
from aicc_async.export.sinks.template_columns import check_columns, column_reader

pytest_plugins = ["helpers.postgres_server"]

ZONE = ZoneInfo("Asia/Shanghai")
TYPES = {"s": "str", "i": "int", "f": "float", "b": "bool", "t": "time", "d": "decimal"}
MOMENT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=ZONE)
FITTING: dict[str, Any] = {"s": "", "i": 2**62, "f": 0.5, "b": False, "d": Decimal("1.10")}
SCORE, REGION = "AICC__score__CST", "AICC__region__CST"


@pytest.mark.parametrize(
    ("column_type", "value", "read"),
    [
        ("str", "", ""),
        ("int", -(2**63), -(2**63)),
        ("float", 2, 2.0),
        ("float", Decimal("0.1"), 0.1),
        ("bool", True, True),
        ("time", "2025-01-02 03:04:05", MOMENT),
        ("time", "", None),
        ("int", "", None),
        ("decimal", "12.340", Decimal("12.340")),
        ("decimal", Decimal("2.50E+3"), Decimal(2500)),
        ("decimal", 7, Decimal(7)),
        ("str", None, None),
    ],
)
def test_values_of_a_type(column_type: str, value: object, read: object) -> None:
    """They are read as they are meant; nothing is converted but numbers as texts to decimals."""
    assert column_reader(ZONE)(column_type, value) == read


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("str", 5),
        ("int", True),
        ("int", "5"),
        ("int", 2**63),
        ("int", Decimal("5.0")),
        ("float", 2**53 + 1),
        ("float", Decimal("1e400")),
        ("float", False),
        ("bool", 1),
        ("time", "2025-01-02T03:04:05+08:00"),
        ("time", 5),
        ("decimal", "1e5"),
        ("decimal", Decimal("1e29")),
        ("decimal", Decimal("1e-10")),
        ("decimal", True),
        ("decimal", "NaN"),
    ],
)
def test_values_of_another_type(column_type: str, value: object) -> None:
    """They are refused, also those that a language would convert."""
    with pytest.raises((TypeError, ValueError)):
        column_reader(ZONE)(column_type, value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["x"], "columns must be a mapping"),
        ({"x": "text"}, "must have one of the types str, .*, got 'text' for x"),
        ({"x y": "str"}, "must have names of 1 to 63 letters"),
        ({"Title": "str"}, "must be template fields, each once, got 'Title'"),
        ({"isFollower": "bool"}, "must be template fields"),
        ({"x": "str", "X": "str"}, "must be template fields, each once, got 'X'"),
        ({"deleted_at": "time"}, "must be template fields"),
    ],
)
def test_columns_that_cannot_be(columns: Any, message: str) -> None:
    """They are refused before anything is asked for."""
    with pytest.raises(ConfigError, match=message):
        check_columns(columns)


def test_parquet_types(tmp_path: Path) -> None:
    """Each type is Arrow's own; what is not of it is null, and stays in extra."""
    target = tmp_path / "cases.parquet"
    rows = [
        b'{"id":"a","s":"","i":4611686018427387904,"f":0.5,"b":false,"d":1.10,"y":1,"t":"%s"}'
        % b"2025-01-02 03:04:05",
        line("b", s=1, i="1", f="1", b="1", d="x", t="x"),
    ]
    with pytest.warns(RuntimeWarning, match="s in 1 rows .*d in 1 rows"):
        Parquet(target, ZONE, columns=TYPES).write([rows], keep=False)
    schema = pq.read_schema(target)
    assert [schema.field(name).type for name in TYPES] == [
        *(pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", ZONE.key)),
        pa.decimal128(38, 9),
    ]
    fits, odd = read_parquet(target)
    assert {name: fits[name] for name in TYPES} == {**FITTING, "t": MOMENT}
    assert fits["extra"] == [("y", "1")]
    assert [odd[name] for name in TYPES] == [None] * 6
    assert dict(odd["extra"]) == {"s": "1", "i": "1", "f": "1", "b": "1", "d": "x", "t": "x"}


@pytest.fixture(params=["cases.db", "postgres"])
def target(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Callable[[str], list[Any]]]:
    """Name a table, and how it is queried."""
    monkeypatch.chdir(tmp_path)
    if request.param != "postgres":

        def read(query: str) -> list[Any]:
            with closing(sqlite3.connect(request.param)) as database:
                return database.execute(query.replace("aicc_cases", "cases")).fetchall()

        return request.param, read
    url: str = request.getfixturevalue("postgres_url")

    def ask(query: str) -> list[Any]:
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode()).fetchall()

    return url, ask


async def test_a_table_gets_columns(
    aicc: AICCClient, tenant: Emulator, target: tuple[str, Callable[[str], list[Any]]]
) -> None:
    """Later ones are added; another type and a column left out are refused before any request."""
    out, query = target
    odd = tenant.insert(createdDate="2025-01-20 00:00:00", **{SCORE: "five"})
    await export_cases(aicc, QUARTER, out)
    with pytest.warns(RuntimeWarning, match=f"{SCORE} in 1 rows"):
        report = await export_cases(aicc, QUARTER, out, columns={SCORE: "int"})
    assert report.odd_values[SCORE].example == odd
    wanted = {row["id"]: row.get(SCORE) for row in tenant.rows()} | {odd: None}
    found = dict(query(f'SELECT id, "{SCORE}" FROM aicc_cases'))  # noqa: S608
    assert found == wanted
    assert len(set(found.values())) > 3
    extras = query("SELECT id, extra FROM aicc_cases")
    assert [row_id for row_id, extra in extras if SCORE in as_json(extra)] == [odd]
    requests = len(tenant.requests)
    for columns in ({}, {SCORE: "str"}, {REGION: "str"}):
        with pytest.raises(ConfigError, match=rf"columns must be those .* \({SCORE}:int\)"):
            await export_cases(aicc, None, out, columns=columns, since_last=timedelta(days=1))
    [manifest] = Path().glob("*.manifest.json")
    manifest.unlink()
    with pytest.raises(ConfigError, match=f"the column {SCORE} of its table '.*cases' must be of"):
        await export_cases(aicc, QUARTER, out, columns={SCORE: "str"}, replace=True)
    assert len(tenant.requests) == requests
    both = {SCORE: "int", REGION: "str"}
    with pytest.warns(RuntimeWarning, match=f"{SCORE} in 1 rows"):
        await export_cases(aicc, QUARTER, out, columns=both, replace=True)
    assert len(query(f'SELECT DISTINCT "{REGION}" FROM aicc_cases')) > 3  # noqa: S608


def as_json(value: Any) -> Any:
    """Return what a column of JSON holds."""
    return json.loads(value) if isinstance(value, str) else value


async def test_files_have_columns(aicc: AICCClient, tenant: Emulator, tmp_path: Path) -> None:
    """Parquet keeps the same ones, a CSV has those that no row has, and lines of JSON none."""
    parquet = tmp_path / "cases.parquet"
    report = await export_cases(aicc, QUARTER, parquet, columns={SCORE: "int"})
    assert report.columns == {SCORE: "int"}
    scores = {row["id"]: row[SCORE] for row in read_parquet(parquet)}
    assert scores == {row["id"]: row.get(SCORE) for row in tenant.rows()}
    back = timedelta(days=1)
    with pytest.raises(ConfigError, match="columns must be those of its last run"):
        await export_cases(
            aicc, CaseQuery(), parquet, columns={SCORE: "int", "x": "str"}, since_last=back
        )
    await export_cases(aicc, QUARTER, tmp_path / "cases.csv", columns={"AAA": "int"})
    assert "AAA" in read_csv(tmp_path / "cases.csv")[0]
    with pytest.raises(ConfigError, match="columns cannot be combined with the format jsonl"):
        await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl", columns={"x": "str"})


def test_the_option(tmp_path: Path) -> None:
    """It may be repeated, and says what it must be."""
    out = tmp_path / "cases.parquet"
    span = ["--since", "2025-01-01", "--until", "2025-01-01", "--demo"]
    both = [f"--column={SCORE}:int", f"--column={REGION}:str"]
    result = CliRunner().invoke(export, [str(out), *span, *both])
    assert result.exit_code == 0, result.output
    assert [pq.read_schema(out).field(name).type for name in (SCORE, REGION)] == [
        pa.int64(),
        pa.string(),
    ]
    with pytest.raises(ConfigError, match=r"--column must be NAME:TYPE, .* got 'x'"):
        CliRunner().invoke(export, [str(out), *span, "--column=x"], catch_exceptions=False)
