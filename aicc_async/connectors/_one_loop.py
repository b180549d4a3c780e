"""The process and the event loop that use something: leases and connections are theirs alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ..errors import AICCError, ConfigError


class OneLoop:
    """Notes who uses a ``journal``, or what else it is, and refuses all others until it is left.

    ``failure`` returns the error of one that was used before a fork.
    """

    def __init__(self, what: str, failure: Callable[[], AICCError]) -> None:
        self._what = what
        self._failure = failure
        self._pid: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_of_parent(self) -> bool:
        """Whether another process used it, before a fork: what is open there is not ours."""
        return self._pid not in {None, os.getpid()}

    def check(self) -> None:
        """Raise the failure after a fork, and ConfigError in another loop than it was used in."""
        if self.is_of_parent:
            raise self._failure()
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise ConfigError(
                f"one {self._what} per event loop: this one was used in another loop, and was not"
                " closed there"
            )

    def enter(self) -> None:
        """Check, and note that it is used here."""
        self.check()
        self._pid, self._loop = os.getpid(), asyncio.get_running_loop()

    def leave(self) -> None:
        """Note that nothing of it is open here any more: another loop may use it."""
        self._loop = None
