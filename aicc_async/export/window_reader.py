"""Windows into the row file, each with a verdict; those that keep moving are halved.

The idea: the listing reads pages ahead and says at the end of a window whether they agreed. Rows
are written as they come. At a window's end they are settled: its details are added if they are
wanted, it gets its verdict, and is made durable while the next ones are read. A window that is
large and disagreed in another way every time is replaced by two halves, which are read in its
place: half as many rows are read in half the time, and fewer of them move meanwhile. So is one that
has more rows than offsets reach, or than a total can be trusted for (``_listing/divide.py``).

The invariant: windows are finished in the order of time, so that the row file can be cut off behind
the last one; halves are read before what is planned behind them. What never agrees is kept and
reported as unverified, never dropped.

What it cannot see: what the listing's checks cannot (``_listing/paging.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from itertools import compress

from attrs import Factory, frozen

from .._api import CaseApi
from .._listing.counting import Totals, row_counter
from .._listing.creation_dates import CreationDates
from .._listing.divide import Divider
from .._listing.first_pages import FirstPages
from .._listing.limits import describe_cap, too_deep
from .._listing.pages import MAX_ROWS_PER_PAGE, LongestPage
from .._listing.paging import Batch, ReadingVerdict, readings
from .._listing.plan import PlannedWindow
from .._listing.windows import Window, bisect
from .._protocol.operations import LIST
from .._protocol.raw import DatedRow
from .checkpoint import Checkpoint
from .concurrency import LoopTurn, call_in_thread, entered_in_thread
from .details import add_details
from .manifest import WindowReport, WindowVerdict, time_text
from .progress import ProgressReporter, RunMeter
from .row_file import RowFile, open_row_file
from .window_sync import WindowSync


async def read_windows(
    api: CaseApi,
    pages: FirstPages[DatedRow],
    checkpoint: Checkpoint,
    *,
    dates: CreationDates,
    meter: RunMeter,
    settle: timedelta,
    detail: bool,
    progress: ProgressReporter,
) -> tuple[str, bool]:
    """Read every window that is not finished, oldest first, with details if ``detail``.

    Return the SHA-256 of all rows, and whether it is known that no id is among them twice. Raises
    ExportError when the row file is not what was written into it.
    """
    pending = [planned.window for planned in checkpoint.windows.pending()]
    async with entered_in_thread(open_row_file(checkpoint)) as rows:
        sync = WindowSync(rows, checkpoint.windows, meter)
        saved, limits = checkpoint.values(), api.limits()
        if saved.get("cap") is not None:
            limits.learn_cap(saved["cap"])
        totals = Totals(row_counter(pages.fetch), highest=saved.get("highest", 0))
        reader = _WindowReader(
            api=api,
            divider=api.divider(totals, limits),
            pages=pages,
            checkpoint=checkpoint,
            dates=dates,
            rows=rows,
            sync=sync,
            meter=meter,
            settle=settle,
            detail=detail,
            progress=progress,
        )
        try:
            await reader.read(pending, longest_page=api.longest_page)
            await sync.flush()
            sha256 = await call_in_thread(lambda: _digest_unchanged(checkpoint, rows))
            return sha256, rows.is_distinct()
        finally:
            await sync.close()


def _digest_unchanged(checkpoint: Checkpoint, rows: RowFile) -> str:
    """Return the digest of all rows, if nobody else has changed them since."""
    sha256 = rows.sha256(checkpoint.windows.finished_bytes())
    if not rows.is_unchanged():
        raise checkpoint.discard_changed_rows()
    return sha256


@frozen(kw_only=True)
class _WindowReader:
    api: CaseApi
    divider: Divider
    pages: FirstPages[DatedRow]
    checkpoint: Checkpoint
    dates: CreationDates
    rows: RowFile
    sync: WindowSync
    meter: RunMeter
    settle: timedelta
    detail: bool
    progress: ProgressReporter
    turn: LoopTurn = Factory(LoopTurn)

    async def read(
        self, windows: Sequence[Window], *, longest_page: LongestPage | None = None
    ) -> None:
        """Read windows, and in place of each that keeps moving its halves."""
        # Details take a hundred times as long as pages: rows that were read far ahead would be out
        # of date when their details come.
        for group in [[window] for window in windows] if self.detail else [windows]:
            batches_of = readings(
                group,
                self.pages.fetch,
                concurrency=self.api.concurrency,
                limits=self.divider.limits,
                longest_page=longest_page,
            )
            async with aclosing(batches_of) as batches:
                async for batch in batches:
                    if batch.verdict is None:
                        await self._write(batch)
                        # Rows without their details are not done yet.
                        self.progress.advance(rows=0 if self.detail else len(batch.rows))
                        # Many pages may be there already.
                        await self.turn.share()
                    elif parts := await self._divide(batch.window, batch.verdict):
                        await self.sync.flush()
                        split = partial(self.checkpoint.windows.split, batch.window, parts)
                        await call_in_thread(split)
                        self.progress.advance(windows=1)
                        await self.read([part.window for part in parts])
                    else:
                        await self._finish(batch.window, batch.verdict)

    async def _write(self, batch: Batch[DatedRow]) -> None:
        """Write rows, without those of the seconds beyond the range."""
        ids = batch.ids
        dates, lines = zip(*batch.rows, strict=True)
        wanted = self.dates.are_wanted(batch, dates)
        if wanted:
            ids, dates, lines = (tuple(compress(each, wanted)) for each in (ids, dates, lines))
        write = partial(self.rows.write, batch.reading, ids, dates=dates, lines=lines)
        if ids and self.rows.needs_disk(batch.reading):
            await call_in_thread(write)
        elif ids:
            write()

    async def _divide(self, window: Window, verdict: ReadingVerdict) -> list[PlannedWindow]:
        """Return parts in place of a window, and take its rows back; none when it is done."""
        limits = self.divider.limits
        parts, cap = list[PlannedWindow](), limits.cap
        if verdict.too_large:
            parts = await self.divider.parts_of(window, verdict)
        elif not verdict.problem:
            parts = await self.divider.find_hidden(window, verdict.announced_last) or []
        if limits.cap != cap:
            await call_in_thread(partial(self.checkpoint.save, cap=limits.cap))
        if verdict.refused and not parts:
            raise too_deep(window, verdict.refused) from verdict.refused
        parts = parts or await call_in_thread(lambda: self._halve(window, verdict))
        if parts:
            await call_in_thread(self.rows.undo_window)
        return parts

    def _halve(self, window: Window, verdict: ReadingVerdict) -> list[PlannedWindow]:
        """Return halves in place of a window whose rows keep moving.

        There are none where halves would do no better: where readings disagreed in the same way
        twice, or where the rows fit in a page.
        """
        keeps_moving = (
            verdict.problem and not verdict.settled and verdict.distinct > MAX_ROWS_PER_PAGE
        )
        # A capped plan expects too few rows.
        is_capped, is_plausible = self.divider.limits.cap, self.checkpoint.windows.is_plausible
        halves = bisect(window) if keeps_moving and (is_capped or is_plausible()) else None
        return [PlannedWindow(half, verdict.announced // 2) for half in halves or ()]

    async def _finish(self, window: Window, verdict: ReadingVerdict) -> None:
        # Before the details, which may take hours: it is about the time when the rows were read.
        read_at = self.pages.asked_at(window) or self.api.now()
        is_settled = window.end is not None and window.end <= read_at - self.settle
        settle = partial(self.rows.settle_window, verdict.readings, agreed=not verdict.problem)
        # One reading alone has no lines that were set aside: nothing waits for the disk.
        written = settle() if verdict.readings == 1 else await call_in_thread(settle)
        without = 0
        if self.detail:
            without = await add_details(self.api, self.rows, self.progress)
        await self.dates.look_up(self.pages.fetch, self.api.created_date)
        report = self._report(window, verdict, is_settled=is_settled, without_detail=without)
        finished = await call_in_thread(partial(self.rows.end_window, window, report))
        self.api.note_window(LIST.name, window, report.verdict, verdict.distinct)
        # With details the next window may end long after this one.
        await self.sync.add(finished, at_once=self.detail)
        # The plan counts a row in both windows that share it.
        duplicates = max(verdict.distinct - written, 0) if self.detail else 0
        self.progress.advance(rows=duplicates, windows=1)

    def _report(
        self, window: Window, verdict: ReadingVerdict, *, is_settled: bool, without_detail: int
    ) -> WindowReport:
        outcome: WindowVerdict = "verified" if verdict.readings == 1 else "repaired"
        reason = verdict.problem or self.dates.judge(window, verdict.readings) or ""
        if not reason and self.divider.limits.may_be_capped(verdict.announced_last):
            reason = describe_cap(verdict.announced_last)
        if reason:
            outcome = "unverified"
        elif not is_settled:
            outcome = "open"
        totals = self.meter.totals()
        return WindowReport(
            start=time_text(window.start),
            end=time_text(window.end),
            verdict=outcome,
            reason=reason,
            announced=verdict.announced,
            announced_last=verdict.announced_last,
            received=verdict.received,
            distinct=verdict.distinct,
            readings=verdict.readings,
            without_detail=without_detail,
            finished=round(totals.seconds, 3),
            requests=totals.requests,
            retries=totals.retries,
            throttled=totals.throttled,
        )
