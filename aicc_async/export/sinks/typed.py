"""Rows as cases, for the formats with types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import get_args, get_type_hints
from zoneinfo import ZoneInfo

from ..._protocol.converter import RecordConverter, dumps, loads
from ..._protocol.names import wire_names
from ..._protocol.rows import PageReader
from ...models import Case

_HINTS = get_type_hints(Case)
# What each field holds; int is any number.
KINDS: dict[str, type[str | bool | int | datetime]] = {
    name: next(iter(get_args(_HINTS[name])), _HINTS[name]) for name in wire_names(Case)
}
# The columns of a table: Python's names, in the documents' order.
COLUMNS = (*KINDS, "extra")


def json_cell(value: object) -> object:
    """Return what a column of a table holds: extension fields as JSON, all else as it is."""
    return dumps(value).decode() if isinstance(value, dict) else value


class TypedRows:
    """Reads rows as a client reads its pages: fast when they are as documented, else strictly."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._converter = RecordConverter(zone)
        self._reader = PageReader(zone)
        self._read = 0

    def read(self, batch: Sequence[bytes]) -> list[Case]:
        """Return rows as cases; the path of an error counts the rows of all batches."""
        page = b'{"resCode":"0","result":{"count":0,"caseList":[' + b",".join(batch) + b"]}}"
        if fast := self._reader.read(page):
            cases, _ = fast
        else:
            cases = [
                self._converter.load(Case, loads(row), path=f"$[{number}]")
                for number, row in enumerate(batch, self._read)
            ]
            self._reader.learn(cases)
        self._read += len(batch)
        return cases
