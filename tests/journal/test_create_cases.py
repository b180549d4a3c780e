"""Many creates by their keys: outcomes in order, what ends them, and what stays behind."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from helpers.new_cases import new_case

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    AuthError,
    ConfigError,
    NewCase,
    RateLimitError,
    RetryPolicy,
    StaticToken,
    TransportError,
    UnknownOutcome,
)
from aicc_async._create.creator import CreateOutcome
from aicc_async.emulator import Emulator, Fault, Latency
from aicc_async.emulator.data.seed import wall_clock
from aicc_async.errors import JournalError, ServerError
from aicc_async.journal import SQLiteJournal

Connect = Callable[..., AICCClient]


@pytest.fixture
def client_options() -> dict[str, Any]:
    """Make few attempts, and wait for no quota."""
    return {"retry": RetryPolicy(base=0.001, attempts=3, patience=0.0)}


@pytest.fixture
def many(connect: Connect) -> AICCClient:
    """Return a client that looks for what may have been made."""
    return connect(on_unknown="reconcile")


def new(number: int, **fields: Any) -> NewCase:
    """Make a case with a title and a contact of its own."""
    own = {"title": f"t {number}", "contact_id": f"o{number}"}
    return new_case(**{"description": "d", "type": "y", "creator_id": "r"} | own | fields)


def items(count: int) -> Iterator[tuple[str, NewCase]]:
    """Make so many items."""
    return ((f"k{number}", new(number)) for number in range(count))


async def outcomes(client: AICCClient, source: Any, **options: Any) -> list[CreateOutcome]:
    """Create them all."""
    return [each async for each in client.create_cases(source, **options)]


def sent(tenant: Emulator) -> list[str]:
    """Read the titles of the creates that arrived."""
    bodies = [request.body for request in tenant.requests if request.operation == "create"]
    return [json.loads(body)["caseInfo"]["title"] for body in bodies]


async def arrived(tenant: Emulator, count: int) -> None:
    """Wait until so many creates have arrived."""
    async with asyncio.timeout(60):
        while len(sent(tenant)) < count:  # noqa: ASYNC110  (the tenant tells nobody)
            await asyncio.sleep(0.001)


def at_work() -> list[asyncio.Task[Any]]:
    """List the tasks that creates were started in."""
    return [task for task in asyncio.all_tasks() if "ordered_map" in repr(task)]


# ---- outcomes ------------------------------------------------------------------------------


async def test_outcomes_come_in_the_order_of_the_items(tenant: Emulator, many: AICCClient) -> None:
    """However long each answer takes, an outcome has its own key and case."""
    tenant.latency = Latency(0.004, sigma=1.5)
    found = await outcomes(many, items(100))
    assert [each.key for each in found] == [f"k{n}" for n in range(100)]
    assert {each.status for each in found} == {"created"}
    titles = {row["id"]: row["title"] for row in tenant.rows()}
    assert [titles[each.case_id or ""] for each in found] == [f"t {n}" for n in range(100)]


async def test_a_second_run_makes_none(tenant: Emulator, connect: Connect) -> None:
    """Another client with the same journal knows all of them, without a request."""
    first = await outcomes(connect(), items(20))
    tenant.requests.clear()
    second = await outcomes(connect(), items(20))
    assert [(each.status, each.case_id) for each in second] == [
        ("already", each.case_id) for each in first
    ]
    assert tenant.requests == []


async def test_one_that_is_refused_does_not_end_it(tenant: Emulator, many: AICCClient) -> None:
    """A refusal is the outcome of that item; sent again with the same key, it is made."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    refused, *others = await outcomes(many, items(10))
    assert (refused.status, refused.case_id) == ("rejected", None)
    assert isinstance(refused.error, ApiError)
    assert {each.status for each in others} == {"created"}
    again = await outcomes(many, items(1))
    assert [each.status for each in again] == ["created"]


@pytest.mark.parametrize("key", ["", "x" * 501, "a\nb", 5, None])
async def test_a_bad_key_is_refused_alone(tenant: Emulator, many: AICCClient, key: Any) -> None:
    """It concerns that item only, and nothing is sent for it."""
    found = await outcomes(many, [(key, new(1)), ("k2", new(2))])
    assert [each.status for each in found] == ["rejected", "created"]
    assert isinstance(found[0].error, ConfigError)
    assert sent(tenant) == ["t 2"]


