"""What is in a Redis on a cluster, behind a Sentinel, with TLS, and on a wrong set-up."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from helpers.new_cases import DIGESTS
from helpers.processes import wait_in_loop, wait_until
from helpers.redis_nodes import SERVICE, Node, Watched, running
from helpers.tls_front import make_authority, terminating
from helpers.watch_states import known
from helpers.watching import DAY, change, client, kinds, shown
from redis import Redis as SyncRedis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as TimedOut

from aicc_async import AICCClient, ConfigError, JournalError, RateLimit, WatchError
from aicc_async._ratelimit.budget import SlotReports, Terms
from aicc_async._transport.session import limiter_of
from aicc_async.connectors.redis import (
    RedisBudget,
    RedisJournal,
    RedisTokens,
    RedisWatchState,
    budget,
)
from aicc_async.connectors.redis.connection import RedisPlace
from aicc_async.credentials import IssuedToken
from aicc_async.emulator import Emulator
from aicc_async.watch import CaseEvent, Look

pytest_plugins = ["helpers.redis_layouts", "helpers.redis_server"]

TERMS = Terms(limit=5, per=0.2, slack=0.01, horizon=10.0, hold=0.0)
STATE = "{aicc:watch:cases}:state"
EVENTS = "{aicc:watch:cases}:events"
SECRET = "hush-4711"
NO_RETRY = Retry(NoBackoff(), 0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a server that a busy machine makes slow for no outage: a budget waits half a second."""
    monkeypatch.setattr(budget, "REPLY_TIMEOUT_SECONDS", 5.0)


async def sign_in() -> IssuedToken:
    """Return a token, as the service does."""
    return IssuedToken("token", 60.0)


async def use_budget(place: RedisPlace, *names: str) -> list[int]:
    """Reserve a slot of each budget; return how many each gave."""
    given = []
    for name in names or ("a",):
        connection = RedisBudget(place, name=name).connect(TERMS)
        try:
            reservation = await connection.reserve(1, "worker", SlotReports())
            given.append(len(reservation.slots))
        finally:
            await connection.close()
    return given


async def use_tokens(place: RedisPlace) -> str:
    """Take the token of an app."""
    store = RedisTokens(place).connect("app")
    try:
        return (await store.obtain(sign_in, refused=None)).token
    finally:
        await store.close()


async def use_journal(place: RedisPlace, **options: Any) -> str:
    """Make a case under a key, and return what the journal has of it."""
    async with RedisJournal(place, **options) as journal:
        if (await journal.claim("k", **DIGESTS)).held:
            await journal.confirm("k", "c1")
        entry = await journal.entry("k")
        assert entry
        return entry.state


async def use_watch(place: RedisPlace) -> list[str]:
    """Keep a case, and return which are known."""
    async with RedisWatchState(place) as state, state.hold():
        await state.commit(Look(known=[known("c1")]))
        return [each.id for each in await state.cases(0, 9)]


async def use_all(place: RedisPlace) -> None:
    """Use all four as one process does."""
    assert await use_budget(place, *"abcdef") == [1] * 6
    assert await use_tokens(place) == "token"
    assert await use_journal(place) == "confirmed"
    assert await use_watch(place) == ["c1"]


# ---- layouts -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["redis", "valkey", "VALKEY"])
async def test_one_server_by_either_name(scheme: str) -> None:
    """A ``valkey://`` URL is a ``redis://`` one."""
    with running("--appendonly", "yes") as node:
        wait_until(node.answers)
        await use_all(f"{scheme}://{node.address}/0")


async def test_a_cluster_keeps_each_thing_on_one_node(redis_cluster: list[Node]) -> None:
    """Budget, token, journal and watch work by a URL of any node, a client, and a function."""
    for node in redis_cluster:
        await use_all(f"redis+cluster://{node.address}")
    async with RedisCluster(host="127.0.0.1", port=redis_cluster[0].port) as client:
        await use_all(client)
        assert await client.ping()
        # All see the same, whichever node they began with.
        async with RedisJournal(f"redis+cluster://{redis_cluster[2].address}") as journal:
            assert [entry.key for entry in await journal.entries()] == ["k"]
    await use_all(lambda: RedisCluster(host="127.0.0.1", port=redis_cluster[1].port))
    spread = [node.ask("DBSIZE") for node in redis_cluster]
    assert all(spread), "budgets of six names are on all nodes"


async def test_hundreds_of_claims_on_a_cluster(redis_cluster: list[Node]) -> None:
    """More at once than a node takes connections wait their turn; a prefix needs a hash tag."""
    url = f"redis+cluster://{redis_cluster[0].address}"
    async with RedisJournal(url, "{many}:") as journal:
        keys = [str(number) for number in range(220)]
        entries = await asyncio.gather(*(journal.claim(key, **DIGESTS) for key in keys))
        assert all(entry.held for entry in entries)
    with pytest.raises(ConfigError, match="prefix must hold a hash tag on a cluster"):
        await use_journal(url, prefix="{}{a}:")


