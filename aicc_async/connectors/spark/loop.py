"""An asynchronous generator for a caller that is not: the event loop runs in a thread.

Spark's workers take rows from a plain iterator, at the pace of what is done with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def iterate(items: AsyncGenerator[T]) -> Iterator[T]:
    """Iterate over an asynchronous generator.

    Between two items the loop goes on: a caller that is slow makes no request time out. A caller
    that breaks off closes this iterator, and so the generator and all that it has under way.
    """
    loop = asyncio.new_event_loop()
    # A daemon: a worker may exit with an iterator that is neither used up nor closed.
    thread = Thread(target=loop.run_forever, name="aicc-cases", daemon=True)
    thread.start()

    async def take_one() -> list[T]:
        async for item in items:
            return [item]
        return []

    try:
        while taken := _run(loop, take_one()):
            yield from taken
    finally:
        _run(loop, _close(items))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _close(items: AsyncGenerator[T]) -> None:
    # When the caller was interrupted a step is still under way, and a generator that runs can't be
    # closed.
    steps = asyncio.all_tasks() - {asyncio.current_task()}
    for step in steps:
        step.cancel()
    await asyncio.gather(*steps, return_exceptions=True)
    await items.aclose()
    await asyncio.get_running_loop().shutdown_asyncgens()
