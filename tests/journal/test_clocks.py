"""Creates in doubt while clocks are set, zones are wrong and titles change: never a second case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from helpers.new_cases import new_case
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, StaticToken, UnknownOutcome
from aicc_async._create.readings import CLOCK_TOLERANCE, Readings
from aicc_async._create.zone import as_offset, describe
from aicc_async.emulator import Emulator, Fault, Quirks
from aicc_async.journal import Entry, SQLiteJournal

SEEDED = 300  # cases of the tenant
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NONE = timedelta(0)
Connect = Callable[..., AICCClient]


class Machine(Protocol):
    """The clocks of this machine, set as a test wants."""

    def set_ahead(self, ahead: timedelta) -> None:
        """Set the wall clock."""

    def restart(self) -> None:
        """Start the machine again."""


@pytest.fixture
def client_options() -> dict[str, Any]:
    """Wait for the list a moment only."""
    return {"list_lag": 0.1}


def creates(tenant: Emulator) -> int:
    """Count the requests that would create a case."""
    return sum(call.operation == "create" for call in tenant.requests)


async def lose(tenant: Emulator, aicc: AICCClient, **fields: Any) -> str:
    """Create a case whose answer is lost, and return its id."""
    before = set(tenant.ids())
    tenant.fail("create", Fault.DROP_AFTER)
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new_case(**fields), key="k", on_unknown="raise")
    [case_id] = set(tenant.ids()) - before
    return case_id


async def retry(aicc: AICCClient, **fields: Any) -> str | UnknownOutcome:
    """Create it again, and return the case, or that it is not known."""
    try:
        return await aicc.create_case(new_case(**fields), key="k", on_unknown="reconcile")
    except UnknownOutcome as error:
        return error


# ---- a clock of one moment is not that of another -------------------------------------------


JUMPS = [
    *((-HOUR, NONE), (HOUR, NONE), (NONE, HOUR), (NONE, -HOUR), (NONE, 10 * MINUTE)),
    *((NONE, -3 * MINUTE), (-3 * MINUTE, NONE), (3 * MINUTE, NONE), (-HOUR, HOUR)),
]


@pytest.mark.parametrize(("at_first", "later"), JUMPS)
async def test_a_clock_that_is_set_makes_no_second_case(
    at_first: timedelta,
    later: timedelta,
    tenant: Emulator,
    connect: Connect,
    machine: Machine,
) -> None:
    """However the clock was set between a lost answer and the retry, the case is found."""
    machine.set_ahead(at_first)
    lost = await lose(tenant, connect())
    machine.set_ahead(later)

    assert await retry(connect()) == lost
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


@pytest.mark.parametrize("date_ahead", [None, 0.0, 300.0, -3600.0])
@pytest.mark.parametrize("restarts", [True, False])
@pytest.mark.parametrize("jump", JUMPS)
async def test_what_no_clock_shows_is_unknown_and_not_a_second_case(
    jump: tuple[timedelta, timedelta],
    restarts: bool,
    date_ahead: float | None,
    *,
    tenant: Emulator,
    connect: Connect,
    machine: Machine,
) -> None:
    """Without a date in answers, with a gateway's, after a restart: found or unknown."""
    at_first, later = jump
    tenant.quirks = Quirks(date_ahead=date_ahead)
    machine.set_ahead(at_first)
    lost = await lose(tenant, connect())
    machine.set_ahead(later)
    if restarts:
        machine.restart()
    outcome = await retry(connect())

    assert outcome == lost or (
        isinstance(outcome, UnknownOutcome) and outcome.candidates == (lost,)
    )
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


@pytest.mark.parametrize("seconds", [-300.0, 300.0])
async def test_a_gateway_whose_date_is_off_makes_no_second_case(
    seconds: float, tenant: Emulator, connect: Connect
) -> None:
    """The clocks are right, and only the header is not: the case is a candidate."""
    tenant.quirks = Quirks(date_ahead=seconds)
    aicc = connect()
    await aicc.list_cases(limit=1)
    lost = await lose(tenant, aicc)
    outcome = await retry(aicc)

    assert isinstance(outcome, UnknownOutcome)
    assert outcome.candidates == (lost,)
    assert "was a clock set?" in str(outcome)
    assert creates(tenant) == 1


@pytest.mark.parametrize("restarts", [True, False])
async def test_a_clock_put_forward_does_not_skip_the_list_lag(
    restarts: bool, tenant: Emulator, connect: Connect, machine: Machine
) -> None:
    """Ten minutes ahead at a restart while the list lags: the case is waited for all the same."""
    tenant.list_lag = 0.6
    lost = await lose(tenant, connect())
    machine.set_ahead(10 * MINUTE)
    if restarts:
        machine.restart()
    outcome = await retry(connect(list_lag=3))

    assert getattr(outcome, "candidates", (outcome,)) == (lost,)
    assert creates(tenant) == 1


