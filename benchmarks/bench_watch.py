"""What a watch of 100,000 cases costs while nothing happens, and how soon it tells what does.

Its time is simulated: an hour passes whenever nothing is left to do, so requests are counted, and
delays are those between a change and its event. Then real time: on one budget with a saturating
export and interactive calls, of which none may be refused.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import ZONE, Tenant, tenant

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.budget_load import Load, Target, collect_logs, run_processes, shared_limit
from helpers.redis_process import RedisServer
from helpers.simulated_loop import SimulatedLoop, SimulatedSelector, replace_clocks

from aicc_async import AICCClient, Case, CaseQuery, CaseUpdate, NewCase, StaticToken
from aicc_async.emulator import Quirks
from aicc_async.events import AttemptStarted
from aicc_async.watch import CaseWatch

CASES, FEW_CASES = 100_000, 5_000
EVERY, PERIOD, LOOKBACK = 30.0, 3600.0, timedelta(days=7)  # seconds
HOUR = 3600.0  # seconds
CHANGES = 20
MAX_MEGABYTES = 150.0
MAX_BYTES_PER_CASE = 500.0
# Of what a plan says, requests an hour.
MAX_OVERHEAD = 1.1
QUOTA = 100  # requests in any second
SECONDS = 30.0
MAX_WAIT = 0.3  # seconds that an interactive call waits at most


@frozen(kw_only=True)
class Cost:
    """What a watch took: requests and CPU seconds of a quiet hour, delays, memory and state."""

    baseline: int
    requests: int
    planned: int
    new: list[float]
    changed: list[float]
    megabytes: float
    bytes_per_case: float
    seconds: float


class Watcher:
    """A watch in simulated time, the requests that it sends, and when it told of which case."""

    def __init__(self, pipe: Connection, url: str, token: str) -> None:
        self.selector = SimulatedSelector(lambda to: to)
        self.sent: Counter[str] = Counter()
        self._pipe, self._url, self._token = pipe, url, token
        self._began = datetime.now(UTC)
        self._told: dict[str, float] = {}
        self._has_told = asyncio.Event()
        replace_clocks(self._now)

    async def measure(self, cases: int) -> Cost:
        """Watch for two quiet hours, then tell of new cases and of changes."""
        with TemporaryDirectory() as folder:
            state = Path(folder) / "watch.db"
            async with self._client() as aicc, self._client() as other:
                aicc.api.session.on_event = self._note
                settings: dict[str, Any] = {"every": EVERY, "period": PERIOD, "lookback": LOOKBACK}
                async with aicc.watch_cases(state=state, **settings) as watch:
                    plan = await watch.plan()
                    task = asyncio.create_task(self._follow(watch))
                    baseline, _ = await self._count_an_hour()
                    requests, seconds = await self._count_an_hour()
                    # What follows needs memory of its own.
                    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
                    new = await self._time([partial(create, other)] * CHANGES, EVERY * 1.3)
                    changes = [partial(change, other, each) for each in await find_old(other)]
                    changed = await self._time(changes, PERIOD / CHANGES)
                    task.cancel()
                    await asyncio.wait([task])
            size = size_of(state)
        return Cost(
            baseline=baseline,
            requests=requests,
            planned=plan.requests,
            new=new,
            changed=changed,
            megabytes=megabytes,
            bytes_per_case=size / cases,
            seconds=seconds,
        )

    def _client(self) -> AICCClient:
        # Both count as being under way, or the time would pass meanwhile.
        auth = StaticToken(self._token)
        return AICCClient(self._url, auth=auth, timezone=ZONE, on_event=self.selector.note)

    def _note(self, event: object) -> None:
        self.selector.note(event)
        if isinstance(event, AttemptStarted):
            self.sent[event.operation] += 1

    def _now(self) -> datetime:
        return self._began + timedelta(seconds=self.selector.now)

    async def _follow(self, watch: CaseWatch) -> None:
        async for event in watch:
            self._told[event.case_id] = self.selector.now
            self._has_told.set()

    async def _count_an_hour(self) -> tuple[int, float]:
        """Return the requests of an hour, and the CPU seconds."""
        self.sent.clear()
        before = time.process_time()
        await asyncio.sleep(HOUR)
        assert not self._told
        print(dict(self.sent), f"{time.process_time() - before:.1f} CPU seconds", flush=True)
        return sum(self.sent.values()), time.process_time() - before

    async def _time(self, works: Sequence[Callable[[], Awaitable[str]]], gap: float) -> list[float]:
        """Do one after the other, and return how late each was told."""
        done = {}
        for work in works:
            await asyncio.sleep(gap)
            # The tenant's clock goes with ours.
            self._pipe.send((self._now() - datetime.now(UTC)).total_seconds())
            self._pipe.recv()
            done[await work()] = self.selector.now
        while done.keys() - self._told.keys():
            self._has_told.clear()
            await self._has_told.wait()
        return [self._told.pop(case_id) - at for case_id, at in done.items()]


def size_of(state: Path) -> int:
    """Return the bytes of a state, its log too."""
    return sum(file.stat().st_size for file in state.parent.iterdir())


async def create(aicc: AICCClient) -> str:
    """Create a case."""
    return await aicc.create_case(
        NewCase(title="new", description="new", type="t", contact_id="c", creator_id="u")
    )


async def change(aicc: AICCClient, case: Case) -> str:
    """Change the title of a case."""
    await aicc.modify_case(
        CaseUpdate(id=case.id, title="changed", description="changed", creator_id="u")
    )
    return case.id


async def find_old(aicc: AICCClient) -> list[Case]:
    """Return cases all over the look-back."""
    since = datetime.now(UTC) - LOOKBACK + timedelta(hours=12)
    found = [case async for case in aicc.iter_cases(CaseQuery(start_time=since), strict=False)]
    return found[:: max(len(found) // CHANGES, 1)][:CHANGES]


def watch_simulated(server: Tenant, cases: int) -> Cost:
    """Watch in a process of its own, which has a clock of its own."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_watch_simulated, args=(theirs, server.url, server.token, cases)
    )
    process.start()
    theirs.close()
    while isinstance(found := ours.recv(), float):
        server.set(quirks=Quirks(created_ahead=found, date_ahead=found))
        ours.send(None)
    process.join()
    assert isinstance(found, Cost)
    return found


