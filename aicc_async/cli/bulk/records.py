"""Cases to create from a file: JSON lines or CSV, checked whole before anything is sent."""

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
from ...settings import AUTO_ASSIGN
from .lines import Fault, Row, csv_rows, json_rows

NAMES = wire_names(NewCase)
PLAIN = {wire: name for name, wire in NAMES.items()}
KNOWN = frozenset(PLAIN) | set(AUTO_ASSIGN)
WHOLE = dict.fromkeys(("title", "description", "type", "contactId", "creatorId"), "x")
NO_KEY = f"a printable text of 1 to {MAX_KEY_CHARACTERS} characters is needed as the key"

CHANGED = "it has changed since it was checked"
OFTEN = 64  # rows between looks at the file: a look costs as much as a third of a row
Stamp = tuple[int, int, int, int]


@frozen
class Line:
    """A case of the file: where it stands, and its key."""

    number: int
    key: str
    new: NewCase


@define
class Records:
    """A file of cases by wire names, with a field that holds the key of each.

    The key is not sent unless it is a field of a case. A name that is neither documented nor a
    template's (with ``__`` in it) is a fault: it would be sent as an extension field. In CSV, an
    empty cell is a field that is not given, and an extension field is sent as text.
    """

    path: Path
    key_field: str
    wire: RecordConverter
    _stamp: Stamp | None = field(default=None, init=False)  # of the file that was checked

    def __iter__(self) -> Generator[Line]:
        """Read the cases; ConfigError ends it when the file isn't the one that was checked."""
        for each in self._read():
            if isinstance(each, Fault):
                raise ConfigError(f"{self.path}: {CHANGED}: {each}")
            yield each

    def check(self) -> tuple[int, list[Fault]]:
        """Count the cases, and list everything that is wrong with the file."""
        seen: dict[str, int] = {}
        faults: list[Fault] = []
        cases = 0
        for each in self._read():
            if isinstance(each, Fault):
                faults.append(each)
            else:
                cases += 1
            if each.key and (first := seen.setdefault(each.key, each.number)) != each.number:
                faults.append(Fault(each.number, f"{self.key_field}: line {first} has it too"))
        if not cases and not faults:
            faults.append(Fault(1, "there is no case in the file"))
        return cases, faults

    def _read(self) -> Iterator[Line | Fault]:
        for number, row in self._rows():
            yield row if isinstance(row, Fault) else self._line(number, row)

    def _rows(self) -> Iterator[Row]:
        if not self.path.is_file():  # a pipe would be empty when it is read again
            raise ConfigError(f"{self.path}: a file is needed, which can be read twice")
        try:
            with self.path.open("rb") as file, closing(self._rows_of(file)) as rows:
                self._check_same(file)
                for count, row in enumerate(rows, 1):
                    yield row
                    if count % OFTEN == 0:
                        self._check_same(file)
                self._check_same(file)
        except OSError as error:
            raise ConfigError(f"{self.path}: it can't be read: {error.strerror}") from None

    def _rows_of(self, file: BinaryIO) -> Generator[Row]:
        if self.path.suffix.lower() == ".csv":
            return csv_rows(file, self.key_field, self._strangers)
        return json_rows(file)

    def _check_same(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        now = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        self._stamp = self._stamp or now
        if self._stamp != now:
            raise ConfigError(f"{self.path}: {CHANGED}")

    def _line(self, number: int, fields: dict[str, Any]) -> Line | Fault:
        key, faults = self._key(fields)
        faults += self._strangers(fields).values()
        faults += _contradictions(fields)
        try:
            new = self.wire.load(NewCase, fields)
        except AICCError:
            faults += self._misfits(fields)
        return Fault(number, "; ".join(faults), key) if faults else Line(number, key, new)

    def _key(self, fields: dict[str, Any]) -> tuple[str, list[str]]:
        """Take the key, which stays where it is a field as well; "" and why, where it is none."""
        key = fields.get(self.key_field)
        if not _is_field(self.key_field):
            fields.pop(self.key_field, None)
        if key.__class__ is int:
            key = str(key)
        if isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable():
            return key, []
        return "", [f"{self.key_field}: {NO_KEY}, {_given(key)} given"]

    def _strangers(self, names: Iterable[str]) -> dict[str, str]:
        """Find the names that are no field's, and say what is wrong with each."""
        odd = [name for name in names if not _is_field(name) and name != self.key_field]
        return {name: f"{name!r}: no field of a case{_meant(name)}" for name in sorted(odd)}

    def _misfits(self, fields: dict[str, Any]) -> Iterator[str]:
        """Say what is wrong with each field, by the name that it has in the file."""
        for name in WHOLE | fields:
            if name in WHOLE and fields.get(name) is None:
                given = "null" if name in fields else "nothing"
                yield f"{name}: it is mandatory, {given} was given"
            elif text := self._misfit(name, fields[name]):
                yield f"{name}: {text}"

    def _misfit(self, name: str, value: Any) -> str:
        """Say what is wrong with a field of a case that is right else."""
        try:
            self.wire.load(NewCase, WHOLE | {name: value})
        except AICCError as error:
            text = str(error).partition(" @ $")[0].removeprefix(f"{PLAIN.get(name)}: ")
            return "true or false is needed" if name in AUTO_ASSIGN else text
        return ""


def _is_field(name: str) -> bool:
    return name in KNOWN or "__" in name


def _contradictions(fields: dict[str, Any]) -> list[str]:
    first, second = (fields.get(name) for name in AUTO_ASSIGN)
    differ = first is not second and None not in {first, second}
    return [f"{' and '.join(AUTO_ASSIGN)}: they contradict each other"] if differ else []


def _given(key: object) -> str:
    if isinstance(key, str):
        return f"{len(key)} characters were"
    return "nothing was" if key is None else f"{type(key).__name__} was"


def _meant(name: str) -> str:
    """Recognize a field by its spelling in Python, or with other capitals or spaces."""
    alike = [wire for wire in NAMES.values() if _bare(wire) == _bare(name)]
    plain = NAMES.get(name.strip())
    return f", {(plain or alike[0])!r} is meant" if plain or alike else ""


def _bare(name: str) -> str:
    return name.replace("_", "").replace(" ", "").lower()
