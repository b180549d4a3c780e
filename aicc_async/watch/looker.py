"""One look after another: what is asked, in which order, and what is noted of it.

The idea: each look reads the newest page, what cases are missing (``missing.py``), and counts what
is settled (``counts.py``). All rows are read again evenly over a period, since a change moves no
count. The invariant: what was there before the watch began is read first, and known silently;
nothing is forgotten that any clock has within the horizon.

What it cannot see: what changed and changed back between two readings of a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from msgspec.structs import replace

from .._api import MAX_FUTURE, CaseApi
from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.plan import max_rows_per_window, plan_windows
from .._listing.windows import SETTLE, Window
from .._listing.zones import SECOND, wall
from .._ratelimit.budget import request_priority
from ..errors import ApiError, NotFoundError
from .absorb import Outcome
from .bounds import find_bound, find_leaf, is_quiet, split, subtract, window_of
from .counts import Counts
from .keeper import Keeper, Turn
from .meta import Meta, describe_target, read_meta, write_meta
from .missing import MissingCases
from .pace import pages_due, rounds_per_period
from .reader import WindowReader
from .rows import parse_date, read_row, to_seconds
from .settings import Clock, WatchSettings
from .state import Look, WatchState

# The tail keeps room for what comes before it is cut anew, so that it stays one page.
TAIL_SHARE = 0.8
PAGES_PER_LEAF = 10
# Of a baseline: rows are kept window by window.
ROWS_PER_WINDOW = 2000
# An hour that a clock shows twice counts twice.
SPAN_MARGIN = timedelta(hours=3)
# Cases are known for so long behind the horizon: its begin moves, and is looked for nearby.
FORGET_MARGIN = 3600  # seconds
CASES_PER_COMMIT = 1000


class Looker:
    """Looks at the cases of a query, and keeps what it finds in a state."""

    def __init__(
        self, api: CaseApi, settings: WatchSettings, state: WatchState, clock: Clock
    ) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock
        self._span = (api.span - SPAN_MARGIN) // SECOND
        self._page = api.profile.page_size or MAX_ROWS_PER_PAGE
        self._keeper = Keeper(state, WindowReader(api, settings.query, self._later_time))
        self._counts = Counts(self._keeper, span=self._span)
        self._missing = MissingCases(api, self._keeper, settings.query, span=self._span)
        # Those of a baseline that are still to be read, by this process.
        self._baseline: list[Window] | None = None
        self._edge: int | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the next look should follow at once: the first reading of all is not done."""
        return self._baseline is None or bool(self._baseline)

    async def begin(self) -> None:
        """Find what the state is of, or note that the watch begins now."""
        target = describe_target(self._api, self._settings.query)
        noted = await self._keeper.state.meta()
        if noted is not None:
            self._keeper.meta = read_meta(noted, target)
        if self._api.service_time() is None:
            # Only the service's clock dates cases, and an answer tells it.
            now = self._later_time()
            with request_priority("worker"):
                await self._keeper.reader.count(Window(now, now))
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
            await self._keeper.state.commit(Look(meta=write_meta(meta)))
            self._keeper.meta = meta

    async def look(self, wanted: Iterable[str] = ()) -> None:
        """Look once: at the newest cases, at some that are wanted, and at a part of all others."""
        if not self._keeper.has_begun:
            await self.begin()
        turn = self._begin_turn()
        self._keeper.reader.begin_look()
        horizon = turn.early - self._lookback
        await self._cover(horizon)
        with request_priority("worker"):
            edge = await self._find_edge(horizon)
            # More than one window only while the clocks are weeks apart.
            for part in split((edge, turn.late + MAX_FUTURE // SECOND), self._span):
                await self._keeper.read(part)
            await self._read_each(wanted)
        with request_priority("bulk"):
            await self._read_baseline(horizon)
            if self.is_behind:
                return
            await self._missing.read_again()
            await self._counts.compare(horizon, edge)
            await self._read_again(horizon, edge)
            await self._missing.decide(horizon)
        await self._forget(horizon)

    async def look_at(self, wanted: Iterable[str]) -> None:
        """Look at some cases only."""
        if not self._keeper.has_begun:
            await self.begin()
        self._begin_turn()
        with request_priority("worker"):
            await self._read_each(wanted)

    # Clocks.

    def _begin_turn(self) -> Turn:
        clocks = [self._wall(each) for each in self._clocks()]
        turn = Turn(early=min(clocks), late=max(clocks), seen_at=self._clock.now().timestamp())
        self._keeper.turn = turn
        return turn

    def _clocks(self) -> list[datetime]:
        service = self._api.service_time()
        return [self._clock.now(), *([service] if service else [])]

    def _later_time(self) -> datetime:
        return wall(max(self._clocks()), self._api.zone)

    def _wall(self, moment: datetime) -> int:
        return to_seconds(wall(moment, self._api.zone))

    @property
    def _lookback(self) -> int:
        return self._settings.lookback // SECOND

    # What is read.

    async def _find_edge(self, horizon: int) -> int:
        """Return where the tail begins: it has what may be unsettled, and about a page of cases."""
        state, turn, room = self._keeper.state, self._keeper.turn, int(self._page * TAIL_SHARE)
        settled = turn.early - SETTLE // SECOND
        end = turn.late + MAX_FUTURE // SECOND
        if settled <= horizon:
            return horizon
        edge = self._edge
        if edge and horizon <= edge <= settled and end - edge < self._span:
            is_long = await state.count(edge, end) > self._page
            if not is_long and await is_quiet(state, edge):
                return edge
        earliest, back = max(horizon, end - self._span), 0
        step = SETTLE // SECOND
        while settled - step >= earliest and await state.count(settled - step, end) <= room:
            back, step = step, step * 2
        self._edge = await find_bound(state, settled - back, begin=earliest, end=settled + 1)
        return self._edge

    async def _read_each(self, wanted: Iterable[str]) -> None:
        """Read the seconds in which cases were created; of those not known by their details."""
        for case_id in wanted:
            known = await self._keeper.state.find([case_id])
            created = known[0].created if known else await self._find_created(case_id)
            if created is not None:
                await self._keeper.read((created, created + 1))

    async def _find_created(self, case_id: str) -> int | None:
        try:
            parts = await self._api.raw_detail(case_id)
        except ApiError as error:
            if type(error) in {ApiError, NotFoundError}:
                return None
            raise
        date = read_row(parts["caseInfo"]).get("createdDate") if "caseInfo" in parts else None
        created = parse_date(date) if isinstance(date, str) else None
        is_young = created is not None and created >= self._keeper.turn.early - self._lookback
        return created if is_young else None

    async def _read_baseline(self, horizon: int) -> None:
        """Read what was there before the watch began, for as long as a look may take."""
        if self._baseline is None:
            # The spans of which no reading was verified yet.
            spans = subtract(self._keeper.meta.unproven, (0, horizon))
            windows = [window_of(part) for span in spans for part in split(span, self._span)]
            count, limits = self._keeper.reader.count, self._keeper.reader.limits
            rows = min(ROWS_PER_WINDOW, max_rows_per_window(limits))
            planned = await plan_windows(
                windows, count, self._api.zone, max_rows=rows, span=self._api.span
            )
            self._baseline = [each.window for each in planned]
        until = self._clock.monotonic() + self._settings.every
        while self._baseline:
            await self._keeper.reader.read(self._baseline[0], self._keeper.use)
            del self._baseline[0]
            if self._clock.monotonic() > until:
                return

    async def _cover(self, horizon: int) -> None:
        """Take what the horizon has reached anew for what was there before."""
        meta = self._keeper.meta
        if horizon >= meta.covered:
            return
        unproven = [(horizon, meta.covered), *meta.unproven]
        await self._keeper.commit(
            Outcome.begin(replace(meta, covered=horizon, unproven=unproven), 0)
        )
        self._baseline = None

    async def _read_again(self, horizon: int, edge: int) -> None:
        """Read the next part of all rows, so that none is older than the period."""
        meta, state = self._keeper.meta, self._keeper.state
        if meta.rounds_left <= 0:
            rounds = rounds_per_period(self._settings.every, self._settings.period)
            meta = replace(meta, cursor=horizon, rounds_left=rounds)
        cursor = max(meta.cursor, horizon)
        pages = ceil(await state.count(cursor, edge) / self._page)
        due = pages_due(pages, meta.rounds_left) * self._page
        self._keeper.meta = replace(meta, cursor=cursor, rounds_left=meta.rounds_left - 1)
        while due > 0 and cursor < edge:
            rows = min(due, PAGES_PER_LEAF * self._page)
            span = await find_leaf(state, cursor, edge, rows=rows, span=self._span)
            cursor = span[1]
            # Noted with what comes of the reading.
            await self._keeper.read(span)
            self._keeper.meta = replace(self._keeper.meta, cursor=cursor)
            due -= rows
        await self._keeper.commit(Outcome.begin(self._keeper.meta, 0))

    async def _forget(self, horizon: int) -> None:
        """Forget what is behind the horizon."""
        # By all clocks: the service's may be known since this look alone.
        now = min(map(self._wall, self._clocks()))
        begins = [] if self._counts.begin is None else [self._counts.begin]
        before = min(horizon, now - self._lookback, *begins) - FORGET_MARGIN
        while seconds := await self._keeper.state.seconds(0, before, limit=CASES_PER_COMMIT):
            old = await self._keeper.state.cases(0, seconds[-1] + 1)
            covered = max(self._keeper.meta.covered, before)
            unproven = subtract(self._keeper.meta.unproven, (0, before))
            outcome = Outcome.begin(
                replace(self._keeper.meta, covered=covered, unproven=unproven), 0
            )
            outcome.forgotten = [each.id for each in old]
            await self._keeper.commit(outcome)
