"""What comes of readings, kept: rows, events and notes in one commit each.

The idea: everything that looks shares one keeper, which knows the state, the notes and the present
look. The invariant: a reading is compared with what the state has at that moment, and all that
comes of it is committed before the next one. A case that a reading without a doubt lacks is marked
as missing; who decides what that means is in ``missing.py``.
"""

from __future__ import annotations

import logging

from attrs import Factory, define, evolve
from msgspec.structs import replace

from .absorb import Outcome
from .bounds import Span, subtract, window_of
from .meta import Meta, write_meta
from .reader import Reading, WindowReader
from .state import Look, WatchState

logger = logging.getLogger("aicc_async")


@define(kw_only=True)
class Turn:
    """One look: when it began, by which clocks, and what it found so far."""

    # For what is forgotten the earlier clock counts, for what is asked for the later one: a clock
    # that jumps ahead must forget nothing, one that lags must miss nothing.
    early: int
    late: int
    seen_at: float
    # Missing for the first time, and again.
    marked: set[str] = Factory(set)
    again: set[str] = Factory(set)
    read: list[Span] = Factory(list)
    control: str | None = None


class Keeper:
    """Reads windows, and keeps what comes of them in a state."""

    def __init__(self, state: WatchState, reader: WindowReader) -> None:
        self.state = state
        self.reader = reader
        self._meta: Meta | None = None
        self._turn: Turn | None = None
        self._warned: set[str] = set()

    @property
    def has_begun(self) -> bool:
        """Whether there are notes."""
        return self._meta is not None

    @property
    def meta(self) -> Meta:
        """What the watch noted for itself, once it has begun."""
        if self._meta is None:
            raise AssertionError("the watch must begin first")
        return self._meta

    @meta.setter
    def meta(self, meta: Meta) -> None:
        """Note something, with what is committed next."""
        self._meta = meta

    @property
    def turn(self) -> Turn:
        """The present look."""
        if self._turn is None:
            raise AssertionError("a look must begin first")
        return self._turn

    @turn.setter
    def turn(self, turn: Turn) -> None:
        """Begin a look."""
        self._turn = turn

    def begin_outcome(self) -> Outcome:
        """Return an outcome of the present look with nothing in it."""
        return Outcome.begin(self.meta, self.turn.seen_at)

    async def read(self, span: Span) -> None:
        """Read a span, and keep what comes of it."""
        await self.reader.read(window_of(span), self.use)

    async def commit(self, outcome: Outcome) -> None:
        """Keep what came of a reading, and the notes."""
        await self.state.commit(
            Look(
                known=outcome.known,
                forgotten=outcome.forgotten,
                events=outcome.events,
                meta=write_meta(outcome.meta),
            )
        )
        self._meta = outcome.meta

    async def use(self, reading: Reading) -> None:
        """Compare a reading with what is known, and keep what comes of it."""
        turn, span = self.turn, reading.span
        inside = await self.state.cases(*span) if reading.doubt is None else []
        known = {each.id: each for each in inside}
        others = [case_id for case_id in reading.rows if case_id not in known]
        known |= {each.id: each for each in await self.state.find(others)}
        outcome = self.begin_outcome()
        outcome.absorb(reading.rows.values(), known)
        missing = [each for each in inside if each.id not in reading.rows]
        if reading.doubt is None:
            turn.read.append(span)
            unproven = subtract(outcome.meta.unproven, span)
            outcome.meta = replace(outcome.meta, unproven=unproven)
            new = [each for each in missing if each.missing_at is None]
            turn.marked.update(each.id for each in new)
            outcome.known += [evolve(each, missing_at=turn.seen_at) for each in new]
        await self.commit(outcome)
        turn.control = next(iter(reading.rows), turn.control)
        again = {each.id for each in missing if each.missing_at is not None}
        turn.again |= again - turn.marked

    def warn(self, what: str, text: str) -> None:
        """Log a warning, once for what it is about."""
        if what not in self._warned:
            self._warned.add(what)
            logger.warning("%s", text)
