"""Journals of several processes, and what is the Redis one's alone: leases, clocks, outages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from attrs import evolve
from helpers.redis_process import RedisServer
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from aicc_async import (
    AICCClient,
    ConfigError,
    JournalError,
    KeyInUse,
    NewCase,
    RequestTimeout,
    RetryPolicy,
    SQLiteJournal,
    StaticToken,
    UnknownOutcome,
)
from aicc_async.connectors.redis import RedisJournal
from aicc_async.connectors.redis.leases import Lease, LeaseKeeper
from aicc_async.emulator import Emulator, Fault, Latency
from aicc_async.journal import Entry

pytest_plugins = ["helpers.redis_server"]

Open = Callable[[], RedisJournal]
Write = Callable[[redis.Redis, str], str]
Either = RedisJournal | SQLiteJournal
NOW = {"digest": "d", "match_digest": "l"}
FIELDS = {
    "title": "Parcel lost",
    "description": "It did not come.",
    "type": "cvmC0000014Oc9jgT7ZI",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}
NEW = NewCase(**FIELDS)  # type: ignore[arg-type]  # texts


@pytest.fixture
async def opened(redis_url: str, prefix: str) -> AsyncIterator[Open]:
    """Open journals of one store in Redis, each as a process of its own would."""
    async with AsyncExitStack() as stack:

        def one() -> RedisJournal:
            journal = RedisJournal(redis_url, prefix, lease=1)
            stack.push_async_callback(journal.close)
            return journal

        yield one


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """Look into Redis as an operator does."""
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        yield client


@pytest.fixture(params=["redis", "sqlite"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Either, Either]]:
    """Open a journal twice, as two processes do, in Redis and in a file."""
    if request.param == "sqlite":
        first: Either = SQLiteJournal(tmp_path / "journal.db")
        second: Either = SQLiteJournal(tmp_path / "journal.db")
    else:
        url = request.getfixturevalue("redis_url")
        first, second = RedisJournal(url), RedisJournal(url)
    async with first, second:
        yield first, second


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


async def doubtful(journal: Either, key: str, **digests: str) -> None:
    """Put a key in doubt, and hold it."""
    await journal.claim(key, **NOW | digests)
    await journal.doubt(key, "no answer")


def story(entry: Entry | None) -> tuple[object, ...]:
    """Tell what is the same of two journals that were told the same."""
    return () if entry is None else (entry.state, entry.digest, entry.case_id, entry.note)


async def test_a_new_key_is_sent_and_held(pair: tuple[Either, Either]) -> None:
    """A claim is durable, and seen by others, who don't get the key."""
    mine, other = pair
    entry = await mine.claim("k", **NOW)
    seen = await other.claim("k", **NOW)

    assert (entry.state, entry.held, entry.digest) == ("sent", True, "d")
    assert (seen.state, seen.held) == ("sent", False)
    assert not (await mine.claim("k", **NOW)).held
    assert abs(entry.created_at - now()) < timedelta(seconds=5)


async def test_a_confirmed_key_gives_its_case(pair: tuple[Either, Either]) -> None:
    """Settled by one, it is known to all, and nobody holds it."""
    mine, other = pair
    await mine.claim("k", **NOW)
    await mine.confirm("k", "c1")
    mine.release("k")
    entry = await other.claim("k", **NOW)

    assert (entry.state, entry.case_id, entry.held) == ("confirmed", "c1", False)
    assert await other.untaken(["c1", "c2"]) == ["c2"]


async def test_a_doubt_keeps_the_key(pair: tuple[Either, Either]) -> None:
    """A doubt tells its note and candidates, and the key stays held."""
    mine, other = pair
    await mine.claim("k", **NOW)
    await mine.doubt("k", "no answer", ["c1", "c2"])
    seen = await other.claim("k", **NOW)

    assert (seen.state, seen.note, seen.candidates) == ("unknown", "no answer", ("c1", "c2"))
    assert not seen.held


