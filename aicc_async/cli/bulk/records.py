"""Cases to create from a file: JSON lines or CSV, checked whole before anything is sent.

The file is read twice: all problems are listed before the first request, and its cases are never in
memory together. It must not change in between, so its size and times are compared while it is read.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from attrs import define, field, frozen

from ..._create.creator import MAX_KEY_CHARACTERS
from ..._protocol.converter import RecordConverter
from ..._protocol.names import wire_names
from ...errors import AICCError, ConfigError
from ...models import NewCase
from ...models.from_dict import bare_name, is_template_field, missing_field, unknown_field
from ...settings.endpoint import AUTO_ASSIGN
from .rows import Problem, csv_rows, json_rows

WIRE_NAMES = wire_names(NewCase)
PYTHON_NAMES = {wire: name for name, wire in WIRE_NAMES.items()}
FIELDS = frozenset(PYTHON_NAMES) | set(WIRE_NAMES) | set(AUTO_ASSIGN)
# A field may be spelt with other capitals or spaces.
SPELLINGS = {
    bare_name(spelling): wire for name, wire in WIRE_NAMES.items() for spelling in (name, wire)
}
MANDATORY = ("title", "description", "type", "contactId", "creatorId")
CHANGED = "it has changed since it was checked"
# A look at the file costs as much as a third of a row.
ROWS_PER_LOOK = 64

Stamp = tuple[int, int, int, int]


@frozen
class Line:
    """A case of the file: its line, and its key."""

    number: int
    key: str
    new: NewCase


@define
class Records:
    """A file of cases by wire or Python names, with a field that holds the key of each.

    The key is not sent unless it is a field of a case. A name that is neither documented nor a
    template's (with ``__`` in it) is a problem: it would be sent as an extension field. In CSV, an
    empty cell is a field that is not set, and an extension field is sent as text.
    """

    path: Path
    key_field: str
    wire: RecordConverter
    # Of the file that was checked.
    _stamp: Stamp | None = field(default=None, init=False)

    def __iter__(self) -> Generator[Line]:
        """Read the cases; raise ConfigError when the file isn't the one that was checked."""
        for each in self._read():
            if isinstance(each, Problem):
                raise ConfigError(f"{self.path}: {CHANGED}: {each}")
            yield each

    def check(self) -> tuple[int, list[Problem]]:
        """Return the number of cases, and all problems of the file."""
        lines: dict[str, int] = {}
        problems: list[Problem] = []
        cases = 0
        for each in self._read():
            if isinstance(each, Problem):
                problems.append(each)
            else:
                cases += 1
            if each.key and (first := lines.setdefault(each.key, each.number)) != each.number:
                text = f"{self.key_field} must be unique, got that of line {first}"
                problems.append(Problem(each.number, text))
        if not cases and not problems:
            problems.append(Problem(1, "the file must have a case"))
        return cases, problems

    def _read(self) -> Iterator[Line | Problem]:
        if not self.path.is_file():
            # A pipe would be empty when it is read again.
            raise ConfigError(f"{self.path} must be a regular file: it is read twice")
        is_csv = self.path.suffix.lower() == ".csv"
        try:
            with self.path.open("rb") as file:
                found = csv_rows(file, self.key_field, self._unknown) if is_csv else json_rows(file)
                with closing(found) as rows:
                    self._check_same(file)
                    for count, (number, row) in enumerate(rows, 1):
                        yield row if isinstance(row, Problem) else self._line(number, row)
                        if count % ROWS_PER_LOOK == 0:
                            self._check_same(file)
                    self._check_same(file)
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from None

    def _check_same(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        now = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        self._stamp = self._stamp or now
        if self._stamp != now:
            raise ConfigError(f"{self.path}: {CHANGED}")

    def _line(self, number: int, fields: dict[str, Any]) -> Line | Problem:
        key, problems = self._key(fields)
        problems += self._unknown(fields).values()
        named: dict[str, str] = {}
        for name in fields:
            wire = WIRE_NAMES.get(name, name)
            if named.setdefault(wire, name) != name:
                problems.append(f"{name} must not be beside {named[wire]}: they are one field")
        values = {wire: fields[name] for wire, name in named.items()}
        first, second = (values.get(name) for name in AUTO_ASSIGN)
        if first is not second and None not in {first, second}:
            problems.append(f"{' and '.join(AUTO_ASSIGN)} must be equal")
        try:
            new = self.wire.load(NewCase, values)
        except AICCError:
            problems += self._misfits(values, named)
        return Problem(number, "; ".join(problems), key) if problems else Line(number, key, new)

    def _key(self, fields: dict[str, Any]) -> tuple[str, list[str]]:
        """Take the key out, unless it is a field as well; "" and why, where it is not a key."""
        key = fields.get(self.key_field)
        if not _is_field(self.key_field):
            fields.pop(self.key_field, None)
        if key.__class__ is int:
            key = str(key)
        if isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable():
            return key, []
        got = "nothing" if key is None else type(key).__name__
        if isinstance(key, str):
            got = f"{len(key)} characters"
        wanted = f"must be a printable string of 1 to {MAX_KEY_CHARACTERS} characters"
        return "", [f"{self.key_field} {wanted}, got {got}"]

    def _unknown(self, names: Iterable[str]) -> dict[str, str]:
        """Return a problem for each name that is not that of a field."""
        unknown = [name for name in names if not _is_field(name) and name != self.key_field]
        return {name: str(unknown_field(name, SPELLINGS)) for name in sorted(unknown)}

    def _misfits(self, fields: dict[str, Any], named: dict[str, str]) -> Iterator[str]:
        """Yield what is wrong with each field, by the name that it has in the file."""
        rest = dict.fromkeys(MANDATORY, "x")
        for name in rest | fields:
            given = named.get(name) or name
            if name in MANDATORY and fields.get(name) is None:
                yield str(missing_field(given, "null" if name in fields else "nothing"))
                continue
            try:
                # A case that is right but for this field.
                self.wire.load(NewCase, rest | {name: fields[name]})
            except AICCError as error:
                text = str(error).partition(" @ $")[0].removeprefix(f"{PYTHON_NAMES.get(name)} ")
                if name in AUTO_ASSIGN:
                    text = "must be true or false"
                yield f"{given} {text}" if text.startswith("must ") else f"{given}: {text}"


def _is_field(name: str) -> bool:
    return name in FIELDS or is_template_field(name)
