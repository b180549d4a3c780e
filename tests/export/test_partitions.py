"""Parquet by month or day: a folder that is there as a whole."""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.exports import QUARTER, SINCE, UNTIL
from helpers.rows_for_sinks import bare_line, failing, in_batches, no_file_beyond
from helpers.tenants import pair

from aicc_async import AICCClient, CaseQuery, ConfigError, DecodeError, ExportError, export_cases
from aicc_async.emulator import Emulator
from aicc_async.export import manifest
from aicc_async.export.sinks import partitions
from aicc_async.export.sinks.partition_names import PartitionBy
from aicc_async.export.sinks.partitions import PartitionedParquet

pq = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
duckdb = pytest.importorskip("duckdb", reason="it is not installed")
polars = pytest.importorskip("polars", reason="the extra 'recipes' is not installed")
NAME = "cases.parquet"
ZONE = ZoneInfo("Europe/Berlin")
NEW_YEAR = ("2024-12-31 23:59:59", "2025-01-01 00:00:00", "2025-01-31 12:00:00")


def write(path: Path, *rows: bytes, by: PartitionBy = "month", keep: bool = False) -> int:
    """Write rows into a folder."""
    return PartitionedParquet(path, ZONE, by=by).write(in_batches(rows), keep=keep)


def files(folder: Path) -> dict[str, list[str]]:
    """Return the ids of each file."""
    return {
        file.relative_to(folder).as_posix(): pq.ParquetFile(file).read()["id"].to_pylist()
        for file in sorted(folder.rglob("*.parquet"))
    }


def dated(*dates: str | None, first: int = 1) -> list[bytes]:
    """Write rows of some dates."""
    return [bare_line(f"c{number}", createdDate=date) for number, date in enumerate(dates, first)]


def files_in(folder: Path) -> list[Path]:
    """Return all files of a folder, sorted by their paths."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def put_mine(folder: Path) -> None:
    """Put a file of somebody into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.txt").write_text("mine")


def names(folder: Path) -> list[str]:
    """List a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_rows_are_where_the_zone_s_clock_says(path: Path) -> None:
    """Months and days are those of the dates on the wire; no date has Hive's name for it."""
    rows = dated(*NEW_YEAR, None)
    assert write(path, *rows) == 4
    assert files(path) == {
        "month=2024-12/part-0.parquet": ["c1"],
        "month=2025-01/part-0.parquet": ["c2", "c3"],
        "month=__HIVE_DEFAULT_PARTITION__/part-0.parquet": ["c4"],
    }
    assert write(path, *rows[:3], by="day") == 3
    assert [*files(path)] == [
        f"day={day}/part-0.parquet" for day in ("2024-12-31", "2025-01-01", "2025-01-31")
    ]
    assert names(path.parent) == [NAME]