@pytest.mark.timeout(60)
async def test_a_service_follows_its_master(redis_watched: Watched) -> None:
    """When the master dies, the journal goes on with the replica that took over."""
    watched = redis_watched
    url = f"redis+sentinel://127.0.0.1:1,{watched.sentinel.address}/{SERVICE}/0"
    await use_all(url)
    sentinel = Sentinel([("127.0.0.1", watched.sentinel.port)])  # type: ignore[no-untyped-call]
    async with sentinel.master_for(SERVICE) as client, sentinel.sentinels[0]:
        await use_all(client)
        assert await client.ping()

    async with RedisJournal(url) as journal:
        assert await journal.entry("k")
        # Not before: a Sentinel of a busy machine would take a slow master for a dead one.
        watched.sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", 300)
        watched.master.process.kill()
        watched.master.process.wait()
        while True:
            with suppress(JournalError):
                await journal.claim("after", **DIGESTS)
                break
        assert [each.key for each in await journal.entries()] == ["k", "after"]
    role = watched.replica.ask("ROLE")
    assert isinstance(role, list)
    assert role[0] == b"master"


async def follow(
    aicc: AICCClient, url: str, told: list[CaseEvent], outages: list[WatchError]
) -> None:
    """Watch as the recipe does: open the watch again whenever it ends with WatchError."""
    while True:
        try:
            async with aicc.watch_cases(state=RedisWatchState(url), every=1) as watch:
                async for event in watch:
                    told.append(event)  # noqa: PERF401  (kept also when the watch ends)
        except WatchError as error:
            outages.append(error)


def is_replicated(master: Node) -> bool:
    """Return whether all events are acknowledged, and the replica has that too."""
    with SyncRedis(port=master.port) as connection:
        if connection.zcard(EVENTS):
            return False
        # WAIT counts from the last write of its own connection.
        connection.set("mark", 1)
        return bool(connection.wait(1, 1000))


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_watch_follows_its_master(redis_watched: Watched) -> None:
    """When the master dies, the watch ends; opened again, it goes on where the replica is."""
    watched, outages = redis_watched, list[WatchError]()
    told: list[CaseEvent] = []

    def told_once() -> list[CaseEvent]:
        # One whose acknowledgement failed comes again, under its id.
        return list({event.id: event for event in told}.values())

    url = f"redis+sentinel://{watched.sentinel.address}/{SERVICE}/0"
    until = datetime.fromisoformat(shown(DAY))
    async with (
        Emulator(cases=30, since=until - DAY, until=until) as tenant,
        client(tenant) as aicc,
        asyncio.TaskGroup() as group,
    ):
        following = group.create_task(follow(aicc, url, told, outages))
        await wait_in_loop(lambda: watched.master.ask("HEXISTS", STATE, "meta"))
        changed, deleted = tenant.insert(priority="Low"), tenant.insert()
        await wait_in_loop(lambda: len(told_once()) == 2 and is_replicated(watched.master))
        watched.master.process.kill()
        watched.master.process.wait()
        change(tenant, changed, priority="High")
        tenant.delete(deleted)
        created = tenant.insert()
        outages.clear()
        # The Sentinel waits until the watch has seen the outage.
        await wait_in_loop(lambda: outages)
        assert len(told_once()) == 2
        # No less: a replica that had no master for ten times as long is not promoted.
        watched.sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", 3000)
        await wait_in_loop(lambda: {event.kind for event in told} >= {"changed", "deleted"})
        later = tenant.insert()
        await wait_in_loop(lambda: any(event.case_id == later for event in told))
        following.cancel()
    before, after = told_once()[:2], told_once()[2:]
    assert sorted(kinds(before)) == sorted([("created", changed), ("created", deleted)])
    assert sorted(kinds(after)) == sorted(
        [("changed", changed), ("deleted", deleted), ("created", created), ("created", later)]
    )
    role = watched.replica.ask("ROLE")
    assert isinstance(role, list)
    assert role[0] == b"master"


@contextmanager
def with_tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Run a server behind TLS, and give its host and port and the file of its authority."""
    authority = make_authority(tmp_path)
    with running("--appendonly", "yes") as node, ExitStack() as stack:
        wait_until(node.answers)
        port = stack.enter_context(terminating(node.port, authority.server_context()))
        yield f"127.0.0.1:{port}", authority.ca_file


async def test_tls_of_a_private_authority(tmp_path: Path) -> None:
    """The URL names the authority; without that it is a wrong set-up, and so is no TLS."""
    with with_tls(tmp_path) as (address, ca_file):
        for scheme in ("rediss", "valkeys"):
            await use_all(f"{scheme}://{address}?ssl_ca_certs={ca_file}")
        await refuse(f"rediss://:{SECRET}@{address}", "must have a certificate that is trusted")


async def test_a_server_that_is_slow_to_close_is_left(redis_url: str) -> None:
    """What was done stays done: no error of the library's comes out of a close."""

    class Slow(Redis):
        async def aclose(self, *options: Any, **more: Any) -> None:
            await super().aclose(*options, **more)
            raise TimedOut("Timed out closing connection after 0.5")

    await use_all(lambda: Slow.from_url(redis_url))


