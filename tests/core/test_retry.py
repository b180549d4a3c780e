"""May it be sent again? The design's table, against every misfortune that the tenant knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import attrs
import pytest
from helpers.clock import StoppedClock
from helpers.tenants import NEW, client_of, count
from hypothesis import given, settings
from hypothesis import strategies as st
from looptime import LoopTimeProxy

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    AuthError,
    CaseEnqueue,
    CaseProcess,
    CaseUpdate,
    ClientCredentials,
    NewTask,
    ProcessInfo,
    QFlowClient,
    RateLimitError,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    Timeouts,
    TransportError,
    UnknownOutcome,
)
from aicc_async._transport.retry import (
    RETRY_BUDGET,
    RETRY_COST,
    Call,
    RetryBudget,
    may_have_happened,
    may_resend,
    parse_http_date,
    retry_after,
)
from aicc_async.emulator import Emulator, Fault
from aicc_async.errors import DecodeError

ATTEMPTS = 3
POLICY = RetryPolicy(attempts=ATTEMPTS, base=0.001)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


# ---- the table -----------------------------------------------------------------------------


@pytest.fixture
async def tenant() -> AsyncIterator[Emulator]:
    """Run a tenant of three cases."""
    async with Emulator(cases=3, retry_after=None) as emulator:
        yield emulator


class Clients:
    """Both clients of a tenant, and each operation by its name."""

    def __init__(self, tenant: Emulator, aicc: AICCClient, qflow: QFlowClient) -> None:
        self.tenant = tenant
        self.case_id = tenant.ids()[0]
        self.at_first = tenant.count()
        self.aicc = aicc
        self.qflow = qflow

    def call(self, operation: str) -> Awaitable[object]:
        """Call an operation."""
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: self.aicc.create_case(NEW),
            "list": self.aicc.list_cases,
            "token": self.aicc.list_cases,
            "get": lambda: self.aicc.get_case(self.case_id),
            "modify": lambda: self.aicc.modify_case(
                CaseUpdate(id=self.case_id, title="t", description="d", creator_id="u")
            ),
            "enqueue": lambda: self.qflow.enqueue_case(CaseEnqueue(service_id=2)),
            "process": lambda: self.aicc.process_case(
                CaseProcess(case_id=self.case_id, process=ProcessInfo(type="Email"))
            ),
            "task_create": lambda: self.aicc.create_task(NewTask(title="t")),
        }
        return calls[operation]()

    async def impatient(self, operation: str, seconds: float) -> None:
        """Sign in, unless that is what is tried, and wait no longer than this from now on."""
        if operation != "token":
            await self.aicc.list_cases(limit=1)
        self.tenant.requests.clear()
        for session in (self.aicc._session, self.qflow._session):
            timeouts = Timeouts(read=seconds)
            session._endpoint = attrs.evolve(session._endpoint, timeouts=timeouts)

    async def hurry(self, operation: str, seconds: float) -> None:
        """Sign in, unless that is what is tried, and let calls take no longer than this."""
        if operation != "token":
            await self.aicc.list_cases(limit=1)
        self.tenant.requests.clear()
        for session in (self.aicc._session, self.qflow._session):
            policy = attrs.evolve(POLICY, deadline=seconds)
            session._endpoint = attrs.evolve(session._endpoint, retry=policy)

    def arrived(self, operation: str) -> int:
        """Count the requests of an operation that arrived."""
        return count(self.tenant, operation)

    def made(self) -> int:
        """Count the cases, tickets, notes and tasks that were made."""
        cases = self.tenant.count() - self.at_first
        notes = self.tenant.traces(self.case_id)
        return cases + len(self.tenant.enqueued) + len(notes) + len(self.tenant.tasks())


@pytest.fixture
async def clients(tenant: Emulator) -> AsyncIterator[Clients]:
    """Run both clients of the tenant, trying three times and waiting not for long."""
    aicc = client_of(tenant, retry=POLICY, max_body=2**20)
    async with aicc, QFlowClient(tenant.qflow_url, retry=POLICY) as qflow:
        yield Clients(tenant, aicc, qflow)


AGAIN = {
    Fault.DROP_BEFORE: TransportError,
    Fault.DROP_AFTER: TransportError,
    Fault.CUT_BODY: TransportError,
    Fault.HANG: RequestTimeout,
    Fault.HANG_AFTER: RequestTimeout,
    Fault.HTTP_500: ServerError,
    Fault.HTTP_502: ServerError,
    Fault.HTTP_503: ServerError,
    Fault.HTTP_504: ServerError,
    Fault.HTTP_500_AFTER: ServerError,
    Fault.HTML_200: DecodeError,
}
"""What a safe request outlives; and what it dies of when it never ends."""

NOT_READ = {
    Fault.NOT_JSON: DecodeError,
    Fault.GZIP_BOMB: DecodeError,
}
"""Answers that can't be read: nobody knows what happened, and a second one will be no better."""

