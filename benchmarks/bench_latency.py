"""The export of a year against the ideal time, when every answer takes its time.

The ideal is all requests that were sent, with so many out at any moment.
"""

from __future__ import annotations

import asyncio
import sys
import time
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from attrs import frozen
from floor import Rows, read_all
from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases
from aicc_async.emulator import Latency

QUICK = "--quick" in sys.argv
ROWS = 100_000
ROUNDS = 1 if QUICK else 3


@frozen
class Setting:
    """How long answers take, how many requests are out at once, and the bound."""

    name: str
    latency: Latency
    concurrency: int
    # Times the ideal, at most.
    bound: float


SETTINGS = (
    Setting("200 ms", Latency(0.2), 16, 1.10),
    Setting("50 ms, unequal", Latency(0.05, sigma=0.8), 16, 1.30),
    Setting("50 ms, 64 at once", Latency(0.05), 64, 1.25),
)[QUICK:]


async def export(server: Tenant, path: Path, setting: Setting) -> tuple[float, float]:
    """Export everything; return the time it took, and the bare loop's, in units of the ideal."""
    async with server.client(concurrency=setting.concurrency) as aicc:
        report = await export_cases(aicc, YEAR, path)
        windows = aicc.api.windows(YEAR)
    assert report.rows == ROWS
    began, requests = time.perf_counter(), 0

    def count(_: Rows) -> None:
        nonlocal requests
        requests += 1

    found = await read_all(
        server.url, server.token, windows, count, concurrency=setting.concurrency
    )
    took = time.perf_counter() - began
    # Neighbouring windows share a second.
    assert found >= ROWS

    def ideal(sent: int) -> float:
        return setting.latency.mean * ceil(sent / setting.concurrency)

    return report.seconds / ideal(report.requests), took / ideal(requests)


async def measure(server: Tenant, path: Path) -> dict[str, tuple[float, float]]:
    """Measure all settings in turns; return the medians."""
    # It fills the tenant's cache of pages.
    await export(server, path, SETTINGS[0])
    ratios: dict[str, list[tuple[float, float]]] = {setting.name: [] for setting in SETTINGS}
    for _ in range(ROUNDS):
        for setting in SETTINGS:
            server.set(latency=setting.latency)
            ours, bare = await export(server, path, setting)
            ratios[setting.name].append((ours, bare))
            print(f"{setting.name:18} {ours:.3f}x the ideal time   bare loop {bare:.3f}x")
    return {
        name: (median(ours for ours, _ in found), median(bare for _, bare in found))
        for name, found in ratios.items()
    }


def main() -> int:
    """Measure, and say whether the bounds hold."""
    with tenant(cases=ROWS) as server, TemporaryDirectory() as folder:
        ratios = asyncio.run(measure(server, Path(folder) / "cases.jsonl"))
    for setting in SETTINGS:
        ours, bare = ratios[setting.name]
        print(
            f"bench_latency: {ours:.2f}x the ideal time at {setting.name}"
            f" (bound {setting.bound:.2f}x), the bare loop {bare:.2f}x"
        )
    return int(any(ratios[setting.name][0] > setting.bound for setting in SETTINGS))


if __name__ == "__main__":
    sys.exit(main())
