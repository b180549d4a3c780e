"""A watch as its caller has it: events in order, acknowledged, and again until they are."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import wait_in_loop
from helpers.watching import DAY, SetClock, change, client, shown

from aicc_async import (
    AICCClient,
    AICCError,
    AuthError,
    CaseQuery,
    ConfigError,
    RateLimit,
    StaticToken,
    WatchError,
    to_dict,
    to_json,
)
from aicc_async.emulator import Emulator, Fault
from aicc_async.settings.profile import Profile
from aicc_async.watch import CaseEvent, CaseWatch, SQLiteWatchState
from aicc_async.watch.settings import check_settings


@pytest.fixture
async def tenant() -> AsyncIterator[Emulator]:
    """Run a tenant with 50 cases of yesterday."""
    until = datetime.fromisoformat(shown(DAY))
    async with Emulator(cases=50, since=until - DAY, until=until) as emulator:
        yield emulator


@pytest.fixture
async def aicc(tenant: Emulator) -> AsyncIterator[AICCClient]:
    """Run a client of that tenant."""
    async with client(tenant) as found:
        yield found


def open_watch(aicc: AICCClient, path: Path, *, manual_ack: bool = False) -> CaseWatch:
    """Return a watch whose looks follow each other at once."""
    settings = check_settings(aicc.api, CaseQuery(), every=30.0, lookback="7d", period=300.0)
    state = SQLiteWatchState(path / "watch.db")
    return CaseWatch(aicc.api, settings, state, manual_ack=manual_ack, clock=SetClock())


async def wait_for_look(watch: CaseWatch) -> None:
    """Let a watch look until it waits for the next time."""
    loop = asyncio.get_running_loop()
    await wait_in_loop(lambda: watch._next_look > loop.time())


async def fail_at(watch: CaseWatch, case_id: str) -> None:
    """Work on events until that of a case fails."""
    async for event in watch:
        if event.case_id == case_id:
            raise ZeroDivisionError


async def test_an_event_is_acknowledged_when_the_next_is_asked_for(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """One whose body raised, or was left, comes again; in another process too."""
    new = []
    async with open_watch(aicc, tmp_path) as watch:
        new += [tenant.insert() for _ in range(3)]
        with pytest.raises(ZeroDivisionError):
            await fail_at(watch, new[1])
        told = []
        async for event in watch:
            told.append(event.case_id)
            if event.case_id == new[1]:
                break
    async with open_watch(aicc, tmp_path) as watch:
        async for event in watch:
            told.append(event.case_id)
            if len(told) >= len(set(new)) + 1:
                break
    assert set(told) >= set(new[1:])
    assert told.count(new[1]) == 2


async def test_events_of_a_case_wait_for_each_other(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """With ``manual_ack`` those of other cases go on; an acknowledgement lets the next one come."""
    async with open_watch(aicc, tmp_path, manual_ack=True) as watch:
        case_id = tenant.insert(priority="A")
        created = await anext(watch)
        change(tenant, case_id, priority="B")
        other = tenant.insert()
        assert (await anext(watch)).case_id == other
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        assert not waiting.done()
        await created.ack()
        changed = await waiting
        assert (changed.case_id, changed.changes) == (case_id, {"priority": ("A", "B")})
        # Twice is once.
        await created.ack()
    async with open_watch(aicc, tmp_path, manual_ack=True) as watch:
        again = [await anext(watch), await anext(watch)]
        assert {event.id for event in again} >= {changed.id}
        assert [event.id for event in again if event.case_id == case_id] == [changed.id]


async def test_look_at_wakes_a_watch_that_waits(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """What changed is told at once, an hour before the next look."""
    async with aicc.watch_cases(state=tmp_path / "watch.db", every=3600) as watch:
        old = tenant.ids()[7]
        waiting = asyncio.ensure_future(anext(watch))
        await wait_for_look(watch)
        change(tenant, old, priority="Blocker")
        watch.look_at(old)
        event = await waiting
        assert (event.kind, event.case_id) == ("changed", old)
        with pytest.raises(ConfigError, match="case_id must"):
            watch.look_at("")


async def test_a_failing_service_is_logged_once_and_outlived(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Looks go on until the service does; from its first request on."""
    caplog.set_level(logging.WARNING)
    tenant.fail("list", Fault.HTTP_503, times=4)
    watch = open_watch(aicc, tmp_path)
    async with watch:
        tenant.fail("list", Fault.HTTP_503, times=6)
        waiting = asyncio.ensure_future(anext(watch))
        await wait_in_loop(lambda: watch._has_looked)
        new = tenant.insert()
        assert (await waiting).case_id == new
    assert len(caplog.records) == 1
    assert "is repeated" in caplog.text


