"""100,000 rows into a file of JSON lines, against the bare loop that does the same."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from floor import Rows, read_all
from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases

ROWS = 100_000
PAIRS, QUICK_PAIRS = 15, 3
BOUND = 100.0  # per cent of the floor's rows a second, at least

Export = Callable[[Tenant, Path], Awaitable[int]]


async def export(server: Tenant, path: Path) -> int:
    """Write all rows with the client."""
    async with server.client() as aicc:
        report = await export_cases(aicc, YEAR, path)
    assert report.rows == ROWS
    return report.rows


async def floor(server: Tenant, path: Path) -> int:
    """Write all rows with the bare loop."""
    async with server.client() as aicc:
        windows = aicc.api.windows(YEAR)
    with path.open("wb") as file:

        def write(rows: Rows) -> None:
            for row in rows:
                file.write(orjson.dumps(row) + b"\n")

        return await read_all(server.url, server.token, windows, write)


async def rate(export: Export, server: Tenant, path: Path) -> float:
    """Measure the rows a second of one run."""
    gc.collect()
    os.sync()  # what the run before left in memory is not this one's to write
    began = time.perf_counter()
    rows = await export(server, path)
    return rows / (time.perf_counter() - began)


async def measure(server: Tenant, folder: Path, pairs: int) -> list[float]:
    """Run both in turns, the first time uncounted; print them, and return the ratios."""
    ratios = []
    for number in range(pairs + 1):
        ours = await rate(export, server, folder / "ours.jsonl")
        bare = await rate(floor, server, folder / "bare.jsonl")
        if number:
            ratios.append(100 * ours / bare)
            print(f"export_cases {ours:9,.0f} rows/s   bare loop {bare:9,.0f} rows/s")
    return ratios


def bench(options: Options) -> list[Result]:
    """Measure the share of the bare loop's rows a second."""
    pairs = QUICK_PAIRS if options.quick else PAIRS
    with tenant(cases=ROWS) as server, TemporaryDirectory() as folder:
        shares = asyncio.run(measure(server, Path(folder), pairs))
    name = "export to JSON lines, of the bare loop's rows/s"
    return [summarize(name, shares, unit="%", target=BOUND, is_higher_better=True)]


if __name__ == "__main__":
    sys.exit(run(bench))