REFUSED = {Fault.BUSINESS_ERROR: ApiError, Fault.REDIRECT: ApiError}
"""Definite answers: nothing happened, and nothing will."""

HANGS = (Fault.HANG, Fault.HANG_AFTER)
EXPIRED = (Fault.TOKEN_EXPIRED_401, Fault.TOKEN_EXPIRED_200, Fault.TOKEN_EXPIRED_500)
SAFE = ("list", "get", "modify", "token")
ONCE = ("create", "enqueue")

Row = tuple[Fault, str, int, type[AICCError] | None]  # arrived, and the error that comes out


def always() -> list[Row]:
    """Tell what each operation does when the fault never ends."""
    rows: list[Row] = []
    for fault, error in AGAIN.items():
        rows += [(fault, operation, ATTEMPTS, error) for operation in SAFE]
        rows += [(fault, operation, 1, UnknownOutcome) for operation in ONCE]
    for fault, error in NOT_READ.items():
        rows += [(fault, operation, 1, error) for operation in SAFE]
        rows += [(fault, operation, 1, UnknownOutcome) for operation in ONCE]
    for fault, error in REFUSED.items():
        rows += [(fault, operation, 1, error) for operation in ("create", "list", "get", "modify")]
    rows += [(Fault.REDIRECT, operation, 1, ApiError) for operation in ("token", "enqueue")]
    operations = SAFE + ONCE
    rows += [(Fault.THROTTLED, operation, ATTEMPTS, RateLimitError) for operation in operations]
    for fault in EXPIRED:
        rows += [(fault, operation, 2, AuthError) for operation in ("create", "list", "get")]
        rows += [(fault, "modify", 2, AuthError)]
    rows += [(Fault.BAD_TYPE, operation, 1, DecodeError) for operation in ("list", "get")]
    return rows


# Q-Flow and the sign-in have no resCode, so that its errors mean something else there
rows_of_others: list[Row] = [
    (Fault.TOKEN_EXPIRED_401, "token", 1, AuthError),
    (Fault.TOKEN_EXPIRED_401, "enqueue", 1, AuthError),
    (Fault.TOKEN_EXPIRED_500, "token", ATTEMPTS, ServerError),
    (Fault.TOKEN_EXPIRED_200, "token", 1, AuthError),
    (Fault.BUSINESS_ERROR, "token", 1, AuthError),
    (Fault.TOKEN_EXPIRED_200, "enqueue", 1, UnknownOutcome),
    (Fault.BUSINESS_ERROR, "enqueue", 1, UnknownOutcome),
    (Fault.BAD_TYPE, "create", 1, None),
    (Fault.BAD_TYPE, "modify", 1, None),
    (Fault.BAD_TYPE, "token", 1, None),
    (Fault.BAD_TYPE, "enqueue", 1, None),
    (Fault.TOKEN_EXPIRED_500, "enqueue", 1, AuthError),
]
ROWS = always() + rows_of_others


def test_the_table_is_whole() -> None:
    """Every fault of the tenant stands in the table beside every operation, once."""
    pairs = [(fault, operation) for fault, operation, _, _ in ROWS]
    assert len(pairs) == len(set(pairs)) == len(Fault) * len(SAFE + ONCE)