def _watch_simulated(pipe: Connection, url: str, token: str, cases: int) -> None:
    watcher = Watcher(pipe, url, token)
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(watcher.selector)) as runner:
        pipe.send(runner.run(watcher.measure(cases)))


def quiet(server: Tenant, cases: int) -> list[Result]:
    """Return what a watch takes, and how late it tells."""
    cost = watch_simulated(server, cases)
    print(f"{cost.requests} requests an hour, planned {cost.planned}, at first {cost.baseline}")
    return [
        summarize("requests an hour when nothing happens", [cost.requests], unit="requests"),
        summarize(
            "requests / those planned",
            [cost.requests / cost.planned],
            unit="x",
            target=MAX_OVERHEAD,
        ),
        summarize("a new case is told after", cost.new, unit="s", target=EVERY),
        summarize("a change of an old one", cost.changed, unit="s", target=PERIOD + EVERY),
        summarize("CPU of an hour", [cost.seconds], unit="s"),
        summarize("peak memory", [cost.megabytes], unit="MB", target=MAX_MEGABYTES),
        summarize(
            "state, per case", [cost.bytes_per_case], unit="bytes", target=MAX_BYTES_PER_CASE
        ),
    ]


def watch_beside(server: Tenant, redis: RedisServer) -> list[Result]:
    """Watch every second beside a saturating export and interactive calls, on one budget."""
    rate = shared_limit(redis.url, QUOTA, name="watch", processes=3)
    target = Target(url=server.url, token=server.token, rate=rate)
    loads = (Load(priority="bulk", tasks=16), Load(priority="interactive", tasks=1, every=0.5))
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_watch_beside, args=(theirs, target))
    before = server.refused()
    process.start()
    theirs.close()
    ours.recv()
    with run_processes(target, loads) as pipes:
        began = time.monotonic()
        time.sleep(SECONDS)
        seen = collect_logs(pipes)
    ours.send(None)
    looks = ours.recv()
    process.join()
    refused = server.refused() - before
    calls = [log.calls(began, began + SECONDS) for log in seen]
    took = sorted(seen[1].took)
    print(f"beside: calls {calls}, {looks} requests of the watch, {refused} refused")
    p99 = took[int(len(took) * 0.99)]
    return [
        summarize("beside an export and calls: refused", [refused], unit="requests", target=0),
        summarize("beside an export: requests of the watch", [looks], unit="requests"),
        summarize("beside an export: interactive call, p99", [p99], unit="s", target=MAX_WAIT),
    ]


def _watch_beside(pipe: Connection, target: Target) -> None:
    asyncio.run(_watch_until_told(pipe, target))


async def _watch_until_told(pipe: Connection, target: Target) -> None:
    """Watch until told to end, and send how many requests that took."""
    sent: Counter[str] = Counter()

    def note(event: object) -> None:
        if isinstance(event, AttemptStarted):
            sent[event.operation] += 1

    async def follow(watch: CaseWatch) -> None:
        async for event in watch:
            raise AssertionError(event.kind)

    auth = StaticToken(target.token)
    with TemporaryDirectory() as folder:
        async with (
            AICCClient(
                target.url, auth=auth, rate_limit=target.rate, on_event=note, timezone=ZONE
            ) as aicc,
            aicc.watch_cases(
                state=Path(folder) / "watch.db", every=1.0, period=60.0, lookback=LOOKBACK
            ) as watch,
        ):
            following = asyncio.create_task(follow(watch))
            pipe.send(None)
            ending = asyncio.create_task(asyncio.to_thread(pipe.recv))
            await asyncio.wait([following, ending], return_when=asyncio.FIRST_COMPLETED)
            following.cancel()
            await asyncio.wait([following])
            pipe.send(sent.total())


def now() -> datetime:
    """Return what the tenant's clock shows."""
    return datetime.now(ZONE).replace(tzinfo=None)


def week() -> CaseQuery:
    """Return the range of the look-back."""
    end = now()
    return CaseQuery(start_time=end - LOOKBACK, end_time=end)


def bench(options: Options) -> list[Result]:
    """Measure both, or what is named: ``quiet`` or ``beside``; a quick run judges ratios alone."""
    if options.quick:
        return []
    words = options.words or ("quiet", "beside")
    results = []
    if "quiet" in words:
        with tenant(week(), cases=CASES, until=now()) as server:
            results += quiet(server, CASES)
    if "beside" in words:
        # Of more cases each page would take the emulator longer: it is the budget that is measured.
        with (
            tenant(week(), cases=FEW_CASES, until=now(), quota=QUOTA) as server,
            TemporaryDirectory(prefix="aicc-redis-") as folder,
        ):
            redis = RedisServer(Path(folder))
            redis.start()
            try:
                results += watch_beside(server, redis)
            finally:
                redis.kill()
    return results


if __name__ == "__main__":
    sys.exit(run(bench))
