"""A tenant whose cases live in simulated time, and the record of what each one was, and when.

The idea: whoever waits moves the time on, and all that happens until then happens at once, in its
order. What is recorded is what the list can show: a state is the watched fields of a row, or None
while the case is not there. Times are seconds since the simulation began.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import evolve, field, frozen, mutable

from aicc_async.emulator import Emulator, Quirks
from helpers.week_incidents import SERVICE_INCIDENTS

START = datetime(2025, 3, 3, tzinfo=UTC)
# The tenant's wall clock, as texts on the wire have it.
WALL_START = datetime(2025, 3, 3, 8)  # noqa: DTZ001  (wall-clock time)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FIELDS = ("title", "priority", "status", "ownerId", "createdDate")
SHAPE_FIELD = "AICC__new__CST"
PRIORITIES = ("High", "Medium", "Low", "Critical")
# How often each thing happens, relative to each other.
WEIGHTS = {
    "create": 30,
    "create_late": 4,
    "create_in_the_past": 2,
    "change": 45,
    "flip_and_back": 3,
    "move_date": 2,
    "delete": 8,
    "delete_and_return": 2,
}
# Of cases and clocks; see ``week_incidents`` for those of the service.
OTHER_INCIDENTS = (
    "moving",
    "bulk_import",
    "purge",
    "service_ahead",
    "service_behind",
    "watcher_ahead",
    "watcher_behind",
)
INCIDENTS = (*SERVICE_INCIDENTS, *OTHER_INCIDENTS)
# What happens to single cases or clocks, and leaves every reading right.
HARMLESS = {"bulk_import", "purge", "watcher_ahead", "watcher_behind"}
# Of the service: rows are dated in the future for so long.
LONGEST_CLOCK_JUMP = 3 * HOUR

Row = tuple[str | None, ...]


@frozen
class State:
    """What a case is from a time on: its watched fields, or None while it is not there."""

    at: float
    row: Row | None


@frozen
class Incident:
    """Something that is wrong for a while."""

    kind: str
    begin: float
    end: float


@mutable(kw_only=True, eq=False)
class World:
    """The cases of a tenant, what happens to them until ``end``, and what was recorded."""

    tenant: Emulator
    seed: int
    end: float
    # Without incidents at the end, so that all that happened can be noticed.
    calm: float
    incident_gap: float
    # How many changes there are per case of the beginning, and day.
    rate: float
    lookback: float
    states: dict[str, list[State]] = field(factory=lambda: defaultdict(list), init=False)
    incidents: list[Incident] = field(factory=list, init=False)
    happened: Counter[str] = field(factory=Counter, init=False)
    now: float = field(default=0.0, init=False)
    # When all cases got the new field.
    shape_at: float | None = field(default=None, init=False)
    # By how much their clocks are ahead, in seconds.
    watcher_ahead: float = field(default=0.0, init=False)
    service_ahead: float = field(default=0.0, init=False)
    _draw: random.Random = field(init=False)
    # Seconds from one change to the next, on average.
    _gap: float = field(init=False)
    _alive: list[str] = field(factory=list, init=False)
    _agenda: list[tuple[float, int, Callable[[], object]]] = field(factory=list, init=False)
    _numbers: itertools.count[int] = field(factory=itertools.count, init=False)
    # Pages are answered in the tenant's thread, and cases change with them.
    _lock: threading.RLock = field(factory=threading.RLock, init=False)

    def __attrs_post_init__(self) -> None:
        self._draw = random.Random(self.seed)  # noqa: S311  (the same life every time)
        for row in self.tenant.rows():
            # No list tells an empty text from none.
            self.states[row["id"]] = [State(0.0, tuple(row[name] or None for name in FIELDS))]
            self._alive.append(row["id"])
        self._gap = DAY / (self.rate * max(len(self._alive), 1))
        self._plan(self._draw.expovariate(1 / self._gap), self._live)
        self._plan_incidents()
        self._plan(self.end * 0.6, self._change_shape)
        self._set_clock()

    def advance(self, to: float) -> None:
        """Do all that happens until then."""
        with self._lock:
            while self._agenda and self._agenda[0][0] <= to:
                at, _, action = heapq.heappop(self._agenda)
                self.now = at
                action()
            self.now = to
            self._set_clock()

    def on_page(self) -> None:
        """Change cases while they are read, where that is the incident of the hour."""
        with self._lock:
            if self._incident() == "moving" and self._draw.random() < 1 / 2:
                self._happen()

    def wall(self, at: float) -> datetime:
        """Return what the tenant's clock shows at a time, were it right."""
        return WALL_START + timedelta(seconds=int(at))

    # ---- what happens to cases ----------------------------------------------------------------

    def _live(self) -> None:
        self._happen()
        self._plan(self.now + self._draw.expovariate(1 / self._gap), self._live)

    def _happen(self) -> None:
        [kind] = self._draw.choices(list(WEIGHTS), list(WEIGHTS.values()))
        self.happened[kind] += 1
        getattr(self, f"_{kind}")()

    def _create(self, created: float | None = None) -> None:
        date = self.now + self.service_ahead if created is None else created
        self._insert(
            {
                "title": self._title(),
                "priority": self._draw.choice(PRIORITIES),
                "createdDate": str(self.wall(date)),
            }
        )

    def _create_late(self) -> None:
        date = self.now + self.service_ahead
        self._plan(self.now + self._draw.uniform(1, 4 * MINUTE), lambda: self._create(date))

    def _create_in_the_past(self) -> None:
        self._create(self.now - self._draw.uniform(10 * MINUTE, self.lookback - DAY))

    def _change(self) -> None:
        if case_id := self._pick():
            change = self._draw.choice(("title", "status", "ownerId"))
            self._write(case_id, {change: self._title()})

    def _flip_and_back(self) -> None:
        if case_id := self._pick():
            before = self.states[case_id][-1].row
            assert before
            old = before[FIELDS.index("priority")]
            new = self._draw.choice([each for each in PRIORITIES if each != old])
            self._write(case_id, {"priority": new})
            later = self.now + self._draw.uniform(1, 3 * HOUR)
            self._plan(later, lambda: self._write(case_id, {"priority": old}))

    def _move_date(self) -> None:
        if case_id := self._pick():
            date = self.now - self._draw.uniform(0, self.lookback - DAY)
            self._write(case_id, {"createdDate": str(self.wall(date))})

    def _delete(self) -> str | None:
        if case_id := self._pick():
            self.tenant.delete(case_id)
            self._note(case_id, None)
            self._alive.remove(case_id)
        return case_id

    def _delete_and_return(self) -> None:
        if case_id := self._delete():
            fields = dict(zip(FIELDS, self.states[case_id][-2].row or (), strict=True))
            later = self.now + self._draw.uniform(1, 6 * HOUR)
            self._plan(later, lambda: self._insert(fields | {"id": case_id}))

    def _insert(self, fields: dict[str, str | None]) -> None:
        shape = {SHAPE_FIELD: "x"} if self.shape_at is not None else {}
        # What is not given would be invented, and is to be known here.
        case_id = self.tenant.insert(**({"status": "New", "ownerId": "o0"} | fields | shape))
        whole = {"status": "New", "ownerId": "o0"} | fields
        self._note(case_id, tuple(whole[name] for name in FIELDS))
        self._alive.append(case_id)

    def _write(self, case_id: str, fields: dict[str, str | None]) -> None:
        row = self.states[case_id][-1].row
        # It may be deleted by now.
        if row is not None:
            self.tenant.change(case_id, **fields)
            whole = dict(zip(FIELDS, row, strict=True)) | fields
            self._note(case_id, tuple(whole[name] for name in FIELDS))

    def _note(self, case_id: str, row: Row | None) -> None:
        self.states[case_id].append(State(self.now, row))

    def _title(self) -> str:
        return f"t{next(self._numbers)}"

    def _pick(self) -> str | None:
        """Return a case that is there, and young enough to be watched."""
        oldest = str(self.wall(self.now - self.lookback + 12 * HOUR))
        while self._alive:
            number = self._draw.randrange(len(self._alive))
            case_id = self._alive[number]
            row = self.states[case_id][-1].row
            if row and (row[-1] or "") > oldest:
                return case_id
            self._alive[number] = self._alive[-1]
            self._alive.pop()
        return None

    def _change_shape(self) -> None:
        for row in self.tenant.rows():
            self.tenant.change(row["id"], **{SHAPE_FIELD: "x"})
        self.shape_at = self.now

    # ---- what goes wrong ----------------------------------------------------------------------

    def _plan_incidents(self) -> None:
        at, kinds = 2 * HOUR, list[str]()
        while True:
            at += self.incident_gap * self._draw.uniform(0.8, 1.6)
            kinds = kinds or self._draw.sample(INCIDENTS, len(INCIDENTS))
            incident = Incident(kinds.pop(), at, at + self._draw.uniform(2 * MINUTE, HOUR))
            if incident.end > self.end - self.calm:
                return
            self.incidents.append(incident)
            self._plan(incident.begin, lambda kind=incident.kind: self._begin(kind))  # type: ignore[misc]
            self._plan(incident.end, self._end)
            at = incident.end

    def _incident(self) -> str | None:
        for each in self.incidents:
            if each.begin <= self.now < each.end:
                return each.kind
        return None

    def _begin(self, kind: str) -> None:
        self.happened[kind] += 1
        if begin := SERVICE_INCIDENTS.get(kind):
            begin(self.tenant, self._draw)
        else:
            getattr(self, f"_{kind}")()

    def _end(self) -> None:
        self.tenant.clear_faults()
        self.tenant.quirks = Quirks()
        self.service_ahead = self.watcher_ahead = 0.0

    def _moving(self) -> None:
        """Begin to change cases while they are read, which ``on_page`` does."""

    def _bulk_import(self) -> None:
        """Create many cases within three seconds."""
        date = self.now - self._draw.choice([0.0, self._draw.uniform(0, DAY)])
        for _ in range(self._draw.randint(20, 250)):
            self._create(date + self._draw.randint(0, 2))

    def _purge(self) -> None:
        """Delete many cases at once."""
        for _ in range(20):
            self._delete()

    def _service_ahead(self) -> None:
        self.service_ahead = self._draw.uniform(MINUTE, LONGEST_CLOCK_JUMP)

    def _service_behind(self) -> None:
        self.service_ahead = -self._draw.uniform(MINUTE, LONGEST_CLOCK_JUMP)

    def _watcher_ahead(self) -> None:
        # As much as a month: a watch that trusts it would forget all.
        self.watcher_ahead = self._draw.choice([self._draw.uniform(MINUTE, DAY), 40 * DAY])

    def _watcher_behind(self) -> None:
        self.watcher_ahead = -self._draw.uniform(MINUTE, 20 * HOUR)

    def _plan(self, at: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), action))

    def _set_clock(self) -> None:
        shown = START.timestamp() + self.now + self.service_ahead
        self.tenant.quirks = evolve(self.tenant.quirks, date_ahead=shown - time.time())
