"""Creates that happen once: with keys, looked for when in doubt, whatever fails in between."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from helpers.clock import SOON, Jump, until
from helpers.new_cases import new_case
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    Case,
    CaseDetail,
    CaseQuery,
    CaseUpdate,
    ConfigError,
    ExportError,
    KeyInUse,
    NewCase,
    StaticToken,
    Timeouts,
    UnknownOutcome,
)
from aicc_async._api import CaseApi
from aicc_async._create.creator import Creator
from aicc_async._create.match import extras_differ, looks_like
from aicc_async._listing.windows import Window
from aicc_async._protocol.aicc import CaseProtocol, Listing
from aicc_async._protocol.converter import RecordConverter
from aicc_async.emulator import Emulator, Fault, Latency, Quirks
from aicc_async.journal import Entry, SQLiteJournal
from aicc_async.models.details import CaseInfo
from aicc_async.settings import Dialect
from aicc_async.settings.profile import Profile

REF = "AICC__ref__CST"
SHANGHAI = ZoneInfo("Asia/Shanghai")
MADE = [Fault.DROP_AFTER, Fault.HANG_AFTER, Fault.CUT_BODY, Fault.HTTP_500_AFTER, Fault.NOT_JSON]
NOT_MADE = [
    *(Fault.DROP_BEFORE, Fault.HANG, Fault.HTTP_500, Fault.HTTP_502, Fault.HTTP_503),
    *(Fault.HTTP_504, Fault.HTML_200),
]
HANGS = {Fault.HANG, Fault.HANG_AFTER}
SEEDED = 300  # cases of the tenant
Connect = Callable[..., AICCClient]


@pytest.fixture
def client_options() -> dict[str, Any]:
    """Wait for the list a moment only, and for an answer until the clock jumps."""
    return {"timeouts": Timeouts(read=0.9 * SOON), "list_lag": 0.1}


def creates(tenant: Emulator) -> int:
    """Count the requests that would create a case."""
    return sum(call.operation == "create" for call in tenant.requests)


async def create_despite(
    fault: Fault, tenant: Emulator, jump: Jump, creating: Coroutine[Any, Any, str]
) -> str:
    """Await a create that meets a fault; an answer that never comes is not waited for."""
    tenant.fail("create", fault)
    task, before = asyncio.create_task(creating), creates(tenant)
    if fault in HANGS:
        await until(lambda: creates(tenant) > before)
        jump()
    return await task


def lists(tenant: Emulator) -> int:
    """Count the looks at the list."""
    return sum(call.operation == "list" for call in tenant.requests)


async def entry_of(path: Path, key: str = "k") -> Entry:
    """Read what a journal holds."""
    async with SQLiteJournal(path) as journal:
        entry = await journal.entry(key)
    assert entry
    return entry


async def make_old(path: Path, by: timedelta) -> None:
    """Move everything in a journal into the past."""
    with closing(sqlite3.connect(path)) as db, db:
        seconds = by.total_seconds()
        db.execute(
            "UPDATE creates SET created_at = created_at - ?, updated_at = updated_at - ?,"
            " created_steady = created_steady - ?, updated_steady = updated_steady - ?",
            (seconds,) * 4,
        )


def shown(moment: datetime) -> str:
    """Write a time as the tenant does."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def wire(moment: datetime) -> dict[str, str]:
    """Write the usual case as the tenant would have it, made at a time by somebody else."""
    people = {"contactId": "contact", "creatorId": "agent"}
    case = {"title": "Rechnung", "description": "zu hoch", "type": "t"}
    return people | case | {"createdDate": shown(moment)}


# ---- one case, whatever fails --------------------------------------------------------------


