"""What ``on_event`` is told, against a tenant on a socket."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from helpers.clock import SOON, Jump, time_out_when, until
from helpers.new_cases import new_case
from msgspec import Struct

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    AuthError,
    CaseEnqueue,
    CaseQuery,
    ClientCredentials,
    ConfigError,
    ExportError,
    NewCase,
    QFlowClient,
    RateLimit,
    RateLimitError,
    RetryPolicy,
    SQLiteJournal,
    StaticToken,
    UnknownOutcome,
    events,
    export_cases,
)
from aicc_async.emulator import Emulator, Fault, PageFault
from aicc_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    JournalOutcome,
    LimiterWaited,
    RetryScheduled,
    Throttled,
    TokenRenewed,
    WindowJudged,
)
from aicc_async.events.observer import CallObserver

E = TypeVar("E")
QUICK = RetryPolicy(base=0.001, patience=0)
JANUARY = CaseQuery(
    start_time=datetime(2025, 1, 1),  # noqa: DTZ001  (a wall-clock time)
    end_time=datetime(2025, 1, 31, 23, 59, 59),  # noqa: DTZ001
)
# Texts that no event may hold.
CANARY = NewCase(
    title="canary-title",
    description="canary-description",
    type="cvmC0000014Oc9jgT7ZI",
    contact_id="canary-contact",
    creator_id="canary-creator",
    contact_phone="canary-phone",
)


@pytest.fixture
def seen() -> list[Event]:
    """Return the list that the client's events go to."""
    return []


@pytest.fixture
async def aicc(tenant: Emulator, seen: list[Event]) -> AsyncIterator[AICCClient]:
    """Run a client that signs in and tells the list what happens."""
    async with client_of(tenant, on_event=seen.append) as client:
        yield client


