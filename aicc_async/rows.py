"""A page of the list from bytes to cases, at about twice the cost of parsing it.

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

from .models import Case
from .wire import time_reader, wire_names

MOST = 200  # extension fields that are learned; a page with more is read slowly
_NAMES = wire_names(Case)
_HINTS = get_type_hints(Case)
# what time_reader does with a time as documented, without the call; the rest is left to it
_TIME = (
    "None if text is None else combine(naive := parse(text), naive.time(), zone)"
    " if len(text) == 19 and text[4] == '-' == text[7] and text[10] == ' '"
    " and text[13] == ':' == text[16] else read_time(text)"
)
_TIMES = {name for name in _NAMES if _HINTS[name] == datetime | None}


class CaseReader:
    """Reads the pages of one client, and learns its tenant's extension fields."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._extensions: list[str] = []
        self._parse, self._build = _compile(self._extensions, self._zone)

    def read(self, body: bytes) -> tuple[list[Case], int] | None:
        """Return cases and total; None when the page is not plainly one that is known."""
        try:
            answer = self._parse(body)
            pages = answer.result
            page = pages[0] if isinstance(pages, list) and len(pages) == 1 else pages
            if answer.resCode in {"0", 0}:
                return [self._build(row) for row in page.caseList], page.count
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass  # the slow way says why
        return None

    def learn(self, cases: Iterable[Case]) -> None:
        """Note the extension fields of cases that went the slow way."""
        found = dict.fromkeys(key for case in cases for key in case.extra if _can_be_learned(key))
        new = [key for key in found if key not in self._extensions]
        if new and len(self._extensions) + len(new) <= MOST:
            self._extensions += new
            self._parse, self._build = _compile(self._extensions, self._zone)


def _can_be_learned(key: str) -> bool:
    return key.isprintable() and not set(key) & set('"\\')  # what msgspec takes as a name


def _compile(
    extensions: list[str], zone: ZoneInfo
) -> tuple[Callable[[bytes], Any], Callable[[Any], Case]]:
    """Make the class that rows are parsed into, and write the function that makes cases of them."""
    extra = {f"extra_{i}": key for i, key in enumerate(extensions)}
    return _parser(extra), _builder(extra, zone)


def _parser(extra: dict[str, str]) -> Callable[[bytes], Any]:
    fields: list[Any] = [("id", str)]
    fields += [
        (name, str | None if name in _TIMES else _HINTS[name], None)
        for name in _NAMES
        if name != "id"
    ]
    fields += [(name, Any, msgspec.UNSET) for name in extra]
    row: Any = msgspec.defstruct(
        "Row", fields, rename={**_NAMES, **extra}, forbid_unknown_fields=True, gc=False
    )
    page: Any = msgspec.defstruct("Page", [("caseList", list[row]), ("count", int)])
    result: Any = list[page] | page | None
    answer = msgspec.defstruct("Answer", [("resCode", str | int), ("result", result, None)])
    return msgspec.json.Decoder(answer).decode


def _builder(extra: dict[str, str], zone: ZoneInfo) -> Callable[[Any], Case]:
    # field by field: a call with so many keywords costs as much as all the rest
    lines = ["def build(row):", " case = new(Case)"]
    for name in _NAMES:
        if name in _TIMES:
            lines += [f" text = row.{name}", f" case.{name} = {_TIME}"]
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
        "parse": datetime.fromisoformat,
        "combine": datetime.combine,
        "zone": zone,
        "read_time": time_reader(zone),
        "UNSET": msgspec.UNSET,
    }
    exec("\n".join(lines), scope)  # noqa: S102  (names of ours, and keys by their repr)
    build: Callable[[Any], Case] = scope["build"]
    return build
