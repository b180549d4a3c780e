"""A watch as its caller has it: an iterator of events, which looks when none is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from os import PathLike
from typing import Self

from .._api import CaseApi
from .._protocol.converter import RecordConverter
from .._validators import check_id, kind_of
from ..errors import (
    AICCError,
    ApiError,
    ConfigError,
    DecodeError,
    RateLimitError,
    ServerError,
    TransportError,
    WatchError,
)
from .event import CaseEvent
from .looker import Looker
from .outbox import Outbox
from .plan import WatchPlan, plan_watch
from .settings import Clock, WatchSettings
from .sqlite import SQLiteWatchState
from .state import WatchState

logger = logging.getLogger("aicc_async")
# What another look may not meet again. Of the service's own refusals see ``_attempt``.
PASSING = (TransportError, RateLimitError, ServerError, DecodeError)


class CaseWatch:
    """The events of cases, one after the other; see ``AICCClient.watch_cases``.

    It looks at the service only while the next event is asked for. One task iterates over it at a
    time; ``look_at`` and ``ack`` may be called from any task of the event loop.
    """

    def __init__(
        self,
        api: CaseApi,
        settings: WatchSettings,
        state: WatchState,
        *,
        manual_ack: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._api = api
        self._settings = settings
        self._state = state
        self._manual_ack = manual_ack
        self._clock = clock or Clock()
        self._outbox = Outbox(state, RecordConverter(api.zone), on_ack=self._wake_up)
        # What is known in memory is of no use once somebody else may have had the state.
        self._looker: Looker | None = None
        self._stack = AsyncExitStack()
        self._current: CaseEvent | None = None
        self._wanted: dict[str, None] = {}
        # Taken up, and not looked at yet: the next look has them.
        self._postponed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._next_look = 0.0
        self._has_looked = False
        # Kinds of failures that were logged since a look ended well.
        self._logged: set[str] = set()

    async def __aenter__(self) -> Self:
        looker = await self._hold()
        try:
            # What is created from now on is told.
            await self._attempt(looker.begin())
        except BaseException:
            # Nobody comes to close it.
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        # Whose body raised, or was left, was not acknowledged: it comes again.
        self._current = None
        self._outbox.restart()
        return self

    async def __anext__(self) -> CaseEvent:
        looker = await self._hold()
        try:
            return await self._next(looker)
        except WatchError:
            # Somebody else may have the state by now: the next call holds it anew, if it can.
            await self.aclose()
            raise

    async def _next(self, looker: Looker) -> CaseEvent:
        # One that was acknowledged within a transaction is left to that.
        if self._current and not self._manual_ack and self._outbox.is_open(self._current):
            await self._current.ack()
        self._current = None
        while True:
            # Whoever acknowledges from now on wakes us.
            self._wake.clear()
            self._current = await self._outbox.next()
            if self._current:
                return self._current
            await self._wait_and_look(looker)

    def look_at(self, case_id: str) -> None:
        """Read a case at the next turn, without waiting for a look; what changed is an event.

        One that is older than the look-back, or that the list does not show yet, is no event.
        """
        check_id(case_id)
        self._wanted[case_id] = None
        self._wake_up()

    async def plan(self) -> WatchPlan:
        """Return what the watch costs, and how late it tells what; it asks for a few counts."""
        return await plan_watch(self._api, self._settings, self._clock)

    async def aclose(self) -> None:
        """Give the state free; what was not acknowledged comes again, to whoever is next."""
        self._looker = None
        await self._stack.aclose()

    async def _hold(self) -> Looker:
        """Have the state, alone, and return what looks at the cases."""
        if self._looker is None:
            await self._stack.enter_async_context(self._state.hold())
            self._stack.push_async_callback(self._state.close)
            self._outbox.restart()
            self._looker = Looker(self._api, self._settings, self._state, self._clock)
        return self._looker

    async def _wait_and_look(self, looker: Looker) -> None:
        """Wait until a look is due, or somebody has a wish; look, if so."""
        clock = self._clock
        if not self._wanted:
            await clock.wait(self._next_look - clock.monotonic(), self._wake)
        wanted, self._wanted = self._wanted, {}
        # Until they were looked at, also where this is cancelled.
        self._postponed |= wanted
        started = clock.monotonic()
        is_due = started >= self._next_look
        if not (is_due or wanted):
            # An acknowledgement, after which the case's next event may follow.
            return
        wanted = dict(self._postponed) if is_due else wanted
        is_done = await self._attempt(looker.look(wanted) if is_due else looker.look_at(wanted))
        if is_due:
            # Not before: a look that was cancelled is due at once.
            self._next_look = started + self._settings.every
        if is_done:
            self._postponed = {each: None for each in self._postponed if each not in wanted}
            if looker.is_behind:
                self._next_look = started

    async def _attempt(self, work: Awaitable[None]) -> bool:
        """Return whether a piece of work ended well; raise what would be so for ever."""
        try:
            await work
        except AICCError as error:
            # A query that is refused at once is refused for ever.
            is_later_refusal = type(error) is ApiError and self._has_looked
            if not (isinstance(error, PASSING) or is_later_refusal):
                raise
            kind = type(error).__name__
            if kind not in self._logged:
                self._logged.add(kind)
                logger.warning("a look at the cases failed, and is repeated: %s", error)
            return False
        self._has_looked = True
        self._logged.clear()
        return True

    def _wake_up(self) -> None:
        self._wake.set()


def open_state(state: str | PathLike[str] | WatchState) -> WatchState:
    """Return the state of that name, or the one that it is."""
    if isinstance(state, str) and "://" in state:
        # It may hold a password, which no message shows.
        raise ConfigError(
            "state must be a path, got a URL. Pass RedisWatchState(url) or PostgresWatchState(url)"
        )
    if isinstance(state, str | PathLike):
        return SQLiteWatchState(state)
    if not callable(getattr(state, "hold", None)):
        raise ConfigError(
            f"state must be a path or a state such as SQLiteWatchState(path), got {kind_of(state)}"
        )
    return state
