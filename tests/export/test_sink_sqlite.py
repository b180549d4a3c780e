"""The SQLite sink: a user's database, upserted as a whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from helpers.rows_for_sinks import InterruptedRun
from helpers.rows_for_sinks import bare_line as line
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import ConfigError, DecodeError, ExportError
from aicc_async.export.sinks import sqlite
from aicc_async.export.sinks.sqlite import SQLite

NAME = "cases.db"
SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def query(path: Path, text: str) -> list[Any]:
    """Query the database with a connection of our own."""
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(text).fetchall()


@pytest.fixture
def sink(path: Path) -> SQLite:
    """Make the sink of that database."""
    return SQLite(path, SHANGHAI)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Be a user who may only read the folder: root may write anywhere."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001  (theirs is closed to nobody)
    """Make a folder that everybody can look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_columns_and_values_are_typed(sink: SQLite, path: Path) -> None:
    """Columns have Python's names in the documents' order, times their offset, flags 0 and 1."""
    row = line(
        "a",
        title="订单 1",
        isCanced=True,
        isSuspend=False,
        suspendAccumulatedTime=90,
        createdDate="2025-01-02 03:04:05",
        dueDate="",
        region={"north": [1, None]},
    )
    assert sink.write([[row]], keep=False) == 1
    columns = query(path, "SELECT name, type, pk FROM pragma_table_info('cases')")
    assert columns[:3] == [("id", "TEXT", 1), ("case_no", "TEXT", 0), ("title", "TEXT", 0)]
    assert columns[-2:] == [("created_date", "TEXT", 0), ("extra", "TEXT", 0)]
    kinds = {name: kind for name, kind, _ in columns}
    assert (kinds["is_cancelled"], kinds["suspend_accumulated_time"]) == ("INTEGER", "REAL")
    names = "title, is_cancelled, is_suspend, is_upgraded, suspend_accumulated_time"
    assert query(path, f"SELECT {names} FROM cases") == [("订单 1", 1, 0, None, 90.0)]  # noqa: S608
    names = "created_date, due_date, extra"
    assert query(path, f"SELECT {names} FROM cases") == [  # noqa: S608
        ("2025-01-01T19:04:05+00:00", None, '{"region":{"north":[1,null]}}')
    ]


@pytest.mark.parametrize("keep", [False, True])
def test_rows_are_upserted(sink: SQLite, path: Path, keep: bool) -> None:
    """A second run updates what changed, adds what is new, and leaves the rest."""
    first = [line("a", title="old"), line("b", title="same"), line("c")]
    assert sink.write([first[:2], first[2:]], keep=False) == 3
    second = [line("a", title="new"), line("b", title="same"), line("d")]
    assert sink.write([second], keep=keep) == 2
    assert sink.write([second], keep=keep) == 0
    found = [("a", "new"), ("b", "same"), ("c", None), ("d", None)]
    assert query(path, "SELECT id, title FROM cases ORDER BY id") == found


def test_a_value_that_is_taken_away_becomes_null(sink: SQLite, path: Path) -> None:
    """A field that the service no longer sends does not keep its old value."""
    sink.write([[line("a", dueDate="2025-01-02 03:04:05", origin="Email", x=1)]], keep=True)
    assert sink.write([[line("a", origin=None)]], keep=True) == 1
    assert query(path, "SELECT due_date, origin, extra FROM cases") == [(None, None, "{}")]


def test_no_rows_still_make_a_table(sink: SQLite, path: Path) -> None:
    """A query on the target works after an export that found nothing."""
    assert sink.write([], keep=False) == 0
    assert query(path, "SELECT * FROM cases") == []