async def test_the_same_key_twice_is_one_case(tenant: Emulator, many: AICCClient) -> None:
    """Side by side in flight: the second waits for the first; another record is refused."""
    tenant.latency = Latency(0.01)
    twice = [("k", new(1)), ("k", new(1)), ("k", new(2)), ("other", new(3))]
    found = await outcomes(many, twice)
    assert [each.status for each in found] == ["created", "already", "rejected", "created"]
    assert found[0].case_id == found[1].case_id
    assert str(found[2].error) == "key must be new or of the same record, got 'k'"
    assert sorted(sent(tenant)) == ["t 1", "t 3"]


async def test_a_lost_answer_is_unknown_or_looked_for(tenant: Emulator, connect: Connect) -> None:
    """It follows ``on_unknown`` of the client or of the call, and the next one is made."""
    tenant.fail("create", Fault.DROP_AFTER)
    first, second = await outcomes(connect(), items(2))
    assert (first.status, second.status) == ("unknown", "created")
    assert isinstance(first.error, UnknownOutcome)
    found = await outcomes(connect(), items(2), on_unknown="reconcile")
    assert found[0].case_id in tenant.ids()
    assert {"t 0", "t 1"} == set(sent(tenant))
    assert len(sent(tenant)) == 2


async def test_an_unsure_one_has_its_candidates(tenant: Emulator, many: AICCClient) -> None:
    """Somebody else made an equal case: which is whose is not guessed."""
    stranger = tenant.insert(
        title="t 0", description="d", type="y", creatorId="r", contactId="o0",
        createdDate=wall_clock(),
    )  # fmt: skip
    tenant.fail("create", Fault.HTTP_500_AFTER)
    first, second = await outcomes(many, items(2))
    assert (first.status, second.status) == ("unknown", "created")
    assert isinstance(first.error, UnknownOutcome)
    assert stranger in first.error.candidates
    assert len(first.error.candidates) == 2


async def test_no_outcome_shows_the_service_s_words(tenant: Emulator, many: AICCClient) -> None:
    """A repr goes to logs: only the key, the status and the id are in it."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    [refused] = await outcomes(many, items(1))
    assert "error" not in repr(refused)
    assert str(refused.error) not in repr(refused)


# ---- sources -------------------------------------------------------------------------------


async def test_an_async_source_is_taken_and_closed(tenant: Emulator, many: AICCClient) -> None:
    """A loop that breaks out closes the source as well."""
    ended: list[str] = []

    async def source() -> AsyncIterator[tuple[str, NewCase]]:
        try:
            for item in items(1000):
                await asyncio.sleep(0)
                yield item
        finally:
            ended.append("closed")

    async with aclosing(many.create_cases(source())) as found:
        async for each in found:
            assert each.status == "created"
            break
    assert ended == ["closed"]
    assert tenant.count() < 1300


async def test_look_ahead_is_bounded(tenant: Emulator, connect: Connect) -> None:
    """Who doesn't fetch the outcomes doesn't fill the memory: eight times what is under way."""
    client = connect(max_concurrency=1)
    taken: list[str] = []

    def source() -> Iterator[tuple[str, NewCase]]:
        for number in range(1_000_000):
            taken.append(f"k{number}")
            yield f"k{number}", new(number)

    async with aclosing(client.create_cases(source())) as found:
        await anext(found)
        await arrived(tenant, 32)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(taken) == 32


async def test_what_a_source_raises_comes_after_its_items(
    tenant: Emulator, many: AICCClient
) -> None:
    """The outcomes of the items before it come first."""

    def source() -> Iterator[tuple[str, NewCase]]:
        yield from items(3)
        raise LookupError("the source broke")

    found = many.create_cases(source())
    assert [(await anext(found)).status for _ in range(3)] == ["created"] * 3
    with pytest.raises(LookupError, match="the source broke"):
        await anext(found)
    assert len(sent(tenant)) == 3


# ---- what is refused, and what ends it -----------------------------------------------------


async def test_without_a_journal_nothing_is_taken(tenant: Emulator, connect: Connect) -> None:
    """The call itself raises, before an item is looked at."""
    taken: list[int] = []
    source = (taken.append(number) or (f"k{number}", new(number)) for number in range(3))  # type: ignore[func-returns-value]
    with pytest.raises(ConfigError, match="key must come with a journal"):
        connect(journal=None).create_cases(source)
    assert (taken, tenant.requests) == ([], [])


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        (5, {}, "items must be pairs of key and NewCase, got int"),
        ([], {"on_unknown": "guess"}, "on_unknown must be one of raise, reconcile, got 'guess'"),
    ],
)
async def test_a_bad_source_is_refused_by_the_call(
    many: AICCClient, source: Any, options: dict[str, Any], text: str
) -> None:
    """The source is refused before it is iterated over."""
    with pytest.raises(ConfigError, match=text):
        many.create_cases(source, **options)


@pytest.mark.parametrize("item", ["kn", ("k",), ("k", {"title": "t"}), new(1), None])
async def test_an_item_that_is_not_a_pair_ends_it(
    tenant: Emulator, many: AICCClient, item: Any
) -> None:
    """That is a mistake of the program's, and no outcome of a case."""
    with pytest.raises(ConfigError, match=r"^(items must be pairs|new must be a NewCase)"):
        await outcomes(many, [item])
    assert sent(tenant) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.TOKEN_EXPIRED_401, AuthError),
        (Fault.THROTTLED, RateLimitError),
        (Fault.HTTP_503, ServerError),
        (Fault.DROP_AFTER, TransportError),
    ],
)
async def test_a_failure_that_concerns_all_ends_it(
    tenant: Emulator, many: AICCClient, connect: Connect, fault: Fault, expected: type[AICCError]
) -> None:
    """Credentials, limits, a service that is down; when that is over, each is made once."""
    tenant.retry_after = "86400"  # too long to be waited for
    tenant.fail("*", fault, times=None)
    with pytest.raises(expected):
        await outcomes(many, items(200))
    assert len(set(sent(tenant))) < 100
    tenant.clear_faults()
    # The first one would begin slowly behind a quota.
    found = await outcomes(connect(on_unknown="reconcile"), items(200))
    assert {each.status for each in found} <= {"created", "already"}
    titles = [row["title"] for row in tenant.rows()]
    assert all(titles.count(f"t {number}") == 1 for number in range(200))


