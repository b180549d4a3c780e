"""Values that are not as documented, and numbers with all their digits, in the typed formats."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no types
import pytest
from helpers.exports import QUARTER, read_lines
from helpers.rows_for_sinks import bare_line as line
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, CaseQuery, DecodeError, export_cases
from aicc_async._listing.creation_dates import CreationDates
from aicc_async._listing.pages import Page
from aicc_async._listing.paging import Batch
from aicc_async._listing.windows import Window
from aicc_async._protocol.names import wire_names
from aicc_async.emulator import Emulator
from aicc_async.export import OddValues, Progress, manifest
from aicc_async.export.report.page import report_page
from aicc_async.export.sinks.csv import CSV
from aicc_async.export.sinks.parquet import Parquet
from aicc_async.export.sinks.partition_names import PartitionBy
from aicc_async.export.sinks.postgres import Postgres
from aicc_async.export.sinks.sink import Misfits
from aicc_async.export.sinks.sqlite import SQLite
from aicc_async.export.sinks.typed import TypedRows
from aicc_async.models import Case

pytest_plugins = ["helpers.postgres_server"]

ZONE = ZoneInfo("Asia/Shanghai")
ODD = [
    ("isUpgraded", "is_upgraded", "true"),
    ("isCanced", "is_cancelled", 1),
    ("createdDate", "created_date", "0000-00-00 00:00:00"),
    ("closedDate", "closed_date", "2025-01-02T03:04:05+08:00"),
    ("dueDate", "due_date", 1735787045000),
    ("suspendAccumulatedTime", "suspend_accumulated_time", 2**60 + 1),
    ("suspendAccumulatedTime", "suspend_accumulated_time", 2**70),
    ("title", "title", {"deep": [1]}),
]
# As the service writes them; doubles hold none of these.
NUMBERS = ["1234567890123456.78", "1.10", "-0.10", "123456789012345678901234567890", "2.50E+3"]


def written(sink: Any, rows: Sequence[bytes], *, warns: str = "") -> int:
    """Write rows, and expect one warning if there is to be one."""
    if not warns:
        return int(sink.write([rows], keep=False))
    with pytest.warns(RuntimeWarning, match=warns) as caught:
        added = int(sink.write([rows], keep=False))
    assert len(caught) == 1
    return added


def in_database(path: Path, name: str) -> list[Any]:
    """Return a column, and the extension fields as they are in the database."""
    with closing(sqlite3.connect(path)) as database:
        query = f"SELECT {name}, extra FROM cases ORDER BY id"  # noqa: S608  (names of ours)
        return database.execute(query).fetchall()


@pytest.mark.parametrize(("wire", "name", "value"), ODD)
def test_an_odd_value_goes_into_extra(tmp_path: Path, wire: str, name: str, value: object) -> None:
    """Its field is null; the other rows, and the other fields of its row, stay as they are."""
    rows = [line("a", origin="Email"), line("b", origin="Voice", x=1, **{wire: value}), line("c")]
    warns = rf"^cases\.\w+: values of another type .* {wire} in 1 rows \(the first is case b\)$"
    parquet, database = tmp_path / "cases.parquet", tmp_path / "cases.db"
    assert written(Parquet(parquet, ZONE), rows, warns=warns) == 3
    found = pq.read_table(parquet).to_pylist()
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    assert (found[1][name], found[1]["extra"]) == (None, [("x", "1"), (wire, text)])
    assert [row["origin"] for row in found] == ["Email", "Voice", None]
    assert written(SQLite(database, ZONE), rows, warns=warns) == 3
    column, extra = in_database(database, name)[1]
    assert (column, json.loads(extra)) == (None, {"x": 1, wire: value})


def test_one_warning_counts_all_odd_values(tmp_path: Path) -> None:
    """By field, with the first case of each; those that come later are read all the same."""
    typed = TypedRows(ZONE)
    rows = [line(f"c{i}", isUpgraded="no" if i % 2 else None, dueDate=i) for i in range(4)]
    for _ in range(2):
        cases = typed.read(rows)
        assert [case.extra["dueDate"] for case in cases] == [0, 1, 2, 3]
    assert typed.misfits == {"dueDate": Misfits("c0", 8), "isUpgraded": Misfits("c1", 4)}
    warns = r"dueDate in 4 rows \(the first is case c0\), isUpgraded in 2 rows \(.* case c1\)$"
    assert written(SQLite(tmp_path / "cases.db", ZONE), rows, warns=warns) == 4


def test_strict_types_stop_and_name_the_case() -> None:
    """Whoever wants no other type than documented gets the id, the row and the field."""
    typed = TypedRows(ZONE, strict=True)
    with pytest.raises(DecodeError, match=r"^case b: must be a bool.* @ \$\[1\]\.isUpgraded$"):
        typed.read([line("a"), line("b", isUpgraded="true")])


@pytest.mark.parametrize("row", [b"[]", b"{}", b'{"id":7,"isUpgraded":"x"}', b'{"id":"a"'])
def test_a_row_without_an_id_is_still_an_error(row: bytes) -> None:
    """Nobody could say which case it is."""
    with pytest.raises(DecodeError, match=r"@ \$"):
        TypedRows(ZONE).read([row])


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just({"a": [1]})


@given(st.lists(st.dictionaries(st.sampled_from([*wire_names(Case).values(), "x"]), values)))
def test_no_value_is_lost(rows: list[dict[str, Any]]) -> None:
    """Each value of each row is in its field or in extra, whatever it is."""
    rows = [row | {"id": f"c{i}"} for i, row in enumerate(rows)]
    cases = TypedRows(ZONE).read([json.dumps(row).encode() for row in rows])
    for row, case in zip(rows, cases, strict=True):
        for name, wire in wire_names(Case).items():
            # An empty time is none.
            if row.get(wire) not in (None, ""):
                assert (getattr(case, name) is None) == (wire in case.extra)
        assert {name: row[name] for name in case.extra} == case.extra


@pytest.mark.parametrize("name", ["cases.parquet", "cases.sqlite"])
async def test_an_export_with_an_odd_value(
    tenant: Emulator, aicc: AICCClient, tmp_path: Path, name: str
) -> None:
    """It is complete, with a warning; what strict types stop can be finished without them."""
    row_id = tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    target = tmp_path / name
    with pytest.raises(DecodeError, match=rf"(?m)^case {row_id}: .*\.isUpgraded$"):
        await export_cases(aicc, QUARTER, target, strict_types=True)
    assert not target.exists()
    requests = len(tenant.requests)
    with pytest.warns(RuntimeWarning, match=rf"^{name}: .*isUpgraded in 1 rows .*{row_id}\)$"):
        report = await export_cases(aicc, QUARTER, target)
    assert (report.verified, report.rows) == (True, len(tenant.rows()))
    assert len(tenant.requests) - requests < 3
    assert report.odd_values == {"isUpgraded": OddValues(count=1, example=row_id)}
    assert manifest.load(manifest.manifest_path(target)) == report
    assert f"1 case, the first is {row_id}" in report_page(report)


@pytest.fixture(params=["cases.parquet", "cases.sqlite", ""])
def typed_target(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> str:
    """Name a target in the working directory that refuses odd values."""
    monkeypatch.chdir(tmp_path)
    return str(request.param) or postgres_url


async def test_what_one_format_refuses_is_finished_in_another(
    tenant: Emulator, aicc: AICCClient, tmp_path: Path, typed_target: str
) -> None:
    """The error names the command, which reads nothing again, and leaves nothing behind."""
    tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    with pytest.raises(DecodeError) as refused:
        await export_cases(aicc, QUARTER, typed_target, strict_types=True)
    [spool] = tmp_path.glob(".*.export")
    [note] = refused.value.__notes__
    [other] = re.findall(r"aicc-async export (\S+\.jsonl) ", note)
    requests = len(tenant.requests)
    # Neither another query, nor one that is to be started anew, nor another name takes it.
    for query, out in ((CaseQuery(), other), (QUARTER, "others.jsonl")):
        with pytest.raises(RuntimeError, match="somebody's own"):
            await export_cases(aicc, query, out, on_progress=stop_at_once)
    assert spool.exists()
    for folder in tmp_path.glob(".*.jsonl.export"):
        shutil.rmtree(folder)
    with pytest.warns(RuntimeWarning, match=rf"^{other}: .* of {re.escape(spool.name)} up to 2025"):
        report = await export_cases(aicc, QUARTER, other)
    assert (report.verified, report.rows, report.runs) == (True, len(tenant.rows()), 2)
    assert len(tenant.requests) - requests < 6
    assert sorted(read_lines(tmp_path / other)) == sorted(map(msgspec.json.encode, tenant.rows()))
    assert sorted(path.name for path in tmp_path.iterdir()) == [other, f"{other}.manifest.json"]


@pytest.mark.parametrize("partition_by", [None, "month"])
async def test_what_a_kill_left_of_the_other_format_is_removed(
    tenant: Emulator, aicc: AICCClient, tmp_path: Path, partition_by: PartitionBy | None
) -> None:
    """A file or a folder that was half written holds rows, and would stay for ever."""
    tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    target = tmp_path / "cases.parquet"
    with pytest.raises(DecodeError):
        await export_cases(aicc, QUARTER, target, strict_types=True, partition_by=partition_by)
    part = tmp_path / ".cases.parquet.part"
    if partition_by:
        part.mkdir()
        part /= "rows"
    part.write_bytes(b"rows")
    (tmp_path / ".cases.parquet.manifest.json.part").write_bytes(b"{}")
    with pytest.warns(RuntimeWarning, match="resumes what was read"):
        await export_cases(aicc, QUARTER, tmp_path / "cases.jsonl")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["cases.jsonl", "cases.jsonl.manifest.json"]


async def test_the_advice_keeps_the_details(
    tenant: Emulator, aicc: AICCClient, tmp_path: Path
) -> None:
    """Without them it would be another export, which reads everything again."""
    tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    with pytest.raises(DecodeError) as refused:
        await export_cases(
            aicc, QUARTER, tmp_path / "cases.parquet", strict_types=True, detail=True
        )
    assert "aicc-async export cases.jsonl --detail with" in refused.value.__notes__[0]


def stop_at_once(_: Progress) -> None:
    """End a run before it has read anything."""
    raise RuntimeError("somebody's own")


@pytest.mark.parametrize("date", ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "0000-00-00", ""])
async def test_a_date_at_the_end_of_the_calendar_is_not_asked_for(date: str) -> None:
    """Programs write it where there is none; the second before it or after it does not exist."""
    window = Window(datetime(2025, 1, 1), datetime(2025, 2, 1))  # noqa: DTZ001  (wall clock)
    dates = CreationDates(window, ZONE, date_field=None, now=lambda: datetime(2026, 1, 1))  # noqa: DTZ001
    asked = []

    async def fetch(window: Window, start: int, limit: int) -> Page[bytes]:
        asked.append((window, start, limit))
        return Page(["a"], [b""], 1, 0)

    async def read_date(_: str) -> datetime | None:
        raise AssertionError("the row was found")

    assert dates.are_wanted(Batch(["a"], [b""], window, 1, 0), [date]) is None
    await dates.look_up(fetch, read_date)
    assert asked == []
    later = "2025-01-05 00:00:00"
    dates.are_wanted(Batch(["a"], [b""], window, 1, 0), [later])
    await dates.look_up(fetch, read_date)
    assert len(asked) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_keep_their_digits(tmp_path: Path, postgres_url: str, number: str) -> None:
    """In every format, also deep within a field; a number of ours is still a double."""
    text = f'{{"id":"a","n":{number},"deep":[{number}],"suspendAccumulatedTime":1.5}}\n'
    rows, extra = [text.encode()], f'{{"n":{number},"deep":[{number}]}}'
    for _ in range(2):
        [case] = TypedRows(ZONE).read(rows)
        assert str(case.extra["n"]) == number
        assert case.suspend_accumulated_time == 1.5
    written(Parquet(tmp_path / "a.parquet", ZONE), rows)
    [found] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert dict(found["extra"]) == {"n": number, "deep": f"[{number}]"}
    written(SQLite(tmp_path / "a.db", ZONE), rows)
    assert in_database(tmp_path / "a.db", "suspend_accumulated_time") == [(1.5, extra)]
    written(CSV(tmp_path / "a.csv"), rows)
    with (tmp_path / "a.csv").open(newline="") as file:
        [cells] = csv.DictReader(file)
    assert (cells["n"], cells["deep"].strip("'")) == (number, f"[{number}]")
    written(Postgres(postgres_url, ZONE), rows)
    with psycopg.connect(postgres_url) as connection:
        query = "SELECT extra->>'n', extra->'deep'->>0 FROM aicc_cases"
        [(top, deep)] = connection.execute(query).fetchall()
    # jsonb keeps all digits, and has no exponents.
    assert (top, deep) == (f"{Decimal(number):f}",) * 2


@pytest.mark.parametrize("number", ["1e400", "1e99999999999999999999", "7" * 5000, "7" * 20_000])
def test_a_number_beyond_all_bounds_ends_no_export(
    tmp_path: Path, postgres_url: str, number: str
) -> None:
    """It is written as far as the format has such numbers, or as a text."""
    row = f'{{"id":"a","n":{number}}}\n'.encode()
    sinks = [Parquet(tmp_path / "a.parquet", ZONE), SQLite(tmp_path / "a.db", ZONE)]
    for sink in (*sinks, CSV(tmp_path / "a.csv"), Postgres(postgres_url, ZONE)):
        assert written(sink, [row]) == 1
    odd = f'{{"id":"a","suspendAccumulatedTime":{number}}}\n'.encode()
    for sink in sinks:
        written(sink, [odd], warns="suspendAccumulatedTime in 1 rows")
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        [(extra,)] = database.execute("SELECT extra FROM cases").fetchall()
    value = json.loads(extra, parse_int=Decimal, parse_float=Decimal)["suspendAccumulatedTime"]
    assert str(value).lower().replace("+", "") == number
