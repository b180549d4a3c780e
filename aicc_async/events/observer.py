"""The events of one call, for the session, which makes an observer only where somebody listens.

All of them are passed on in the task of the call, one within the other: what a listener sets as
the current context at a start is current until the end, for the request that aiohttp sends too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from itertools import count
from types import TracebackType
from typing import Self, TypeVar

from .._validators import kind_of
from ..errors import AICCError, ConfigError
from .records import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    LimiterWaited,
    OnEvent,
    RetryScheduled,
    Throttled,
)

W = TypeVar("W")
# Below that nobody waited: it is what looking at the limiter takes.
MIN_WAIT = 0.001  # seconds
logger = logging.getLogger("aicc_async")
# One for the process: a listener may serve several clients.
_call_numbers = count(1)


def guard(on_event: OnEvent) -> OnEvent:
    """Return a function that passes events on, and logs the first error of the listener's."""
    if not callable(on_event):
        raise ConfigError(f"on_event must be a function of one event, got {kind_of(on_event)}")
    # An object may be a function by its ``__call__``.
    if iscoroutinefunction(on_event) or iscoroutinefunction(type(on_event).__call__):
        raise ConfigError("on_event must be a plain function, got one that must be awaited")
    is_logged = False

    def notify(event: Event) -> None:
        nonlocal is_logged
        try:
            on_event(event)
        except Exception:
            # Whatever it raises must not end a request that the service may have acted on.
            if not is_logged:
                is_logged = True
                logger.exception("on_event raised an error; others are not logged")

    return notify


class CallObserver:
    """Passes on what happens within one call, from its start to its end."""

    def __init__(
        self,
        notify: OnEvent,
        *,
        operation: str,
        method: str,
        server_address: str,
        server_port: int,
    ) -> None:
        # Of the last attempt.
        self.status: int | None = None
        self._notify = notify
        self._operation = operation
        self._method = method
        self._server = server_address, server_port
        self._call = next(_call_numbers)
        self._attempts = 0
        # Asked for its time only, which it has after its end as well: a coroutine may end then.
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()

    def __enter__(self) -> Self:
        address, port = self._server
        self._notify(
            CallStarted(
                call=self._call,
                operation=self._operation,
                method=self._method,
                server_address=address,
                server_port=port,
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._notify(
            CallEnded(
                call=self._call,
                operation=self._operation,
                attempts=self._attempts,
                seconds=self._loop.time() - self._started,
                error=kind.__name__ if kind else None,
            )
        )

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Pass on the start and the end of an attempt."""
        self._attempts += 1
        self.status = None
        name = code = None
        started = self._loop.time()
        self._notify(
            AttemptStarted(call=self._call, operation=self._operation, number=self._attempts)
        )
        try:
            yield
        except BaseException as error:
            # Not the error itself: the frame that it refers to would refer to it.
            name, code = type(error).__name__, getattr(error, "code", None)
            raise
        finally:
            self._notify(
                AttemptEnded(
                    call=self._call,
                    operation=self._operation,
                    number=self._attempts,
                    status=self.status,
                    code=code,
                    seconds=self._loop.time() - started,
                    error=name,
                )
            )

    async def time_limiter(self, turn: Awaitable[W]) -> W:
        """Wait for the limiter, and pass on how long that took."""
        started = self._loop.time()
        try:
            return await turn
        finally:
            # A wait that a deadline cuts counts as well: a limit that is too low shows by these.
            seconds = self._loop.time() - started
            if seconds >= MIN_WAIT:
                self._notify(
                    LimiterWaited(call=self._call, operation=self._operation, seconds=seconds)
                )

    def note_throttle(self, error: AICCError) -> None:
        """Pass on that the service refused for haste."""
        asked = getattr(error, "retry_after", None)
        self._notify(Throttled(call=self._call, operation=self._operation, retry_after=asked))

    def note_retry(self, seconds: float, failure: AICCError | None) -> None:
        """Pass on that the call goes on after a wait."""
        reason = type(failure).__name__
        self._notify(
            RetryScheduled(
                call=self._call, operation=self._operation, seconds=seconds, reason=reason
            )
        )
