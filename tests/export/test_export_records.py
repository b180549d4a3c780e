"""Two records of one truth are compared: manifest and target, spool and digest, table and rows."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers.exports import QUARTER, SINCE, UNTIL, read_jsonl, read_sqlite

from aicc_async import (
    AICCClient,
    CaseQuery,
    ConfigError,
    ExportError,
    ExportReport,
    export_cases,
)
from aicc_async.emulator import Emulator
from aicc_async.export import Progress

pytest_plugins = ["helpers.postgres_server"]
DAY = timedelta(days=1)
# A filter that stays the same every night.
Target = str | Path


async def nightly(aicc: AICCClient, target: Target, until: datetime) -> ExportReport:
    """Run what runs every night, up to some time."""
    return await export_cases(aicc, CaseQuery(end_time=until), target, since_last=DAY)


# ---- a table --------------------------------------------------------------------------------


async def test_a_table_restored_from_an_older_backup_gets_what_it_lacks(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """The next run begins where the table ends, not where the manifest says that it does."""
    table, backup = tmp_path / "cases.db", tmp_path / "backup.db"
    await nightly(aicc, table, SINCE + 20 * DAY)
    shutil.copyfile(table, backup)
    await nightly(aicc, table, SINCE + 80 * DAY)
    shutil.copyfile(backup, table)
    report = await nightly(aicc, table, UNTIL)
    assert report.verified
    assert [row[0] for row in read_sqlite(table, "id")] == sorted(tenant.ids())


async def test_a_table_that_was_lost_is_made_anew(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """Where a table had rows and is gone, all are read again."""
    table = tmp_path / "cases.db"
    await nightly(aicc, table, SINCE + 80 * DAY)
    table.unlink()
    with pytest.warns(RuntimeWarning, match=r"^cases\.db\.manifest\.json is there without cases\."):
        await nightly(aicc, table, UNTIL)
    assert [row[0] for row in read_sqlite(table, "id")] == sorted(tenant.ids())


async def test_a_restored_table_of_a_server_gets_what_it_lacks(
    aicc: AICCClient,
    tenant: Emulator,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same on Postgres, whose manifest is in the working directory."""
    monkeypatch.chdir(tmp_path)
    await nightly(aicc, postgres_url, SINCE + 80 * DAY)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM aicc_cases WHERE created_date > '2025-01-20'")
    report = await nightly(aicc, postgres_url, UNTIL)
    assert report.in_table == report.rows
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT id FROM aicc_cases ORDER BY id").fetchall()
    assert [row[0] for row in found] == sorted(tenant.ids())


# ---- a file ---------------------------------------------------------------------------------


def cut(out: Path) -> None:
    """Cut a file at the end of a line."""
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:-20]))


def change(out: Path) -> None:
    """Change a file without making it longer."""
    out.write_bytes(out.read_bytes().replace(b"High", b"Lows"))


def sizes(folder: Path) -> dict[str, int]:
    """Return the size of each file of a folder."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize("harm", [cut, change, Path.unlink])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "jsonl.gz"])
async def test_a_file_that_is_not_as_its_manifest_says_is_not_continued(
    aicc: AICCClient, tmp_path: Path, harm: Any, suffix: str
) -> None:
    """Cut, changed or moved away: the next run says so, and what to do, and changes nothing."""
    out = tmp_path / f"cases.{suffix}"
    await nightly(aicc, out, SINCE + 50 * DAY)
    if suffix == "jsonl.gz" and harm is not Path.unlink:
        out.write_bytes(out.read_bytes()[:-1])
    else:
        harm(out)
    before = sizes(tmp_path)
    with pytest.raises(ConfigError, match=r"must be as its last run left it.*[Pp]ut it back"):
        await nightly(aicc, out, UNTIL)
    assert sizes(tmp_path) == before


RENAME = Path.replace


def kill_before_manifest(part: Path, new: Path) -> Path:
    """Rename a file, but end when it is a manifest."""
    if part.name.endswith(".manifest.json.part"):
        raise KeyboardInterrupt
    return RENAME(part, new)


async def test_a_run_killed_before_its_manifest_resumes(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has its new rows, and its old manifest, is finished by the same command."""
    for name in ("cases.jsonl", "cases.db"):
        out = tmp_path / name
        await nightly(aicc, out, SINCE + 50 * DAY)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", kill_before_manifest)
            with pytest.warns() if name == "cases.jsonl" else pytest.raises(KeyboardInterrupt):
                try:
                    await nightly(aicc, out, UNTIL)
                except KeyboardInterrupt:
                    if name == "cases.db":
                        raise
        if name == "cases.jsonl":
            with pytest.warns(RuntimeWarning, match="older ones"):
                await nightly(aicc, out, UNTIL)
            assert sorted(row["id"] for row in read_jsonl(out)) == sorted(tenant.ids())
        else:
            await nightly(aicc, out, UNTIL)
            assert [row[0] for row in read_sqlite(out, "id")] == sorted(tenant.ids())


