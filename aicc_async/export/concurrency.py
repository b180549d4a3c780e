"""Blocking work in a thread, which is waited for whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
TICK_INTERVAL = 0.1  # seconds


async def call_in_thread(
    work: Callable[[], T],
    *,
    stop: threading.Event | None = None,
    tick: Callable[[], object] = lambda: None,
) -> T:
    """Call a function in a thread, and ``tick`` ten times a second meanwhile.

    When ``tick`` raises or the task is cancelled, ``stop`` is set and the thread is waited for.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        while not (await asyncio.wait([task], timeout=TICK_INTERVAL))[0]:
            tick()
        return task.result()
    finally:
        if not task.done():
            if stop:
                stop.set()
            await wait_until_done(task)


async def wait_until_done(task: asyncio.Future[Any]) -> None:
    """Wait for work that must not go on behind the caller, however often that is cancelled.

    What the work raises is nobody's any more.
    """
    cancelled: asyncio.CancelledError | None = None
    pending = {task}
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            # It is raised below: before the thread ends, two of them could write to one file.
            cancelled = error
    # Reading the exception keeps asyncio from reporting it as never retrieved.
    task.exception()
    if cancelled:
        raise cancelled
