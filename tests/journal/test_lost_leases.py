"""What a lost lease does in each journal that has leases: each test runs on Postgres and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import psycopg
import pytest
import redis
from helpers.new_cases import DIGESTS, new_case

from aicc_async import AICCClient, JournalError, KeyInUse, UnknownOutcome
from aicc_async.connectors.postgres import PostgresJournal
from aicc_async.connectors.redis import RedisJournal
from aicc_async.emulator import Emulator, Fault

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]

NEW = new_case(title="Parcel lost")
Either = PostgresJournal | RedisJournal
# What opens one more journal as another process does, and what has all leases run out.
Leased = tuple[Callable[[], Either], Callable[[], None]]


@pytest.fixture(params=["postgres", "redis"])
async def leased(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Leased]:
    """Open journals of one store, whose leases end when the test says so."""
    url = request.getfixturevalue(f"{request.param}_url")

    def expire_in_postgres() -> None:
        with psycopg.connect(url) as connection:
            done = connection.execute(
                "UPDATE aicc_journal SET leased_until = clock_timestamp() WHERE key = 'k'"
            )
        assert done.rowcount == 1

    def expire_in_redis() -> None:
        with redis.Redis.from_url(url) as client:
            assert client.hset(f"{prefix}entry:k", "leased_until", 0) == 0

    async with AsyncExitStack() as stack:

        def one() -> Either:
            made: Either
            if request.param == "postgres":
                made = PostgresJournal(url, lease=60)
            else:
                made = RedisJournal(url, prefix, lease=60)
            stack.push_async_callback(made.close)
            return made

        yield one, expire_in_postgres if request.param == "postgres" else expire_in_redis


async def test_a_dead_holder_is_followed(
    leased: Leased, tenant: Emulator, connect: Callable[..., AICCClient]
) -> None:
    """A key whose holder has died goes to the next when its lease has ended: its case is found."""
    opened, expire = leased
    mine, other = opened(), opened()
    tenant.fail("create", Fault.DROP_AFTER)
    async with connect(journal=mine) as first, connect(journal=other) as second:
        mine.release = mine._leases.find  # type: ignore[assignment]  # the dead release nothing
        with pytest.raises(UnknownOutcome):
            await first.create_case(NEW, key="k")
        await mine._leases.close()
        with pytest.raises(KeyInUse):
            await second.create_case(NEW, key="k", wait=False)
        expire()
        case_id = await second.create_case(NEW, key="k")

    assert case_id in tenant.ids()
    assert tenant.count() == 301


async def test_a_lost_lease_changes_nothing(leased: Leased) -> None:
    """Who lost a key to somebody may not send, doubt, reject or take any more."""
    opened, expire = leased
    mine, other = opened(), opened()
    await mine.claim("k", **DIGESTS)
    expire()
    assert (await other.claim("k", **DIGESTS)).held
    before = await other.entry("k")

    for late in (
        mine.resend("k"),
        mine.doubt("k", "late"),
        mine.reject("k", "late"),
        mine.take("k", ["c1"], [], asked=asyncio.get_running_loop().time()),
    ):
        with pytest.raises(JournalError, match="the lease on the key 'k' is lost"):
            await late
    assert await other.entry("k") == before


async def test_a_late_answer_is_noted(leased: Leased) -> None:
    """A case that was made is noted though the lease was lost: the next holder doesn't send."""
    opened, expire = leased
    mine, other = opened(), opened()
    await mine.claim("k", **DIGESTS)
    expire()
    await other.claim("k", **DIGESTS)
    await mine.confirm("k", "c1")

    with pytest.raises(JournalError, match="lost"):
        await other.resend("k")
    with pytest.raises(JournalError, match="c2 was made, but the key 'k' has the case c1 already"):
        await other.confirm("k", "c2")
    assert (await opened().claim("k", **DIGESTS)).case_id == "c1"