def test_the_rest_of_the_database_is_left_alone(sink: SQLite, path: Path) -> None:
    """Other tables, and columns that a user added to ours, keep what they hold."""
    query(path, "CREATE TABLE notes (text)")
    query(path, "INSERT INTO notes VALUES ('mine')")
    sink.write([[line("a", title="old")]], keep=False)
    query(path, "ALTER TABLE cases ADD COLUMN mark")
    query(path, "UPDATE cases SET mark = 'seen'")
    sink.write([[line("a", title="new"), line("b")]], keep=False)
    assert query(path, "SELECT text FROM notes") == [("mine",)]
    marks = [("a", "new", "seen"), ("b", None, None)]
    assert query(path, "SELECT id, title, mark FROM cases ORDER BY id") == marks


def test_missing_columns_are_added(sink: SQLite, path: Path) -> None:
    """A table of an older version gets the columns that it lacks."""
    query(path, "CREATE TABLE cases (ID TEXT PRIMARY KEY, title TEXT)")
    query(path, "INSERT INTO cases VALUES ('z', 'kept')")
    assert sink.newest_date() is None
    assert sink.write([[line("a", priority="High")]], keep=True) == 1
    found = [("a", None, "High"), ("z", "kept", None)]
    assert query(path, "SELECT id, title, priority FROM cases ORDER BY id") == found


@pytest.mark.parametrize("error", [InterruptedRun(), OSError("a disk of the caller's")])
def test_an_interrupted_run_changes_nothing(sink: SQLite, path: Path, error: BaseException) -> None:
    """What the iterable raises passes through, and the table is as it was."""
    sink.write([[line("a", title="old")]], keep=False)

    def batches() -> Iterator[list[bytes]]:
        yield [line("a", title="new"), line("b")]
        raise error

    with pytest.raises(type(error)) as caught:
        sink.write(batches(), keep=False)
    assert caught.value is error
    assert query(path, "SELECT id, title FROM cases") == [("a", "old")]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_first_run_that_fails_leaves_no_file(sink: SQLite, path: Path) -> None:
    """A database that would hold nothing is not left behind, however much was written."""

    def batches() -> Iterator[list[bytes]]:
        for number in range(0, 20_000, 1000):
            yield [line(f"{i:020}", title="x" * 8000) for i in range(number, number + 1000)]
            assert path.exists()
        raise InterruptedRun

    with pytest.raises(InterruptedRun):
        sink.write(batches(), keep=False)
    assert list(path.parent.iterdir()) == []


def test_an_empty_file_of_the_user_stays(sink: SQLite, path: Path) -> None:
    """A file that was there before a failed run is there afterwards."""
    path.touch()
    with pytest.raises(DecodeError):
        sink.write([[b"{}\n"]], keep=False)
    assert path.exists()


def test_a_row_that_is_not_as_documented_is_refused(path: Path) -> None:
    """With strict types; the error names case, row and field, and shows no value."""
    sink = SQLite(path, SHANGHAI, strict_types=True)
    rows = [line("a"), line("b", isCanced="secret")]
    with pytest.raises(DecodeError, match=r"^case b: .* @ \$\[1\]\.isCanced$") as caught:
        sink.write([rows], keep=False)
    assert "secret" not in str(caught.value)
    assert sink.newest_date() is None


def test_a_number_that_sqlite_cannot_hold_is_refused(path: Path) -> None:
    """With strict types an integer above 64 bits is our error, not Python's."""
    sink = SQLite(path, SHANGHAI, strict_types=True)
    with pytest.raises(ExportError, match="a number is too large for SQLite"):
        sink.write([[line("a", suspendAccumulatedTime=2**70)]], keep=False)
    assert not path.exists()


