"""Clocks that a test moves by itself, so that nothing depends on how fast the machine is.

Either what is waited for comes when a loop's clock jumps past it; or the clock stands still but for
the steps of the test. What answers has to be in the same loop then: it has its turns between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

# The tests' own clock passes it once a call is where it should end, however slow the machine is.
SOON = 5.0  # seconds
STEP = 0.05  # seconds
Jump = Callable[[], None]
T = TypeVar("T")


def jump_of(loop: asyncio.AbstractEventLoop) -> Jump:
    """Return what puts a loop's clock past ``SOON``; it may be called from another thread."""
    read, ahead = loop.time, 0.0

    def jump() -> None:
        nonlocal ahead
        ahead += SOON
        # A loop that waits for its selector has not looked at its clock.
        loop.call_soon_threadsafe(lambda: None)

    loop.time = lambda: read() + ahead  # type: ignore[method-assign]
    return jump


class StoppedClock:
    """The clock of a loop that goes on only when the test says so; it may be a tenant's as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._now = loop.time()
        loop.time = self.monotonic  # type: ignore[method-assign]

    def monotonic(self) -> float:
        """Return the time."""
        return self._now

    async def run(self, call: Awaitable[T]) -> T:
        """Await a call while the clock goes on, by a step whenever everybody has had some turns."""
        task = asyncio.ensure_future(call)
        while not task.done():
            await until(lambda: True)
            self._now += STEP
        return await task


async def until(found: Callable[[], object]) -> None:
    """Let the loop run until something is so, and a little longer."""
    while not found():  # noqa: ASYNC110  (there is no event to wait for on the far side)
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


async def time_out_when(
    reached: Callable[[], object], call: Callable[[], Awaitable[object]]
) -> None:
    """Expect a call to end by a timeout of asyncio's, which comes once something is so."""
    limit = asyncio.timeout(None)

    async def bounded() -> None:
        async with limit:
            await call()

    calling = asyncio.create_task(bounded())
    await until(reached)
    limit.reschedule(asyncio.get_running_loop().time())
    with pytest.raises(TimeoutError) as caught:
        await calling
    assert type(caught.value) is TimeoutError
