"""The keys that a process holds for a while, and how it learns that it holds one no longer.

The idea: a lease ends by itself some seconds after it was requested, and is renewed three times in
that time; what is sent under it is cancelled when it ends. The invariant: a lease ends here before
it ends elsewhere, since it counts from before the request; so nobody else holds the key while this
process sends. What it can't see: the clock while the process is suspended, between the last look at
it and the sending. No lease closes that gap where the service can't refuse an old token
(https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html); what comes of it is
found in the list, or raised with its ``case_id``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from attrs import define, field

from ..errors import AICCError, ConfigError, JournalError, UnknownOutcome, WatchError

RENEWALS_PER_LEASE = 3


@define(eq=False)
class Lease:
    """A key that is held, by a token that no other holder ever has.

    ``ends_at`` is a time of the loop's clock; None: the key is not claimed yet.
    """

    key: str
    digest: str = ""
    token: str = field(factory=lambda: uuid4().hex)
    ends_at: float | None = None
    is_settled: bool = False
    _timeout: asyncio.Timeout | None = field(default=None, init=False)

    def extend(self, ends_at: float) -> None:
        """Hold the key until then; what is being sent may take as long."""
        self.ends_at = ends_at
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(ends_at)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Cancel what is done within when the lease ends.

        Raises JournalError when it has ended before, UnknownOutcome when it ends within.
        """
        if self.ends_at is None or loop_time() >= self.ends_at:
            raise lost_lease(self.key)
        try:
            # The loop sees a timer that is due before any task goes on. So it does after a process
            # was stopped, wherever within it was waiting.
            async with asyncio.timeout_at(self.ends_at) as self._timeout:
                yield
        except TimeoutError as error:
            # RequestTimeout is a TimeoutError as well.
            if isinstance(error, AICCError):
                raise
            raise UnknownOutcome(
                f"create: it may have happened, the lease on the key {self.key!r} ended meanwhile",
                operation="create",
            ) from error
        finally:
            self._timeout = None


class LeaseKeeper:
    """Holds keys, each for some ``seconds`` from when it was requested, and renews them.

    ``renew`` takes leases and returns the keys that were lost; a JournalError of it, or a
    WatchError, is no loss yet. Ends are times of the loop's clock, which goes on while a process is
    stopped.
    """

    def __init__(self, seconds: float, renew: Callable[[list[Lease]], Awaitable[set[str]]]) -> None:
        self.seconds = seconds
        self._renew = renew
        self._leases: dict[str, Lease] = {}
        self._task: asyncio.Task[None] | None = None
        self._releasing: set[asyncio.Task[None]] = set()

    def add(self, key: str, digest: str = "") -> Lease:
        """Keep other tasks of this process from the key, before it is claimed."""
        lease = self._leases[key] = Lease(key, digest)
        return lease

    def find(self, key: str) -> Lease | None:
        """Return the lease on a key, claimed or not."""
        return self._leases.get(key)

    def require(self, key: str) -> Lease:
        """Return the lease on a key; JournalError when there is none."""
        if lease := self._leases.get(key):
            return lease
        raise lost_lease(key)

    def start(self, lease: Lease, requested_at: float) -> None:
        """Hold a key from when it was requested, and renew it from now on."""
        lease.extend(requested_at + self.seconds)
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._renew_all())

    def drop(self, key: str) -> Lease | None:
        """Renew a key no longer."""
        return self._leases.pop(key, None)

    def release(self, key: str, end: Callable[[Lease], Awaitable[object]]) -> None:
        """Hold a key no longer, at once; ``end`` notes it in the background, unless it is settled.

        When that fails with JournalError or ConfigError, the lease ends by itself.
        """
        lease = self.drop(key)
        if lease is None or lease.is_settled:
            return

        async def note() -> None:
            with suppress(JournalError, ConfigError):
                await end(lease)

        task = asyncio.create_task(note())
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def wait_released(self) -> None:
        """Wait until what was released is noted, or failed to be."""
        if self._releasing:
            await asyncio.wait(self._releasing)

    async def close(self) -> list[str]:
        """Renew nothing more, and return the keys that are held."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        return list(self._leases)

    async def _renew_all(self) -> None:
        """Renew until there is nothing more to renew."""
        while self._leases:
            await asyncio.sleep(self.seconds / RENEWALS_PER_LEASE)
            claimed = [lease for lease in self._leases.values() if lease.ends_at is not None]
            requested_at = loop_time()
            try:
                lost = await self._renew(claimed) if claimed else set()
            except (JournalError, WatchError):
                # The leases end by themselves if this goes on.
                continue
            for lease in claimed:
                is_lost = lease.key in lost
                lease.extend(requested_at if is_lost else requested_at + self.seconds)


def loop_time() -> float:
    """Return the time of the loop's clock."""
    return asyncio.get_running_loop().time()


def lost_lease(key: str) -> JournalError:
    """Return the error of a key that is not held any more."""
    return JournalError(f"the journal: the lease on the key {key!r} is lost, nothing more was sent")