@pytest.mark.parametrize("fault", MADE + NOT_MADE)
async def test_a_doubt_is_settled_when_the_key_comes_again(
    fault: Fault, tenant: Emulator, connect: Connect, path: Path, jump: Jump
) -> None:
    """The first call raises; the next one finds the case, or makes it when there is none."""
    with pytest.raises(UnknownOutcome) as caught:
        await create_despite(fault, tenant, jump, connect().create_case(new_case(), key="k"))
    assert (caught.value.operation, caught.value.candidates) == ("create", ())
    assert (await entry_of(path)).state == "unknown"
    again = connect()
    case_id = await again.create_case(new_case(), key="k")
    assert tenant.count() == SEEDED + 1
    assert case_id in tenant.ids()
    assert creates(tenant) == (1 if fault in MADE else 2)
    requests = len(tenant.requests)
    assert await again.create_case(new_case(), key="k") == case_id
    assert len(tenant.requests) == requests
    entry = await entry_of(path)
    assert (entry.state, entry.case_id) == ("reconciled" if fault in MADE else "confirmed", case_id)


class Label(str, Enum):  # noqa: UP042  (its str() is another text)
    """A text of a user's own kind."""

    KEY = "k"


async def test_a_key_of_any_kind_of_text_is_a_key(tenant: Emulator, connect: Connect) -> None:
    """With a record of such texts; the plain ones are the same key and the same record."""
    new, own = new_case(), evolve(new_case(), title=Label.KEY, extra={Label.KEY: Label.KEY})
    plain = evolve(new, title="k", extra={"k": "k"})
    case_id = await connect().create_case(own, key=Label.KEY)
    assert await connect().create_case(plain, key="k") == case_id
    assert creates(tenant) == 1


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("fault", MADE + NOT_MADE)
async def test_a_doubt_is_settled_at_once(
    fault: Fault, remembers: bool, tenant: Emulator, connect: Connect, jump: Jump
) -> None:
    """With `reconcile` the very call finds or makes the one case, with a journal and without."""
    options = {} if remembers else {"journal": None}
    aicc = connect(on_unknown="reconcile", **options)
    creating = aicc.create_case(new_case(), key="k" if remembers else None)
    case_id = await create_despite(fault, tenant, jump, creating)
    assert tenant.count() == SEEDED + 1
    assert case_id in tenant.ids()
    assert creates(tenant) == (1 if fault in MADE else 2)


@pytest.mark.parametrize("fault", [Fault.BUSINESS_ERROR, Fault.REDIRECT])
async def test_a_refusal_is_no_doubt(
    fault: Fault, tenant: Emulator, connect: Connect, path: Path
) -> None:
    """Nothing is looked for, and another record may have the key then."""
    tenant.fail("create", fault)
    aicc = connect(on_unknown="reconcile")
    with pytest.raises(ApiError):
        await aicc.create_case(new_case(), key="k")
    assert (await entry_of(path)).state == "rejected"
    await aicc.create_case(new_case(title="another"), key="k")
    assert (tenant.count(), lists(tenant)) == (SEEDED + 1, 0)


async def test_another_record_under_a_key_is_refused(tenant: Emulator, connect: Connect) -> None:
    """It is refused before anything is sent, and the error shows nothing of the record."""
    aicc = connect()
    await aicc.create_case(new_case(), key="k")
    with pytest.raises(ConfigError) as caught:
        await aicc.create_case(new_case(title="another"), key="k")
    assert str(caught.value) == "key must be new or of the same record, got 'k'"
    assert creates(tenant) == 1


async def test_it_gives_up_after_a_few_rounds(
    tenant: Emulator, connect: Connect, path: Path
) -> None:
    """A service that always fails is not retried for ever; the key stays in doubt."""
    tenant.fail("create", Fault.HTTP_500, times=None)
    aicc = connect(on_unknown="reconcile", list_lag=0)
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new_case(), key="k")
    assert creates(tenant) == 5
    assert (await entry_of(path)).state == "unknown"


async def test_a_list_that_cannot_be_read_leaves_the_doubt(
    tenant: Emulator, connect: Connect, path: Path
) -> None:
    """Nothing is sent again then; the next call looks once more."""
    tenant.fail("create", Fault.DROP_AFTER)
    tenant.fail("list", Fault.BUSINESS_ERROR)
    aicc = connect(on_unknown="reconcile")
    with pytest.raises(UnknownOutcome, match="could not be looked for"):
        await aicc.create_case(new_case(), key="k")
    assert (await entry_of(path)).state == "unknown"
    await aicc.create_case(new_case(), key="k")
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


