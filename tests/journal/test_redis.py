"""The journal in Redis: who holds a key, outages, layouts, and what is kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from attrs import evolve
from helpers.clock import Jump
from helpers.clock import until as turns
from helpers.new_cases import DIGESTS, new_case
from helpers.processes import wait_in_loop
from helpers.redis_process import RedisServer
from redis.asyncio import Redis

from aicc_async import (
    AICCClient,
    ConfigError,
    JournalError,
    UnknownOutcome,
)
from aicc_async.connectors.redis import RedisJournal
from aicc_async.emulator import Emulator, Latency

pytest_plugins = ["helpers.redis_server"]

Open = Callable[[], RedisJournal]
Write = Callable[["Store"], str]
Connect = Callable[..., AICCClient]
FIELDS = {
    "title": "Parcel lost",
    "description": "It did not come.",
    "type": "cvmC0000014Oc9jgT7ZI",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}
NEW = new_case(**FIELDS)


@pytest.fixture
async def opened(redis_url: str, prefix: str) -> AsyncIterator[Open]:
    """Open journals of one store in Redis, each as a process of its own would."""
    async with AsyncExitStack() as stack:

        def one() -> RedisJournal:
            # A third of it is over when the clock jumps; it is not when the machine stalls.
            journal = RedisJournal(redis_url, prefix, lease=12)
            stack.push_async_callback(journal.close)
            return journal

        yield one


class Store:
    """What Redis holds of a journal, as an operator sees it."""

    def __init__(self, redis_client: redis.Redis, prefix: str) -> None:
        self.redis = redis_client
        self.prefix = prefix

    def expire(self, key: str = "k") -> None:
        """Have a lease run out."""
        assert self.redis.hset(f"{self.prefix}entry:{key}", "leased_until", 0) == 0

    def lease_end(self, key: str = "k") -> int:
        """Return when a lease ends, in microseconds; 0 when there is none."""
        return int(self.redis.hget(f"{self.prefix}entry:{key}", "leased_until") or 0)

    def content(self) -> dict[str, object]:
        """Return everything that there is."""
        return {key: self.redis.dump(key) for key in self.redis.scan_iter()}


@pytest.fixture
def store(redis_url: str, prefix: str) -> Iterator[Store]:
    """Look into Redis."""
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        yield Store(client, prefix)


def now() -> float:
    """Return the time of the loop's clock."""
    return asyncio.get_running_loop().time()


async def test_a_renewed_lease_outlasts_its_time(opened: Open, store: Store, jump: Jump) -> None:
    """A key stays held for longer than its lease while its holder is at work."""
    mine, other = opened(), opened()
    await mine.claim("k", **DIGESTS)
    first = store.lease_end()
    # The renewal is waited for by then.
    await turns(lambda: True)
    jump()
    await wait_in_loop(lambda: store.lease_end() > first)

    assert not (await other.claim("k", **DIGESTS)).held


async def test_a_step_may_come_twice(opened: Open) -> None:
    """A step whose answer was lost on the way is sent again, and does no more than once."""
    mine = opened()
    await mine.claim("k", **DIGESTS)
    token = mine._leases.require("k").token
    again = await mine._run("claim", "k", token, 1_000_000, "d", "m", "")
    assert again[0] == 1
    assert (await mine.entry("k") or pytest.fail("it is gone")).state == "sent"

    for _ in range(2):
        await mine.doubt("k", "no answer")
    for _ in range(2):
        assert (await mine.take("k", ["c1"], [], asked=now())).ids == ("c1",)
    for _ in range(2):
        await mine.confirm("k", "c1")


async def test_without_redis_nothing_is_sent(
    redis_server: RedisServer, opened: Open, tenant: Emulator, connect: Connect
) -> None:
    """While Redis is down no case is made; when it is back, the same calls succeed."""
    async with connect(journal=opened()) as aicc:
        first = await aicc.create_case(evolve(NEW, title="one"), key="1")
        redis_server.kill()
        try:
            for key, title in (("1", "one"), ("2", "two")):
                with pytest.raises(JournalError, match="Redis failed") as caught:
                    await aicc.create_case(evolve(NEW, title=title), key=key)
                assert caught.value.case_id is None
            assert tenant.count() == 301
        finally:
            redis_server.start()

        assert await aicc.create_case(evolve(NEW, title="one"), key="1") == first
        assert await aicc.create_case(evolve(NEW, title="two"), key="2") != first
    assert tenant.count() == 302


