"""100,000 typed cases out of ``iter_cases`` against the bare loop, at no latency."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable

from floor import read_all
from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

ROWS = 100_000
PAIRS, QUICK_PAIRS = 15, 3
BOUND = 55.0  # per cent of the floor's rows a second, at least


async def iterate(server: Tenant) -> int:
    """Read all cases with the client."""
    rows = 0
    async with server.client() as aicc:
        async for _ in aicc.iter_cases(YEAR):
            rows += 1
    assert rows == ROWS
    return rows


async def floor(server: Tenant) -> int:
    """Read all rows with the bare loop."""
    async with server.client() as aicc:
        windows = aicc.api.windows(YEAR)
    return await read_all(server.url, server.token, windows, len)


async def rate(read: Callable[[Tenant], Awaitable[int]], server: Tenant) -> float:
    """Measure the rows a second of one run."""
    gc.collect()
    began = time.perf_counter()
    rows = await read(server)
    return rows / (time.perf_counter() - began)


async def measure(server: Tenant, pairs: int) -> list[float]:
    """Run both in turns, the first time uncounted; print them, and return the ratios."""
    ratios = []
    for number in range(pairs + 1):
        ours, bare = await rate(iterate, server), await rate(floor, server)
        if number:
            ratios.append(100 * ours / bare)
            print(f"iter_cases {ours:9,.0f} rows/s   bare loop {bare:9,.0f} rows/s")
    return ratios


def bench(options: Options) -> list[Result]:
    """Measure the share of the bare loop's rows a second."""
    pairs = QUICK_PAIRS if options.quick else PAIRS
    with tenant(cases=ROWS) as server:
        shares = asyncio.run(measure(server, pairs))
    name = "iter_cases, of the bare loop's rows/s"
    return [summarize(name, shares, unit="%", target=BOUND, is_higher_better=True)]


if __name__ == "__main__":
    sys.exit(run(bench))