def stop_reading(state: Progress) -> None:
    """End a run that is planned and has read something."""
    if state.rows:
        raise RuntimeError("somebody's own")


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.csv", "cases.db"])
async def test_a_target_restored_while_a_run_is_unfinished_lacks_nothing(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, name: str
) -> None:
    """A run resumes only on the target that it was planned for: a file is refused else."""
    out, backup = tmp_path / name, tmp_path / "backup"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*new cases are added")
        await nightly(aicc, out, SINCE + 20 * DAY)
        shutil.copyfile(out, backup)
        await nightly(aicc, out, SINCE + 60 * DAY)
        with pytest.raises(RuntimeError, match="somebody's own"):
            await export_cases(
                aicc, CaseQuery(end_time=UNTIL), out, since_last=DAY, on_progress=stop_reading
            )
        assert (tmp_path / f".{name}.export").exists()
        shutil.copyfile(backup, out)
        if name == "cases.db":
            await nightly(aicc, out, UNTIL)
            assert [row[0] for row in read_sqlite(out, "id")] == sorted(tenant.ids())
            return
        with pytest.raises(ConfigError, match="must be as its last run left it"):
            await nightly(aicc, out, UNTIL)
    assert out.read_bytes() == backup.read_bytes()
    report = await export_cases(aicc, CaseQuery(end_time=UNTIL), out, restart=True)
    assert (report.rows, report.verified) == (tenant.count(), True)


# ---- the spool ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "db"])
async def test_rows_that_somebody_cuts_while_they_are_read_are_not_verified(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, suffix: str
) -> None:
    """A spool that was cut in mid-run is an error; the same command then reads all anew."""
    tenant.insert_many({"createdDate": f"2025-03-20 12:{i % 60:02}:00"} for i in range(1500))
    out = tmp_path / f"cases.{suffix}"
    spool = tmp_path / f".{out.name}.export" / "rows.jsonl"
    cuts: list[int] = []

    def cut_once(state: Progress) -> None:
        if state.rows > 600 and not cuts:
            cuts.append(spool.stat().st_size)
            lines = spool.read_bytes().splitlines(keepends=True)
            with spool.open("rb+") as file:
                file.truncate(len(b"".join(lines[:100])))

    with pytest.raises(ExportError, match="somebody else"):
        await export_cases(aicc, QUARTER, out, on_progress=cut_once)
    assert cuts
    report = await export_cases(aicc, QUARTER, out)
    assert (report.rows, report.verified) == (1800, True)


# ---- what is in a table ---------------------------------------------------------------------


async def test_a_table_that_drops_rows_is_not_committed(aicc: AICCClient, tmp_path: Path) -> None:
    """A trigger of somebody else's that drops rows is noticed before anything is committed."""
    table = tmp_path / "cases.db"
    first = await export_cases(aicc, CaseQuery(start_time=SINCE, end_time=SINCE + 9 * DAY), table)
    assert first.in_table == first.rows > 0
    before = read_sqlite(table)
    with closing(sqlite3.connect(table)) as database:
        database.execute(
            "CREATE TRIGGER drop_high BEFORE INSERT ON cases WHEN NEW.priority = 'High'"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    with pytest.raises(ExportError, match=r"must have the ids of all 300 rows that were read, got"):
        await export_cases(aicc, QUARTER, table)
    assert read_sqlite(table) == before


async def test_a_server_that_drops_rows_is_not_committed(
    aicc: AICCClient, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on Postgres, where a rule or a trigger may do so."""
    monkeypatch.chdir(tmp_path)
    first = await export_cases(
        aicc, CaseQuery(start_time=SINCE, end_time=SINCE + 9 * DAY), postgres_url
    )
    assert first.in_table == first.rows > 0
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN IF NEW.priority = ''High'' THEN RETURN NULL; END IF; RETURN NEW; END'"
        )
        connection.execute(
            "CREATE TRIGGER skip BEFORE INSERT ON aicc_cases FOR EACH ROW EXECUTE FUNCTION skip()"
        )
    with pytest.raises(ExportError, match=r"must have the ids of all 300 rows that were read, got"):
        await export_cases(aicc, QUARTER, postgres_url)
    with psycopg.connect(postgres_url) as connection:
        [count] = connection.execute("SELECT count(*) FROM aicc_cases").fetchone() or [0]
    assert count == first.rows
