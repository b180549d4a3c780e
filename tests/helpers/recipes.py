"""The code that the docstrings show, what each piece of it is, and the files that it reads.

A block is what is indented below a line that ends with two colons. Its kind shows: shell lines
begin with ``$``, what follows "It prints" is the output of the block before it, a script whose
first line is a file's name is run by a test of its own, one that defines tests is run by pytest,
and all other Python is run as it is. What is none of that is a figure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from attrs import evolve, frozen

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aicc_async"
# Packages with modules inside that are public by themselves. A file in any other package is a part
# of it: what is promised of it is imported from the package.
OPEN_PACKAGES = ("connectors", "testing")
# Of a package that is one page, what has a page of its own.
OPEN_FILES = ["settings/profile.py"]
# What the samples find in their folder.
SAMPLE_FILES = {
    "cases.csv": """\
ref,title,description,type,contactId,creatorId
1,Parcel lost,It did not come.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
2,Parcel wet,It came in a bag.,cvmC0000014Oc9jgT7ZI,ciIy0000013y7cC8T2rA,10gg00000148PCjKVDAu
""",
    "key.csv": """\
username,client_id,client_secret
somebody,emulated-client,emulated-secret
""",
    "order.json": """\
{"number": "4711", "case": {"title": "Parcel lost", "description": "It did not come.",
 "type": "cvmC0000014Oc9jgT7ZI", "contact_id": "ciIy0000013y7cC8T2rA",
 "creator_id": "10gg00000148PCjKVDAu"}}
""",
}
_BLOCK = re.compile(
    r"^(?P<indent> *)(?P<intro>\S.*)::\n\n(?P<code>(?:(?P=indent) {4}.*\n|\n)+)", re.MULTILINE
)


@frozen
class Block:
    """A block of a docstring, and what it prints, if that is shown."""

    place: str
    kind: str
    code: str
    output: str | None = None

    @property
    def first_line(self) -> str:
        """Return the first line; of a script with a name that is its comment."""
        return self.code.partition("\n")[0]


def public_modules() -> dict[str, Path]:
    """Map the modules that users import to their files."""
    folders = [PACKAGE, *(PACKAGE / name for name in OPEN_PACKAGES)]
    paths = [path for folder in folders for path in folder.iterdir() if path.name[0] != "_"]
    paths += [PACKAGE / name for name in OPEN_FILES]
    files = {_module(path): path / "__init__.py" if path.is_dir() else path for path in paths}
    return {name: file for name, file in sorted(files.items()) if file.suffix == ".py"}


def docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the docstrings of a file, each with its place; the module's own comes first.

    They are read from the source: a module whose extra is not installed has one all the same.
    """
    module = _module(file).removesuffix(".__init__")
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Module):
            yield module, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{module}:{node.name}", ast.get_docstring(node) or ""


def all_blocks() -> list[Block]:
    """Return the blocks of all docstrings of the package, those of its private parts too."""
    return [block for file in sorted(PACKAGE.rglob("*.py")) for block in _blocks_of(file)]


def without_blocks(text: str) -> str:
    """Return a docstring's prose."""
    return _BLOCK.sub("", f"{text}\n\n")


def recipe(name: str) -> str:
    """Return the script whose first line names this file."""
    first_line = f"# {name}"
    # Parsing the whole package would take half a second of each test that runs a script.
    files = [path for path in PACKAGE.rglob("*.py") if first_line in path.read_text("utf-8")]
    blocks = [block for file in files for block in _blocks_of(file)]
    [code] = [block.code for block in blocks if block.first_line == first_line]
    return code


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _blocks_of(file: Path) -> list[Block]:
    return [block for place, text in docstrings(file) for block in _blocks(place, text)]


def _blocks(place: str, text: str) -> list[Block]:
    found: list[Block] = []
    for match in _BLOCK.finditer(f"{text}\n\n"):
        code = dedent(match["code"]).strip("\n") + "\n"
        if match["intro"] == "It prints":
            found[-1] = evolve(found[-1], output=code)
        else:
            found.append(Block(place, _kind(code), code))
    return found


def _kind(code: str) -> str:
    if code.startswith("$ "):
        return "shell"
    try:
        ast.parse(code)
    except SyntaxError:
        return "figure"
    if re.match(r"# \w+\.py\n", code):
        return "file"
    return "test" if "def test_" in code else "script"
