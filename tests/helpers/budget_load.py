"""Processes that share a budget and send all that they can, each in its own way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from attrs import define, field, frozen

from aicc_async import AICCClient, RateLimit, RetryPolicy, StaticToken
from aicc_async._ratelimit.budget import RequestPriority, request_priority
from aicc_async.connectors.redis import RedisBudget
from helpers.delay import delayed

START_TIMEOUT = 60.0  # seconds that starting may take
POLL_INTERVAL = 0.1  # seconds


@frozen(kw_only=True)
class Load:
    """What one process does: ``tasks`` calls at a time, or one every so many seconds.

    In seconds: ``works`` is how long a task works between calls, ``blocks`` how long it holds the
    loop up then, ``slow`` how much later answers come, ``far`` how much later requests arrive.
    """

    priority: RequestPriority = "worker"
    tasks: int = 8
    every: float = 0.0
    works: float = 0.0
    blocks: float = 0.0
    slow: float = 0.0
    far: float = 0.0


@frozen(kw_only=True)
class Target:
    """Where to send requests, and under which limit."""

    url: str
    token: str
    rate: RateLimit


@define
class Log:
    """What a process saw, by the clock that all processes of a machine share."""

    ended: list[float] = field(factory=list)
    took: list[float] = field(factory=list)
    back: list[float] = field(factory=list)
    throttled: int = 0
    failed: Counter[str] = field(factory=Counter)

    def calls(self, since: float, until: float) -> int:
        """Count the calls that were answered in between."""
        return sum(since <= each < until for each in self.ended)


def shared_limit(url: str, limit: int, *, name: str, processes: int) -> RateLimit:
    """Return a limit that is shared over Redis."""
    return RateLimit(limit, shared=RedisBudget(url, name=name, fallback_processes=processes))


@contextmanager
def run_processes(target: Target, loads: Sequence[Load]) -> Iterator[list[Connection]]:
    """Run a process for each load; they begin when all are ready, and end with ``collect_logs``."""
    context = get_context("spawn")
    pipes, processes = [], []
    for load in loads:
        ours, theirs = context.Pipe()
        process = context.Process(target=_main, args=(theirs, target, load), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            assert pipe.poll(START_TIMEOUT), "a process did not start"
            pipe.recv()
        for pipe in pipes:
            pipe.send("go")
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()  # which ends the process
        for process in processes:
            process.join()


def collect_logs(pipes: Sequence[Connection]) -> list[Log]:
    """End all processes, and read what they saw."""
    return _ask_for_logs(pipes, "stop")


def wait_for(pipes: Sequence[Connection], condition: Callable[[list[Log]], bool]) -> list[Log]:
    """Return what the processes have seen so far as soon as the condition holds for it."""
    while not condition(seen := _ask_for_logs(pipes, "log")):
        time.sleep(POLL_INTERVAL)
    return seen


def _ask_for_logs(pipes: Sequence[Connection], word: str) -> list[Log]:
    for pipe in pipes:
        pipe.send(word)
    return [pipe.recv() for pipe in pipes]


def _main(pipe: Connection, target: Target, load: Load) -> None:
    asyncio.run(_run(pipe, target, load))


async def _run(pipe: Connection, target: Target, load: Load) -> None:
    log = Log()
    logging.getLogger("aicc_async").addHandler(_RejoinHandler(log))
    async with AsyncExitStack() as stack:
        url = target.url
        if load.slow or load.far:
            proxy = delayed(urlsplit(url).netloc, there=load.far, back=load.slow)
            url = f"http://{await stack.enter_async_context(proxy)}"
        aicc = await stack.enter_async_context(
            AICCClient(
                url,
                auth=StaticToken(target.token),
                rate_limit=target.rate,
                max_concurrency=max(load.tasks, 8),
                retry=RetryPolicy(base=0.001),
            )
        )
        await aicc.list_cases(limit=1)
        pipe.send("ready")
        await asyncio.to_thread(pipe.recv)
        with request_priority(load.priority):
            tasks = [asyncio.create_task(_ask(aicc, load, log)) for _ in range(load.tasks)]
        await _hand_out(pipe, log)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        log.throttled = aicc.stats.throttled
        log.failed = Counter(repr(task.exception()) for task in tasks if not task.cancelled())
        pipe.send(log)


async def _hand_out(pipe: Connection, log: Log) -> None:
    """Send what was seen whenever it is asked for, until it is time to stop."""
    try:
        while await asyncio.to_thread(pipe.recv) != "stop":
            pipe.send(log)
    except EOFError:
        raise SystemExit from None


async def _ask(aicc: AICCClient, load: Load, log: Log) -> None:
    """Call, and call again."""
    while True:
        began = time.monotonic()
        await aicc.list_cases(limit=1)
        log.ended.append(time.monotonic())
        log.took.append(time.monotonic() - began)
        time.sleep(load.blocks)  # noqa: ASYNC251  (some programs do)
        await asyncio.sleep(load.works or max(began + load.every - time.monotonic(), 0))


class _RejoinHandler(logging.Handler):
    """Logs when the budget is back."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log the moment."""
        if "is back" in record.getMessage():
            self._log.back.append(time.monotonic())
