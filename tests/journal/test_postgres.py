"""The journal in Postgres: who holds a key, outages, poolers, and what is planned."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from attrs import evolve
from helpers.new_cases import DIGESTS, new_case
from helpers.pgbouncer import pooling
from helpers.postgres_process import crash, restart

from aicc_async import AICCClient, ConfigError, JournalError
from aicc_async.connectors.postgres import PostgresJournal, steps
from aicc_async.connectors.postgres.library import Connection
from aicc_async.emulator import Emulator

pytest_plugins = ["helpers.postgres_server"]

Open = Callable[[], PostgresJournal]
Connect = Callable[..., AICCClient]
Database = psycopg.Connection[tuple[Any, ...]]
FIELDS = {
    "title": "Parcel lost",
    "description": "It did not come.",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}
NEW = new_case(**FIELDS)


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[Open]:
    """Open journals of one schema, each as a process of its own would."""
    async with AsyncExitStack() as stack:

        def one() -> PostgresJournal:
            journal = PostgresJournal(postgres_url, lease=60)
            stack.push_async_callback(journal.close)
            return journal

        yield one


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Do what an operator does, and return the rows if there are any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def expire(url: str) -> None:
    """Have all leases run out."""
    execute(url, "UPDATE aicc_journal SET leased_until = clock_timestamp()")


def now() -> float:
    """Return the time of the loop's clock."""
    return asyncio.get_running_loop().time()


async def state_of(journal: PostgresJournal, key: str) -> str | None:
    """Return the state of a key once what is released in the background is noted."""
    await journal._leases.wait_released()
    entry = await journal.entry(key)
    return entry.state if entry else None


# ---- leases ----------------------------------------------------------------------------------


async def test_leases_are_renewed(opened: Open, postgres_url: str) -> None:
    """A renewal moves the end of each lease that is still its owner's, and names the others."""
    mine, other = opened(), opened()
    await mine.claim("k", **DIGESTS)
    await mine.claim("lost", digest="x", match_digest="x")
    expire(postgres_url)
    assert (await other.claim("lost", digest="x", match_digest="x")).held
    leases = [mine._leases.require(key) for key in ("k", "lost")]

    assert await mine._renew(leases) == {"lost"}
    assert not (await other.claim("k", **DIGESTS)).held


async def test_a_step_may_come_twice(opened: Open) -> None:
    """A step whose answer was lost on the way is run again, and does no more than once."""
    mine = opened()
    await mine.claim("k", **DIGESTS)
    values = {**mine._values(mine._leases.require("k")), **DIGESTS, "skew": None}
    held, row = await mine._run(lambda db: steps.claim(db, values))
    assert (held, row["state"]) == (True, "sent")

    for _ in range(2):
        await mine.doubt("k", "no answer")
    for _ in range(2):
        assert (await mine.take("k", ["c1"], [], asked=now())).ids == ("c1",)
    for _ in range(2):
        await mine.confirm("k", "c1")


# ---- outages, and what Postgres must keep ----------------------------------------------------


async def test_without_postgres_nothing_is_sent(
    postgres_url: str, opened: Open, tenant: Emulator, connect: Connect
) -> None:
    """While Postgres is down no case is made; when it is back, the same calls succeed."""
    async with connect(journal=opened()) as aicc:
        first = await aicc.create_case(evolve(NEW, title="one"), key="1")
        crash(postgres_url)
        try:
            creates = (
                aicc.create_case(evolve(NEW, title=title), key=key)
                for key, title in (("1", "one"), ("2", "two"))
            )
            results = await asyncio.gather(*creates, return_exceptions=True)
            for result in results:
                assert isinstance(result, JournalError)
                assert result.case_id is None
            assert tenant.count() == 301
        finally:
            restart(postgres_url)

        assert await aicc.create_case(evolve(NEW, title="one"), key="1") == first
        assert await aicc.create_case(evolve(NEW, title="two"), key="2") != first
    assert tenant.count() == 302


async def test_lost_connections_are_replaced(opened: Open, postgres_url: str) -> None:
    """Connections that the server ended, idle or within a step, fail no step."""
    mine = opened()
    ended: list[tuple[Any, ...]] = []
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    await asyncio.gather(*(mine.claim(f"{key}", **DIGESTS) for key in range(8)))
    assert execute(postgres_url, end_others)

    async def confirm(db: Connection) -> str | None:
        values = {**mine._values(mine._leases.require("0")), **DIGESTS, "case_id": "c1"}
        noted = await steps.confirm(db, values)
        if not ended:
            ended.extend(execute(postgres_url, end_others))
        return noted

    assert await mine._run(confirm) == "c1"
    assert ended
    assert await state_of(mine, "0") == "confirmed"


