"""What help shows, and what it loads: commands are listed by name, and imported when used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click
import pytest
from helpers.commands import all_commands
from helpers.processes import COMMAND, interruptible
from helpers.shell import Call

import aicc_async
from aicc_async import export
from aicc_async.cli import commands, options
from aicc_async.cli.commands import journal
from aicc_async.cli.group import group
from aicc_async.cli.help import PLACES, SECTIONS, VARIABLES
from aicc_async.journal import STATES

PACKAGE = Path(aicc_async.__file__).parent
HEAVY = {"aiohttp", "rich", "msgspec", "cattrs", "aicc_async.client", "aicc_async.emulator"}
# Prints which of them a run of the command line has loaded.
LOADED = f"""
import sys
from aicc_async.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print(*sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)
"""
LISTED = {name: text for each in SECTIONS.values() for name, (_, text) in each.items()}


# ---- the list ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLACES)
def test_the_listed_help_is_the_command_s_own(name: str) -> None:
    """It is the first sentence of the command's help, at any width that cuts it."""
    command, listed = all_commands()[name], group.commands[name]
    assert command.name == name
    assert command.get_short_help_str(1000) == LISTED[name]
    assert all(
        command.get_short_help_str(width) == listed.get_short_help_str(width)
        for width in range(10, 100, 5)
    )


def test_every_command_is_listed() -> None:
    """Whatever a module of ``commands`` defines is in the list, or in a group of the list."""
    modules = [
        import_module(f"{commands.__name__}.{each.name}")
        for each in iter_modules(commands.__path__)
    ]
    defined = {
        id(value)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, click.Command)
    }
    assert defined == {id(command) for command in all_commands().values()}


def test_the_help_lists_every_command_whole(call: Call) -> None:
    """On 80 columns no line of the list is cut."""
    _usage, _, text = call("--help").out.partition("\n")
    assert not [line for line in text.splitlines() if line.endswith("...")]
    lines = [f"{name} +{re.escape(listed)}" for name, listed in LISTED.items()]
    assert all(re.search(f"^  {line}$", text, re.MULTILINE) for line in lines)


def test_a_misspelt_command_gets_a_suggestion(call: Call) -> None:
    """The names are known without the commands."""
    ended = call("exprot")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'export'?" in ended.err


# ---- variables and formats -----------------------------------------------------------------


def test_the_help_lists_every_variable_that_is_read(call: Call) -> None:
    """Each name that the commands' sources hold is listed once, and no other."""
    files = [
        *(PACKAGE / "cli").rglob("*.py"),
        PACKAGE / "settings" / "environment.py",
        PACKAGE / "credentials.py",
    ]
    files.remove(PACKAGE / "cli" / "help.py")
    texts = [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    read = {text for text in texts if re.fullmatch("AICC_[A-Z_]+", text)}
    listed = re.findall(r"^  (AICC_[A-Z_]+) {2,}\S", call("--help").out, re.MULTILINE)
    assert listed == list(VARIABLES)
    assert set(listed) == read


def test_choices_are_those_of_the_library() -> None:
    """The options know them without importing it."""
    assert options.FORMATS == export.FORMATS
    assert journal.STATES == STATES


# ---- what is loaded ------------------------------------------------------------------------


def loaded(*arguments: str) -> list[str]:
    """Run a command in a process, and name the heavy modules that it has loaded."""
    line = (sys.executable, "-c", LOADED, *arguments)
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["docs", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Neither a client nor a console: it ends in the time that importing click takes."""
    assert loaded(*arguments) == []


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_the_help_of_a_command_loads_its_options_alone(name: str) -> None:
    """What the command takes to run is loaded when it runs."""
    assert loaded(*name.split(), "--help") == []


def test_a_command_loads_what_it_runs_with(capfd: pytest.CaptureFixture[str]) -> None:
    """So that the tests above see something: a demonstration takes all of it but rich."""
    assert loaded("get", "--demo", "c6m8000001tSDqQAcMPR") == sorted(HEAVY - {"rich"})
    assert capfd.readouterr() == ("", "")


# ---- ways to start -------------------------------------------------------------------------


def test_the_package_runs_as_a_module() -> None:
    """``python -m aicc_async`` is the same program, under the same name."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.startswith("Usage: aicc-async [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("missing", "arguments"), [("click", ("--help",)), ("rich", ("export", "x.jsonl", "--demo"))]
)
def test_a_missing_extra_is_named(missing: str, arguments: tuple[str, ...]) -> None:
    """One line names what to install, whether the list or a command needs it."""
    hidden = f"import sys; sys.modules[{missing!r}] = None; from aicc_async.cli import main; main()"
    line = (sys.executable, "-c", hidden, *arguments)
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{missing} is missing: pip install 'aicc-async[cli]'\n"


def test_rich_is_not_needed_to_list_commands() -> None:
    """Help is there even where the extra is installed in part."""
    hidden = "import sys; sys.modules['rich'] = None; from aicc_async.cli import main; main()"
    line = (sys.executable, "-c", hidden, "--help")
    done = subprocess.run(line, capture_output=True, text=True, check=True)  # noqa: S603
    assert "Case Commands:" in done.stdout


# ---- consoles ------------------------------------------------------------------------------

ALL_HELP = """
import sys
from aicc_async.cli import main
for name in sys.argv[1:]:
    sys.argv = ["aicc-async", *name.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, name
"""
INTERRUPTED = """
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "click":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from aicc_async.cli import main
main()
"""


@pytest.mark.parametrize("encoding", ["cp437", "ascii:strict"])
def test_help_is_text_in_any_encoding(encoding: str) -> None:
    """A console that has no dots in a row gets a question mark, and no traceback."""
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", ALL_HELP, "", *all_commands()],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.count(b"Usage: aicc-async") == len(all_commands()) + 1
    assert b"The domain, as https://" in ended.stdout


def test_an_interrupt_of_the_imports_is_one_line() -> None:
    """The first half second of a command belongs to them."""
    with interruptible():
        ended = subprocess.run(  # noqa: S603
            [sys.executable, "-c", INTERRUPTED], capture_output=True, check=False
        )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"interrupted\n")


def test_the_version_may_be_unknown(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from metadata, which some ways of packing strip."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: None)
    assert call("--version").out == "aicc-async, version unknown\n"