@pytest.mark.parametrize("is_ours", [True, False])
async def test_hundreds_of_keyed_creates_at_once(
    redis_url: str, prefix: str, tenant: Emulator, connect: Connect, is_ours: bool
) -> None:
    """More creates than a pool has connections wait their turn: all are made."""
    async with Redis.from_url(redis_url) as client:
        journal = RedisJournal(redis_url if is_ours else client, prefix)
        async with connect(journal=journal) as aicc:
            news = [evolve(NEW, title=f"{number}") for number in range(220)]
            ids = await asyncio.gather(*(aicc.create_case(new, key=new.title) for new in news))
    assert len(set(ids)) == 220
    assert tenant.count() == 300 + 220


def test_a_journal_in_a_second_loop_after_hundreds_at_once(redis_url: str, prefix: str) -> None:
    """Waiting for a turn binds a journal to no loop: closed, it is used in the next one."""
    journal = RedisJournal(redis_url, prefix)

    async def claim_many(loop: int) -> int:
        async with journal:
            keys = [f"{loop}-{number}" for number in range(220)]
            claims = (journal.claim(key, digest="d", match_digest="m") for key in keys)
            entries = await asyncio.gather(*claims)
        return sum(entry.held for entry in entries)

    assert [asyncio.run(claim_many(loop)) for loop in range(2)] == [220, 220]


def test_a_journal_in_two_loops_at_once_is_refused(redis_url: str, prefix: str) -> None:
    """What was used in one loop and not closed there is a ConfigError in another one."""
    journal = RedisJournal(redis_url, prefix)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(journal.claim("k", digest="d", match_digest="m")).held
        for call in (journal.entry("k"), journal.claim("l", digest="d", match_digest="m")):
            with pytest.raises(ConfigError, match="one journal per event loop"):
                second.run(call)
        with pytest.raises(ConfigError, match="one journal per event loop"):
            second.run(journal.close())
        first.run(journal.close())


async def test_redis_dies_while_a_case_is_made(
    redis_server: RedisServer, opened: Open, store: Store, tenant: Emulator, connect: Connect
) -> None:
    """A case that could not be noted is in the error, and found when its key is used again."""
    async with connect(journal=opened()) as aicc, connect(journal=opened()) as other:
        await aicc.list_cases()
        tenant.latency = Latency(0.2)
        making = asyncio.create_task(aicc.create_case(NEW, key="k"))
        await wait_in_loop(lambda: tenant.count() > 300)
        redis_server.kill()
        try:
            with pytest.raises(JournalError) as caught:
                await making
        finally:
            redis_server.start()
        tenant.latency = None
        store.expire()
        found = await other.create_case(NEW, key="k")

    assert found == caught.value.case_id
    assert tenant.count() == 301


