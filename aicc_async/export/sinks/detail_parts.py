"""The parts of a case's detail as typed columns.

The idea: a part is one record, or a list of them, with the fields of its model (``models``). A
field of another type becomes null, and its value goes into the ``extra`` of its record, by its wire
name, with the fields that no model has. A part that is no such record at all stays as it came.

A field that may be a text or something else (``age``, ``address``), or is an object in itself
(``organization``), is a text: texts as they are, all else as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from attrs import frozen

from ..._protocol.converter import dumps
from ..._protocol.names import wire_names
from ...errors import DecodeError
from ...models import CaseInfo, CaseTrace, Customer, Task
from .template_columns import column_reader

FOLLOWER, FOLLOWER_WIRE = "is_follower", "isFollower"
# The values of a record by Python's names.
Cells = dict[str, Any]
# Is told the path of each value that is of another type.
Note = Callable[[str], None]
_TYPES: dict[Any, str] = {
    str: "str",
    str | None: "str",
    bool | None: "bool",
    int | float | None: "float",
    datetime | None: "time",
}


@frozen
class Field:
    """A field of a record; ``type`` is one of a column's, or ``any``: a text, or JSON as one."""

    name: str
    wire: str
    type: str


@frozen
class Part:
    """A part by its wire name and its column's, and the record that it is, or is a list of."""

    wire: str
    name: str
    record: type
    is_list: bool = False

    @property
    def table(self) -> str:
        """The table that has its records."""
        return f"aicc_{self.name}"

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of its records, ``extra`` left out."""
        return _fields(self.record)


PARTS = (
    Part("caseInfo", "case_info", CaseInfo),
    Part("caseTrace", "case_trace", CaseTrace, is_list=True),
    Part("customerInfo", "customer", Customer),
    Part("tasks", "tasks", Task, is_list=True),
)


@cache
def _fields(record: type) -> tuple[Field, ...]:
    hints = get_type_hints(record)
    return tuple(
        Field(name, wire, _TYPES.get(hints[name], "any"))
        for name, wire in wire_names(record).items()
    )


class PartReader:
    """Reads parts as cells; ``strict`` raises DecodeError for the first value of another type."""

    def __init__(self, zone: ZoneInfo, *, strict: bool = False) -> None:
        self._read_value = column_reader(zone)
        self._strict = strict

    def read(self, part: Part, value: Any, note: Note) -> list[Cells] | None:
        """Return the cells of a part's records, None for null.

        Raises DecodeError when it is not made of such records.
        """
        path = f"$.{part.wire}"
        if value is None:
            return None
        if not part.is_list:
            value, around = _unwrap(part, value, path)
            if value is None:
                return None
            return [self._read_record(part, value, path, note, around=around)]
        if value.__class__ is not list:
            raise DecodeError(f"must be a list, got {type(value).__name__} @ {path}")
        for number, each in enumerate(value):
            # All of them before any is read: else some odd values would be counted twice.
            _check_object(each, f"{path}[{number}]")
        return [
            self._read_record(part, each, f"{path}[{number}]", note)
            for number, each in enumerate(value)
        ]

    def _read_record(
        self,
        part: Part,
        value: Cells,
        path: str,
        note: Note,
        *,
        around: Cells | None = None,
    ) -> Cells:
        known = {field.wire for field in part.fields}
        extra = {name: each for name, each in value.items() if name not in known} | (around or {})
        cells: Cells = {}
        for field in part.fields:
            each = value.get(field.wire)
            try:
                read = as_text(each) if field.type == "any" else self._read_value(field.type, each)
            except (TypeError, ValueError):
                if self._strict:
                    raise DecodeError(
                        f"must be a {field.type}, got {type(each).__name__} @ {path}.{field.wire}"
                    ) from None
                note(f"{part.wire}.{field.wire}")
                read, extra[field.wire] = None, each
            cells[field.name] = read
        cells["extra"] = dumps(extra).decode() if extra else None
        return cells


def as_text(value: Any) -> str | None:
    """Return a text and null as they are, and all else as JSON."""
    return value if value is None or value.__class__ is str else dumps(value).decode()


def _check_object(value: Any, path: str) -> None:
    if value.__class__ is not dict:
        raise DecodeError(f"must be an object, got {type(value).__name__} @ {path}")


def _unwrap(part: Part, value: Any, path: str) -> tuple[Any, Cells]:
    """Return a record, and what is around it.

    In document 004's sample the customer is within an object of the same name.
    """
    _check_object(value, path)
    if part.record is not Customer or part.wire not in value:
        return value, {}
    around = {name: each for name, each in value.items() if name != part.wire}
    inner = value[part.wire]
    if inner is None:
        return ({} if around else None), around
    _check_object(inner, f"{path}.{part.wire}")
    if around.keys() & (inner.keys() | {field.wire for field in part.fields}):
        raise DecodeError(f"must have each field once @ {path}")
    return inner, around
