"""Many creates by their keys: outcomes in order, what ends them, and what stays behind."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, closing
from pathlib import Path
from typing import Any

import pytest

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

Open = Callable[..., AICCClient]


@pytest.fixture
async def opened(tenant: Emulator, tmp_path: Path) -> AsyncIterator[Open]:
    """Make clients of the tenant that share a journal; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def open_it(**options: Any) -> AICCClient:
            settings: dict[str, Any] = {
                "auth": StaticToken(tenant.token()),
                "retry": RetryPolicy(base=0.001, attempts=3),
                "journal": SQLiteJournal(tmp_path / "j"),
                "list_lag": 0,
            }
            client = AICCClient(tenant.url, **settings | options)
            stack.push_async_callback(client.close)
            return client

        yield open_it


@pytest.fixture
def many(opened: Open) -> AICCClient:
    """Give a client that looks for what may have been made."""
    return opened(on_unknown="reconcile")


def new(number: int, **fields: Any) -> NewCase:
    """Make a case with a title and a contact of its own."""
    own = {"title": f"t {number}", "contact_id": f"o{number}"}
    return NewCase(**{"description": "d", "type": "y", "creator_id": "r"} | own | fields)


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
    async with asyncio.timeout(10):
        while len(sent(tenant)) < count:  # noqa: ASYNC110  (the tenant tells nobody)
            await asyncio.sleep(0.001)


def at_work() -> list[asyncio.Task[Any]]:
    """List the tasks that creates were started in."""
    return [task for task in asyncio.all_tasks() if "ordered_map" in repr(task)]


# ---- outcomes ------------------------------------------------------------------------------


async def test_outcomes_come_in_the_order_of_the_items(tenant: Emulator, many: AICCClient) -> None:
    """However unequal the times that answers take; each with its key and case."""
    tenant.latency = Latency(0.004, sigma=1.5)
    found = await outcomes(many, items(100))
    assert [each.key for each in found] == [f"k{n}" for n in range(100)]
    assert {each.status for each in found} == {"created"}
    titles = {row["id"]: row["title"] for row in tenant.rows()}
    assert [titles[each.case_id or ""] for each in found] == [f"t {n}" for n in range(100)]


async def test_a_second_run_makes_none(tenant: Emulator, opened: Open) -> None:
    """Another client with the same journal knows all of them, without a request."""
    first = await outcomes(opened(), items(20))
    tenant.requests.clear()
    second = await outcomes(opened(), items(20))
    assert [(each.status, each.case_id) for each in second] == [
        ("already", each.case_id) for each in first
    ]
    assert tenant.requests == []


async def test_one_that_is_refused_does_not_end_it(tenant: Emulator, many: AICCClient) -> None:
    """The service's no is its outcome; sent again with the same key, it is made."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    refused, *others = await outcomes(many, items(10))
    assert (refused.status, refused.case_id) == ("rejected", None)
    assert isinstance(refused.error, ApiError)
    assert {each.status for each in others} == {"created"}
    again = await outcomes(many, items(1))
    assert [each.status for each in again] == ["created"]


@pytest.mark.parametrize("key", ["", "x" * 501, "a\nb", 5, None])
async def test_a_key_that_is_none_is_refused_alone(
    tenant: Emulator, many: AICCClient, key: Any
) -> None:
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


async def test_a_lost_answer_is_unknown_or_looked_for(tenant: Emulator, opened: Open) -> None:
    """As ``on_unknown`` says, of the client or of the call, and the next one is made."""
    tenant.fail("create", Fault.DROP_AFTER)
    first, second = await outcomes(opened(), items(2))
    assert (first.status, second.status) == ("unknown", "created")
    assert isinstance(first.error, UnknownOutcome)
    found = await outcomes(opened(), items(2), on_unknown="reconcile")
    assert found[0].case_id in tenant.ids()
    assert {"t 0", "t 1"} == set(sent(tenant))
    assert len(sent(tenant)) == 2


async def test_an_unsure_one_tells_its_candidates(tenant: Emulator, many: AICCClient) -> None:
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
    """A repr goes to logs: the key, the word and the id do, no more."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    [refused] = await outcomes(many, items(1))
    assert "error" not in repr(refused)
    assert str(refused.error) not in repr(refused)


# ---- sources -------------------------------------------------------------------------------


async def test_an_async_source_is_taken_and_closed(tenant: Emulator, many: AICCClient) -> None:
    """A queue's messages, for instance; broken out of, it is closed."""
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


