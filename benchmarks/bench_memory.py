"""The peak memory of a process that only exports: ten times the history at the same density."""

from __future__ import annotations

import asyncio
import resource
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import DECADE, YEAR, Tenant, tenant

from aicc_async import CaseQuery, export_cases

ROWS, QUICK_ROWS = 100_000, 10_000
ROUNDS = 3
BOUND = 1.15  # times the memory that a tenth of the rows takes, at most


@frozen
class Cost:
    """What an export took: peak memory of its process, and CPU seconds."""

    rows: int
    megabytes: float
    seconds: float


def export(server: Tenant, query: CaseQuery) -> Cost:
    """Export in a process of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_export, args=(theirs, server, query))
    process.start()
    rows, *cost = ours.recv()
    process.join()
    return Cost(rows, *cost)


def _export(pipe: Connection, server: Tenant, query: CaseQuery) -> None:
    before = _cpu()
    with TemporaryDirectory() as folder:
        rows = asyncio.run(_count(server, query, Path(folder) / "cases.jsonl"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((rows, peak / (2**20 if sys.platform == "darwin" else 2**10), _cpu() - before))


async def _count(server: Tenant, query: CaseQuery, path: Path) -> int:
    async with server.client() as aicc:
        return (await export_cases(aicc, query, path)).rows


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def show(name: str, cost: Cost) -> float:
    """Print a cost and return its memory."""
    cpu = 1000 * cost.seconds / cost.rows
    print(f"{name:30} {cost.megabytes:6.1f} MB {cpu:7.4f} CPU seconds per 1,000 rows", flush=True)
    return cost.megabytes


def bench(options: Options) -> list[Result]:
    """Measure a year, ten years with as many rows each, and a year with ten times the rows."""
    rows, rounds = (QUICK_ROWS, 1) if options.quick else (ROWS, ROUNDS)
    few, many, dense = [], [], []
    with tenant(cases=rows) as year, tenant(DECADE, cases=10 * rows) as decade:
        for _ in range(rounds):
            few.append(show(f"{rows:,} rows in a year", export(year, YEAR)))
            many.append(show(f"{10 * rows:,} rows in ten years", export(decade, DECADE)))
    ratios = [ten / one for ten, one in zip(many, few, strict=True)]
    ratio = summarize("peak memory, ten times the rows / once", ratios, unit="x", target=BOUND)
    if options.quick:
        return [ratio]
    with tenant(cases=10 * rows) as year:
        dense.append(show(f"{10 * rows:,} rows in a year", export(year, YEAR)))
    return [
        ratio,
        summarize(f"peak memory, {10 * rows:,} rows in ten years", many, unit="MB"),
        summarize(f"peak memory, {10 * rows:,} rows in a year", dense, unit="MB"),
    ]


if __name__ == "__main__":
    sys.exit(run(bench))
