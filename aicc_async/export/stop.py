"""How blocking work in a thread is asked to end, and who may leave it behind.

The idea: nothing can end a thread from outside. So work that may take long looks at
``current_stop`` now and then, and ends when it is set; what waits in a library names a function
that wakes it. Work that can only wait, and has nothing to change yet (it connects to a server),
says that it may be left: its caller goes on, and it ends by itself, at its next look. A look is
also where the thread lets the event loop run, which would wait for its turn otherwise.

The invariant: work that changes anything is never left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
# The interpreter lets a thread keep its lock for 5 ms, whoever waits: the event loop would, at
# every turn. A shorter pause would end before a thread that waits wakes up.
MAX_GIL_HOLD, GIL_PAUSE = 0.002, 0.00005  # seconds


class StoppedError(BaseException):
    """Ends the work of a thread whose caller was cancelled; nobody sees it."""


class Stop:
    """A request to end, from a caller to the thread that works for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = threading.Event()
        self._wake: Callable[[], object] | None = None
        self._paused_at = time.perf_counter()
        self.may_be_left = False

    def set(self) -> None:
        """Ask the work to end; what it waits in is woken in another thread."""
        self._is_set.set()
        threading.Thread(target=self._call_wake, daemon=True).start()

    def check(self) -> None:
        """Raise StoppedError when the work is to end; else let the event loop have its turn."""
        if self._is_set.is_set():
            raise StoppedError
        if time.perf_counter() - self._paused_at > MAX_GIL_HOLD:
            time.sleep(GIL_PAUSE)
            self._paused_at = time.perf_counter()

    def wait(self, seconds: float) -> None:
        """Wait so long; raise StoppedError when the work is to end before."""
        self._is_set.wait(seconds)
        self.check()

    @contextmanager
    def woken_by(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call a function to end what the block waits in; never after the block."""
        with self._lock:
            self.check()
            self._wake = wake
        try:
            yield
        finally:
            with self._lock:
                self._wake = None

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Mark a block that only waits: the caller need not wait for its end."""
        self.may_be_left = True
        try:
            yield
        finally:
            self.may_be_left = False

    def _call_wake(self) -> None:
        with self._lock:
            if self._wake:
                self._wake()


_CURRENT: ContextVar[Stop | None] = ContextVar("stop", default=None)


def current_stop() -> Stop:
    """Return the request of the thread's caller; outside of such a thread one that is never set."""
    return _CURRENT.get() or Stop()


def run_with(stop: Stop, work: Callable[[], T]) -> T:
    """Run work whose ``current_stop`` this is."""
    _CURRENT.set(stop)
    return work()
