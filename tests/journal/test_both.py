"""What every journal does: each test runs on a file, Redis and Postgres, as by two processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
import pytest
from helpers.new_cases import DIGESTS, new_case
from helpers.redis_process import RedisServer
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, SQLiteJournal
from aicc_async.connectors.postgres import PostgresJournal
from aicc_async.connectors.redis import RedisJournal
from aicc_async.emulator import Emulator, Latency
from aicc_async.journal import Entry

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]

Either = PostgresJournal | RedisJournal | SQLiteJournal


class Machine(Protocol):
    """The clocks of this machine, set as a test wants."""

    def set_ahead(self, ahead: timedelta) -> None:
        """Set the wall clock."""


@pytest.fixture(params=["postgres", "redis", "sqlite"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Either, Either]]:
    """Open a journal twice, as two processes do, in Postgres, in Redis and in a file."""
    if request.param == "sqlite":
        first: Either = SQLiteJournal(tmp_path / "journal.db")
        second: Either = SQLiteJournal(tmp_path / "journal.db")
    elif request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        first, second = PostgresJournal(url), PostgresJournal(url)
    else:
        url = request.getfixturevalue("redis_url")
        first, second = RedisJournal(url), RedisJournal(url)
    async with first, second:
        yield first, second


def now() -> float:
    """Return the time of the loop's clock."""
    return asyncio.get_running_loop().time()


async def claim_in_doubt(
    journal: Either, key: str, *, digest: str = "d", match_digest: str = "m"
) -> None:
    """Put a key in doubt, and hold it."""
    await journal.claim(key, digest=digest, match_digest=match_digest)
    await journal.doubt(key, "no answer")


def summary(entry: Entry | None) -> tuple[object, ...]:
    """Return what is the same in two journals after the same steps."""
    return () if entry is None else (entry.state, entry.digest, entry.case_id, entry.note)