def client_of(tenant: Emulator, **options: Any) -> AICCClient:
    """Return a client of a tenant that hardly waits between attempts."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    return AICCClient(tenant.url, **{"auth": auth, "retry": QUICK, **options})


def of_kind(seen: list[Event], kind: type[E]) -> list[E]:
    """Return the events of a kind."""
    return [event for event in seen if isinstance(event, kind)]


def verdicts(seen: list[Event]) -> list[tuple[str, int]]:
    """Return the verdicts on windows, each with its rows."""
    return [(event.verdict, event.rows) for event in of_kind(seen, WindowJudged)]


# ---- calls and attempts ----------------------------------------------------------------------


async def test_a_retry_is_told_with_its_attempts(
    tenant: Emulator, aicc: AICCClient, seen: list[Event]
) -> None:
    """A call is from its start to its end, with each attempt and the wait between them."""
    await aicc.get_case(tenant.ids()[0])
    seen.clear()
    tenant.fail("list", Fault.HTTP_503)
    await aicc.list_cases()

    started, first, failed, retry, second, answered, ended = seen
    assert isinstance(started, CallStarted)
    assert tenant.url == f"http://{started.server_address}:{started.server_port}"
    assert (started.operation, started.method) == ("list", "POST")
    number = started.call
    assert first == AttemptStarted(call=number, operation="list", number=1)
    assert second == AttemptStarted(call=number, operation="list", number=2)
    assert isinstance(failed, AttemptEnded)
    assert (failed.status, failed.error, failed.number) == (503, "ServerError", 1)
    assert isinstance(answered, AttemptEnded)
    assert (answered.status, answered.code, answered.error) == (200, None, None)
    assert isinstance(retry, RetryScheduled)
    assert (retry.call, retry.reason) == (number, "ServerError")
    assert isinstance(ended, CallEnded)
    assert (ended.call, ended.attempts, ended.error) == (number, 2, None)
    assert ended.seconds >= failed.seconds + answered.seconds > 0


async def test_a_refusal_for_haste_is_told(tenant: Emulator, seen: list[Event]) -> None:
    """It comes with what the service asks for; the error is that of call and attempt."""
    tenant.fail("list", Fault.THROTTLED)
    async with client_of(tenant, on_event=seen.append, retry=RetryPolicy(attempts=1)) as aicc:
        with pytest.raises(RateLimitError) as caught:
            await aicc.list_cases()

    [throttled] = of_kind(seen, Throttled)
    assert throttled.operation == "list"
    assert throttled.retry_after == caught.value.retry_after is not None
    assert of_kind(seen, AttemptEnded)[-1].status == 429
    assert of_kind(seen, CallEnded)[-1].error == "RateLimitError"


async def test_a_token_is_told_when_it_is_renewed(
    tenant: Emulator, aicc: AICCClient, seen: list[Event]
) -> None:
    """A refused token costs an attempt of the call and a sign-in, which is a call of its own."""
    await aicc.list_cases()
    tenant.expire_tokens()
    seen.clear()
    await aicc.list_cases()

    [renewed] = of_kind(seen, TokenRenewed)
    assert renewed.lifetime > 0
    assert {event.operation: event.attempts for event in of_kind(seen, CallEnded)} == {
        "list": 2,
        "token": 1,
    }
    assert len({event.call for event in of_kind(seen, CallStarted)}) == 2


async def test_a_wait_for_the_limiter_is_told(
    tenant: Emulator, seen: list[Event], jump: Jump
) -> None:
    """What had to wait says for how long; what had not says nothing."""
    options: dict[str, Any] = {"auth": StaticToken(tenant.token()), "on_event": seen.append}
    async with client_of(tenant, rate_limit=RateLimit(1, per=0.9 * SOON), **options) as aicc:
        await aicc.list_cases()
        getting = asyncio.create_task(aicc.get_case(tenant.ids()[0]))
        await until(lambda: True)
        jump()
        await getting

    # On a slow machine even a free slot takes a millisecond.
    [waited] = [each for each in of_kind(seen, LimiterWaited) if each.operation == "get"]
    assert SOON <= waited.seconds < of_kind(seen, CallEnded)[-1].seconds


async def test_a_wait_for_the_limiter_that_is_cut_is_told(
    tenant: Emulator, seen: list[Event]
) -> None:
    """A call that is cancelled in it has waited, and made no attempt."""
    options: dict[str, Any] = {"auth": StaticToken(tenant.token()), "on_event": seen.append}
    async with client_of(tenant, rate_limit=RateLimit(1, per=60), **options) as aicc:
        await aicc.list_cases()
        began = asyncio.get_running_loop().time()
        await time_out_when(
            lambda: asyncio.get_running_loop().time() > began + 0.01,
            lambda: aicc.get_case(tenant.ids()[0]),
        )

    [waited] = [each for each in of_kind(seen, LimiterWaited) if each.operation == "get"]
    ended = of_kind(seen, CallEnded)[-1]
    assert 0.001 <= waited.seconds <= ended.seconds
    assert (ended.call, ended.attempts, ended.error) == (waited.call, 0, "CancelledError")


async def test_a_cancelled_call_ends(tenant: Emulator, seen: list[Event]) -> None:
    """Whoever counts starts and ends comes out even."""
    is_under_way = asyncio.Event()

    def note(event: Event) -> None:
        seen.append(event)
        if isinstance(event, AttemptStarted):
            is_under_way.set()

    tenant.fail("list", Fault.HANG)
    async with client_of(tenant, on_event=note, auth=StaticToken(tenant.token())) as aicc:
        task = asyncio.create_task(aicc.list_cases())
        await is_under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    attempt, call = seen[-2:]
    assert isinstance(attempt, AttemptEnded)
    assert isinstance(call, CallEnded)
    assert (attempt.status, attempt.error, call.error) == (None, "CancelledError", "CancelledError")


async def test_calls_at_once_are_told_apart(aicc: AICCClient, seen: list[Event]) -> None:
    """Each call has a number, which all its events have."""
    await asyncio.gather(*(aicc.list_cases(start=start) for start in (0, 100, 200)))

    numbers = Counter(getattr(event, "call", 0) for event in seen)
    del numbers[0]
    # Three lists and a sign-in.
    assert list(numbers.values()) == [4, 4, 4, 4]


async def test_calls_leave_nothing_for_the_garbage_collection(
    aicc: AICCClient, seen: list[Event]
) -> None:
    """What passes events on is freed with its call."""
    gc.collect()
    others = [each for each in gc.get_objects() if isinstance(each, CallObserver)]
    gc.disable()
    try:
        for _ in range(5):
            await aicc.list_cases(limit=1)
        left = [each for each in gc.get_objects() if isinstance(each, CallObserver)]
    finally:
        gc.enable()
    assert len(of_kind(seen, CallEnded)) == 6
    assert left == others


async def test_q_flow_is_told_as_well(tenant: Emulator, seen: list[Event]) -> None:
    """The other client takes the same function."""
    async with QFlowClient(tenant.qflow_url, on_event=seen.append) as qflow:
        await qflow.enqueue_case(CaseEnqueue(service_id=2))

    assert [type(event) for event in seen] == [
        CallStarted,
        AttemptStarted,
        AttemptEnded,
        CallEnded,
    ]
    assert of_kind(seen, CallStarted)[0].operation == "enqueue"


# ---- windows and the journal -----------------------------------------------------------------


async def test_windows_are_told_with_their_verdicts(
    aicc: AICCClient, seen: list[Event], tmp_path: Path
) -> None:
    """An iterator and an export judge the same windows, and say so."""
    rows = [case async for case in aicc.iter_cases(JANUARY)]
    iterated = of_kind(seen, WindowJudged)
    seen.clear()
    report = await export_cases(aicc, JANUARY, tmp_path / "cases.jsonl")
    exported = of_kind(seen, WindowJudged)

    assert rows
    assert report.verified
    assert exported == iterated
    assert {event.verdict for event in iterated} == {"verified"}
    assert iterated[0].start is not None
    assert iterated[0].start.date() == datetime(2024, 12, 31).date()  # noqa: DTZ001


async def test_a_window_that_does_not_agree_is_told(
    tenant: Emulator, aicc: AICCClient, seen: list[Event]
) -> None:
    """One that was read twice is repaired, one that never agrees is unverified."""
    tenant.fail_page(PageFault.EMPTY)
    rows = [case async for case in aicc.iter_cases(JANUARY)]
    assert verdicts(seen)[0] == ("repaired", len(rows))

    seen.clear()
    tenant.fail_page(PageFault.EMPTY, times=1000)
    with pytest.raises(ExportError):
        [case async for case in aicc.iter_cases(JANUARY)]
    assert verdicts(seen) == [("unverified", 0)]


async def test_listings_without_times_are_judged_too(aicc: AICCClient, seen: list[Event]) -> None:
    """Their window has no bounds."""
    types = [each async for each in aicc.iter_case_types()]

    assert of_kind(seen, WindowJudged) == [
        WindowJudged(
            operation="type_list", start=None, end=None, verdict="verified", rows=len(types)
        )
    ]


async def test_what_the_journal_keeps_is_told(
    tenant: Emulator, seen: list[Event], tmp_path: Path
) -> None:
    """Each create with a key ends in one status, as in ``CreateOutcome``, or has failed."""
    journal = SQLiteJournal(tmp_path / "journal")
    options: dict[str, Any] = {"journal": journal, "timezone": "Asia/Shanghai"}
    async with client_of(tenant, on_event=seen.append, **options) as aicc:
        await aicc.create_case(new_case(), key="a")
        await aicc.create_case(new_case(), key="a")
        tenant.fail("create", Fault.BUSINESS_ERROR)
        with pytest.raises(ApiError):
            await aicc.create_case(new_case(), key="b")
        tenant.fail("create", Fault.TOKEN_EXPIRED_401, times=2)
        with pytest.raises(AuthError):
            await aicc.create_case(new_case(), key="c")
        tenant.fail("create", Fault.DROP_AFTER)
        with pytest.raises(UnknownOutcome):
            await aicc.create_case(new_case(), key="d")

    statuses = [event.status for event in of_kind(seen, JournalOutcome)]
    assert statuses == ["created", "already", "rejected", "failed", "unknown"]


# ---- the function itself ---------------------------------------------------------------------


async def test_an_error_of_the_listener_ends_no_call(
    tenant: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one is logged with its traceback, and the client goes on."""

    def fail(_: Event) -> None:
        raise LookupError("a bug of the listener's")

    async with client_of(tenant, on_event=fail) as aicc:
        page = await aicc.list_cases()

    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert page.count == 300
    assert [record.getMessage() for record in errors] == [
        "on_event raised an error; others are not logged"
    ]
    assert "a bug of the listener's" in caplog.text


