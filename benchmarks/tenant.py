"""The emulated tenant in a process of its own, so that a benchmark measures the client alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from aicc_async import AICCClient, CaseQuery, RateLimit, StaticToken
from aicc_async.emulator import Emulator

ZONE = ZoneInfo("Asia/Shanghai")
UNTIL = datetime(2026, 1, 1, tzinfo=ZONE)  # where the emulator's cases end
YEAR = CaseQuery(start_time=UNTIL.replace(year=2025), end_time=UNTIL)
DECADE = CaseQuery(start_time=UNTIL.replace(year=2016), end_time=UNTIL)


@frozen
class Tenant:
    """A running tenant, and the way to talk to its process."""

    url: str
    token: str
    _pipe: Connection

    def client(self, *, concurrency: int = 8, rate_limit: RateLimit | None = None) -> AICCClient:
        """Make a client of this tenant."""
        auth = StaticToken(self.token)
        return AICCClient(
            self.url, auth=auth, max_concurrency=concurrency, rate_limit=rate_limit, timezone=ZONE
        )

    def set(self, **options: Any) -> None:
        """Change options of the emulator: ``latency`` or ``quota``."""
        self._pipe.send(options)
        self._pipe.recv()

    def refused(self) -> int:
        """Return how many requests the quota refused so far."""
        self._pipe.send({})
        count: int = self._pipe.recv()
        return count


@contextmanager
def tenant(history: CaseQuery = YEAR, **options: Any) -> Iterator[Tenant]:
    """Run an ``Emulator(**options)`` with a history in another process, recording nothing.

    The option ``on_page`` is what its method of that name is called with; it must be picklable.
    """
    assert history.start_time
    options["since"] = history.start_time.replace(tzinfo=None)
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, options), daemon=True)
    process.start()
    theirs.close()
    try:
        url, token = ours.recv()
        yield Tenant(url, token, ours)
    finally:
        ours.close()  # which ends the process
        process.join()


def _main(pipe: Connection, options: dict[str, Any]) -> None:
    asyncio.run(_serve(pipe, options))


async def _serve(pipe: Connection, options: dict[str, Any]) -> None:
    on_page = options.pop("on_page", None)
    async with Emulator(record=False, **options) as emulator:
        emulator.on_page(on_page)
        pipe.send((emulator.url, emulator.token()))
        while True:
            try:
                changes = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return
            for name, value in changes.items():
                setattr(emulator, name, value)
            pipe.send(emulator.refused)
