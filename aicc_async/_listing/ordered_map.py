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

Item = TypeVar("Item")
T = TypeVar("T")
# Times the concurrency: answers take unequal times, and with fewer all wait for the slowest.
ANSWERS_AHEAD = 8


async def ordered_map(
    items: Iterable[Item] | AsyncIterable[Item],
    fetch: Callable[[Item], Awaitable[T]],
    *,
    concurrency: int,
) -> AsyncGenerator[T]:
    """Fetch something for each item, ``concurrency`` at a time, and yield it in their order.

    At most ``ANSWERS_AHEAD`` times as many are under way or wait to be handed out. An error comes
    where its answer would have come. Whatever ends this, all that is under way is cancelled and
    waited for, and items that are an async generator are closed.
    """
    tasks: asyncio.Queue[asyncio.Task[T] | None] = asyncio.Queue()
    places = asyncio.Semaphore(concurrency)
    room = asyncio.Semaphore(ANSWERS_AHEAD * concurrency - 1)

    async def fetch_one(item: Item) -> T:
        async with places:
            return await fetch(item)

    async def feed() -> None:
        try:
            async with aclosing(_each(items)) as source:
                async for item in source:
                    tasks.put_nowait(asyncio.create_task(fetch_one(item)))
                    await room.acquire()
        finally:
            tasks.put_nowait(None)

    feeding, task = asyncio.create_task(feed()), None
    try:
        while (task := await tasks.get()) is not None:
            yield await task
            room.release()
        # What the items raised comes after them.
        await feeding
    finally:
        rest = [tasks.get_nowait() for _ in range(tasks.qsize())]
        await cancel_all([feeding, *filter(None, [task, *rest])])


async def _each(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item]:
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


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, whatever they end with."""
    under_way = list(tasks)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
