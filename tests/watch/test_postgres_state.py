"""A watch's state in Postgres: the caller's transaction, outages, poolers, layouts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from helpers.pgbouncer import pooling
from helpers.postgres_process import crash, restart
from helpers.watch_states import known
from psycopg.rows import dict_row

from aicc_async import ConfigError, WatchError
from aicc_async.connectors import _leader
from aicc_async.connectors.postgres import PostgresWatchState, watch
from aicc_async.watch.state import Look

pytest_plugins = ["helpers.postgres_server"]

LOOK = Look(known=[known("c1")], events=[("c1", b"1"), ("c2", b"2")], meta=b"m")
OUTBOX = "CREATE TABLE outbox (event int)"
INSERT = "INSERT INTO outbox VALUES (%s)"


@pytest.fixture
async def state(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Run a state with two events, and an outbox beside it; who waits looks often.

    No lease ends because the machine is slow.
    """
    monkeypatch.setattr(_leader, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(watch, "LEASE", timedelta(minutes=1))
    execute(postgres_url, OUTBOX)
    async with PostgresWatchState(postgres_url) as opened, opened.hold():
        await opened.commit(LOOK)
        yield opened


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Do what an operator does, and return the rows if there are any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


async def test_an_event_is_acknowledged_in_the_callers_transaction(
    state: PostgresWatchState, postgres_url: str
) -> None:
    """A rollback leaves both undone, a commit does both; rows are as the caller makes them."""
    first, second = await state.pending(0, limit=9)
    async with await psycopg.AsyncConnection.connect(
        postgres_url, row_factory=dict_row
    ) as connection:
        await connection.execute(INSERT, (1,))
        await state.acknowledge([first.number], within=connection)
        # Nobody else sees it yet; the loop's own acknowledgement does not wait for the caller's.
        await state.acknowledge([first.number])
        assert await state.pending(0, limit=9) == [first, second]
        await connection.rollback()
        assert await state.pending(0, limit=9) == [first, second]
        for _ in range(2):
            await connection.execute(INSERT, (1,))
            await state.acknowledge([first.number], within=connection)
        await connection.commit()
        assert await state.pending(0, limit=9) == [second]
        await connection.set_autocommit(True)
        await state.acknowledge([second.number], within=connection)
    assert await state.pending(0, limit=9) == []
    assert execute(postgres_url, "SELECT count(*) FROM outbox") == [(2,)]


async def test_an_open_transaction_is_waited_for(
    state: PostgresWatchState, postgres_url: str
) -> None:
    """Nobody leads before it has ended, so none is handed what it may have acknowledged.

    Looks and renewals of its own leader don't wait.
    """
    first, second = await state.pending(0, limit=9)
    other = PostgresWatchState(postgres_url)
    claims: list[bool] = []
    take = other._leader._step

    async def note(step: str, token: str) -> bool:
        claims.append(await take(step, token))
        return claims[-1]

    other._leader._step = note

    async def follow() -> list[Any]:
        async with other, other.hold():
            return await other.pending(0, limit=9)

    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        await state.acknowledge([first.number], within=connection)
        await state.commit(Look(meta=b"n"))
        lease = state._leader._leases.require("cases")
        assert await state._leader._renew([lease]) == set()
        await state._leader._leases.close()
        execute(postgres_url, "UPDATE aicc_watch SET held_until = 'epoch'")
        following = asyncio.create_task(follow())
        while len(claims) < 5:  # noqa: ASYNC110  (other processes set no events)
            await asyncio.sleep(0.01)
        assert not any(claims)
        await connection.commit()
        assert await following == [second]
        # And the one that comes too late is told so, before its transaction commits.
        with pytest.raises(WatchError, match="its lease is lost"):
            await state.acknowledge([second.number], within=connection)


async def test_it_works_behind_a_pooler(postgres_server: str) -> None:
    """Where transactions share one connection of the server, replicas take turns all the same."""
    with pooling(postgres_server) as url:
        try:
            async with PostgresWatchState(url) as mine, PostgresWatchState(url, "b") as other:
                async with mine.hold(), other.hold():
                    await asyncio.gather(*(each.commit(LOOK) for each in (mine, other) * 9))
                    assert len(await mine.pending(0, limit=99)) == 18
                async with PostgresWatchState(url) as next_one, next_one.hold():
                    assert await next_one.find(["c1"]) == [known("c1")]
        finally:
            tables = "aicc_watch, aicc_watch_case, aicc_watch_event"
            execute(postgres_server, f"DROP TABLE IF EXISTS {tables}")


async def test_a_crash_of_postgres_loses_nothing(
    state: PostgresWatchState, postgres_url: str
) -> None:
    """While it is away each method fails; what was kept is there when it is back."""
    crash(postgres_url)
    try:
        with pytest.raises(WatchError, match=r"cannot use the state 'cases': ") as caught:
            await state.pending(0, limit=9)
        assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"
    finally:
        restart(postgres_url)
    assert [each.body for each in await state.pending(0, limit=9)] == [b"1", b"2"]


@pytest.mark.parametrize("comment", ["NULL", "'The watch of aicc-async, layout 9'"])
async def test_tables_of_another_layout_are_refused(postgres_url: str, comment: str) -> None:
    """The error says what to do."""
    execute(postgres_url, "CREATE TABLE aicc_watch (name text)")
    execute(postgres_url, f"COMMENT ON TABLE aicc_watch IS {comment}")
    async with PostgresWatchState(postgres_url) as state:
        with pytest.raises(WatchError, match=r"its layout must be 1, got (none|9)\. Acknowledge"):
            await state.hold().__aenter__()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("http://:hush-4711@host",), "postgres must be postgresql://"),
        ((b"hush",), "postgres must be a string, got bytes"),
        (("postgresql://host/db", ""), "name must not be empty"),
    ],
)
def test_bad_settings(arguments: tuple[Any, ...], fault: str) -> None:
    """Bad settings are refused at once, and passwords are not shown."""
    with pytest.raises(ConfigError, match=fault) as caught:
        PostgresWatchState(*arguments)
    assert "hush" not in str(caught.value)
