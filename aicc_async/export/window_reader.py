"""Windows into the spool, each with a verdict; those that keep moving are halved."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TypeVar

from .._api import CaseApi
from .._listing.pages import MAX_ROWS_PER_PAGE, Fetch
from .._listing.paging import Batch, ReadingVerdict, readings
from .._listing.windows import Window, bisect
from .._listing.zones import wall
from .._protocol.raw import DatedRow
from .checkpoint import Done, Spool, text
from .details import with_details
from .manifest import Verdict, WindowReport
from .plan import Planned
from .row_file import GrowingFile
from .run_stats import Totals

T = TypeVar("T")
TICK = 0.1  # seconds
BACKLOG = 16  # windows that wait to be made durable
Show = Callable[[int, int], None]  # rows that are written, windows that are done


async def read_windows(
    api: CaseApi,
    fetch: Fetch[DatedRow],
    spool: Spool,
    *,
    totals: Totals,
    settle: timedelta,
    detail: bool,
    show: Show,
) -> tuple[str, bool]:
    """Read every window that is not done yet, oldest first, and in ``detail`` if that is wanted.

    Return the SHA-256 of all rows, and whether it is known that no id stands among them twice.
    """
    rows = GrowingFile(spool)
    reader = _Reader(spool, rows, api=api, totals=totals, settle=settle, detail=detail, show=show)

    async def read(windows: Sequence[Window]) -> None:
        # details take a hundred times as long as pages: rows read far ahead would be out of date
        for some in [[window] for window in windows] if detail else [windows]:
            await read_ahead(some)

    async def read_ahead(windows: Sequence[Window]) -> None:
        pages = readings(windows, fetch, concurrency=api.concurrency)
        async with aclosing(pages) as batches:
            async for batch in batches:
                halves = await reader.take(batch)
                if halves:  # they come before what is planned behind them
                    await read(halves)

    try:
        await read([planned.window for planned in spool.todo()])
        await reader.settled()
        return await in_thread(lambda: rows.sha256(spool.size())), rows.is_distinct()
    finally:
        await reader.close()
        rows.close()


class _Details:
    """Gets what else is known of the cases of a window that has its rows."""

    def __init__(self, api: CaseApi, rows: GrowingFile, *, show: Show) -> None:
        self._read = api.raw_detail
        self._rows = rows
        self._concurrency = api.concurrency
        self._show = show

    async def add(self) -> int:
        """Write each row anew with its details; count those that the service has none for."""
        without = 0
        with self._rows.rewriting() as plain:
            rows = with_details(plain, self._read, concurrency=self._concurrency)
            async with aclosing(rows) as detailed:
                async for row, is_known in detailed:
                    self._rows.put(row)
                    without += not is_known
                    self._show(1, 0)
        return without


class _Reader:
    """Writes what comes; windows are made durable, some at once, while the next are read."""

    def __init__(
        self,
        spool: Spool,
        rows: GrowingFile,
        *,
        api: CaseApi,
        totals: Totals,
        settle: timedelta,
        detail: bool,
        show: Show,
    ) -> None:
        self._spool = spool
        self._rows = rows
        self._totals = totals
        self._settle = settle
        self._zone = api.zone
        self._details = _Details(api, rows, show=show) if detail else None
        self._show = show
        self._done: list[Done] = []
        self._syncing: asyncio.Task[None] | None = None

    async def take(self, batch: Batch[DatedRow]) -> Sequence[Window]:
        """Write rows; where the window ends, judge it, and tell what to read in its place."""
        window, verdict = batch.window, batch.verdict
        if verdict is None:
            self._rows.write(batch.reading, batch.ids, batch.rows)
            self._show(0 if self._details else len(batch.rows), 0)  # or when they are whole
            return ()
        halves = bisect(window) if self._may_halve(verdict) else None
        if halves:
            self._rows.undo_window()
            await self.settled()
            self._spool.split(window, [Planned(part, verdict.announced // 2) for part in halves])
            self._show(0, 1)
            return halves
        await self._end(window, verdict)
        return ()

    async def _end(self, window: Window, verdict: ReadingVerdict) -> None:
        judged = self._verdict(window, verdict)  # as it is now: details may take hours
        written = self._rows.settle_window(verdict.readings, agreed=not verdict.problem)
        without = await self._details.add() if self._details else 0
        report = self._report(window, verdict, judged, without_detail=without)
        self._done.append(self._rows.end_window(window, report))
        late = self._syncing is None or self._syncing.done() or len(self._done) >= BACKLOG
        if late or self._details:  # until the next window ends may be long then
            await self._sync()
        doubles = max(verdict.distinct - written, 0)  # of neighbours: the plan counts them twice
        self._show(doubles if self._details else 0, 1)

    def _may_halve(self, verdict: ReadingVerdict) -> bool:
        return _keeps_moving(verdict) and self._spool.is_plausible()

    async def settled(self) -> None:
        """Wait until all windows so far are safely on disk."""
        while self._done or self._syncing:
            await self._sync()

    async def _sync(self) -> None:
        """Wait for what is under way, and begin with what came since."""
        if self._syncing:
            task, self._syncing = self._syncing, None
            await task
        if self._done:
            done, self._done = self._done, []
            notes = self._totals.notes()

            def work() -> None:
                self._rows.sync(done[-1].size)
                self._spool.finish(done, **notes)

            self._syncing = asyncio.create_task(in_thread(work))

    async def close(self) -> None:
        """Let nothing go on behind: what is being made durable may end."""
        if self._syncing:
            await asyncio.gather(self._syncing, return_exceptions=True)

    def _report(
        self, window: Window, verdict: ReadingVerdict, judged: Verdict, *, without_detail: int
    ) -> WindowReport:
        seen = self._totals.now()
        return WindowReport(
            start=text(window.start),
            end=text(window.end),
            verdict=judged,
            reason=verdict.problem or "",
            announced=verdict.announced,
            announced_last=verdict.announced_last,
            received=verdict.received,
            distinct=verdict.distinct,
            readings=verdict.readings,
            without_detail=without_detail,
            finished=round(seen.seconds, 3),
            requests=seen.requests,
            retries=seen.retries,
            throttled=seen.throttled,
        )

    def _verdict(self, window: Window, verdict: ReadingVerdict) -> Verdict:
        if verdict.problem:
            return "unverified"
        settled = wall(datetime.now(self._zone), self._zone) - self._settle
        if window.end is None or window.end > settled:
            return "open"
        return "verified" if verdict.readings == 1 else "repaired"


def _keeps_moving(verdict: ReadingVerdict) -> bool:
    """Tell whether halves may do better; what disagrees alike, or fits in a page, won't."""
    return bool(verdict.problem) and not verdict.settled and verdict.distinct > MAX_ROWS_PER_PAGE


async def in_thread(
    work: Callable[[], T],
    *,
    stop: threading.Event | None = None,
    tick: Callable[[], object] = lambda: None,
) -> T:
    """Run it in a thread, with a ``tick`` now and then.

    When that fails, or the task is cancelled, the thread is asked to ``stop`` and waited for.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        while not (await asyncio.wait([task], timeout=TICK))[0]:
            tick()
        return task.result()
    finally:
        if not task.done():
            if stop:
                stop.set()
            await _ended(task)


async def _ended(task: asyncio.Future[T]) -> None:
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:  # raised again when nothing goes on behind
            cancelled = error
    task.exception()  # seen, so that it is not reported as lost
    if cancelled:
        raise cancelled
