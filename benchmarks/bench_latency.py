"""The export of a year against the ideal time, when every answer takes its time.

The ideal is all requests that were sent, with so many out at any moment.
"""

from __future__ import annotations

import asyncio
import sys
import time
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from floor import Rows, read_all
from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases
from aicc_async.emulator import Latency

ROWS, QUICK_ROWS = 100_000, 50_000
ROUNDS = 3


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
    Setting("unequal 50 ms", Latency(0.05, sigma=0.8), 16, 1.30),
    Setting("50 ms, 64 at once", Latency(0.05), 64, 1.25),
)


async def export(server: Tenant, path: Path, setting: Setting, *, rows: int) -> tuple[float, float]:
    """Export everything; return the time it took, and the bare loop's, in units of the ideal."""
    async with server.client(concurrency=setting.concurrency) as aicc:
        report = await export_cases(aicc, YEAR, path)
        windows = aicc.api.windows(YEAR)
    assert report.rows == rows
    began, requests = time.perf_counter(), 0

    def count(_: Rows) -> None:
        nonlocal requests
        requests += 1

    found = await read_all(
        server.url, server.token, windows, count, concurrency=setting.concurrency
    )
    took = time.perf_counter() - began
    # Neighbouring windows share a second.
    assert found >= rows

    def ideal(sent: int) -> float:
        return setting.latency.mean * ceil(sent / setting.concurrency)

    return report.seconds / ideal(report.requests), took / ideal(requests)


async def measure(
    server: Tenant, path: Path, *, rows: int, rounds: int
) -> dict[Setting, list[tuple[float, float]]]:
    """Measure all settings in turns; return the ratios."""
    # It fills the tenant's cache of pages.
    await export(server, path, SETTINGS[0], rows=rows)
    ratios: dict[Setting, list[tuple[float, float]]] = {setting: [] for setting in SETTINGS}
    for _ in range(rounds):
        for setting, found in ratios.items():
            server.set(latency=setting.latency)
            ours, bare = await export(server, path, setting, rows=rows)
            found.append((ours, bare))
            print(f"{setting.name:18} {ours:.3f}x the ideal time   bare loop {bare:.3f}x")
    return ratios


def bench(options: Options) -> list[Result]:
    """Measure the export's time over the ideal, and the bare loop's."""
    rows, rounds = (QUICK_ROWS, 1) if options.quick else (ROWS, ROUNDS)
    with tenant(cases=rows) as server, TemporaryDirectory() as folder:
        path = Path(folder) / "cases.jsonl"
        ratios = asyncio.run(measure(server, path, rows=rows, rounds=rounds))
    results = []
    for setting, found in ratios.items():
        name = f"export at {setting.name} / ideal"
        ours, bare = [each for each, _ in found], [each for _, each in found]
        results.append(summarize(name, ours, unit="x", target=setting.bound))
        results.append(summarize(f"bare loop at {setting.name} / ideal", bare, unit="x"))
    return results


if __name__ == "__main__":
    sys.exit(run(bench))