STOPPED = """
import asyncio, json, sys
from aicc_async import AICCClient, AICCError, NewCase, RateLimit, StaticToken
from aicc_async.connectors.redis import RedisJournal

async def main(url, token, store, prefix, fields):
    journal = RedisJournal(store, prefix, lease=1)
    limit = RateLimit(1, per=600.0)  # long enough to be stopped while it waits
    options = {"auth": StaticToken(token), "journal": journal, "timezone": "Asia/Shanghai"}
    async with AICCClient(url, rate_limit=limit, **options) as aicc:
        await aicc.list_cases()
        try:
            await aicc.create_case(NewCase(**json.loads(fields)), key="k")  # it waits its turn
        except AICCError as error:
            print(type(error).__name__)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the process that is to be stopped."""
    command = [sys.executable, "-c", STOPPED, *arguments]
    folder = Path(__file__).parents[2]
    process = subprocess.Popen(  # noqa: S603  (ours)
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_stopped_process_does_not_send(
    opened: Open, store: Store, redis_url: str, tenant: Emulator, connect: Connect
) -> None:
    """A process that is stopped for longer than its lease cancels what was about to be sent."""
    journal = opened()
    arguments = (tenant.url, tenant.token(), redis_url, store.prefix, json.dumps(FIELDS))
    with running(*arguments) as process:
        async with connect(journal=journal) as aicc:
            await wait_in_loop(store.lease_end)
            process.send_signal(signal.SIGSTOP)
            case_id = await aicc.create_case(NEW, key="k")
            process.send_signal(signal.SIGCONT)
            said, _ = await asyncio.to_thread(process.communicate)

    assert said.strip() in {"JournalError", "UnknownOutcome"}
    assert [each.operation for each in tenant.requests].count("create") == 1
    assert case_id in tenant.ids()


async def test_no_record_is_kept(opened: Open, store: Store, connect: Connect) -> None:
    """Of what was sent, Redis holds digests only."""
    async with connect(journal=opened()) as aicc:
        await aicc.create_case(NEW, key="k")
    kept = json.dumps([store.redis.hgetall(f"{store.prefix}entry:k"), store.redis.keys()])

    assert "confirmed" in kept
    assert not [value for value in FIELDS.values() if value in kept]


def first_layout(store: Store) -> str:
    """Write a journal as it was before layouts had a number, and return what counts as one."""
    states = {"state": "unknown", "digest": "d", "likeness": "l", "began": "1", "touched": "2"}
    rest = {"case_id": "", "note": "", "candidates": "[]", "owner": "", "until": "3"}
    for name, value in (states | rest).items():
        store.redis.hset(f"{store.prefix}entry:k", name, value)
    store.redis.sadd(f"{store.prefix}open:l", "k")
    store.redis.zadd(f"{store.prefix}began", {"k": 1})
    return "none"


def lost_layout(store: Store) -> str:
    """Write keys of this layout without the number, and return what counts as one."""
    store.redis.zadd(f"{store.prefix}created", {"k": 1})
    return "none"


def later_layout(store: Store) -> str:
    """Write the number of a later layout, and return it."""
    store.redis.set(f"{store.prefix}layout", "3 beta")
    return "3 beta"


@pytest.mark.parametrize("write", [first_layout, lost_layout, later_layout])
async def test_a_journal_of_another_layout_is_refused(
    opened: Open, store: Store, tenant: Emulator, connect: Connect, write: Write
) -> None:
    """The error names the prefix and what to do, all keys stay as they are, nothing is sent."""
    layout = write(store)
    before = store.content()
    journal = opened()
    async with connect(journal=journal) as aicc:
        with pytest.raises(JournalError) as caught:
            await aicc.create_case(NEW, key="k")
    for step in (
        journal.entries(),
        journal.entry("k"),
        journal.untaken(["c1"]),
        journal.resolve("k", None),
        journal.prune(older_than=timedelta(days=1)),
    ):
        with pytest.raises(JournalError, match=f"its layout must be 2, got {layout}"):
            await step
    assert str(caught.value) == (
        f"cannot use the journal {store.prefix!r}: its layout must be 2, got {layout}. Settle its"
        " open creates with the version that wrote it, then start a new journal"
    )
    assert tenant.requests == []
    assert store.content() == before


async def test_the_layout_is_written_with_the_first_entry(opened: Open, store: Store) -> None:
    """Looking at a journal that is not there yet writes nothing."""
    journal = opened()
    assert await journal.entries() == []
    assert store.content() == {}
    await journal.claim("k", **DIGESTS)
    assert store.redis.get(f"{store.prefix}layout") == "2"


async def test_keys_must_not_be_evicted(opened: Open, store: Store) -> None:
    """A Redis that evicts any key when it is full is refused."""
    journal = opened()
    store.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(ConfigError, match="maxmemory-policy must be noeviction"):
            await journal.claim("k", **DIGESTS)
    finally:
        store.redis.config_set("maxmemory-policy", "noeviction")
    assert (await journal.claim("k", **DIGESTS)).held


async def test_a_client_of_the_callers_stays_open(redis_url: str, prefix: str) -> None:
    """A caller's own Redis client is used, whatever it decodes, and is not closed."""
    for decodes in (True, False):
        async with Redis.from_url(redis_url, decode_responses=decodes) as client:
            async with RedisJournal(client, f"{prefix}{decodes}") as journal:
                await journal.claim("ключ", **DIGESTS)
                await journal.doubt("ключ", "no answer")
                [entry] = await journal.entries()
            assert (entry.key, entry.note) == ("ключ", "no answer")
            assert await client.ping()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"redis": "http://:hush-4711@host"}, "redis must be a URL of Redis"),
        ({"redis": 7}, "redis must be a URL of Redis"),
        ({"prefix": ""}, "prefix must not be empty"),
        ({"lease": 0.5}, "lease must be a number from 1 to 3600, got 0.5"),
        ({"lease": True}, "lease must be a number from 1 to 3600, got True"),
    ],
)
def test_bad_settings(options: dict[str, Any], fault: str) -> None:
    """Bad settings are refused at once, and passwords are not shown."""
    with pytest.raises(ConfigError, match=fault) as caught:
        RedisJournal(**{"redis": "redis://host"} | options)
    assert "hush" not in str(caught.value)


