"""The peak memory of a process that only exports: ten times the history at the same density.

``--long`` exports 100,000 and 10,000,000 rows of a tenant that computes them, which takes minutes.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from computed import client, computed
from results import Options, Result, run, summarize
from tenant import DECADE, YEAR, tenant

from aicc_async import AICCClient, CaseQuery, export_cases

ROWS, QUICK_ROWS = 100_000, 10_000
LONG_ROWS = 10_000_000
ROUNDS = 3
BOUND = 1.15  # times the memory that a tenth of the rows takes, at most


@frozen
class Cost:
    """What an export took: peak memory of its process, and CPU seconds."""

    rows: int
    megabytes: float
    seconds: float


def export(connect: Callable[[], AICCClient], query: CaseQuery) -> Cost:
    """Export in a process of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_export, args=(theirs, connect, query))
    process.start()
    rows, *cost = ours.recv()
    process.join()
    return Cost(rows, *cost)


def _export(pipe: Connection, connect: Callable[[], AICCClient], query: CaseQuery) -> None:
    before = _cpu()
    with TemporaryDirectory() as folder:
        rows = asyncio.run(_count(connect, query, Path(folder) / "cases.jsonl"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((rows, peak / (2**20 if sys.platform == "darwin" else 2**10), _cpu() - before))


async def _count(connect: Callable[[], AICCClient], query: CaseQuery, path: Path) -> int:
    async with connect() as aicc:
        report = await export_cases(aicc, query, path)
    assert report.verified
    return report.rows


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def show(name: str, cost: Cost) -> float:
    """Print a cost and return its memory."""
    cpu = 1000 * cost.seconds / cost.rows
    print(f"{name:30} {cost.megabytes:6.1f} MB {cpu:7.4f} CPU seconds per 1,000 rows", flush=True)
    return cost.megabytes


def measure_long() -> list[Result]:
    """Measure ten years with a hundred times the rows."""
    peaks = []
    for rows in (ROWS, LONG_ROWS):
        with computed(rows) as url:
            cost = export(partial(client, url), DECADE)
        assert cost.rows == rows
        peaks.append(show(f"{rows:,} rows in ten years", cost))
    ratio = peaks[1] / peaks[0]
    name = f"peak memory, {LONG_ROWS:,} rows / {ROWS:,}"
    return [summarize(name, [ratio], unit="x", target=BOUND)]


def bench(options: Options) -> list[Result]:
    """Measure a year, ten years with as many rows each, and a year with ten times the rows."""
    if options.given.long:
        return measure_long()
    rows, rounds = (QUICK_ROWS, 1) if options.quick else (ROWS, ROUNDS)
    few, many, dense = [], [], []
    with tenant(cases=rows) as year, tenant(DECADE, cases=10 * rows) as decade:
        for _ in range(rounds):
            few.append(show(f"{rows:,} rows in a year", export(year.client, YEAR)))
            many.append(show(f"{10 * rows:,} rows in ten years", export(decade.client, DECADE)))
    ratios = [ten / one for ten, one in zip(many, few, strict=True)]
    ratio = summarize("peak memory, ten times the rows / once", ratios, unit="x", target=BOUND)
    if options.quick:
        return [ratio]
    with tenant(cases=10 * rows) as year:
        dense.append(show(f"{10 * rows:,} rows in a year", export(year.client, YEAR)))
    return [
        ratio,
        summarize(f"peak memory, {10 * rows:,} rows in ten years", many, unit="MB"),
        summarize(f"peak memory, {10 * rows:,} rows in a year", dense, unit="MB"),
    ]


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help=f"{LONG_ROWS:,} rows")
    sys.exit(run(bench, parser))
