"""The checkpoint: what is finished is safe, all else is as if it had never been begun."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import hashlib
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers.exports import QUARTER, SINCE
from helpers.rows_for_sinks import no_file_beyond
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, ExportError, export_cases
from aicc_async._listing.plan import PlannedWindow
from aicc_async._listing.windows import Window
from aicc_async.export.checkpoint import Checkpoint
from aicc_async.export.dedupe import deduplicate, ids_by_window
from aicc_async.export.manifest import WindowReport, WindowVerdict
from aicc_async.export.prefix_digest import PrefixDigest
from aicc_async.export.row_file import RowFile, count_days
from aicc_async.export.window_table import FinishedWindow

DAY = timedelta(days=1)
WINDOWS = [Window(SINCE + n * DAY, SINCE + (n + 1) * DAY) for n in range(6)]
HOLD = """
import sys, pathlib
from aicc_async.export.checkpoint import Checkpoint
checkpoint = Checkpoint.open(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def report(
    window: Window, *, readings: int = 1, verdict: WindowVerdict = "verified"
) -> WindowReport:
    """Report a window; its figures do not matter here."""
    return WindowReport(
        start=str(window.start), end=str(window.end), verdict=verdict, readings=readings,
        announced=0, announced_last=0, received=0, distinct=0,
        finished=0.0, requests=0, retries=0, throttled=0,
    )  # fmt: skip


def put(rows: RowFile, ids: Sequence[str], *, reading: int = 1, day: int = 1) -> None:
    """Write rows of a day."""
    dates, lines = [f"2025-01-{day:02} 12:00:00"] * len(ids), [row(row_id, day) for row_id in ids]
    rows.write(reading, ids, dates=dates, lines=lines)


def row(row_id: str, day: int = 1) -> bytes:
    """Write a row without its line's end."""
    return f'{{"id":"{row_id}","createdDate":"2025-01-{day:02} 12:00:00"}}'.encode()


def end(
    rows: RowFile, number: int, *, readings: int = 1, verdict: WindowVerdict = "verified"
) -> FinishedWindow:
    """End a window."""
    window = WINDOWS[number]
    rows.settle_window(readings, agreed=verdict != "unverified")
    return rows.end_window(window, report(window, readings=readings, verdict=verdict))


def make_durable(checkpoint: Checkpoint, rows: RowFile, done: FinishedWindow) -> None:
    """Sync the rows of a window, then mark it as finished."""
    rows.sync(done.size)
    checkpoint.windows.finish([done])


def lines(path: Path) -> list[bytes]:
    """Read lines."""
    return path.read_bytes().splitlines()


@contextmanager
def open_rows(checkpoint: Checkpoint) -> Iterator[RowFile]:
    """Open the row file of a checkpoint."""
    with closing(RowFile(checkpoint)) as rows:
        yield rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the folder of an export."""
    return tmp_path / ".cases.jsonl.export"


@pytest.fixture
def checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """Open a checkpoint with six windows of a day each."""
    with closing(Checkpoint.open(folder)) as opened:
        opened.windows.plan([PlannedWindow(window, 2) for window in WINDOWS], fingerprint="mine")
        yield opened


# ---- what is finished, and what is not ---------------------------------------------------------


def test_a_window_is_safe_once_it_is_finished(checkpoint: Checkpoint, folder: Path) -> None:
    """After a sudden end the finished window is there, and what was behind it is cut off."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        make_durable(checkpoint, rows, end(rows, 0))
        put(rows, ["c"])
        end(rows, 1)
        put(rows, ["d"])
    checkpoint.close()
    with closing(Checkpoint.open(folder)) as again, open_rows(again) as rows:
        assert [planned.window for planned in again.windows.pending()] == WINDOWS[1:]
        assert again.values()["fingerprint"] == "mine"
        assert lines(again.rows_path) == [row("a"), row("b")]
        put(rows, ["c"])
        end(rows, 1)
        assert lines(again.rows_path) == [row("a"), row("b"), row("c")]


def test_rows_are_synced_before_their_window_is_finished(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk refuses to take is not finished."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with open_rows(checkpoint) as rows:
        put(rows, ["a"])
        done = end(rows, 0)
        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(ExportError, match="No space left on device"):
            make_durable(checkpoint, rows, done)
    assert len(checkpoint.windows.pending()) == len(WINDOWS)


def test_halves_replace_a_window(checkpoint: Checkpoint) -> None:
    """They come first, and in the order of time; rows of the whole window are taken back."""
    halves = [Window(SINCE, SINCE + DAY / 2), Window(SINCE + DAY / 2, SINCE + DAY)]
    with open_rows(checkpoint) as rows:
        put(rows, ["a"])
        put(rows, ["b"], reading=2)
        rows.undo_window()
        checkpoint.windows.split(WINDOWS[0], [PlannedWindow(half, 1) for half in halves])
        assert lines(checkpoint.rows_path) == []
    assert [planned.window for planned in checkpoint.windows.pending()] == [*halves, *WINDOWS[1:]]


def test_a_restart_forgets_everything(checkpoint: Checkpoint, folder: Path) -> None:
    """Windows, values and rows are gone."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a"])
        make_durable(checkpoint, rows, end(rows, 0))
    checkpoint.close()
    with closing(Checkpoint.open(folder, restart=True)) as again:
        assert (
            again.windows.pending(),
            again.windows.reports(),
            again.windows.finished_bytes(),
        ) == ([], [], 0)
        assert "fingerprint" not in again.values()
        assert not again.rows_path.exists()


@pytest.mark.parametrize("left", [None, 0, 9], ids=["missing", "empty", "cut off"])
def test_rows_that_are_gone_are_read_again(
    left: int | None, checkpoint: Checkpoint, folder: Path
) -> None:
    """A checkpoint that lacks rows of finished windows begins anew."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        make_durable(checkpoint, rows, end(rows, 0))
    checkpoint.close()
    if left is None:
        checkpoint.rows_path.unlink()
    else:
        checkpoint.rows_path.write_bytes(checkpoint.rows_path.read_bytes()[:left])
    with closing(Checkpoint.open(folder)) as again:
        assert again.windows.reports() == []
        assert "fingerprint" not in again.values()


def test_the_digest_covers_what_an_earlier_run_wrote(checkpoint: Checkpoint, folder: Path) -> None:
    """It is that of the whole file, whoever wrote it."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a"])
        make_durable(checkpoint, rows, end(rows, 0))
    checkpoint.close()
    with closing(Checkpoint.open(folder)) as again, open_rows(again) as rows:
        put(rows, ["b"])
        make_durable(again, rows, end(rows, 1))
        assert (
            rows.sha256(again.windows.finished_bytes())
            == hashlib.sha256(again.rows_path.read_bytes()).hexdigest()
        )
        assert lines(again.rows_path) == [row("a"), row("b")]


def test_settled_rows_are_written_anew(checkpoint: Checkpoint, folder: Path) -> None:
    """Others take their place, with the same ids and days; the digest is that of the others."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        put(rows, ["b", "c"], reading=2)
        assert rows.settle_window(2, agreed=True) == 2
        with rows.rewriting() as plain:
            for row_id, line in plain:
                assert line == row(row_id)
                rows.rewrite(line[:-1] + b',"tasks":[]}')
        done = rows.end_window(WINDOWS[0], report(WINDOWS[0], readings=2, verdict="repaired"))
        make_durable(checkpoint, rows, done)
        assert (
            rows.sha256(checkpoint.windows.finished_bytes())
            == hashlib.sha256(checkpoint.rows_path.read_bytes()).hexdigest()
        )
    assert lines(checkpoint.rows_path) == [row(row_id)[:-1] + b',"tasks":[]}' for row_id in "bc"]
    assert list(ids_by_window(checkpoint)) == [["b", "c"]]
    assert checkpoint.windows.days() == {"2025-01-01": 2}
    assert not list(folder.glob("reading.*"))


def test_rows_that_were_being_written_anew_are_read_again(
    checkpoint: Checkpoint, folder: Path
) -> None:
    """After a sudden end in the middle of it, the window is as if it had never been begun."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a"])
        make_durable(checkpoint, rows, end(rows, 0))
        put(rows, ["b", "c"])
        rows.settle_window(1, agreed=True)
        with suppress(ZeroDivisionError), rows.rewriting() as plain:
            rows.rewrite(next(plain)[1])
            raise ZeroDivisionError
    checkpoint.close()
    with closing(Checkpoint.open(folder)) as again, open_rows(again) as rows:
        assert lines(again.rows_path) == [row("a")]
        put(rows, ["b", "c"])
        rows.settle_window(1, agreed=True)
        with rows.rewriting() as plain:
            assert [row_id for row_id, _ in plain] == ["b", "c"]


# ---- one row each --------------------------------------------------------------------------


def test_duplicates_of_neighbours_are_dropped(checkpoint: Checkpoint, folder: Path) -> None:
    """A row in the overlap of two windows is there once, also when a run ended between them."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        make_durable(checkpoint, rows, end(rows, 0))
    checkpoint.close()
    with closing(Checkpoint.open(folder)) as again, open_rows(again) as rows:
        put(rows, ["b", "c"])
        make_durable(again, rows, end(rows, 1))
        put(rows, ["c", "b"])
        make_durable(again, rows, end(rows, 2))
        assert lines(again.rows_path) == [row("a"), row("b"), row("c")]


def test_a_later_reading_replaces_an_earlier_one(checkpoint: Checkpoint) -> None:
    """Of a window that agreed in the end, only the rows of that reading are kept."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        put(rows, ["b", "c"], reading=2)
        end(rows, 0, readings=2, verdict="repaired")
        put(rows, ["d"])
        end(rows, 1, readings=2, verdict="repaired")
    assert lines(checkpoint.rows_path) == [row("b"), row("c")]


def test_readings_that_never_agree_are_united(checkpoint: Checkpoint, folder: Path) -> None:
    """What any of them brought is kept, once, and nothing else is left behind."""
    with open_rows(checkpoint) as rows:
        put(rows, ["a", "b"])
        put(rows, ["b", "c"], reading=2)
        put(rows, ["d", "a"], reading=4)
        end(rows, 0, readings=5, verdict="unverified")
    assert sorted(lines(checkpoint.rows_path)) == [row(row_id) for row_id in "abcd"]
    assert {path.name for path in folder.iterdir()} <= {
        "rows.jsonl", "state.db", "state.db-wal", "state.db-shm",
    }  # fmt: skip


def test_a_case_whose_date_changed_is_there_once(checkpoint: Checkpoint) -> None:
    """However far apart the windows are in which it was seen; its first date counts."""
    with open_rows(checkpoint) as rows:
        for number, ids in enumerate(["ab", "c", "d", "e", "fa"]):
            put(rows, list(ids), day=number + 1)
            make_durable(checkpoint, rows, end(rows, number))
    path, days = deduplicate(checkpoint)
    assert lines(path) == list(map(row, "abcdef", [1, 1, 2, 3, 4, 5]))
    assert days == {f"2025-01-0{day}": 2 if day == 1 else 1 for day in range(1, 6)}


ids_of_a_reading = st.lists(st.sampled_from("abcdefghij"), unique=True)
readings_of_a_window = st.lists(ids_of_a_reading, min_size=1, max_size=3)
windows_of_ids = st.lists(st.tuples(readings_of_a_window, st.booleans()), max_size=len(WINDOWS))


@given(windows_of_ids)
def test_every_row_is_there_once(windows: list[tuple[list[list[str]], bool]]) -> None:
    """Whatever windows and readings bring, each id that counts is on one line, in one day."""
    with TemporaryDirectory() as folder, closing(Checkpoint.open(Path(folder))) as checkpoint:
        checkpoint.windows.plan([PlannedWindow(window, 2) for window in WINDOWS])
        wanted: set[str] = set()
        with open_rows(checkpoint) as rows:
            for number, (readings, agree) in enumerate(windows):
                for reading, ids in enumerate(readings, 1):
                    if ids:
                        put(rows, ids, reading=reading)
                verdict: WindowVerdict = "repaired" if agree else "unverified"
                end_of = end(rows, number, readings=len(readings), verdict=verdict)
                make_durable(checkpoint, rows, end_of)
                wanted.update(*(readings[-1:] if agree else readings))
        path, days = deduplicate(checkpoint)
        assert sorted(lines(path)) == sorted(map(row, wanted))
        assert days.total() == len(wanted)


# ---- what is refused -------------------------------------------------------------------


def test_another_run_is_kept_out_until_it_is_killed(folder: Path) -> None:
    """The lock of a process that is killed is taken back by the system."""
    command = (sys.executable, "-c", HOLD, str(folder))
    with subprocess.Popen(  # noqa: S603  (our own command)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="another run of this export uses it"):
            Checkpoint.open(folder)
        holder.send_signal(signal.SIGKILL)
    with closing(Checkpoint.open(folder)) as checkpoint:
        assert checkpoint.windows.pending() == []


@pytest.mark.parametrize(
    "content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "header"]
)
def test_a_state_that_is_garbage_is_refused(content: bytes, folder: Path) -> None:
    """It is not deleted unasked; the message says what to delete."""
    folder.mkdir()
    (folder / "state.db").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^cannot resume from .*\.export: .* Delete the folder"):
        Checkpoint.open(folder)
    assert (folder / "state.db").read_bytes() == content


def test_a_state_of_something_else_is_refused(folder: Path) -> None:
    """A database with other tables is not a checkpoint."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.execute("CREATE TABLE windows (pane TEXT)")
    with pytest.raises(ConfigError, match=r"^cannot resume from .*: its state has layout 0"):
        Checkpoint.open(folder)


OLD_LAYOUT = """
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE windows (
    start TEXT, "end" TEXT, count INT NOT NULL, report BLOB, size INT, days BLOB
);
INSERT INTO notes VALUES ('header', '{"query": {}}');
INSERT INTO windows VALUES ('2025-01-01 00:00:00', '2025-01-02 00:00:00', 2, NULL, NULL, NULL);
"""


@pytest.mark.parametrize("restart", [False, True])
async def test_an_export_of_another_layout_is_refused(
    aicc: AICCClient, out: Path, folder: Path, *, restart: bool
) -> None:
    """An unfinished export of an older version is neither misread nor deleted."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.executescript(OLD_LAYOUT)
    (folder / "rows.jsonl").write_bytes(b"old\n")
    with pytest.raises(ConfigError, match=r"layout 0, this .* layout 1\. Delete the folder"):
        await export_cases(aicc, QUARTER, out, restart=restart)
    assert (folder / "rows.jsonl").read_bytes() == b"old\n"
    with closing(sqlite3.connect(folder / "state.db")) as db:
        assert db.execute("SELECT count FROM windows").fetchall() == [(2,)]
    assert not out.exists()


def test_a_later_layout_is_refused(checkpoint: Checkpoint, folder: Path) -> None:
    """A checkpoint of a later version is not misread either."""
    checkpoint.close()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match="its state has layout 2, this version reads layout 1"):
        Checkpoint.open(folder)


def test_another_database_of_that_number_is_refused(folder: Path) -> None:
    """The number is not enough: the tables must be there, too."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.execute("CREATE TABLE windows (pane TEXT)")
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(ConfigError, match=r"^cannot resume from .*: no such column"):
        Checkpoint.open(folder)


def test_a_database_whose_creation_was_killed_is_created_again(folder: Path) -> None:
    """Before its tables are committed it is an empty file, and no other layout."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        db.execute("CREATE TABLE state (name TEXT)")
    with closing(Checkpoint.open(folder)) as checkpoint:
        assert checkpoint.windows.pending() == []


def test_a_state_that_is_a_folder_is_refused(folder: Path) -> None:
    """SQLite cannot open it, and the message names the folder."""
    (folder / "state.db").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"\.export"):
        Checkpoint.open(folder)


def test_a_file_where_the_folder_should_be_is_refused(folder: Path) -> None:
    """The message names the place."""
    folder.write_text("mine")
    with pytest.raises(
        ConfigError, match=r"^target must be in a folder that can be written to, got "
    ):
        Checkpoint.open(folder)
    assert folder.read_text() == "mine"


@pytest.mark.parametrize("size", [5_000, 60_000, 150_000])
async def test_a_full_disk_costs_no_row(
    size: int, aicc: AICCClient, out: Path, tmp_path: Path
) -> None:
    """The export ends with one of our errors, leaves no target, and resumes when there is room."""
    whole = tmp_path / "whole.jsonl"
    with no_file_beyond(size), pytest.raises((ConfigError, ExportError)) as caught:
        await export_cases(aicc, QUARTER, out)
    assert re.match("cannot (read or )?write ", str(caught.value))
    assert not out.exists()
    await export_cases(aicc, QUARTER, out)
    await export_cases(aicc, QUARTER, whole)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("change", ["nothing", "in place", "cut", "longer", "other file"])
def test_a_file_is_unchanged_only_with_the_very_bytes(tmp_path: Path, change: str) -> None:
    """A change that keeps the size is seen as well as one that does not."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"one\ntwo\n")
    digest = PrefixDigest(path)
    digest.extend_to(4)
    digest.extend_to(8)
    with path.open("rb+") as file:
        if change == "in place":
            file.write(b"onE")
        elif change == "cut":
            file.truncate(4)
        elif change == "longer":
            file.seek(8)
            file.write(b"three\n")
        elif change == "other file":
            path.unlink()
            path.write_bytes(b"two\none\n")
    assert digest.is_unchanged() is (change == "nothing")
    assert digest.hexdigest() == hashlib.sha256(b"one\ntwo\n").hexdigest()


@given(
    st.lists(st.sampled_from(["", "2025", "2025-01-01 10:00:00", "2025-01-01 09", "2025-02-01"]))
)
def test_days_are_counted_in_any_order(dates: list[str]) -> None:
    """Each date counts for the day that it begins with, also one that is no whole date."""
    assert count_days(dates) == Counter(date[:10] for date in dates)