async def test_what_was_sent_and_let_go_is_in_doubt(pair: tuple[Either, Either]) -> None:
    """A key that was released without an outcome is unknown to the next, who holds it."""
    mine, other = pair
    first = await mine.claim("k", **NOW)
    mine.release("k")
    entry = await other.claim("k", **NOW)
    while not entry.held:  # a release waits for nothing
        entry = await other.claim("k", **NOW)

    assert (entry.state, entry.held) == ("unknown", True)
    assert entry.updated_at >= first.updated_at - timedelta(seconds=1)


async def test_another_digest_is_left_as_it_is(pair: tuple[Either, Either]) -> None:
    """One key stands for one record, in doubt and settled."""
    mine, other = pair
    await mine.claim("k", **NOW)
    for _ in range(2):
        entry = await other.claim("k", digest="x", match_digest="l")
        assert (entry.digest, entry.held) == ("d", False)
        await mine.confirm("k", "c1")


async def test_a_rejected_key_begins_anew(pair: tuple[Either, Either]) -> None:
    """What was refused leaves no trace for another record under its key."""
    mine, other = pair
    await mine.claim("k", **NOW)
    await mine.reject("k", "HTTP 400")
    assert story(await other.entry("k")) == ("rejected", "d", None, "HTTP 400")
    entry = await other.claim("k", digest="x", match_digest="y")

    assert (entry.state, entry.digest, entry.held, entry.note) == ("sent", "x", True, "")


async def test_a_resend_is_noted(pair: tuple[Either, Either]) -> None:
    """What is sent again counts from then on."""
    mine, other = pair
    await doubtful(mine, "k")
    before = await other.entry("k")
    await mine.resend("k")
    after = await other.entry("k")

    assert before
    assert after
    assert (before.state, after.state) == ("unknown", "sent")
    assert after.updated_at > before.updated_at
    assert after.created_at == before.created_at


async def test_a_case_goes_to_one_key_only(pair: tuple[Either, Either]) -> None:
    """Of equal records in doubt each takes a case of its own, whoever comes first."""
    for each in range(10):
        names = {"digest": f"d{each}", "match_digest": f"l{each}"}
        cases = [f"{each}-1", f"{each}-2"]
        for journal, key in zip(pair, cases, strict=True):
            await doubtful(journal, key, **names)
        found = await asyncio.gather(
            *(
                journal.take(key, cases, [], asked=now())
                for journal, key in zip(pair, cases, strict=True)
            )
        )

        assert {one.status for one in found} == {"found"}
        assert sorted(one.ids[0] for one in found) == cases


@pytest.mark.parametrize(
    ("same", "alike", "word"),
    [([], [], "none"), (["c1"], [], "found"), (["c1", "c2"], [], "unsure"), ([], ["c1"], "unsure")],
)
async def test_taking(
    pair: tuple[Either, Either], same: list[str], alike: list[str], word: str
) -> None:
    """A case is taken only when it can be nobody else's; others stay in doubt."""
    mine, other = pair
    await doubtful(mine, "k")
    finding = await mine.take("k", same, alike, asked=now())
    entry = await other.entry("k")

    assert finding.status == word
    assert entry
    assert entry.state == ("reconciled" if word == "found" else "unknown")
    assert entry.case_id == ("c1" if word == "found" else None)


async def test_a_rival_keeps_a_case_from_being_taken(pair: tuple[Either, Either]) -> None:
    """A create on its way that looks the same may be whose case it is, unless it came later."""
    mine, other = pair
    await doubtful(mine, "k")
    before = now() - timedelta(seconds=5)
    await other.claim("rival", **NOW)

    assert (await mine.take("k", ["c1"], [], asked=now())).status == "busy"
    assert (await mine.take("k", ["c1"], [], asked=before)).status == "found"