def test_a_locked_database_is_reported(
    sink: SQLite, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader or writer in the way is named, and the run can be repeated."""
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT", 0.01)
    sink.write([[line("a")]], keep=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM cases").fetchall()
        with pytest.raises(ExportError, match=r"cases\.db: .*another program has locked it"):
            sink.write([[line("b")]], keep=False)
        other.execute("COMMIT")
        assert sink.write([[line("b")]], keep=False) == 1


def test_a_file_that_is_no_database_is_left_alone(sink: SQLite, path: Path) -> None:
    """Somebody's text file is refused, and stays as it is."""
    path.write_bytes(b"id,title\r\n" * 1000)
    for call in (lambda: sink.write([], keep=False), sink.newest_date):
        with pytest.raises(
            ConfigError, match=r"^target must be a SQLite database, got .*cases\.db$"
        ):
            call()
    assert path.read_bytes() == b"id,title\r\n" * 1000


def test_a_table_of_somebody_else_is_refused(sink: SQLite, path: Path) -> None:
    """A table of the same name and another purpose gets none of our columns."""
    query(path, "CREATE TABLE cases (number)")
    with pytest.raises(
        ConfigError, match="its table 'cases' has no column 'id', so it is not one of ours"
    ):
        sink.write([[line("a")]], keep=False)
    assert query(path, "SELECT name FROM pragma_table_info('cases')") == [("number",)]


def test_a_table_without_a_key_is_refused(sink: SQLite, path: Path) -> None:
    """A table whose ids may repeat cannot be upserted, and nothing of it is changed."""
    query(path, "CREATE TABLE cases (id)")
    with pytest.raises(ExportError, match="ON CONFLICT clause does not match"):
        sink.write([[line("a")]], keep=False)
    assert query(path, "SELECT name FROM pragma_table_info('cases')") == [("id",)]


def test_a_folder_that_is_missing_is_reported(tmp_path: Path) -> None:
    """No folder is created for the user."""
    sink = SQLite(tmp_path / "none" / "cases.db", SHANGHAI)
    assert sink.newest_date() is None
    with pytest.raises(
        ConfigError, match=r"^target must be a file that can be opened or created, got "
    ):
        sink.write([], keep=False)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_database_is_reported(read_only: Path) -> None:
    """A database that may not be written is refused, and can still be read."""
    path = read_only / "cases.db"
    sink = SQLite(path, SHANGHAI)
    sink.write([[line("a", createdDate="2025-01-02 03:04:05")]], keep=False)
    path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    with as_nobody(read_only):
        with pytest.raises(ConfigError, match="target must be a file that is not read-only"):
            sink.write([[line("b")]], keep=False)
        assert sink.newest_date() == datetime(2025, 1, 2, 3, 4, 5, tzinfo=SHANGHAI)
        with pytest.raises(
            ConfigError, match=r"^target must be a file that can be opened or created, got "
        ):
            SQLite(read_only / "new.db", SHANGHAI).write([], keep=False)


def test_a_full_disk_is_reported(sink: SQLite, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk left unwritten is taken back; SQLite's own bound plays the disk."""
    sink.write([[line("a")]], keep=False)
    connect = sqlite3.connect

    def bounded(*args: Any, **settings: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **settings)
        database.execute("PRAGMA max_page_count = 50")
        return database

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", bounded)
        rows = [line(f"{i:020}", title="x" * 500) for i in range(1000)]
        with pytest.raises(ExportError, match=r"cases\.db: .*the disk is full") as caught:
            sink.write([rows], keep=False)
    assert caught.value.resume == "fix the cause, then run the same again"
    assert query(path, "SELECT id FROM cases") == [("a",)]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A link that leads nowhere yet is followed, and survives a failed run."""
    link, real = tmp_path / "link.db", tmp_path / "real.db"
    link.symlink_to(real)
    with pytest.raises(DecodeError):
        SQLite(link, SHANGHAI).write([[b"[]\n"]], keep=False)
    assert link.is_symlink()
    assert not real.exists()
    SQLite(link, SHANGHAI).write([[line("a")]], keep=False)
    assert query(real, "SELECT id FROM cases") == [("a",)]


def test_the_newest_date_is_the_latest_moment(path: Path) -> None:
    """Where clocks are put back the later moment counts, not the later text."""
    sink = SQLite(path, BERLIN)
    assert sink.newest_date() is None
    assert not path.exists()
    sink.write([[line("a")]], keep=False)
    assert sink.newest_date() is None
    summer, winter = "2025-10-26T02:50:00+02:00", "2025-10-26T02:10:00+01:00"
    sink.write([[line("b"), line("c")]], keep=False)
    query(path, f"UPDATE cases SET created_date = '{summer}' WHERE id = 'b'")  # noqa: S608
    query(path, f"UPDATE cases SET created_date = '{winter}' WHERE id = 'c'")  # noqa: S608
    last = sink.newest_date()
    assert last is not None
    assert last.isoformat() == winter
    assert last.tzinfo is BERLIN


def test_a_newest_date_without_an_offset_is_refused(sink: SQLite, path: Path) -> None:
    """A time that somebody else wrote is not guessed at."""
    sink.write([[line("a")]], keep=False)
    for text in ("2025-01-02 03:04:05", "2025-13-01", "soon"):
        query(path, f"UPDATE cases SET created_date = '{text}'")  # noqa: S608
        with pytest.raises(ExportError, match="must be a time with an offset") as caught:
            sink.newest_date()
        assert text not in str(caught.value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
# What is printed has no fold.
TIMES = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001  (wall clock)
    lambda moment: moment.replace(microsecond=0, fold=0)
)


def moment_of(text: str) -> float:
    """Read a time as seconds: where clocks change, Python finds times of two zones unequal."""
    return datetime.fromisoformat(text).timestamp()


@given(
    rows=st.dictionaries(TEXTS, st.tuples(TEXTS, TIMES, st.booleans()), max_size=5),
    extra=st.dictionaries(TEXTS.map(lambda key: f"x.{key}"), TEXTS | st.integers(), max_size=3),
)
def test_what_is_written_is_read(
    rows: dict[str, tuple[str, datetime, bool]], extra: dict[str, Any]
) -> None:
    """Any text comes back as it was, NUL and all; any time as the same moment."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cases.db"
        sink = SQLite(path, BERLIN)
        lines = [
            line(key, title=title, createdDate=str(moment), isUpgraded=flag, **extra)
            for key, (title, moment, flag) in rows.items()
        ]
        assert sink.write([lines], keep=False) == len(rows)
        names = "id, title, created_date, is_upgraded, extra"
        found = query(path, f"SELECT {names} FROM cases")  # noqa: S608
        assert {
            key: (title, moment_of(time), bool(flag), msgspec.json.decode(more))
            for key, title, time, flag, more in found
        } == {
            key: (title, moment.replace(tzinfo=BERLIN).timestamp(), flag, extra)
            for key, (title, moment, flag) in rows.items()
        }
        last = sink.newest_date()
        newest = max((moment_of(time) for _, _, time, *_ in found), default=None)
        assert newest == (last and last.timestamp())


def test_batches_are_not_held(sink: SQLite) -> None:
    """A batch is dropped before the next one is asked for: the iterable is a stream."""
    alive: list[int] = []

    class Batch(list[bytes]):
        def __del__(self) -> None:
            alive.remove(self.number)

        number = 0

    def batches() -> Iterator[Batch]:
        for number in range(20):
            batch = Batch([line(f"{number}")])
            batch.number = number
            alive.append(number)
            assert len(alive) <= 2
            yield batch
            del batch

    assert sink.write(batches(), keep=False) == 20
    assert alive == []


def test_hours_that_differ_by_zone_are_one_moment(path: Path) -> None:
    """The zone says which moment a naive time of the wire is."""
    row = line("a", createdDate="2025-07-01 12:00:00")
    SQLite(path, BERLIN).write([[row]], keep=False)
    berlin = SQLite(path, SHANGHAI).newest_date()
    SQLite(path, SHANGHAI).write([[row]], keep=False)
    shanghai = SQLite(path, SHANGHAI).newest_date()
    assert berlin is not None
    assert shanghai is not None
    assert berlin - shanghai == timedelta(hours=6)
