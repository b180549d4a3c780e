"""Replicas of a watch that take turns at a store: who leads, and what a lost lease ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis
from attrs import frozen
from helpers.processes import wait_in_loop
from helpers.watch_states import known

from aicc_async import ConfigError, WatchError
from aicc_async.connectors import _leader
from aicc_async.connectors.postgres import PostgresWatchState
from aicc_async.connectors.postgres import watch as postgres_watch
from aicc_async.connectors.redis import RedisWatchState
from aicc_async.connectors.redis import watch as redis_watch
from aicc_async.watch.state import Look

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]

State = RedisWatchState | PostgresWatchState
LOOK = Look(known=[known("c1"), known("c2", missing_at=1.5)], events=[("c1", b"1")], meta=b"m")


@frozen
class Store:
    """A place for one state: opens it as processes would, and ends its lease."""

    open: Callable[[], State]
    expire: Callable[[], None]


@pytest.fixture(params=["redis", "postgres"])
async def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """Run a store; who waits looks often, and no lease ends because the machine is slow."""
    monkeypatch.setattr(_leader, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(redis_watch, "LEASE_MICROSECONDS", 60_000_000)
    monkeypatch.setattr(postgres_watch, "LEASE", timedelta(minutes=1))
    url = request.getfixturevalue(f"{request.param}_url")
    async with AsyncExitStack() as stack:

        def open_one() -> State:
            is_redis = request.param == "redis"
            state: State = RedisWatchState(url) if is_redis else PostgresWatchState(url)
            stack.push_async_callback(state.close)
            return state

        yield Store(open_one, lambda: expire(url))


def expire(url: str) -> None:
    """Have the lease of a state run out."""
    if url.startswith("unix"):
        with redis.Redis.from_url(url) as client:
            assert client.hset("{aicc:watch:cases}:state", "held_until", 0) == 0
    else:
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE aicc_watch SET held_until = 'epoch'")


def count_steps(state: State) -> list[str]:
    """Note the steps of a state's lease from now on."""
    steps: list[str] = []
    take = state._leader._step

    async def note(step: str, token: str) -> bool:
        is_done = await take(step, token)
        steps.append(step)
        return is_done

    state._leader._step = note
    return steps


async def use_all(state: State) -> list[Any]:
    """Use each method, and return what came of it."""
    steps = (
        state.meta(), state.count(0, 9), state.cases(0, 9), state.seconds(0, 9, limit=1),
        state.find(["c1"]), state.missing(), state.commit(LOOK), state.pending(0, limit=9),
        state.acknowledge([1]),
    )  # fmt: skip
    return [await asyncio.gather(step, return_exceptions=True) for step in steps]


async def test_one_leads_and_others_wait(store: Store) -> None:
    """Who comes second waits; when the first one ends it goes on where that was."""
    mine, other = store.open(), store.open()
    steps = count_steps(other)

    async def follow() -> list[Any]:
        async with other.hold():
            return [await other.meta(), await other.pending(0, limit=9)]

    async with mine.hold():
        await mine.commit(LOOK)
        following = asyncio.create_task(follow())
        await wait_in_loop(lambda: steps.count("claim") > 3)
        assert not following.done()
        [event] = await mine.pending(0, limit=9)

    assert await following == [b"m", [event]]
    assert steps[-1] == "release"


async def test_a_lost_lease_reads_and_changes_nothing(store: Store) -> None:
    """Once another process leads, each method fails, and what that one has stays as it is."""
    mine, other = store.open(), store.open()
    async with mine.hold():
        await mine.commit(LOOK)
        # A process that is stopped renews nothing.
        await mine._leader._leases.close()
        store.expire()
        async with other.hold():
            before = await other.cases(0, 9), await other.pending(0, limit=9)
            for [result] in await use_all(mine):
                assert isinstance(result, WatchError)
                assert "its lease is lost, another process watches now" in str(result)
            assert (await other.cases(0, 9), await other.pending(0, limit=9)) == before
            lease = mine._leader._leases.require("cases")
            assert await mine._leader._renew([lease]) == {"cases"}
    # The end of its block released nothing: it had nothing.
    async with other.hold():
        assert await other.meta() == b"m"


async def test_a_lease_that_nobody_took_is_still_its_holders(store: Store) -> None:
    """A leader that was stopped for longer than its lease goes on, if nobody waited for it."""
    mine, other = store.open(), store.open()
    async with mine.hold():
        store.expire()
        await mine.commit(LOOK)
        lease = mine._leader._leases.require("cases")
        assert await mine._leader._renew([lease]) == set()
        steps = count_steps(other)
        waiting = asyncio.create_task(other.hold().__aenter__())
        await wait_in_loop(lambda: len(steps) > 3)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


@pytest.mark.slow
async def test_a_lease_is_renewed(store: Store) -> None:
    """A leader renews by itself, also after a renewal that failed."""
    mine = store.open()
    async with mine.hold():
        take = mine._leader._step
        failed: list[str] = []

        async def fail_once(step: str, token: str) -> bool:
            if not failed:
                failed.append(step)
                raise mine._leader.failure("it is away")
            return await take(step, token)

        mine._leader._step = fail_once
        steps = count_steps(mine)
        await wait_in_loop(lambda: steps)
        assert (failed, steps) == (["renew"], ["renew"])


async def test_a_look_comes_once(store: Store) -> None:
    """One that is sent again, or that comes late, changes nothing more."""
    state = store.open()
    async with state.hold():
        await state.commit(LOOK)
        await state.commit(Look(forgotten=["c1"], events=[("c2", b"2")], meta=b"n"))
        kept = await state.cases(0, 9), await state.pending(0, limit=9), await state.meta()
        # The answer was lost, and then one whose caller did not wait for it.
        for looks in (1, 0):
            state._looks = looks
            await state.commit(LOOK)
            now = await state.cases(0, 9), await state.pending(0, limit=9), await state.meta()
            assert now == kept
    assert [event.body for event in kept[1]] == [b"1", b"2"]


async def test_a_state_is_held_once(store: Store) -> None:
    """Neither before, nor after, nor by two watches of a program is it used."""
    state = store.open()
    for [result] in await use_all(state):
        assert isinstance(result, WatchError)
        assert "the watch has ended, or waits for its turn" in str(result)
    async with state.hold():
        with pytest.raises(WatchError, match="it is in use by another watch of this program"):
            await state.hold().__aenter__()
    with pytest.raises(WatchError, match="'cases': the watch has ended"):
        await state.acknowledge([1])


async def test_to_close_a_state_ends_its_lease(store: Store) -> None:
    """Another one may lead at once; the block that held it ends without a step more."""
    mine, other = store.open(), store.open()
    steps = count_steps(mine)
    async with mine.hold():
        await mine.close()
        async with other.hold():
            await other.commit(LOOK)
        with pytest.raises(WatchError, match="the watch has ended"):
            await mine.meta()
    assert steps == ["claim", "release"]


async def test_another_loop_and_another_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to the loop that uses it until it is closed, and to one process."""
    state = store.open()

    async def lead() -> bytes | None:
        async with state, state.hold():
            return await state.meta()

    async with state.hold():
        with pytest.raises(ConfigError, match="one state per event loop"):
            await asyncio.to_thread(lambda: asyncio.run(lead()))
    await state.close()
    assert await asyncio.to_thread(lambda: asyncio.run(lead())) is None
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        await state.close()
        with pytest.raises(WatchError, match=r"it was used before os\.fork\(\)"):
            await state.hold().__aenter__()
