"""Blocking work in a thread, which is waited for whatever happens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar

from .stop import Stop, run_with

T = TypeVar("T")
TICK_INTERVAL = 0.1  # seconds
# That a task may keep the loop for, when it finds its next work done already.
MAX_TURN = 0.002  # seconds


async def call_in_thread(work: Callable[[], T], *, tick: Callable[[], object] = lambda: None) -> T:
    """Call a function in a thread, and ``tick`` ten times a second meanwhile.

    When ``tick`` raises or the task is cancelled, the function's ``current_stop`` is set, and it is
    waited for; unless it only waits for somebody else.
    """
    stop = Stop()
    task = _start_thread(stop, work)
    try:
        while not (await asyncio.wait([task], timeout=TICK_INTERVAL))[0]:
            tick()
        return task.result()
    finally:
        if not task.done():
            stop.set()
            await wait_until_done(task, stop)


@asynccontextmanager
async def entered_in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter a context in a thread, and leave it in another one.

    Cancelled while it is being entered, it is left as well.
    """
    entered = list[T]()
    try:
        await call_in_thread(lambda: entered.append(context.__enter__()))
        yield entered[0]
    except BaseException as error:
        if not entered:
            raise
        raised = type(error), error, error.__traceback__
        if not await call_in_thread(lambda: context.__exit__(*raised)):
            raise
    else:
        await call_in_thread(lambda: context.__exit__(None, None, None))


class LoopTurn:
    """Gives the other tasks of the loop their turn, where one has work without a wait."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    async def share(self) -> None:
        """Yield to the others, if the last time was long ago."""
        if time.perf_counter() - self._start > MAX_TURN:
            await asyncio.sleep(0)
            self._start = time.perf_counter()


def _start_thread(stop: Stop, work: Callable[[], T]) -> asyncio.Future[T]:
    """Start a thread for some work. It is a daemon, since one may be left behind: nothing waits."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(found: Future[T]) -> None:
        if outcome.done():
            return
        if error := found.exception():
            outcome.set_exception(error)
        else:
            outcome.set_result(found.result())

    def run() -> None:
        found: Future[T] = Future()
        try:
            found.set_result(run_with(stop, work))
        except BaseException as error:  # noqa: BLE001  (the caller has it)
            found.set_exception(error)
        # The loop of one who was left behind may be closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=copy_context().run, args=[run], name="aicc-export", daemon=True).start()
    return outcome


async def wait_until_done(task: asyncio.Future[Any], stop: Stop | None = None) -> None:
    """Wait for work that must not go on behind the caller, however often that is cancelled.

    Work that only waits is left behind when it is to ``stop``. What the work raises is nobody's any
    more.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done() and not (stop and stop.may_be_left):
        try:
            await asyncio.wait([task], timeout=TICK_INTERVAL)
        except asyncio.CancelledError as error:
            # It is raised below: before the thread ends, two of them could write to one file.
            cancelled = error
    # Reading the exception keeps asyncio from reporting it as never retrieved.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    if cancelled:
        raise cancelled
