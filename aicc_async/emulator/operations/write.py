"""The requests of create and modify: what is mandatory, and how long it may be.

The bounds are those of table 3 in documents 000 and 002. The two differ: document 002 leaves the
length of ``ownerId`` open, and names neither ``type`` nor ``beId``.
"""

from typing import Any

from ..data.shapes import KNOWN_KEYS
from ..http.answer import BusinessError
from .bounds import Bounds, decode_object, parse_datetime, require_object

# Document 000 contradicts itself: its sample sends the first spelling, its table 3 has the second
# and calls it mandatory. Either one is accepted, unless a tenant is set to one of them.
SPELLINGS = ("isAutoAssigned", "isAtuoAssigned")

# ``state`` is in the sample of document 000, though not in its table.
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

# Table 3 of document 002 makes title, description and creatorId mandatory, even for a change of a
# single other field.
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

# Fields of a case that no request sets. They are ignored, as is the ``id`` of a modify ("cannot be
# modified"), and not refused: a client may send back a whole record that it read.
REQUEST_FIELDS = frozenset({*CREATE.mandatory, *OPTIONAL, *SPELLINGS})
SERVER_FIELDS = KNOWN_KEYS - REQUEST_FIELDS

Wire = dict[str, Any]


def parse_create(body: bytes, auto_assign_key: str | None) -> Wire:
    """Parse the fields of a new case.

    ``auto_assign_key`` is the only spelling that is accepted of the flag; None accepts both.
    """
    case = _parse_case_info(body, CREATE)
    accepted = SPELLINGS if auto_assign_key is None else (auto_assign_key,)
    flags = [case[key] for key in accepted if key in case]
    if not flags:
        raise BusinessError(BusinessError.MISSING, f"{accepted[0]}: mandatory")
    if not all(isinstance(flag, bool) for flag in flags):
        raise BusinessError(BusinessError.MALFORMED, f"{accepted[0]}: must be true or false")
    return _settable_fields(case)


def parse_modify(body: bytes) -> tuple[str, Wire]:
    """Parse the id of a case and the fields to overwrite."""
    case = _parse_case_info(body, MODIFY)
    return case["id"], _settable_fields(case)


def _parse_case_info(body: bytes, bounds: Bounds) -> Wire:
    present = bounds.check(require_object(decode_object(body), "caseInfo"))
    # An empty text passes, as a way to clear the date: no document says how else.
    if present.get("dueDate"):
        parse_datetime(present, "dueDate")
    return present


def _settable_fields(case: Wire) -> Wire:
    return {key: value for key, value in case.items() if key not in SERVER_FIELDS}
