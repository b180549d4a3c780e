"""How much of a hidden quota an adaptive limit uses, and how often it is refused.

A sliding second whose quota changes twice, a bucket and a window of a minute, three minutes each:
for one process, and for three that share the limit over Redis. A refusal asks for 1 second.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import Tenant, tenant

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.budget_load import Load, Target, collect_logs, run_processes
from helpers.redis_process import RedisServer

from aicc_async import RateLimit
from aicc_async.connectors.redis import RedisBudget
from aicc_async.emulator import Bucket, FixedWindow

SECONDS = 180.0
MIN_USED = 85.0  # per cent of what the quota gave, at least
MAX_REFUSED = 1.0  # per cent of all requests, at most
PROCESSES = 1, 3


@frozen
class Shape:
    """What the quota is, one after the other for equal times, and how many requests that allows."""

    quotas: tuple[int | Bucket | FixedWindow, ...]
    allowed: float


SHAPES = {
    "sliding": Shape((30, 15, 60), SECONDS / 3 * (30 + 15 + 60)),
    "bucket": Shape((Bucket(burst=20, per_second=10),), 20 + SECONDS * 10),
    "window": Shape((FixedWindow(600),), SECONDS * 10),
}


def measure(server: Tenant, rate: RateLimit, shape: Shape, processes: int) -> tuple[float, float]:
    """Send all that the limit lets through; return the per cent used, and those refused."""
    server.set(quota=shape.quotas[0])
    refused = server.refused()
    target = Target(url=server.url, token=server.token, rate=rate)
    with run_processes(target, [Load()] * processes) as pipes:
        began = time.monotonic()
        for quota in shape.quotas:
            server.set(quota=quota)
            time.sleep(SECONDS / len(shape.quotas))
        seen = collect_logs(pipes)
    calls = sum(log.calls(began, began + SECONDS) for log in seen)
    lost = server.refused() - refused
    return 100 * calls / shape.allowed, 100 * lost / (calls + lost)


def bench_shape(name: str, redis: RedisServer, processes: int) -> list[Result]:
    """Measure a shape for one process alone, or for several that share the limit."""
    budget = RedisBudget(redis.url, name=name) if processes > 1 else None
    rate = RateLimit.adaptive(5, 100, shared=budget)
    # In a tenant of its own: whoever came before has used some of a minute's quota.
    with tenant(cases=100) as server:
        used, lost = measure(server, rate, SHAPES[name], processes)
    name = f"hidden quota, {name}, {'shared' if budget else 'alone'}"
    print(f"{name}: {used:.1f} % used, {lost:.2f} % refused")
    return [
        summarize(f"{name}: used", [used], unit="%", target=MIN_USED, is_higher_better=True),
        summarize(f"{name}: refused", [lost], unit="%", target=MAX_REFUSED),
    ]


def bench(options: Options) -> list[Result]:
    """Measure each shape, or those that are named. They take minutes: there is no quick way."""
    if options.quick:
        return []
    with TemporaryDirectory(prefix="aicc-redis-") as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        try:
            return [
                result
                for name in options.words or SHAPES
                for processes in PROCESSES
                for result in bench_shape(name, redis, processes)
            ]
        finally:
            redis.kill()


if __name__ == "__main__":
    sys.exit(run(bench))
