"""Rows as cases, for the formats with types.

The idea: one odd value must not end an export after everything was read. A documented field whose
value has another type becomes null, and the value goes into ``extra`` by the field's wire name:
``extra["isUpgraded"]``. A warning at the end says how many there were of each field.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, product
from math import isinf
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

from msgspec import ValidationError, convert

from ..._protocol.converter import RecordConverter, dumps
from ..._protocol.lenient import read_json
from ..._protocol.names import wire_names
from ..._protocol.rows import PageReader
from ..._protocol.times import NAIVE
from ...errors import DecodeError
from ...models import Case
from .columns import ColumnReader, Columns
from .sink import Misfits

_HINTS = get_type_hints(Case)
_NAMES = wire_names(Case)
# What each field holds; int is any number.
KINDS: dict[str, type[str | bool | int | datetime]] = {
    name: next(iter(get_args(_HINTS[name])), _HINTS[name]) for name in _NAMES
}
# The columns of a table: Python's names, in the documents' order.
COLUMNS = (*KINDS, "extra")
_TIMES = [_NAMES[name] for name, kind in KINDS.items() if kind is datetime]
# A time may be "", which is none.
_TYPES = {wire: _HINTS[name] for name, wire in _NAMES.items()} | dict.fromkeys(_TIMES, str | None)
_NUMBERS = [name for name, kind in KINDS.items() if kind is int]
# A double holds all integers up to it, and not all beyond.
MAX_EXACT_INTEGER = 2**53


def json_cell(value: object) -> object:
    """Return what a column of a table holds: extension fields as JSON, all else as it is."""
    return dumps(value).decode() if isinstance(value, dict) else value


class TypedRows:
    """Reads rows as a client reads its pages: fast when they are as documented, else strictly.

    ``misfits`` are the values that went into ``extra``, by their wire names; ``strict`` raises
    DecodeError for the first one.
    """

    def __init__(self, zone: ZoneInfo, *, strict: bool = False) -> None:
        self._converter = RecordConverter(zone)
        self._reader = PageReader(zone, keep_digits=True)
        self._columns = ColumnReader(_TYPES)
        self._strict = strict
        self._read = 0
        self.misfits: dict[str, Misfits] = {}

    def read(self, batch: Sequence[bytes]) -> list[Case]:
        """Return rows as cases; the path of an error counts the rows of all batches."""
        page = b'{"resCode":"0","result":{"count":0,"caseList":[' + b",".join(batch) + b"]}}"
        if fast := self._reader.read(page):
            cases, _ = fast
        else:
            cases = [
                self._load(read_json(row, keep_digits=True), f"$[{number}]")
                for number, row in enumerate(batch, self._read)
            ]
            self._reader.learn(cases)
            self._columns.learn(key for case in cases for key in case.extra)
        if not self._strict:
            for case, name in product(cases, _NUMBERS):
                if _is_long_integer(value := getattr(case, name)):
                    setattr(case, name, None)
                    self._set_aside(case, _NAMES[name], value)
        self._read += len(batch)
        return cases

    def read_columns(self, batch: Sequence[bytes]) -> tuple[Columns, ColumnReader] | None:
        """Return rows by column, and their reader; times are naive ones of the zone.

        None: they are not plainly as documented, and must be read as cases.
        """
        columns = self._columns.read(batch)
        if columns is None:
            return None
        numbers = chain.from_iterable(columns[_NAMES[name]] for name in _NUMBERS)
        if any(map(_is_long_integer, filter(None, numbers))):
            return None
        for name in _TIMES:
            try:
                columns[name] = convert(
                    [text or None for text in columns[name]], list[NAIVE | None]
                )
            except ValidationError:
                return None
        self._read += len(batch)
        return columns, self._columns

    def warn(self, target: object) -> None:
        """Warn of the values that are not where they belong, if there are any."""
        if self.misfits:
            found = ", ".join(
                f"{name} in {each.count} rows (the first is case {each.example})"
                for name, each in self.misfits.items()
            )
            text = f"{target}: values of another type than documented are in extra: {found}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _load(self, row: Any, path: str) -> Case:
        """Return a row as a case, if need be without the values that do not fit."""
        if row.__class__ is dict:
            # A number with a point is the float that it is; one beyond all floats stays.
            for name in (_NAMES[each] for each in _NUMBERS):
                value = row.get(name)
                if value.__class__ is Decimal and not isinf(number := float(value)):
                    row[name] = number
        try:
            return self._converter.load(Case, row, path=path)
        except DecodeError as error:
            odd = self._find_misfits(row)
            if not odd:
                raise
            if self._strict:
                raise DecodeError(f"case {row['id']}: {error}") from None
        fitting = {name: value for name, value in row.items() if name not in odd}
        case = self._converter.load(Case, fitting, path=path)
        for name, value in odd.items():
            self._set_aside(case, name, value)
        return case

    def _find_misfits(self, row: Any) -> dict[str, Any]:
        """Return the documented fields that hold something else; none where the row has no id."""
        if row.__class__ is not dict or row.get("id").__class__ is not str:
            return {}
        odd = {}
        for name in _NAMES.values():
            try:
                self._converter.load(Case, {"id": row["id"], name: row.get(name)})
            except DecodeError:
                odd[name] = row[name]
        return odd

    def _set_aside(self, case: Case, name: str, value: object) -> None:
        case.extra[name] = value
        self.misfits.setdefault(name, Misfits(case.id)).count += 1


def _is_long_integer(value: Any) -> bool:
    return value.__class__ is int and abs(value) > MAX_EXACT_INTEGER
