"""A watch's state in Redis: outages, what Redis must keep, layouts, a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest
import redis
from helpers.redis_nodes import Node
from helpers.redis_process import RedisServer
from helpers.watch_states import known
from helpers.watching import DAY, Watching, client, kinds, shown
from redis.asyncio import Redis

from aicc_async import ConfigError, WatchError
from aicc_async.connectors.redis import RedisWatchState
from aicc_async.emulator import Emulator
from aicc_async.watch.state import Look

pytest_plugins = ["helpers.redis_server", "helpers.redis_layouts"]

KEY = "{aicc:watch:cases}"
LOOK = Look(known=[known("c1")], events=[("c1", b"1"), ("c1", b"2")], meta=b"m")


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator[redis.Redis]:
    """Look into Redis, and set it as an operator does."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client
        for name, value in (("maxmemory", 0), ("maxmemory-policy", "noeviction")):
            client.config_set(name, value)
    # Else a crash would lose what another test has.
    redis_server.write_log()


async def test_a_crash_of_redis_loses_nothing(redis_server: RedisServer, redis_url: str) -> None:
    """While it is away each method fails; what was kept is there when it is back."""
    async with RedisWatchState(redis_url) as state, state.hold():
        await state.commit(LOOK)
        redis_server.kill()
        try:
            with pytest.raises(WatchError, match="Redis failed"):
                await state.pending(0, limit=9)
        finally:
            redis_server.start()
        assert [each.body for each in await state.pending(0, limit=9)] == [b"1", b"2"]
        assert await state.find(["c1"]) == [known("c1")]


async def test_what_was_there_is_not_new_where_looks_are_lost(
    redis_url: str, server: redis.Redis
) -> None:
    """A replica that took over lacks the first looks: the watch ends, and goes on if held again."""
    until = datetime.fromisoformat(shown(DAY))
    async with (
        Emulator(cases=30, since=until - DAY, until=until) as tenant,
        client(tenant) as aicc,
        RedisWatchState(redis_url) as state,
    ):
        watch = Watching(tenant, aicc, state)
        async with state.hold():
            await watch.looker.begin()
            before = server.dump(f"{KEY}:state")
            await watch.settle()
            server.delete(*server.keys(f"{KEY}:*"))
            assert before
            server.restore(f"{KEY}:state", 0, before)
            with pytest.raises(WatchError, match="Redis lost the last look"):
                await watch.look()
            assert await state.pending(0, limit=9) == []
        async with state.hold():
            watch.restart()
            await watch.settle()
            new = tenant.insert()
            assert kinds(await watch.look()) == [("created", new)]


async def test_no_cancellation_is_lost(redis_url: str) -> None:
    """Whenever it comes, a call ends with it, also as long as ``asyncio.wait_for`` loses some."""
    async with RedisWatchState(redis_url) as state, state.hold():
        for turns in range(20):
            reading = asyncio.create_task(state.pending(0, limit=9))
            for _ in range(turns):
                await asyncio.sleep(0)
            is_in_time = reading.cancel()
            await asyncio.wait([reading])
            assert reading.cancelled() == is_in_time


async def test_a_redis_that_would_forget_is_refused(redis_url: str, server: redis.Redis) -> None:
    """Without an append-only file, or where keys are evicted, nothing begins, unless asked for."""
    server.config_set("appendonly", "no")
    async with RedisWatchState(redis_url) as state:
        with pytest.raises(ConfigError, match=r"appendonly must be yes.*RedisWatchState\("):
            await state.hold().__aenter__()
    async with RedisWatchState(redis_url, durable=False) as state, state.hold():
        await state.commit(LOOK)
    server.config_set("maxmemory-policy", "allkeys-lru")
    async with RedisWatchState(redis_url, durable=False) as state:
        with pytest.raises(ConfigError, match="maxmemory-policy must be noeviction"):
            await state.hold().__aenter__()