# ---- which case it is ----------------------------------------------------------------------


async def test_a_list_that_lags_is_looked_at_again(tenant: Emulator, connect: Connect) -> None:
    """The case that shows a moment later is found then, long before the list must show it."""
    tenant.list_lag = 600
    tenant.fail("create", Fault.DROP_AFTER)
    aicc = connect(on_unknown="reconcile", list_lag=600)
    creating = asyncio.create_task(aicc.create_case(new_case(), key="k"))
    await until(lambda: lists(tenant))
    tenant.list_lag = 0
    await creating
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)
    assert lists(tenant) > 1


async def test_a_doubt_among_thousands_is_found_by_its_title(
    tenant: Emulator, connect: Connect
) -> None:
    """Where others of the same people fill many pages, a few lists find it."""
    now = datetime.now(UTC)
    dated = [wire(now - timedelta(seconds=number % 100)) for number in range(3000)]
    others = [each | {"title": f"Beleg {number}"} for number, each in enumerate(dated)]
    tenant.insert_many(others)
    tenant.fail("create", Fault.DROP_AFTER)
    aicc = connect(on_unknown="reconcile", list_lag=600, max_concurrency=2)
    case_id = await aicc.create_case(new_case(), key="k")
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 3001)
    assert case_id in tenant.ids()
    assert lists(tenant) <= 8


@pytest.mark.parametrize("was_made", [True, False])
async def test_an_old_doubt_is_looked_for_once(
    was_made: bool, tenant: Emulator, connect: Connect, path: Path
) -> None:
    """What was sent days ago would show by now: nobody waits, and no case of today is taken."""
    tenant.fail("create", Fault.DROP_BEFORE)
    aicc = connect(list_lag=600)
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new_case(), key="k")
    await make_old(path, timedelta(days=3))
    strangers = await connect(journal=None).create_case(new_case())
    made = tenant.insert(**wire(datetime.now(UTC) - timedelta(days=3))) if was_made else None
    case_id = await aicc.create_case(new_case(), key="k")
    assert lists(tenant) <= 2  # the pages of one look
    assert case_id == made if was_made else case_id not in {made, strangers}


async def test_a_doubt_that_lasts_is_not_waited_for_again(
    tenant: Emulator, connect: Connect, path: Path
) -> None:
    """A look without a result does not renew the time to wait."""
    tenant.fail("create", Fault.DROP_BEFORE)
    aicc = connect(list_lag=600)
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new_case(), key="k")
    await make_old(path, timedelta(days=3))
    two = tenant.insert_many([wire(datetime.now(UTC) - timedelta(days=3))] * 2)
    for _ in range(2):
        with pytest.raises(UnknownOutcome) as caught:
            await aicc.create_case(new_case(), key="k")
        assert sorted(caught.value.candidates) == sorted(two)
    assert creates(tenant) == 1
    assert lists(tenant) <= 4  # the pages of two looks
    assert sorted((await entry_of(path)).candidates) == sorted(two)
    tenant.delete(two[0])
    assert await aicc.create_case(new_case(), key="k") == two[1]


async def test_several_cases_are_candidates(tenant: Emulator, connect: Connect) -> None:
    """With two that look the same it could be either: both are candidates."""
    strangers = connect(journal=None)
    two = [await strangers.create_case(new_case()) for _ in range(2)]
    tenant.fail("create", Fault.DROP_BEFORE)
    with pytest.raises(UnknownOutcome, match="2 cases look like it") as caught:
        await connect(on_unknown="reconcile").create_case(new_case(), key="k")
    assert sorted(caught.value.candidates) == sorted(two)
    assert tenant.count() == SEEDED + 2


async def test_a_strangers_case_of_before_is_not_taken(tenant: Emulator, connect: Connect) -> None:
    """An equal one that was made some minutes earlier is somebody else's."""
    old = tenant.insert(**wire(datetime.now(UTC) - timedelta(minutes=3)))
    tenant.fail("create", Fault.DROP_BEFORE)
    case_id = await connect(on_unknown="reconcile").create_case(new_case(), key="k")
    assert case_id != old
    assert tenant.count() == SEEDED + 2


