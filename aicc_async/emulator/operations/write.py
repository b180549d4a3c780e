"""The requests of create and modify: what is mandatory, how long it may be (documents 000, 002)."""

from typing import Any

from ..data.shapes import KNOWN_KEYS
from ..http.answer import BusinessError
from .bounds import Bounds, decode_object, parse_datetime, require_object

SPELLINGS = ("isAutoAssigned", "isAtuoAssigned")
"""The sample's and the table's (document 000)."""

OPTIONAL = (
    "attachment",
    "beId",
    "contactPhone",
    "dueDate",
    "origin",
    "ownerId",
    "priority",
    "state",
)
"""Texts that may be sent; `state` is in the sample of document 000, though not in its table."""

CREATE = Bounds(
    mandatory=("title", "description", "type", "contactId", "creatorId"),
    optional=OPTIONAL,
    lengths={
        "title": 128,
        "description": 20_000,
        "type": 20,
        "ownerId": 20,
        "contactId": 20,
        "creatorId": 20,
        "contactPhone": 20,
        "beId": 20,
    },
)
MODIFY = Bounds(
    mandatory=("id", "title", "description", "creatorId"),
    optional=OPTIONAL,
    lengths={
        "id": 20,
        "title": 128,
        "description": 20_000,
        "contactId": 20,
        "creatorId": 20,
        "contactPhone": 20,
    },
)

REQUEST_FIELDS = frozenset({*CREATE.mandatory, *OPTIONAL, *SPELLINGS})
SERVER_FIELDS = KNOWN_KEYS - REQUEST_FIELDS
"""Fields of a case that no request sets: ignored, like the `id` of a modify."""

Wire = dict[str, Any]


def parse_create(body: bytes, auto_assign_key: str | None) -> Wire:
    """Read the fields of a new case; `auto_assign_key` is the one spelling that will do."""
    case = _parse_case_info(body, CREATE)
    accepted = SPELLINGS if auto_assign_key is None else (auto_assign_key,)
    flags = [case[key] for key in accepted if key in case]
    if not flags:
        raise BusinessError(BusinessError.MISSING, f"{accepted[0]}: mandatory")
    if not all(isinstance(flag, bool) for flag in flags):
        raise BusinessError(BusinessError.MALFORMED, f"{accepted[0]}: must be true or false")
    return _settable_fields(case)


def parse_modify(body: bytes) -> tuple[str, Wire]:
    """Read the id of a case and the fields to overwrite."""
    case = _parse_case_info(body, MODIFY)
    return case["id"], _settable_fields(case)


def _parse_case_info(body: bytes, bounds: Bounds) -> Wire:
    given = bounds.check(require_object(decode_object(body), "caseInfo"))
    if given.get("dueDate"):
        parse_datetime(given, "dueDate")
    return given


def _settable_fields(case: Wire) -> Wire:
    return {key: value for key, value in case.items() if key not in SERVER_FIELDS}
