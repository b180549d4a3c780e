"""Events as a caller has them, and as a state keeps them until they are acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from attrs import define, field

from .._protocol.converter import RecordConverter
from ..models import Case
from .rows import Row, load_case, value_of

EventKind = Literal["created", "changed", "deleted", "shape"]
# Acknowledges an event, within a transaction of the caller's where that is not None.
Acknowledge = Callable[[Any], Awaitable[None]]


@define(kw_only=True, slots=False)
class CaseEvent:
    """What happened to a case.

    ``id`` is another one for each event, and the same whenever it is told again. ``kind`` is
    ``created``, ``changed``, ``deleted`` or ``shape``: extension fields came to all rows, or went
    from them, which is of no case. ``case`` is its row, of a deleted one the last that was seen.
    ``changes`` maps the fields that differ to their old and new values, by the names of ``Case``
    and extension fields by those on the wire; of a ``shape`` the fields that came or went.
    ``seen_at`` is when that was seen, in the client's zone.
    """

    id: str
    kind: EventKind
    case_id: str = ""
    case: Case | None = field(default=None, repr=False)
    changes: dict[str, tuple[Any, Any]] = field(factory=dict, repr=False)
    seen_at: datetime

    async def ack(self, *, within: Any = None) -> None:
        """Acknowledge it: it is never told again; a second time does nothing.

        ``within`` is a transaction of the caller's that this joins, where the state can: what the
        caller writes and this are committed together. Raises ConfigError where it can't,
        WatchError when the state can't be used.
        """
        acknowledge: Acknowledge | None = vars(self).get("acknowledge")
        if acknowledge:
            await acknowledge(within)


class Body(msgspec.Struct, omit_defaults=True, frozen=True):
    """An event as a state keeps it; ``old`` has the former values of fields that differ."""

    id: str
    kind: EventKind
    seen_at: float
    case_id: str = ""
    row: Row = {}
    old: Row = {}
    # Of what differs, also what had no value.
    names: list[str] = []

    def __repr__(self) -> str:
        # Rows hold contact data, which no log may show.
        return f"Body({self.id!r}, {self.kind!r})"


write_body = msgspec.json.Encoder().encode
_read_body = msgspec.json.Decoder(Body).decode


def read_event(body: bytes, converter: RecordConverter, acknowledge: Acknowledge) -> CaseEvent:
    """Return an event as a caller has it."""
    found = _read_body(body)
    event = CaseEvent(
        id=found.id,
        kind=found.kind,
        case_id=found.case_id,
        seen_at=datetime.fromtimestamp(found.seen_at, UTC).astimezone(converter.zone),
    )
    if found.kind == "shape":
        event.changes = dict.fromkeys(found.names, (None, None))
    else:
        event.case = load_case(converter, found.row)
        rest = {name: value for name, value in found.row.items() if name not in found.names}
        before = load_case(converter, rest | found.old)
        pairs = [(value_of(before, name), value_of(event.case, name)) for name in found.names]
        event.changes = {name: (old, new) for (name, old), (_, new) in pairs}
    # No field of the record: it is no part of what happened, which ``to_dict`` writes.
    vars(event)["acknowledge"] = acknowledge
    return event
