"""Every code block of the README runs, and prints what stands below it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from aicc_async.emulator import run_in_thread

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", README, re.DOTALL | re.MULTILINE
)
SCRIPTS = [  # those with a name in their first line are servers, which tests of their own run
    (code, out)
    for kind, code, out in BLOCKS
    if kind == "python" and "pytest" not in code and not code.startswith("# ")
]
TESTS = [code for kind, code, _ in BLOCKS if kind == "python" and "pytest" in code]
COMMANDS = [(code, out) for kind, code, out in BLOCKS if kind == "sh"]
NEW_CASE = """
import pytest
from aicc_async import NewCase

@pytest.fixture
def new_case():
    return NewCase(title="t", description="d", type="y", contact_id="c", creator_id="u")
"""

CASES = """\
ref,title,description,type,contactId,creatorId
1,Parcel lost,It did not come.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
2,Parcel wet,It came in a bag.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
"""


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """Run the tenant of ``--demo``, and name it in the variables that the README speaks of."""
    since, until = datetime(2025, 1, 1), datetime(2026, 1, 1)  # noqa: DTZ001
    with run_in_thread(cases=12_000, since=since, until=until) as tenant:
        yield {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AICC_BASE_URL": tenant.url,
            "AICC_CLIENT_ID": tenant.client_id,
            "AICC_CLIENT_SECRET": tenant.client_secret,
            "AICC_QFLOW_URL": tenant.qflow_url,
        }


def run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    """Run a command in an empty folder and return what it printed."""
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def timeless(text: str) -> str:
    """Cut out what differs from run to run: seconds and speed."""
    return re.sub(r"[\d.]+ s \([\d,]+ rows/s\)", "… s", text)


@pytest.mark.parametrize(("code", "out"), SCRIPTS)
def test_samples_run(code: str, out: str, tmp_path: Path, environ: dict[str, str]) -> None:
    """Each script of the README runs and prints what the README shows."""
    printed = run([sys.executable, "-W", "error", "-c", code], tmp_path, environ)
    assert printed == out or (not out and printed)


@pytest.mark.parametrize(("code", "out"), COMMANDS)
def test_commands_run(code: str, out: str, tmp_path: Path, environ: dict[str, str]) -> None:
    """Each command prints what the README shows, with a cases.csv there; .ci/run installs."""
    (tmp_path / "cases.csv").write_text(CASES)
    for line in code.splitlines():
        command = shlex.split(line.rpartition("&& .venv/bin/")[2] or line)
        if command[0] != "pytest":
            printed = timeless(run(command, tmp_path, environ))
            assert printed == timeless(out) or (not out and printed)


@pytest.mark.parametrize("code", TESTS)
def test_fixture_works(code: str, tmp_path: Path, environ: dict[str, str]) -> None:
    """The README's test passes in a project of its own, with the plugin that is installed."""
    (tmp_path / "conftest.py").write_text(NEW_CASE)
    (tmp_path / "test_it.py").write_text(code)
    options = ["-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", "-p", "no:randomly"]
    printed = run([sys.executable, "-m", "pytest", *options], tmp_path, environ)
    assert "1 passed" in printed


def test_ci_runs_the_two_commands_that_install() -> None:
    """The main job and the tests are the README's first and last command, which .ci/run takes."""
    installing = [code for code, _ in COMMANDS if "venv" in code]
    assert installing == [COMMANDS[0][0], COMMANDS[-1][0]]
    assert " export " in installing[0]
    assert installing[1].strip().endswith("pytest")


def test_readme_is_short() -> None:
    """The README has at most 320 lines and shows code by line 10."""
    lines = README.splitlines()
    assert len(lines) <= 320
    assert any(line.startswith("```python") for line in lines[:10])
