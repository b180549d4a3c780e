"""Finished windows made durable: in a thread, some at once, while the next ones are read."""

from __future__ import annotations

import asyncio

from attrs import asdict

from .concurrency import call_in_thread, wait_until_done
from .progress import RunMeter
from .row_file import RowFile
from .window_table import FinishedWindow, WindowTable

# More than that wait for the disk: a kill would cost them.
MAX_UNSYNCED_WINDOWS = 16


class WindowSync:
    """Syncs the row file, then marks windows as finished; one sync is under way at a time."""

    def __init__(self, rows: RowFile, windows: WindowTable, meter: RunMeter) -> None:
        self._rows = rows
        self._windows = windows
        self._meter = meter
        self._waiting: list[FinishedWindow] = []
        self._syncing: asyncio.Task[None] | None = None

    async def add(self, window: FinishedWindow, *, at_once: bool) -> None:
        """Take a window; its sync begins now if ``at_once`` or if none is under way.

        Otherwise it goes with those that come next. When too many wait, this waits for the disk.
        """
        self._waiting.append(window)
        is_idle = self._syncing is None or self._syncing.done()
        if at_once or is_idle or len(self._waiting) >= MAX_UNSYNCED_WINDOWS:
            await self._start_next()

    async def flush(self) -> None:
        """Wait until all windows are durable."""
        while self._waiting or self._syncing:
            await self._start_next()

    async def close(self) -> None:
        """Wait for the sync under way, so that nothing writes afterwards; start no other."""
        if self._syncing:
            await wait_until_done(self._syncing)

    async def _start_next(self) -> None:
        """Wait for the sync under way, and start one of all windows that wait."""
        if self._syncing:
            task, self._syncing = self._syncing, None
            await task
        if self._waiting:
            windows, self._waiting = self._waiting, []
            totals = asdict(self._meter.totals())

            def sync() -> None:
                size = windows[-1].size
                self._rows.sync(size)
                self._windows.finish(windows, **totals, sha256=self._rows.sha256(size))

            self._syncing = asyncio.create_task(call_in_thread(sync))
