"""The command that prints changes: real processes, signals, pipes, and commands for each event."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import SECONDS, wait_until
from helpers.shell import Call, Start

from aicc_async.emulator import Emulator, run_in_thread

# A second is the shortest time between two looks.
QUICK = ("--every", "1s", "--period", "2s", "--lookback", "1h")


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Run a tenant with one case of now."""
    with run_in_thread(cases=0, retry_after=None) as emulator:
        monkeypatch.setenv("AICC_BASE_URL", emulator.url)
        monkeypatch.setenv("AICC_ACCESS_TOKEN", emulator.token())
        # By this code a detail says that there is no such case.
        monkeypatch.setenv("AICC_DIALECT", f"missing_codes={emulator.missing_code}")
        emulator.insert(title="old", createdDate=ago(minutes=20))
        yield emulator


def ago(**span: int) -> str:
    """Return a time of the tenant's clock."""
    moment = datetime.now(UTC) + timedelta(hours=8) - timedelta(**span)
    return str(moment.replace(tzinfo=None, microsecond=0))


def begin(start: Start, tenant: Emulator, *options: str, **settings: Any) -> subprocess.Popen[str]:
    """Start a watch, and wait until it knows what is there."""
    tenant.requests.clear()
    process = start("watch", *QUICK, *options, **settings)
    wait_until(lambda: len(tenant.requests) > 4 or process.poll() is not None)
    return process


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read the next event."""
    assert process.stdout
    event: dict[str, Any] = json.loads(process.stdout.readline())
    return event


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """End a watch, and return the rest of what it wrote."""
    process.send_signal(how)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return out, err


def test_changes_are_lines(start: Start, tenant: Emulator) -> None:
    """A create, a change and a deletion, each with its row; what was there before is not told."""
    process = begin(start, tenant)
    case_id = tenant.insert(title="new")
    created = read(process)
    assert (created["kind"], created["case_id"], created["changes"]) == ("created", case_id, {})
    tenant.change(case_id, title="newer", ownerId="o1")
    changed = read(process)
    assert (changed["kind"], changed["case"]["title"]) == ("changed", "newer")
    assert changed["changes"] == {
        "title": ["new", "newer"],
        "owner_id": [created["case"]["owner_id"], "o1"],
    }
    tenant.delete(case_id)
    deleted = read(process)
    assert (deleted["kind"], deleted["case"]) == ("deleted", changed["case"])
    ids = {event["id"] for event in (created, changed, deleted)}
    assert len(ids) == 3
    assert stop(process) == ("", "")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_signal_is_its_normal_end(start: Start, tenant: Emulator, how: signal.Signals) -> None:
    """It ends with 0 and says nothing; the next run tells what happened meanwhile, and no more."""
    process = begin(start, tenant)
    tenant.insert(title="one")
    assert read(process)["case"]["title"] == "one"
    assert stop(process, how) == ("", "")
    tenant.insert(title="two")
    process = begin(start, tenant)
    assert read(process)["case"]["title"] == "two"
    assert stop(process) == ("", "")


def test_a_closed_pipe_ends_it_without_losing_an_event(start: Start, tenant: Emulator) -> None:
    """It ends quietly with 141; what nobody could read is told by the next run."""
    there, back = os.pipe()
    with os.fdopen(there):
        process = begin(start, tenant, stdout=back)
        os.close(back)
    case_id = tenant.insert(title="unread")
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (141, "")
    process = begin(start, tenant)
    assert read(process)["case_id"] == case_id
    stop(process)


# ---- a command for each event --------------------------------------------------------------


@pytest.fixture
def handler(tmp_path: Path) -> str:
    """Return a command that appends its input to a file, and fails while there is ``broken``."""
    code = (
        "import pathlib, sys, time\n"
        "event = sys.stdin.read()\n"
        "open('begun', 'a').close()\n"
        "while pathlib.Path('slow').exists(): time.sleep(0.01)\n"
        "if pathlib.Path('broken').exists(): sys.exit(7)\n"
        "open('handled', 'a').write(event)\n"
    )
    (tmp_path / "handle.py").write_text(code)
    return shlex.join([sys.executable, str(tmp_path / "handle.py")])


def handled() -> list[str]:
    """Return the ids of events that were handled."""
    path = Path("handled")
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["id"] for line in lines]


def test_a_command_handles_each_event(start: Start, tenant: Emulator, handler: str) -> None:
    """Each is on its standard input as one line; nothing is printed, and nothing handled twice."""
    process = begin(start, tenant, "--exec", handler)
    tenant.insert_many([{"title": "one"}, {"title": "two"}])
    wait_until(lambda: len(handled()) == 2)
    assert stop(process) == ("", "")
    process = begin(start, tenant, "--exec", handler)
    tenant.insert(title="three")
    wait_until(lambda: len(handled()) == 3)
    assert stop(process) == ("", "")
    assert len(set(handled())) == 3


def test_a_command_that_fails_ends_it(start: Start, tenant: Emulator, handler: str) -> None:
    """Its exit code is told, and its event comes again, to the next run."""
    Path("broken").touch()
    process = begin(start, tenant, "--exec", handler)
    tenant.insert(title="one")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (1, "")
    assert err == "AICCError: --exec ended with exit code 7; its event was not acknowledged\n"
    Path("broken").unlink()
    process = begin(start, tenant, "--exec", handler)
    wait_until(handled)
    assert stop(process) == ("", "")
    assert len(handled()) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_signal_waits_for_the_event_at_hand(
    start: Start, tenant: Emulator, handler: str, how: signal.Signals
) -> None:
    """The command ends, its event is acknowledged, and the one behind it is the next run's."""
    Path("slow").touch()
    process = begin(start, tenant, "--exec", handler)
    tenant.insert_many([{"title": "one"}, {"title": "two"}])
    wait_until(Path("begun").exists)
    process.send_signal(how)
    Path("slow").unlink()
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, "")
    assert len(handled()) == 1
    process = begin(start, tenant, "--exec", handler)
    wait_until(lambda: len(handled()) == 2)
    stop(process)
    assert len(set(handled())) == 2


