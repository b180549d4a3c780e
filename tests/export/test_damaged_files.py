"""Files that somebody damaged: each is read, or refused by an error of ours that names it."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from warnings import catch_warnings, simplefilter
from zoneinfo import ZoneInfo

import pytest
from helpers.exports import QUARTER
from helpers.fuzz import damage, fuzzed, runs

from aicc_async import (
    AICCClient,
    AICCError,
    ClientCredentials,
    ConfigError,
    JournalError,
    SQLiteJournal,
    export_cases,
)
from aicc_async.export import Progress, manifest
from aicc_async.export.report.page import report_page
from aicc_async.export.sinks.registry import resolve_target
from aicc_async.settings.profile import Profile

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
TARGETS = ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.parquet", "a.db")
# What a manifest may hold in place of a value.
ODD: tuple[object, ...] = (
       "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2025-01-01T00:00:00+08:00", "2025-02-30",
       "x", "", "\ud800", None, True, -1, 1.5, 2**63, 10**30, 10**400, [], {})  # fmt: skip
JOURNAL_CALLS: tuple[Callable[[SQLiteJournal], Awaitable[object]], ...] = (
    lambda journal: journal.entries(),
    lambda journal: journal.claim("k1", digest="d", match_digest="m"),
    lambda journal: journal.claim("k2", digest="d", match_digest="m"),
    lambda journal: journal.resolve("k4", None),
    lambda journal: journal.prune(older_than=timedelta(0)),
)


def change_field(rng: Random, content: bytes) -> bytes:
    """Put an odd value into a manifest."""
    value = json.loads(content)
    inner = rng.choice([value, value["windows"][0]])
    inner[rng.choice(list(inner))] = rng.choice(ODD)
    return json.dumps(value).encode()


def lines(start: int, stop: int) -> list[bytes]:
    """Invent rows."""
    return [b'{"id":"%d","createdDate":"2025-01-02 03:04:05"}\n' % n for n in range(start, stop)]


def write(path: Path, rows: list[bytes], *, keep: bool) -> None:
    """Write rows into a target."""
    resolve_target(str(path), SHANGHAI).sink.write([rows], keep=keep)


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_target_is_continued_or_refused(name: str, tmp_path: Path) -> None:
    """No error of a library comes out of any format, whatever is broken."""
    path = tmp_path / name
    write(path, lines(0, 30), keep=False)
    content, messages = path.read_bytes(), []
    for number in range(runs(60)):
        with fuzzed(f"{name} {number}") as rng:
            path.write_bytes(damage(rng, content))
            try:
                if table := resolve_target(str(path), SHANGHAI).table:
                    table.newest_date()
                write(path, lines(25, 35), keep=True)
            except AICCError as error:
                messages.append(str(error))
    assert messages
    # A row that is no case any more is named by its place.
    assert all(str(path) in message or " @ $[" in message for message in messages)


def test_a_cut_gzip_file_is_refused_with_advice(tmp_path: Path) -> None:
    """The message says what to do, and the file stays as it is."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(lines(0, 30)))[:-30] + b"\0" * 30)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"^cannot append to .*a\.jsonl\.gz: .* another file$"):
        write(path, lines(30, 31), keep=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", [damage, change_field])
@pytest.mark.parametrize("name", ["cases.jsonl", "cases.db"])
async def test_a_damaged_manifest_is_refused_or_used(
    aicc: AICCClient, tmp_path: Path, name: str, change: Callable[[Random, bytes], bytes]
) -> None:
    """Neither the next night's run nor the report's page fails with an error of Python's."""
    good = tmp_path / "good"
    good.mkdir()
    await export_cases(aicc, QUARTER, good / name)
    for number in range(runs(40)):
        folder = tmp_path / str(number)
        shutil.copytree(good, folder)
        path = folder / f"{name}.manifest.json"
        with fuzzed(f"{name} {number}") as rng:
            path.write_bytes(change(rng, path.read_bytes()))
            report = manifest.load(path)
            assert report is not None
            assert report_page(report)
        with fuzzed(f"{name} {number}"), catch_warnings():
            # A file gets no changes of older cases.
            simplefilter("ignore", RuntimeWarning)
            await export_cases(aicc, QUARTER, folder / name, since_last=DAY)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("end", "0001-01-01 00:00:00", r"manifest\.json must have times as YYYY"),
        ("end", "2025-02-30", r"manifest\.json must have times as YYYY"),
        ("size", None, "with unknown bytes, but it has"),
    ],
)
async def test_a_manifest_with_an_odd_value_is_refused(
    aicc: AICCClient, out: Path, field: str, value: object, message: str
) -> None:
    """A date out of range, and a size that is gone, are errors that name the file."""
    await export_cases(aicc, QUARTER, out)
    path = manifest.manifest_path(out)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {field: value}))
    with pytest.raises(ConfigError, match=message):
        await export_cases(aicc, None, out, since_last=DAY)


async def interrupt(aicc: AICCClient, out: Path) -> Path:
    """Leave an export that is half done, and return its folder."""

    def stop(progress: Progress) -> None:
        if progress.windows_done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await export_cases(aicc, QUARTER, out, on_progress=stop)
    return out.parent / f".{out.name}.export"


