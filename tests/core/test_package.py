"""The package as a whole: its layers, its public names, and what importing it loads."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aicc_async
from aicc_async import errors, models

ROOT = Path(aicc_async.__file__).parent
ROOMS = [  # from the ground up: a room imports only rooms before it
    "errors",
    "_optional",
    "_validators",
    "_files",
    "events",
    "_listing",
    "_ratelimit",
    "models",
    "journal",
    "credentials",
    "settings",
    "_protocol",
    "_transport",
    "_api",
    "_create",
    "probe",
    "export",
    "watch",
    "client",
    "qflow",
    "connectors",
    "emulator",
    "cli",
    "testing",
    "__main__",
    "__init__",
]
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
ALONE = {"emulator"}  # a tenant that shares code with the client would share its misreadings
PURE = {"errors", "models", "settings", "_listing", "_protocol", "_ratelimit"}
PURE_FILES = {Path("_transport/reasons.py"), Path("_transport/retry.py")}
DESIGN = {
    *("AICCClient", "QFlowClient", "ClientCredentials", "StaticToken", "RateLimit", "RetryPolicy"),
    *("NewCase", "CaseUpdate", "CaseQuery", "Case", "CasePage", "CaseDetail", "CaseEnqueue"),
    *("Dialect", *models.__all__),
    *("export_cases", "ExportReport", "__version__"),
}
LOADED = """
import sys
from aicc_async import *
heavy = {"click", "rich", "jinja2", "aiohttp.web", "orjson", "pyarrow", "psycopg", "zstandard"}
heavy |= {"dlt", "obstore", "opentelemetry", "pyspark", "redis"}
print(*sorted(heavy & sys.modules.keys()))
"""


def _room(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


def _imports(file: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    tree = ast.parse((ROOT / file).read_bytes())
    return (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def _absolute(file: Path) -> set[str]:
    """Name the modules that a file imports from elsewhere."""
    names = set()
    for node in _imports(file):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif not node.level:
            names.add(str(node.module))
    return names


def _rooms_used(file: Path) -> set[str]:
    """Name the rooms that a file imports from, its own left out."""
    used = set()
    for node in _imports(file):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = [*file.parts[:-1]][: len(file.parts) - node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            used |= {[*folder, *name.split(".")][0] for name in names}
    return used - {_room(file)}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_down(file: Path) -> None:
    """A file imports only from rooms below its own."""
    below = ROOMS[: ROOMS.index(_room(file))]

    assert _rooms_used(file) <= set(below)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_within_the_package_are_relative(file: Path) -> None:
    """No file names its package; only what loads things when they are asked for hides imports."""
    assert not any(name.split(".")[0] == "aicc_async" for name in _absolute(file))
    lazy = {Path("__init__.py"), Path("client.py"), Path("connectors/spark/__init__.py")}
    assert file in lazy or "TYPE_CHECKING" not in (ROOT / file).read_text()


def test_the_layer_test_sees_imports() -> None:
    """The reading of imports finds what is known to be there."""
    assert {"errors", "settings"} <= _rooms_used(Path("client.py"))
    assert _rooms_used(Path("export/job.py")) >= {"_api"}
    assert "aiohttp" in _absolute(Path("_transport/session.py"))


@pytest.mark.parametrize("file", [file for file in FILES if _room(file) in ALONE], ids=str)
def test_the_emulator_stands_alone(file: Path) -> None:
    """The tenant shares no line with the client that is tested against it."""
    assert _rooms_used(file) == set()


@pytest.mark.parametrize("file", [f for f in FILES if _room(f) in PURE or f in PURE_FILES], ids=str)
def test_pure_files_know_no_aiohttp(file: Path) -> None:
    """What is not about sending does not import what sends."""
    assert not any(name.split(".")[0] == "aiohttp" for name in _absolute(file))


def test_one_file_opens_connections() -> None:
    """Beside the session, and servers, files name aiohttp for the type of an argument only."""
    users = {str(file) for file in FILES if "aiohttp" in _absolute(file)}
    users -= {str(file) for file in FILES if _room(file) in {"emulator", "testing"}}

    assert users == {"_transport/session.py", "client.py", "qflow.py"}
    assert _attributes_of_aiohttp("client.py") == {"ClientSession"}
    assert _attributes_of_aiohttp("qflow.py") == {"ClientSession"}
    assert not _calls_of_aiohttp("client.py") + _calls_of_aiohttp("qflow.py")


def _attributes_of_aiohttp(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_bytes())
    return {node.attr for node in ast.walk(tree) if _is_aiohttp(node)}  # type: ignore[attr-defined]


def _calls_of_aiohttp(file: str) -> list[ast.Call]:
    tree = ast.parse((ROOT / file).read_bytes())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if _is_aiohttp(call.func)]


def _is_aiohttp(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "aiohttp"
    )


def test_public_names_are_sorted_and_there() -> None:
    """Every name of `__all__` can be had, once, in order."""
    assert list(aicc_async.__all__) == sorted(set(aicc_async.__all__))
    assert all(hasattr(aicc_async, name) for name in aicc_async.__all__)


def test_public_names_are_those_of_the_design() -> None:
    """The design's names and every error are public."""
    tree = {name for name in vars(errors) if name in str(errors.__doc__)}
    missing = (DESIGN | tree) - set(aicc_async.__all__)

    assert missing == set()


def test_nothing_is_public_by_accident() -> None:
    """A public name of the package is in `__all__` or a module of it."""
    modules = {_room(file) for file in FILES} | {"annotations", "TYPE_CHECKING"}
    names = {name for name in vars(aicc_async) if name[0] not in "_@"}  # pytest adds @names

    assert names - set(aicc_async.__all__) <= modules


def test_star_import_gives_all(tmp_path: Path) -> None:
    """A star import works, and brings exactly the public names."""
    script = tmp_path / "star.py"
    script.write_text(
        "from aicc_async import *\nprint(*sorted(n for n in dir() if n[:2] != '__'))\n"
    )

    wanted = {name for name in aicc_async.__all__ if not name.startswith("__")}
    assert set(_run(str(script)).split()) == wanted


def test_the_version_is_that_of_the_metadata() -> None:
    """There is one place where the version stands."""
    assert aicc_async.__version__ == importlib.metadata.version("aicc-async")


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name says so."""
    with pytest.raises(AttributeError, match="no_such_name"):
        aicc_async.no_such_name  # noqa: B018  (looking it up is the test)


def test_importing_loads_nothing_heavy() -> None:
    """A web service does not pay for the command line, the emulator or a server."""
    assert _run("-c", LOADED).split() == []


def test_importing_the_package_alone_loads_next_to_nothing() -> None:
    """What only looks at the package, as pytest and ``--help`` do, pays for no client."""
    code = "import sys, aicc_async; print(*{'aiohttp', 'attrs', 'msgspec'} & sys.modules.keys())"
    assert _run("-c", code).split() == []


def test_type_checkers_see_what_is_loaded_later() -> None:
    """Every public name is imported for type checkers from the module that has it."""
    tree = ast.parse((ROOT / "__init__.py").read_bytes())
    seen = {
        alias.name: f".{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert seen == aicc_async._WHERE
    assert seen.keys() | {"__version__"} == set(aicc_async.__all__) <= set(dir(aicc_async))


def _run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


def test_the_package_is_typed() -> None:
    """Type checkers are told to trust the annotations."""
    assert (ROOT / "py.typed").exists()
