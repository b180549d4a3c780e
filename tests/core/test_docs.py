"""Every block of code in a docstring runs, prints what it shows, and is laid out as users write."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.processes import COMMAND, interruptible
from helpers.recipes import (
    ROOT,
    SAMPLE_FILES,
    Block,
    all_blocks,
    docstrings,
    public_modules,
    recipe,
    without_blocks,
)

from aicc_async import AICCClient, NewCase, SQLiteJournal, StaticToken, UnknownOutcome
from aicc_async.emulator import Emulator, Fault, run_in_thread

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server", "helpers.s3_server"]
# They start processes, one after the other.
pytestmark = pytest.mark.timeout(60)

BLOCKS = all_blocks()
# Scripts that are servers, or need what is not installed everywhere, and the tests that run them.
RUN_ELSEWHERE = {
    "budget.py": "connectors/test_budget.py",
    "case_events.py": "watch/test_recipes.py",
    "case_outbox.py": "watch/test_recipes.py",
    "dbos_orders.py": "journal/test_engines.py",
    "dlt_cases.py": "connectors/test_dlt.py",
    "fastapi_service.py": "core/test_fastapi_service.py",
    "follow_ups.py": "watch/test_recipes.py",
    "service.py": "core/test_service.py",
    "spark_cases.py": "connectors/test_spark.py",
    "spark_stream.py": "connectors/test_spark.py",
    "temporal_orders.py": "journal/test_engines.py",
    "worker.py": "core/test_worker.py",
}
# It runs until it is interrupted: a test of its own does so.
SERVER = "$ aicc-async emulator --cases 20000 --quota 50"
# Modules that show what is no code: the tree of errors, the table of names, the list of documents.
WITH_FIGURE = ["aicc_async.errors", "aicc_async.models", "aicc_async.models"]
# How many blocks there are of each kind: none gets lost on its way to a test.
COUNTS = {"script": 35, "shell": 14, "test": 2, "file": 12, "figure": 3}
# Packages without a page: the command has its help, the folder names what is in it.
WITHOUT_BLOCKS = {"aicc_async.cli", "aicc_async.connectors"}


def of_kind(kind: str) -> list[Block]:
    """Return the blocks of a kind."""
    return [block for block in BLOCKS if block.kind == kind]


def name_of(block: Block) -> str:
    """Name a block in a test's id."""
    return f"{block.place.removeprefix('aicc_async.')}-{BLOCKS.index(block)}"


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run the tenant that ``aicc-async emulator`` runs."""
    since, until = datetime(2025, 1, 1), datetime(2026, 1, 1)  # noqa: DTZ001  (wall-clock times)
    with run_in_thread(cases=12_000, since=since, until=until) as emulator:
        yield emulator


@pytest.fixture
def environ(tenant: Emulator) -> dict[str, str]:
    """Return the variables that the emulator prints, and the path of the installed commands."""
    return os.environ | {
        "AICC_BASE_URL": tenant.url,
        "AICC_CLIENT_ID": tenant.client_id,
        "AICC_CLIENT_SECRET": tenant.client_secret,
        "AICC_QFLOW_URL": tenant.qflow_url,
        "AICC_TIMEZONE": "Asia/Shanghai",
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the samples read."""
    for name, text in SAMPLE_FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_matches(printed: str, shown: str) -> None:
    """Compare an output with the one that is shown, in which … is any text."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    assert re.fullmatch(pattern, printed, re.DOTALL), (
        f"{shown}\n--- is shown, printed is:\n{printed}"
    )


# ---- what is run -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", of_kind("script"), ids=name_of)
def test_scripts_run(
    block: Block, folder: Path, environ: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """Each script ends well, without a warning, and prints what is shown."""
    if "REDIS_URL" in block.code:
        environ["REDIS_URL"] = request.getfixturevalue("redis_url")
    if "DATABASE_URL" in block.code:
        environ["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    for name in ("pandas", "polars"):
        if f"import {name}" in block.code and not find_spec(name):
            pytest.skip(f"{name} is missing: pip install 'aicc-async[recipes]'")
    (folder / "sample.py").write_text(block.code)
    printed = run([sys.executable, "-W", "error", "sample.py"], folder, environ)
    if block.output is not None:
        assert_matches(printed, block.output)


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [block for block in of_kind("shell") if block.first_line != SERVER], ids=name_of
)
def test_shell_commands_run(
    block: Block, folder: Path, environ: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """Each command ends well and prints what is shown below it."""
    prelude = "set -e"
    if "redis-cli" in block.code:
        socket = request.getfixturevalue("redis_url").removeprefix("unix://")
        prelude += f'\nredis-cli() {{ command redis-cli -s {socket} "$@"; }}'
    if "s3://" in block.code:
        request.getfixturevalue("bucket")
        environ |= {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    if "orders.journal" in block.code:
        asyncio.run(lose_an_answer(folder / "orders.journal"))
    parts = re.split(r"^\$ (.*)\n", block.code, flags=re.MULTILINE)
    commands, outputs = parts[1::2], parts[2::2]
    for number, command in enumerate(commands):
        script = f"{prelude}\n{command}"
        assert_matches(run(["bash", "-c", script], folder, environ), outputs[number])


async def lose_an_answer(journal: Path) -> None:
    """Leave a create in doubt that never arrived."""
    async with Emulator(cases=0) as tenant:
        tenant.fail("create", Fault.DROP_BEFORE)
        auth = StaticToken(tenant.token())
        async with AICCClient(
            tenant.url, auth=auth, journal=SQLiteJournal(journal), timezone="Asia/Shanghai"
        ) as aicc:
            new = NewCase(title="t", description="d", type="y", contact_id="c", creator_id="u")
            with pytest.raises(UnknownOutcome):
                await aicc.create_case(new, key="order-4712")


def test_the_emulator_s_command_runs(environ: dict[str, str]) -> None:
    """It prints the variables that are shown, and ends well on SIGINT."""
    [block] = [block for block in BLOCKS if block.first_line == SERVER]
    command = [*COMMAND, *SERVER.split()[2:], "--port", "0"]
    with (
        interruptible(),
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process,  # noqa: S603
    ):
        assert process.stdout
        shown = block.code.splitlines()[1:]
        printed = [process.stdout.readline().rstrip() for _ in shown]
        process.send_signal(signal.SIGINT)
    assert [re.sub(r":\d+", ":8080", line) for line in printed] == shown
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("block", of_kind("test"), ids=name_of)
def test_tests_run_as_pasted(block: Block, tmp_path: Path) -> None:
    """Each is a whole file: pasted into an empty folder it passes, with what the page installs."""
    (tmp_path / "test_pasted.py").write_text(block.code)
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    # Plugins of ours are not installed where it is pasted.
    others = [f"-p no:{name}" for name in ("randomly", "looptime", "timeout", "cov", "xdist")]
    command = [sys.executable, "-m", "pytest", *" ".join(others).split()]
    assert " 1 passed " in run(command, tmp_path, environ)


@pytest.mark.parametrize("block", of_kind("file"), ids=name_of)
def test_files_are_run_by_tests_of_their_own(block: Block) -> None:
    """The test that is named for a file takes it from the docstring."""
    name = block.first_line.removeprefix("# ")
    test = (ROOT / "tests" / RUN_ELSEWHERE[name]).read_text(encoding="utf-8")
    assert f'recipe("{name}")' in test
    assert recipe(name) == block.code


# ---- what there is ---------------------------------------------------------------------------


def test_no_block_is_left_out() -> None:
    """Each is of a kind that is run, and there are as many as were counted."""
    assert Counter(block.kind for block in BLOCKS) == COUNTS
    assert len(of_kind("file")) == len(RUN_ELSEWHERE)
    assert [block.place for block in of_kind("figure")] == WITH_FIGURE


def test_every_public_module_has_a_page_with_code() -> None:
    """What users import shows how."""
    have = {block.place for block in BLOCKS}
    assert public_modules().keys() - have == WITHOUT_BLOCKS


@pytest.mark.parametrize("file", public_modules().values(), ids=lambda file: file.stem)
def test_code_is_in_blocks(file: Path) -> None:
    """Nothing is indented like a block that no line with two colons introduces."""
    _, text = next(docstrings(file))
    assert not re.findall(r"^ {4}.*", without_blocks(text), re.MULTILINE)


@pytest.mark.parametrize(("name", "file"), public_modules().items())
def test_pages_name_public_modules_only(name: str, file: Path) -> None:
    """A reader may import whatever a page names."""
    _, text = next(docstrings(file))
    named = re.findall(r"\baicc_async(?:\.[a-z]\w*)+", text)
    assert not set(named) - public_modules().keys(), name
    assert not re.search(r"\baicc_async(?:\.\w+)*\._", text)


def test_code_is_laid_out_as_users_write_it(tmp_path: Path) -> None:
    """It is as ruff formats it, with its imports sorted, and without what ruff finds wrong."""
    for block in BLOCKS:
        if block.kind in {"script", "test", "file"}:
            (tmp_path / f"{name_of(block)}.py").write_text(block.code)
    ruff = [sys.executable, "-m", "ruff"]
    run([*ruff, "format", "--isolated", "--diff", "."], tmp_path, dict(os.environ))
    rules = "E,F,W,I,UP,B,ASYNC,SIM,ANN"
    first_party = "--config=lint.isort.known-first-party=['aicc_async']"
    check = [*ruff, "check", "--isolated", f"--select={rules}", first_party, "."]
    run(check, tmp_path, dict(os.environ))