def test_more_values_than_files_may_be_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that comes again after its file was closed gets another one."""
    monkeypatch.setattr(partitions, "MAX_OPEN_FILES", 2)
    monkeypatch.setattr("aicc_async.export.sinks.parquet.ROWS_PER_GROUP", 1)
    days = ["2025-01-01", "2025-01-01", "2025-01-02", "2025-01-03", "2025-01-01"]
    rows = dated(*(f"{day} 12:00:00" for day in days))
    PartitionedParquet(path, ZONE, by="day").write(in_batches(rows, size=1), keep=False)
    assert files(path) == {
        "day=2025-01-01/part-0.parquet": ["c1", "c2"],
        "day=2025-01-01/part-1.parquet": ["c5"],
        "day=2025-01-02/part-0.parquet": ["c3"],
        "day=2025-01-03/part-0.parquet": ["c4"],
    }


def test_what_is_kept_gets_files_with_new_ids(path: Path) -> None:
    """Old files stay as they are; an id that is there already is not added."""
    write(path, *dated(*NEW_YEAR))
    old = (path / "month=2025-01/part-0.parquet").read_bytes()
    rows = dated("2025-01-31 12:00:00", "2025-01-31 13:00:00", "2025-02-01 00:00:00", first=3)
    assert write(path, *rows, keep=True) == 2
    assert files(path) == {
        "month=2024-12/part-0.parquet": ["c1"],
        "month=2025-01/part-0.parquet": ["c2", "c3"],
        "month=2025-01/part-1.parquet": ["c4"],
        "month=2025-02/part-0.parquet": ["c5"],
    }
    assert (path / "month=2025-01/part-0.parquet").read_bytes() == old
    with pytest.raises(ConfigError, match=r"cannot append .* partitions by day, got month=2024-12"):
        write(path, *rows, by="day", keep=True)


def test_a_file_that_somebody_removed_is_no_number_too_many(path: Path) -> None:
    """A new file never has the name of one that is kept."""
    write(path, *dated("2025-01-01 00:00:00"))
    write(path, *dated("2025-01-02 00:00:00", first=2), keep=True)
    (path / "month=2025-01/part-0.parquet").unlink()
    assert write(path, *dated("2025-01-03 00:00:00", first=3), keep=True) == 1
    assert files(path) == {
        "month=2025-01/part-0.parquet": ["c3"],
        "month=2025-01/part-1.parquet": ["c2"],
    }


def test_a_failure_leaves_what_was_there(path: Path) -> None:
    """Rows that fail, and a full disk, change nothing and leave nothing."""
    write(path, *dated(*NEW_YEAR))
    before = files(path)
    rows = dated(*NEW_YEAR[:2], first=7)
    with pytest.raises(KeyError):
        PartitionedParquet(path, ZONE, by="month").write(failing(rows, KeyError()), keep=False)
    with no_file_beyond(1000), pytest.raises(ExportError, match=r"cannot write .*File too large"):
        write(path, *rows)
    assert (files(path), names(path.parent)) == (before, [NAME])


def test_a_killed_exchange_is_put_right(path: Path) -> None:
    """The old folder, which has the hidden name by then, is kept; what was half written is not."""
    write(path, *dated(*NEW_YEAR))
    path.rename(path.with_name(f".{NAME}.prev"))
    shutil.copytree(path.with_name(f".{NAME}.prev"), path.with_name(f".{NAME}.part"))
    assert write(path, *dated("2025-03-01 00:00:00", first=9), keep=True) == 1
    assert [*files(path)] == [
        f"month={month}/part-0.parquet" for month in ("2024-12", "2025-01", "2025-03")
    ]
    assert names(path.parent) == [NAME]


async def test_an_export_is_read_by_everybody(
    aicc: AICCClient, tenant: Emulator, path: Path
) -> None:
    """The manifest has the size and a digest that the shell agrees with; readers find the month."""
    report = await export_cases(aicc, QUARTER, f"{path}/", partition_by="month")
    assert (report.rows, report.verified, report.format) == (300, True, "parquet")
    whole = files_in(path)
    assert report.size == sum(file.stat().st_size for file in whole)
    listed = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(path).as_posix()}\n"
        for file in whole
    )
    assert report.sha256 == hashlib.sha256(listed.encode()).hexdigest()
    months = ["2025-01", "2025-02", "2025-03", "2025-04"][: len(whole)]
    found: dict[str, Any] = dict(
        duckdb.sql(f"SELECT month, count(*) FROM '{path}/*/*.parquet' GROUP BY 1").fetchall()  # noqa: S608
    )
    assert (sorted(found), sum(found.values())) == (months, 300)
    frame = polars.scan_parquet(path, hive_partitioning=True).collect()
    assert sorted(frame["id"]) == sorted(tenant.ids(str(SINCE), str(UNTIL)))
    assert manifest.load(path.with_name(f"{NAME}.manifest.json")) == report
    assert names(path.parent) == [NAME, f"{NAME}.manifest.json"]


async def test_nights_add_to_a_folder(path: Path) -> None:
    """A run since the last one adds files; the folder must be as that one left it."""
    async with pair(cases=300, since=SINCE, until=UNTIL) as (_, aicc):
        first = CaseQuery(start_time=SINCE, end_time=datetime(2025, 2, 15))  # noqa: DTZ001
        begun = await export_cases(aicc, first, path, partition_by="month")
        rest = CaseQuery(end_time=UNTIL)
        day = timedelta(days=1)
        with pytest.warns(RuntimeWarning, match="new cases are added"):
            done = await export_cases(aicc, rest, path, partition_by="month", since_last=day)
        assert (done.in_target, done.added) == (300, 300 - begun.rows)
        ids = [each for found in files(path).values() for each in found]
        assert len(ids) == len(set(ids)) == 300
        sent = aicc.stats.requests
        with pytest.raises(ConfigError, match=r"must be partitions by day, got month=2025-01"):
            await export_cases(aicc, rest, path, partition_by="day", since_last=day)
        assert aicc.stats.requests == sent
        assert names(path.parent) == [NAME, f"{NAME}.manifest.json"]
        (path / "month=2025-02/part-1.parquet").unlink()
        with pytest.raises(ConfigError, match=r"it must be as its last run left it"):
            await export_cases(aicc, rest, path, partition_by="month", since_last=day)


async def test_a_folder_of_somebody_is_kept(aicc: AICCClient, tenant: Emulator, path: Path) -> None:
    """One without a manifest is refused, and one with files of somebody; before any request."""
    put_mine(path)
    with pytest.raises(ConfigError, match=r"cannot overwrite .*cases.parquet: no export"):
        await export_cases(aicc, QUARTER, path, partition_by="month")
    assert tenant.requests == []
    await export_cases(aicc, QUARTER, path, partition_by="month", overwrite=True)
    assert "mine.txt" not in names(path)
    assert (await export_cases(aicc, QUARTER, path, partition_by="day")).rows == 300
    put_mine(path)
    with pytest.raises(ConfigError, match=r"cannot overwrite .*mine.txt: no export"):
        await export_cases(aicc, QUARTER, path, partition_by="month")
    assert "mine.txt" in names(path)


async def test_what_cannot_be_is_refused(aicc: AICCClient, tenant: Emulator, path: Path) -> None:
    """Another value, another format, a file in its place: before any request."""
    with pytest.raises(ConfigError, match="partition_by must be one of month, day, got 'year'"):
        await export_cases(aicc, QUARTER, path, partition_by="year")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="partition_by cannot be combined with the format csv"):
        await export_cases(aicc, QUARTER, path.with_suffix(".csv"), partition_by="day")
    other = path.with_name("other.parquet")
    await export_cases(aicc, QUARTER, other)
    tenant.requests.clear()
    with pytest.raises(ConfigError, match=r"^target must be a folder with partition_by, got a f"):
        await export_cases(aicc, QUARTER, other, partition_by="day")
    assert tenant.requests == []


def test_no_case_leaves_the_columns(path: Path) -> None:
    """Readers find a file with all columns and no row."""
    assert write(path) == 0
    assert files(path) == {"month=__HIVE_DEFAULT_PARTITION__/part-0.parquet": []}
    assert write(path, *dated(*NEW_YEAR), keep=True) == 3


async def test_what_was_read_is_not_read_again(
    aicc: AICCClient, tenant: Emulator, path: Path
) -> None:
    """What a run into one file has read before it failed is written into a folder."""
    row_id = tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    with pytest.raises(DecodeError, match=row_id):
        await export_cases(aicc, QUARTER, path, strict_types=True)
    requests = len(tenant.requests)
    with pytest.warns(RuntimeWarning, match="isUpgraded in 1 rows"):
        report = await export_cases(aicc, QUARTER, path, partition_by="month")
    assert len(tenant.requests) - requests < 3
    assert sorted(each for ids in files(path).values() for each in ids) == sorted(tenant.ids())
    assert report.odd_values["isUpgraded"].example == row_id