@pytest.mark.parametrize(("fault", "operation", "arrived", "error"), ROWS)
async def test_a_fault_that_never_ends(
    clients: Clients,
    fault: Fault,
    operation: str,
    arrived: int,
    error: type[AICCError] | None,
    *,
    clock: StoppedClock,
) -> None:
    """Each operation is sent as often as the table says, and ends in the error that it names.

    A refusal counts as no attempt: it is sent again until the deadline.
    """
    if fault in HANGS:
        await clients.impatient(operation, 1.0)
    if fault is Fault.THROTTLED:
        await clients.hurry(operation, 2.0)
    clients.tenant.fail(operation, fault, times=None)
    ends = await clock.run(asyncio.gather(clients.call(operation), return_exceptions=True))
    assert [type(end) for end in ends if isinstance(end, BaseException)] == [error] * bool(error)
    if fault is Fault.THROTTLED:
        assert clients.arrived(operation) > arrived
    else:
        assert clients.arrived(operation) == arrived
    assert clients.made() <= 1


@pytest.mark.parametrize("fault", [*AGAIN, Fault.THROTTLED])
@pytest.mark.parametrize("operation", SAFE)
async def test_a_safe_request_outlives_a_fault(
    clients: Clients, fault: Fault, operation: str, clock: StoppedClock
) -> None:
    """A list, get, modify or sign-in goes again after each fault that may pass."""
    if fault in HANGS:
        await clients.impatient(operation, 1.0)
    clients.tenant.fail(operation, fault)
    await clock.run(clients.call(operation))
    assert clients.arrived(operation) == 2


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("operation", [*ONCE, "process", "task_create"])
async def test_never_two_for_one(
    clients: Clients, fault: Fault, operation: str, clock: StoppedClock
) -> None:
    """Whatever happens to what makes something, it makes one at most, and errors don't lie."""
    if fault in HANGS:
        await clients.impatient(operation, 1.0)
    clients.tenant.fail(operation, fault)
    [end] = await clock.run(asyncio.gather(clients.call(operation), return_exceptions=True))
    assert clients.made() <= 1
    if not isinstance(end, UnknownOutcome):
        assert clients.made() == (not isinstance(end, BaseException))


async def test_what_is_in_doubt_is_named(clients: Clients) -> None:
    """An UnknownOutcome names the operation and chains what went wrong."""
    clients.tenant.fail("create", Fault.DROP_AFTER)
    with pytest.raises(UnknownOutcome, match="create: it may or may not have happened") as caught:
        await clients.call("create")
    assert (caught.value.operation, caught.value.candidates) == ("create", ())
    assert isinstance(caught.value.__cause__, TransportError)
    assert clients.made() == 1


@pytest.mark.parametrize("operation", SAFE + ONCE)
async def test_nobody_there(operation: str, tenant: Emulator) -> None:
    """A request that never left is tried again whatever it is, and is never in doubt."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    connector = aiohttp.TCPConnector(force_close=True)  # each request connects anew
    async with aiohttp.ClientSession(connector=connector) as http:
        aicc = AICCClient(tenant.url, auth=auth, retry=POLICY, session=http)
        qflow = QFlowClient(tenant.qflow_url, retry=POLICY, session=http)
        clients = Clients(tenant, aicc, qflow)
        if operation != "token":
            await clients.call("list")
        await tenant._runner.cleanup()
        with pytest.raises(TransportError) as caught:
            await clients.call(operation)
    assert not caught.value.sent
    assert (aicc.stats.retries, qflow.stats.retries) in {(2, 0), (0, 2)}
    assert not isinstance(caught.value, UnknownOutcome)


async def test_fifty_calls_that_fail_twice(clients: Clients) -> None:
    """Thirty failures among fifty concurrent calls cost thirty retries, and no call dies."""
    await clients.call("list")
    patient = RetryPolicy(attempts=30, base=0.001)
    clients.aicc._session._endpoint = attrs.evolve(clients.aicc._session._endpoint, retry=patient)
    clients.tenant.fail("list", Fault.HTTP_503, times=30)
    await asyncio.gather(*(clients.call("list") for _ in range(50)))
    assert clients.arrived("list") == 1 + 50 + 30
    assert clients.aicc.stats.retries == 30


async def test_retries_that_succeed_cost_nothing(clients: Clients) -> None:
    """A hundred calls and more that each succeed at the second attempt use no budget up."""
    for _ in range(RETRY_BUDGET // RETRY_COST + 5):
        clients.tenant.fail("modify", Fault.HTTP_503)
        await clients.call("modify")
    assert clients.aicc.stats.retries == RETRY_BUDGET // RETRY_COST + 5


# ---- pure rules ----------------------------------------------------------------------------


def test_what_may_be_sent_again() -> None:
    """Not sent and throttled always, sent and failed only when it is safe, the rest never."""
    for repeatable in (True, False):
        assert may_resend(RateLimitError("e"), repeatable=repeatable)
        for status in (408, 425):
            assert may_resend(ApiError("e", status=status), repeatable=repeatable) is repeatable
        assert may_resend(TransportError("e", sent=False), repeatable=repeatable)
        assert may_resend(TransportError("e"), repeatable=repeatable) is repeatable
        assert may_resend(RequestTimeout("e"), repeatable=repeatable) is repeatable
        assert may_resend(ServerError("e"), repeatable=repeatable) is repeatable
        for error in (None, ApiError("e"), AuthError("e"), DecodeError("e"), ValueError()):
            assert not may_resend(error, repeatable=repeatable)


def test_what_may_have_happened() -> None:
    """A definite answer says no; a server's error, a riddle or silence does not."""
    for error in (TransportError("e"), RequestTimeout("e"), ServerError("e"), DecodeError("e")):
        assert may_have_happened(error)
    for other in (None, ApiError("e"), AuthError("e"), RateLimitError("e")):
        assert not may_have_happened(other)
    assert not may_have_happened(TransportError("e", sent=False))


