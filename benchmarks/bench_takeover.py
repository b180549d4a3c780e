"""How soon another replica of a watch goes on after the leader was killed, on a real Redis.

From the kill, at a random moment of its lease, to the moment at which the other one, which waits,
has read the state.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Options, Result, run, summarize

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.redis_process import RedisServer

from aicc_async.connectors.redis import RedisWatchState
from aicc_async.watch import Look

ROUNDS = 15
MAX_SECONDS = 5.0
# A renewal comes within it: the lease that the kill leaves is of any age.
MAX_AGE = 1.5  # seconds


def lead(url: str, connection: Connection) -> None:
    """Lead, say so, and go on until this process is killed."""

    async def hold() -> None:
        state = RedisWatchState(url)
        async with state.hold():
            await state.commit(Look(meta=b"noted"))
            connection.send(True)
            await asyncio.Event().wait()

    asyncio.run(hold())


async def follow(url: str, killed_at: asyncio.Future[float]) -> float:
    """Wait for the lease; return how long that took since the kill."""
    async with RedisWatchState(url) as state, state.hold():
        assert await state.meta() == b"noted"
        return time.monotonic() - await killed_at


async def take_over(url: str) -> float:
    """Have a leader killed, and return after how many seconds the other one leads."""
    context = get_context("spawn")
    here, there = context.Pipe()
    leader = context.Process(target=lead, args=(url, there))
    leader.start()
    await asyncio.to_thread(here.recv)
    killed_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    following = asyncio.create_task(follow(url, killed_at))
    await asyncio.sleep(random.uniform(0.2, MAX_AGE))  # noqa: S311  (no secret)
    leader.kill()
    killed_at.set_result(time.monotonic())
    seconds = await following
    await asyncio.to_thread(leader.join)
    print(f"taken over after {seconds:.2f} s", flush=True)
    return seconds


def bench(options: Options) -> list[Result]:
    """Kill leaders, one after the other; nothing on a quick run, which judges ratios alone."""
    if options.quick:
        return []
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            found = [asyncio.run(take_over(server.url)) for _ in range(ROUNDS)]
        finally:
            server.kill()
    # The longest is what is promised.
    return [
        summarize("takeover of a killed replica on Redis", found, unit="s"),
        summarize("the longest takeover", [max(found)], unit="s", target=MAX_SECONDS),
    ]


if __name__ == "__main__":
    sys.exit(run(bench))
