"""The Parquet sink: types, zones, row groups, and what is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.rows_for_sinks import failing, in_batches, line, lines, no_file_beyond

from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.names import wire_names
from aicc_async.errors import ConfigError, DecodeError, ExportError
from aicc_async.export.sinks.parquet import ROWS_PER_GROUP, Parquet
from aicc_async.models import Case

pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
NAME = "cases.parquet"
ZONE = ZoneInfo("Europe/Berlin")


def write(path: Path, *rows: bytes, keep: bool = False) -> int:
    """Write rows into a Parquet file."""
    return Parquet(path, ZONE).write(in_batches(rows), keep=keep)


def read(path: Path) -> list[dict[str, Any]]:
    """Read the file as any program does; maps come as lists of pairs."""
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def cases(rows: Sequence[bytes]) -> list[Case]:
    """Read rows as a client does."""
    return RecordConverter(ZONE).load_cases([json.loads(row) for row in rows])


def test_columns_are_typed_and_named_as_in_python(path: Path) -> None:
    """Times have the zone, flags are booleans, the suspended time is a double, extra is a map."""
    assert write(path, line("c1")) == 1
    schema = pq.read_schema(path)
    assert schema.names == [*wire_names(Case), "extra"]
    kinds = {field.name: field.type for field in schema if field.type != pa.string()}
    time = pa.timestamp("us", tz="Europe/Berlin")
    dates = ["stay_date", "suspend_date", "due_date", "closed_date", "created_date"]
    flags = ["is_upgraded", "is_cancelled", "is_suspend"]
    assert kinds == dict.fromkeys(dates, time) | dict.fromkeys(flags, pa.bool_()) | {
        "suspend_accumulated_time": pa.float64(),
        "extra": pa.map_(pa.string(), pa.string()),
    }


def test_values_are_those_of_the_records(path: Path) -> None:
    """Every column holds what a client's records hold, nulls and empty texts too."""
    rows = [
        line("c1"),
        line("c2", priority="", isUpgraded=None, suspendAccumulatedTime=1.5, dueDate=None),
        line("c3", createdDate="2025-06-01T00:00:00.25", title="客户 🎉\n", parentId="c1"),
        b'{"id":"c4"}\n',
    ]
    write(path, *rows)
    found = read(path)
    for name in wire_names(Case):
        assert [row[name] for row in found] == [getattr(case, name) for case in cases(rows)]


@pytest.mark.parametrize(
    "text",
    ["2025-03-30 02:30:00", "2025-10-26 02:30:00", "2025-10-26 03:00:00", "0001-01-01 00:00:00"],
    ids=["left out", "twice", "after", "first of all"],
)
def test_a_time_is_the_same_instant_as_in_a_record(path: Path, text: str) -> None:
    """Also in the hours that clocks leave out or show twice."""
    row = line("c1", createdDate=text)
    write(path, row)
    [instant] = pq.read_table(path)["created_date"].cast(pa.int64()).to_pylist()
    [case] = cases([row])
    assert case.created_date
    since = case.created_date - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    assert instant == round(since.total_seconds() * 1_000_000)


def test_extension_fields_are_a_map_of_texts(path: Path) -> None:
    """Texts stay, null stays null, all else is JSON; a row without any has an empty map."""
    write(
        path, line("c1", **{"type.name": "", "n": 5, "o": {"a": [1, "é"]}, "z": None}), line("c2")
    )
    first, second = (row["extra"] for row in read(path))
    assert first == [("type.name", ""), ("n", "5"), ("o", '{"a":[1,"é"]}'), ("z", None)]
    assert second == []


def test_a_schema_does_not_depend_on_the_rows(tmp_path: Path) -> None:
    """An export of nothing has the columns of every other."""
    full, empty = tmp_path / "full.parquet", tmp_path / "empty.parquet"
    write(full, line("c1", x=1))
    assert write(empty) == 0
    assert pq.read_schema(full).equals(pq.read_schema(empty))
    assert read(empty) == []


def test_row_groups_are_large_and_packed(path: Path) -> None:
    """Batches are gathered to row groups of 50,000 rows, in their order, packed with zstd."""
    rows = lines(*range(ROWS_PER_GROUP + 1500))
    assert write(path, *rows) == len(rows)
    found = pq.read_metadata(path)
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [
        ROWS_PER_GROUP,
        1500,
    ]
    assert found.row_group(0).column(0).compression == "ZSTD"
    ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
    assert ids == sorted(ids)
    assert write(path, *rows[1:], *lines(ROWS_PER_GROUP + 1500), keep=True) == 1
    assert pq.read_metadata(path).num_rows == len(rows) + 1