async def test_no_password_in_errors() -> None:
    """The error of a server that can't be reached has no password in it."""
    async with RedisJournal("redis://:hush-4711@127.0.0.1:1/0") as journal:
        with pytest.raises(JournalError) as caught:
            await journal.entries()
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {journal!r}"


def test_the_missing_library_is_named() -> None:
    """Without redis-py the error of the import names what to install."""
    code = "import sys; sys.modules['redis'] = None; import aicc_async.connectors.redis.journal"
    done = subprocess.run(  # noqa: S603  (ours)
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "ConfigError: redis is missing: pip install 'aicc-async[redis]'" in done.stderr


async def test_a_lease_that_is_lost_while_a_case_is_made_is_an_unknown_outcome(
    opened: Open, store: Store, tenant: Emulator, connect: Connect, jump: Jump
) -> None:
    """A case may be there: the caller must not read that nothing was sent."""
    async with connect(journal=opened(), on_unknown="reconcile") as aicc:
        await aicc.list_cases()
        tenant.latency = Latency(600)
        making = asyncio.create_task(aicc.create_case(NEW, key="k"))
        await wait_in_loop(lambda: tenant.count() > 300)
        # Somebody else is at work on it.
        store.redis.hset(f"{store.prefix}entry:k", "owner", "other")
        # The create is not answered any more; the search for it is.
        tenant.latency = None
        jump()
        await wait_in_loop(making.done)
        with pytest.raises(UnknownOutcome, match="the journal has failed since") as caught:
            await making
    assert isinstance(caught.value.__cause__, JournalError)
    assert [each.operation for each in tenant.requests].count("create") == 1


async def test_a_redis_that_forgets_is_refused(
    opened: Open, store: Store, redis_server: RedisServer, tenant: Emulator, connect: Connect
) -> None:
    """Without an append-only file nothing is claimed or sent, unless that is asked for."""
    store.redis.config_set("appendonly", "no")
    try:
        async with connect(journal=opened()) as aicc:
            with pytest.raises(ConfigError, match="appendonly must be yes, got aof_enabled '0'"):
                await aicc.create_case(NEW, key="k")
            # Every other one would be refused as well.
            with pytest.raises(ConfigError, match="appendonly must be yes"):
                _ = [each async for each in aicc.create_cases([("k", NEW), ("l", NEW)])]
        assert tenant.requests == []
        assert await opened().entries() == []
        async with RedisJournal(redis_server.url, store.prefix, durable=False) as journal:
            assert (await journal.claim("k", **DIGESTS)).held
    finally:
        redis_server.write_log()
    with pytest.raises(ConfigError, match="durable must be True or False, got 1"):
        RedisJournal(redis_server.url, durable=1)  # type: ignore[arg-type]


async def test_a_full_redis_takes_no_claim_but_every_note(
    opened: Open, store: Store, tenant: Emulator, connect: Connect, jump: Jump
) -> None:
    """What is sent when it fills up can be noted; nothing new is sent."""
    journal = opened()
    names = ["made", "refused", "doubtful", "withdrawn", "found", "resent"]
    for name in names:
        # Each with a record of its own: none is another's rival.
        await journal.claim(name, digest=name, match_digest=name)
    first = store.lease_end("doubtful")
    store.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(JournalError, match="Redis is full"):
            await journal.claim("new", **DIGESTS)
        async with connect(journal=opened()) as aicc:
            with pytest.raises(JournalError, match="Redis is full") as caught:
                await aicc.create_case(NEW, key="k")
        assert caught.value.case_id is None
        assert tenant.requests == []
        jump()
        await wait_in_loop(lambda: store.lease_end("doubtful") > first)

        await journal.confirm("made", "c1")
        await journal.reject("refused", "no")
        await journal.doubt("doubtful", "no answer", ["c2"])
        await journal.doubt("found", "no answer")
        await journal.take("found", ["c3"], [], asked=now())
        with pytest.raises(JournalError, match="Redis is full"):
            await journal.resend("resent")
        journal.withdraw("withdrawn")
        await journal.close()
        assert [(await journal.entry(name)).state for name in names] == [  # type: ignore[union-attr]
            *("confirmed", "rejected", "unknown", "rejected", "reconciled", "unknown"),
        ]
        assert (await journal.resolve("doubtful", None)).state == "rejected"
    finally:
        store.redis.config_set("maxmemory", 0)