async def test_an_unreachable_service_ends_it(connect: Connect) -> None:
    """Nothing was sent, and nothing is in doubt."""
    client = connect()
    away = AICCClient(
        "http://127.0.0.1:1",
        auth=StaticToken("x"),
        retry=RetryPolicy(attempts=1),
        journal=SQLiteJournal(":memory:"),
        timezone="Asia/Shanghai",
    )
    async with away:
        with pytest.raises(TransportError) as raised:
            await outcomes(away, items(5))
    assert raised.value.sent is False
    assert {each.status for each in await outcomes(client, items(5))} == {"created"}


async def test_a_refused_lookup_leaves_that_one_unknown(tenant: Emulator, many: AICCClient) -> None:
    """The service refuses that query only: the next one is made."""
    tenant.fail("create", Fault.HTTP_500_AFTER)
    tenant.fail("list", Fault.BUSINESS_ERROR, times=None)
    first, second = await outcomes(many, items(2))
    assert (first.status, second.status) == ("unknown", "created")
    assert "could not be looked for" in str(first.error)


async def test_a_journal_that_cannot_be_used_ends_it(
    tenant: Emulator, connect: Connect, tmp_path: Path
) -> None:
    """It ends before anything is sent."""
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        db.execute("CREATE TABLE t (x)")
    client = connect(journal=SQLiteJournal(tmp_path / "other"))
    with pytest.raises(JournalError):
        await outcomes(client, items(5))
    assert sent(tenant) == []


async def test_breaking_out_leaves_nothing_at_work(tenant: Emulator, connect: Connect) -> None:
    """No task runs on, and no key is held: another client may go on at once."""
    first = connect(on_unknown="reconcile", max_concurrency=4)
    second = connect(on_unknown="reconcile")
    tenant.fail("create", Fault.BUSINESS_ERROR)
    tenant.fail("create", Fault.HANG, times=None)
    async with aclosing(first.create_cases(items(100))) as found:
        assert (await anext(found)).status == "rejected"
        # All that can be on their way: none arrives when faults are over.
        await arrived(tenant, 1 + 4)
        assert at_work()
    assert not at_work()
    tenant.clear_faults()
    for key, case in items(5):
        assert await second.create_case(case, key=key, wait=False)
    assert tenant.count() == 305
