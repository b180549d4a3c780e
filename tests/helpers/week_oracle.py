"""Judge what a watch told of a world: it shares no code with the client.

The idea: each event is matched with a state that its case really had, in order. So nothing is told
that did not happen, no deletion that was not one, and no case's events out of order. And at certain
moments what was told last of a case must be what it is: whenever a state has lasted for as long as
a watch may take, with nothing wrong meanwhile.

What it does not judge: what was silent at the beginning, until the watch knew all cases; and cases
about to leave the horizon.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from attrs import field, frozen, mutable

from helpers.week_life import Life
from helpers.week_world import (
    DAY,
    FIELDS,
    HARMLESS,
    HOUR,
    LONGEST_CLOCK_JUMP,
    MINUTE,
    SHAPE_FIELD,
    Row,
    State,
    World,
)

# Those of fields that have another one in Python.
WIRE_NAMES = {"owner_id": "ownerId", "created_date": "createdDate"}
# Until then all cases are known, whatever happens.
BASELINE = HOUR
# How long a reading may take that goes on through an outage, with a pause after a refusal.
MAX_READING = 15 * MINUTE
# What an incident leaves: pauses, back-off, a round that waits for its end.
RECOVERY = 10 * MINUTE
# Rounds within which a new case is told: one, one that was lost, and one that was killed.
ROUNDS = 4

Spans = list[tuple[float, float]]


@frozen(kw_only=True)
class Told:
    """An event, as it was told for the first time."""

    at: float
    id: str
    kind: str
    case_id: str
    row: Row | None
    # By the names of the wire: the values before.
    before: dict[str, Any]
    fields: frozenset[str]


@mutable(kw_only=True)
class Judgement:
    """What is wrong, and what was counted."""

    faults: list[str] = field(factory=list)
    told: int = 0
    kinds: dict[str, int] = field(factory=lambda: defaultdict(int))
    again: int = 0
    checked: int = 0
    delays: dict[str, list[float]] = field(factory=lambda: defaultdict(list))

    def __str__(self) -> str:
        """Write the counts on a line, and the first faults below it."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        delays = ", ".join(
            f"{kind} {median(each):.0f} s (at most {max(each):.0f})"
            for kind, each in sorted(self.delays.items())
        )
        counts = (
            f"told {self.told} ({kinds}), {self.again} of them again;"
            f" {self.checked} states checked, {len(self.faults)} faults; told after: {delays}"
        )
        return "\n".join([counts, *self.faults[:20]])


def judge(life: Life, log: Path | None = None) -> Judgement:
    """Judge all that was told in a life, or that another log has."""
    found = Judgement()
    events, calm = list(_read(log or life.log, found)), _calm_spans(life.world)
    by_case: dict[str, list[Told]] = defaultdict(list)
    for event in events:
        by_case[event.case_id].append(event)
    _check_shape(life.world, by_case.pop("", []), events, found)
    for case_id, told in by_case.items():
        if case_id not in life.world.states:
            found.faults.append(f"{case_id} was told of, and never was")
            continue
        _Case(case_id, life, calm, found).check(told)
    for case_id in life.world.states.keys() - by_case.keys():
        _Case(case_id, life, calm, found).check([])
    return found


def _read(log: Path, found: Judgement) -> Iterator[Told]:
    """Yield each event once; what comes again must be the same, and not acknowledged."""
    seen: dict[str, dict[str, Any]] = {}
    acknowledged: set[str] = set()
    # By case, of the watcher that was at work.
    at_work: dict[str, str] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        record = _parse(line)
        if "error" in record:
            found.faults.append(f"{record['at']}: the watch ended: {record['error']}")
        if "begun" in record:
            at_work.clear()
        if "ack" in record:
            acknowledged.add(record["ack"])
            at_work = {case_id: each for case_id, each in at_work.items() if each != record["ack"]}
        if event := record.get("event"):
            found.told += 1
            if event["id"] in acknowledged:
                found.faults.append(f"{event['id']} was told again after it was acknowledged")
            if before := at_work.get(event["case_id"]):
                found.faults.append(f"{event['id']} was told before {before} was acknowledged")
            at_work[event["case_id"]] = event["id"]
            if event["id"] not in seen:
                seen[event["id"]] = event
                found.kinds[event["kind"]] += 1
                yield _told(event, record["at"])
                continue
            found.again += 1
            if event != seen[event["id"]]:
                found.faults.append(f"{event['id']} is another event when it comes again")