async def test_look_ahead_is_bounded(tenant: Emulator, opened: Open) -> None:
    """Who doesn't fetch the outcomes doesn't fill the memory: eight times what is under way."""
    client = opened(max_concurrency=1)
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
    """Those before it are told first."""

    def source() -> Iterator[tuple[str, NewCase]]:
        yield from items(3)
        raise LookupError("the source broke")

    found = many.create_cases(source())
    assert [(await anext(found)).status for _ in range(3)] == ["created"] * 3
    with pytest.raises(LookupError, match="the source broke"):
        await anext(found)
    assert len(sent(tenant)) == 3


# ---- what is refused, and what ends it -----------------------------------------------------


async def test_without_a_journal_nothing_is_taken(tenant: Emulator, opened: Open) -> None:
    """The call itself raises, before an item is looked at."""
    taken: list[int] = []
    source = (taken.append(number) or (f"k{number}", new(number)) for number in range(3))  # type: ignore[func-returns-value]
    with pytest.raises(ConfigError, match="key must come with a journal"):
        opened(journal=None).create_cases(source)
    assert (taken, tenant.requests) == ([], [])


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        (5, {}, "items must be pairs of key and NewCase, got int"),
        ([], {"on_unknown": "guess"}, "on_unknown must be one of raise, reconcile, got 'guess'"),
    ],
)
async def test_what_is_no_source_is_refused_by_the_call(
    many: AICCClient, source: Any, options: dict[str, Any], text: str
) -> None:
    """Before it is iterated over."""
    with pytest.raises(ConfigError, match=text):
        many.create_cases(source, **options)


@pytest.mark.parametrize("item", ["kn", ("k",), ("k", {"title": "t"}), new(1), None])
async def test_an_item_that_is_no_pair_ends_it(
    tenant: Emulator, many: AICCClient, item: Any
) -> None:
    """That is a mistake of the program's, and no outcome of a case."""
    with pytest.raises(
        ConfigError, match=r"^(items must be pairs of key and NewCase|new must be a NewCase), got "
    ):
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
async def test_what_would_meet_the_next_one_too_ends_it(
    tenant: Emulator, many: AICCClient, fault: Fault, expected: type[AICCError]
) -> None:
    """Credentials, limits, a service that is down; when it is mended, each is made once."""
    tenant.retry_after = None
    tenant.fail("*", fault, times=None)
    with pytest.raises(expected):
        await outcomes(many, items(200))
    assert len(set(sent(tenant))) < 100
    tenant.clear_faults()
    found = await outcomes(many, items(200))
    assert {each.status for each in found} <= {"created", "already"}
    titles = [row["title"] for row in tenant.rows()]
    assert all(titles.count(f"t {number}") == 1 for number in range(200))


async def test_a_service_that_isn_t_there_ends_it(opened: Open) -> None:
    """Nothing was sent, and nothing is in doubt."""
    client = opened()
    away = AICCClient(
        "http://127.0.0.1:1",
        auth=StaticToken("x"),
        retry=RetryPolicy(attempts=1),
        journal=SQLiteJournal(":memory:"),
    )
    async with away:
        with pytest.raises(TransportError) as raised:
            await outcomes(away, items(5))
    assert raised.value.sent is False
    assert {each.status for each in await outcomes(client, items(5))} == {"created"}


async def test_a_list_that_refuses_one_makes_that_one_unknown(
    tenant: Emulator, many: AICCClient
) -> None:
    """It is the service's no to that query: the next one is made."""
    tenant.fail("create", Fault.HTTP_500_AFTER)
    tenant.fail("list", Fault.BUSINESS_ERROR, times=None)
    first, second = await outcomes(many, items(2))
    assert (first.status, second.status) == ("unknown", "created")
    assert "could not be looked for" in str(first.error)


async def test_a_journal_that_can_t_be_written_ends_it(
    tenant: Emulator, opened: Open, tmp_path: Path
) -> None:
    """Before anything is sent."""
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        db.execute("CREATE TABLE t (x)")
    client = opened(journal=SQLiteJournal(tmp_path / "other"))
    with pytest.raises(JournalError):
        await outcomes(client, items(5))
    assert sent(tenant) == []


async def test_breaking_out_leaves_nothing_at_work(tenant: Emulator, opened: Open) -> None:
    """No task runs on, and no key is held: another client may go on at once."""
    first, second = opened(on_unknown="reconcile"), opened(on_unknown="reconcile")
    tenant.fail("create", Fault.BUSINESS_ERROR)
    tenant.fail("create", Fault.HANG, times=None)
    async with aclosing(first.create_cases(items(100))) as found:
        assert (await anext(found)).status == "rejected"
        await arrived(tenant, 5)
        assert at_work()
    assert not at_work()
    tenant.clear_faults()
    for key, case in items(5):
        assert await second.create_case(case, key=key, wait=False)
    assert tenant.count() == 305
