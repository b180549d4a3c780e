"""How far an export is, and what it has cost so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from .._transport.session import Stats
from .window_table import WindowTable


@frozen(kw_only=True)
class Progress:
    """How far an export is.

    ``stage`` is ``planning`` (counting), ``reading`` or ``writing`` (from the disk into the
    target). ``rows`` of an export in detail are those that have their details. ``total`` is what
    the plan expects; it may grow. ``resumed`` of the ``rows`` were there before this run.
    ``fraction`` of the stage's work is done, from 0 to 1.
    """

    stage: str = "planning"
    windows: int = 0
    windows_done: int = 0
    rows: int = 0
    total: int = 0
    resumed: int = 0
    throttled: int = 0

    @property
    def fraction(self) -> float:
        """How much is done, as far as the service's totals are right."""
        return min(self.rows / self.total, 1.0) if self.total else 0.0


OnProgress = Callable[[Progress], None]


@frozen
class RequestTotals:
    """HTTP requests, retries and 429s of all runs so far, and their seconds of work."""

    requests: int
    retries: int
    throttled: int
    seconds: float


class RunMeter:
    """Adds what a client does from now on to the totals that earlier runs saved."""

    def __init__(self, stats: Stats, saved: Mapping[str, Any]) -> None:
        self._stats = stats
        self._start = time.monotonic()
        names = ("requests", "retries", "throttled")
        self._before = {name: saved.get(name, 0) - getattr(stats, name) for name in names}
        self._seconds = saved.get("seconds", 0.0)

    def totals(self) -> RequestTotals:
        """Return the totals up to now."""
        stats, before = self._stats, self._before
        return RequestTotals(
            stats.requests + before["requests"],
            stats.retries + before["retries"],
            stats.throttled + before["throttled"],
            time.monotonic() - self._start + self._seconds,
        )


class ProgressReporter:
    """Keeps the present ``Progress`` and shows every change of it, if anybody wants to see it."""

    def __init__(self, show: OnProgress | None, meter: RunMeter) -> None:
        self._show = show
        self._meter = meter
        self._progress = Progress()

    def start_planning(self) -> None:
        """Show that the export has begun."""
        self._set(self._progress)

    def start_reading(self, windows: WindowTable) -> None:
        """Show what earlier runs finished, and what the plan expects besides."""
        pending, finished, rows = windows.pending(), windows.reports(), windows.finished_rows()
        self._set(
            Progress(
                stage="reading",
                windows=len(pending) + len(finished),
                windows_done=len(finished),
                rows=rows,
                total=rows + sum(planned.count for planned in pending),
                resumed=rows,
            )
        )

    def advance(self, *, rows: int = 0, windows: int = 0) -> None:
        """Show that so many rows and windows more are done."""
        if self._show is None:
            return
        now = self._progress
        self._set(
            evolve(
                now,
                windows_done=now.windows_done + windows,
                rows=now.rows + rows,
                total=max(now.total, now.rows + rows),
                throttled=self._meter.totals().throttled,
            )
        )

    def show_writing(self, rows: int, total: int) -> None:
        """Show how many rows the target has."""
        self._set(evolve(self._progress, stage="writing", rows=rows, total=total, resumed=0))

    def _set(self, progress: Progress) -> None:
        self._progress = progress
        if self._show:
            self._show(progress)
