"""The requests of create and modify: what is mandatory, how long it may be (documents 000, 002)."""

from typing import Any

from .answer import BusinessError
from .query import check_lengths, check_text, decode, moment
from .shapes import KNOWN_KEYS

SPELLINGS = ("isAutoAssigned", "isAtuoAssigned")
"""The sample's and the table's (document 000)."""

CREATE_MANDATORY = ("title", "description", "type", "contactId", "creatorId")
CREATE_LENGTHS = {
    "title": 128,
    "description": 20_000,
    "type": 20,
    "ownerId": 20,
    "contactId": 20,
    "creatorId": 20,
    "contactPhone": 20,
    "beId": 20,
}
MODIFY_MANDATORY = ("id", "title", "description", "creatorId")
MODIFY_LENGTHS = {
    "id": 20,
    "title": 128,
    "description": 20_000,
    "contactId": 20,
    "creatorId": 20,
    "contactPhone": 20,
}
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

SENT = frozenset({*CREATE_MANDATORY, *OPTIONAL, *SPELLINGS})
KEPT_BY_SERVER = KNOWN_KEYS - SENT
"""Fields of a case that no request sets: ignored, like the `id` of a modify."""

Wire = dict[str, Any]


def parse_create(body: bytes, auto_assign_key: str | None) -> Wire:
    """Read the fields of a new case; `auto_assign_key` is the one spelling that will do."""
    case = _case_info(body, CREATE_MANDATORY, CREATE_LENGTHS)
    accepted = SPELLINGS if auto_assign_key is None else (auto_assign_key,)
    flags = [case[key] for key in accepted if key in case]
    if not flags:
        raise BusinessError(BusinessError.MISSING, f"{accepted[0]}: mandatory")
    if not all(isinstance(flag, bool) for flag in flags):
        raise BusinessError(BusinessError.MALFORMED, f"{accepted[0]}: must be true or false")
    return _settable(case)


def parse_modify(body: bytes) -> tuple[str, Wire]:
    """Read the id of a case and the fields to overwrite."""
    case = _case_info(body, MODIFY_MANDATORY, MODIFY_LENGTHS)
    return case["id"], _settable(case)


def _case_info(body: bytes, mandatory: tuple[str, ...], lengths: dict[str, int]) -> Wire:
    case = decode(body).get("caseInfo")
    if not isinstance(case, dict):
        raise BusinessError(BusinessError.MISSING, "caseInfo: mandatory, an object")
    for key in mandatory:
        if not case.get(key):
            raise BusinessError(BusinessError.MISSING, f"{key}: mandatory")
        check_text(case, key)
    given = {key: value for key, value in case.items() if value is not None}
    for key in given.keys() & set(OPTIONAL):
        check_text(given, key)
    check_lengths(given, lengths)
    if given.get("dueDate"):
        moment(given, "dueDate")
    return given


def _settable(case: Wire) -> Wire:
    return {key: value for key, value in case.items() if key not in KEPT_BY_SERVER}
