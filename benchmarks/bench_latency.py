"""The export of a year against the ideal time, when every answer takes its time."""

from __future__ import annotations

import asyncio
import sys
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases
from aicc_async.emulator import Latency

ROWS, QUICK_ROWS = 100_000, 50_000
CONCURRENCY = 16
ROUNDS = 3
CONSTANT, UNEQUAL = Latency(0.2), Latency(0.05, sigma=0.8)
BOUNDS = {CONSTANT: 1.10, UNEQUAL: 1.30}  # times the ideal, at most


async def export(server: Tenant, path: Path, mean: float, rows: int) -> float:
    """Export everything; return the time it took, in units of the ideal time."""
    async with server.client(concurrency=CONCURRENCY) as aicc:
        report = await export_cases(aicc, YEAR, path)
    assert report.rows == rows
    return report.seconds / (ceil(report.requests / CONCURRENCY) * mean)


async def measure(server: Tenant, path: Path, rows: int, rounds: int) -> dict[Latency, list[float]]:
    """Measure with both latencies in turns; return the ratios."""
    await export(server, path, 1.0, rows)  # fills the tenant's cache of pages
    ratios: dict[Latency, list[float]] = {latency: [] for latency in BOUNDS}
    for _ in range(rounds):
        for latency, found in ratios.items():
            server.set(latency=latency)
            found.append(await export(server, path, latency.mean, rows))
        print(f"200 ms {ratios[CONSTANT][-1]:.3f}x   50 ms, unequal {ratios[UNEQUAL][-1]:.3f}x")
    return ratios


def bench(options: Options) -> list[Result]:
    """Measure the export's time over the ideal."""
    rows, rounds = (QUICK_ROWS, 1) if options.quick else (ROWS, ROUNDS)
    with tenant(cases=rows) as server, TemporaryDirectory() as folder:
        ratios = asyncio.run(measure(server, Path(folder) / "cases.jsonl", rows, rounds))
    names = {CONSTANT: "export at 200 ms / ideal", UNEQUAL: "export at unequal 50 ms / ideal"}
    return [
        summarize(names[latency], ratios[latency], unit="x", target=bound)
        for latency, bound in BOUNDS.items()
    ]


if __name__ == "__main__":
    sys.exit(run(bench))
