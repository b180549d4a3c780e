"""Whether processes that share a budget keep to it, use it, and share it fairly.

Four processes of different speed over one real Redis, as it is, with Redis killed for a third of
the time, and with interactive calls beside a saturating export. The tenant counts each second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import Tenant, tenant

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.budget_load import Load, Log, Target, collect_logs, run_processes, shared_limit
from helpers.redis_process import RedisServer

QUOTA = 100  # requests in any second
SECONDS = 30.0
WARM_UP = 3.0  # seconds before it is measured
MIN_USED = 93.0  # per cent, at least
MIN_FAIR_SHARE = 0.5  # of a fair share, at least
MAX_REJOIN = 2.0  # seconds after Redis is
MAX_WAIT = 0.3  # seconds that an interactive call waits at most
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
    redis: RedisServer,
    loads: Sequence[Load],
    *,
    name: str,
    meanwhile: Callable[[float], None],
) -> Found:
    """Run the loads, and count."""
    rate = shared_limit(redis.url, QUOTA, name=name, processes=len(loads))
    before = server.refused()
    with run_processes(Target(url=server.url, token=server.token, rate=rate), loads) as pipes:
        time.sleep(WARM_UP)
        began = time.monotonic()
        meanwhile(began)
        time.sleep(max(began + SECONDS - time.monotonic(), 0))
        seen = collect_logs(pipes)
    refused = server.refused() - before
    calls = [log.calls(began, began + SECONDS) for log in seen]
    used = 100 * sum(calls) / SECONDS / QUOTA
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
    found = measure(server, redis, DIFFERENT, name="steady", meanwhile=lambda _: None)
    share = min(found.calls) * len(DIFFERENT) / sum(found.calls)
    name, target = "steady: least share of a process, of a fair one", MIN_FAIR_SHARE
    fair = summarize(name, [share], unit="x", target=target, is_higher_better=True)
    return [*use("steady", found), fair]


def killed(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run the same, with Redis away for a third of the time."""
    returned = 0.0

    def kill(began: float) -> None:
        nonlocal returned
        time.sleep(max(began + SECONDS / 3 - time.monotonic(), 0))
        redis.kill()
        time.sleep(SECONDS / 3)
        redis.start()
        returned = time.monotonic()

    found = measure(server, redis, DIFFERENT, name="killed", meanwhile=kill)
    back = max(max(log.back) - returned for log in found.seen)
    last = summarize("killed: the last is back after", [back], unit="s", target=MAX_REJOIN)
    return [last, summarize("killed: refused", [found.refused], unit="requests", target=0)]


def ranked(server: Tenant, redis: RedisServer) -> list[Result]:
    """Run a saturating export, and interactive calls at 2/s."""
    loads = (Load(priority="bulk", tasks=16), Load(priority="interactive", tasks=1, every=0.5))
    found = measure(server, redis, loads, name="ranked", meanwhile=lambda _: None)
    took = sorted(found.seen[1].took)
    p99 = took[int(len(took) * 0.99)]
    return [
        summarize("ranked: interactive call, p99", [p99], unit="s", target=MAX_WAIT),
        summarize("ranked: refused", [found.refused], unit="requests", target=0),
    ]


def bench(options: Options) -> list[Result]:
    """Measure all three, or those that are named; they take too long for a quick run."""
    if options.quick:
        return []
    wanted = options.words or ("steady", "killed", "ranked")
    kinds = {"steady": steady, "killed": killed, "ranked": ranked}
    with TemporaryDirectory(prefix="aicc-redis-") as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        try:
            with tenant(cases=100, quota=QUOTA) as server:
                return [each for name in wanted for each in kinds[name](server, redis)]
        finally:
            redis.kill()


if __name__ == "__main__":
    sys.exit(run(bench))
