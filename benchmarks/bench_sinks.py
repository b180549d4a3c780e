"""100,000 rows into CSV, SQLite and Parquet, against the loop that people would write for each.

Both ask the tenant, decode, and write; that loop asks the same pages, as many at a time, and checks
nothing: no totals, no formulas, no types, no fields that its first page has not.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no types
from attrs import frozen
from floor import Rows, read_all
from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

from aicc_async import export_cases
from aicc_async._listing.windows import Window

ROWS = 100_000
ROUNDS, QUICK_ROUNDS = 7, 1
ROWS_PER_BATCH = 10_000
# Times the obvious loop's time, at most.
BOUNDS = {"csv": 1.0, "db": 1.0, "parquet": 0.9}

Take = Callable[[Rows], object]


@contextmanager
def csv_loop(path: Path) -> Iterator[Take]:
    """Write pages by a DictWriter, whose columns are those of the first page's rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None

        def take(rows: Rows) -> None:
            nonlocal writer
            if writer is None:
                names = dict.fromkeys(chain.from_iterable(rows))
                writer = csv.DictWriter(file, names, extrasaction="ignore")
                writer.writeheader()
            writer.writerows(rows)

        yield take


@contextmanager
def sqlite_loop(path: Path) -> Iterator[Take]:
    """Insert pages by executemany; columns are those of the first page's rows."""
    with closing(sqlite3.connect(path)) as database:
        names: list[str] = []
        insert = ""

        def take(rows: Rows) -> None:
            nonlocal insert
            if not insert:
                names.extend(dict.fromkeys(chain.from_iterable(rows)))
                columns = ", ".join(f'"{name}"' for name in names)
                key = columns.replace('"id"', '"id" PRIMARY KEY')
                database.execute(f"CREATE TABLE cases ({key})")
                marks = ", ".join("?" * len(names))
                insert = f"INSERT OR REPLACE INTO cases ({columns}) VALUES ({marks})"  # noqa: S608
            database.executemany(insert, [tuple(map(row.get, names)) for row in rows])

        yield take
        database.commit()


@contextmanager
def parquet_loop(path: Path) -> Iterator[Take]:
    """Write a record batch of dictionaries every 10,000 rows, with the schema of the first ones."""
    held: Rows = []
    writer: pq.ParquetWriter | None = None

    def write() -> None:
        nonlocal writer
        batch = pa.RecordBatch.from_pylist(held, writer.schema if writer else None)
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
        held.clear()

    def take(rows: Rows) -> None:
        held.extend(rows)
        if len(held) >= ROWS_PER_BATCH:
            write()

    yield take
    if held:
        write()
    if writer:
        writer.close()


LOOPS = {"csv": csv_loop, "db": sqlite_loop, "parquet": parquet_loop}


@frozen
class Cost:
    """What a run took, in seconds."""

    elapsed: float
    cpu: float

    @classmethod
    async def of(cls, run: Callable[[], Awaitable[int]]) -> Cost:
        """Measure a run of all rows."""
        gc.collect()
        # What the run before left in memory is not this one's to write.
        os.sync()
        elapsed, cpu = time.perf_counter(), time.process_time()
        assert await run() == ROWS
        return cls(time.perf_counter() - elapsed, time.process_time() - cpu)


async def export(server: Tenant, path: Path) -> int:
    """Write all rows with the client, verified."""
    async with server.client() as aicc:
        report = await export_cases(aicc, YEAR, path)
    assert report.verified
    return report.rows


async def obvious(server: Tenant, path: Path, windows: Sequence[Window]) -> int:
    """Write all rows with the loop."""
    with LOOPS[path.suffix[1:]](path) as take:
        return await read_all(server.url, server.token, windows, take)


async def measure(server: Tenant, folder: Path, suffix: str, *, rounds: int) -> list[Result]:
    """Run both in turns, the first time uncounted; print medians, and return the ratios."""
    async with server.client() as aicc:
        windows = aicc.api.windows(YEAR)
    ours, loop = list[Cost](), list[Cost]()
    for number in range(rounds + 1):
        target, other = folder / f"ours{number}.{suffix}", folder / f"loop{number}.{suffix}"
        costs = [
            await Cost.of(partial(export, server, target)),
            await Cost.of(partial(obvious, server, other, windows)),
        ]
        if number:
            ours.append(costs[0])
            loop.append(costs[1])
    print(
        f"{suffix:8} {median(a.elapsed for a in ours):6.2f} s, loop"
        f" {median(b.elapsed for b in loop):6.2f};  {median(a.cpu for a in ours):6.2f} CPU s, loop"
        f" {median(b.cpu for b in loop):6.2f}",
        flush=True,
    )
    pairs = list(zip(ours, loop, strict=True))
    elapsed, cpu = [a.elapsed / b.elapsed for a, b in pairs], [a.cpu / b.cpu for a, b in pairs]
    return [
        summarize(f"{suffix} / obvious loop", elapsed, unit="x", target=BOUNDS[suffix]),
        summarize(f"{suffix} / obvious loop, CPU", cpu, unit="x"),
    ]


def bench(options: Options) -> list[Result]:
    """Measure each sink, or those that are named."""
    results, rounds = list[Result](), QUICK_ROUNDS if options.quick else ROUNDS
    with tenant(cases=ROWS) as server, TemporaryDirectory() as folder:
        for suffix in options.words or LOOPS:
            results += asyncio.run(measure(server, Path(folder), suffix, rounds=rounds))
    return results


if __name__ == "__main__":
    sys.exit(run(bench))
