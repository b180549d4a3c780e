"""Whether a case is the one that a create made: digests and comparisons. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from .._listing.zones import is_within
from ..models import Case, CaseInfo, NewCase
from ..settings.endpoint import AUTO_ASSIGN

# ``same``: all that is known of it. ``near``: the description, but not the extension fields.
# ``alike``: only what a row of the list shows.
Match = Literal["same", "near", "alike"]
# What a row of the list shows of a record, by wire names.
_SHOWN_FIELDS = ("contactId", "creatorId", "type", "title")


def digest_record(tenant: str, fields: Mapping[str, Any]) -> str:
    """Return the digest of a whole record, by what is sent of it."""
    # Which spelling of the auto-assign flag is sent is a setting: it makes no other record.
    flags = [value for name, value in fields.items() if name in AUTO_ASSIGN]
    others = {name: value for name, value in fields.items() if name not in AUTO_ASSIGN}
    return _digest(tenant, others | {AUTO_ASSIGN[0]: flags[0]})


def digest_match(tenant: str, fields: Mapping[str, Any]) -> str:
    """Return the digest of what a list shows of a record, compared as ``looks_like`` compares."""
    return _digest(tenant, {name: " ".join(fields[name].split()) for name in _SHOWN_FIELDS})


def _digest(tenant: str, fields: Mapping[str, Any]) -> str:
    text = msgspec.json.encode([tenant, fields], order="sorted")
    return hashlib.sha256(text).hexdigest()


def looks_like(case: Case, new: NewCase, start: datetime, end: datetime) -> bool:
    """Return whether a row may be the record, created between two moments.

    Fields that the row lacks say nothing, and other spaces in the title are no difference.
    """
    if not is_of_same_people(case, new) or not is_titled_like(case, new):
        return False
    return case.created_date is None or is_within(case.created_date, start, end)


def is_of_same_people(case: Case, new: NewCase) -> bool:
    """Return whether contact, creator and type are the record's, where the row has them."""
    shown = (case.contact_id, case.creator_id, case.type)
    sent = (new.contact_id, new.creator_id, new.type)
    return all(value in {None, wanted} for value, wanted in zip(shown, sent, strict=True))


def is_titled_like(case: Case, new: NewCase) -> bool:
    """Return whether the title is the record's; other spaces are no difference."""
    return (case.title or "").split() == new.title.split()


def digest_row(tenant: str, case: Case, new: NewCase) -> str:
    """Return the match digest of a record that has the row's title, and is the record otherwise."""
    people = {"contactId": new.contact_id, "creatorId": new.creator_id, "type": new.type}
    return digest_match(tenant, people | {"title": case.title or ""})


def compare_detail(new: NewCase, case: Case, detail: CaseInfo) -> Match:
    """Compare what no row shows; other spaces and line ends are no difference."""
    if (detail.description or "").split() != new.description.split():
        return "alike"
    return "near" if extras_differ(new.extra, case.extra | detail.extra) else "same"


def extras_differ(sent: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    """Return whether an extension field has another value than was sent; 5 and "5" are one."""
    return any(
        shown.get(name) is not None and str(shown[name]).casefold() != str(value).casefold()
        for name, value in sent.items()
    )
