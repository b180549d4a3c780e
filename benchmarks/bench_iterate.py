"""100,000 typed cases out of ``iter_cases`` against the bare loop, at no latency."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

from floor import read_all
from tenant import YEAR, Tenant, tenant

ROWS = 100_000
PAIRS = 15
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


async def measure(server: Tenant) -> float:
    """Run both in turns, the first time uncounted; print them, and return the median of ratios."""
    ratios = []
    for number in range(PAIRS + 1):
        ours, bare = await rate(iterate, server), await rate(floor, server)
        if number:
            ratios.append(100 * ours / bare)
            print(f"iter_cases {ours:9,.0f} rows/s   bare loop {bare:9,.0f} rows/s")
    return median(ratios)


def main() -> int:
    """Measure, and say whether the bound holds."""
    with tenant(cases=ROWS) as server:
        share = asyncio.run(measure(server))
    print(f"bench_iterate: {share:.0f} % of the bare loop's rows/s (bound {BOUND:.0f} %)")
    return int(share < BOUND)


if __name__ == "__main__":
    sys.exit(main())
