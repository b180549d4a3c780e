"""Exports from a tenant that works against them: nothing is lost in silence, nothing is doubled."""
# ruff: noqa: S311  (repeatable draws are the point)

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from helpers.exports import SINCE, read_lines, set_bounds

from aicc_async import AICCClient, CaseQuery, ExportError, ExportReport, StaticToken, export_cases
from aicc_async._listing import divide
from aicc_async.emulator import Emulator, PageFault, Quirks
from aicc_async.export.manifest import WindowReport
from aicc_async.export.report.contradictions import find_contradictions

SECOND = timedelta(seconds=1)
CHUNKS, RUNS = 12, 30
# For a row that is announced.
MAX_REQUESTS = 20
PARTS = ("caseInfo", "caseTrace", "customerInfo", "isFollower", "tasks")
Move = Callable[["Adversary"], None]


@attrs.define(kw_only=True)
class Adversary:
    """Draws a tenant, a query and a script from a seed, and remembers what nobody touched."""

    seed: int
    draw: random.Random = attrs.field(init=False)
    tenant: Emulator = attrs.field(init=False)
    query: CaseQuery = attrs.field(init=False)
    max_rows: int = attrs.field(init=False)  # in a window of the plan
    moves: Sequence[Move] = ()
    pages: int = 0
    touched: set[str] = attrs.field(factory=set)
    versions: set[bytes] = attrs.field(factory=set)
    hot: list[str] = attrs.field(factory=list)
    span: timedelta = attrs.field(init=False)
    before: dict[str, str] = attrs.field(init=False)
    _often: float = attrs.field(init=False)
    _until: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        draw = self.draw = random.Random(self.seed)
        self.tenant = Emulator(
            cases=0,
            seed=self.seed,
            start_inclusive=draw.random() < 0.5,
            end_inclusive=draw.random() < 0.5,
            newest_first=draw.random() < 0.5,
            max_limit=draw.choice([1, 2, 3, 5, 8, 13] if self.moves else [2, 5, 13]),
            quirks=Quirks(order=draw.choice(["created"] * 3 + ["modified", "id"])),
        )
        self.span = draw.choice([20 * SECOND, timedelta(days=3), timedelta(days=90)])
        self.max_rows = draw.choice([4, 12, 40, 10_000])
        self._often = draw.choice([0.05, 0.2, 0.7]) if self.moves else 0.0
        self._until = draw.choice([10, 60, 10_000])  # pages, then it is quiet

    def fill(self) -> None:
        """Put rows in, many of them in the same seconds, and choose the range that is asked for."""
        self.hot = [self._moment() for _ in range(3)]
        for _ in range(self.draw.choice([0, 3, 30, 70])):
            self.insert()
        if Adversary.cap in self.moves:
            self.cap()
        self.touched.clear()
        self.before = {row["id"]: row["createdDate"] for row in self.tenant.rows()}
        end = SINCE + self.span
        self.query = self.draw.choice([
            CaseQuery(start_time=SINCE, end_time=end),
            CaseQuery(start_time=SINCE + self.span / 4, end_time=end - self.span / 4),
            CaseQuery(end_time=end),
        ])  # fmt: skip

    def on_page(self, _: Emulator, __: int) -> None:
        """Do something between two pages, now and then."""
        self.pages += 1
        while self.pages <= self._until and self.draw.random() < self._often:
            self.draw.choice(self.moves)(self)

    def insert(self) -> None:
        """Add a case."""
        self.touched.add(self.tenant.insert(createdDate=self._moment()))
        self._remember()

    def delete(self) -> None:
        """Take a case away."""
        if ids := self.tenant.ids():
            self.tenant.delete(self._touch(ids))

    def exchange(self) -> None:
        """Take a case away and add one: the total stays, and all between them shift by a row."""
        self.delete()
        self.insert()

    def move(self) -> None:
        """Give a case another date, or only modify it."""
        if ids := self.tenant.ids():
            self.tenant.move(self._touch(ids), self.draw.choice([self._moment(), None]))
            self._remember()

    def misplace(self) -> None:
        """Answer a page that is empty, repeated or the first one."""
        self.tenant.fail_page(self.draw.choice(list(PageFault)), skip=self.draw.randrange(3))

    def lie(self) -> None:
        """Announce too many or too few, or the truth again."""
        self._quirk(count_offset=self.draw.choice([0, 0, -50, -7, -1, 1, 7, 50]))

    def drift(self) -> None:
        """Announce another count at every request, or no longer."""
        if self.query.start_time:  # else its beginning is found in 1990, hundreds of windows ago
            self._quirk(count_drift=self.draw.choice([0, 0, -1, 1]))

    def ignore(self) -> None:
        """Ignore offsets, or no longer."""
        self._quirk(ignore_start=self.draw.random() < 0.5)

    def clamp(self) -> None:
        """Give other pages at most."""
        self.tenant.max_limit = self.draw.choice([1, 2, 3, 5, 8, 13])

    def shuffle(self) -> None:
        """Give rows of the same second, or all, in any order; or no longer."""
        self._quirk(order=self.draw.choice(["created", "shuffled_ties", "shuffled"]))

    def cap(self) -> None:
        """Give and count so many rows of a query at most, the same number for good."""
        self._quirk(max_count=[3, 12, 25, 50, None][self.seed % 5])

    def refuse(self) -> None:
        """Answer no deep offsets, or an empty page in their place; or answer them again."""
        deepest, too_deep = (
            self.draw.choice([2, 7, 30, None]),
            self.draw.choice(["refuse", "empty"]),
        )
        self._quirk(deepest_start=deepest, too_deep=too_deep)

    def untouched(self) -> dict[str, str]:
        """Return the cases of the range that nobody touched, and when they were created."""
        start, end = str(self.query.start_time or ""), str(self.query.end_time)
        return {
            row_id: date
            for row_id, date in self.before.items()
            if row_id not in self.touched and start <= date <= end
        }

    def is_between(self, date: str, start: str, end: str) -> bool:
        """Return whether the tenant counts a date to a range."""
        after = date >= start if self.tenant.start_inclusive else date > start
        return after and (date <= end if self.tenant.end_inclusive else date < end)

    def _moment(self) -> str:
        if self.hot and self.draw.random() < 0.6:
            return self.draw.choice(self.hot)
        return str(SINCE + self.draw.randrange(self.span // SECOND + 1) * SECOND)

    def _touch(self, ids: Sequence[str]) -> str:
        row_id = self.draw.choice(ids)
        self.touched.add(row_id)
        return row_id

    def _quirk(self, **changes: Any) -> None:
        self.tenant.quirks = attrs.evolve(self.tenant.quirks, **changes)

    def _remember(self) -> None:
        self.versions.update(msgspec.json.encode(row) for row in self.tenant.rows())


FAULTS: list[Move] = [Adversary.misplace, Adversary.clamp, Adversary.ignore]
KINDS: list[list[Move]] = [
    [Adversary.insert, Adversary.delete],
    [Adversary.exchange],
    [Adversary.move],
    [Adversary.lie, Adversary.drift],
    FAULTS,
    [*FAULTS, Adversary.shuffle],
    [*FAULTS, Adversary.insert, Adversary.delete, Adversary.exchange],
    [*FAULTS, Adversary.insert, Adversary.move],
    [*FAULTS, Adversary.delete, Adversary.move],
    [Adversary.lie, Adversary.drift, Adversary.ignore, Adversary.insert, Adversary.delete],
]
"""What works together against an export.

Not together are those that can make a wrong reading look right in every way, so that nobody could
see it: a row that moves (or a shuffled order) while as many others come as go, so that seams and
totals look as they did; and a total that lies by just as many rows as an empty page hides, a clamp
cuts off, or a move doubles.
"""


LIMITS: list[list[Move]] = [
    [Adversary.cap],
    [Adversary.refuse],
    [Adversary.cap, Adversary.refuse],
    [Adversary.cap, Adversary.insert],
    [Adversary.refuse, Adversary.insert, Adversary.delete],
    [Adversary.refuse, Adversary.exchange],
    [Adversary.refuse, *FAULTS],
    [Adversary.cap, Adversary.misplace, Adversary.clamp],
    [Adversary.cap, Adversary.refuse, Adversary.clamp, Adversary.insert],
]
"""Limits of what a query gives, alone and with others.

Not together with a cap are totals that lie, offsets that are ignored, and rows that go: as many as
a cap hid may be gone when the halves are counted, and nobody could see it.
"""


async def exported(
    adversary: Adversary, out: Path, patch: pytest.MonkeyPatch, *, detail: bool = False
) -> ExportReport:
    """Export from the adversary's tenant, with bounds so small that few rows reach them."""
    set_bounds(patch, adversary.max_rows)
    if Adversary.cap in adversary.moves:
        patch.setattr(divide, "MIN_CAP", 2)
    async with adversary.tenant as tenant:
        adversary.fill()
        tenant.on_page(adversary.on_page)
        auth, concurrency = StaticToken(tenant.token()), adversary.draw.choice([1, 2, 8])
        async with AICCClient(tenant.url, auth=auth, max_concurrency=concurrency) as aicc:
            return await export_cases(aicc, adversary.query, out, detail=detail)


def rows_of(out: Path) -> dict[str, bytes]:
    """Read a file's lines by their ids, each of which must be JSON, ended, and there once."""
    lines = read_lines(out)
    rows = {json.loads(line)["id"]: line for line in lines}
    assert len(rows) == len(lines)
    return rows


def is_in_doubt(report: ExportReport, date: str) -> bool:
    """Return whether the report says that a case of this date may be missing."""
    if report.whole and not report.whole.agrees:
        return True
    return any((doubt.start or "") <= date <= (doubt.end or "~") for doubt in report.unverified)


def without_parts(row: bytes) -> bytes:
    """Take the parts of a detail out of a row again."""
    fields = json.loads(row)
    return msgspec.json.encode({name: fields[name] for name in fields if name not in PARTS})


def check_file(adversary: Adversary, report: ExportReport, out: Path) -> None:
    """Check that what is in the file was in the tenant, and what is not is doubted."""
    rows = rows_of(out)
    if report.detail:
        rows = {row_id: without_parts(row) for row_id, row in rows.items()}
    missing = {row_id: date for row_id, date in adversary.untouched().items() if row_id not in rows}
    assert set(rows.values()) <= adversary.versions
    assert [row_id for row_id, date in missing.items() if not is_in_doubt(report, date)] == []


def check_figures(report: ExportReport, out: Path) -> None:
    """Check that the report agrees with the file."""
    rows, content = rows_of(out), out.read_bytes()
    days = Counter(json.loads(row)["createdDate"][:10] for row in rows.values())
    assert (report.rows, report.added, report.days) == (len(rows), len(rows), dict(days))
    assert report.size == len(content)
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert (report.in_target, find_contradictions(report)) == (len(rows), [])


def moved(time: str | None, step: timedelta) -> str:
    """Return the wall-clock time that is so much later."""
    assert time
    return str(datetime.fromisoformat(time) + step)


def check_windows(report: ExportReport) -> None:
    """Check that the windows cover the range and a second more, and that verdicts fit figures."""
    first, last = report.windows[0], report.windows[-1]
    assert report.start in (first.start and moved(first.start, SECOND), None)
    assert report.end == moved(last.end, -SECOND)
    for window, next_ in pairwise(report.windows):
        assert window.end
        assert next_.start
        assert datetime.fromisoformat(window.end) - datetime.fromisoformat(next_.start) >= SECOND
    assert all(map(fits_its_figures, report.windows))


def fits_its_figures(window: WindowReport) -> bool:
    """Return whether a window's verdict fits its figures."""
    agrees = window.announced == window.announced_last == window.distinct <= window.received
    once, several = agrees and window.readings == 1, agrees and window.readings > 1
    fits = {"verified": once, "repaired": several, "unverified": bool(window.reason), "open": False}
    return fits[window.verdict]


def check_requests(adversary: Adversary, report: ExportReport) -> None:
    """Check that the work was in proportion to what was announced, in a page each."""
    announced = sum(window.announced for window in report.windows)
    pages = announced + len(adversary.versions) + len(report.windows)
    assert report.requests <= MAX_REQUESTS * pages + 60  # those are for the beginning of it all


@pytest.mark.timeout(60)
@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_nothing_is_lost_in_silence(
    chunk: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each case that nobody touched is in the file or in doubt, and none is there twice."""
    for seed in range(chunk * RUNS, (chunk + 1) * RUNS):
        adversary = Adversary(seed=seed, moves=KINDS[seed % len(KINDS)])
        report = await exported(adversary, out, monkeypatch)
        check_file(adversary, report, out)
        check_figures(report, out)
        check_windows(report)
        check_requests(adversary, report)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("chunk", range(4))
async def test_limits_are_no_silence(
    chunk: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything lost in silence where totals are capped and depths refused: or it says so."""
    for seed in range(9000 + chunk * RUNS, 9000 + (chunk + 1) * RUNS):
        adversary = Adversary(seed=seed, moves=LIMITS[seed % len(LIMITS)])
        file, report = out.with_name(f"{seed}.jsonl"), None
        # It names the second that is too deep.
        with suppress(ExportError):
            report = await exported(adversary, file, monkeypatch)
        if report is None:
            assert Adversary.refuse in adversary.moves
            continue
        check_file(adversary, report, file)
        check_figures(report, file)
        check_windows(report)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("chunk", range(3))
async def test_details_change_nothing_of_that(
    chunk: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In detail as well; every case that is still there has its details, and only its own."""
    for seed in range(7000 + chunk * RUNS, 7000 + (chunk + 1) * RUNS):
        adversary = Adversary(seed=seed, moves=KINDS[seed % len(KINDS)])
        report = await exported(adversary, out, monkeypatch, detail=True)
        check_file(adversary, report, out)
        check_figures(report, out)
        check_windows(report)
        rows = {row_id: json.loads(row) for row_id, row in rows_of(out).items()}
        known = {row_id for row_id, row in rows.items() if "caseInfo" in row}
        assert known >= adversary.untouched().keys() & rows.keys()
        assert all(rows[row_id]["caseInfo"]["id"] == row_id for row_id in known)
        assert len(rows) - len(known) <= report.without_detail


@pytest.mark.parametrize("seed", range(5000, 5030))
async def test_a_quiet_tenant_is_proven(
    seed: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nobody at work every window is verified, and announces the cases that are in it."""
    adversary = Adversary(seed=seed)
    report = await exported(adversary, out, monkeypatch)
    assert report.verified
    assert rows_of(out).keys() == adversary.untouched().keys()
    for window in report.windows:
        inside = [
            date
            for date in adversary.before.values()
            if adversary.is_between(date, window.start or "", window.end or "~")
        ]
        assert (window.verdict, window.distinct) == ("verified", len(inside))


async def test_a_lie_while_planning_cuts_no_beginning_off(out: Path) -> None:
    """The first cases are found although the totals deny them until the plan is made."""

    def be_honest(tenant: Emulator, _: int) -> None:
        if json.loads(tenant.requests[-1].body)["limit"] > 1:  # rows are wanted: planning is over
            tenant.quirks = Quirks()

    rows = ["2024-03-01 12:00:00", "2024-09-01 12:00:00", *["2025-01-02 12:00:00"] * 5]
    async with Emulator(cases=0, quirks=Quirks(count_offset=-3)) as tenant:
        tenant.insert_many({"createdDate": date} for date in rows)
        tenant.on_page(be_honest)
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            report = await export_cases(aicc, CaseQuery(end_time=SINCE + timedelta(days=9)), out)
    assert len(rows_of(out)) == len(rows) or not report.verified


@pytest.mark.parametrize(
    "quirks",
    [Quirks(count_drift=n, count_offset=9000) for n in (-1, 0, 1)],
    ids=["shrinking", "steady", "growing"],
)
async def test_invented_totals_are_not_chased_to_the_last_second(quirks: Quirks, out: Path) -> None:
    """However many rows are announced where there are few, the export ends soon, in doubt."""
    async with Emulator(cases=0, quirks=quirks) as tenant:
        tenant.insert_many({"createdDate": f"2025-01-0{i} 12:00:00"} for i in range(1, 8))
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            month = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=31))
            report = await asyncio.wait_for(export_cases(aicc, month, out), 10)
    assert (report.verified, report.rows) == (False, 7)
    assert report.requests < 5 * 2 * 90  # readings, once halved, of the pages that were announced