@given(st.integers(0, 10**9))
def test_retry_after_in_seconds(seconds: int) -> None:
    """Seconds are read as they stand; what is negative is now."""
    assert retry_after({"Retry-After": str(seconds)}) == seconds
    assert retry_after({"Retry-After": f" -{seconds} "}) == 0


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date(seconds: int) -> None:
    """A date is read as the seconds until then, and a past one as none."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after({"Retry-After": date, "Date": format_datetime(NOW, usegmt=True)}) == max(
        seconds, 0
    )


def test_a_date_is_read_by_the_clock_of_the_service() -> None:
    """A machine's clock that is wrong changes nothing: the answer's own date counts."""
    then = {"Date": "Mon, 01 Jan 2018 10:00:00 GMT", "Retry-After": "Mon, 01 Jan 2018 10:00:07 GMT"}
    assert retry_after(then) == 7


@given(st.text(max_size=40))
def test_retry_after_is_anything(text: str) -> None:
    """Whatever the header says, it is no error, and a finite time that is not negative."""
    found = retry_after({"Retry-After": text})
    assert found is None or 0 <= found < float("inf")


# Beyond any zone: Python's own reading of it raises OverflowError.
BEYOND_ZONES = "Mon, 01 Jan 2020 10:00:00 +99999999999999"


@given(st.integers(0, 9999), st.text("0123456789", max_size=20))
def test_a_date_with_any_year_and_zone_is_read_or_is_none(year: int, zone: str) -> None:
    """What is beyond the calendar is no date, and no error either."""
    found = parse_http_date(f"Mon, 01 Jan {year:04} 10:00:00 +{zone}")
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["", "soon", "nan", "inf", "-inf", "1e999", "Fri, 99 Foo", "\0", BEYOND_ZONES]
)
def test_retry_after_that_says_nothing(text: str) -> None:
    """Garbage is as no header at all."""
    assert retry_after({"Retry-After": text}) is None
    assert retry_after({}) is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 10)), max_size=300))
def test_the_budget_stays_within_its_bounds(steps: list[int | None]) -> None:
    """Takes and successes in any order never overdraw the budget nor fill it past its size."""
    budget, left = RetryBudget(), RETRY_BUDGET
    for step in steps:
        if step is None:
            granted = budget.take(RETRY_COST)
            assert granted is (left >= RETRY_COST)
            left -= RETRY_COST * granted
        else:
            budget.give_back(step)
            left = min(RETRY_BUDGET, left + max(step, 1))


# ---- waits, on a clock of the tests' own ---------------------------------------------------


class Exchange:
    """Stands in for the wire: fails with what it is told to, after a while."""

    def __init__(self, *errors: AICCError, takes: float = 0.0) -> None:
        self.errors = list(errors)
        self.takes = takes
        self.sent: list[float] = []

    async def __call__(self, call: Call) -> str:
        """Make one attempt."""
        self.sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        call.spent += self.takes
        if not self.errors:
            return "done"
        call.failure = self.errors.pop(0)
        raise call.failure


# When what was refused had left, as calls here have it.
SENT_AT = 7.0


class Sender:
    """Sends through ``Call`` as a session does, and keeps what it said."""

    def __init__(self, policy: RetryPolicy, budget: RetryBudget | None = None) -> None:
        self.policy = policy
        self.budget = budget or RetryBudget()
        self.pauses: list[float] = []

    def pause_all(self, seconds: float, *, sent_at: float) -> None:
        """Note a pause; when what was refused had left is the limiter's to know."""
        assert sent_at == SENT_AT
        self.pauses.append(seconds)

    async def send(
        self, exchange: Exchange, *, repeatable: bool = True, is_patient: bool = False
    ) -> object:
        """Send; give the result or the error."""
        call = Call(
            self.policy,
            self.budget,
            repeatable=repeatable,
            pause_all=self.pause_all,
            is_patient=is_patient,
        )
        call.sent_at = SENT_AT
        try:
            return await call.run(lambda: exchange(call))
        except AICCError as error:
            return error