# ---- wrong set-ups -------------------------------------------------------------------------


async def refuse(place: RedisPlace, fault: str) -> None:
    """Expect all three to refuse it, without what is secret, and a limiter to as well."""
    for use in (use_budget, use_tokens, use_journal):
        with pytest.raises(ConfigError, match=f"^redis {fault}") as caught:
            await use(place)
        assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
    limiter = limiter_of(RateLimit(5, shared=RedisBudget(place)))
    for _ in range(2):
        with pytest.raises(ConfigError, match=fault):
            await limiter.acquire()
    await limiter.close()


async def test_a_refused_sign_in() -> None:
    """A wrong password, none where one is needed, and one too many rights missing."""
    users = ("--appendonly", "yes", "--user", "reader", "on", f">{SECRET}", "~*", "+@read", "+ping")
    with running("--requirepass", "right", *users) as node:
        wait_until(node.answers)
        wrong = "must have the right user and password"
        await refuse(f"redis://:{SECRET}@{node.address}", wrong)
        await refuse(f"redis://nobody:{SECRET}@{node.address}", wrong)
        await refuse(f"redis://{node.address}", wrong)
        await refuse(lambda: Redis(port=node.port, password=SECRET, retry=NO_RETRY), wrong)
        await refuse(f"redis+cluster://:{SECRET}@{node.address}", wrong)
        await refuse(f"redis://reader:{SECRET}@{node.address}", "must have a user that may run")


async def test_a_node_of_a_cluster_is_no_single_server(redis_cluster: list[Node]) -> None:
    """A plain URL of a node that has not the keys, and a cluster's URL of a single server."""
    refusals = 0
    for node in redis_cluster:
        try:
            await use_budget(f"redis://{node.address}", "solitary")
        except ConfigError as error:
            refusals += "must be a redis+cluster:// URL" in str(error)
    assert refusals == 2
    with running() as node:
        wait_until(node.answers)
        await refuse(f"redis+cluster://:@{node.address}", "must be a redis:// URL")
        await refuse(f"redis://{node.address}/99", "must name a database")


async def test_a_service_that_nobody_watches(redis_watched: Watched) -> None:
    """A wrong name of a service is no outage, nor is a Sentinel in place of a server."""
    address = redis_watched.sentinel.address
    await refuse(f"redis+sentinel://{address}/other", "must name a service that the Sentinels")
    await refuse(f"redis://{address}", "must be a Redis that runs scripts")


async def test_a_server_of_something_else() -> None:
    """A web server answers, but not as Redis does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_in_http, args=(listening,), daemon=True).start()
        await refuse(
            f"redis://127.0.0.1:{listening.getsockname()[1]}", "must be a Redis: something"
        )


def answer_in_http(listening: socket.socket) -> None:
    """Answer whatever comes as a web server does."""
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_a_later_failure_is_an_outage() -> None:
    """Once it has answered, even a refused sign-in is one: it ends no program."""
    with running("--appendonly", "yes") as node:
        wait_until(node.answers)
        async with RedisJournal(f"redis://{node.address}") as journal:
            await journal.claim("k", **DIGESTS)
            node.ask("CONFIG", "SET", "requirepass", "new")
            async with Redis(port=node.port, password="new") as client:
                await client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(JournalError, match="Redis failed"):
                await journal.entry("k")


@pytest.mark.parametrize(
    "place",
    [
        f"http://:{SECRET}@host",
        f"redis+sentinel://:{SECRET}@host:26379",
        f"redis+sentinel://:{SECRET}@/service",
        f"redis+sentinel://:{SECRET}@host:port/service",
        f"redis+cluster://:{SECRET}@host/5",
        f"redis+other://:{SECRET}@host",
        f"redis://:{SECRET}@host:port",
        7,
        None,
    ],
)
def test_what_is_no_place_is_refused_at_once(place: Any) -> None:
    """Before any I/O, for all three, and never with the password."""
    for use in (RedisBudget, RedisTokens, RedisJournal):
        with pytest.raises(ConfigError, match=r"^redis must be a URL of Redis") as caught:
            use(place)
        assert SECRET not in f"{caught.value}{caught.value.__context__!r}"


async def test_a_function_must_return_a_client() -> None:
    """Anything else is refused when it is called."""
    with pytest.raises(ConfigError, match=r"must return a redis\.asyncio\.Redis or .*, got int"):
        await use_journal(lambda: 5)  # type: ignore[arg-type,return-value]
