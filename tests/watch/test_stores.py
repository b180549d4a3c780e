"""What every store of a watch does, wherever it keeps that: the same as one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from helpers.watch_states import MemoryState, known
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from aicc_async import ConfigError
from aicc_async.connectors.postgres import PostgresWatchState
from aicc_async.connectors.postgres import watch as postgres_watch
from aicc_async.connectors.redis import RedisWatchState
from aicc_async.connectors.redis import watch as redis_watch
from aicc_async.watch import SQLiteWatchState, sqlite
from aicc_async.watch.state import KnownCase, Look, PendingEvent, WatchState

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]

Open = Callable[[str], WatchState]
_names = count(1)
# A day of the year 2025, and seconds around it.
SECOND = 739_000 * 86_400
IDS = st.sampled_from([f"c{number}" for number in range(9)])
SECONDS = st.integers(SECOND, SECOND + 9)
CASES = st.builds(
    KnownCase,
    id=IDS,
    created=SECONDS,
    digest=st.binary(max_size=3),
    event_id=st.text("ab:", max_size=3),
    row=st.binary(max_size=3),
    missing_at=st.none() | st.floats(0, 2e9),
)
LOOKS = st.builds(
    Look,
    known=st.lists(CASES, max_size=7),
    forgotten=st.lists(IDS, max_size=2),
    events=st.lists(st.tuples(IDS, st.binary(max_size=3)), max_size=5),
    meta=st.none() | st.binary(max_size=3),
)


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def open_state(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Open:
    """Return a function that opens the state of a name; small pieces are read at a time."""
    if request.param == "sqlite":
        monkeypatch.setattr(sqlite, "IDS_PER_STATEMENT", 3)
        return lambda name: SQLiteWatchState(tmp_path / name)
    if request.param == "redis":
        monkeypatch.setattr(redis_watch, "ITEMS_PER_STEP", 3)
        redis_url = request.getfixturevalue("redis_url")
        return lambda name: RedisWatchState(redis_url, name)
    monkeypatch.setattr(postgres_watch, "CASES_PER_STEP", 3)
    postgres_url = request.getfixturevalue("postgres_url")
    return lambda name: PostgresWatchState(postgres_url, name)


class Machine(RuleBasedStateMachine):
    """A state, held all the time, and what it must know."""

    def __init__(self, open_state: Open) -> None:
        super().__init__()
        self._open_state = open_state
        self._name = f"test-{next(_names)}"
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.model = MemoryState()
        self.state = open_state(self._name)

    def run(self, *steps: Any) -> list[Any]:
        """Run coroutines one after the other."""

        async def run() -> list[Any]:
            try:
                return [await step for step in steps]
            finally:
                for step in steps:
                    step.close()

        return self._runner.run(run())

    @initialize()
    def begin(self) -> None:
        """Hold it."""
        self.run(self._stack.enter_async_context(self.state.hold()))

    @rule(look=LOOKS)
    def commit(self, look: Look) -> None:
        """Keep a look."""
        self.run(self.state.commit(look), self.model.commit(look))

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Acknowledge some events that are there, and one that is not."""
        theirs, ours = self.run(
            self.state.pending(0, limit=1000), self.model.pending(0, limit=1000)
        )
        at = data.draw(st.lists(st.sampled_from(range(len(ours) or 1)), unique=True))
        picked = [[each[index].number for index in at if each] for each in (theirs, ours)]
        self.run(self.state.acknowledge([*picked[0], 0]), self.model.acknowledge(picked[1]))

    @rule()
    def reopen(self) -> None:
        """Give it up, and have another process go on."""
        self.run(self._stack.aclose(), self.state.close())
        self.state = self._open_state(self._name)
        self.begin()

    @rule(begin=SECONDS, end=SECONDS, ids=st.lists(IDS, unique=True), limit=st.integers(0, 7))
    def read(self, begin: int, end: int, ids: list[str], limit: int) -> None:
        """Read what is known of a span."""
        theirs, ours = (
            self.run(
                each.count(begin, end), each.cases(begin, end),
                each.seconds(begin, end, limit=limit), each.find(ids),
            )
            for each in (self.state, self.model)
        )  # fmt: skip
        # Which of the cases of a list of ids comes first is not promised.
        assert [*theirs[:3], by_id(theirs[3])] == [*ours[:3], by_id(ours[3])]

    @rule(data=st.data(), limit=st.integers(1, 7))
    def read_events(self, data: st.DataObject, limit: int) -> None:
        """Read events after one that was read."""
        [first] = self.run(self.state.pending(0, limit=1000))
        skipped = data.draw(st.integers(0, len(first)))
        after = first[skipped - 1].number if skipped else 0
        [found] = self.run(self.state.pending(after, limit=limit))
        assert found == first[skipped : skipped + limit]

    @invariant()
    def is_same(self) -> None:
        """Compare all that there is."""
        theirs, ours = (
            self.run(each.meta(), each.missing(), each.pending(0, limit=1000))
            for each in (self.state, self.model)
        )
        assert theirs[:2] == ours[:2]
        assert without_numbers(theirs[2]) == without_numbers(ours[2])
        numbers = [each.number for each in theirs[2]]
        assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """Give it up."""
        self.run(self._stack.aclose(), self.state.close())
        self._runner.close()