def test_keeping_adds_new_ids_only(path: Path) -> None:
    """Rows that are there stay as they are, and come first."""
    write(path, *lines(1, 2, title="old"))
    assert write(path, *lines(3, 2, 4, title="new"), keep=True) == 2
    assert [(row["id"][-1], row["title"]) for row in read(path)] == [
        ("1", "old"),
        ("2", "old"),
        ("3", "new"),
        ("4", "new"),
    ]


def test_keeping_twice_changes_nothing(path: Path) -> None:
    """The same write again adds no row and changes none."""
    rows = [line("c1", x=None), line("c2", x="", y=1), line("c3")]
    write(path, *rows)
    before = pq.read_table(path)
    assert write(path, *rows, keep=True) == 0
    assert pq.read_table(path).equals(before)


def test_small_row_groups_of_many_nights_become_one(path: Path) -> None:
    """A file that grows a little every night does not fall to pieces."""
    for night in range(5):
        assert write(path, *lines(night), keep=True) == 1
    assert pq.read_metadata(path).num_row_groups == 1
    assert len(read(path)) == 5


def test_writing_anew_replaces_the_old_rows(path: Path) -> None:
    """Without keeping, the file holds the new rows only."""
    write(path, *lines(1, 2))
    assert write(path, *lines(3)) == 1
    assert len(read(path)) == 1


def test_a_file_of_another_zone_is_not_appended_to(path: Path) -> None:
    """Its columns would be of other types: a ConfigError says which, and nothing changes."""
    Parquet(path, ZoneInfo("UTC")).write(in_batches(lines(1)), keep=False)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"got .*due_date timestamp\[us, tz=UTC\].* instead of "):
        write(path, *lines(2), keep=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"id,title\r\n", b"PAR1" + b"x" * 100 + b"\x10\0\0\0PAR1"],
    ids=["empty", "text", "damaged"],
)
def test_a_file_that_is_not_parquet_is_not_appended_to(path: Path, content: bytes) -> None:
    """It is a ConfigError, and the file stays as it was."""
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cases\.parquet: it is not a Parquet file"):
        write(path, *lines(1), keep=True)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_columns_in_another_order_are_another_schema(path: Path) -> None:
    """A file that somebody rearranged is not appended to."""
    write(path, *lines(1))
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    with pytest.raises(ConfigError, match="got nothing else instead of another order"):
        write(path, *lines(2), keep=True)


def test_a_damaged_page_is_an_export_error(path: Path) -> None:
    """Rows of an old file that cannot be read are not lost in silence."""
    write(path, *lines(*range(3000)))
    content = bytearray(path.read_bytes())
    place = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    content[place : place + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"cannot read the rows of .*: the file is damaged"):
        write(path, *lines(1), keep=True)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no answer")])
def test_an_interrupted_write_changes_nothing(path: Path, keep: bool, error: BaseException) -> None:
    """What the rows' source raises passes through; the file is as before, and alone."""
    write(path, *lines(1))
    before = path.read_bytes()
    with pytest.raises(type(error)) as caught:
        Parquet(path, ZONE).write(failing(lines(2, 3), error), keep=keep)
    assert caught.value is error
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_an_export_error(path: Path) -> None:
    """It says so, and leaves the old file and nothing else."""
    write(path, *lines(1))
    before = path.read_bytes()
    rows = [line(f"c{n}", title=f"{n * 7919 % 99991:x}" * 20) for n in range(3000)]
    with no_file_beyond(2**14), pytest.raises(ExportError, match=r"cannot write \S+: File too"):
        write(path, *rows)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_row_that_is_not_as_documented_is_named(path: Path) -> None:
    """With strict types; the error counts all batches' rows, and shows no value but the id."""
    rows = [*lines(*range(1001)), line("c1", isCanced="+1202")]
    wanted = r"^case c1: must be a bool, got str @ \$\[1001\]\.isCanced$"
    with pytest.raises(DecodeError, match=wanted):
        Parquet(path, ZONE, strict_types=True).write(in_batches(rows), keep=False)
    assert not path.exists()


@pytest.mark.parametrize("value", [2**53 + 1, 10**30])
def test_a_number_that_a_double_can_not_hold_is_refused(path: Path, value: int) -> None:
    """With strict types: it would change in silence; the error does not show the value."""
    sink = Parquet(path, ZONE, strict_types=True)
    with pytest.raises(ExportError, match=r"suspend_accumulated_time.* double") as caught:
        sink.write([[line("c1", suspendAccumulatedTime=value)]], keep=False)
    assert str(value) not in str(caught.value)
    assert caught.value.__suppress_context__
    assert not path.exists()


def test_without_pyarrow_it_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes before anything is fetched."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'aicc-async\[parquet\]'"):
        Parquet(path, ZONE)
