"""The request of case/list: its bounds, and its filters as SQL (document 001)."""

from collections.abc import Iterator
from typing import Any

from ..data.shapes import ROW_KEYS
from ..data.store import Query, canonical_json
from ..http.answer import BusinessError
from ..options import DATE_EXPRESSIONS, SPAN_RULES, Quirks
from .bounds import (
    MAX_LIMIT,
    MAX_START,
    check_lengths,
    check_text,
    decode_object,
    parse_datetime,
    parse_page,
)

DEFAULT_QUIRKS = Quirks()

TEXT_FILTERS = (
    "caseNo",
    "contactId",
    "contactPhone",
    "creatorId",
    "origin",
    "ownerId",
    "priority",
    "queueId",
    "status",
    "type",
)
BOOLEAN_FILTERS = ("isDirectResponse", "isReopen")
IGNORED_FILTERS = frozenset({"classification", "isExport", "local", "resumenType"})
"""Accepted, but the documents do not say which rows they leave out: here, none."""

RESERVED_KEYS = frozenset({"endTime", "limit", "start", "startTime", "title"})
LENGTHS = {
    "contactId": 20,
    "contactPhone": 20,
    "creatorId": 20,
    "ownerId": 20,
    "title": 128,
    "type": 20,
}

Wire = dict[str, Any]
Condition = tuple[str, tuple[Any, ...]]
Scalar = str | int | float


def parse(body: bytes, *, lower: str, upper: str, quirks: Quirks = DEFAULT_QUIRKS) -> Query:
    """Read a request of case/list; `lower` and `upper` compare the date with the bounds.

    A filter whose value is null counts as not given.
    """
    wire = {key: value for key, value in decode_object(body).items() if value is not None}
    check_lengths(wire, LENGTHS)
    most = MAX_LIMIT if quirks.over_limit == "documented" else MAX_START
    start, limit = parse_page(wire, most=most)
    found = [
        *_time_conditions(wire, lower, upper, quirks),
        *_documented_conditions(wire),
        *_other_conditions(wire),
    ]
    conditions = tuple(condition for condition, _ in found)
    values = tuple(value for _, several in found for value in several)
    return Query(conditions, values, start, limit)


def _time_conditions(wire: Wire, lower: str, upper: str, quirks: Quirks) -> Iterator[Condition]:
    bounds = {key: parse_datetime(wire, key) for key in ("startTime", "endTime") if key in wire}
    too_long = SPAN_RULES[quirks.span]
    if len(bounds) > 1 and too_long(bounds["startTime"], bounds["endTime"]):
        raise BusinessError(BusinessError.SPAN, "startTime to endTime: more than 31 days")
    date = DATE_EXPRESSIONS[quirks.date_field]
    if "startTime" in wire:
        yield f"{date} {lower} ?", (wire["startTime"],)
    if "endTime" in wire:
        yield f"{date} {upper} ?", (wire["endTime"],)


def _documented_conditions(wire: Wire) -> Iterator[Condition]:
    if "title" in wire:
        yield "instr(title, ?) > 0", (wire["title"],)
    for key in TEXT_FILTERS:
        if key in wire:
            check_text(wire, key)
            yield f"{key} = ?", (wire[key],)
    for key in BOOLEAN_FILTERS:
        if key in wire:
            if not isinstance(wire[key], bool):
                raise BusinessError(BusinessError.MALFORMED, f"{key}: must be true or false")
            yield f"{key} = ?", (wire[key],)


def _other_conditions(wire: Wire) -> Iterator[Condition]:
    known = {*TEXT_FILTERS, *BOOLEAN_FILTERS, *IGNORED_FILTERS, *RESERVED_KEYS}
    for key in wire.keys() - known:
        if key in ROW_KEYS and isinstance(wire[key], Scalar):
            yield f'json_extract("row", \'$."{key}"\') = ?', (wire[key],)
        else:
            extension = "SELECT caseId FROM extensions WHERE key = ? AND value = ?"
            yield f"id IN ({extension})", (key, canonical_json(wire[key]))
