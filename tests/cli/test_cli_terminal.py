"""The command as a process: exit codes, signals, pipes, and what a terminal shows."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from helpers.processes import SECONDS, wait_until, without_progress
from helpers.shell import Start
from rich.console import Console

from aicc_async._transport.session import Stats
from aicc_async.cli.progress import display
from aicc_async.emulator import Emulator
from aicc_async.export import Progress

pytestmark = pytest.mark.usefixtures("tenant")


@pytest.fixture
def tenant(tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Sign in with a token: a secret is asked for where a client id is an option."""
    monkeypatch.delenv("AICC_CLIENT_ID")
    monkeypatch.delenv("AICC_CLIENT_SECRET")
    monkeypatch.setenv("AICC_ACCESS_TOKEN", tenant.token())
    return tenant


@contextmanager
def throttling(tenant: Emulator) -> Iterator[None]:
    """Let the tenant refuse soon, and ask for a minute's patience."""
    tenant.quota, tenant.retry_after = 2, "60"
    try:
        yield
    finally:
        tenant.quota, tenant.retry_after = None, None


# ---- exit codes ----------------------------------------------------------------------------


def test_well_is_0(start: Start, tenant: Emulator, tmp_path: Path) -> None:
    """The file is whole; without a terminal an export says its summary, and how far it is."""
    process = start("export", "out.jsonl")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, without_progress(err)) == (0, "")
    assert re.fullmatch(
        r"out\.jsonl: \d+ cases in \d+ windows \(.*verified\), .* 0 throttles\n", out
    )
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert sorted(row["id"] for row in rows) == sorted(tenant.ids())


def test_a_refusal_of_the_service_is_1(start: Start) -> None:
    """One line on standard error, nothing on standard output."""
    process = start("get", "nobody")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (1, "")
    assert re.fullmatch(r"ApiError: .*\n", err)


def test_a_wrong_filter_is_2(start: Start, tenant: Emulator) -> None:
    """No request is sent."""
    process = start("list", "--filter", "nonsense=1")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, tenant.requests) == (2, "", [])
    assert err.startswith("ConfigError: --filter must be NAME=VALUE")
    assert err.endswith("got 'nonsense'\n")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_can_be_resumed_from(
    start: Start, tenant: Emulator, tmp_path: Path, sent: signal.Signals
) -> None:
    """Soon: one line that names how, no traceback, and the target as it was."""
    (tmp_path / "out.jsonl").write_text("old\n")
    tenant.on_page(lambda *_: time.sleep(0.02))
    process = start("export", "out.jsonl", "--overwrite")
    wait_until(lambda: list(tmp_path.glob(".out.jsonl.export/rows.jsonl")))
    process.send_signal(sent)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, "")
    assert without_progress(err) == "interrupted; run the same command again to resume\n"
    assert (tmp_path / "out.jsonl").read_text() == "old\n"
    tenant.on_page(None)
    again = start("export", "out.jsonl")
    assert again.wait(SECONDS) == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == tenant.count()


# ---- pipes ---------------------------------------------------------------------------------


def test_a_reader_that_leaves_is_no_error(start: Start) -> None:
    """``list | head -1`` ends quietly, with the code that a shell gives for it."""
    process = start("list")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert (process.stderr.read(), process.wait(SECONDS)) == ("", 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_standard_output_is_one_line(start: Start) -> None:
    """The failure is reported once."""
    with Path("/dev/full").open("wb") as full:
        process = start("list", stdout=full)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert err == "AICCError: cannot write to standard output: No space left on device\n"


def test_standard_input_is_not_taken_for_a_secret(start: Start, tenant: Emulator) -> None:
    """Without a terminal the secret is not asked for, and the JSON goes nowhere."""
    process = start("create", "--client-id", "someone", start_new_session=True)
    out, err = process.communicate('{"title": "invented"}', timeout=SECONDS)
    assert (process.returncode, out, tenant.requests) == (2, "", [])
    assert err.startswith("ConfigError: AICC_CLIENT_SECRET must be set: there is no terminal")


# ---- the emulator --------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_emulator_serves_until_a_signal_and_ends_well(
    start: Start, sent: signal.Signals
) -> None:
    """It prints the variables that another command needs; to be stopped is its normal end."""
    process = start("emulator", "--port", "0", "--cases", "3")
    assert process.stdout
    printed = dict(process.stdout.readline().strip().split("=", 1) for _ in range(6))
    assert printed.keys() == {
        "AICC_BASE_URL",
        "AICC_CLIENT_ID",
        "AICC_CLIENT_SECRET",
        "AICC_QFLOW_URL",
        "AICC_TIMEZONE",
        "AICC_DIALECT",
    }
    if sent == signal.SIGINT:
        other = start("list", env={**os.environ, "AICC_ACCESS_TOKEN": "", **printed})
        out, _ = other.communicate(timeout=SECONDS)
        assert len(out.splitlines()) == 3
    process.send_signal(sent)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


# ---- the terminal --------------------------------------------------------------------------