async def test_a_clock_set_during_the_search_does_not_move_it(
    tenant: Emulator, connect: Connect, machine: Machine
) -> None:
    """The search goes on by the clock that it began with."""
    tenant.list_lag = 0.5
    aicc = connect(list_lag=60)
    lost = await lose(tenant, aicc)
    task = asyncio.create_task(retry(aicc))
    while not any(call.operation == "list" for call in tenant.requests):  # noqa: ASYNC110  (no event)
        await asyncio.sleep(0.01)
    machine.set_ahead(-HOUR)

    assert await task == lost


async def test_a_clock_put_forward_prunes_nothing(path: Path, machine: Machine) -> None:
    """A key is forgotten when it is old by the steady clock as well."""
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", digest="d", match_digest="m")
        await journal.confirm("k", "c1")
        machine.set_ahead(timedelta(days=365))

        assert await journal.prune(older_than=timedelta(days=90)) == 0
        assert await journal.entry("k")


async def test_a_clock_put_back_hides_no_rival(path: Path, machine: Machine) -> None:
    """A create on its way may be whose case it is, whatever the clock showed when it was sent."""
    async with SQLiteJournal(path) as journal:
        for key in ("k", "rival"):
            await journal.claim(key, digest="d", match_digest="m")
        await journal.doubt("k", "no answer")
        machine.set_ahead(-HOUR)
        asked = asyncio.get_running_loop().time()

        assert (await journal.take("k", ["c1"], [], asked=asked)).status == "busy"


# ---- the zone -------------------------------------------------------------------------------

OFFSETS = [-26, -13, -8, -5.75, 0.5, 1, 5.75, 12.75, 25]


@pytest.mark.parametrize("hours", OFFSETS)
async def test_a_case_in_another_zone_is_unknown_and_not_made_twice(
    hours: float, tenant: Emulator, connect: Connect
) -> None:
    """The error names the hours and the setting, and the case is its candidate."""
    tenant.quirks = Quirks(created_ahead=hours * 3600)
    aicc = connect()
    lost = await lose(tenant, aicc)
    outcome = await retry(aicc)

    assert isinstance(outcome, UnknownOutcome)
    assert outcome.candidates == (lost,)
    assert str(outcome) == (
        "create: it may have happened, an equal case is dated"
        f" {describe(timedelta(hours=hours))} off: is timezone right?"
    )
    assert creates(tenant) == 1


@pytest.mark.parametrize("hours", [-8, 5.75])
async def test_the_zone_is_learnt_from_the_first_case(
    hours: float, tenant: Emulator, connect: Connect
) -> None:
    """A client that has made a case knows how the tenant dates them, and says what is wrong."""
    tenant.quirks = Quirks(created_ahead=hours * 3600)
    aicc = connect()
    await aicc.create_case(new_case(title="another"), key="first")
    lost = await lose(tenant, aicc)
    with pytest.warns(RuntimeWarning, match="off the client's zone: is timezone right"):
        assert await retry(aicc) == lost

    assert creates(tenant) == 2


