"""How near calls come to what a limit allows, and whether a strict tenant ever refuses one.

The tenant counts every sliding second, on arrival, in a process of its own. One call is made, which
opens a connection, and then ``turns * limit`` more at once. So the least time is known: the last
one can't leave before ``turns`` seconds are over since the first did, and is answered a latency
later. A strict limit learns of an arrival only by the answer, so a turn takes a second and a
latency there. Time and least of the default have the same latency in them, once.

``--load 8`` keeps that many processes busy meanwhile, ``--quick`` measures a part in 20 seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from multiprocessing import get_context

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import Tenant, tenant

from aicc_async import RateLimit
from aicc_async.emulator import Latency

# Those in a group are measured at the same time: they need next to no CPU.
GROUPS = (5, 10), (50,), (200,), (500,)
LATENCY_SECONDS = 0.08
TURNS = 9
QUICK_TURNS = 2
CONCURRENCY = 64
# What a machine of two cores can't be expected to send evenly, least of all under load.
UNBOUND_LIMIT = 500
BOUND = 1.02  # times the least, at most


@frozen(kw_only=True)
class Setting:
    """What is measured: a latency in seconds, and whether the limit is strict."""

    latency: float
    is_strict: bool

    def least_seconds(self, turns: int) -> float:
        """Return the least time for so many turns of the limit and one call more."""
        turn = 1.0 + (self.latency if self.is_strict else 0.0)
        return turns * turn + self.latency


SETTINGS = [
    Setting(latency=latency, is_strict=is_strict)
    for latency in (0.0, LATENCY_SECONDS)
    for is_strict in (False, True)
]
QUICK_SETTINGS = [SETTINGS[0], SETTINGS[-1]]


async def call_all(server: Tenant, limit: int, setting: Setting, turns: int) -> float:
    """Make one call, and the others at once; return for how many seconds all took."""
    rate = RateLimit(limit, strict=setting.is_strict)
    async with server.client(concurrency=CONCURRENCY, rate_limit=rate) as aicc:
        started = time.monotonic()
        await aicc.current_statistics()
        await asyncio.gather(*(aicc.current_statistics() for _ in range(turns * limit)))
        return time.monotonic() - started


async def measure(server: Tenant, limit: int, setting: Setting, turns: int) -> list[Result]:
    """Measure one limit, and print it."""
    server.set(latency=Latency(setting.latency), quota=limit)
    before = server.refused()
    seconds = await call_all(server, limit, setting, turns)
    refused = server.refused() - before
    least = setting.least_seconds(turns)
    kind = "strict" if setting.is_strict else "default"
    print(
        f"{kind:8}{limit:4}/s  {1000 * setting.latency:3.0f} ms  {turns * limit + 1:5} calls"
        f"  {seconds:6.2f} s  least {least:6.2f} s  {seconds / least:6.3f}x  {refused} refused",
        flush=True,
    )
    name, is_bound = f"{limit}/s, {kind}, {1000 * setting.latency:.0f} ms", limit < UNBOUND_LIMIT
    return [
        summarize(
            f"{name}: time / least possible",
            [seconds / least],
            unit="x",
            target=BOUND if is_bound else None,
        ),
        summarize(f"{name}: refused", [refused], unit="", target=0 if is_bound else None),
    ]


async def measure_all(servers: dict[int, Tenant], *, is_quick: bool) -> list[Result]:
    """Measure everything, one group of limits after the other."""
    results = list[Result]()
    turns = QUICK_TURNS if is_quick else TURNS
    # What is loaded and connected at the first call is not the limit's.
    for server in servers.values():
        async with server.client() as aicc:
            await aicc.current_statistics()
    for setting in QUICK_SETTINGS if is_quick else SETTINGS:
        for group in GROUPS:
            found = await asyncio.gather(
                *(measure(servers[limit], limit, setting, turns) for limit in group)
            )
            results += chain.from_iterable(found)
    return results


def spin() -> None:
    """Keep a core busy until the process is ended."""
    while True:
        pass


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    processes = [get_context("spawn").Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def bench(options: Options) -> list[Result]:
    """Measure all limits, on a machine that is as busy as was asked for."""
    with ExitStack() as stack:
        servers = {
            limit: stack.enter_context(tenant(cases=1)) for group in GROUPS for limit in group
        }
        stack.enter_context(busy_processes(options.given.load))
        return asyncio.run(measure_all(servers, is_quick=options.quick))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=0, metavar="PROCESSES")
    sys.exit(run(bench, parser))
