"""Single records from wire fields, by one function that is written for each class.

The idea: a detail has some hundred fields, most of them a text or null, and cattrs makes calls for
each. Here a class has one function, which takes the fields out of a copy, checks the class of each
value, and keeps what is left as ``extra``. It refuses whatever is not plainly as documented, with
an error that nobody sees: ``RecordConverter`` then reads the same value slowly, and says what is
wrong, or finds that it is right.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import attrs

from ..models import Case, CaseDetail, Customer
from .names import wire_names
from .times import time_reader

# Raises one of MISFITS where the value is not plainly as documented.
ReadRecord = Callable[[Any], Any]
MISFITS = (TypeError, ValueError, KeyError)
# Not a user's subclass, which may have an ``__init__`` of its own. Others come one in a call, or
# hold a few fields.
RECORDS = frozenset({Case, CaseDetail})
_PLAIN = frozenset({str, int, float, bool, list})


# It writes code for every record.
@lru_cache(maxsize=64)
def record_reader(cls: type, zone: ZoneInfo) -> ReadRecord:
    """Return the function that makes a record of a class of an object's fields."""
    lines = [
        "def read(value):",
        " if value.__class__ is not dict: raise TypeError",
        " extra, record = value.copy(), new(cls)",
        " pop = extra.pop",
    ]
    scope: dict[str, Any] = {"cls": cls, "new": object.__new__}
    hints, fields = get_type_hints(cls), attrs.fields_dict(cls)
    for name, wire in wire_names(cls).items():
        default = "" if fields[name].default is attrs.NOTHING else ", None"
        lines.append(f" value = pop({wire!r}{default})")
        lines += _checks(name, hints[name], zone, scope)
        lines.append(f" record.{name} = value")
    lines += [" record.extra = extra", " return record"]
    exec("\n".join(lines), scope)  # noqa: S102  (names of ours alone)
    read: ReadRecord = scope["read"]
    return read


def _checks(name: str, hint: Any, zone: ZoneInfo, scope: dict[str, Any]) -> list[str]:
    """Return the lines that check a value, or make a record or a time of it."""
    if hint is Any:
        return []
    kinds = [get_origin(kind) or kind for kind in get_args(hint) or [hint] if kind is not NoneType]
    if get_origin(hint) is list:
        scope[f"read_{name}"] = _list_reader(record_reader(get_args(hint)[0], zone))
        return [f" value = read_{name}(value)"]
    guard = " if value is not None" if NoneType in get_args(hint) else " if True"
    plain = [kind for kind in kinds if kind in _PLAIN]
    special = [kind for kind in kinds if kind not in _PLAIN]
    if special:
        [kind] = special
        read = time_reader(zone) if kind is datetime else record_reader(kind, zone)
        scope[f"read_{name}"] = _customer_reader(read) if kind is Customer else read
        text = " and value.__class__ is not str" if plain else ""
        return [f"{guard}{text}: value = read_{name}(value)"]
    names = [kind.__name__ for kind in plain]
    test = "".join(f" and value.__class__ is not {kind}" for kind in names)
    return [f"{guard}{test}: raise TypeError"]


def _list_reader(read: ReadRecord) -> ReadRecord:
    def read_list(values: Any) -> list[Any]:
        if values is None:
            return []
        if values.__class__ is not list:
            raise TypeError
        return [read(value) for value in values]

    return read_list


def _customer_reader(read: ReadRecord) -> ReadRecord:
    """Return what reads a customer with an object around it too, as document 004's sample has."""

    def read_customer(value: Any) -> Any:
        if value.__class__ is not dict or "customerInfo" not in value:
            return read(value)
        outer = value.copy()
        inner = outer.pop("customerInfo")
        if inner is None:
            return None
        if "customerInfo" in inner:
            raise TypeError
        customer = read(inner)
        customer.extra |= outer
        return customer

    return read_customer
