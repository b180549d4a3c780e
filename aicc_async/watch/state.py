"""What a watch knows, kept where it outlives the process: the protocol of its stores.

The idea: all that comes of a look is one transaction: the new rows of cases, and the events that
tell of them. Events wait there until they are acknowledged. The invariant: a case's row is the one
that its last event tells of; so whatever is lost, no change is, and none is told anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import field, frozen

# What to do about a state that another version wrote.
LAYOUT_ADVICE = "Acknowledge its events with the version that wrote it, then start under a new name"


@frozen(kw_only=True)
class KnownCase:
    """A case as it was last told of.

    ``created`` is the second of its creation by the tenant's wall clock, counted without a zone.
    ``row`` is packed, ``digest`` of what is in it, ``event_id`` that of the last event.
    ``missing_at`` is when a verified reading was without it, in seconds since 1970; None: none was.
    """

    id: str
    created: int
    digest: bytes
    event_id: str
    # A row holds contact data, which no log may show.
    row: bytes = field(repr=False)
    missing_at: float | None = None


@frozen(kw_only=True)
class PendingEvent:
    """An event that nobody acknowledged; ``number`` grows with each one."""

    number: int
    case_id: str
    body: bytes = field(repr=False)


@frozen(kw_only=True)
class Look:
    """What one look changes: all of it is kept, or nothing.

    ``events`` are ids of cases and what to tell of them, in order. ``meta`` is the watch's own.
    """

    known: Sequence[KnownCase] = ()
    forgotten: Sequence[str] = ()
    events: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    meta: bytes | None = None


class WatchState(Protocol):
    """Where a watch keeps what it knows. All methods raise WatchError when it can't be used."""

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Be the only one who uses it, within; wait for that where others may take turns.

        Whoever is not any more, has WatchError from each method.
        """
        ...

    async def meta(self) -> bytes | None:
        """Return what the watch noted for itself; None: it is new."""
        ...

    async def count(self, begin: int, end: int) -> int:
        """Count the cases that were created from ``begin`` on and before ``end``."""
        ...

    async def cases(self, begin: int, end: int) -> list[KnownCase]:
        """Return those cases, oldest first."""
        ...

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when those cases were created, oldest first, the first ``limit`` of them."""
        ...

    async def find(self, ids: Sequence[str]) -> list[KnownCase]:
        """Return the cases that are known among these."""
        ...

    async def missing(self) -> list[KnownCase]:
        """Return the cases that have ``missing_at``, oldest first."""
        ...

    async def commit(self, look: Look) -> None:
        """Keep what came of a look: durable when this returns."""
        ...

    async def pending(self, after: int, *, limit: int) -> list[PendingEvent]:
        """Return events with numbers higher than ``after``, in order."""
        ...

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Forget events; again is nothing. ``within`` is a transaction of the caller's to join.

        Raises ConfigError where the store can't.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
