"""A page of the list from bytes to cases, at about 1.6 times the cost of parsing it.

msgspec parses the rows straight into a class that is made for them: the documented fields by their
types, and the extension fields that were seen so far. A page with anything else is left to
``RecordConverter``, which is slower, and says what is wrong or finds new extension fields to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import datetime
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from ..models import Case
from .envelope import MAX_TOTAL
from .lenient import exact_number
from .names import wire_names
from .raw import check_utf8
from .times import NAIVE, time_reader

# A page with more extension fields is read slowly: no service can fill the memory with names.
MAX_LEARNED_FIELDS = 200
# How to parse a page, and how to make a case of a parsed row.
_Parse = Callable[[bytes], Any]
_Way = tuple[_Parse, Callable[[Any], Case]]
_FloatHook = Callable[[str], Any] | None
_NAMES = wire_names(Case)
_HINTS = get_type_hints(Case)
_TIMES = {name for name in _NAMES if _HINTS[name] == datetime | None}


class PageReader:
    """Reads the pages of one client, and learns its tenant's extension fields.

    ``keep_digits`` makes Decimals of the numbers in extension fields that have a point.
    """

    def __init__(self, zone: ZoneInfo, *, keep_digits: bool = False) -> None:
        self._zone = zone
        self._float_hook = exact_number if keep_digits else None
        self._extensions: list[str] = []
        self._ways = self._compile()

    def read(self, body: bytes) -> tuple[list[Case], int] | None:
        """Return cases and total; None when the page is not plainly one that is known."""
        for number, (parse, build) in enumerate(self._ways):
            try:
                answer = parse(body)
                pages = answer.result
                page = pages[0] if isinstance(pages, list) and len(pages) == 1 else pages
                is_answer = answer.resCode in {"0", 0} and 0 <= page.count <= MAX_TOTAL
                found = ([build(row) for row in page.caseList], page.count) if is_answer else None
            except (ValueError, TypeError, AttributeError, RecursionError):
                # Whoever reads it slowly says why.
                continue
            # A first way that failed would fail again.
            self._ways = self._ways[number:]
            return found
        return None

    def learn(self, cases: Iterable[Case]) -> None:
        """Note the extension fields of cases that were read slowly."""
        # A documented field's value is there too if it did not fit.
        known = {*self._extensions, *_NAMES.values()}
        new = new_fields((key for case in cases for key in case.extra), known)
        if new and len(self._extensions) + len(new) <= MAX_LEARNED_FIELDS:
            self._extensions += new
            self._ways = self._compile()

    def _compile(self) -> list[_Way]:
        """Return the ways to read: times by msgspec itself; or, where some are "", by hand."""
        extra = {f"extra_{i}": key for i, key in enumerate(self._extensions)}
        combined = "None if time is None else combine(time, time.time(), zone)"
        read = "None if time is None else read_time(time)"
        builders = {
            NAIVE | None: _builder(extra, combined, self._zone),
            str | None: _builder(extra, read, self._zone),
        }
        return [
            (parse, build)
            for make in (_parser, _checked_parser)
            for time, build in builders.items()
            for parse in [make(extra, time, self._float_hook)]
        ]


def new_fields(found: Iterable[str], known: Container[str]) -> list[str]:
    """Return the names that are not known, each once, as far as msgspec takes them as names."""
    return [
        key
        for key in dict.fromkeys(found)
        if key not in known and key.isprintable() and not set(key) & set('"\\')
    ]


def _checked_parser(extra: dict[str, str], time: Any, float_hook: _FloatHook) -> _Parse:
    """Return what parses a page with undocumented fields around its rows."""
    parse = _parser(extra, time, float_hook, skip_unknown=True)

    def check_and_parse(body: bytes) -> Any:
        if not body.isascii():
            # What is skipped is not looked into.
            check_utf8(body)
        return parse(body)

    return check_and_parse


def _parser(
    extra: dict[str, str], time: Any, float_hook: _FloatHook, *, skip_unknown: bool = False
) -> _Parse:
    """Return what parses a page, whose rows become instances of a class made for them."""
    fields: list[Any] = [("id", str)]
    fields += [
        (name, time if name in _TIMES else _HINTS[name], None) for name in _NAMES if name != "id"
    ]
    fields += [(name, Any, msgspec.UNSET) for name in extra]
    row: Any = msgspec.defstruct(
        "Row", fields, rename={**_NAMES, **extra}, forbid_unknown_fields=True, gc=False
    )
    is_known = not skip_unknown
    page: Any = msgspec.defstruct(
        "Page", [("caseList", list[row]), ("count", int)], forbid_unknown_fields=is_known
    )
    answer = msgspec.defstruct(
        "Answer",
        [("resCode", str | int), ("resMsg", Any, None), ("result", list[page] | page | None, None)],
        forbid_unknown_fields=is_known,
    )
    return msgspec.json.Decoder(answer, float_hook=float_hook).decode


def _builder(extra: dict[str, str], time: str, zone: ZoneInfo) -> Callable[[Any], Case]:
    """Return the function that makes cases of parsed rows; ``time`` is how it reads a time.

    It is written as code that sets field by field: a call with so many keywords costs as much as
    all the rest.
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
