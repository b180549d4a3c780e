"""Whether a case is the one that a create made: digests and comparisons. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from .._listing.zones import is_within
from ..models import Case, CaseInfo, NewCase
from ..settings import AUTO_ASSIGN

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
    shown = (case.contact_id, case.creator_id, case.type)
    sent = (new.contact_id, new.creator_id, new.type)
    if any(value not in {None, wanted} for value, wanted in zip(shown, sent, strict=True)):
        return False
    if (case.title or "").split() != new.title.split():
        return False
    return case.created_date is None or is_within(case.created_date, start, end)


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


def clock_skew(headers: Mapping[str, str]) -> timedelta:
    """Return by how much the service's clock is ahead of this one, by its answer's ``Date``."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError):
        return timedelta(0)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)
