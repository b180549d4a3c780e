"""What an operator does with a journal, wherever it is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import attrs

from ..journal import Entry, SQLiteJournal
from .calls import call

T = TypeVar("T")


class OperatorJournal(AbstractAsyncContextManager[Any], Protocol):
    """What an operator can do with any journal."""

    async def __aenter__(self) -> Self: ...

    async def entry(self, key: str) -> Entry | None:
        """Return an entry."""
        ...

    async def entries(self, state: str | None = None) -> list[Entry]:
        """Return all entries, or those of a state."""
        ...

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle an entry."""
        ...

    async def prune(self, *, older_than: timedelta) -> int:
        """Remove old entries, and return how many."""
        ...


def use_journal(place: Path | str, work: Callable[[OperatorJournal], Awaitable[T]]) -> T:
    """Open the journal of a file or of a URL, and do one thing with it."""
    return call(journal_at(place), work)


def journal_at(place: Path | str) -> OperatorJournal:
    """Return the journal of a file, or of the URL of a Postgres or a Redis."""
    if isinstance(place, Path):
        return SQLiteJournal(place)
    # Extras of their own.
    if place.startswith(("postgresql://", "postgres://")):
        from ..connectors.postgres import PostgresJournal

        return PostgresJournal(place)
    from ..connectors.redis import RedisJournal

    return RedisJournal(place)


def entry_fields(entry: Entry) -> dict[str, Any]:
    """Return the fields of an entry for JSON."""
    hidden = {"held", "skew", "created_drift", "updated_drift"}
    fields = attrs.asdict(entry, filter=lambda field, _: field.name not in hidden)
    times = {name: fields[name].isoformat(" ", "seconds") for name in ("created_at", "updated_at")}
    return fields | times