@pytest.mark.parametrize(
    ("default", "used"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
)
async def test_commits_are_durable(postgres_url: str, default: str, used: str) -> None:
    """A default that would lose commits is not used; one that is stronger is."""
    url = f"{postgres_url}%20-csynchronous_commit%3D{default}"
    url += "%20-cdefault_transaction_isolation%3Dserializable%20-cdatestyle%3DGerman"
    sql = "SELECT current_setting('synchronous_commit') AS found"
    async with PostgresJournal(url) as journal:
        assert await journal._fetch(sql, {}) == [{"found": used}]
        assert (await journal.claim("k", **DIGESTS, skew=timedelta(seconds=-90))).held


async def test_clients_race_behind_a_pooler(
    postgres_server: str, tenant: Emulator, connect: Connect
) -> None:
    """Where transactions share one connection of the server, each key has one case."""
    with pooling(postgres_server) as url:
        journals = PostgresJournal(url), PostgresJournal(url)
        clients = [connect(journal=each) for each in journals]
        try:
            creates = [
                clients[number % 2].create_case(
                    new_case(title=f"{number // 4}"), key=f"{number // 4}"
                )
                for number in range(40)
            ]
            ids = await asyncio.gather(*creates)
            for journal in journals:
                await journal.close()
        finally:
            execute(postgres_server, "DROP TABLE IF EXISTS aicc_journal")

    assert [ids[number] for number in range(0, 40, 4)] == ids[3::4]
    assert len(set(ids)) == 10
    assert tenant.count() == 310


@pytest.mark.parametrize("comment", ["NULL", "'The journal of aicc-async, layout 9'"])
async def test_a_journal_of_another_layout_is_refused(
    opened: Open, postgres_url: str, tenant: Emulator, connect: Connect, comment: str
) -> None:
    """The error says what to do, and nothing is sent."""
    execute(postgres_url, "CREATE TABLE aicc_journal (key text)")
    execute(postgres_url, f"COMMENT ON TABLE aicc_journal IS {comment}")
    async with connect(journal=opened()) as aicc:
        with pytest.raises(JournalError, match=r"its layout must be 1, got (none|9)\. Settle"):
            await aicc.create_case(NEW, key="k")
    assert tenant.requests == []


async def test_no_record_is_kept(opened: Open, postgres_url: str, connect: Connect) -> None:
    """Of what was sent, Postgres holds digests only."""
    async with connect(journal=opened()) as aicc:
        await aicc.create_case(NEW, key="k")
    kept = str(execute(postgres_url, "SELECT * FROM aicc_journal"))

    assert "confirmed" in kept
    assert not [value for value in FIELDS.values() if value in kept]


# ---- what is planned -------------------------------------------------------------------------


async def test_a_key_is_planned_in_the_callers_transaction(
    opened: Open, postgres_url: str, tenant: Emulator, connect: Connect
) -> None:
    """A rollback takes the key with it, a commit makes it due, and it has one case then."""
    journal = opened()
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        await journal.plan(connection, "k", "l")
        assert await journal.due() == []
        await connection.rollback()
        assert await journal.due() == []
        await journal.plan(connection, "k", "l")
        await connection.commit()

        assert await journal.due() == ["k", "l"]
        assert await journal.due(limit=1) == ["k"]
        assert [entry.key for entry in await journal.entries("planned")] == ["k", "l"]
        async with connect(journal=journal) as aicc:
            case_id = await aicc.create_case(NEW, key="k")
            await journal.plan(connection, "k")
            await connection.commit()

            assert await aicc.create_case(NEW, key="k") == case_id
            assert await journal.due() == ["l"]
    assert tenant.count() == 301


async def test_an_uncommitted_key_is_not_sent(
    opened: Open, postgres_url: str, tenant: Emulator, connect: Connect
) -> None:
    """A create before the commit of its plan fails with the reason; nothing is sent."""
    journal = opened()
    async with (
        connect(journal=journal) as aicc,
        await psycopg.AsyncConnection.connect(postgres_url) as connection,
    ):
        await journal.plan(connection, "k")
        with pytest.raises(JournalError, match="lock timeout"):
            await aicc.create_case(NEW, key="k")
        await connection.commit()
        assert tenant.count() == 300
        assert await aicc.create_case(NEW, key="k") in tenant.ids()


async def test_what_is_planned_stays_due(opened: Open, postgres_url: str) -> None:
    """A key is due again when nothing was sent, or its process died; rejected, it must be planned.

    While somebody is at work on it, and once it is settled, it is not.
    """
    mine, other = opened(), opened()
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await mine.plan(connection, "k")
        await mine.claim("k", **DIGESTS)
        assert await other.due() == []
        mine.withdraw("k")
        assert await state_of(mine, "k") == "planned"
        assert await other.due() == ["k"]

        await mine.claim("k", **DIGESTS)
        await mine._leases.close()
        expire(postgres_url)
        assert await other.due() == ["k"]
        assert (await other.claim("k", **DIGESTS)).state == "unknown"

        await other.reject("k", "HTTP 503")
        other.release("k")
        assert await mine.due() == []
        await mine.plan(connection, "k")
        assert await mine.due() == ["k"]
        await other.claim("k", digest="another", match_digest="another")
        await other.confirm("k", "c1")
        await other.plan(connection, "k")
        assert await mine.due() == []
        assert await mine.prune(older_than=timedelta(microseconds=1)) == 1


async def test_a_row_with_a_key_alone_is_planned(opened: Open, postgres_url: str) -> None:
    """What the page gives for other drivers does the same as ``plan``."""
    journal = opened()
    assert await journal.due() == []
    for _ in range(2):
        execute(postgres_url, "INSERT INTO aicc_journal (key) VALUES ('k') ON CONFLICT DO NOTHING")
    assert await journal.due() == ["k"]
    with pytest.raises(ConfigError, match="its state is planned"):
        await journal.resolve("k", None)


# ---- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"postgres": "redis://:hush-4711@host"}, "postgres must be postgresql://"),
        ({"postgres": "postgresql://user:hush@4711@host/d"}, "postgres must be postgresql://"),
        ({"postgres": b"postgresql://user:hush@host/d"}, "postgres must be a string, got bytes"),
        ({"lease": 0.5}, "lease must be a number from 1 to 3600, got 0.5"),
    ],
)
def test_bad_settings(options: dict[str, Any], fault: str) -> None:
    """Bad settings are refused at once, and passwords are not shown."""
    with pytest.raises(ConfigError, match=fault) as caught:
        PostgresJournal(**{"postgres": "postgresql://host/d"} | options)
    assert "hush" not in str(caught.value)