class Screen:
    """A pseudo-terminal's other end: what is typed, and what comes back."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.text = ""

    def read_until(self, pattern: str) -> None:
        """Read until the pattern has come."""
        wait_until(lambda: self._read() and re.search(pattern, self.text))

    def read_to_end(self) -> None:
        """Read until the last process has left the terminal."""
        wait_until(lambda: not self._read())

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self._handle, text.encode())

    @property
    def lines(self) -> list[str]:
        """Give what stays on the screen after rich's erasing and moving up."""
        shown: list[str] = [""]
        row = 0
        for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.text):
            if token == "\n":
                row += 1
                shown += [""] * (row + 1 - len(shown))
            elif token.endswith("A") and token.startswith("\x1b"):
                row -= int(token[2:-1] or 1)
            elif token == "\x1b[2K":
                shown[row] = ""
            elif token[0] not in "\x1b\r":
                shown[row] += token
        return [line for line in shown if line]

    def _read(self) -> bool:
        if not select.select([self._handle], [], [], 0.01)[0]:
            return True
        try:
            data = os.read(self._handle, 65536)
        except OSError:  # Linux: nobody is there any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def screen() -> Iterator[tuple[Screen, int]]:
    """Open a pseudo-terminal: our end, and the handle that a process gets."""
    ours, theirs = pty.openpty()
    try:
        yield Screen(ours), theirs
    finally:
        os.close(ours)


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_keeps_the_summary(
    start: Start, tenant: Emulator, screen: tuple[Screen, int]
) -> None:
    """Windows, rows, rate and throttles show while it runs; only the summary stays."""
    shown, theirs = screen
    tenant.on_page(lambda *_: time.sleep(0.1))
    process = start(
        "export", "out.jsonl", "--concurrency", "1", stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown.read_to_end()
    assert process.wait(SECONDS) == 0
    assert re.search(
        r"windows \d+/\d+ .*━.* \d+ %, \d+ rows, [\d,]+ rows/s, 0 throttles, 0:00:\d\d left",
        shown.text,
    )
    assert len(shown.lines) == 1
    assert shown.lines[0].startswith("out.jsonl: ")


def test_an_interrupted_bar_leaves_a_clean_terminal(
    start: Start, tenant: Emulator, screen: tuple[Screen, int]
) -> None:
    """After ^C only one word is on the screen, and the cursor shows again."""
    shown, theirs = screen
    with throttling(tenant):
        process = start("export", "out.jsonl", stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown.read_until(r"[1-9] throttles")
        process.send_signal(signal.SIGINT)
        shown.read_to_end()
    assert process.wait(SECONDS) == 130
    assert shown.lines == ["interrupted; run the same command again to resume"]
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l")


def test_a_secret_is_typed_unseen(
    start: Start, tenant: Emulator, screen: tuple[Screen, int]
) -> None:
    """The question is on the terminal, the answer is not, and the data are elsewhere."""
    shown, theirs = screen
    process = start(
        "list",
        "--client-id",
        tenant.client_id,
        "--limit",
        "1",
        stdin=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown.read_until("Client secret: ")
    shown.type(f"{tenant.client_secret}\n")
    shown.read_to_end()
    assert process.stdout
    assert len(process.stdout.read().splitlines()) == 1
    assert process.wait(SECONDS) == 0
    assert tenant.client_secret not in shown.text


# ---- progress without a terminal -----------------------------------------------------------


ROWS = 3_600_000


class Clock:
    """A clock that a test puts forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("aicc_async.cli.progress.time.monotonic", lambda: self.now)


def plain(file: IO[str]) -> Console:
    """Make a console that is no terminal."""
    return Console(file=file, force_terminal=False, width=40)


def test_plain_lines_come_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour's export with ten pages a second makes few lines, each whole."""
    clock, file = Clock(monkeypatch), io.StringIO()
    with display(plain(file), Stats()) as show:
        for page in range(36_000):
            clock.now = 100 + page / 10
            show(Progress(stage="reading", windows=12, windows_done=3, rows=page * 100, total=ROWS))
    lines = file.getvalue().splitlines()
    assert 55 <= len(lines) <= 70
    expected = "windows 3/12, 0 %, 5,000 rows, 1,000 rows/s, 0 throttles, 0:59:55 left"
    assert lines[0] == expected


def test_the_first_seconds_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short export prints no progress."""
    clock, file = Clock(monkeypatch), io.StringIO()
    with display(plain(file), Stats()) as show:
        for _ in range(40):
            clock.now += 0.1
            show(Progress(stage="reading", windows=1, windows_done=1, rows=100, total=100))
    assert file.getvalue() == ""


def test_the_time_left_is_not_guessed_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time left is shown before any row has come; rows of an earlier run are no speed."""
    clock, file = Clock(monkeypatch), io.StringIO()
    with display(plain(file), Stats()) as show:
        clock.now += 6
        show(Progress(throttled=1200))
        clock.now += 60
        show(Progress(stage="reading", windows=2, rows=50, total=100, resumed=50))
    assert file.getvalue().splitlines() == [
        "windows 0/0, planning, 1,200 throttles",
        "windows 0/2, 50 %, 50 rows, 0 rows/s, 0 throttles",
    ]
