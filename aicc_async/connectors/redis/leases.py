"""The keys that a process holds for a while, and how it comes to know that it does no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from attrs import define, field

from ...errors import AICCError, JournalError, UnknownOutcome

SHARE = 3  # renewals in the time of a lease


@define(eq=False)
class Hold:
    """A key that is held, by a token that no other holder ever has."""

    key: str
    digest: str
    token: str = field(factory=lambda: uuid4().hex)
    until: float | None = None  # on the loop's clock; None: it is not claimed yet
    sending: asyncio.Timeout | None = None
    settled: bool = False

    def extend(self, until: float) -> None:
        """Hold it until then; what is being sent may take as long."""
        self.until = until
        if self.sending and not self.sending.expired():
            self.sending.reschedule(until)

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        """Give up what is done within when the hold ends.

        The loop sees a timer that is due before any task goes on: so it does after a process was
        stopped, wherever within it was waiting.
        """
        if self.until is None or now() >= self.until:
            raise lost(self.key)
        try:
            async with asyncio.timeout_at(self.until) as self.sending:
                yield
        except TimeoutError as error:
            if isinstance(error, AICCError):
                raise
            raise UnknownOutcome(
                f"create: it may have happened, the lease on the key {self.key!r} ended meanwhile",
                operation="create",
            ) from error
        finally:
            self.sending = None


class Leases:
    """Holds keys, each for some ``seconds`` from when it was asked for, and renews them.

    ``renew`` is given holds and returns the keys that were lost; a JournalError of it is no loss
    yet. Ends are told by the loop's clock, which goes on while a process is stopped.
    """

    def __init__(self, seconds: float, renew: Callable[[list[Hold]], Awaitable[set[str]]]) -> None:
        self.seconds = seconds
        self._renew = renew
        self._holds: dict[str, Hold] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, key: str, digest: str) -> Hold:
        """Keep others of this process from the key, before it is claimed."""
        hold = self._holds[key] = Hold(key, digest)
        return hold

    def find(self, key: str) -> Hold | None:
        """Find what this process has of a key."""
        return self._holds.get(key)

    def held(self, key: str) -> Hold:
        """Find what is held; JournalError when it isn't."""
        if hold := self._holds.get(key):
            return hold
        raise lost(key)

    def start(self, hold: Hold, asked: float) -> None:
        """Hold a key from when it was asked for, and see to its renewal."""
        hold.extend(asked + self.seconds)
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._keep())

    def drop(self, key: str) -> Hold | None:
        """Renew a key no longer."""
        return self._holds.pop(key, None)

    async def close(self) -> list[str]:
        """Renew nothing more, and name what is held."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        return list(self._holds)

    async def _keep(self) -> None:
        """Renew until there is nothing more to renew."""
        while self._holds:
            await asyncio.sleep(self.seconds / SHARE)
            claimed = [hold for hold in self._holds.values() if hold.until is not None]
            asked = now()
            try:
                gone = await self._renew(claimed) if claimed else set()
            except JournalError:
                continue
            for hold in claimed:
                hold.extend(asked if hold.key in gone else asked + self.seconds)


def now() -> float:
    """Tell the loop's time."""
    return asyncio.get_running_loop().time()


def lost(key: str) -> JournalError:
    """Say that a key is not held any more."""
    return JournalError(f"the journal: the lease on the key {key!r} is lost, nothing more was sent")
