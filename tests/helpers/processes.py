"""The command as a process that a signal reaches, and waiting for what it does."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMMAND = (sys.executable, "-m", "aicc_async")
# Until a process that hangs fails its test.
SECONDS = 60


@contextmanager
def interruptible() -> Iterator[None]:
    """Give SIGINT its default back, for this block and the processes that it starts.

    It is ignored in the background of a script and in many CI runners, and processes inherit that.
    The product does not undo it: who starts a command so wants it to survive a ^C.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until(happened: Callable[[], object], *, seconds: float = SECONDS) -> None:
    """Look until something has happened in another process or thread."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


async def wait_in_loop(happened: Callable[[], object]) -> None:
    """Let the loop run until something has happened: in it, or elsewhere."""
    while not happened():  # noqa: ASYNC110  (other processes set no events)
        await asyncio.sleep(0.005)


def without_progress(shown: str) -> str:
    """Drop from standard error how far an export is, which one says after five seconds."""
    return "".join(line for line in shown.splitlines(True) if not line.startswith("windows "))