def failures(count: int) -> list[AICCError]:
    """Make errors that a safe request may outlive."""
    return [ServerError("e") for _ in range(count)]


def outages(count: int, seconds: float) -> list[AICCError]:
    """Make 503s that ask for a wait."""
    errors = [ServerError("e", status=503) for _ in range(count)]
    for error in errors:
        error.retry_after = seconds
    return [*errors]


def throttles(count: int, seconds: float | None) -> list[AICCError]:
    """Make 429s that ask for a wait."""
    errors = [RateLimitError("e") for _ in range(count)]
    for error in errors:
        error.retry_after = seconds
    return [*errors]


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_attempts(attempts: int) -> None:
    """A request is tried as often as the policy says, the first time included."""
    exchange = Exchange(*failures(9))
    assert isinstance(await Sender(RetryPolicy(attempts=attempts)).send(exchange), ServerError)
    assert len(exchange.sent) == attempts


@pytest.mark.looptime(noop_cycles=1)
async def test_full_jitter() -> None:
    """Waits lie between nothing and the base doubled each time, and spread over all of that."""
    policy = RetryPolicy(attempts=6, base=1.0, cap=4.0, deadline=1e6)
    found = []
    for _ in range(60):
        exchange = Exchange(*failures(5))
        assert await Sender(policy).send(exchange) == "done"
        found.append([b - a for a, b in zip(exchange.sent, exchange.sent[1:], strict=False)])
    for waits, ceiling in zip(zip(*found, strict=True), [1, 2, 4, 4, 4], strict=True):
        assert 0 <= min(waits) < ceiling * 0.2
        assert ceiling * 0.8 < max(waits) <= ceiling + 0.001


@pytest.mark.looptime(noop_cycles=1)
async def test_thousands_of_attempts() -> None:
    """The doubling of the wait has an end before numbers have."""
    exchange = Exchange(*throttles(1030, None))
    policy = RetryPolicy(attempts=1031, base=0.5, cap=1.0, deadline=1e9)
    assert await Sender(policy).send(exchange) == "done"


@pytest.mark.looptime(noop_cycles=1)
@settings(max_examples=30, deadline=None)
@given(deadline=st.integers(1, 400), takes=st.integers(0, 50))
async def test_the_deadline(deadline: int, takes: int) -> None:
    """No attempt begins after the deadline, attempts and waits between them counted."""
    exchange = Exchange(*throttles(500, 7.0), takes=takes)
    policy = RetryPolicy(attempts=1000, deadline=deadline, base=0)
    await Sender(policy).send(exchange)
    assert exchange.sent[-1] - exchange.sent[0] < max(deadline, 1)
    assert exchange.sent[-1] - exchange.sent[0] + takes + 7 >= deadline - 0.1


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize(
    ("asked", "least", "most"), [(3.0, 3, 3), (120.0, 120, 120), (0.0, 0, 1.0)]
)
async def test_retry_after_is_honoured(asked: float, least: float, most: float) -> None:
    """The wait is what the service asks for, up to the policy's bound."""
    exchange = Exchange(*throttles(1, asked))
    sender = Sender(RetryPolicy())
    assert await sender.send(exchange) == "done"
    assert least <= exchange.sent[1] - exchange.sent[0] <= most + 0.001
    # Its own back-off is not everybody's.
    assert sender.pauses == [min(asked, 120.0)]


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize("repeatable", [True, False])
async def test_retry_after_zero_does_not_burn_the_attempts(
    repeatable: bool,
    looptime: LoopTimeProxy,
) -> None:
    """A service that asks for no wait at all is given the back-off of any other."""
    before, many = looptime + 0, 30
    for _ in range(many):
        assert (
            await Sender(RetryPolicy()).send(Exchange(*throttles(4, 0.0)), repeatable=repeatable)
            == "done"
        )
    mean = (looptime + 0 - before) / many
    # Expected: half of 1 + 2 + 4 + 8.
    assert 5 < mean < 10


