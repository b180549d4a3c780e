"""Whether processes that share a budget keep to it, use it, and share it fairly.

Four processes of different speed over one real Redis: as it is, and while it is killed, stopped,
flushed and replaced; with interactive calls beside saturating exports and workers; and a worker
beside exports. Then one, four and eight processes with Redis behind a proxy that delays, one of
them 100 ms farther from the tenant. The tenant counts each second, on arrival. ``far`` alone, or
with round trips in milliseconds, measures those: ``bench_budget.py far 0 50``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from redis import Redis
from results import Options, Result, run, summarize
from tenant import Tenant, tenant

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.budget_load import Load, Log, Target, collect_logs, run_processes, shared_limit
from helpers.delay import delayed
from helpers.redis_process import RedisServer

QUOTA = 100  # requests in any second
SECONDS = 30.0
WARM_UP = 3.0  # seconds before it is measured
MIN_USED = 93.0  # per cent, at least
ROUND_TRIPS = (0, 5, 20, 50, 100, 200)  # milliseconds
COUNTS = (1, 4, 8)
MIN_USED_FAR = 85.0  # per cent, beyond 50 ms
FAR = Load(far=0.1, tasks=24)
MIN_FAIR_SHARE = 0.5  # of a fair share, at least
MAX_REJOIN = 2.0  # seconds after Redis is
MAX_WAIT = 0.3  # seconds that an interactive call waits at most, beside a round trip
STUMBLE_AFTER = 5.0  # seconds before Redis stumbles, and after it
DIFFERENT = (
    Load(),
    Load(works=0.1, blocks=0.005),
    Load(slow=0.2, tasks=16),
    Load(tasks=4),
)


@frozen(kw_only=True)
class Found:
    """How much was used, per cent; how many were refused; each process's log and calls."""

    used: float
    refused: int
    seen: list[Log]
    calls: list[int]


def measure(
    server: Tenant,
    url: str,
    loads: Sequence[Load],
    *,
    name: str,
    meanwhile: Callable[[float], None] = lambda _: None,
    seconds: float = SECONDS,
) -> Found:
    """Run the loads, and count."""
    rate = shared_limit(url, QUOTA, name=name, processes=len(loads))
    before = server.refused()
    with run_processes(Target(url=server.url, token=server.token, rate=rate), loads) as pipes:
        time.sleep(WARM_UP)
        began = time.monotonic()
        meanwhile(began)
        time.sleep(max(began + seconds - time.monotonic(), 0))
        seen = collect_logs(pipes)
    refused = server.refused() - before
    calls = [log.calls(began, began + seconds) for log in seen]
    used = 100 * sum(calls) / seconds / QUOTA
    print(f"{name}: {used:.1f} % used, {refused} refused, calls {calls}")
    for log in seen:
        assert not log.failed, log.failed
    return Found(used=used, refused=refused, seen=seen, calls=calls)


def use(name: str, found: Found) -> list[Result]:
    """Return how much was used, and how many requests were refused."""
    return [
        summarize(f"{name}: used", [found.used], unit="%", target=MIN_USED, is_higher_better=True),
        summarize(f"{name}: refused", [found.refused], unit="requests", target=0),
    ]


