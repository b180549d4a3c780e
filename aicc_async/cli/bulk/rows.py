"""The rows of JSON lines and of CSV, as fields by name, and the problems of those that are neither.

Messages never hold what a file holds: contact data may be anywhere in it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO

from attrs import frozen

from ..._protocol.converter import loads
from ...errors import AICCError
from ...settings.endpoint import AUTO_ASSIGN

FLAG_NAMES = {*AUTO_ASSIGN, "is_auto_assigned"}
FLAGS = {"true": True, "false": False}
# What a file may begin with.
UTF8_MARK, UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
NOT_UTF8 = "the file must be UTF-8, got UTF-16"
# What the documents put around a case.
WRAPPER = "caseInfo"

# Returns a problem for each name that is not that of a field.
FindUnknown = Callable[[Iterable[str]], dict[str, str]]


@frozen
class Problem:
    """What is wrong with a line, and its key where that is known."""

    number: int
    text: str
    key: str = ""

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}"


Row = tuple[int, dict[str, Any] | Problem]
Cells = Iterator[tuple[int, list[str] | Problem]]


def json_rows(file: BinaryIO) -> Generator[Row]:
    """Read an object of each line that isn't blank."""
    for number, line in enumerate(file, 1):
        if number == 1 and line.startswith(UTF16_MARKS):
            yield 1, Problem(1, NOT_UTF8)
            return
        text = line.removeprefix(UTF8_MARK) if number == 1 else line
        if text.strip():
            yield number, _object(number, text)


def _object(number: int, line: bytes) -> dict[str, Any] | Problem:
    try:
        outer: dict[str, Any] = loads(line)
    except AICCError:
        return Problem(number, f"not JSON: {_json_problem(line.rstrip())}")
    if outer.__class__ is not dict:
        return Problem(number, f"must be an object, got {_kind(outer)}")
    if WRAPPER not in outer:
        return outer
    inner = outer.pop(WRAPPER)
    if inner.__class__ is not dict:
        return Problem(number, f"{WRAPPER} must be an object, got {_kind(inner)}")
    # The key may be on either side of the wrapper.
    if twice := sorted(outer.keys() & inner.keys()):
        names = ", ".join(map(repr, twice))
        return Problem(number, f"{names} must not be both within {WRAPPER} and beside it")
    return {**inner, **outer}


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _json_problem(line: bytes) -> str:
    # The faster parser, which has refused the line, quotes what it holds.
    try:
        json.loads(line.decode())
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8"
    except json.JSONDecodeError as error:
        return f"{error.msg.removesuffix(' at')}, at character {error.pos + 1}"
    except (RecursionError, ValueError):
        return "nested too deep, or a number too long"
    return "NaN, Infinity and halves of surrogate pairs are not allowed"


def csv_rows(file: BinaryIO, key_field: str, find_unknown: FindUnknown) -> Generator[Row]:
    """Read the cells that aren't empty, by the names in the first row.

    A column that is not a field is a problem of the first row, and left out of the others.
    """
    if file.read(2) in UTF16_MARKS:
        yield 1, Problem(1, NOT_UTF8)
        return
    file.seek(0)
    text = TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = _cells(text)
        number, cells = next(rows, (1, []))
        names = cells if isinstance(cells, Problem) else _header(number, cells, key_field)
        if isinstance(names, Problem):
            yield number, names
            return
        # A column without a name is none, as long as it is empty.
        unknown = find_unknown(filter(None, names))
        for message in unknown.values():
            yield number, Problem(number, message)
        for number, cells in rows:
            if isinstance(cells, Problem):
                yield number, cells
            else:
                yield number, _fields(number, names, cells, unknown)
    finally:
        # Otherwise it would close the file, which belongs to the caller.
        text.detach()


def _cells(text: TextIOWrapper) -> Cells:
    reader = csv.reader(text, strict=True)
    while True:
        # Cells may hold line ends: a row has the number of its first line.
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Read on: all problems of a file are listed at once.
            yield first, Problem(first, f"not CSV: {error}")
        else:
            # Spreadsheets write rows of bare commas where there was something once.
            if any(cells):
                yield first, cells


def _header(number: int, names: list[str], key_field: str) -> list[str] | Problem:
    """Check the names of the columns, as far as no row can be read without."""
    if not _is_utf8(names):
        return Problem(number, "the names of columns must be UTF-8")
    if names and key_field not in names:
        advice = ". Separate the cells with commas" if len(names) == 1 else ""
        return Problem(number, f"--key-field must name a column, got {key_field!r}{advice}")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        return Problem(number, f"columns must differ, got {', '.join(map(repr, twice))} twice")
    return names


def _fields(
    number: int, names: list[str], cells: list[str], unknown: Container[str]
) -> dict[str, Any] | Problem:
    if len(cells) != len(names):
        return Problem(number, f"must have {len(names)} cells, got {len(cells)}")
    if not _is_utf8(cells):
        odd = [name for name, cell in zip(names, cells, strict=True) if not _is_utf8([cell])]
        return Problem(number, f"{', '.join(odd)} must be UTF-8")
    if unnamed := [at for at, name in enumerate(names, 1) if not name and cells[at - 1]]:
        columns = ", ".join(map(str, unnamed))
        return Problem(number, f"cells without a name of their column must be empty: {columns}")
    named = zip(names, cells, strict=True)
    fields: dict[str, Any] = {name: cell for name, cell in named if cell and name not in unknown}
    for name in fields.keys() & FLAG_NAMES:
        fields[name] = FLAGS.get(fields[name].lower(), fields[name])
    return fields


def _is_utf8(cells: list[str]) -> bool:
    try:
        # Bytes that are not UTF-8 were read as halves of surrogate pairs.
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True