@pytest.mark.parametrize("name", ["state.db", "rows.jsonl"])
async def test_a_damaged_checkpoint_is_resumed_or_refused(
    aicc: AICCClient, tmp_path: Path, name: str
) -> None:
    """What an unfinished export has on disk is an error of ours when it is broken."""
    good = tmp_path / "good"
    good.mkdir()
    await interrupt(aicc, good / "cases.jsonl")
    for number in range(runs(60)):
        folder = tmp_path / str(number)
        shutil.copytree(good, folder)
        path = folder / ".cases.jsonl.export" / name
        with fuzzed(f"{name} {number}") as rng:
            path.write_bytes(damage(rng, path.read_bytes()))
            await export_cases(aicc, QUARTER, folder / "cases.jsonl", restart=not number % 4)


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE state SET value = 'x' WHERE name = 'runs'""",
        """UPDATE state SET value = '"x"' WHERE name = 'runs'""",
        """UPDATE state SET value = '"2025-01-01T00:00:00+08:00"' WHERE name = 'end'""",
        """DELETE FROM state WHERE name = 'seconds'""",
        """UPDATE windows SET start = 'x'""",
        """UPDATE windows SET count = 'x'""",
        """UPDATE windows SET size = 'x' WHERE size NOT NULL""",
        """UPDATE windows SET report = '{}' WHERE report NOT NULL""",
        """UPDATE windows SET days = '[]' WHERE days NOT NULL""",
    ],
)
async def test_a_checkpoint_with_an_odd_value_is_refused_until_a_restart(
    aicc: AICCClient, out: Path, change: str
) -> None:
    """It is neither misread nor deleted; the message says what to do, and that works."""
    folder = await interrupt(aicc, out)
    with closing(sqlite3.connect(folder / "state.db")) as db, db:
        assert db.execute(change).rowcount > 0
    with pytest.raises(ConfigError, match=r"^cannot resume from .*export: its state is damaged\."):
        await export_cases(aicc, QUARTER, out)
    report = await export_cases(aicc, QUARTER, out, restart=True)
    assert (report.rows, report.runs) == (300, 1)


def test_damaged_settings_are_read_or_refused(tmp_path: Path) -> None:
    """A profile and a key file are settings, or a ConfigError."""
    profile, key = tmp_path / "profile.toml", tmp_path / "key.csv"
    Profile(page_size=50, rate=10.0, rate_refused=12.0, order="newest_first").save(profile)
    written, keys = profile.read_bytes(), b'username,client_id,client_secret\nme,"abc",def\n'
    for number in range(runs(300)):
        with fuzzed(number) as rng, suppress(ConfigError):
            profile.write_bytes(damage(rng, written))
            assert str(Profile.load(profile).rate_limit)
        with fuzzed(number) as rng, suppress(ConfigError):
            key.write_bytes(damage(rng, keys))
            assert ClientCredentials.from_key_file(key).client_id


async def test_a_damaged_journal_is_used_or_refused(tmp_path: Path) -> None:
    """Every call is answered, or a JournalError that names the file."""
    good = tmp_path / "good.journal"
    async with SQLiteJournal(good) as journal:
        for number in range(8):
            await journal.claim(f"k{number}", digest="d", match_digest="m")
            await (journal.confirm(f"k{number}", f"c{number}") if number % 2
                   else journal.doubt(f"k{number}", "x", ["a"]))  # fmt: skip
    messages = []
    for number in range(runs(40)):
        path = tmp_path / f"damaged-{number}.journal"
        with fuzzed(number) as rng:
            path.write_bytes(damage(rng, good.read_bytes()))
            for call in JOURNAL_CALLS:
                async with SQLiteJournal(path) as journal:
                    try:
                        await call(journal)
                    except JournalError as error:
                        messages.append(str(error))
                    except ConfigError:
                        # What is settled cannot be resolved.
                        continue
    assert messages
    assert all("damaged-" in message for message in messages)


async def test_a_damaged_schema_is_refused_at_once(tmp_path: Path) -> None:
    """SQLite's message has its bytes, which are no text; no lock is left for the next call."""
    path = tmp_path / "cases.journal"
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", digest="d", match_digest="m")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"creates_open ON creates ", b"creates_open ON crea\xe9es "))
    async with SQLiteJournal(path) as journal:
        for call in (journal.entries, journal.entries):
            with pytest.raises(JournalError, match=r"cases\.journal: its schema .* from a backup$"):
                await call()


def test_a_damaged_schema_of_a_table_is_refused(tmp_path: Path) -> None:
    """Likewise: the target of an export is a database too."""
    path = tmp_path / "a.db"
    write(path, lines(0, 3), keep=False)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE cases", b"CREATE T\xe9BLE cases"))
    with pytest.raises(ConfigError, match=r"^target must be a SQLite database, got .*a\.db: "):
        write(path, lines(0, 3), keep=True)


@pytest.mark.parametrize("column", ["created_at", "candidates", "skew"])
async def test_a_damaged_entry_is_refused_with_advice(tmp_path: Path, column: str) -> None:
    """A row that is not as it was written names the file and what to do."""
    path = tmp_path / "cases.journal"
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", digest="d", match_digest="m")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE creates SET {column} = 'x'")  # noqa: S608  (a name of ours)
    async with SQLiteJournal(path) as journal:
        for call in (journal.entry("k"), journal.entries()):
            with pytest.raises(JournalError, match=r"cases\.journal: an entry .* from a backup$"):
                await call
