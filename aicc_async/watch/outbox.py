"""Events on their way to the caller: in order per case, and again until they are acknowledged.

The invariant: of a case one event is handed out at a time; the next one follows when that is
acknowledged, and not before. Those of other cases are not held up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._protocol.converter import RecordConverter
from .event import CaseEvent, read_event
from .state import PendingEvent, WatchState

# So many are read ahead while their cases wait for an acknowledgement.
MAX_WAITING = 1000
EVENTS_PER_READ = 100


class Outbox:
    """The events of a state that are not acknowledged."""

    def __init__(
        self, state: WatchState, converter: RecordConverter, *, on_ack: Callable[[], None]
    ) -> None:
        self._on_ack = on_ack
        self._state = state
        self._converter = converter
        # Read, and not handed out, in order.
        self._waiting: list[PendingEvent] = []
        # Handed out, and not acknowledged: numbers by case.
        self._handed_out: dict[str, int] = {}
        self._last_number = 0

    def restart(self) -> None:
        """Hand out anew what was handed out and not acknowledged."""
        self._waiting, self._handed_out, self._last_number = [], {}, 0

    def is_open(self, event: CaseEvent) -> bool:
        """Return whether an event that was handed out is not acknowledged yet."""
        return event.case_id in self._handed_out

    async def next(self) -> CaseEvent | None:
        """Return the next event that may be handed out; None: there is none now."""
        while True:
            for place, each in enumerate(self._waiting):
                if each.case_id not in self._handed_out:
                    del self._waiting[place]
                    self._handed_out[each.case_id] = each.number
                    acknowledge = partial(self._acknowledge, each)
                    return read_event(each.body, self._converter, acknowledge)
            if len(self._waiting) >= MAX_WAITING:
                return None
            more = await self._state.pending(self._last_number, limit=EVENTS_PER_READ)
            if not more:
                return None
            self._waiting += more
            self._last_number = more[-1].number

    async def _acknowledge(self, event: PendingEvent, within: Any) -> None:
        await self._state.acknowledge([event.number], within=within)
        if self._handed_out.get(event.case_id) == event.number:
            del self._handed_out[event.case_id]
        # One that was acknowledged after a restart must not come again.
        self._waiting = [each for each in self._waiting if each.number != event.number]
        self._on_ack()