async def test_what_is_wrong_for_good_ends_the_watch(tenant: Emulator, tmp_path: Path) -> None:
    """A right that is missing is raised, and the state is free for another watch."""
    async with client(tenant) as aicc:
        watch = open_watch(aicc, tmp_path)
        tenant.fail("list", Fault.TOKEN_EXPIRED_401, times=None)
        with pytest.raises(AuthError):
            await anext(watch)
        await watch.aclose()
        tenant.clear_faults()
        async with open_watch(aicc, tmp_path):
            pass


async def test_a_state_of_another_query_or_tenant_is_refused(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """The error names both; what may be contact data is not shown."""
    path = tmp_path / "watch.db"
    async with aicc.watch_cases(CaseQuery(title="Ms Secret"), state=path):
        pass
    with pytest.raises(WatchError, match="another with other hidden values") as caught:
        await aicc.watch_cases(CaseQuery(title="Mr Hidden"), state=path).__aenter__()
    assert "Secret" not in str(caught.value)
    with pytest.raises(WatchError, match=r"same query: .*hidden.*got.*High"):
        await anext(aicc.watch_cases(CaseQuery(priority="High"), state=path))
    async with Emulator(cases=0) as other, client(other) as another:
        with pytest.raises(WatchError, match=f"same base_url: .*{tenant.url}, got {other.url}"):
            await anext(another.watch_cases(CaseQuery(title="Ms Secret"), state=path))


async def test_a_state_is_one_watch_s_at_a_time(aicc: AICCClient, tmp_path: Path) -> None:
    """In this process and in others; it is for its owner alone."""
    path = tmp_path / "watch.db"
    async with aicc.watch_cases(state=path) as watch:
        with pytest.raises(WatchError, match="another watch has the state"):
            await anext(aicc.watch_cases(state=path))
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute('PRAGMA user_version')"
        command = [sys.executable, "-c", code, str(path)]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        _, error = await process.communicate()
        assert b"database is locked" in error
        assert path.stat().st_mode & 0o777 == 0o600
    await watch.aclose()
    with pytest.raises(WatchError, match="not held any more"):
        await watch._state.meta()


@pytest.mark.parametrize("content", ["another", "layout", "text"])
async def test_a_file_that_is_no_state_stays_as_it_is(
    aicc: AICCClient, tmp_path: Path, content: str
) -> None:
    """WatchError says what it is instead."""
    path = tmp_path / "watch.db"
    if content == "text":
        path.write_text("not a database, and longer than the header of one " * 3)
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE other (a)")
            if content == "layout":
                db.execute("PRAGMA application_id = 0x41494357")
    before = path.read_bytes()
    with pytest.raises(WatchError, match=r"cannot use the state .*watch\.db: "):
        await anext(aicc.watch_cases(state=path))
    assert path.read_bytes() == before


async def test_plan_says_what_it_costs(aicc: AICCClient, tenant: Emulator, tmp_path: Path) -> None:
    """For a few counts, and without a state."""
    watch = aicc.watch_cases(state=tmp_path / "watch.db", every=60, period=1800)
    plan = await watch.plan()
    assert (plan.rows, plan.windows, plan.counts, plan.newest, plan.rereading) == (50, 1, 60, 60, 2)
    assert (plan.requests, plan.new_within, plan.changed_within) == (122, 60, 1860)
    assert len(tenant.requests) <= 3
    assert not (tmp_path / "watch.db").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0.5}, "every must be"),
        ({"every": 60, "period": 59}, "period must be"),
        ({"lookback": "a week"}, "lookback must be a length of time such as 7d"),
        ({"lookback": timedelta(seconds=59)}, "lookback must be from 0:01:00 to 366 days"),
        ({"lookback": "367d"}, "lookback must be from"),
        ({"lookback": "0s"}, "lookback must be from"),
        ({"lookback": "9999999999d"}, "lookback must be from"),
        ({"state": 5}, "state must be a path or a state"),
        ({"state": "redis://:hush@host"}, "^(?!.*hush)state must be a path, got a URL"),
        ({"manual_ack": 1}, "manual_ack must be"),
        ({"query": "all"}, "query must be"),
        ({"query": CaseQuery(start_time=datetime(2025, 1, 1))}, "lookback says which"),  # noqa: DTZ001
    ],
)
async def test_bad_input_is_refused_at_once(
    aicc: AICCClient, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """Before anything is opened or sent."""
    with pytest.raises(ConfigError, match=message):
        aicc.watch_cases(**{"state": tmp_path / "watch.db", **options})


async def test_where_another_date_is_filtered_there_is_no_watch(tmp_path: Path) -> None:
    """Ranges of closing dates say nothing of what was created."""
    profile = Profile(date_field="closedDate")
    aicc = AICCClient(
        "https://aicc.example", auth=StaticToken("t"), profile=profile, rate_limit=RateLimit(1)
    )
    with pytest.raises(ConfigError, match="must be used where ranges are of createdDate"):
        aicc.watch_cases(state=tmp_path / "watch.db")
    await aicc.close()


async def test_events_are_json(aicc: AICCClient, tenant: Emulator, tmp_path: Path) -> None:
    """As all records are, without what acknowledges them; no repr shows a title."""
    async with open_watch(aicc, tmp_path) as watch:
        case_id = tenant.insert(title="Ms Secret", priority="A")
        created = await anext(watch)
        change(tenant, case_id, priority="B", dueDate="2026-01-02 03:04:05")
        event = await anext(watch)
    fields = to_dict(event)
    assert list(fields) == ["id", "kind", "case_id", "case", "changes", "seen_at"]
    assert fields["changes"]["priority"] == ["A", "B"]
    assert fields["changes"]["due_date"][1] == "2026-01-02T03:04:05+08:00"
    assert b'"Ms Secret"' in to_json(event)
    assert "Secret" not in repr([created, event])
    assert "Secret" not in repr(watch._looker)


async def test_an_event_of_nobody_is_acknowledged_by_nothing() -> None:
    """One that a test makes has no state."""
    event = CaseEvent(id="a:b", kind="created", seen_at=datetime(2025, 1, 1))  # noqa: DTZ001
    await event.ack()


async def test_a_transaction_cannot_be_joined_by_a_file(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """It is refused, and the event stays unacknowledged."""
    async with open_watch(aicc, tmp_path) as watch:
        tenant.insert()
        event = await anext(watch)
        with pytest.raises(ConfigError, match="within must be None"):
            await event.ack(within=object())
        assert len(await watch._state.pending(0, limit=9)) == 1


async def test_a_watch_that_was_killed_in_its_baseline_goes_on(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """What was there when it began is not told, what came since is; also before its first look."""
    async with open_watch(aicc, tmp_path):
        pass
    new = tenant.insert()
    async with open_watch(aicc, tmp_path) as watch:
        assert (await anext(watch)).case_id == new
        newer = tenant.insert()
        assert (await anext(watch)).case_id == newer


async def test_a_client_that_is_closed_gives_its_states_free(
    tenant: Emulator, tmp_path: Path
) -> None:
    """Also that of a watch which was only left."""
    path = tmp_path / "watch.db"
    async with client(tenant) as first:
        watch = first.watch_cases(state=path, every=3600)
        watch.look_at(tenant.ids()[0])
        waiting = asyncio.ensure_future(anext(watch))
        await wait_for_look(watch)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with client(tenant) as second, second.watch_cases(state=path):
        pass


async def test_many_events_are_acknowledged_one_by_one(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """Statement after statement in threads of their own, which must not share a cursor."""
    async with open_watch(aicc, tmp_path) as watch:
        new = tenant.insert_many([{} for _ in range(300)])
        told = [await anext(watch) for _ in new]
        assert sorted(event.case_id for event in told) == sorted(new)


async def test_what_is_wanted_outlives_failures_and_cancelling(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """The look that follows has it, and follows at once where one was cancelled."""
    async with aicc.watch_cases(state=tmp_path / "watch.db", every=3600) as watch:
        old = tenant.ids()[7]
        waiting = asyncio.ensure_future(anext(watch))
        await wait_for_look(watch)
        change(tenant, old, priority="Blocker")
        tenant.fail("list", Fault.HANG, times=None)
        tenant.requests.clear()
        watch.look_at(old)
        await wait_in_loop(lambda: bool(tenant.requests))
        waiting.cancel()
        await asyncio.wait([waiting])
        tenant.clear_faults()
        assert list(watch._postponed) == [old]
        watch._next_look = 0.0
        assert (await anext(watch)).case_id == old
        assert not watch._postponed


class JoiningState(SQLiteWatchState):
    """Notes which events are acknowledged, and leaves those to a transaction that are in one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.acknowledged: list[tuple[list[int], Any]] = []

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Note it."""
        self.acknowledged.append((list(numbers), within))
        if within is None:
            await super().acknowledge(numbers)


async def test_an_event_in_a_transaction_is_left_to_that(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """The loop does not acknowledge it once more: the transaction may be rolled back."""
    state = JoiningState(tmp_path / "joining.db")
    settings = check_settings(aicc.api, CaseQuery(), every=30.0, lookback="7d", period=300.0)
    async with CaseWatch(aicc.api, settings, state, clock=SetClock()) as watch:
        for _ in range(2):
            tenant.insert()
        await (await anext(watch)).ack(within="a transaction")
        await anext(watch)
    assert [within for _, within in state.acknowledged] == ["a transaction"]


async def test_a_watch_that_cannot_begin_gives_its_state_free(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """Whatever stops it: nobody comes to close what was never entered."""
    tenant.fail("list", Fault.BUSINESS_ERROR)
    with pytest.raises(AICCError):
        async with open_watch(aicc, tmp_path):
            raise AssertionError
    async with open_watch(aicc, tmp_path):
        pass
