"""The floor: the least that a program of aiohttp and orjson has to do to read all rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import orjson

from aicc_async._listing.windows import Window

LIST = "/service/AICC__Case/1.0.0/openapi/case/list"
LIMIT = 100

Rows = list[dict[str, Any]]


async def read_all(
    url: str,
    token: str,
    windows: Sequence[Window],
    take: Callable[[Rows], object],
    *,
    concurrency: int = 8,
) -> int:
    """Read every page of every window, some at once, in any order, unchecked; count the rows."""
    pages: asyncio.Queue[tuple[Window, int]] = asyncio.Queue()
    for window in windows:
        pages.put_nowait((window, 0))
    headers = {"access-token": token, "Content-Type": "application/json"}
    total = 0

    async def work() -> None:
        nonlocal total
        while True:
            window, start = await pages.get()
            async with session.post(url + LIST, data=_body(window, start)) as response:
                [only] = orjson.loads(await response.read())["result"]
            if start == 0:
                for at in range(LIMIT, only["count"], LIMIT):
                    pages.put_nowait((window, at))
            take(only["caseList"])
            total += len(only["caseList"])
            pages.task_done()

    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        workers = [group.create_task(work()) for _ in range(concurrency)]
        # A worker without a page waits: a first page that is still out brings more of them.
        await pages.join()
        for worker in workers:
            worker.cancel()
    return total


def _body(window: Window, start: int) -> bytes:
    times = {"startTime": str(window.start), "endTime": str(window.end)}
    return orjson.dumps({**times, "start": start, "limit": LIMIT})