async def test_a_full_redis_takes_no_look_but_every_acknowledgement(
    redis_url: str, server: redis.Redis
) -> None:
    """What waits can be handled while it is full, by the next leader too; a look is kept wholly."""
    async with RedisWatchState(redis_url) as state:
        async with state.hold():
            await state.commit(LOOK)
        server.config_set("maxmemory", 1)
        async with state.hold():
            first, second = await state.pending(0, limit=9)
            await state.acknowledge([first.number])
            with pytest.raises(WatchError, match="Redis is full"):
                await state.commit(Look(forgotten=["c1"], events=[("c1", b"3")]))
            lease = state._leader._leases.require("cases")
            assert await state._leader._renew([lease]) == set()
            assert await state.pending(0, limit=9) == [second]
            assert await state.count(0, 9) == 1


async def test_a_client_that_decodes_is_refused(redis_url: str) -> None:
    """Rows are bytes: another client of the caller's is used, and left open."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        with pytest.raises(ConfigError, match="redis must be a client without decode_responses"):
            await RedisWatchState(client).hold().__aenter__()
    async with Redis.from_url(redis_url) as client:
        async with RedisWatchState(client) as state, state.hold():
            await state.commit(LOOK)
        assert await client.ping()


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("state", "layout"), b"9", "its layout must be 1, got 9. Acknowledge its events"),
        (("cases", "c1"), b"\xc1", "a case of it is damaged"),
    ],
)
async def test_what_is_not_ours_is_refused(
    redis_url: str, server: redis.Redis, place: tuple[str, str], value: bytes, fault: str
) -> None:
    """The state of another version, and one that somebody has damaged, are never misread."""
    async with RedisWatchState(redis_url) as state, state.hold():
        await state.commit(LOOK)
        server.hset(f"{KEY}:{place[0]}", place[1], value)
        with pytest.raises(WatchError, match=fault):
            await state.cases(0, 9)


async def test_a_damaged_event_is_refused(redis_url: str, server: redis.Redis) -> None:
    """It is not handed to anybody."""
    async with RedisWatchState(redis_url) as state, state.hold():
        server.zadd(f"{KEY}:events", {"7:\xc1": 7})
        with pytest.raises(WatchError, match="an event of it is damaged"):
            await state.pending(0, limit=9)


async def test_a_cluster_keeps_a_state_on_one_node(redis_cluster: list[Node]) -> None:
    """All its keys have one hash tag, whatever the name is."""
    for name in ("cases", "a:b"):
        url = f"redis+cluster://{redis_cluster[0].address}"
        async with RedisWatchState(url, name) as state, state.hold():
            await state.commit(Look(known=[known("c1", missing_at=1.0)], events=[("c1", b"1")]))
        other = RedisWatchState(f"redis+cluster://{redis_cluster[2].address}", name)
        async with other as state, state.hold():
            assert await state.missing() == [known("c1", missing_at=1.0)]
    holders = [node for node in redis_cluster if node.ask("DBSIZE")]
    assert 1 <= len(holders) <= 2


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"redis": "http://:hush-4711@host"}, "redis must be a URL of Redis"),
        ({"name": ""}, "name must not be empty"),
        ({"name": "a}b"}, "name must hold no braces, got 'a}b'"),
        ({"durable": 1}, "durable must be True or False, got 1"),
    ],
)
def test_bad_settings(options: dict[str, Any], fault: str) -> None:
    """Bad settings are refused at once, and passwords are not shown."""
    with pytest.raises(ConfigError, match=fault) as caught:
        RedisWatchState(**{"redis": "redis://host"} | options)
    assert "hush" not in str(caught.value)


async def test_no_password_in_errors() -> None:
    """The error of a server that can't be reached has no password in it."""
    async with RedisWatchState("redis://:hush-4711@127.0.0.1:1/0") as state:
        with pytest.raises(WatchError) as caught:
            await state.hold().__aenter__()
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {state!r}"
