"""Every code block of the README runs, and prints what stands below it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers.recipes import PACKAGE, ROOT, public_modules

from aicc_async import errors
from aicc_async.cli.commands.docs import TOPICS

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", README, re.DOTALL | re.MULTILINE
)
SCRIPTS = [(code, out) for kind, code, out in BLOCKS if kind == "python"]
COMMANDS = [(code, out) for kind, code, out in BLOCKS if kind == "sh"]
MAX_LINES = 200
# Public modules that no row of "I want to …" names: a command, a folder, and what the page of
# ``aicc_async.testing`` leads to.
WITHOUT_ROW = {"aicc_async.cli", "aicc_async.connectors", "aicc_async.testing.mocks"}
VARIABLE = re.compile(r"\bAICC_[A-Z]+(?:_[A-Z]+)*\b(?!_)")
# Constants that look like variables of the environment.
NO_VARIABLES = {"AICC_JSON"}


def run(command: list[str], folder: Path) -> str:
    """Run a command in an empty folder and return what it printed."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def timeless(text: str) -> str:
    """Cut out what differs from run to run: seconds and speed."""
    return re.sub(r"[\d.]+ s \([\d,]+ rows/s\)", "… s", text)


@pytest.mark.parametrize(("code", "out"), SCRIPTS)
def test_samples_run(code: str, out: str, tmp_path: Path) -> None:
    """Each script of the README runs and prints what the README shows."""
    assert run([sys.executable, "-W", "error", "-c", code], tmp_path) == out


@pytest.mark.parametrize(("code", "out"), COMMANDS)
def test_commands_run(code: str, out: str, tmp_path: Path) -> None:
    """Each command prints what the README shows; .ci/run installs."""
    for line in code.splitlines():
        command = shlex.split(line.rpartition("&& .venv/bin/")[2] or line)
        if command[0] != "pytest":
            printed = timeless(run(command, tmp_path))
            assert printed == timeless(out) or (not out and printed)


def test_ci_runs_the_two_commands_that_install() -> None:
    """The main job and the tests are the README's first and last command, which .ci/run takes."""
    installing = [code for code, _ in COMMANDS if "venv" in code]
    assert installing == [COMMANDS[0][0], COMMANDS[-1][0]]
    assert " export " in installing[0]
    assert installing[1].strip().endswith("pytest")


def test_readme_is_short() -> None:
    """The README has at most 200 lines and shows code by line 10."""
    lines = README.splitlines()
    assert len(lines) <= MAX_LINES
    assert any(line.startswith("```") for line in lines[:10])
    assert len(SCRIPTS) == 1
    assert all(out for _, out in SCRIPTS)


def rows(heading: str) -> list[list[str]]:
    """Return the rows of the tables of a section, without their heads."""
    [section] = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE
    )
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if "`" in "".join(row)]


def quoted(text: str) -> list[str]:
    """Return what is between backticks."""
    return re.findall(r"`([^`]+)`", text)


def test_it_names_public_modules_only() -> None:
    """Whatever module the README names can be imported by a user, and is meant to be."""
    named = set(re.findall(r"\baicc_async(?:\.[a-z]\w*)+", README))
    assert named <= public_modules().keys()
    assert not re.search(r"\baicc_async(?:\.\w+)*\._(?!_all__)", README)


def test_every_public_module_has_a_row() -> None:
    """A reader finds each by what it is for, with the topic that prints its page."""
    table = {quoted(module)[0]: quoted(topic)[0] for _, topic, module in rows("I want to …")}
    assert public_modules().keys() - table.keys() == WITHOUT_ROW
    assert {TOPICS[topic]: topic for topic in table.values()} == table


def test_every_variable_is_named() -> None:
    """The tables name each variable that anything reads, and no other one."""
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    read = set(VARIABLE.findall("\n".join(sources))) - NO_VARIABLES
    assert {name for row in rows("Install") for name in quoted(row[0])} == read
    assert read >= {"AICC_BASE_URL", "AICC_JOURNAL", "AICC_QFLOW_HEADERS"}


def test_every_error_is_named() -> None:
    """The table has each error of the package, but for the one above all."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    known = {each.__name__ for each in kinds if issubclass(each, errors.AICCError)}
    named = [name for row in rows("Errors") for name in quoted(row[0])]
    assert sorted(named) == sorted(known - {"AICCError"})


def test_install_names_what_is_installed() -> None:
    """The section names each dependency and each extra of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    section = README.partition("## Install")[2].partition("| variable")[0]
    packages = [re.split(r"\W", each)[0] for each in project["dependencies"]]
    assert all(re.search(rf"\b{name}\b", section) for name in packages)
    extras = project["optional-dependencies"].keys() - {"dev", "recipes"}
    assert extras <= set(quoted(section))


def test_servers_are_those_that_ci_installs() -> None:
    """The one apt-get line has the packages that .ci/run installs where they are missing."""
    [line] = re.findall(r"`apt-get install ([^`]+)`", README)
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert sorted(line.split()) == sorted(re.findall(r"missing\+=\(([\w-]+)\)", ci))


def test_links_lead_somewhere() -> None:
    """Each link is to a file of the repository."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) == 2
    assert all((ROOT / link).is_file() for link in links)
