"""A watch of an emulated tenant that looks when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from aicc_async import AICCClient, CaseQuery, Dialect, RetryPolicy, StaticToken
from aicc_async._protocol.converter import RecordConverter
from aicc_async.emulator import Emulator
from aicc_async.emulator.data.seed import WALL_CLOCK_ZONE
from aicc_async.watch import CaseEvent, SQLiteWatchState, WatchState
from aicc_async.watch.looker import Looker
from aicc_async.watch.outbox import Outbox
from aicc_async.watch.settings import Clock, check_settings

DAY = timedelta(days=1)
QUICK = RetryPolicy(base=0.001, patience=0, attempts=2)


@define
class SetClock(Clock):
    """A clock that is ahead of this machine's, and passes while somebody waits."""

    ahead: timedelta = timedelta(0)
    passed: float = 0.0

    def now(self) -> datetime:
        """Return the present moment as a clock that is wrong shows it."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """Return how many seconds somebody has waited."""
        return self.passed

    async def wait(self, seconds: float, wake: asyncio.Event) -> None:
        """Let the time pass at once, unless somebody wakes us."""
        await asyncio.sleep(0)
        if not wake.is_set():
            self.passed += max(seconds, 0)


def shown(ago: timedelta = timedelta(0)) -> str:
    """Return what the tenant's clock showed so long ago."""
    moment = datetime.now(WALL_CLOCK_ZONE) - ago
    return str(moment.replace(microsecond=0, tzinfo=None))


def change(tenant: Emulator, case_id: str, **fields: Any) -> None:
    """Change fields of a case as an agent does, whatever they are."""
    assert tenant._store.change(case_id, fields)


def client(tenant: Emulator, **options: Any) -> AICCClient:
    """Return a client that hardly waits, and knows with which code a case is unknown."""
    known: dict[str, Any] = {
        "dialect": Dialect(missing_codes=(tenant.missing_code,)),
        "timezone": "Asia/Shanghai",
        "retry": QUICK,
    }
    return AICCClient(tenant.url, auth=StaticToken(tenant.token()), **known | options)


@define
class Watching:
    """Looks, and returns what was told, acknowledged."""

    tenant: Emulator
    aicc: AICCClient
    state: WatchState
    clock: SetClock = field(factory=SetClock)
    query: CaseQuery = CaseQuery()  # noqa: RUF009  (frozen)
    every: float = 30.0
    lookback: timedelta = 7 * DAY
    period: float = 3600.0
    looker: Looker = field(init=False)
    outbox: Outbox = field(init=False)
    told: list[CaseEvent] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin as another process does: with nothing but the state."""
        settings = check_settings(
            self.aicc.api,
            self.query,
            every=self.every,
            lookback=self.lookback,
            period=self.period,
        )
        self.looker = Looker(self.aicc.api, settings, self.state, self.clock)
        self.outbox = Outbox(self.state, RecordConverter(self.aicc.timezone), on_ack=lambda: None)

    async def look(self, *wanted: str, times: int = 1) -> list[CaseEvent]:
        """Look so many times, and return what was told."""
        before = len(self.told)
        for _ in range(times):
            await self.looker.look(wanted)
            while event := await self.outbox.next():
                # Before it is acknowledged: a look may be stopped anywhere.
                self.told.append(event)
                await event.ack()
        return self.told[before:]

    async def settle(self) -> None:
        """Look until what was there before is known."""
        assert await self.look() == []
        while self.looker.is_behind:
            assert await self.look() == []

    def count(self, operation: str = "list") -> int:
        """Count the requests of an operation since this was last called."""
        count = sum(request.operation == operation for request in self.tenant.requests)
        self.tenant.requests.clear()
        return count


def kinds(told: list[CaseEvent]) -> list[tuple[str, str]]:
    """Return what happened to which case."""
    return [(event.kind, event.case_id) for event in told]


@asynccontextmanager
async def watching(
    path: Path, *, cases: int = 300, options: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Watching]:
    """Run a tenant with cases of the last six days, and a watch of it that knows them all."""
    until = datetime.fromisoformat(shown(timedelta(minutes=20)))
    async with (
        Emulator(cases=cases, since=until - 6 * DAY, until=until, seed=5) as tenant,
        client(tenant, **(options or {})) as aicc,
    ):
        state = SQLiteWatchState(path / "watch.db")
        async with state.hold():
            found = Watching(tenant, aicc, state, **settings)
            await found.settle()
            yield found
