"""What the Spark source takes for 100,000 rows, beside an export of the same rows.

Requests, sign-ins and seconds without a quota, and with one: four workers share it by a Redis, and
so does the export, by itself. A shared limit of 50/s is at most 47.4/s, 95 % of the quota: the
budget keeps 55 ms beside the second, for what arrives closer together than it left. The tenant is a
thread of the driver, which waits for the workers meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import YEAR, ZONE

from aicc_async import AICCClient, ClientCredentials, RateLimit, export_cases
from aicc_async.connectors.redis import RedisBudget
from aicc_async.emulator import Emulator, run_in_thread

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.redis_process import RedisServer

ROWS = 100_000
QUOTA = 50  # requests in any second
CORES = 4
MIN_USED = 90.0  # per cent
MAX_REQUESTS = 1.05  # times the export's
RANGE = {"since": "2025-01-01", "until": "2025-12-31"}


@frozen(kw_only=True)
class Found:
    """What one reading took, by what the tenant saw."""

    seconds: float
    requests: int
    sign_ins: int
    # Until the first page: Spark plans, and starts its tasks.
    start: float
    # Of the quota, per cent: from the first page to the last, and of the half in the middle, when
    # nobody starts and nobody is done.
    used: float
    steady: float


def measure(tenant: Emulator, read: Callable[[], int]) -> Found:
    """Read, and count."""
    tenant.requests.clear()
    began = time.monotonic()
    assert read() == ROWS
    seconds = time.monotonic() - began
    seen = tenant.requests
    pages = [each for each in seen if each.operation == "list" and b'"limit":1}' not in each.body]
    at = sorted(each.at for each in pages)
    return Found(
        seconds=seconds,
        requests=len(seen),
        sign_ins=sum(each.operation == "token" for each in seen),
        start=at[0] - began,
        used=used_of(at),
        steady=used_of(at[len(at) // 4 : -len(at) // 4]),
    )


def used_of(times: Sequence[float]) -> float:
    """Return how much of the quota was used from the first to the last of some requests."""
    return 100 * len(times) / (times[-1] - times[0]) / QUOTA


async def export(tenant: Emulator, folder: Path, rate: RateLimit | None) -> int:
    """Export to JSON lines, and return how many rows came."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(tenant.url, auth=auth, timezone=ZONE, rate_limit=rate) as aicc:
        report = await export_cases(
            aicc, YEAR, folder / "cases.jsonl", restart=True, overwrite=True
        )
    assert report.verified
    return report.rows


@contextmanager
def spark_session() -> Iterator[Any]:
    """Run a Spark with four workers."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  (a quick run needs no Spark)

    from aicc_async.connectors.spark import register  # noqa: PLC0415

    os.environ |= {
        "PYSPARK_PYTHON": sys.executable,
        "AICC_CLIENT_ID": Emulator.client_id,
        "AICC_CLIENT_SECRET": Emulator.client_secret,
    }
    builder = SparkSession.builder.master(f"local[{CORES}]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    register(session)
    try:
        # Its first job starts the workers.
        session.range(CORES).rdd.map(str).count()
        yield session
    finally:
        session.stop()


def describe(name: str, found: Found, exported: Found) -> list[Result]:
    """Return the figures of a reading beside the export's."""
    ratio = found.requests / exported.requests
    return [
        summarize(f"{name}: requests", [found.requests], unit="requests"),
        summarize(f"{name}: sign-ins", [found.sign_ins], unit="requests"),
        summarize(f"{name}: time", [found.seconds], unit="s"),
        summarize(f"{name}: requests / the export's", [ratio], unit="x", target=MAX_REQUESTS),
    ]


def describe_quota(name: str, found: Found) -> list[Result]:
    """Return how much of the quota a reading used."""
    target: Any = {"unit": "%", "target": MIN_USED, "is_higher_better": True}
    return [
        summarize(f"{name}: time", [found.seconds], unit="s"),
        summarize(f"{name}: used", [found.used], **target),
        summarize(f"{name}: used in the middle half", [found.steady], **target),
    ]


def bench(options: Options) -> list[Result]:
    """Measure both ways; a JVM takes too long for a quick run."""
    if options.quick:
        return []
    with (
        TemporaryDirectory(prefix="aicc-redis-") as name,
        run_in_thread(cases=ROWS) as tenant,
        spark_session() as spark,
    ):
        folder = Path(name)

        def read(**given: str) -> int:
            frame = spark.read.format("aicc_cases").options(base_url=tenant.url, **RANGE, **given)
            return int(frame.load().count())

        exported = measure(tenant, lambda: asyncio.run(export(tenant, folder, None)))
        found = measure(tenant, read)
        redis = RedisServer(folder)
        redis.start()
        try:
            tenant.quota, refused = QUOTA, tenant.refused
            shared = {"rate": str(QUOTA), "redis_url": redis.url, "budget": "spark"}
            paced = measure(tenant, lambda: read(**shared, fallback_processes=str(CORES)))
            refused = tenant.refused - refused
            budget = RedisBudget(redis.url, name="export", fallback_processes=CORES)
            rate = RateLimit(QUOTA, shared=budget, priority="bulk")
            alone = measure(tenant, lambda: asyncio.run(export(tenant, folder, rate)))
        finally:
            redis.kill()
        # Last: a task that Spark breaks off may ask for a page more.
        tenant.quota = None
        tenant.requests.clear()
        read_ten(spark, tenant)
        few = len(tenant.requests)
    return [
        summarize("export: requests", [exported.requests], unit="requests"),
        summarize("export: time", [exported.seconds], unit="s"),
        *describe("spark", found, exported),
        summarize("spark, ten rows: requests", [few], unit="requests"),
        *describe_quota("export, quota", alone),
        *describe_quota("spark, quota", paced),
        summarize("spark, quota: start", [paced.start], unit="s"),
        summarize("spark, quota: refused", [refused], unit="requests", target=0),
    ]


def read_ten(spark: Any, tenant: Emulator) -> None:
    """Read ten rows of the year."""
    frame = spark.read.format("aicc_cases").options(base_url=tenant.url, **RANGE).load()
    assert len(frame.limit(10).collect()) == 10


if __name__ == "__main__":
    sys.exit(run(bench))
