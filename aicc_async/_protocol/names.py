"""Names on the wire, typos and all: they are the contract, and live here alone."""

from __future__ import annotations

import attrs

from ..models import (
    CaseCancel,
    CaseEnqueue,
    CaseProcess,
    CaseQuery,
    CaseTransfer,
    CaseType,
    CaseTypeQuery,
    CaseUpdate,
    EnqueuedCase,
    NewCase,
    NewTask,
    ProcessInfo,
    QueueCancel,
    QueuedCase,
    StatisticsQuery,
    StatusUpdate,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from ..settings.endpoint import AUTO_ASSIGN

_PAGE = {"start", "limit"}
# The records that are sent, and the names beside their fields that ``extra`` must not hold.
RESERVED_NAMES: dict[type, set[str]] = {
    CaseCancel: set(),
    CaseEnqueue: set(),
    CaseProcess: set(),
    CaseQuery: _PAGE,
    CaseTransfer: set(),
    CaseTypeQuery: _PAGE,
    CaseUpdate: set(),
    NewCase: {AUTO_ASSIGN[1]},
    NewTask: set(),
    ProcessInfo: set(),
    QueueCancel: set(),
    StatisticsQuery: _PAGE,
    StatusUpdate: set(),
    TaskQuery: _PAGE,
    TaskTransfer: set(),
    TaskUpdate: set(),
}
# Spellings of the documents' samples or tables that are read too, and the field's own.
OTHER_SPELLINGS = {
    NewCase: {AUTO_ASSIGN[1]: AUTO_ASSIGN[0]},
    CaseType: {"contentTempalteId": "contentTemplateId", "isStrctOrder": "isStrictOrder"},
}
_PASCAL_CASE = (CaseEnqueue, EnqueuedCase, QueueCancel, QueuedCase)
_ODD_NAMES = {
    "additional_address": "addtionalAddress",
    "case": "caseInfo",
    "custom_field": "customFied",
    "customer": "customerInfo",
    "external_no": "extternalNo",
    "from_": "from",
    "is_auto_assigned": AUTO_ASSIGN[0],
    "is_cancelled": "isCanced",
    "overdue_cases": "overCases",
    "process": "processInfo",
    "resume_type": "resumenType",
    "trace": "caseTrace",
}


def wire_name(cls: type, name: str) -> str:
    """Return a field's name on the wire."""
    first, *rest = name.split("_")
    if issubclass(cls, _PASCAL_CASE):
        return first.title() + "".join(word.title() for word in rest)
    return _ODD_NAMES.get(name) or first + "".join(word.title() for word in rest)


def wire_names(cls: type) -> dict[str, str]:
    """Map every field of a record to its wire name, ``extra`` left out."""
    return {
        field.name: wire_name(cls, field.name)
        for field in attrs.fields(cls)
        if field.name != "extra"
    }


def known_names(cls: type) -> set[str]:
    """Return the names that ``extra`` must not hold when a record is sent."""
    reserved = (names for base, names in RESERVED_NAMES.items() if issubclass(cls, base))
    return set(wire_names(cls).values()).union(*reserved)


def other_spellings(cls: type) -> dict[str, str]:
    """Map spellings that are read too to the field's own; a user's subclass reads them as well."""
    found = (names for base, names in OTHER_SPELLINGS.items() if issubclass(cls, base))
    return next(found, {})