def test_a_second_signal_does_not_wait(start: Start, tenant: Emulator, handler: str) -> None:
    """The command is killed, and its event is not acknowledged."""
    Path("slow").touch()
    process = begin(start, tenant, "--exec", handler)
    tenant.insert(title="one")
    wait_until(Path("begun").exists)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert handled() == []


# ---- before it begins ----------------------------------------------------------------------


def test_a_plan_says_what_it_costs(tenant: Emulator, call: Call) -> None:
    """Rows, requests an hour and both delays; no state is made, and nothing is watched."""
    ended = call("watch", "--plan")
    assert (ended.code, ended.err) == (0, "")
    rows, requests, delays = ended.out.splitlines()
    assert rows == "cases within the look-back: 1, counted in 1 window"
    assert requests.startswith("241 requests an hour while nothing happens: 120 counts, ")
    assert delays.startswith("a new case is told within 30 s of when the list shows it, a change ")
    assert list(Path().iterdir()) == []
    assert len(tenant.requests) < 10


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--every", "0s"), "every must be"),
        (("--period", "10s"), "period must be"),
        (("--lookback", "400d"), "lookback must be"),
        (("--every", "soon"), "must be a length of time"),
        (("--exec", ""), "--exec must begin with a program that can be run, got ''"),
        (("--exec", "no-such-program"), "--exec must begin with a program"),
        (("--exec", "'"), "--exec must be a command, got"),
        (("--state", "redis://:hush@host/0"), "state must be a path, got a URL"),
        (("--filter", "nonsense=1"), "--filter must be NAME=VALUE"),
    ],
)
def test_what_cannot_be_watched(
    tenant: Emulator, call: Call, arguments: tuple[str, ...], error: str
) -> None:
    """It is a usage error before the first request, and no state is made."""
    ended = call("watch", *arguments)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert error in ended.err
    assert "hush" not in ended.err
    assert list(Path().iterdir()) == []


def test_a_state_has_one_watch(start: Start, tenant: Emulator, call: Call) -> None:
    """A second one ends at once, and says why."""
    process = begin(start, tenant)
    ended = call("watch", *QUICK)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("WatchError: another watch has the state aicc-watch.db")
    stop(process)