async def test_the_one_that_made_a_case_has_it(pair: tuple[Either, Either]) -> None:
    """A key that took another's case is in doubt again when that is confirmed."""
    mine, other = pair
    await doubtful(mine, "k")
    await mine.take("k", ["c1"], [], asked=now())
    mine.release("k")
    await other.claim("maker", **NOW)
    await other.confirm("maker", "c1")

    entry = await mine.entry("k")
    assert story(entry) == ("unknown", "d", None, "c1 was made by another key")
    assert (await mine.claim("k", **NOW)).held


@pytest.mark.parametrize("case_id", ["c1", None])
async def test_an_operator_resolves(pair: tuple[Either, Either], case_id: str | None) -> None:
    """What nobody is at work on may be settled by hand, once."""
    mine, other = pair
    await doubtful(mine, "k")
    with pytest.raises(ConfigError, match="a process is at work on it"):
        await other.resolve("k", case_id)
    await mine.close()
    entry = await other.resolve("k", case_id)

    assert (entry.state, entry.case_id) == ("reconciled" if case_id else "rejected", case_id)
    with pytest.raises(ConfigError, match=f"its state is {entry.state}"):
        await other.resolve("k", case_id)


async def test_an_operator_cannot_give_a_case_twice(pair: tuple[Either, Either]) -> None:
    """A case that a key has, and a key that is not there, are refused."""
    mine, other = pair
    await mine.claim("k", **NOW)
    await mine.confirm("k", "c1")
    await doubtful(mine, "j", digest="x")
    await mine.close()

    with pytest.raises(ConfigError, match="c1 is another key's case"):
        await other.resolve("j", "c1")
    with pytest.raises(ConfigError, match="it is not in the journal"):
        await other.resolve("nobody", "c9")


async def test_pruning(pair: tuple[Either, Either]) -> None:
    """What is settled is forgotten, what is in doubt stays, and so does what looks like it."""
    mine, other = pair
    for key, match_digest in (("done", "1"), ("refused", "2"), ("doubted", "3"), ("like it", "3")):
        await mine.claim(key, digest=key, match_digest=match_digest)
    await mine.confirm("done", "c1")
    await mine.reject("refused", "HTTP 400")
    await mine.confirm("like it", "c3")

    assert await other.prune(older_than=timedelta(hours=1)) == 0
    assert await other.prune(older_than=timedelta(microseconds=1)) == 2
    assert [entry.key for entry in await other.entries()] == ["doubted", "like it"]
    assert await other.untaken(["c1", "c3"]) == ["c1"]
    with pytest.raises(ConfigError, match="older_than"):
        await other.prune(older_than=timedelta(0))


async def test_listing(pair: tuple[Either, Either]) -> None:
    """Entries come oldest first, all or those of a state."""
    mine, other = pair
    for key in ("b", "a", "c"):
        await mine.claim(key, **NOW)
    await mine.confirm("a", "c1")

    assert [entry.key for entry in await other.entries()] == ["b", "a", "c"]
    assert [entry.key for entry in await other.entries("sent")] == ["b", "c"]
    assert await other.entry("nobody") is None
    with pytest.raises(ConfigError, match="state"):
        await other.entries("lost")


async def test_two_clients_race(pair: tuple[Either, Either], tenant: Emulator) -> None:
    """200 tasks over two clients, each key four times: each key has one case."""
    tenant.latency = Latency(0.005)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(tenant, each)) for each in pair]
        tasks = [
            clients[number % 2].create_case(renamed(f"Parcel {number // 4}"), key=f"{number // 4}")
            for number in range(200)
        ]
        ids = await asyncio.gather(*tasks)

    assert [ids[number] for number in range(0, 200, 4)] == ids[3::4]
    assert len(set(ids)) == 50
    assert tenant.count() == 350