async def test_no_password_in_errors(postgres_url: str) -> None:
    """The errors of a server that can't be reached, or refuses, have no password in them."""
    for url in (
        "postgresql://user:hush-4711@127.0.0.1:1/d",
        postgres_url.replace("hush-4711", "hush-4712"),
    ):
        async with PostgresJournal(url, lease=1) as journal:
            with pytest.raises(JournalError, match=r"refused|authentication failed") as caught:
                await journal.entries()
        assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {journal!r}"


async def test_bad_keys_and_limits_are_refused(opened: Open) -> None:
    """What can't be a key is not planned."""
    journal = opened()
    connection: Any = None
    with pytest.raises(ConfigError, match="key must be a printable string"):
        await journal.plan(connection, "fine", "")
    with pytest.raises(ConfigError, match="limit must be an integer >= 1, got 0"):
        await journal.due(limit=0)


def test_a_journal_in_two_loops_at_once_is_refused(postgres_url: str) -> None:
    """What was used in one loop and not closed there is a ConfigError in another one."""
    journal = PostgresJournal(postgres_url)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(journal.claim("k", **DIGESTS)).held
        for call in (journal.entry("k"), journal.close()):
            with pytest.raises(ConfigError, match="one journal per event loop"):
                second.run(call)
        first.run(journal.close())
        assert second.run(journal.entry("k"))
        second.run(journal.close())


async def test_a_journal_of_the_parent_is_refused(opened: Open) -> None:
    """After a fork no step is run, and closing it releases nothing of the parent's."""
    mine, other = opened(), opened()
    await mine.claim("k", **DIGESTS)
    parent, mine._place._pid = mine._place._pid, -1
    with pytest.raises(JournalError, match=r"was used before os\.fork\(\)"):
        await mine.entry("k")
    await mine.close()
    mine._place._pid = parent

    assert not (await other.claim("k", **DIGESTS)).held


def test_the_missing_library_is_named() -> None:
    """Without psycopg the error of the import names what to install."""
    code = "import sys; sys.modules['psycopg'] = None; import aicc_async.connectors.postgres"
    done = subprocess.run(  # noqa: S603  (ours)
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "ConfigError: psycopg is missing: pip install 'aicc-async[postgres]'" in done.stderr
