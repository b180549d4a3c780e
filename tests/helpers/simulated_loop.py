"""An event loop whose time passes only when nothing is left to do, with real sockets and threads.

Timers end at once, in their order: whenever all wait for a timer, and no request is under way, the
time moves to where the next one is due. What is done in no time would take some in reality; but
requests and threads are waited for, so that how fast the machine is decides nothing.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from aicc_async._listing import zones
from aicc_async.events import AttemptEnded, AttemptStarted
from aicc_async.watch.settings import Clock

# For a thread, such as that of the database, that is about to wake the loop.
GRACE = 0.002  # seconds
# A request is under way: some never end.
PATIENCE = 0.5  # seconds
SHORT = 0.02  # seconds
# Sums of floats may fall short.
STEP = 1e-6  # seconds

# Is given the time that is waited for, and returns what it is then.
Advance = Callable[[float], float]


class SimulatedSelector(selectors.DefaultSelector):
    """Moves the time on instead of waiting for it."""

    def __init__(self, advance: Advance, *, now: float = 0.0) -> None:
        super().__init__()
        self._advance = advance
        self._requests = 0
        self.now = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what happens now; else let the time pass that was to be waited."""
        if timeout == 0 or timeout is None:
            return super().select(timeout)
        if timeout <= SHORT:
            # Somebody looks after a thread, which needs real time.
            self.now += timeout + STEP
            return super().select(timeout)
        found = super().select(PATIENCE if self._requests else 0)
        while not found and is_another_thread_busy():
            found = super().select(GRACE)
        # A thread may have ended in between.
        found = found or super().select(0)
        if not found:
            self.now = self._advance(self.now + timeout + STEP)
        return found

    def note(self, event: object) -> None:
        """Count the requests that are under way: it is a client's ``on_event``."""
        if isinstance(event, AttemptStarted):
            self._requests += 1
        elif isinstance(event, AttemptEnded):
            self._requests -= 1


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Takes its time from the selector."""

    def __init__(self, selector: SimulatedSelector) -> None:
        self._simulated = selector
        super().__init__(selector)

    def time(self) -> float:
        """Return the simulated time."""
        return self._simulated.now


def replace_clocks(now: Callable[[], datetime]) -> None:
    """Give this process another clock than the machine's."""
    zones.now = lambda zone: zones.wall(now(), zone)
    # A watch that is given no clock makes one of these.
    Clock.now = lambda _: now()  # type: ignore[method-assign, assignment]


def is_another_thread_busy() -> bool:
    """Return whether a thread of this process runs or waits for the disk, the main one apart."""
    for task in Path("/proc/self/task").iterdir():
        if task.name == str(os.getpid()):
            continue
        # One that has ended meanwhile has no file any more.
        with suppress(OSError):
            # The name of the program, in parentheses, may hold anything.
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            if state in {"R", "D"}:
                return True
    return False