async def test_an_interrupt_in_the_listener_passes(tenant: Emulator) -> None:
    """Only errors are kept from the caller."""

    class Interrupt(BaseException):
        pass

    def interrupt(_: Event) -> None:
        raise Interrupt

    async with client_of(tenant, on_event=interrupt) as aicc:
        with pytest.raises(Interrupt):
            await aicc.list_cases()


async def _wait(event: Event) -> None:
    pass


class _Waiting:
    async def __call__(self, event: Event) -> None:
        pass


@pytest.mark.parametrize("listener", [7, "print", _wait, _Waiting()])
def test_what_cannot_listen_is_refused(listener: Any) -> None:
    """It is a function that returns at once, or a ConfigError names it."""
    with pytest.raises(ConfigError, match=r"^on_event must be a "):
        AICCClient("https://host", auth=StaticToken("t"), on_event=listener)


# ---- what no event holds ---------------------------------------------------------------------


def test_events_are_frozen_values() -> None:
    """Each kind can be compared and kept, and its fields have the plain types of a log's line."""
    kinds = [getattr(events, name) for name in events.__all__]
    records = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)]

    assert len(records) == 10
    assert set(records) == set(events.Event.__args__)
    assert all(kind.__struct_config__.frozen for kind in records)
    types = {text for kind in records for text in kind.__annotations__.values()}
    plain = {"bool", "float", "int", "str", "datetime", "None", "JournalStatus"}
    assert {part for text in types for part in text.split(" | ")} <= plain


async def test_no_event_holds_contact_data_or_secrets(
    tenant: Emulator, seen: list[Event], tmp_path: Path
) -> None:
    """Whatever goes wrong with a case, its texts, its id, the token and the secret stay out."""
    options: dict[str, Any] = {
        "journal": SQLiteJournal(tmp_path / "journal"),
        "timezone": "Asia/Shanghai",
    }
    async with client_of(tenant, on_event=seen.append, **options) as aicc:
        case_id = await aicc.create_case(CANARY, key="canary-key")
        for fault in Fault:
            if fault in {Fault.HANG, Fault.HANG_AFTER, Fault.THROTTLED, Fault.GZIP_BOMB}:
                continue
            tenant.fail("create", fault)
            try:
                await aicc.create_case(CANARY)
            except AICCError:
                continue
        await aicc.get_case(case_id)
        await aicc.list_cases(CaseQuery(title=CANARY.title))
        assert aicc._session._tokens
        token = await aicc._session._tokens.token()

    text = "".join(map(repr, seen))
    assert len(of_kind(seen, CallStarted)) > 10
    assert "canary" not in text
    assert case_id not in text
    assert not any(secret in text for secret in (token, tenant.client_id, tenant.client_secret))