@pytest.mark.looptime(noop_cycles=1)
async def test_a_sure_refusal_is_not_waited_for() -> None:
    """A refusal that asks for more than is left, or than is honoured, ends the call for itself."""
    sender = Sender(RetryPolicy(deadline=10))
    assert isinstance(await sender.send(Exchange(*throttles(2, 9.0))), RateLimitError)
    assert sender.pauses == [9.0]
    exchange = Exchange(*throttles(1, 121.0))
    error = await sender.send(exchange, is_patient=True)
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, len(exchange.sent), sender.pauses) == (121.0, 1, [9.0])


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize(("asked", "attempts"), [(9.0, 2), (10.0, 1), (121.0, 1)])
async def test_an_outage_beyond_the_deadline_is_not_waited_for(asked: float, attempts: int) -> None:
    """A 503 that asks for more than is left, or than is honoured, ends the call at once."""
    exchange = Exchange(*outages(2, asked))
    policy = RetryPolicy(deadline=10 if asked <= 10 else 300)
    found = await Sender(policy).send(exchange)
    assert isinstance(found, ServerError)
    assert (found.retry_after, len(exchange.sent)) == (asked, attempts)


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize(("asked", "is_waited_for"), [(299.0, True), (300.0, False)])
async def test_a_long_reading_waits_as_long_as_its_patience(
    asked: float, is_waited_for: bool
) -> None:
    """An outage is waited out whatever the deadline, unless it is announced to be too long."""
    exchange = Exchange(*outages(1, asked))
    found = await Sender(RetryPolicy(deadline=10, patience=300)).send(exchange, is_patient=True)
    assert (found == "done", len(exchange.sent) == 2) == (is_waited_for, is_waited_for)


@pytest.mark.looptime(noop_cycles=1)
async def test_the_budget_stops_a_storm_and_recovers() -> None:
    """When all fails, retries end for everybody; successes bring them back little by little."""
    budget = RetryBudget()
    sender = Sender(RetryPolicy(), budget)
    storm = [Exchange(*failures(5)) for _ in range(100)]
    await asyncio.gather(*(sender.send(exchange) for exchange in storm))
    assert sum(len(exchange.sent) for exchange in storm) == 100 + RETRY_BUDGET // RETRY_COST
    for _ in range(RETRY_COST - RETRY_BUDGET % RETRY_COST):
        alone = Exchange(*failures(1))
        await sender.send(alone)
        assert len(alone.sent) == 1
        budget.give_back(0)
    assert await sender.send(Exchange(*failures(1))) == "done"


@pytest.mark.looptime(noop_cycles=1)
async def test_throttles_cost_no_budget() -> None:
    """A 429 pauses everybody already: it never uses the budget up."""
    budget = RetryBudget(size=0)
    assert await Sender(RetryPolicy(), budget).send(Exchange(*throttles(4, 1.0))) == "done"


@pytest.mark.looptime(noop_cycles=1)
async def test_concurrent_sends_do_not_share_their_attempts() -> None:
    """Fifteen concurrent sends that fail twice each make three attempts each, exactly."""
    sender = Sender(RetryPolicy(attempts=3))
    exchanges = [Exchange(*failures(2), takes=0.1) for _ in range(15)]
    ends = await asyncio.gather(*(sender.send(exchange) for exchange in exchanges))
    assert ends == ["done"] * 15
    assert [len(exchange.sent) for exchange in exchanges] == [3] * 15


@pytest.mark.looptime(noop_cycles=1)
async def test_cancelled_between_attempts() -> None:
    """A cancellation while waiting for the next attempt ends the send at once, as itself."""
    exchange = Exchange(*throttles(1, 100.0))
    task = asyncio.create_task(Sender(RetryPolicy()).send(exchange))
    await asyncio.sleep(50)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(exchange.sent) == 1


