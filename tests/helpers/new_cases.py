"""Records to create, and the digests under which a journal has them."""

from __future__ import annotations

from typing import Any, TypedDict

from aicc_async import NewCase


class Digests(TypedDict):
    """The digests of a record."""

    digest: str
    match_digest: str


DIGESTS: Digests = {"digest": "d", "match_digest": "m"}


def new_case(**fields: Any) -> NewCase:
    """Return a case to create."""
    usual = {"title": "Rechnung", "description": "zu hoch", "type": "t"}
    return NewCase(**{**usual, "contact_id": "contact", "creator_id": "agent", **fields})
