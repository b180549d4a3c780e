"""1,000,000 rows into each format: peak memory, speed and size. Databases: give their URLs."""

from __future__ import annotations

import asyncio
import resource
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Options, Result, run, summarize
from tenant import DECADE, Tenant, tenant

from aicc_async import export_cases

ROWS = 1_000_000
FILES = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "db")


def export(server: Tenant, target: str) -> tuple[float, int, float]:
    """Export in a process of its own; return seconds, bytes, and its peak memory in MB."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_export, args=(theirs, server, target))
    process.start()
    seconds, size, peak = ours.recv()
    process.join()
    return seconds, size, peak


def _export(pipe: Connection, server: Tenant, target: str) -> None:
    seconds, size = asyncio.run(_timed(server, target))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((seconds, size, peak / (2**20 if sys.platform == "darwin" else 2**10)))


async def _timed(server: Tenant, target: str) -> tuple[float, int]:
    async with server.client() as aicc:
        report = await export_cases(aicc, DECADE, target)
    assert report.verified
    assert report.rows == ROWS
    return report.seconds, report.size or 0


def bench(options: Options) -> list[Result]:
    """Measure each; there is no bound but that all rows are there, verified."""
    if options.quick:
        return []
    results = []
    with tenant(DECADE, cases=ROWS) as server, TemporaryDirectory() as folder:
        targets = [str(Path(folder) / f"cases.{suffix}") for suffix in FILES]
        export(server, targets[0])  # from now on the tenant has its pages at hand
        for target in [*targets, *options.words]:
            seconds, size, peak = export(server, target)
            name = "postgres" if "://" in target else target.rpartition("cases.")[2]
            rate = ROWS / seconds
            print(f"{name:10} {seconds:6.1f} s {rate:9,.0f} rows/s {size / 1e6:7.1f} MB", end="")
            print(f"   peak {peak:6.1f} MB", flush=True)
            Path(target).unlink(missing_ok=True)
            results.append(summarize(f"{name}: speed", [rate], unit="rows/s"))
            results.append(summarize(f"{name}: peak memory", [peak], unit="MB"))
    return results


if __name__ == "__main__":
    sys.exit(run(bench))
