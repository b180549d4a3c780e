"""Replicas of a watch that take turns: one leads, by a lease in the store that they share.

The idea: who leads renews its lease, and whoever waits takes one that has ended. The invariant:
each step of a store names the token of the lease, and is refused where that is not the holder's;
so a leader that was stopped for longer than its lease reads and changes nothing any more. Unlike a
journal's (see ``journal/leases.py``), which guards what is sent to a service that knows no token,
this lease may end while its holder is at work: as long as nobody took it, it is still the holder's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from ..errors import AICCError, WatchError
from ..journal.leases import Lease, LeaseKeeper, loop_time
from ._one_loop import OneLoop

# Another one leads so long after a leader died, and what it needs to see that.
LEASE_SECONDS = 3.0
POLL_INTERVAL = 0.5  # seconds


class Leader:
    """The lease of one state, as one process has it or waits for it.

    ``step`` runs "claim", "renew" or "release" for a token, and returns whether that has the lease
    then, or had it; ``disconnect`` closes the connections that this takes.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[str, str], Awaitable[bool]],
        disconnect: Callable[[], Awaitable[None]],
    ) -> None:
        self._name = name
        self._step = step
        self._disconnect = disconnect
        self._leases = LeaseKeeper(LEASE_SECONDS, self._renew)
        self._place = OneLoop(
            "state",
            lambda: self.failure("it was used before os.fork(). Make one in each process"),
        )

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Lead within this; wait for it as long as another one does."""
        self._place.check()
        if self._leases.find(self._name):
            raise self.failure("it is in use by another watch of this program")
        self._place.enter()
        lease = self._leases.add(self._name)
        try:
            requested_at = loop_time()
            while not await self._step("claim", lease.token):
                await asyncio.sleep(POLL_INTERVAL)
                requested_at = loop_time()
            self._leases.start(lease, requested_at)
            yield
        finally:
            await self._end(lease)

    @property
    def token(self) -> str:
        """The token of the lease; WatchError when it is not held."""
        self._place.check()
        lease = self._leases.find(self._name)
        if lease is None or lease.ends_at is None:
            raise self.failure("the watch has ended, or waits for its turn")
        return lease.token

    async def close(self) -> None:
        """End the lease before its block does, unless it is the parent's of a fork."""
        if self._place.is_of_parent:
            return
        self._place.check()
        if lease := self._leases.find(self._name):
            await self._end(lease)

    def failure(self, why: str) -> WatchError:
        """Return the error of a state that can't be used."""
        return WatchError(f"cannot use the state {self._name!r}: {why}")

    def lost(self) -> WatchError:
        """Return the error of a lease that another one has."""
        return self.failure("its lease is lost, another process watches now")

    async def _end(self, lease: Lease) -> None:
        """Release a lease, and close the connections, unless that was done."""
        if self._leases.find(self._name) is not lease:
            return
        self._leases.drop(self._name)
        await self._leases.close()
        if lease.ends_at is not None:
            # When that fails, the lease ends by itself.
            with suppress(AICCError):
                await self._step("release", lease.token)
        await self._disconnect()
        self._place.leave()

    async def _renew(self, leases: list[Lease]) -> set[str]:
        return {lease.key for lease in leases if not await self._step("renew", lease.token)}
