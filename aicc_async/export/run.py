"""The export: windows into a file, with a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from os import PathLike
from pathlib import Path

from attrs import evolve, frozen

from ..client import AICCClient
from ..models import CaseQuery
from ..paging import Batch
from .jsonl import json_lines


@frozen(kw_only=True)
class Progress:
    """Where an export is. ``announced`` is the total of the window being read.

    ``fraction`` is how much is done, from 0 to 1, as far as windows and totals tell; it never goes
    back, though a total may grow.
    """

    windows: int
    windows_done: int = 0
    rows: int = 0
    rows_of_window: int = 0
    announced: int = 0
    throttled: int = 0
    fraction: float = 0.0


@frozen(kw_only=True)
class ExportReport:
    """What an export did. ``seconds`` is wall-clock time, ``size`` the file's bytes."""

    path: Path
    rows: int
    windows: int
    size: int
    requests: int
    retries: int
    throttled: int
    seconds: float


async def export_cases(
    aicc: AICCClient,
    query: CaseQuery | None,
    path: str | PathLike[str],
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Write all cases that match into a file of JSON lines: the wire's own names and values.

    Each case stands once, oldest 31 days first. The file appears when it is whole; an older one of
    that name is replaced then. ``on_progress`` is called after every page, and must be quick.

    Raises ExportError when rows keep moving or the file can't be written, else what the client
    raises; nothing is left behind then.
    """
    target = Path(path)
    began, before = asyncio.get_running_loop().time(), evolve(aicc.stats)
    query, windows = _freeze(aicc, query or CaseQuery())
    state = Progress(windows=windows)
    with json_lines(target) as file:
        async with aclosing(aicc.iter_rows(query)) as batches:
            async for batch in batches:
                if batch.rows:
                    file.write(batch.rows)
                state = _advance(state, batch, aicc.stats.throttled - before.throttled)
                if on_progress:
                    on_progress(state)
    return ExportReport(
        path=target,
        rows=state.rows,
        windows=windows,
        size=file.size,
        requests=aicc.stats.requests - before.requests,
        retries=aicc.stats.retries - before.retries,
        throttled=aicc.stats.throttled - before.throttled,
        seconds=asyncio.get_running_loop().time() - began,
    )


def _freeze(aicc: AICCClient, query: CaseQuery) -> tuple[CaseQuery, int]:
    """Fix an open end to now, once for the whole run; and count the windows."""
    windows = aicc.windows(query)
    first, last = windows[0].start, windows[-1].end  # both naive, so that they compare as cut
    return evolve(query, start_time=first, end_time=last), len(windows)


def _advance(state: Progress, batch: Batch[bytes], throttled: int) -> Progress:
    ended = batch.done > state.windows_done
    rows = 0 if ended else state.rows_of_window + len(batch.rows)
    part = min(rows / batch.announced, 1.0) if batch.announced else 0.0
    return Progress(
        windows=state.windows,
        windows_done=batch.done,
        rows=state.rows + len(batch.rows),
        rows_of_window=rows,
        announced=batch.announced,
        throttled=throttled,
        fraction=max(state.fraction, (batch.done + part) / state.windows),
    )
