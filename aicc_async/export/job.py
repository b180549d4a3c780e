"""The export: plan, read, verify, write, and say what was done."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from attrs import evolve

from .._api import CaseApi, HasCaseApi
from .._files import replace
from .._listing.windows import Window
from .._listing.zones import SECOND, wall
from ..errors import ApiError, ExportError
from ..models import CaseQuery
from . import manifest
from .checkpoint import BUFFER, Spool, text
from .dedupe import without_doubles
from .export_range import compare_whole, count_whole, is_refusal
from .fingerprint import check_same, header_of, last_end
from .manifest import ExportReport, WholeCount
from .plan import MOST, Planned, both, first_day, most_rows, plan, together
from .progress import Progress
from .run_stats import Totals
from .sinks.registry import Target, target_of
from .sinks.sink import in_batches
from .window_reader import in_thread, read_windows

SETTLE = timedelta(minutes=5)
DETAILED = 1000  # rows in a window whose details are wanted: so many requests a kill may cost

Show = Callable[[Progress], None]


async def export_cases(
    aicc: HasCaseApi,
    query: CaseQuery | None,
    target: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  (what users call it)
    detail: bool = False,
    raw_cells: bool = False,
    since_last: timedelta | None = None,
    settle: timedelta = SETTLE,
    restart: bool = False,
    on_progress: Show | None = None,
) -> ExportReport:
    """Write all cases that match into a file or a database, and prove that they are all there.

    ``target`` is a path (``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.csv``, ``.parquet``,
    ``.sqlite``, ``.db``) or a ``postgresql://`` URL; ``format`` names what its suffix doesn't say.
    Each case stands once, oldest window first. A file appears when it is whole, with a manifest
    beside it; a database changes in one transaction.

    Every window is checked against what the service announced, and read again, then in halves,
    when it disagrees. What never agrees is written all the same: look at ``report.verified`` and
    ``report.unverified``. A window that ended less than ``settle`` before it was read is open.

    Progress is durable in a hidden folder beside the target: the same call goes on where an
    earlier one ended, however it did. ``restart`` throws that away. ``since_last`` goes on from
    where the last whole run into this target ended, less so much time: tables are brought up to
    date, files get the new cases only, with a RuntimeWarning that says so. ``raw_cells`` leaves
    cells of a CSV as they are, also those that a spreadsheet would run. ``on_progress`` is called
    after every page, in detail after every row, and must be quick.

    With ``detail`` each row gets the parts of its case's detail (document 004) that it has not
    itself, as the service wrote them: ``caseInfo``, ``caseTrace``, ``customerInfo``, ``tasks``,
    ``isFollower``; where extension fields go, so as JSON in formats that are no JSON. That is a
    request for each case. Row and details are of different moments: up to a thousand requests lie
    between them, more where more cases share a second. A case that the service no longer knows by
    then (deleted meanwhile) keeps its row without them, and is counted in
    ``report.without_detail``; look at it: a tenant that refuses all details with a code of its own
    looks the same.

    Raises ConfigError when the target can't be made or holds an unfinished export of something
    else, ExportError when it can't be written, else what the client raises; all of it can be gone
    on with.
    """
    api, query = aicc.api, query or CaseQuery()
    found = target_of(fspath(target), api.zone, name=format, raw_cells=raw_cells)
    newest = await in_thread(found.last) if found.last else None  # one that can't be reached, now
    if since_last is not None:
        start = last_end(api, query, found, newest=newest, back=since_last, detail=detail)
        query = evolve(query, start_time=start)
        if start and not found.sink.upserts:
            warnings.warn(
                f"{found.name}: new cases are added; changes of older ones are not seen",
                RuntimeWarning,
                stacklevel=2,
            )
    with _spool(found, restart=restart) as spool:
        job = _Job(
            api,
            query,
            found,
            spool=spool,
            keep=since_last is not None,
            detail=detail,
            show=on_progress,
        )
        return await job.run(settle)


@contextmanager
def _spool(target: Target, *, restart: bool) -> Iterator[Spool]:
    spool = Spool.open(target.spool, restart=restart)
    try:
        yield spool
    except BaseException:
        if "header" in spool.notes():
            spool.close()
        else:  # nothing was read that a later run could go on with
            spool.remove()
        raise
    spool.remove()


class _Job:
    """One run of an export."""

    def __init__(
        self,
        api: CaseApi,
        query: CaseQuery,
        target: Target,
        *,
        spool: Spool,
        keep: bool,
        detail: bool,
        show: Show | None,
    ) -> None:
        self._api = api
        self._query = query
        self._target = target
        self._spool = spool
        self._keep = keep
        self._detail = detail
        self._show = show or _nobody
        self._fetch = api.dated_pages(query)
        self._notes = spool.notes()
        self._totals = Totals(api.stats, self._notes)
        self._progress = Progress()

    async def run(self, settle: timedelta) -> ExportReport:
        """Do all of it; whatever ends it early, what it asked for is counted."""
        try:
            return await self._run(settle)
        except BaseException:
            with suppress(ExportError):  # the disk, which may be why it ended
                self._spool.note(**self._totals.notes())
            raise

    async def _run(self, settle: timedelta) -> ExportReport:
        self._show(self._progress)
        header = header_of(
            self._api, self._query, self._target, keep=self._keep, detail=self._detail
        )
        if "header" in self._notes:
            check_same(self._target, self._notes["header"], header)
            self._spool.note(runs=self._notes["runs"] + 1)
        else:
            await self._plan(header, settle)
        self._notes = self._spool.notes()
        self._begin()
        sha256: str | None
        sha256, is_distinct = await read_windows(
            self._api,
            self._fetch,
            self._spool,
            totals=self._totals,
            settle=settle,
            detail=self._detail,
            show=self._advance,
        )
        rows, days = self._spool.rows, self._spool.days()
        if not is_distinct:
            rows, days = await in_thread(lambda: without_doubles(self._spool))
        whole = await self._whole(days.total())
        added = await self._write(rows, days.total())
        if rows != self._spool.rows or not self._as_it_is:
            file = self._target.file
            sha256 = await in_thread(lambda: _digest(file)) if file else None
        report = self._report(days, added=added, whole=whole, sha256=sha256)
        manifest.save(report, self._target.manifest)
        return report

    async def _plan(self, header: dict[str, Any], settle: timedelta) -> None:
        """Freeze the range, and cut it by what the service announces."""
        zone = self._api.zone
        now = wall(datetime.now(zone), zone)
        asked = self._api.windows(self._query)
        start, end = asked[0].start, asked[-1].end or now
        whole, windows = await both(  # each takes the time of a few answers
            count_whole(self._count, start, end), self._windows(start, end, now - settle)
        )
        self._spool.plan(
            windows,
            header=header,
            start=text(start),
            end=text(end),
            began=_utc(),
            whole=whole,
            runs=1,
            **self._totals.notes(),
        )

    async def _windows(
        self, start: datetime | None, end: datetime, settled: datetime
    ) -> list[Planned]:
        api = self._api
        most = min(most_rows(api.profile), DETAILED if self._detail else MOST)
        parts = await self._cut(start, end, settled)  # apart, so that no window is half settled
        planned = [plan(part, self._count, api.zone, most=most, span=api.span) for part in parts]
        return [piece for pieces in await together(planned) for piece in pieces]

    async def _cut(
        self, start: datetime | None, end: datetime, settled: datetime
    ) -> tuple[list[Window], list[Window]]:
        """Cut a range into windows that are settled, and those that are not."""
        api = self._api
        if start is None:
            try:
                start = await first_day(end, self._count)
            except ApiError as error:
                if not is_refusal(error):
                    raise
                # no range without a beginning: then by offset, however deep
                return [Window(None, end)], []
            if start is None:
                return [Window(None, end)], []
        if end <= settled:
            return api.split(start, end), []
        if settled <= start:
            return [], api.split(start, end)
        return api.split(start, settled), api.split(settled - SECOND, end)

    async def _count(self, window: Window) -> int:
        page = await self._fetch(window, 0, 1)
        return max(page.count, len(page.ids))  # a total of 0 beside a row is no total

    async def _whole(self, rows: int) -> WholeCount | None:
        notes = self._notes
        start = notes["start"] and datetime.fromisoformat(notes["start"])
        end = datetime.fromisoformat(notes["end"])
        return await compare_whole(self._count, start, end, before=notes["whole"], rows=rows)

    def _begin(self) -> None:
        todo, done = self._spool.todo(), self._spool.reports()
        rows = self._spool.count()
        self._progress = Progress(
            stage="reading",
            windows=len(todo) + len(done),
            windows_done=len(done),
            rows=rows,
            total=rows + sum(planned.count for planned in todo),
            resumed=rows,
        )
        self._show(self._progress)

    def _advance(self, rows: int, windows: int) -> None:
        if self._show is _nobody:
            return
        state = self._progress
        self._progress = evolve(
            state,
            windows_done=state.windows_done + windows,
            rows=state.rows + rows,
            total=max(state.total, state.rows + rows),
            throttled=self._totals.now().throttled,
        )
        self._show(self._progress)

    @property
    def _as_it_is(self) -> bool:
        """Tell whether the rows stand in the spool as they should in the target."""
        return self._target.format == "jsonl" and not self._keep

    async def _write(self, rows: Path, total: int) -> int:
        sink, keep, file = self._target.sink, self._keep, self._target.file
        if file and self._as_it_is:
            await in_thread(lambda: replace(file, rows))
            return total
        stop, written = threading.Event(), 0
        state = evolve(self._progress, stage="writing", rows=0, total=total, resumed=0)

        def lines() -> Iterator[list[bytes]]:
            nonlocal written
            with rows.open("rb", buffering=BUFFER) as file:
                for batch in in_batches(file):
                    if stop.is_set():
                        raise _Stopped
                    yield batch
                    written += len(batch)

        return await in_thread(
            lambda: sink.write(lines(), keep=keep),
            stop=stop,
            tick=lambda: self._show(evolve(state, rows=written)),
        )

    def _report(
        self,
        days: Counter[str],
        *,
        added: int,
        whole: WholeCount | None,
        sha256: str | None,
    ) -> ExportReport:
        seen, notes, file = self._totals.now(), self._notes, self._target.file
        windows = tuple(self._spool.reports())
        return ExportReport(
            target=self._target.name,
            format=self._target.format,
            detail=self._detail,
            query=notes["header"]["query"],
            zone=notes["header"]["zone"],
            start=notes["start"],
            end=notes["end"],
            began=notes["began"],
            ended=_utc(),
            runs=notes["runs"],
            seconds=round(seen.seconds, 3),
            rows=days.total(),
            added=added,
            without_detail=sum(window.without_detail for window in windows),
            size=file.stat().st_size if file else None,
            sha256=sha256,
            requests=seen.requests,
            retries=seen.retries,
            throttled=seen.throttled,
            whole=whole,
            windows=windows,
            days=dict(sorted(days.items())),
            versions=_versions(),
        )


def _nobody(_: Progress) -> None:
    """Show nothing."""


class _Stopped(BaseException):
    """Ends the thread of a cancelled export; nobody sees it."""


def _versions() -> dict[str, str]:
    # 7 ms that importing the package need not take
    from importlib.metadata import version  # noqa: PLC0415
    from platform import python_version  # noqa: PLC0415

    names = {name: version(name) for name in ("aicc-async", "aiohttp")}
    return {**names, "python": python_version()}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _utc() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
