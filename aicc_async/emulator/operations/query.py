"""The request of case/list: its bounds, and its filters as SQL (document 001, table 2)."""

from collections.abc import Iterator
from datetime import timedelta
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

# Table 2 calls ``Completed`` the default of ``status``. Its sample sends no status and gets rows
# of status ``y``, so a filter that is left out leaves nothing out. ``caseNo`` and ``queueId`` are
# of the newer page (2025-11).
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

# Accepted, but no document says which rows they leave out: here, none.
IGNORED_FILTERS = frozenset({"classification", "isExport", "local", "resumenType"})

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
    """Parse a request of case/list.

    ``lower`` and ``upper`` are the SQL operators that compare a date with the bounds. A filter
    whose value is null counts as left out.
    """
    wire = {key: value for key, value in decode_object(body).items() if value is not None}
    check_lengths(wire, LENGTHS)
    max_limit = MAX_LIMIT if quirks.over_limit == "documented" else MAX_START
    start, limit = parse_page(wire, max_limit=max_limit)
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
    # Table 2 bounds the interval between the two. One alone is documented as optional, and has no
    # interval that could be too long.
    too_long = SPAN_RULES[quirks.span]
    if len(bounds) > 1 and too_long(bounds["startTime"], bounds["endTime"]):
        raise BusinessError(BusinessError.SPAN, "startTime to endTime: more than 31 days")
    # Both sides are texts of one fixed form, which sort as the times do.
    date = DATE_EXPRESSIONS[quirks.date_field]
    ahead = timedelta(hours=quirks.hours_ahead)
    if "startTime" in wire:
        yield f"{date} {lower} ?", (str(bounds["startTime"] + ahead),)
    if "endTime" in wire:
        yield f"{date} {upper} ?", (str(bounds["endTime"] + ahead),)


def _documented_conditions(wire: Wire) -> Iterator[Condition]:
    # The documents do not say how a title is matched: here, as a part of it. instr() finds the text
    # itself, where LIKE would take % and _ for wildcards and ignore case.
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
    """Yield the conditions of undocumented fields of a row, and of the template's extensions."""
    known = {*TEXT_FILTERS, *BOOLEAN_FILTERS, *IGNORED_FILTERS, *RESERVED_KEYS}
    for key in wire.keys() - known:
        # The key becomes part of the statement only if it is one of ours. In the path of a JSON
        # value it is quoted, since some keys contain dots.
        if key in ROW_KEYS and isinstance(wire[key], Scalar):
            yield f'json_extract("row", \'$."{key}"\') = ?', (wire[key],)
        else:
            extension = "SELECT caseId FROM extensions WHERE key = ? AND value = ?"
            yield f"id IN ({extension})", (key, canonical_json(wire[key]))