async def test_strangers_hours_away_are_no_candidates_once_the_zone_is_known(
    tenant: Emulator, connect: Connect
) -> None:
    """An equal case of eight hours ago is somebody else's when no zone explains it."""
    aicc = connect()
    await aicc.create_case(new_case(title="another"), key="first")
    old = (datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S")
    people = {"contactId": "contact", "creatorId": "agent", "type": "t"}
    case = {"title": "Rechnung", "description": "zu hoch", "createdDate": old}
    stranger = tenant.insert(**people | case)
    tenant.fail("create", Fault.DROP_BEFORE)

    assert await retry(aicc) not in {stranger, None}
    assert creates(tenant) == 3


async def test_keys_without_a_zone_give_one_warning(tenant: Emulator, connect: Connect) -> None:
    """The zone was never set: the search depends on it, which is said once for each client."""
    aicc = connect(timezone=None)
    with pytest.warns(RuntimeWarning, match="timezone should be set"):
        await aicc.create_case(new_case(title="one"), key="one")
    # Warnings are errors here.
    await aicc.create_case(new_case(title="two"), key="two")

    assert creates(tenant) == 2


# ---- the title ------------------------------------------------------------------------------

TITLES = {
    "escaped": "Hinz & Kunz <hk>",
    "decomposed": "M\u00fcller",
    "plane_0": "Danke \U0001f600",
    "upper": "Rechnung",
    "cut": "x" * 128,
}


@pytest.mark.parametrize("form", TITLES)
async def test_a_title_that_the_service_writes_its_own_way_makes_no_second_case(
    form: str, tenant: Emulator, connect: Connect
) -> None:
    """A case with the description and another title may be it: nobody knows, nothing is sent."""
    tenant.quirks = Quirks(title_form=form)
    aicc = connect()
    lost = await lose(tenant, aicc, title=TITLES[form])
    outcome = await retry(aicc, title=TITLES[form])

    assert isinstance(outcome, UnknownOutcome)
    assert outcome.candidates == (lost,)
    assert "a case has its description, but another title" in str(outcome)
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


async def test_titles_of_other_keys_are_no_doubt(tenant: Emulator, connect: Connect) -> None:
    """Two keys whose records differ in the title alone: each gets its own case."""
    aicc = connect()
    for key, fault in [("one", Fault.DROP_AFTER), ("two", Fault.DROP_BEFORE)]:
        tenant.fail("create", fault)
        with pytest.raises(UnknownOutcome):
            await aicc.create_case(new_case(title=key), key=key)
    two = await aicc.create_case(new_case(title="two"), key="two")
    one = await aicc.create_case(new_case(title="one"), key="one")

    assert {row["id"]: row["title"] for row in tenant.rows()[-2:]} == {one: "one", two: "two"}
    assert creates(tenant) == 3


async def test_another_description_under_another_title_is_no_doubt(
    tenant: Emulator, connect: Connect
) -> None:
    """The same person's other case of the same minute is somebody else's."""
    await connect(journal=None).create_case(new_case(title="another", description="else"))
    tenant.fail("create", Fault.DROP_BEFORE)

    assert await retry(connect()) in tenant.ids()
    assert tenant.count() == SEEDED + 2


# ---- what never left ------------------------------------------------------------------------


async def test_a_create_cancelled_before_it_left_is_sent_at_once_when_it_comes_again(
    tenant: Emulator, connect: Connect, path: Path
) -> None:
    """While it waits for its turn nothing has left: nobody waits for a case that never was."""
    tenant.quota = 0
    aicc = connect(list_lag=600)
    task = asyncio.create_task(aicc.create_case(new_case(), key="k"))
    while not aicc.stats.throttled:  # noqa: ASYNC110  (the client has no event for it)
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    async with SQLiteJournal(path) as journal:
        entry = await journal.entry("k")
    assert entry
    assert entry.state == "rejected"
    tenant.quota = None
    assert await connect(list_lag=600).create_case(new_case(), key="k") in tenant.ids()

    # Whoever looks for a case asks for the list, and would wait for ten minutes.
    assert not any(call.operation == "list" for call in tenant.requests)


async def test_a_create_cancelled_while_it_connects_is_no_doubt(
    path: Path,
) -> None:
    """A service that answers no TLS handshake has received nothing."""
    connected, received = asyncio.Event(), bytearray()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        received.extend(await reader.read(-1))
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    journal, auth = SQLiteJournal(path), StaticToken("t")
    async with server, AICCClient(url, auth=auth, journal=journal, timezone="UTC") as aicc:
        task = asyncio.create_task(aicc.create_case(new_case(), key="k"))
        await connected.wait()
        task.cancel()
        await asyncio.wait([task])
    assert b"create" not in received
    async with SQLiteJournal(path) as journal:
        entry = await journal.entry("k")

    assert entry
    assert entry.state == "rejected"


# ---- what is pure ---------------------------------------------------------------------------

spans = st.timedeltas(timedelta(days=-3), timedelta(days=3))
moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, st.tuples(spans, spans), st.tuples(*[st.none() | spans] * 3))
def test_the_true_time_is_among_the_readings(
    true: datetime,
    set_ahead: tuple[timedelta, timedelta],
    noted: tuple[timedelta | None, timedelta | None, timedelta | None],
) -> None:
    """Sure readings agree; what is likely is possible; what is unsure reaches to now."""
    at_first, later = set_ahead
    skew, entry_skew, drift = noted
    entry = Entry(
        key="k",
        digest="d",
        match_digest="m",
        state="unknown",
        created_at=true + at_first,
        updated_at=true + at_first,
        skew=entry_skew,
        created_drift=drift,
        updated_drift=drift,
    )
    readings = Readings(entry=entry, now=true + later, skew=skew)
    likely, possible = readings.likely, readings.possible

    assert possible.start <= likely.start <= likely.end <= possible.end
    assert readings.age >= NONE
    if readings.are_sure:
        length = possible.end - possible.start
        assert length <= 2 * CLOCK_TOLERANCE + abs(skew or NONE)
    elif drift is None:
        assert possible.start <= readings.now <= possible.end
        assert readings.age == NONE


@given(st.integers(-104, 104), st.timedeltas(-CLOCK_TOLERANCE, CLOCK_TOLERANCE))
def test_an_offset_of_zones_is_known(steps: int, noise: timedelta) -> None:
    """A difference of times that is near a quarter of an hour is that of two zones."""
    assert as_offset(steps * 15 * MINUTE + noise) == steps * 15 * MINUTE


@pytest.mark.parametrize("minutes", [-7, 3, 7, 22, 67])
def test_other_differences_are_no_zones(minutes: int) -> None:
    """Nothing is learnt from a date that no zone explains."""
    assert as_offset(minutes * MINUTE) is None


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (8 * HOUR, "8 h"),
        (-8 * HOUR, "8 h"),
        (timedelta(hours=5, minutes=45), "5 h 45 min"),
        (3 * MINUTE, "3 min"),
        (timedelta(seconds=20), "20 s"),
        (NONE, "0 s"),
    ],
)
def test_spans_are_described(span: timedelta, text: str) -> None:
    """In hours and minutes, without a sign."""
    assert describe(span) == text
