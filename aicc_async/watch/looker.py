"""One look after another: what is asked, in which order, and what is noted of it.

The idea: each look reads the newest page, and counts what is settled by a request per window. Where
a count is not the number of known cases, halves are counted until few rows are left, and those are
read. All rows are read again evenly over a period, since a change moves no count.

The invariant: what came of a reading is one commit, rows and events together. A case is marked as
missing by a reading without a doubt that lacks it, and told as deleted only where a later one lacks
it too, and its detail says that there is no such case, while that of a control is there.

What it cannot see: what changed and changed back between two readings of a row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil

from attrs import Factory, define, evolve
from msgspec.structs import replace

from .._api import MAX_FUTURE, CaseApi
from .._listing.counting import NO_CASES
from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.plan import max_rows_per_window, plan_windows
from .._listing.run_all import run_all
from .._listing.windows import SETTLE, Window
from .._listing.zones import wall
from .._ratelimit.budget import request_priority
from ..errors import ApiError, NotFoundError
from ..export.existence import PROBE_ADVICE, find_existence
from ..models import CaseQuery
from .absorb import ListedRow, Outcome
from .bounds import (
    Span,
    cut,
    find_bound,
    find_leaf,
    is_in,
    is_quiet,
    split,
    subtract,
    window_of,
)
from .meta import Meta, describe_target, read_meta, write_meta
from .pace import pages_due, rounds_per_period
from .reader import Reading, WindowReader
from .rows import drop_nulls, parse_date, read_row, to_seconds, unpack
from .settings import Clock, WatchSettings
from .state import KnownCase, Look, WatchState

logger = logging.getLogger("aicc_async")
# The tail keeps room for what comes before it is cut anew, so that it stays one page.
TAIL_SHARE = 0.8
# Differences of counts are followed down to so many rows.
ROWS_PER_LEAF = 200
PAGES_PER_LEAF = 10
MIN_LEAF_SECONDS = 8
# Of a baseline: rows are kept window by window.
ROWS_PER_WINDOW = 2000
# An hour that a clock shows twice counts twice.
SPAN_MARGIN = timedelta(hours=3)
# Cases are known for so long behind the horizon: its begin moves, and is looked for nearby.
FORGET_MARGIN = 3600  # seconds
CASES_PER_COMMIT = 1000
# Cases among which one is looked for that is listed.
MAX_CONTROLS = 1000
# A case that stays in doubt is asked for in the next look, and later in so many at most.
MAX_LOOKS_BETWEEN = 120
TIME_UNIT = timedelta(seconds=1)


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
    again: dict[str, KnownCase] = Factory(dict)
    read: list[Span] = Factory(list)
    control: str | None = None


class Looker:
    """Looks at the cases of a query, and keeps what it finds in a state."""

    def __init__(
        self, api: CaseApi, settings: WatchSettings, state: WatchState, clock: Clock
    ) -> None:
        self._api = api
        self._settings = settings
        self._state = state
        self._clock = clock
        self._reader = WindowReader(api, settings.query, self._later_time)
        self._meta: Meta | None = None
        self._turn: Turn | None = None
        # Those of a baseline that are still to be read, by this process.
        self._baseline: list[Window] | None = None
        self._edge: int | None = None
        self._counted: list[Span] = []
        # A window's total and what was expected, where reading it explained nothing.
        self._unexplained: dict[Span, tuple[int, int]] = {}
        # Cases that a detail could not decide: in how many looks they are asked for again.
        self._undecided: dict[str, tuple[int, int]] = {}
        self._looks = 0
        self._warned: set[str] = set()
        self._span = (api.span - SPAN_MARGIN) // TIME_UNIT
        self._page = api.profile.page_size or MAX_ROWS_PER_PAGE

    @property
    def is_behind(self) -> bool:
        """Whether the next look should follow at once: the first reading of all is not done."""
        return self._baseline is None or bool(self._baseline)

    @property
    def meta(self) -> Meta:
        """What the watch noted for itself, once it has begun."""
        if self._meta is None:
            raise AssertionError("begin() comes first")
        return self._meta

    async def begin(self) -> None:
        """Find what the state is of, or note that the watch begins now."""
        target = describe_target(self._api, self._settings.query)
        noted = await self._state.meta()
        if noted is not None:
            self._meta = read_meta(noted, target)
        if self._api.service_time() is None:
            # Only the service's clock dates cases, and an answer tells it.
            now = self._later_time()
            await self._reader.count(Window(now, now))
        if noted is None:
            began = self._wall(self._api.service_time() or self._clock.now())
            begin = began - self._lookback
            meta = Meta(
                target=target,
                began=began,
                covered=begin,
                unproven=[(begin, began + 1)],
                cursor=begin,
            )
            await self._state.commit(Look(meta=write_meta(meta)))
            self._meta = meta

    async def look(self, wanted: Iterable[str] = ()) -> None:
        """Look once: at the newest cases, at some that are wanted, and at a part of all others."""
        if self._meta is None:
            await self.begin()
        turn = self._begin_turn()
        self._looks += 1
        self._reader.begin_look()
        horizon = turn.early - self._lookback
        await self._cover(horizon)
        with request_priority("worker"):
            edge = await self._find_edge(horizon)
            # More than one window only while the clocks are weeks apart.
            for part in split((edge, turn.late + MAX_FUTURE // TIME_UNIT), self._span):
                await self._read(part)
            await self._read_each(wanted)
        with request_priority("bulk"):
            await self._read_baseline(horizon)
            if self.is_behind:
                return
            await self._read_missing()
            await self._compare_counts(horizon, edge)
            await self._read_again(horizon, edge)
            await self._decide(horizon)
        await self._forget(horizon)

    async def look_at(self, wanted: Iterable[str]) -> None:
        """Look at some cases only."""
        if self._meta is None:
            await self.begin()
        self._begin_turn()
        with request_priority("worker"):
            await self._read_each(wanted)

    # Clocks.

    def _begin_turn(self) -> Turn:
        clocks = [self._wall(each) for each in self._clocks()]
        self._turn = Turn(
            early=min(clocks), late=max(clocks), seen_at=self._clock.now().timestamp()
        )
        return self._turn

    def _clocks(self) -> list[datetime]:
        service = self._api.service_time()
        return [self._clock.now(), *([service] if service else [])]

    def _later_time(self) -> datetime:
        return wall(max(self._clocks()), self._api.zone)

    def _wall(self, moment: datetime) -> int:
        return to_seconds(wall(moment, self._api.zone))

    @property
    def _lookback(self) -> int:
        return self._settings.lookback // TIME_UNIT

    # What is read.

    async def _find_edge(self, horizon: int) -> int:
        """Return where the tail begins: it has what may be unsettled, and about a page of cases."""
        state, turn, room = self._state, self._current, int(self._page * TAIL_SHARE)
        settled = turn.early - SETTLE // TIME_UNIT
        end = turn.late + MAX_FUTURE // TIME_UNIT
        if settled <= horizon:
            return horizon
        edge = self._edge
        if edge and horizon <= edge <= settled and end - edge < self._span:
            is_long = await state.count(edge, end) > self._page
            if not is_long and await is_quiet(state, edge):
                return edge
        earliest, back = max(horizon, end - self._span), 0
        step = SETTLE // TIME_UNIT
        while settled - step >= earliest and await state.count(settled - step, end) <= room:
            back, step = step, step * 2
        self._edge = await find_bound(state, settled - back, begin=earliest, end=settled + 1)
        return self._edge

    async def _read(self, span: Span) -> None:
        await self._reader.read(window_of(span), self._use)

    async def _read_each(self, wanted: Iterable[str]) -> None:
        """Read the seconds in which cases were created; of those not known by their details."""
        for case_id in wanted:
            known = await self._state.find([case_id])
            created = known[0].created if known else await self._find_created(case_id)
            if created is not None:
                await self._read((created, created + 1))

    async def _find_created(self, case_id: str) -> int | None:
        try:
            parts = await self._api.raw_detail(case_id)
        except ApiError as error:
            if type(error) in {ApiError, NotFoundError}:
                return None
            raise
        date = read_row(parts["caseInfo"]).get("createdDate") if "caseInfo" in parts else None
        created = parse_date(date) if isinstance(date, str) else None
        is_young = created is not None and created >= self._current.early - self._lookback
        return created if is_young else None

    async def _read_baseline(self, horizon: int) -> None:
        """Read what was there before the watch began, for as long as a look may take."""
        if self._baseline is None:
            self._baseline = await self._plan_baseline(horizon)
        until = self._clock.monotonic() + self._settings.every
        while self._baseline:
            await self._reader.read(self._baseline[0], self._use)
            del self._baseline[0]
            if self._clock.monotonic() > until:
                return

    async def _cover(self, horizon: int) -> None:
        """Take what the horizon has reached anew for what was there before."""
        meta = self.meta
        if horizon >= meta.covered:
            return
        unproven = [(horizon, meta.covered), *meta.unproven]
        await self._commit(Outcome.begin(replace(meta, covered=horizon, unproven=unproven), 0))
        self._baseline = None

    async def _plan_baseline(self, horizon: int) -> list[Window]:
        """Return windows of the spans of which no reading was verified yet."""
        spans = subtract(self.meta.unproven, (0, horizon))
        parts = [part for span in spans for part in split(span, self._span)]
        rows = min(ROWS_PER_WINDOW, max_rows_per_window(self._reader.limits))
        windows = [window_of(part) for part in parts]
        planned = await plan_windows(
            windows, self._reader.count, self._api.zone, max_rows=rows, span=self._api.span
        )
        return [each.window for each in planned]

    async def _read_missing(self) -> None:
        """Read again where cases were missing in an earlier look, a few at a time."""
        due = [
            each
            for each in await self._state.missing()
            if each.id not in self._current.marked
            and self._is_due(each)
            and not is_in(self._current.read, each.created)
        ]
        while due:
            begin = due[0].created
            latest = (begin, begin + self._span)
            span = await find_leaf(self._state, *latest, rows=ROWS_PER_LEAF, span=self._span)
            inside = [each.created for each in due if each.created < span[1]]
            await self._read((begin, inside[-1] + 1))
            due = due[len(inside) :]

    async def _compare_counts(self, horizon: int, edge: int) -> None:
        """Count what is settled, and read where a total is not what is expected."""
        self._counted = await self._plan_counts(horizon, edge)
        totals = await run_all(self._reader.count(window_of(each)) for each in self._counted)
        expected = [await self._state.count(*span) for span in self._counted]
        if totals != expected and await self._reader.count(NO_CASES):
            self._warn("totals", "a time without cases is announced with some: no total is used")
            return
        for span, total in zip(self._counted, totals, strict=True):
            await self._compare(span, total)
        kept = self._unexplained.keys() & set(self._counted)
        self._unexplained = {span: self._unexplained[span] for span in kept}

    async def _plan_counts(self, horizon: int, edge: int) -> list[Span]:
        """Return the windows to count: those of the last look, as far as they still do."""
        rows = max_rows_per_window(self._reader.limits)
        begin = self._counted[0][0] if self._counted else 0
        # The first bound stays for as long as cases behind the horizon are known.
        if not horizon - FORGET_MARGIN // 2 <= begin < edge:
            begin = await find_bound(self._state, horizon, begin=horizon, end=max(edge, horizon))
        inner = [end for _, end in self._counted[:-1] if begin < end < edge]
        inner = [each for each in inner if await is_quiet(self._state, each)]
        spans = [each for each in pairwise([begin, *inner, edge]) if each[0] < each[1]]
        return [
            part
            for span in spans
            for part in await cut(self._state, span, rows=rows, seconds=self._span)
        ]

    async def _compare(self, span: Span, total: int) -> bool:
        """Look for what explains a total; return whether it was another than expected."""
        expected = await self._state.count(*span)
        if total == expected:
            self._unexplained.pop(span, None)
            return False
        if self._unexplained.get(span) == (total, expected):
            return True
        if max(total, expected) <= ROWS_PER_LEAF or span[1] - span[0] < MIN_LEAF_SECONDS:
            await self._read(span)
        else:
            await self._compare_halves(span, total)
        left = await self._state.count(*span)
        if left != total:
            self._unexplained[span] = (total, left)
        return True

    async def _compare_halves(self, span: Span, total: int) -> None:
        middle = await find_bound(self._state, sum(span) // 2, begin=span[0] + 1, end=span[1])
        halves = [(span[0], middle), (middle, span[1])]
        totals = await run_all(self._reader.count(window_of(half)) for half in halves)
        if total < min(sum(totals), await self._state.count(*span)):
            await self._learn_cap(span, total, found=sum(totals), middle=middle)
        for half, found in zip(halves, totals, strict=True):
            await self._compare(half, found)

    async def _learn_cap(self, span: Span, total: int, *, found: int, middle: int) -> None:
        """Take a total for a cap where halves have more than it, and it is the same again."""
        shared = await self._reader.count(window_of((middle, middle)))
        if found - shared > total == await self._reader.count(window_of(span)):
            self._reader.limits.learn_cap(total)

    async def _read_again(self, horizon: int, edge: int) -> None:
        """Read the next part of all rows, so that none is older than the period."""
        meta, state = self.meta, self._state
        if meta.rounds_left <= 0:
            rounds = rounds_per_period(self._settings.every, self._settings.period)
            meta = replace(meta, cursor=horizon, rounds_left=rounds)
        cursor = max(meta.cursor, horizon)
        pages = ceil(await state.count(cursor, edge) / self._page)
        due = pages_due(pages, meta.rounds_left) * self._page
        self._meta = replace(meta, cursor=cursor, rounds_left=meta.rounds_left - 1)
        while due > 0 and cursor < edge:
            rows = min(due, PAGES_PER_LEAF * self._page)
            span = await find_leaf(state, cursor, edge, rows=rows, span=self._span)
            cursor = span[1]
            # Noted with what comes of the reading.
            await self._read(span)
            self._meta = replace(self.meta, cursor=cursor)
            due -= rows
        await self._commit(Outcome.begin(self.meta, 0))

    async def _forget(self, horizon: int) -> None:
        """Forget what is behind the horizon."""
        before = min(horizon, *(begin for begin, _ in self._counted)) - FORGET_MARGIN
        while seconds := await self._state.seconds(0, before, limit=CASES_PER_COMMIT):
            old = await self._state.cases(0, seconds[-1] + 1)
            covered = max(self.meta.covered, before)
            unproven = subtract(self.meta.unproven, (0, before))
            outcome = Outcome.begin(replace(self.meta, covered=covered, unproven=unproven), 0)
            outcome.forgotten = [each.id for each in old]
            await self._commit(outcome)

    # What comes of it.

    async def _use(self, reading: Reading) -> None:
        """Compare a reading with what is known, and keep what comes of it."""
        turn, span = self._current, reading.span
        inside = await self._state.cases(*span) if reading.doubt is None else []
        known = {each.id: each for each in inside}
        others = [case_id for case_id in reading.rows if case_id not in known]
        known |= {each.id: each for each in await self._state.find(others)}
        outcome = Outcome.begin(self.meta, turn.seen_at)
        outcome.absorb(reading.rows.values(), known)
        missing = [each for each in inside if each.id not in reading.rows]
        if reading.doubt is None:
            turn.read.append(span)
            unproven = subtract(outcome.meta.unproven, span)
            outcome.meta = replace(outcome.meta, unproven=unproven)
            outcome.known += self._mark(missing)
        await self._commit(outcome)
        turn.control = next(iter(reading.rows), turn.control)
        again = (each for each in missing if each.missing_at is not None)
        turn.again |= {each.id: each for each in again if each.id not in turn.marked}

    def _mark(self, missing: Iterable[KnownCase]) -> list[KnownCase]:
        """Return the cases that were not missing before, marked."""
        new = [each for each in missing if each.missing_at is None]
        self._current.marked.update(each.id for each in new)
        return [evolve(each, missing_at=self._current.seen_at) for each in new]

    async def _decide(self, horizon: int) -> None:
        """Ask for cases that were missing twice: only who has no detail either is deleted."""
        due = {name: case for name, case in self._current.again.items() if self._is_due(case)}
        control = await self._find_control(horizon) if due else None
        if control is None:
            return
        found = await find_existence(self._api, list(due), control=control)
        outcome = Outcome.begin(self.meta, self._current.seen_at)
        gone = found.having("gone") if found.is_trusted else []
        for case_id in gone:
            outcome.tell_deleted(due[case_id])
        await self._commit(outcome)
        there = found.having("there")
        for case_id in there:
            await self._keep_unlisted(due[case_id])
        if found.having("unknown"):
            self._warn("unknown", f"cases are missing: {PROBE_ADVICE}")
        self._note_undecided(due.keys(), decided={*gone, *there})

    def _is_due(self, case: KnownCase) -> bool:
        return self._undecided.get(case.id, (0, 0))[0] <= self._looks

    def _note_undecided(self, ids: Iterable[str], *, decided: AbstractSet[str]) -> None:
        """Ask for what stays in doubt less often each time."""
        for case_id in ids:
            if case_id in decided:
                self._undecided.pop(case_id, None)
                continue
            _, wait = self._undecided.get(case_id, (0, 1))
            self._undecided[case_id] = self._looks + wait, min(wait * 2, MAX_LOOKS_BETWEEN)

    async def _find_control(self, horizon: int) -> str | None:
        """Return a case that is listed, by this look or by one more reading; None: none is."""
        turn = self._current
        if turn.control is None:
            missing = {each.created for each in await self._state.missing()}
            known = await self._state.seconds(horizon, turn.late, limit=MAX_CONTROLS)
            for second in [each for each in known if each not in missing][:1]:
                await self._read((second, second + 1))
        return turn.control

    async def _keep_unlisted(self, case: KnownCase) -> None:
        """Tell what has changed of a case that is there and not listed where it was.

        Under filters it does not match any more: it is forgotten then.
        """
        try:
            parts = await self._api.raw_detail(case.id)
        except NotFoundError:
            # It went at this very moment: the next look finds that.
            return
        before = unpack(case.row)
        detail = read_row(parts["caseInfo"]) if "caseInfo" in parts else {}
        # A detail has fields that no row has: they say nothing of a change.
        row = drop_nulls(before | {name: detail[name] for name in before if name in detail})
        date = row.get("createdDate")
        created = parse_date(date) if isinstance(date, str) else None
        listed = ListedRow(
            case.id, case.created if created is None else created, frozenset(before), row
        )
        outcome = Outcome.begin(self.meta, self._current.seen_at)
        outcome.absorb([listed], {case.id: case})
        if self._settings.query != CaseQuery():
            outcome.known, outcome.forgotten = [], [case.id]
        await self._commit(outcome)

    async def _commit(self, outcome: Outcome) -> None:
        """Keep what came of a reading, and the notes."""
        await self._state.commit(
            Look(
                known=outcome.known,
                forgotten=outcome.forgotten,
                events=outcome.events,
                meta=write_meta(outcome.meta),
            )
        )
        self._meta = outcome.meta

    def _warn(self, what: str, text: str) -> None:
        """Log a warning, once for what it is about."""
        if what not in self._warned:
            self._warned.add(what)
            logger.warning("%s", text)

    @property
    def _current(self) -> Turn:
        if self._turn is None:
            raise AssertionError("look() comes first")
        return self._turn