def by_id(cases: list[KnownCase]) -> list[KnownCase]:
    """Sort cases by id."""
    return sorted(cases, key=lambda each: each.id)


def without_numbers(events: list[PendingEvent]) -> list[PendingEvent]:
    """Return events without their numbers, which each store chooses."""
    return [evolve(each, number=0) for each in events]


def test_a_store_is_as_one_in_memory(open_state: Open) -> None:
    """Whatever is kept, acknowledged and read in turn, a store answers as the simplest one does."""

    class OfThisStore(Machine):
        def __init__(self) -> None:
            super().__init__(open_state)

    run_state_machine_as_test(
        OfThisStore, settings=settings(max_examples=8, stateful_step_count=12)
    )


async def test_large_looks_are_kept(open_state: Open) -> None:
    """A look of thousands of cases and events is one look, and what is read of it is whole."""
    state = open_state("large")
    cases = [known(f"c{number:05}", SECOND + number // 2) for number in range(9000)]
    events = [(each.id, b"\x00" + each.id.encode()) for each in cases]
    async with state.hold():
        await state.commit(Look(known=cases, events=events, meta=b"\x00"))
        assert await state.count(SECOND, SECOND + 9000) == 9000
        assert await state.cases(SECOND + 100, SECOND + 110) == cases[200:220]
        assert [each.body for each in await state.pending(0, limit=10)] == [
            body for _, body in events[:10]
        ]
        await state.commit(Look(forgotten=[each.id for each in cases]))
        assert await state.count(SECOND, SECOND + 9000) == 0
    await state.close()


async def test_names_are_apart(open_state: Open) -> None:
    """States of two names in one place know nothing of each other."""
    one, other = open_state("one"), open_state("other")
    async with one.hold(), other.hold():
        await one.commit(Look(known=[known("c")], events=[("c", b"")], meta=b"1"))
        assert (await other.meta(), await other.count(0, 9), await other.find(["c"])) == (
            None, 0, [],
        )  # fmt: skip
        assert await other.pending(0, limit=9) == []
        [event] = await one.pending(0, limit=9)
        await other.acknowledge([event.number])
        assert await one.pending(0, limit=9) == [event]
    await one.close()
    await other.close()


async def test_only_a_transaction_of_its_own_can_be_joined(open_state: Open) -> None:
    """What is no connection to the store's database is refused, and nothing is acknowledged."""
    state = open_state("within")
    async with state.hold():
        await state.commit(Look(events=[("c", b"")]))
        [event] = await state.pending(0, limit=9)
        with pytest.raises(ConfigError, match="within must be"):
            await state.acknowledge([event.number], within=object())
        assert await state.pending(0, limit=9) == [event]
    await state.close()