async def test_a_case_with_another_description_is_not_taken(
    tenant: Emulator, connect: Connect
) -> None:
    """The service may have changed the text: it is a candidate, and nothing is sent."""
    stranger = await connect(journal=None).create_case(new_case(description="zu niedrig"))
    tenant.fail("create", Fault.DROP_BEFORE)
    with pytest.raises(UnknownOutcome) as caught:
        await connect(on_unknown="reconcile").create_case(new_case(), key="k")
    assert caught.value.candidates == (stranger,)


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("quirks", [Quirks(max_count=150), Quirks(deepest_start=150)])
async def test_a_list_that_is_cut_does_not_hide_the_case(
    quirks: Quirks, tenant: Emulator, connect: Connect, *, newest_first: bool
) -> None:
    """Where the list gives so many rows at most, or refuses deep pages, the case is found still."""
    made = datetime.now(UTC)
    others = [wire(made - timedelta(seconds=n % 100)) | {"title": "other"} for n in range(300)]
    tenant.insert_many(others)
    tenant.newest_first, tenant.quirks = newest_first, quirks
    tenant.fail("create", Fault.DROP_AFTER)
    case_id = await connect(on_unknown="reconcile").create_case(new_case(), key="k")
    assert creates(tenant) == 1
    assert case_id in tenant.ids()


async def test_spaces_are_no_difference(tenant: Emulator, connect: Connect) -> None:
    """Line ends and spaces that the service may have changed don't hide the case."""
    tenant.fail("create", Fault.DROP_AFTER)
    aicc = connect()
    new = new_case(title="zwei  Wörter", description="Zeile\r\nZeile ")
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new, key="k")
    change = CaseUpdate(
        id=tenant.ids()[-1], title="zwei Wörter", description="Zeile\nZeile", creator_id="agent"
    )
    await aicc.modify_case(change)
    assert await aicc.create_case(new, key="k") == tenant.ids()[-1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"description": "one"}, {"description": "two"}),
        ({"extra": {REF: "1"}}, {"extra": {REF: "2"}}),
    ],
)
async def test_each_key_gets_its_own_case(
    first: dict[str, Any], second: dict[str, Any], tenant: Emulator, connect: Connect
) -> None:
    """Of two that look alike in the list and are both in doubt, the one that was made is known."""
    aicc = connect()
    records = {"one": new_case(**first), "two": new_case(**second)}
    for key, fault in [("one", Fault.DROP_BEFORE), ("two", Fault.DROP_AFTER)]:
        tenant.fail("create", fault)
        with pytest.raises(UnknownOutcome):
            await aicc.create_case(records[key], key=key)
    made = tenant.ids()[-1]
    assert await aicc.create_case(records["one"], key="one") != made
    assert await aicc.create_case(records["two"], key="two") == made
    assert (tenant.count(), creates(tenant)) == (SEEDED + 2, 3)


async def test_an_extension_field_may_be_written_otherwise(
    tenant: Emulator, connect: Connect
) -> None:
    """When there is but one case and one key in doubt, the service may have changed the value."""
    tenant.fail("create", Fault.DROP_AFTER)
    aicc = connect()
    new = new_case(extra={REF: "2026-01-01"})
    with pytest.raises(UnknownOutcome):
        await aicc.create_case(new, key="k")
    [case_id] = tenant.ids()[-1:]
    normalised = {REF: "2026-01-01 00:00:00"}
    change = CaseUpdate(
        id=case_id, title="Rechnung", description="zu hoch", creator_id="agent", extra=normalised
    )
    await aicc.modify_case(change)
    assert await aicc.create_case(new, key="k") == case_id