@pytest.mark.looptime(noop_cycles=1)
async def test_what_failed_elsewhere_is_not_retried_here() -> None:
    """An error that is not the attempt's own, such as a failed sign-in's, ends the send."""

    async def sign_in_failed(_: Call) -> str:
        calls.append(1)
        raise ServerError("token")

    calls: list[int] = []
    sender = Sender(RetryPolicy())
    call = Call(sender.policy, sender.budget, repeatable=False, pause_all=sender.pause_all)
    with pytest.raises(ServerError):
        await call.run(lambda: sign_in_failed(call))
    assert (calls, call.is_in_doubt) == ([1], False)


# ---- refusals and outages ------------------------------------------------------------------


@pytest.mark.looptime(noop_cycles=1)
async def test_refusals_end_a_call_by_its_deadline_not_by_its_attempts() -> None:
    """Ten refusals are outlived with five attempts; as many minutes of them are not."""
    assert await Sender(RetryPolicy()).send(Exchange(*throttles(10, 1.0))) == "done"
    exchange = Exchange(*throttles(2000, 1.0))
    assert isinstance(await Sender(RetryPolicy()).send(exchange), RateLimitError)
    assert 240 < exchange.sent[-1] - exchange.sent[0] < 300


@pytest.mark.looptime(noop_cycles=1)
async def test_one_attempt_is_one_attempt() -> None:
    """With attempts=1 nothing is sent again, refused or not, patient or not."""
    sender = Sender(RetryPolicy(attempts=1))
    for errors in (throttles(1, 0.0), failures(1)):
        for is_patient in (True, False):
            exchange = Exchange(*errors)
            assert isinstance(await sender.send(exchange, is_patient=is_patient), AICCError)
            assert len(exchange.sent) == 1


class Outage(Exchange):
    """Fails until it is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.ends_at = asyncio.get_running_loop().time() + seconds

    async def __call__(self, call: Call) -> str:
        """Make one attempt."""
        is_over = asyncio.get_running_loop().time() >= self.ends_at
        self.errors = [] if is_over else failures(1)
        return await super().__call__(call)


@pytest.mark.looptime(noop_cycles=1)
@settings(max_examples=30, deadline=None)
@given(seconds=st.floats(0, 600), patience=st.floats(0, 600))
async def test_a_patient_call_rides_out_an_outage(seconds: float, patience: float) -> None:
    """It comes through an outage that is shorter than its patience, less its longest wait."""
    outage = Outage(seconds)
    began = asyncio.get_running_loop().time()
    policy = RetryPolicy(patience=patience, deadline=1.0)
    end = await Sender(policy).send(outage, is_patient=True)
    took = asyncio.get_running_loop().time() - began
    if seconds <= patience - policy.cap:
        assert end == "done"
    if end != "done":
        assert isinstance(end, ServerError)
        assert patience - policy.cap <= took <= patience + policy.deadline


@pytest.mark.looptime(noop_cycles=1)
async def test_the_budget_bounds_the_storm_of_patient_calls() -> None:
    """When the retries that all may make are used up, each patient call goes on, but slowly."""
    sender = Sender(RetryPolicy(patience=150), RetryBudget())
    storm = [Outage(100) for _ in range(100)]
    ends = await asyncio.gather(*(sender.send(each, is_patient=True) for each in storm))
    assert ends == ["done"] * 100
    # At once, what the budget pays for, and one in the longest wait each.
    sent = sum(len(each.sent) for each in storm)
    assert sent <= 100 + RETRY_BUDGET // RETRY_COST + 100 * (100 // RetryPolicy().cap + 1)


# ---- everybody waits -----------------------------------------------------------------------


async def test_a_throttle_pauses_everybody(tenant: Emulator, clock: StoppedClock) -> None:
    """After one 429, nothing of this client arrives before the time that was asked for."""
    tenant.retry_after = "0.2"
    async with client_of(tenant) as client:
        await client.list_cases(limit=1)
        tenant.fail("list", Fault.THROTTLED)
        await clock.run(asyncio.gather(*(client.list_cases(limit=1) for _ in range(20))))
    refused = next(one for one in tenant.requests if one.status == 429)
    later = [one.at - refused.at for one in tenant.requests if one.at > refused.at + 0.05]
    assert len(later) >= 13
    assert min(later) >= 0.19
    assert client.stats.throttled == 1
