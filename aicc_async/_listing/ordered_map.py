"""Answers to many calls: fetched ahead, in bounded number, handed out in the order asked."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing
from typing import Any, TypeVar

I = TypeVar("I")  # noqa: E741  (an item)
T = TypeVar("T")
AHEAD = 8  # times the concurrency: answers take unequal times, and the slowest holds up the rest


async def ordered_map(
    items: Iterable[I] | AsyncIterable[I],
    fetch: Callable[[I], Awaitable[T]],
    *,
    concurrency: int,
) -> AsyncGenerator[T]:
    """Fetch something for each item, ``concurrency`` at a time, and hand it out in their order.

    At most ``AHEAD`` times as many are under way or wait to be handed out. An error comes where its
    answer would have come. Whatever ends this, all that is under way is cancelled and waited for,
    and items that are an async generator are closed.
    """
    tasks: asyncio.Queue[asyncio.Task[T] | None] = asyncio.Queue()
    places, room = asyncio.Semaphore(concurrency), asyncio.Semaphore(AHEAD * concurrency - 1)

    async def one(item: I) -> T:
        async with places:
            return await fetch(item)

    async def feed() -> None:
        try:
            async with aclosing(_each(items)) as source:
                async for item in source:
                    tasks.put_nowait(asyncio.create_task(one(item)))
                    await room.acquire()
        finally:
            tasks.put_nowait(None)

    feeding, task = asyncio.create_task(feed()), None
    try:
        while (task := await tasks.get()) is not None:
            yield await task
            room.release()
        await feeding  # what the items raised comes after them
    finally:
        rest = [tasks.get_nowait() for _ in range(tasks.qsize())]
        await _end([feeding, *filter(None, [task, *rest])])


async def _each(items: Iterable[I] | AsyncIterable[I]) -> AsyncGenerator[I]:
    if not isinstance(items, AsyncIterable):
        for item in items:
            yield item
        return
    try:
        async for item in items:
            yield item
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    under_way = list(tasks)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