async def test_a_new_key_is_sent_and_held(pair: tuple[Either, Either]) -> None:
    """A claim is durable, and seen by others, who don't get the key."""
    mine, other = pair
    entry = await mine.claim("k", **DIGESTS)
    seen = await other.claim("k", **DIGESTS)

    assert (entry.state, entry.held, entry.digest) == ("sent", True, "d")
    assert (seen.state, seen.held) == ("sent", False)
    assert not (await mine.claim("k", **DIGESTS)).held
    assert abs(entry.created_at - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_confirmed_key_gives_its_case(pair: tuple[Either, Either]) -> None:
    """What one process settles all others know, and nobody holds it."""
    mine, other = pair
    await mine.claim("k", **DIGESTS)
    await mine.confirm("k", "c1")
    mine.release("k")
    entry = await other.claim("k", **DIGESTS)

    assert (entry.state, entry.case_id, entry.held) == ("confirmed", "c1", False)
    assert await other.untaken(["c1", "c2"]) == ["c2"]


async def test_a_doubt_keeps_the_key(pair: tuple[Either, Either]) -> None:
    """Others see the note and the candidates of a doubt, and don't get the key."""
    mine, other = pair
    await mine.claim("k", **DIGESTS)
    await mine.doubt("k", "no answer", ["c1", "c2"])
    seen = await other.claim("k", **DIGESTS)

    assert (seen.state, seen.note, seen.candidates) == ("unknown", "no answer", ("c1", "c2"))
    assert not seen.held


async def test_a_key_released_without_an_outcome_is_in_doubt(pair: tuple[Either, Either]) -> None:
    """A key that was released without an outcome is unknown to the next, who holds it."""
    mine, other = pair
    first = await mine.claim("k", **DIGESTS)
    mine.release("k")
    entry = await other.claim("k", **DIGESTS)
    while not entry.held:  # a release waits for nothing
        entry = await other.claim("k", **DIGESTS)

    assert (entry.state, entry.held) == ("unknown", True)
    assert entry.updated_at >= first.updated_at - timedelta(seconds=1)


async def test_another_digest_is_left_as_it_is(pair: tuple[Either, Either]) -> None:
    """A key belongs to one record, in doubt and settled."""
    mine, other = pair
    await mine.claim("k", **DIGESTS)
    for _ in range(2):
        entry = await other.claim("k", digest="x", match_digest="l")
        assert (entry.digest, entry.held) == ("d", False)
        await mine.confirm("k", "c1")


async def test_a_rejected_key_begins_anew(pair: tuple[Either, Either]) -> None:
    """After a refusal another record may have the key, without the old note."""
    mine, other = pair
    await mine.claim("k", **DIGESTS)
    await mine.reject("k", "HTTP 400")
    assert summary(await other.entry("k")) == ("rejected", "d", None, "HTTP 400")
    entry = await other.claim("k", digest="x", match_digest="y")

    assert (entry.state, entry.digest, entry.held, entry.note) == ("sent", "x", True, "")


async def test_a_resend_is_noted(pair: tuple[Either, Either]) -> None:
    """What is sent again counts from then on."""
    mine, other = pair
    await claim_in_doubt(mine, "k")
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
            await claim_in_doubt(journal, key, **names)
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
    await claim_in_doubt(mine, "k")
    finding = await mine.take("k", same, alike, asked=now())
    entry = await other.entry("k")

    assert finding.status == word
    assert entry
    assert entry.state == ("reconciled" if word == "found" else "unknown")
    assert entry.case_id == ("c1" if word == "found" else None)


async def test_a_rival_keeps_a_case_from_being_taken(pair: tuple[Either, Either]) -> None:
    """A create on its way that looks the same may be whose case it is, unless it came later."""
    mine, other = pair
    await claim_in_doubt(mine, "k")
    before = now() - 5
    await other.claim("rival", **DIGESTS)

    assert (await mine.take("k", ["c1"], [], asked=now())).status == "busy"
    assert (await mine.take("k", ["c1"], [], asked=before)).status == "found"


async def test_open_digests(pair: tuple[Either, Either]) -> None:
    """What is sent or in doubt has its match digest open, what is settled has not."""
    mine, other = pair
    for key in ("sent", "doubted", "done"):
        await mine.claim(key, digest=key, match_digest=key)
    await mine.doubt("doubted", "no answer")
    await mine.confirm("done", "c1")

    assert await other.open_digests(["done", "doubted", "none", "sent"]) == ["doubted", "sent"]
    assert await other.open_digests([]) == []


async def test_a_key_that_was_not_sent_is_withdrawn(pair: tuple[Either, Either]) -> None:
    """It is rejected at once, so that nobody looks for its case; a doubt stays one."""
    mine, other = pair
    await mine.claim("k", **DIGESTS)
    await claim_in_doubt(mine, "doubted", digest="x", match_digest="x")
    mine.withdraw("k")
    mine.withdraw("doubted")
    again = await other.claim("k", **DIGESTS)
    while not again.held:  # a withdrawal waits for nothing
        again = await other.claim("k", **DIGESTS)

    assert again.state == "sent"
    assert (await other.entry("doubted") or again).state == "unknown"


async def test_the_clocks_of_a_send_are_noted(
    pair: tuple[Either, Either], machine: Machine
) -> None:
    """The skew comes back, and by how much the wall clock was set since."""
    mine, other = pair
    skew = timedelta(seconds=-90)
    first = await mine.claim("k", **DIGESTS, skew=skew)
    assert (first.created_drift or timedelta(0)) < timedelta(seconds=5)
    await mine.doubt("k", "no answer")
    await mine.close()
    machine.set_ahead(timedelta(hours=1))
    again = await other.claim("k", **DIGESTS)

    assert (again.held, again.skew) == (True, skew)
    for drift in (again.created_drift, again.updated_drift):
        assert drift
        assert abs(drift - timedelta(hours=1)) < timedelta(seconds=5)
    assert abs(again.created_at - first.created_at) < timedelta(seconds=5)
    await other.resend("k", skew=None)
    assert (await other.entry("k") or first).skew is None


async def test_the_one_that_made_a_case_has_it(pair: tuple[Either, Either]) -> None:
    """A key that took another's case is in doubt again when that is confirmed."""
    mine, other = pair
    await claim_in_doubt(mine, "k")
    await mine.take("k", ["c1"], [], asked=now())
    mine.release("k")
    await other.claim("maker", **DIGESTS)
    await other.confirm("maker", "c1")

    entry = await mine.entry("k")
    assert summary(entry) == ("unknown", "d", None, "c1 was made by another key")
    assert (await mine.claim("k", **DIGESTS)).held


@pytest.mark.parametrize("case_id", ["c1", None])
async def test_an_operator_resolves(pair: tuple[Either, Either], case_id: str | None) -> None:
    """What nobody is at work on may be settled by hand, once."""
    mine, other = pair
    await claim_in_doubt(mine, "k")
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
    await mine.claim("k", **DIGESTS)
    await mine.confirm("k", "c1")
    await claim_in_doubt(mine, "j", digest="x")
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
        await mine.claim(key, **DIGESTS)
    await mine.confirm("a", "c1")

    assert [entry.key for entry in await other.entries()] == ["b", "a", "c"]
    assert [entry.key for entry in await other.entries("sent")] == ["b", "c"]
    assert await other.entry("nobody") is None
    with pytest.raises(ConfigError, match="state"):
        await other.entries("lost")


async def test_two_clients_race(
    pair: tuple[Either, Either], tenant: Emulator, connect: Callable[..., AICCClient]
) -> None:
    """200 tasks over two clients, each key four times: each key has one case."""
    tenant.latency = Latency(0.005)
    clients = [connect(journal=each) for each in pair]
    tasks = [
        clients[number % 2].create_case(new_case(title=f"{number // 4}"), key=f"{number // 4}")
        for number in range(200)
    ]
    ids = await asyncio.gather(*tasks)

    assert [ids[number] for number in range(0, 200, 4)] == ids[3::4]
    assert len(set(ids)) == 50
    assert tenant.count() == 350


STEPS = ["claim", "other digest", "resend", "confirm", "doubt", "reject", "take", "release"]
Step = tuple[str, int, int, int]


STEP_LISTS = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)),
    max_size=25,
)