def _parse(line: str) -> dict[str, Any]:
    """Return a record; whoever was killed may have left half of one."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return record


def _told(event: dict[str, Any], at: float) -> Told:
    case = event.get("case")
    changes = {_wire(name): old for name, (old, _) in event.get("changes", {}).items()}
    row = {_wire(name): value for name, value in (case or {}).items()}
    return Told(
        at=at,
        id=event["id"],
        kind=event["kind"],
        case_id=event["case_id"],
        row=case and tuple(_plain(name, row.get(name)) for name in FIELDS),
        before={name: _plain(name, old) for name, old in changes.items()},
        fields=frozenset(changes),
    )


def _wire(name: str) -> str:
    return WIRE_NAMES.get(name, name)


def _plain(name: str, value: Any) -> Any:
    """Return a date as rows show it."""
    if name == "createdDate" and value:
        return str(datetime.fromisoformat(value).replace(tzinfo=None))
    # No list tells the two apart.
    return value or None


def _check_shape(world: World, shapes: list[Told], events: list[Told], found: Judgement) -> None:
    """Check that the new field is told once, and not case by case."""
    if world.shape_at is None:
        return
    names = [name for event in shapes for name in event.fields]
    if names.count(SHAPE_FIELD) != 1:
        found.faults.append(f"the new field was told {names.count(SHAPE_FIELD)} times: {names}")
    single = [event for event in events if event.case_id and event.fields == {SHAPE_FIELD}]
    if len(single) > max(len(world.states) // 20, 2):
        found.faults.append(f"the new field was told as {len(single)} changes of cases")


class _Case:
    """One case: its states, and what is told of it."""

    def __init__(self, case_id: str, life: Life, calm: Spans, found: Judgement) -> None:
        self._id = case_id
        self._life = life
        self._world = life.world
        self._states = life.world.states[case_id]
        self._found = found
        self._calm = calm
        self._killed = life.killed
        # The index of the state that each event told, and when.
        self._matched: list[tuple[float, int]] = []

    def check(self, told: list[Told]) -> None:
        """Check what was told of it, in its order, and what had to be."""
        last: Told | None = None
        for event in told:
            index = self._match(event)
            if index is None:
                self._fail(event.at, f"{event.kind} as {event.row}, which it was not")
            else:
                self._check_kind(event, last, index)
                self._matched.append((event.at, index))
            last = event
        for index in range(len(self._states)):
            self._check_state(index)

    def _match(self, event: Told) -> int | None:
        """Return the first state that this event can have told, after that of the one before."""
        after = self._matched[-1][1] if self._matched else -1
        row = None if event.kind == "deleted" else event.row
        for index in range(after + 1, len(self._states)):
            state = self._states[index]
            if state.at > event.at:
                break
            if state.row == row and self._ends(index) >= event.at - self._reading:
                return index
        # Fields that nobody watches here have changed, or the new one of all cases.
        if after >= 0 and self._states[after].row == row and not event.fields & _WATCHED:
            return after
        return None

    @property
    def _reading(self) -> float:
        return MAX_READING + 2 * self._life.watch.every

    def _check_kind(self, event: Told, last: Told | None, index: int) -> None:
        if event.kind == "created":
            is_new = last.kind == "deleted" if last else self._states[0].at > 0
            if not is_new and not self._was_forgotten(event.at):
                self._fail(event.at, f"created, though it was known: {event.row}")
        elif event.kind == "changed":
            self._check_chain(event, last, index)
        elif last and last.kind != "deleted" and last.row != event.row:
            self._fail(event.at, f"deleted as {event.row}, told before as {last.row}")

    def _check_chain(self, event: Told, last: Told | None, index: int) -> None:
        """Check that the values before are those that were told before, or that it had."""
        assert event.row
        old = tuple(
            event.before.get(name, value) for name, value in zip(FIELDS, event.row, strict=True)
        )
        if last and last.kind != "deleted":
            if old != last.row:
                self._fail(event.at, f"changed from {old}, told before as {last.row}")
        elif old not in [state.row for state in self._states[: index + 1]]:
            self._fail(event.at, f"changed from {old}, which it was not")

    def _check_state(self, index: int) -> None:
        """Check that this state was told last, once it has lasted for long enough."""
        state = self._states[index]
        due = self._due(index)
        if due is None:
            return
        self._found.checked += 1
        number = bisect_right([at for at, _ in self._matched], due)
        known = self._states[self._matched[number - 1][1]].row if number else self._silent(index)
        if known != state.row:
            self._fail(due, f"is {state.row} since {state.at:.0f}, and told as {known}")
        elif number and self._matched[number - 1][1] == index:
            self._found.delays[self._kind(index)].append(self._matched[number - 1][0] - state.at)

    def _silent(self, index: int) -> Row | None:
        """Return what is known of a case of which nothing was told."""
        row = self._states[index].row
        before = [state.row for state in self._states if state.at < BASELINE]
        if row in before:
            return row
        return before[-1] if before else None

    def _due(self, index: int) -> float | None:
        """Return when a state must have been told; None where it need not be."""
        state, bound = self._states[index], self._bound(index)
        for begin, end in self._calm:
            due = max(state.at, begin, BASELINE) + bound
            kills = bisect_right(self._killed, due) - bisect_left(self._killed, due - bound)
            due += self._life.watch.every * kills
            if due <= min(self._ends(index), end) and self._is_watched(index, due):
                return due
        return None

    def _bound(self, index: int) -> float:
        rounds = ROUNDS * self._life.watch.every
        if self._kind(index) == "new":
            return rounds
        return 1.25 * self._life.watch.period + 2 * rounds

    def _kind(self, index: int) -> str:
        """Return whether it is new, and dated so, or one of the other kinds of changes."""
        state = self._states[index]
        if state.row is None:
            return "deletion"
        if index or state.at == 0.0:
            return "change"
        is_dated_now = (state.row[-1] or "") >= str(self._world.wall(state.at - 4 * MINUTE))
        return "new" if is_dated_now else "dated in the past"

    def _is_watched(self, index: int, due: float) -> bool:
        """Return whether all dates that it had are well within the horizon."""
        oldest = str(self._world.wall(due - self._life.watch.lookback + HOUR))
        newest = str(self._world.wall(due + HOUR))
        rows = [state.row for state in self._states[: index + 1] if state.row]
        return all(oldest < (row[-1] or "") < newest for row in rows)

    def _was_forgotten(self, at: float) -> bool:
        oldest = str(self._world.wall(at - self._life.watch.lookback - DAY))
        return any(state.row and (state.row[-1] or "") < oldest for state in self._states)

    def _ends(self, index: int) -> float:
        is_last = index + 1 == len(self._states)
        return self._world.end if is_last else self._states[index + 1].at

    def _fail(self, at: float, text: str) -> None:
        self._found.faults.append(f"{at:.0f} {self._id}: {text}; was {_brief(self._states)}")


_WATCHED = frozenset(FIELDS)


def _calm_spans(world: World) -> Spans:
    """Return the spans in which nothing is wrong with the service."""
    spans, begin = [], 0.0
    for each in world.incidents:
        if each.kind not in HARMLESS:
            spans.append((begin, each.begin))
            # Until then rows are dated in the future.
            ahead = LONGEST_CLOCK_JUMP if each.kind == "service_ahead" else 0.0
            begin = max(begin, each.end + RECOVERY + ahead)
    return [span for span in [*spans, (begin, world.end)] if span[0] < span[1]]


def _brief(states: list[State]) -> str:
    return "; ".join(f"{state.at:.0f}: {state.row}" for state in states[-6:])
