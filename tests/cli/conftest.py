"""What the tests of the commands share: tenants and their variables, and ways to run a command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import COMMAND, interruptible
from helpers.shell import Call, Ended, Start, Stdin

from aicc_async import RetryPolicy
from aicc_async.cli.group import run
from aicc_async.emulator import Emulator, Readings, run_in_thread


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin without settings, in an empty folder, on a terminal of 80 columns."""
    for name in [name for name in os.environ if name.startswith("AICC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    """Run a tenant with 300 cases for all tests of a file."""
    since, until = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
    with run_in_thread(cases=300, since=since, until=until, retry_after=None) as emulator:
        yield emulator


@pytest.fixture
def tenant(shared: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Give that tenant with nothing wrong, and the variables that its command prints."""
    shared.clear_faults()
    shared.retry_after = None
    shared.on_page(None)
    shared.readings = Readings()
    shared.requests.clear()
    monkeypatch.setenv("AICC_BASE_URL", shared.url)
    monkeypatch.setenv("AICC_CLIENT_ID", shared.client_id)
    monkeypatch.setenv("AICC_CLIENT_SECRET", shared.client_secret)
    monkeypatch.setenv("AICC_QFLOW_URL", shared.qflow_url)
    monkeypatch.setenv("AICC_TIMEZONE", "Asia/Shanghai")
    _retry_at_once(monkeypatch)
    return shared


@pytest.fixture
def empty_tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Run a tenant without cases for one test, with the variables of its client."""
    _retry_at_once(monkeypatch)
    with run_in_thread(cases=0, retry_after=None) as emulator:
        monkeypatch.setenv("AICC_BASE_URL", emulator.url)
        monkeypatch.setenv("AICC_ACCESS_TOKEN", emulator.token())
        monkeypatch.setenv("AICC_TIMEZONE", "Asia/Shanghai")
        yield emulator


def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("client", "qflow"):
        policy = partial(RetryPolicy, base=0.001, patience=0.0)
        monkeypatch.setattr(f"aicc_async.{module}.RetryPolicy", policy)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command as the shell does, with bytes, or a value as JSON, on standard input."""

    def run_it(*arguments: object, stdin: object = b"") -> Ended:
        body = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
        monkeypatch.setattr(sys, "argv", ["aicc-async", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Stdin(body)))
        code = run()
        return Ended(code, *capfd.readouterr())

    return run_it


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command as a process; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run_it(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        settings = {"env": os.environ | {"TERM": "xterm", "COLUMNS": "90"}, **pipes, **options}
        with interruptible():
            process = subprocess.Popen((*COMMAND, *arguments), text=True, **settings)  # noqa: S603
        started.append(process)
        return process

    yield run_it
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
