"""Processes that share a budget and send all that they can, each in its own way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from attrs import define, field, frozen

from aicc_async import AICCClient, RateLimit, RetryPolicy, StaticToken
from aicc_async._ratelimit.budget import RequestPriority, request_priority
from aicc_async.connectors.redis import RedisBudget

START_TIMEOUT = 60.0  # seconds that starting may take


@frozen(kw_only=True)
class Load:
    """What one process does: ``tasks`` calls at a time, or one every so many seconds.

    In seconds: ``works`` is how long a task works between calls, ``blocks`` how long it holds the
    loop up then, ``slow`` how much later answers come.
    """

    priority: RequestPriority = "worker"
    tasks: int = 8
    every: float = 0.0
    works: float = 0.0
    blocks: float = 0.0
    slow: float = 0.0


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
    for pipe in pipes:
        pipe.send("stop")
    return [pipe.recv() for pipe in pipes]


def _main(pipe: Connection, target: Target, load: Load) -> None:
    asyncio.run(_run(pipe, target, load))


async def _run(pipe: Connection, target: Target, load: Load) -> None:
    log = Log()
    logging.getLogger("aicc_async").addHandler(_RejoinHandler(log))
    async with AsyncExitStack() as stack:
        url = target.url
        if load.slow:
            url = await stack.enter_async_context(_slow_tenant(url, load.slow))
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
        await asyncio.to_thread(_stopped, pipe)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        log.throttled = aicc.stats.throttled
        log.failed = Counter(repr(task.exception()) for task in tasks if not task.cancelled())
        pipe.send(log)


def _stopped(pipe: Connection) -> None:
    try:
        pipe.recv()
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


class _Carrier(asyncio.Protocol):
    """One side of a connection: what comes is written to the other side a while later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._early: list[bytes] = []
        self._other: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Write it to the other side, later."""
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._write, data)
        else:
            self._write(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Close the other side."""
        if self._other:
            self._other.close()

    def join(self, other: asyncio.Transport | None) -> None:
        """Set where what comes goes to."""
        self._other = other
        for data in self._early:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._other:
            self._other.write(data)
        else:
            self._early.append(data)


class _Relay(_Carrier):
    """The client's side: it connects to the tenant."""

    def __init__(self, seconds: float, url: str, tasks: set[asyncio.Task[None]]) -> None:
        super().__init__(0.0)
        self._slow = seconds
        self._to = urlsplit(url).netloc.split(":")
        self._tasks = tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect."""
        super().connection_made(transport)
        self._tasks.add(asyncio.create_task(self._connect()))

    async def _connect(self) -> None:
        loop, back = asyncio.get_running_loop(), _Carrier(self._slow)
        host, port = self._to
        await loop.create_connection(lambda: back, host, int(port))
        back.join(self.transport)
        self.join(back.transport)


@asynccontextmanager
async def _slow_tenant(url: str, seconds: float) -> AsyncIterator[str]:
    """Delay the answers of a tenant by so much."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    server = await loop.create_server(lambda: _Relay(seconds, url, tasks), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
