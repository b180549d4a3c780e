"""The rows of windows, each once and in order, whatever the windows have to be divided into.

The idea: windows are read as they are (``paging.py``). One that has more rows than can be read, or
whose total may be a cap, is divided (``divide.py``), and its parts are read in its place, before
what comes behind it. Rows that it brought before that are handed out, and not again.

The invariant: a window is done when it, or each of its parts, agrees with what was announced, and
no total may be a cap; else there is an ExportError or a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from attrs import evolve

from ..errors import ExportError
from .divide import Divider
from .limits import Limits, describe_cap, too_deep
from .pages import Fetch, LongestPage
from .paging import Batch, ReadingVerdict, readings
from .plan import PlannedWindow
from .windows import Window

R = TypeVar("R")
# It is called with a window that is done, the verdict on it, and how many rows came.
NoteWindow = Callable[[Window, str, int], None]


async def read_windows(
    windows: Sequence[Window],
    fetch: Fetch[R],
    *,
    concurrency: int,
    strict: bool = True,
    divider: Divider | None = None,
    note_window: NoteWindow | None = None,
    longest_page: LongestPage | None = None,
) -> AsyncGenerator[Batch[R]]:
    """Yield the rows of all windows, each once, oldest window first, in the service's order.

    A row is known by its id within its window and the one before. A window that stays unstable, or
    whose total may be a cap, raises ExportError; ``strict=False`` yields what there is and warns.
    Without a divider no window is divided, and no total is doubted. ``longest_page`` is shared by
    readings of the same listing.
    """
    ids_before: set[str] = set()
    ids_here: set[str] = set()
    done = 0
    pages = _read_divided(
        windows,
        fetch,
        concurrency=concurrency,
        strict=strict,
        divider=divider,
        note_window=note_window,
        longest_page=longest_page,
    )
    async with aclosing(pages) as batches:
        async for batch in batches:
            if batch.done > done:
                done = batch.done
                yield batch
                ids_before, ids_here = ids_here, set()
                continue
            ids, fresh = batch.ids, batch
            if not (ids_before.isdisjoint(ids) and ids_here.isdisjoint(ids)):
                is_new = [each not in ids_before and each not in ids_here for each in ids]
                fresh = batch.select(is_new)
            ids_here.update(ids)
            if fresh.rows:
                yield fresh


async def _read_divided(
    windows: Sequence[Window],
    fetch: Fetch[R],
    *,
    concurrency: int,
    strict: bool,
    divider: Divider | None,
    note_window: NoteWindow | None,
    longest_page: LongestPage | None = None,
) -> AsyncGenerator[Batch[R]]:
    """Read windows, or in their place their parts; an empty batch ends each window."""
    limits = divider.limits if divider else Limits()
    pages = readings(
        windows, fetch, concurrency=concurrency, limits=limits, longest_page=longest_page
    )
    async with aclosing(pages) as batches:
        async for batch in batches:
            if batch.verdict is None:
                yield batch
                continue
            parts = await _find_parts(
                batch.window, batch.verdict, divider, strict=strict, note_window=note_window
            )
            if parts:
                inner = _read_divided(
                    [part.window for part in parts],
                    fetch,
                    concurrency=concurrency,
                    strict=strict,
                    divider=divider,
                    note_window=note_window,
                )
                async with aclosing(inner) as inner_batches:
                    async for each in inner_batches:
                        if each.rows:
                            yield evolve(each, done=batch.done - 1)
            yield batch


async def _find_parts(
    window: Window,
    verdict: ReadingVerdict,
    divider: Divider | None,
    *,
    strict: bool,
    note_window: NoteWindow | None,
) -> list[PlannedWindow]:
    """Return what to read in place of a window; none when it is done, well or not."""
    problem = verdict.describe_problem()
    if divider:
        if verdict.too_large and (parts := await divider.parts_of(window, verdict)):
            return parts
        if not (problem or verdict.refused):
            hidden = await divider.find_hidden(window, verdict.announced_last)
            if hidden:
                return hidden
            problem = None if hidden is None else describe_cap(verdict.announced_last)
    if note_window:
        is_first = verdict.readings == 1
        agreed = "verified" if is_first else "repaired"
        is_doubtful = problem or verdict.refused
        note_window(window, "unverified" if is_doubtful else agreed, verdict.distinct)
    if verdict.refused:
        raise too_deep(window, verdict.refused) if divider else verdict.refused
    if problem:
        _report(window, problem, strict=strict)
    return []


def _report(window: Window, problem: str, *, strict: bool) -> None:
    message = f"{window}: {problem}"
    if strict:
        raise ExportError(
            f"{message}. strict=False takes what there is",
            window=str(window),
            resume="read it again when fewer cases change, or in shorter ranges of time",
        )
    warnings.warn(f"{message}; rows may be missing", RuntimeWarning, stacklevel=2)
