"""The export of a year against the ideal time, when every answer takes its time."""

from __future__ import annotations

import asyncio
import sys
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases
from aicc_async.emulator import Latency

ROWS = 100_000
CONCURRENCY = 16
ROUNDS = 3
CONSTANT, UNEQUAL = Latency(0.2), Latency(0.05, sigma=0.8)
BOUNDS = {CONSTANT: 1.10, UNEQUAL: 1.30}  # times the ideal, at most


async def export(server: Tenant, path: Path, mean: float) -> float:
    """Export everything; return the time it took, in units of the ideal time."""
    async with server.client(concurrency=CONCURRENCY) as aicc:
        report = await export_cases(aicc, YEAR, path)
    assert report.rows == ROWS
    return report.seconds / (ceil(report.requests / CONCURRENCY) * mean)


async def measure(server: Tenant, path: Path) -> dict[Latency, float]:
    """Measure with both latencies in turns; return the medians."""
    await export(server, path, 1.0)  # fills the tenant's cache of pages
    ratios: dict[Latency, list[float]] = {latency: [] for latency in BOUNDS}
    for _ in range(ROUNDS):
        for latency, found in ratios.items():
            server.set(latency=latency)
            found.append(await export(server, path, latency.mean))
        print(f"200 ms {ratios[CONSTANT][-1]:.3f}x   50 ms, unequal {ratios[UNEQUAL][-1]:.3f}x")
    return {latency: median(found) for latency, found in ratios.items()}


def main() -> int:
    """Measure, and say whether the bounds hold."""
    with tenant(cases=ROWS) as server, TemporaryDirectory() as folder:
        ratio = asyncio.run(measure(server, Path(folder) / "cases.jsonl"))
    print(
        f"bench_latency: {ratio[CONSTANT]:.2f}x the ideal time at 200 ms"
        f" (bound {BOUNDS[CONSTANT]:.2f}x), {ratio[UNEQUAL]:.2f}x at 50 ms, unequal"
        f" (bound {BOUNDS[UNEQUAL]:.2f}x)"
    )
    return int(any(ratio[latency] > bound for latency, bound in BOUNDS.items()))


if __name__ == "__main__":
    sys.exit(main())
