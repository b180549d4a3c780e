"""Cases to create from a file: JSON lines or CSV, checked whole before anything is sent."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from ..errors import AICCError, ConfigError
from ..models import NewCase
from ..settings import AUTO_ASSIGN
from ..wire import Wire, loads, wire_names

KNOWN = frozenset(wire_names(NewCase).values()) | set(AUTO_ASSIGN)
FLAGS = {"true": True, "false": False}


@frozen
class Line:
    """A case of the file: where it stands, and its key."""

    number: int
    key: str
    new: NewCase


@frozen
class Fault:
    """What is wrong with a line."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}"


Row = tuple[int, Mapping[str, Any] | Fault]


@frozen
class Records:
    """A file of cases by wire names, with a field that holds the key of each.

    The key is not sent unless it is a field of a case. A name that is neither documented nor a
    template's (with ``__`` in it) is a fault: it would be sent as an extension field. In CSV, an
    empty cell is a field that is not given.
    """

    path: Path
    key_field: str
    wire: Wire

    def __iter__(self) -> Iterator[Line]:
        """Read the cases; a line that is at fault, since it was checked, ends it."""
        for each in self._read():
            if isinstance(each, Fault):
                raise ConfigError(f"{self.path}: {each}")
            yield each

    def check(self) -> tuple[int, list[Fault]]:
        """Count the cases, and list everything that is wrong with the file."""
        seen: dict[str, int] = {}
        faults: list[Fault] = []
        for each in self._read():
            if isinstance(each, Fault):
                faults.append(each)
            elif each.key in seen:
                first = seen[each.key]
                faults.append(Fault(each.number, f"{self.key_field}: line {first} has it too"))
            else:
                seen[each.key] = each.number
        if not seen and not faults:
            faults.append(Fault(1, "there is no case in the file"))
        return len(seen), faults

    def _read(self) -> Iterator[Line | Fault]:
        rows = _csv_rows if self.path.suffix.lower() == ".csv" else _json_rows
        try:
            for number, row in rows(self.path):
                yield row if isinstance(row, Fault) else self._line(number, dict(row))
        except OSError as error:
            raise ConfigError(f"{self.path}: it can't be read: {error.strerror}") from None

    def _line(self, number: int, fields: dict[str, Any]) -> Line | Fault:
        key = fields.get(self.key_field)
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key or not key.isprintable():
            return Fault(number, f"{self.key_field}: a printable text is needed as the key")
        if self.key_field not in KNOWN and "__" not in self.key_field:
            del fields[self.key_field]
        unknown = sorted(name for name in fields if name not in KNOWN and "__" not in name)
        if unknown:
            return Fault(number, f"{', '.join(map(repr, unknown))}: no field of a case")
        try:
            return Line(number, key, self.wire.load(NewCase, fields))
        except AICCError as error:
            return Fault(number, str(error))


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(number, line)


def _object(number: int, line: bytes) -> Mapping[str, Any] | Fault:
    try:
        value = loads(line)
    except AICCError:
        return Fault(number, "no JSON")
    inner = value.get("caseInfo", value) if isinstance(value, dict) else value
    return inner if isinstance(inner, dict) else Fault(number, "an object is needed")


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = next(reader, [])
            if twice := sorted({name for name in names if names.count(name) > 1}):
                yield 1, Fault(1, f"{', '.join(map(repr, twice))}: the column stands there twice")
                return
            last = reader.line_num
            for cells in reader:
                first, last = last + 1, reader.line_num
                if cells:
                    yield first, _fields(first, names, cells)
        except csv.Error as error:
            yield reader.line_num, Fault(reader.line_num, f"no CSV: {error}")


def _fields(number: int, names: list[str], cells: list[str]) -> Mapping[str, Any] | Fault:
    if len(cells) != len(names):
        return Fault(number, f"{len(names)} cells are needed, {len(cells)} were found")
    if not all(map(_is_utf8, cells)):
        return Fault(number, "no UTF-8")
    given = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    flags = {name: FLAGS.get(cell.lower(), cell) for name, cell in given.items()}
    return {name: flags[name] if name in AUTO_ASSIGN else given[name] for name in given}


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True
