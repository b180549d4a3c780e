"""100,000 rows by the dlt source into a DuckDB file: seconds, and peak memory of its process."""

from __future__ import annotations

import os
import resource
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory

from results import Options, Result, run, summarize
from tenant import YEAR, Tenant, tenant

ROWS, ROUNDS = 100_000, 3


def load(server: Tenant) -> tuple[float, float]:
    """Load all rows in a process of its own; return seconds and megabytes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_load, args=(theirs, server))
    process.start()
    theirs.close()
    seconds, megabytes = ours.recv()
    process.join()
    return seconds, megabytes


def _load(pipe: Connection, server: Tenant) -> None:
    # Here, so that this process alone has dlt in its memory.
    import dlt  # noqa: PLC0415

    from aicc_async import StaticToken  # noqa: PLC0415
    from aicc_async.connectors.dlt import aicc_cases  # noqa: PLC0415

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with TemporaryDirectory() as folder:
        database = dlt.destinations.duckdb(f"{folder}/cases.duckdb")
        pipeline = dlt.pipeline(
            "cases", destination=database, dataset_name="d", pipelines_dir=folder
        )
        began = time.perf_counter()
        pipeline.run(aicc_cases(server.url, query=YEAR, auth=StaticToken(server.token)))
        seconds = time.perf_counter() - began
        with pipeline.sql_client() as client:
            assert client.execute_sql("SELECT count(DISTINCT id) FROM cases") == [(ROWS,)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((seconds, peak / (2**20 if sys.platform == "darwin" else 2**10)))


def bench(options: Options) -> list[Result]:
    """Load some times into new files; nothing on a quick run, which judges ratios alone."""
    if options.quick:
        return []
    with tenant(cases=ROWS) as server:
        seconds, megabytes = zip(*(load(server) for _ in range(ROUNDS)), strict=True)
    name = f"{ROWS:,} rows through dlt into DuckDB"
    return [
        summarize(name, seconds, unit="s"),
        summarize(f"{name}, peak memory", megabytes, unit="MB"),
    ]


if __name__ == "__main__":
    sys.exit(run(bench))