def steady(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run four processes of different speed."""
    found = measure(server, redis.url, DIFFERENT, name="steady")
    share = min(found.calls) * len(DIFFERENT) / sum(found.calls)
    name, target = "steady: least share of a process, of a fair one", MIN_FAIR_SHARE
    fair = summarize(name, [share], unit="x", target=target, is_higher_better=True)
    return [*use("steady", found), fair]


def killed(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run the same, while Redis is killed, stopped, flushed, or another one."""
    return [result for name in STUMBLES for result in stumble(server, redis, name)]


def stumble(server: Tenant, redis: RedisServer, name: str) -> list[Result]:
    """Run the same with a stumble after some seconds; a process is back when it says so."""
    returned = 0.0

    def meanwhile(began: float) -> None:
        nonlocal returned
        time.sleep(max(began + STUMBLE_AFTER - time.monotonic(), 0))
        STUMBLES[name](redis)
        returned = time.monotonic()
        time.sleep(STUMBLE_AFTER)

    found = measure(
        server, redis.url, DIFFERENT, name=name, meanwhile=meanwhile, seconds=STUMBLE_AFTER
    )
    refused = summarize(f"{name}: refused", [found.refused], unit="requests", target=0)
    if name in ("flushed", "scripts flushed"):
        return [refused]
    # A restart may be so quick that nobody was away.
    back = max(max(log.back, default=returned) - returned for log in found.seen)
    last = summarize(f"{name}: the last is back after", [back], unit="s", target=MAX_REJOIN)
    return [last, refused]


def kill_for_a_while(redis: RedisServer) -> None:
    """Kill it, and start it again with its data."""
    redis.kill()
    time.sleep(SECONDS / 3)
    redis.start()


def fail_over(redis: RedisServer) -> None:
    """Have another one in its place that knows nothing, as a replica that had lagged behind."""
    run_command(redis, "FLUSHALL")
    redis.kill()
    redis.start()


def run_command(redis: RedisServer, command: str) -> None:
    """Run a command in it."""
    with Redis.from_url(redis.url) as client:
        client.execute_command(command)


STUMBLES: dict[str, Callable[[RedisServer], None]] = {
    "killed": kill_for_a_while,
    "stopped": lambda redis: redis.stop(5.0),
    "flushed": lambda redis: run_command(redis, "FLUSHALL"),
    "scripts flushed": lambda redis: run_command(redis, "SCRIPT FLUSH"),
    "failed over": fail_over,
}


def ranked(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run interactive calls at 2/s beside an export, then beside workers too, at a distance."""
    busy = [Load(priority="bulk", tasks=16)]
    results = interactive(server, redis.url, busy, name="ranked", seconds=SECONDS)
    for milliseconds in ROUND_TRIPS[1:]:
        with proxy(redis.url.removeprefix("unix://"), milliseconds / 2000) as url:
            name = f"ranked, workers, {milliseconds} ms"
            loads = [*busy, Load(), Load()]
            seconds, trip = SECONDS / 2, milliseconds / 1000
            results += interactive(server, url, loads, name=name, seconds=seconds, trip=trip)
    return results


def interactive(
    server: Tenant,
    url: str,
    busy: Sequence[Load],
    *,
    name: str,
    seconds: float,
    trip: float = 0.0,
) -> list[Result]:
    """Run interactive calls beside others, at a round trip of so many seconds."""
    loads = [*busy, Load(priority="interactive", tasks=1, every=0.5)]
    found = measure(server, url, loads, name=name, seconds=seconds)
    took = sorted(found.seen[-1].took)
    p99, target = took[int(len(took) * 0.99)], MAX_WAIT + trip
    return [
        summarize(f"{name}: interactive call, p99", [p99], unit="s", target=target),
        summarize(f"{name}: refused", [found.refused], unit="requests", target=0),
    ]


def below(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run a worker beside an export, both saturating."""
    loads = (Load(priority="bulk", tasks=16), Load())
    found = measure(server, redis.url, loads, name="worker beside bulk")
    share = 100 * found.calls[1] / sum(found.calls)
    name = "worker beside bulk: share of the worker"
    return [
        *use("worker beside bulk", found),
        summarize(name, [share], unit="%", target=70.0, is_higher_better=True),
    ]


def far(
    server: Tenant, redis: RedisServer, milliseconds: int, *, counts: Sequence[int] = COUNTS
) -> list[Result]:
    """Run processes at a distance from Redis, one of several farther from the tenant as well."""
    target = MIN_USED if milliseconds <= 50 else MIN_USED_FAR
    results = []
    with proxy(redis.url.removeprefix("unix://"), milliseconds / 2000) as url:
        for count in counts:
            loads = [Load()] if count == 1 else [FAR, *[Load()] * (count - 1)]
            name = f"{count} at {milliseconds} ms"
            found = measure(server, url, loads, name=name.replace(" ", "-"), seconds=SECONDS / 3)
            share = min(found.calls) * count / sum(found.calls)
            results += [
                summarize(
                    f"{name}: used", [found.used], unit="%", target=target, is_higher_better=True
                ),
                summarize(f"{name}: refused", [found.refused], unit="requests", target=0),
                summarize(
                    f"{name}: least share of a fair one",
                    [share],
                    unit="x",
                    target=MIN_FAIR_SHARE,
                    is_higher_better=True,
                ),
            ]
    return results


@contextmanager
def proxy(socket: str, seconds: float) -> Iterator[str]:
    """Run a proxy of Redis that delays each way, in a process of its own; yield its URL."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_carry, args=(theirs, socket, seconds))
    process.start()
    theirs.close()
    try:
        yield f"redis://{ours.recv()}"
    finally:
        ours.close()  # which ends the process
        process.join()


def _carry(pipe: Connection, socket: str, seconds: float) -> None:
    async def run() -> None:
        async with delayed(socket, there=seconds, back=seconds) as address:
            pipe.send(address)
            await asyncio.to_thread(pipe.poll, None)

    asyncio.run(run())


def bench(options: Options) -> list[Result]:
    """Measure all, or those that are named; a quick run has one process at 50 ms."""
    kinds = {"steady": steady, "killed": killed, "ranked": ranked, "below": below}
    words = options.words or (*kinds, "far")
    round_trips = [int(word) for word in words if word.isdigit()] or ROUND_TRIPS
    with TemporaryDirectory(prefix="aicc-redis-") as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        try:
            with tenant(cases=100, quota=QUOTA) as server:
                if options.quick:
                    return far(server, redis, 50, counts=[1])
                found = [
                    each for name in words if name in kinds for each in kinds[name](server, redis)
                ]
                if "far" in words:
                    found += [each for ms in round_trips for each in far(server, redis, ms)]
                return found
        finally:
            redis.kill()


if __name__ == "__main__":
    sys.exit(run(bench))
