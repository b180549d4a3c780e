"""Template fields of a known type: columns of their own in the formats with types.

No interface declares the types of a tenant's template, so the user says them. A value of another
type is never converted: it stays in ``extra``, where all template fields are otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from math import isinf
from typing import Any
from zoneinfo import ZoneInfo

from ..._protocol.names import wire_names
from ..._protocol.times import time_reader
from ..._validators import kind_of, shown
from ...errors import ConfigError
from ...models import Case, CaseDetail

COLUMN_TYPES = ("str", "int", "float", "bool", "time", "decimal")
Column = str | bool | int | float | datetime | Decimal | None
# A double holds all integers up to it, and not all beyond.
MAX_EXACT_INTEGER = 2**53
MAX_INTEGER = 2**63
# Those of ``decimal``, as other programs' decimal(38, 9) has them.
DIGITS_BEFORE_POINT, DIGITS_BEHIND_POINT = 29, 9
_PLAIN_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
# Postgres cuts longer names.
_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_TAKEN = {
    name.lower()
    for cls in (Case, CaseDetail)
    for names in wire_names(cls).items()
    for name in (*names, "extra", "deleted_at", "case_info", "case_trace")
}


def check_columns(columns: object) -> dict[str, str]:
    """Return the types of template fields by wire name; None is none.

    Raises ConfigError for a type that does not exist, and for a name that no column can have.
    """
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise ConfigError(
            "columns must be a mapping such as {'AICC__score__CST': 'int'},"
            f" got {kind_of(columns)}"
        )
    seen = set[str]()
    for name, column_type in columns.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(
                "columns must have names of 1 to 63 letters, digits and underscores,"
                f" got {shown(name)}"
            )
        if name.lower() in _TAKEN | seen:
            raise ConfigError(
                f"columns must be template fields, each once, got {shown(name)}: another column has"
                " that name"
            )
        if column_type not in COLUMN_TYPES:
            raise ConfigError(
                f"columns must have one of the types {', '.join(COLUMN_TYPES)},"
                f" got {shown(column_type)} for {name}"
            )
        seen.add(name.lower())
    return dict(columns)


def column_reader(zone: ZoneInfo) -> Callable[[str, Any], Column]:
    """Return a function that reads a value of JSON as one of a type.

    Null is None, and so is an empty text where texts are not expected. It raises ValueError or
    TypeError for a value of another type.
    """
    read_time = time_reader(zone)

    def read(column_type: str, value: Any) -> Column:
        if value is None or (value == "" and column_type != "str"):
            return None
        if column_type == "time":
            return read_time(value)
        return _READERS[column_type](value)

    return read


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value.__class__ is not kind:
            raise TypeError(kind.__name__)
        return value

    return read


def _read_int(value: Any) -> int:
    number: int = _exactly(int)(value)
    if not -MAX_INTEGER <= number < MAX_INTEGER:
        raise ValueError("64 bits")
    return number


def _read_float(value: Any) -> float:
    if value.__class__ not in (int, float, Decimal):
        raise TypeError("float")
    if value.__class__ is int and abs(value) > MAX_EXACT_INTEGER:
        raise ValueError("a double")
    number = float(value)
    if isinf(number):
        raise ValueError("a double")
    return number


def _read_decimal(value: Any) -> Decimal:
    # Amounts come as texts too, so that no program cuts their digits.
    is_text = value.__class__ is str and _PLAIN_NUMBER.fullmatch(value)
    if not is_text and value.__class__ not in (int, Decimal):
        raise TypeError("decimal")
    number = Decimal(value)
    places = number.as_tuple().exponent
    if not isinstance(places, int) or places < -DIGITS_BEHIND_POINT:
        raise ValueError("decimal(38, 9)")
    if number and number.adjusted() >= DIGITS_BEFORE_POINT:
        raise ValueError("decimal(38, 9)")
    return number


_READERS: dict[str, Callable[[Any], Column]] = {
    "str": _exactly(str),
    "bool": _exactly(bool),
    "int": _read_int,
    "float": _read_float,
    "decimal": _read_decimal,
}
