"""What is made asynchronously, for a caller that is not: the event loop runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def stepped(items: AsyncGenerator[T]) -> Iterator[T]:
    """Take items one by one.

    Between them the loop goes on: a caller that is slow makes no request time out. A caller that
    breaks off closes this iterator, and so the generator and all that it has under way.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="aicc-cases", daemon=True)
    thread.start()
    try:
        while found := _result(loop, _next(items)):
            yield from found
    finally:
        _result(loop, _end(items))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _result(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R]) -> R:
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _next(items: AsyncGenerator[T]) -> list[T]:
    async for item in items:
        return [item]
    return []


async def _end(items: AsyncGenerator[T]) -> None:
    # one is under way still when the caller was interrupted
    steps = asyncio.all_tasks() - {asyncio.current_task()}
    for step in steps:
        step.cancel()
    await asyncio.gather(*steps, return_exceptions=True)
    await items.aclose()
    await asyncio.get_running_loop().shutdown_asyncgens()
