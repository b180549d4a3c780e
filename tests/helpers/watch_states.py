"""States of a watch for tests: one in memory, which says what each store must do, and records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aicc_async.watch.state import KnownCase, Look, PendingEvent


class MemoryState:
    """The simplest state of a watch there is; it outlives nothing."""

    def __init__(self) -> None:
        self._meta: bytes | None = None
        self._known: dict[str, KnownCase] = {}
        self._events: list[PendingEvent] = []
        self._last = 0

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Do nothing: nobody else has it."""
        yield

    async def meta(self) -> bytes | None:
        """Return the last meta of a look."""
        return self._meta

    async def count(self, begin: int, end: int) -> int:
        """Count the cases of a span."""
        return len(await self.cases(begin, end))

    async def cases(self, begin: int, end: int) -> list[KnownCase]:
        """Return the cases of a span, by creation, then by id."""
        return [each for each in self._sorted() if begin <= each.created < end]

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when the first cases of a span were created."""
        return [each.created for each in await self.cases(begin, end)][:limit]

    async def find(self, ids: Sequence[str]) -> list[KnownCase]:
        """Return the cases that are known among these."""
        return [self._known[each] for each in ids if each in self._known]

    async def missing(self) -> list[KnownCase]:
        """Return the cases that have ``missing_at``."""
        return [each for each in self._sorted() if each.missing_at is not None]

    async def commit(self, look: Look) -> None:
        """Keep what came of a look: what it knows, then without what it forgot."""
        self._known |= {each.id: each for each in look.known}
        for each in look.forgotten:
            self._known.pop(each, None)
        for case_id, body in look.events:
            self._last += 1
            self._events.append(PendingEvent(number=self._last, case_id=case_id, body=body))
        self._meta = self._meta if look.meta is None else look.meta

    async def pending(self, after: int, *, limit: int) -> list[PendingEvent]:
        """Return events with numbers higher than ``after``."""
        return [each for each in self._events if each.number > after][:limit]

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Forget events."""
        assert within is None
        self._events = [each for each in self._events if each.number not in numbers]

    async def close(self) -> None:
        """Close nothing."""

    def _sorted(self) -> list[KnownCase]:
        return sorted(self._known.values(), key=lambda each: (each.created, each.id))


def known(case_id: str, created: int = 1, *, missing_at: float | None = None) -> KnownCase:
    """Return a case that a watch knows."""
    return KnownCase(
        id=case_id, created=created, digest=b"\x00\xff", event_id=f"{case_id}:1", row=b"\xff\x00",
        missing_at=missing_at,
    )  # fmt: skip