@settings(max_examples=30)
@given(STEP_LISTS)
def test_both_journals_hold_the_same(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """Whatever two processes do, a file and Redis hold the same of each key."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    prefix = f"summary-{uuid4()}:"
    in_file = asyncio.run(replay(steps, lambda: SQLiteJournal(path)))
    in_redis = asyncio.run(replay(steps, lambda: RedisJournal(redis_server.url, prefix)))

    assert in_redis == in_file


@settings(max_examples=15)
@given(STEP_LISTS)
def test_postgres_holds_the_same(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """Whatever two processes do, a file and Postgres hold the same of each key."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    schema = f"summary_{uuid4().hex}"
    with psycopg.connect(postgres_server) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    url = f"{postgres_server}&options=-csearch_path%3D{schema}"
    in_file = asyncio.run(replay(steps, lambda: SQLiteJournal(path)))
    in_postgres = asyncio.run(replay(steps, lambda: PostgresJournal(url)))

    assert in_postgres == in_file


async def replay(steps: list[Step], make: Callable[[], Either]) -> list[object]:
    """Do these steps without those that only a holder may do; return what is seen after each."""
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
                if not isinstance(journal, SQLiteJournal):  # a file keeps their order
                    await journal._leases.wait_released()
                held.discard((who, key))
            seen += [(step, key, result if isinstance(result, str) else None)]
            seen += [summary(await journal.entry(each)) for each in "abc"]
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
