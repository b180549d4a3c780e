"""Looks while cases come, change and go, the service fails, and the watch is stopped anywhere."""
# ruff: noqa: S311  (repeatable draws are the point)

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.watching import Watching, change, shown, watching

from aicc_async import AICCError
from aicc_async.emulator import Emulator, Fault, PageFault, Quirks
from aicc_async.watch import CaseEvent

# By hand more of them.
RUNS = 4
LOOKS = 40
QUIRKS = (
    Quirks(max_count=120),
    Quirks(count_offset=2),
    Quirks(hours_ahead=8),
    Quirks(order="shuffled"),
    Quirks(deepest_start=100),
)
FAULTS = (Fault.HTTP_503, Fault.NOT_JSON, Fault.CUT_BODY, Fault.DROP_BEFORE)


@attrs.define
class Moves:
    """Draws what happens to a tenant from a seed, and knows what may be told of it."""

    tenant: Emulator
    draw: random.Random
    before: set[str] = attrs.field(init=False)
    # The priorities that each case had, in order, and its ends.
    history: dict[str, list[str]] = attrs.field(factory=lambda: defaultdict(list))
    created: set[str] = attrs.field(factory=set)
    deleted: set[str] = attrs.field(factory=set)
    number: int = 0

    def __attrs_post_init__(self) -> None:
        for row in self.tenant.rows():
            self.history[row["id"]].append(row["priority"])

    def there(self) -> list[str]:
        """Return the cases that are there."""
        return sorted(self.history.keys() - self.deleted)

    def move(self) -> None:
        """Let something happen to some cases."""
        for _ in range(self.draw.randrange(4)):
            self.draw.choice([self.insert, self.change, self.change, self.delete])()
        if self.draw.random() < 0.2:
            self.tenant.quirks = self.draw.choice([*QUIRKS, Quirks(), Quirks()])
        if self.draw.random() < 0.3:
            times = self.draw.randrange(1, 8)
            self.tenant.fail(
                self.draw.choice(["list", "get", "*"]), self.draw.choice(FAULTS), times=times
            )
        if self.draw.random() < 0.1:
            self.tenant.fail_page(PageFault.EMPTY, skip=self.draw.randrange(4), times=3)

    def insert(self) -> None:
        """Create a case, now or with a date in the past."""
        ago = self.draw.choice([0, 0, 30, 3000, 300_000]) * self.draw.random()
        self.number += 1
        priority = f"P{self.number}"
        case_id = self.tenant.insert(createdDate=shown(timedelta(seconds=ago)), priority=priority)
        self.history[case_id].append(priority)
        self.created.add(case_id)

    def change(self) -> None:
        """Change a case."""
        self.number += 1
        case_id = self.draw.choice(self.there())
        change(self.tenant, case_id, priority=f"P{self.number}")
        self.history[case_id].append(f"P{self.number}")

    def delete(self) -> None:
        """Delete a case, but never the last ones."""
        there = self.there()
        if len(there) > 20:
            case_id = self.draw.choice(there)
            self.tenant.delete(case_id)
            self.deleted.add(case_id)


async def look_and_be_stopped(watch: Watching, draw: random.Random) -> None:
    """Look, unless something fails, or the watch is stopped at any point and begins again."""
    try:
        async with asyncio.timeout(draw.random() * 0.05 if draw.random() < 0.3 else None):
            await watch.look()
    except TimeoutError:
        watch.restart()
    except AICCError:
        if draw.random() < 0.3:
            watch.restart()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
async def test_what_is_told_is_what_happened(seed: int, tmp_path: Path, caplog: Any) -> None:
    """Each change that lasts is told, with the last state; nothing else is, and no wrong end."""
    caplog.set_level(logging.CRITICAL)
    draw = random.Random(seed)
    async with watching(tmp_path, cases=draw.choice([40, 260]), every=30, period=150) as watch:
        moves = Moves(watch.tenant, draw)
        for _ in range(LOOKS):
            moves.move()
            await look_and_be_stopped(watch, draw)
        watch.tenant.clear_faults()
        watch.tenant.quirks = Quirks()
        await watch.look(times=16)
        check(moves, watch.told, seed)
        known = await watch.state.find(sorted(moves.history))
        assert {each.id for each in known} == set(moves.there()), seed


def check(moves: Moves, told: list[CaseEvent], seed: int) -> None:
    """Compare what was told with what happened."""
    by_case: dict[str, list[CaseEvent]] = defaultdict(list)
    # What was handed out and not acknowledged when a look was stopped comes twice.
    for event in {event.id: event for event in told}.values():
        by_case[event.case_id].append(event)
    for case_id, history in moves.history.items():
        events = by_case.pop(case_id, [])
        kinds = {event.kind for event in events}
        assert ("created" in kinds) <= (case_id in moves.created), seed
        assert ("deleted" in kinds) <= (case_id in moves.deleted), seed
        seen = [event.case.priority for event in events if event.case]
        assert set(seen) <= set(history), seed
        places = [history.index(priority or "") for priority in seen]
        assert places == sorted(places), seed
        if case_id not in moves.deleted:
            assert ("created" in kinds) == (case_id in moves.created), seed
            assert not seen or seen[-1] == history[-1], (seed, case_id)
            assert seen or len(history) == 1, (seed, case_id)
        elif case_id not in moves.created or events:
            assert "deleted" in kinds, (seed, case_id)
    assert not by_case, seed