STEPS = ["claim", "other digest", "resend", "confirm", "doubt", "reject", "take", "release"]
Step = tuple[str, int, int, int]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)),
        max_size=25,
    )
)
def test_both_journals_tell_the_same_story(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """Whatever two processes do, a file and Redis hold the same of each key."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    prefix = f"story-{uuid4()}:"
    in_file = asyncio.run(told(steps, lambda: SQLiteJournal(path)))
    in_redis = asyncio.run(told(steps, lambda: RedisJournal(redis_server.url, prefix)))

    assert in_redis == in_file


async def told(steps: list[Step], make: Callable[[], Either]) -> list[object]:
    """Do these steps, those left out that only a holder may do; tell what was seen after each."""
    seen: list[object] = []
    held: set[tuple[int, str]] = set()
    async with make() as first, make() as second:
        for step, who, which, case in steps:
            journal, key = (first, second)[who], "abc"[which]
            if "claim" not in step and "digest" not in step and (who, key) not in held:
                continue
            result = await do(journal, step, key, f"c{case}")
            if isinstance(result, Entry) and result.held:
                held.add((who, key))
            if step in {"confirm", "reject", "release"} or result == "found":
                journal.release(key)
                if isinstance(journal, RedisJournal):  # a file keeps their order
                    await asyncio.gather(*journal._releasing)
                held.discard((who, key))
            seen += [(step, key, result if isinstance(result, str) else None)]
            seen += [story(await journal.entry(each)) for each in "abc"]
    return seen


async def do(journal: Either, step: str, key: str, case_id: str) -> Entry | str | None:
    """Do one step."""
    if step in {"claim", "other digest"}:
        return await journal.claim(key, digest=step, match_digest="l")
    if step == "take":
        return (await journal.take(key, [case_id], [], asked=now())).status
    if step == "resend":
        await journal.resend(key)
    if step == "confirm":
        await journal.confirm(key, case_id)
    if step == "doubt":
        await journal.doubt(key, "no answer", [case_id])
    if step == "reject":
        await journal.reject(key, "HTTP 400")
    return None


def client(tenant: Emulator, journal: Either, **options: Any) -> AICCClient:
    """Make a client that hardly waits."""
    auth = StaticToken(tenant.token())
    given: dict[str, Any] = {"retry": RetryPolicy(base=0.001), "list_lag": 0} | options
    return AICCClient(tenant.url, auth=auth, journal=journal, **given)


async def until(happened: Callable[[], object]) -> None:
    """Wait for something that is sure to happen."""
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110  (other processes set no events)
            await asyncio.sleep(0.005)


def renamed(title: str) -> NewCase:
    """Make a record with a title of its own."""
    return evolve(NEW, title=title)


def hold(seconds: float, key: str = "k") -> Lease:
    """Make a hold that ends so many seconds from now."""
    found = Lease(key, "d")
    found.extend(asyncio.get_running_loop().time() + seconds)
    return found


@pytest.mark.looptime
async def test_leases_are_renewed_at_a_third() -> None:
    """What is held is renewed three times in a lease, until it is dropped."""
    loop, times = asyncio.get_running_loop(), []

    async def renew(holds: list[Lease]) -> set[str]:
        times.append((round(loop.time() - began), [each.key for each in holds]))
        return set()

    leases, began = LeaseKeeper(30, renew), loop.time()
    held = leases.add("k", "d")
    leases.add("not claimed yet", "d")
    leases.start(held, began)
    async with held.sending():
        await asyncio.sleep(45)
    leases.drop("k")
    await leases.close()

    assert times == [(10, ["k"]), (20, ["k"]), (30, ["k"]), (40, ["k"])]


@pytest.mark.looptime
@pytest.mark.parametrize(("works", "after"), [(True, 10), (False, 30)])
async def test_a_lost_lease_gives_up_what_is_sent(works: bool, after: int) -> None:
    """A lease that is somebody else's ends at the next renewal, one that can't be renewed later."""
    loop = asyncio.get_running_loop()

    async def renew(holds: list[Lease]) -> set[str]:
        if not works:
            raise JournalError("Redis is down")
        return {each.key for each in holds}

    leases, began = LeaseKeeper(30, renew), loop.time()
    held = leases.add("k", "d")
    leases.start(held, began)
    with pytest.raises(UnknownOutcome, match="the lease on the key 'k' ended"):
        async with held.sending():
            await asyncio.sleep(3600)
    await leases.close()

    assert round(loop.time() - began) == after
    with pytest.raises(JournalError, match="lost"):
        async with held.sending():
            pytest.fail("a lease that has ended sends nothing")


@pytest.mark.looptime
async def test_other_failures_and_cancellation_pass_a_lease() -> None:
    """What goes wrong within a lease, or who cancels it, is not taken for its end."""
    with pytest.raises(RequestTimeout):
        async with hold(30).sending():
            raise RequestTimeout("no answer")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), hold(30).sending():
            await asyncio.sleep(3600)


def expire(raw: redis.Redis, prefix: str, key: str = "k") -> None:
    """Let a lease have run out."""
    assert raw.hset(f"{prefix}entry:{key}", "leased_until", 0) == 0


def end(raw: redis.Redis, prefix: str) -> int:
    """Tell when a lease ends, in microseconds."""
    return int(raw.hget(f"{prefix}entry:k", "leased_until") or 0)


async def test_a_renewed_lease_outlasts_its_time(
    opened: Open, raw: redis.Redis, prefix: str
) -> None:
    """A key stays held for longer than its lease while its holder is at work."""
    mine, other = opened(), opened()
    await mine.claim("k", **NOW)
    first = end(raw, prefix)
    await until(lambda: end(raw, prefix) >= first + 600_000)

    assert not (await other.claim("k", **NOW)).held


async def test_a_dead_holder_is_followed(
    opened: Open, tenant: Emulator, raw: redis.Redis, prefix: str
) -> None:
    """A key whose holder has died goes to the next when its lease has ended: its case is found."""
    mine, other = opened(), opened()
    tenant.fail("create", Fault.DROP_AFTER)
    async with client(tenant, mine) as first, client(tenant, other) as second:
        mine.release = mine._leases.find  # type: ignore[assignment]  # the dead let go of nothing
        with pytest.raises(UnknownOutcome):
            await first.create_case(NEW, key="k")
        await mine._leases.close()
        with pytest.raises(KeyInUse):
            await second.create_case(NEW, key="k", wait=False)
        expire(raw, prefix)
        case_id = await second.create_case(NEW, key="k")

    assert case_id in tenant.ids()
    assert tenant.count() == 301


async def test_a_lost_lease_changes_nothing(opened: Open, raw: redis.Redis, prefix: str) -> None:
    """Who lost a key to somebody may not send, doubt, reject or take any more."""
    mine, other = opened(), opened()
    await mine.claim("k", **NOW)
    expire(raw, prefix)
    assert (await other.claim("k", **NOW)).held
    before = await other.entry("k")

    for late in (
        mine.resend("k"),
        mine.doubt("k", "late"),
        mine.reject("k", "late"),
        mine.take("k", ["c1"], [], asked=now()),
    ):
        with pytest.raises(JournalError, match="the lease on the key 'k' is lost"):
            await late
    assert await other.entry("k") == before


async def test_a_late_answer_is_noted(opened: Open, raw: redis.Redis, prefix: str) -> None:
    """A case that was made is noted though the lease was lost: the next holder doesn't send."""
    mine, other = opened(), opened()
    await mine.claim("k", **NOW)
    expire(raw, prefix)
    await other.claim("k", **NOW)
    await mine.confirm("k", "c1")

    with pytest.raises(JournalError, match="lost"):
        await other.resend("k")
    with pytest.raises(JournalError, match="c2 was made, but the key 'k' has the case c1 already"):
        await other.confirm("k", "c2")
    assert (await opened().claim("k", **NOW)).case_id == "c1"


async def test_a_step_may_come_twice(opened: Open) -> None:
    """A step whose answer was lost on the way is sent again, and does no more than once."""
    mine = opened()
    await mine.claim("k", **NOW)
    token = mine._leases.require("k").token
    again = await mine._run("claim", "k", token, 1_000_000, "d", "l")
    assert again[0] == 1
    assert (await mine.entry("k") or pytest.fail("it is gone")).state == "sent"

    for _ in range(2):
        await mine.doubt("k", "no answer")
    for _ in range(2):
        assert (await mine.take("k", ["c1"], [], asked=now())).ids == ("c1",)
    for _ in range(2):
        await mine.confirm("k", "c1")


async def test_without_redis_nothing_is_sent(
    redis_server: RedisServer, opened: Open, tenant: Emulator
) -> None:
    """While Redis is down no case is made; when it is back, the same calls succeed."""
    async with client(tenant, opened()) as aicc:
        first = await aicc.create_case(renamed("one"), key="1")
        redis_server.kill()
        try:
            for key in ("1", "2"):
                with pytest.raises(JournalError, match="Redis failed") as caught:
                    await aicc.create_case(renamed("one" if key == "1" else "two"), key=key)
                assert caught.value.case_id is None
            assert tenant.count() == 301
        finally:
            redis_server.start()

        assert await aicc.create_case(renamed("one"), key="1") == first
        assert await aicc.create_case(renamed("two"), key="2") != first
    assert tenant.count() == 302


async def test_redis_dies_while_a_case_is_made(
    redis_server: RedisServer, opened: Open, tenant: Emulator, raw: redis.Redis, prefix: str
) -> None:
    """A case that could not be noted is told, and found by whoever asks for its key again."""
    async with client(tenant, opened()) as aicc, client(tenant, opened()) as other:
        await aicc.list_cases()
        tenant.latency = Latency(0.2)
        making = asyncio.create_task(aicc.create_case(NEW, key="k"))
        await until(lambda: tenant.count() > 300)
        redis_server.kill()
        try:
            with pytest.raises(JournalError) as caught:
                await making
        finally:
            redis_server.start()
        tenant.latency = None
        expire(raw, prefix)
        found = await other.create_case(NEW, key="k")

    assert found == caught.value.case_id
    assert tenant.count() == 301


STOPPED = """
import asyncio, json, sys
from aicc_async import AICCClient, AICCError, NewCase, RateLimit, StaticToken
from aicc_async.connectors.redis import RedisJournal

async def main(url, token, store, prefix, fields):
    journal = RedisJournal(store, prefix, lease=1)
    limit = RateLimit(1, per=4.0)  # long enough to be stopped while it waits
    async with AICCClient(url, auth=StaticToken(token), journal=journal, rate_limit=limit) as aicc:
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
    opened: Open, redis_url: str, raw: redis.Redis, prefix: str, tenant: Emulator
) -> None:
    """A process that is stopped for longer than its lease gives up what was about to be sent."""
    journal = opened()
    arguments = (tenant.url, tenant.token(), redis_url, prefix, json.dumps(FIELDS))
    with running(*arguments) as process:
        async with client(tenant, journal) as aicc:
            await until(lambda: end(raw, prefix))
            process.send_signal(signal.SIGSTOP)
            case_id = await aicc.create_case(NEW, key="k")
            process.send_signal(signal.SIGCONT)
            said, _ = await asyncio.to_thread(process.communicate)

    assert said.strip() in {"JournalError", "UnknownOutcome"}
    assert [each.operation for each in tenant.requests].count("create") == 1
    assert case_id in tenant.ids()


async def test_no_record_is_kept(
    opened: Open, tenant: Emulator, raw: redis.Redis, prefix: str
) -> None:
    """Of what was sent, Redis holds digests only."""
    async with client(tenant, opened()) as aicc:
        await aicc.create_case(NEW, key="k")
    kept = json.dumps([raw.hgetall(f"{prefix}entry:k"), raw.keys()])

    assert "confirmed" in kept
    assert not [value for value in FIELDS.values() if value in kept]


def first_layout(raw: redis.Redis, prefix: str) -> str:
    """Write a journal as it was before layouts had a number, and return what counts as one."""
    states = {"state": "unknown", "digest": "d", "likeness": "l", "began": "1", "touched": "2"}
    rest = {"case_id": "", "note": "", "candidates": "[]", "owner": "", "until": "3"}
    for name, value in (states | rest).items():
        raw.hset(f"{prefix}entry:k", name, value)
    raw.sadd(f"{prefix}open:l", "k")
    raw.zadd(f"{prefix}began", {"k": 1})
    return "none"


def lost_layout(raw: redis.Redis, prefix: str) -> str:
    """Write keys of this layout without the number, and return what counts as one."""
    raw.zadd(f"{prefix}created", {"k": 1})
    return "none"


def later_layout(raw: redis.Redis, prefix: str) -> str:
    """Write the number of a later layout, and return it."""
    raw.set(f"{prefix}layout", "2 beta")
    return "2 beta"


def content(raw: redis.Redis) -> dict[str, object]:
    """Read everything there is."""
    return {key: raw.dump(key) for key in raw.scan_iter()}


@pytest.mark.parametrize("write", [first_layout, lost_layout, later_layout])
async def test_a_journal_of_another_layout_is_refused(
    opened: Open, raw: redis.Redis, prefix: str, tenant: Emulator, write: Write
) -> None:
    """The error names the prefix and what to do, all keys stay as they are, nothing is sent."""
    layout = write(raw, prefix)
    before = content(raw)
    journal = opened()
    async with client(tenant, journal) as aicc:
        with pytest.raises(JournalError) as caught:
            await aicc.create_case(NEW, key="k")
    for step in (
        journal.entries(),
        journal.entry("k"),
        journal.untaken(["c1"]),
        journal.resolve("k", None),
        journal.prune(older_than=timedelta(days=1)),
    ):
        with pytest.raises(JournalError, match=f"its layout must be 1, got {layout}"):
            await step
    assert str(caught.value) == (
        f"cannot use the journal {prefix!r}: its layout must be 1, got {layout}. Settle its open"
        " creates with the version that wrote it, then start a new journal"
    )
    assert tenant.requests == []
    assert content(raw) == before


async def test_the_layout_is_written_with_the_first_entry(
    opened: Open, raw: redis.Redis, prefix: str
) -> None:
    """Looking at a journal that is not there yet writes nothing."""
    journal = opened()
    assert await journal.entries() == []
    assert content(raw) == {}
    await journal.claim("k", **NOW)
    assert raw.get(f"{prefix}layout") == "1"


async def test_keys_must_not_be_evicted(opened: Open, raw: redis.Redis) -> None:
    """A Redis that throws any key away when it is full is refused."""
    journal = opened()
    raw.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(ConfigError, match="maxmemory-policy must be noeviction"):
            await journal.claim("k", **NOW)
    finally:
        raw.config_set("maxmemory-policy", "noeviction")
    assert (await journal.claim("k", **NOW)).held


async def test_a_client_of_the_callers_stays_open(redis_url: str, prefix: str) -> None:
    """A Redis client may be given, whatever it decodes, and is not closed."""
    for decodes in (True, False):
        async with Redis.from_url(redis_url, decode_responses=decodes) as given_one:
            async with RedisJournal(given_one, f"{prefix}{decodes}") as journal:
                await doubtful(journal, "ключ")
                [entry] = await journal.entries()
            assert (entry.key, entry.note) == ("ключ", "no answer")
            assert await given_one.ping()


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
    """What can't be is said at once, and passwords are not repeated."""
    with pytest.raises(ConfigError, match=fault) as caught:
        RedisJournal(**{"redis": "redis://host"} | options)
    assert "hush" not in str(caught.value)


async def test_no_password_in_errors() -> None:
    """A server that can't be reached is told without the password."""
    async with RedisJournal("redis://:hush-4711@127.0.0.1:1/0") as journal:
        with pytest.raises(JournalError) as caught:
            await journal.entries()
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {journal!r}"


def test_the_missing_library_is_named() -> None:
    """Without redis-py the import says what to install."""
    code = "import sys; sys.modules['redis'] = None; import aicc_async.connectors.redis.journal"
    done = subprocess.run(  # noqa: S603  (ours)
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "ConfigError: redis is missing: pip install 'aicc-async[redis]'" in done.stderr
