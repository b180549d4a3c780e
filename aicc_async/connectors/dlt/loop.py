"""An event loop in a thread of its own, for a caller that may be on another loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from dlt.common.runtime.signals import raise_if_signalled

T = TypeVar("T")
SIGNAL_CHECK_INTERVAL = 0.1  # seconds


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Run work to its end, unless the user interrupts it.

    The caller may be on a loop of its own (a notebook), or in a worker thread of dlt's.
    """
    with loop_in_thread() as loop:
        outcome = asyncio.run_coroutine_threadsafe(work, loop)
        while not wait([outcome], timeout=SIGNAL_CHECK_INTERVAL).done:
            # While a pipeline runs dlt catches SIGINT and SIGTERM, and each resource has to ask:
            # https://dlthub.com/docs/api_reference/dlt/common/runtime/signals
            raise_if_signalled()
        return outcome.result()


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run a loop in a thread; what is under way in the end is cancelled and waited for."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        is_over = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), is_over))
        await is_over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="aicc-dlt")
    thread.start()
    loop, is_over = started.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