async def test_equal_records_get_a_case_each(tenant: Emulator, connect: Connect) -> None:
    """Twenty-five keys with one record, half of them made: in the end each has one of its own."""
    aicc = connect()
    keys = [f"k{number}" for number in range(25)]
    for number, _ in enumerate(keys):
        tenant.fail("create", Fault.DROP_AFTER if number % 2 else Fault.DROP_BEFORE)
    results = await asyncio.gather(
        *(aicc.create_case(new_case(), key=key) for key in keys), return_exceptions=True
    )
    assert {type(result) for result in results} == {UnknownOutcome}

    async def create(key: str) -> str:
        while True:
            # On a slow machine the list may move in all readings, by the others' creates.
            with suppress(UnknownOutcome):
                return await aicc.create_case(new_case(), key=key, on_unknown="reconcile")

    ids = await asyncio.gather(*map(create, keys))
    assert len(set(ids)) == len(keys)
    assert tenant.count() == SEEDED + len(keys)


async def test_many_that_look_alike_are_kept_apart(tenant: Emulator, connect: Connect) -> None:
    """Twenty-five keys that only a description tells apart: none takes another's, none doubles."""
    aicc = connect()
    records = {f"k{number}": new_case(description=f"{number}") for number in range(25)}
    for number, _ in enumerate(records):
        tenant.fail("create", Fault.DROP_AFTER if number else Fault.DROP_BEFORE)
    for key, new in records.items():
        with pytest.raises(UnknownOutcome):
            await aicc.create_case(new, key=key)
    ids = {key: await aicc.create_case(new, key=key) for key, new in records.items()}
    assert tenant.count() == SEEDED + len(records)
    for key, new in records.items():
        assert (await aicc.get_case(ids[key])).case.description == new.description


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_the_services_clock_may_be_off(
    ahead: timedelta, tenant: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dates of its answers show by how much, and the case is found at its own time."""

    def date() -> str:
        return format_datetime(datetime.now(UTC) + ahead, usegmt=True)

    monkeypatch.setattr("aiohttp.web_response.rfc822_formatted_time", date)
    monkeypatch.setattr(
        "aicc_async.emulator.data.seed.wall_clock", lambda: shown(datetime.now(UTC) + ahead)
    )
    stranger = tenant.insert(**wire(datetime.now(UTC)))  # an hour old, or of an hour to come
    tenant.fail("create", Fault.DROP_AFTER)
    case_id = await connect(on_unknown="reconcile").create_case(new_case(), key="k")
    assert case_id in set(tenant.ids()) - {stranger}
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 2)


# ---- more than one at work -----------------------------------------------------------------


async def test_one_key_asked_for_many_times_is_one_case(tenant: Emulator, connect: Connect) -> None:
    """Tasks of two clients on one journal, all at once, get the same case."""
    tenant.latency = Latency(0.05)
    clients = [connect(), connect()]
    ids = await asyncio.gather(
        *(clients[number % 2].create_case(new_case(), key="k") for number in range(20))
    )
    assert len(set(ids)) == 1
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


@pytest.mark.parametrize("same_client", [True, False])
async def test_a_caller_that_does_not_wait_gets_an_error(
    same_client: bool, tenant: Emulator, connect: Connect, jump: Jump
) -> None:
    """While another call is on its way with the key, `wait=False` raises KeyInUse."""
    tenant.latency = Latency(SOON)
    first = connect(timeouts=Timeouts(read=2 * SOON))
    second = first if same_client else connect()
    task = asyncio.create_task(first.create_case(new_case(), key="k"))
    while not creates(tenant):  # noqa: ASYNC110  (the tenant has no event for it)
        await asyncio.sleep(0.01)
    with pytest.raises(KeyInUse, match="another call is at work on key 'k'"):
        await second.create_case(new_case(), key="k", wait=False)
    jump()
    case_id = await task
    assert await second.create_case(new_case(), key="k", wait=False) == case_id


async def test_a_search_takes_no_longer_than_the_caller_waits(
    tenant: Emulator, connect: Connect
) -> None:
    """A case that may show within minutes is an UnknownOutcome at once, which says in how many."""
    aicc = connect(list_lag=600, on_unknown="reconcile")
    tenant.fail("create", Fault.DROP_BEFORE)
    with pytest.raises(UnknownOutcome) as caught:
        await aicc.create_case(new_case(), key="k", max_wait=0)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 600
    assert caught.value.retryable
    with pytest.raises(ConfigError, match="max_wait must be a number from 0"):
        await aicc.create_case(new_case(), key="k", max_wait=-1)
    assert tenant.count() == 300


async def test_a_case_that_shows_is_found_without_a_wait(
    tenant: Emulator, connect: Connect
) -> None:
    """``max_wait=0`` looks once: what is in the list by then is the outcome."""
    aicc = connect(list_lag=600, on_unknown="reconcile")
    tenant.fail("create", Fault.DROP_AFTER)
    assert await aicc.create_case(new_case(), key="k", max_wait=0) in tenant.ids()


async def test_a_key_that_is_being_refused_may_get_another_record(
    tenant: Emulator, path: Path
) -> None:
    """Between its refusal and its release a call with the other record waits, and goes on then."""
    journal = SQLiteJournal(path)
    await journal.claim("k", digest="first", match_digest="first")
    await journal.reject("k", "ApiError")
    auth = StaticToken(tenant.token())
    async with AICCClient(tenant.url, auth=auth, journal=journal, timezone=SHANGHAI) as aicc:
        with pytest.raises(KeyInUse):
            await aicc.create_case(new_case(), key="k", wait=False)
        task = asyncio.create_task(aicc.create_case(new_case(), key="k"))
        await journal.entries()
        journal.release("k")
        assert await task in tenant.ids()


async def test_who_waits_goes_on_where_the_other_failed(
    tenant: Emulator, connect: Connect, jump: Jump
) -> None:
    """The first call ends in doubt, and the second one settles it."""
    calls = [connect().create_case(new_case(), key="k") for _ in range(2)]
    first, second = await asyncio.gather(
        create_despite(Fault.HANG_AFTER, tenant, jump, calls[0]),
        calls[1],
        return_exceptions=True,
    )
    assert {type(first), type(second)} == {UnknownOutcome, str}
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)


async def test_a_create_may_be_cancelled_at_any_moment(tenant: Emulator, connect: Connect) -> None:
    """However far it had come, the same key makes no second case afterwards."""
    aicc = connect(max_concurrency=100, list_lag=0.3)
    await aicc.create_case(new_case(), key="warm")

    async def cancelled(steps: int) -> None:
        new = new_case(title=f"{steps}")
        task = asyncio.create_task(aicc.create_case(new, key=f"k{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait([task])
        await aicc.create_case(new, key=f"k{steps}", wait=False)

    await asyncio.gather(*(cancelled(steps) for steps in range(60)))
    titles = sorted(row["title"] for row in tenant.rows()[-61:])
    assert titles == sorted(["Rechnung", *(f"{steps}" for steps in range(60))])
    assert tenant.count() == SEEDED + 61


async def test_a_client_closed_meanwhile_leaves_a_doubt(tenant: Emulator, connect: Connect) -> None:
    """The call ends with an error of ours, and the next client settles it."""
    tenant.latency = Latency(600)
    aicc = connect()
    task = asyncio.create_task(aicc.create_case(new_case(), key="k"))
    while not creates(tenant):  # noqa: ASYNC110  (the tenant has no event for it)
        await asyncio.sleep(0.01)
    await aicc.close()
    with pytest.raises(UnknownOutcome):
        await task
    await aicc.close()
    tenant.latency = None
    await connect().create_case(new_case(), key="k")
    assert (creates(tenant), tenant.count()) == (1, SEEDED + 1)
    with pytest.raises(ConfigError, match="the client is closed"):
        await aicc.create_case(new_case(), key="l")
    await aicc.close()


# ---- how long it waits ---------------------------------------------------------------------


class Service:
    """A list that shows a case so many seconds after it was sent: no socket would wait so long."""

    base_url = "https://host"
    profile = Profile()
    on_event = None
    protocol = CaseProtocol(RecordConverter(SHANGHAI), Dialect())

    def __init__(self, shows_after: float | None, *, moves_for: float = 0.0) -> None:
        self._shows_after = shows_after
        self._moves_for = moves_for  # seconds that its rows keep moving
        self._sent_at = 0.0
        self.looks: list[float] = []
        self.sends = 0

    def service_time(self) -> None:
        """Answer without a date."""

    def check_usable(self) -> None:
        """Accept every call."""

    async def create(self, _: NewCase, *, on_departure: object) -> str:
        """Lose the first answer."""
        assert on_departure
        self.sends += 1
        self._sent_at = asyncio.get_running_loop().time()
        if self.sends == 1:
            raise UnknownOutcome("lost", operation="create")
        return "second"

    async def rows(self, listing: Listing[Case], _: object, **_options: int) -> AsyncIterator[Case]:
        """Show the case when it is time."""
        passed = asyncio.get_running_loop().time() - self._sent_at
        self.looks.append(passed)
        if passed < self._moves_for:
            raise ExportError("the rows kept moving")
        if self._shows_after is not None and passed >= self._shows_after:
            yield Case(id="first", title="Rechnung", contact_id=listing.filters["contactId"])

    async def detail(self, case_id: str) -> CaseDetail:
        """Show it in detail."""
        return CaseDetail(case=CaseInfo(id=case_id, description="zu hoch"))

    def windows(self, _: CaseQuery) -> list[Window]:
        """Read everything at once."""
        return [Window()]

    async def create_once(self, list_lag: float) -> str:
        """Create the case by a key."""
        async with SQLiteJournal(":memory:") as journal:
            creator = Creator(api=cast("CaseApi", self), journal=journal, list_lag=list_lag)
            made = await creator.create(new_case(), key="k", on_unknown="reconcile", wait=True)
            return made.case_id


@pytest.mark.looptime
async def test_it_looks_for_three_minutes_with_growing_pauses() -> None:
    """A case that never shows is sent again after the lag, and the list is read a few times."""
    service = Service(None)
    assert await service.create_once(180) == "second"
    assert service.sends == 2
    assert service.looks[:3] == pytest.approx([0, 0.25, 0.75], abs=0.2)
    assert service.looks[-1] == pytest.approx(180, abs=0.5)
    assert len(service.looks) < 20


@pytest.mark.looptime
@pytest.mark.parametrize("after", [0, 1, 60, 179])
async def test_it_waits_no_longer_than_needed(after: float) -> None:
    """What shows within the lag is found at the next look, and is not sent again."""
    service = Service(after)
    assert await service.create_once(180) == "first"
    assert service.sends == 1
    assert after <= service.looks[-1] + 0.5 <= after + 31


@pytest.mark.looptime
async def test_what_shows_at_the_last_look_is_taken() -> None:
    """A case that the search missed, and that is dated where it looked, is the outcome."""

    class Late(Service):
        async def rows(
            self, listing: Listing[Case], _: object, **_options: int
        ) -> AsyncIterator[Case]:
            """Show the case at the second look."""
            self.looks.append(0)
            if len(self.looks) > 1:
                yield Case(id="first", title="Rechnung", contact_id=listing.filters["contactId"])

    service = Late(None)
    assert await service.create_once(0) == "first"
    assert (service.sends, len(service.looks)) == (1, 2)


@pytest.mark.looptime
async def test_rows_that_move_are_looked_at_again() -> None:
    """While others create as well, the list is read again; if it never settles, nothing is sent."""
    service = Service(0, moves_for=60)
    assert await service.create_once(180) == "first"
    restless = Service(0, moves_for=1000)
    with pytest.raises(UnknownOutcome, match="could not be looked for"):
        await restless.create_once(180)
    assert (service.sends, restless.sends) == (1, 1)


# ---- what is refused, and what is shown ----------------------------------------------------


@pytest.mark.parametrize("key", ["", "a\nb", "k" * 501, "\ud800", 5, b"k"])
async def test_a_bad_key_is_refused(key: Any, tenant: Emulator, connect: Connect) -> None:
    """It is refused before anything is written or sent."""
    wanted = r"key must be a printable string of 1 to 500 characters, got .+"
    with pytest.raises(ConfigError, match=wanted):
        await connect().create_case(new_case(), key=key)
    assert tenant.requests == []


async def test_a_key_needs_a_journal(tenant: Emulator, connect: Connect) -> None:
    """Nothing would remember it otherwise."""
    with pytest.raises(ConfigError, match="key must come with a journal"):
        await connect(journal=None).create_case(new_case(), key="k")
    assert tenant.requests == []


@pytest.mark.parametrize("lag", [-1, 86_401, float("nan"), "5", True])
def test_a_bad_lag_is_refused(lag: Any) -> None:
    """The error names the bounds and the value."""
    with pytest.raises(ConfigError) as caught:
        AICCClient("https://host", auth=StaticToken("t"), list_lag=lag)
    assert str(caught.value) == f"list_lag must be a number from 0 to 86400, got {lag!r}"


async def test_nobody_is_named_in_errors_or_in_the_journal(
    tenant: Emulator, connect: Connect, path: Path, jump: Jump
) -> None:
    """Neither title, text, phone nor contact are in what is raised or kept."""
    secrets = {"title": "Erika Muster", "description": "Heidestr. 17", "contact_phone": "+4930901"}
    new = new_case(**secrets, contact_id="person-4711", extra={REF: "IBAN-0815"})
    said = []
    aicc = connect(on_unknown="reconcile", list_lag=0)
    strangers = connect(journal=None)
    for _ in NOT_MADE:
        await strangers.create_case(new)
    await strangers.create_case(new)
    for number, fault in enumerate([*NOT_MADE, *MADE, Fault.BUSINESS_ERROR]):
        creating = aicc.create_case(new, key=f"k{number}", on_unknown="raise")
        with pytest.raises(AICCError) as caught:
            await create_despite(fault, tenant, jump, creating)
        said.append(f"{caught.value!r} {caught.value} {caught.value.__cause__!r}")
    with pytest.raises(UnknownOutcome) as unsure:
        await aicc.create_case(new, key="k0")
    said.append(f"{unsure.value!r} {unsure.value.__cause__!r}")
    with pytest.raises(ConfigError) as refused:
        await aicc.create_case(new_case(), key="k0")
    said.append(f"{refused.value!r}")
    kept = b"".join(file.read_bytes() for file in sorted(path.parent.glob("journal.db*")))
    assert kept.count(b"RequestTimeout")
    for secret in [*secrets.values(), "person-4711", "IBAN-0815"]:
        assert secret not in "\n".join(said)
        assert secret.encode() not in kept


# ---- what is pure --------------------------------------------------------------------------


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"])
def test_a_case_is_known_in_any_hour_of_the_year(zone: str, moment: datetime) -> None:
    """Also in one that the clock shows twice: a row has the wall-clock time alone."""
    told = moment.astimezone(ZoneInfo(zone)).replace(microsecond=0, fold=0)
    case = Case(id="c", title=" Rechnung", created_date=told)
    margin = timedelta(seconds=1)
    assert looks_like(case, new_case(), moment - margin, moment + margin)
    day = timedelta(days=1)
    assert not looks_like(case, new_case(), moment + day, moment + 2 * day)
    assert not looks_like(case, new_case(title="R"), moment - margin, moment + margin)
    assert not looks_like(case, new_case(), moment - 2 * day, moment - day)


def test_the_hour_that_is_shown_twice_is_either() -> None:
    """A case of the second showing, read as of the first, is within its window still."""
    berlin = ZoneInfo("Europe/Berlin")
    told = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = told.replace(fold=1).astimezone(UTC)
    case = Case(id="c", title="Rechnung", created_date=told)
    margin = timedelta(minutes=2)
    assert looks_like(case, new_case(), second - margin, second + margin)


@pytest.mark.parametrize(
    ("sent", "told", "differs"),
    [
        ({}, {"a": 1}, False),
        ({"a": 5}, {"a": "5"}, False),
        ({"a": True}, {"a": "true"}, False),
        ({"a": 5}, {}, False),
        ({"a": 5}, {"a": None}, False),
        ({"a": 5}, {"a": 6}, True),
        ({"a": 5, "b": "x"}, {"a": 5, "b": "y"}, True),
    ],
)
def test_extension_fields_differ_where_they_are_shown(
    sent: dict[str, Any], told: dict[str, Any], differs: bool
) -> None:
    """What is not shown says nothing, and a number may come back as a text."""
    assert extras_differ(sent, told) is differs
