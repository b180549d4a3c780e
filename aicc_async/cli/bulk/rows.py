"""The rows of JSON lines and of CSV, by their names, and what is wrong with the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO

from attrs import frozen

from ..._protocol.converter import loads
from ...errors import AICCError
from ...settings import AUTO_ASSIGN

FLAGS = {"true": True, "false": False}
UTF8, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")  # what a file of them may begin with
WITHIN = "caseInfo"  # what the documents put around a case
Strangers = Callable[[Iterable[str]], dict[str, str]]  # names that are no field's, and the faults


@frozen
class Fault:
    """What is wrong with a line, and its key where that can be told."""

    number: int
    text: str
    key: str = ""

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}"


Row = tuple[int, dict[str, Any] | Fault]
Cells = Iterator[tuple[int, list[str] | Fault]]


def json_rows(file: BinaryIO) -> Generator[Row]:
    """Read an object of each line that isn't blank."""
    for number, line in enumerate(file, 1):
        if number == 1 and line.startswith(UTF16):
            yield 1, Fault(1, "the file is UTF-16, UTF-8 is needed")
            return
        text = line.removeprefix(UTF8) if number == 1 else line
        if text.strip():
            yield number, _object(number, text)


def _object(number: int, line: bytes) -> dict[str, Any] | Fault:
    try:
        value = loads(line)
    except AICCError:
        return Fault(number, f"no JSON: {_trouble(line.rstrip())}")
    if value.__class__ is not dict:
        return Fault(number, f"an object is needed, {_kind(value)} was given")
    return _unwrapped(number, value) if WITHIN in value else value


def _unwrapped(number: int, outer: dict[str, Any]) -> dict[str, Any] | Fault:
    """Take the case out of what the documents put around it; the key may stand on either side."""
    inner = outer.pop(WITHIN)
    if inner.__class__ is not dict:
        return Fault(number, f"{WITHIN}: an object is needed, {_kind(inner)} was given")
    if twice := sorted(outer.keys() & inner.keys()):
        return Fault(number, f"{', '.join(map(repr, twice))}: within {WITHIN} and beside it")
    return inner | outer


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _trouble(line: bytes) -> str:
    """Say what kept a line from being read, without its words."""
    try:
        json.loads(line.decode())
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is no UTF-8"
    except json.JSONDecodeError as error:
        return f"{error.msg.removesuffix(' at')}, at character {error.pos + 1}"
    except (RecursionError, ValueError):
        return "nested too deep, or a number too long"
    return "NaN, Infinity and halves of surrogate pairs are none"


def csv_rows(file: BinaryIO, key_field: str, strangers: Strangers) -> Generator[Row]:
    """Read the cells that aren't empty, by the names in the first row; strangers are told once."""
    if file.read(2) in UTF16:
        yield 1, Fault(1, "the file is UTF-16, UTF-8 is needed")
        return
    file.seek(0)
    text = TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _csv_rows(_cells(text), key_field, strangers)
    finally:
        text.detach()  # or it would close the file, which isn't ours


def _csv_rows(found: Cells, key_field: str, strangers: Strangers) -> Iterator[Row]:
    number, header = next(found, (1, []))
    names = header if isinstance(header, Fault) else _names(number, header, key_field)
    if isinstance(names, Fault):
        yield number, names
        return
    left_out = strangers(names)
    for text in left_out.values():
        yield number, Fault(number, text)
    for number, cells in found:
        fields = cells if isinstance(cells, Fault) else _fields(number, names, cells)
        if left_out and not isinstance(fields, Fault):
            fields = {name: cell for name, cell in fields.items() if name not in left_out}
        yield number, fields


def _cells(text: TextIOWrapper) -> Cells:
    """Read on after a row that can't be read: all faults are told at once."""
    reader = csv.reader(text, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, Fault(first, f"no CSV: {error}")
        else:
            if cells:
                yield first, cells


def _names(number: int, names: list[str], key_field: str) -> list[str] | Fault:
    """Check what the columns are called, as far as that must be right to go on."""
    if not _is_utf8(names):
        return Fault(number, "no UTF-8")
    if names and key_field not in names:
        one = "; cells are separated by commas" if len(names) == 1 else ""
        return Fault(number, f"{key_field}: there is no such column in {len(names)}{one}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return Fault(number, f"{', '.join(map(repr, twice))}: the column stands there twice")
    return names


def _fields(number: int, names: list[str], cells: list[str]) -> dict[str, Any] | Fault:
    if len(cells) != len(names):
        return Fault(number, f"{len(names)} cells are needed, {len(cells)} were found")
    if not _is_utf8(cells):
        odd = [name for name, cell in zip(names, cells, strict=True) if not _is_utf8([cell])]
        return Fault(number, f"{', '.join(odd)}: no UTF-8")
    given: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    for name in given.keys() & set(AUTO_ASSIGN):
        given[name] = FLAGS.get(given[name].lower(), given[name])
    return given


def _is_utf8(cells: list[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True
