"""A page of the list from bytes to cases, at about 1.6 times the cost of parsing it.

msgspec parses the rows straight into a class that is made for them: the documented fields by their
types, and the extension fields that were seen so far. A page with anything else goes the slow way
through ``Wire``, which says what is wrong, or finds new extension fields, to be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from ..models import Case
from .converter import NAIVE, time_reader, wire_names

MOST = 200  # extension fields that are learned; a page with more is read slowly
_Way = tuple[Callable[[bytes], Any], Callable[[Any], Case]]
_NAMES = wire_names(Case)
_HINTS = get_type_hints(Case)
_TIMES = {name for name in _NAMES if _HINTS[name] == datetime | None}


class CaseReader:
    """Reads the pages of one client, and learns its tenant's extension fields."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._extensions: list[str] = []
        self._ways = self._compile()

    def read(self, body: bytes) -> tuple[list[Case], int] | None:
        """Return cases and total; None when the page is not plainly one that is known."""
        for number, way in enumerate(self._ways):
            try:
                found = _read(body, *way)
            except (ValueError, TypeError, AttributeError, RecursionError):
                continue  # the slow way says why
            self._ways = self._ways[number:]  # a first way that failed would fail again
            return found
        return None

    def learn(self, cases: Iterable[Case]) -> None:
        """Note the extension fields of cases that went the slow way."""
        found = dict.fromkeys(key for case in cases for key in case.extra if _can_be_learned(key))
        new = [key for key in found if key not in self._extensions]
        if new and len(self._extensions) + len(new) <= MOST:
            self._extensions += new
            self._ways = self._compile()

    def _compile(self) -> list[_Way]:
        """Make the ways to read: times by msgspec itself; or, where some are "", by hand."""
        extra = {f"extra_{i}": key for i, key in enumerate(self._extensions)}
        combined = "None if time is None else combine(time, time.time(), zone)"
        read = "None if time is None else read_time(time)"
        return [
            (_parser(extra, NAIVE | None), _builder(extra, combined, self._zone)),
            (_parser(extra, str | None), _builder(extra, read, self._zone)),
        ]


def _read(
    body: bytes, parse: Callable[[bytes], Any], build: Callable[[Any], Case]
) -> tuple[list[Case], int] | None:
    answer = parse(body)
    pages = answer.result
    page = pages[0] if isinstance(pages, list) and len(pages) == 1 else pages
    if answer.resCode not in {"0", 0}:
        return None
    return [build(row) for row in page.caseList], page.count


def _can_be_learned(key: str) -> bool:
    return key.isprintable() and not set(key) & set('"\\')  # what msgspec takes as a name


def _parser(extra: dict[str, str], time: Any) -> Callable[[bytes], Any]:
    """Make the class that rows are parsed into."""
    fields: list[Any] = [("id", str)]
    fields += [
        (name, time if name in _TIMES else _HINTS[name], None) for name in _NAMES if name != "id"
    ]
    fields += [(name, Any, msgspec.UNSET) for name in extra]
    row: Any = msgspec.defstruct(
        "Row", fields, rename={**_NAMES, **extra}, forbid_unknown_fields=True, gc=False
    )
    page: Any = msgspec.defstruct("Page", [("caseList", list[row]), ("count", int)])
    result: Any = list[page] | page | None
    answer = msgspec.defstruct("Answer", [("resCode", str | int), ("result", result, None)])
    return msgspec.json.Decoder(answer).decode


def _builder(extra: dict[str, str], time: str, zone: ZoneInfo) -> Callable[[Any], Case]:
    """Write the function that makes cases of parsed rows, with an expression that reads a time.

    It sets field by field: a call with so many keywords costs as much as all the rest.
    """
    lines = ["def build(row):", " case = new(Case)"]
    for name in _NAMES:
        if name in _TIMES:
            lines += [f" time = row.{name}", f" case.{name} = {time}"]
        else:
            lines.append(f" case.{name} = row.{name}")
    lines.append(" case.extra = extra = {}")
    for name, key in extra.items():
        lines.append(f" value = row.{name}")
        lines.append(f" if value is not UNSET: extra[{key!r}] = value")
    lines.append(" return case")
    scope: dict[str, Any] = {
        "Case": Case,
        "new": object.__new__,
        "combine": datetime.combine,
        "zone": zone,
        "read_time": time_reader(zone),
        "UNSET": msgspec.UNSET,
    }
    exec("\n".join(lines), scope)  # noqa: S102  (names of ours, and keys by their repr)
    build: Callable[[Any], Case] = scope["build"]
    return build
