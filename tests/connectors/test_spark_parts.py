"""What the Spark source is made of, without Spark: options, parts, filters, steps."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from helpers.list_requests import list_bodies
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    AuthError,
    CaseQuery,
    ConfigError,
    ExportError,
    StaticToken,
    export_cases,
)
from aicc_async._listing.windows import Window, bisect, split
from aicc_async._listing.zones import SECOND, shown_from, wall
from aicc_async.connectors._shared_token import _KEPT, accept_token
from aicc_async.connectors.spark.filters import find_any_of, has_empty_range, narrow_query
from aicc_async.connectors.spark.loop import iterate
from aicc_async.connectors.spark.options import Source, source_from_options
from aicc_async.connectors.spark.plan import (
    ColumnText,
    Part,
    batch_end,
    plan_listing,
    to_parts,
)
from aicc_async.connectors.spark.rows import record_batches
from aicc_async.emulator import Emulator, Quirks
from aicc_async.export.record_batches import ROWS_PER_BATCH
from aicc_async.settings.profile import Profile

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock times)
TENANT = {"base_url": "https://aicc.example"}
NAMES = ["since", "until", "extra", "rate", "concurrency", "strict", "settle", "max_days", "type"]
moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001  (same)


@st.composite
def neighbours(draw: st.DrawFn) -> list[Window]:
    """Draw a range as planning cuts it: in spans, some of them halved again and again."""
    end = START + draw(st.integers(0, 60)) * SECOND
    span = draw(st.integers(3, 90)) * SECOND
    windows = list(split(START, end, ZONE, span))
    for _ in range(draw(st.integers(0, 20))):
        place = draw(st.integers(0, len(windows) - 1))
        windows[place : place + 1] = bisect(windows[place]) or [windows[place]]
    return windows


def readers(several: Sequence[Part], moment: datetime, *, first: bool, last: bool) -> list[Window]:
    """Return which parts keep a row, where bounds are inclusive or not."""

    def lists(window: Window | None) -> bool:
        if window is None or window.start is None or window.end is None:
            return False
        return window.start - first * SECOND < moment < window.end + last * SECOND

    return [part.window for part in several if lists(part.window) and not lists(part.before)]


@given(neighbours(), st.booleans(), st.booleans(), st.integers(0, 60))
def test_a_row_is_kept_by_one_part(
    windows: list[Window], first: bool, last: bool, second: int
) -> None:
    """Whatever the windows and however the service reads their bounds, each row comes once."""
    moment = START + second * SECOND
    end = windows[-1].end or START
    within = START - first * SECOND < moment < end + last * SECOND

    assert len(readers(to_parts(windows), moment, first=first, last=last)) == within


@given(st.booleans(), st.booleans(), st.integers(-5, 40), st.lists(st.integers(1, 9), min_size=1))
def test_a_row_is_in_one_batch_of_a_stream(
    first: bool, last: bool, second: int, lengths: list[int]
) -> None:
    """Ranges that go on from each other share no row, and leave none out."""
    moment, begin, several = START + second * SECOND, START, list[Part]()
    for length in lengths:
        end, goes_on = begin + length * SECOND, begin != START
        windows = list(split(begin - goes_on * SECOND, end, ZONE))
        several += to_parts(windows, Window(begin - SECOND, begin) if goes_on else None)
        begin = end
    within = START - first * SECOND < moment < begin + last * SECOND

    assert len(readers(several, moment, first=first, last=last)) == within


@given(
    st.sampled_from(["Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "Asia/Shanghai"]),
    st.datetimes(datetime(2025, 4, 5), datetime(2025, 4, 7))  # noqa: DTZ001  (in UTC, as all here)
    | st.datetimes(datetime(2025, 10, 25), datetime(2025, 10, 27)),  # noqa: DTZ001
    st.integers(0, 3 * 3600),
)
def test_no_time_before_an_offset_is_shown_again(name: str, moment: datetime, later: int) -> None:
    """Clocks may be put back: an offset is a time that is shown, and none before it comes again."""
    zone, moment = ZoneInfo(name), moment.replace(microsecond=0, tzinfo=UTC)
    found = shown_from(moment, zone)
    after = moment + later * SECOND
    shown = [moment + n * 60 * SECOND for n in range(3 * 60)]

    assert found <= wall(after, zone)
    assert found <= shown_from(after, zone)
    assert min(wall(each, zone) for each in shown) - found < 60 * SECOND


async def test_a_listing_is_cut_evenly() -> None:
    """Busy months are cut smaller than quiet ones, all within the range, none far too large."""
    async with Emulator(cases=5000, since=START, until=datetime(2025, 2, 1)) as tenant:  # noqa: DTZ001
        tenant.insert_many([{"createdDate": f"2025-01-06 09:00:{n:02}"} for n in range(50)])
        async with client(tenant) as aicc:
            query = CaseQuery(start_time=START, end_time=datetime(2025, 6, 30))  # noqa: DTZ001
            found = await plan_listing(aicc.api, query, rows_per_task=700)
        sizes = [len(tenant.ids(str(part.window.start), str(part.window.end))) for part in found]

    assert sum(sizes) >= 5050
    assert max(sizes) <= 700
    assert len(found) >= 8
    assert found[0].before is None
    assert all(b.before == Window(b.window.start, a.window.end) for a, b in pairwise(found))


async def test_an_open_range_begins_with_the_first_case(tenant: Emulator) -> None:
    """Without a beginning, the parts begin within a month of the first case, and end now.

    Where the last months are empty they end before these.
    """
    async with client(tenant) as aicc:
        before = await plan_listing(aicc.api, CaseQuery(), rows_per_task=1000)
    tenant.insert()
    async with client(tenant) as aicc:
        found = await plan_listing(aicc.api, CaseQuery(), rows_per_task=1000)
        now = datetime.now(aicc.timezone).replace(tzinfo=None)

    assert found[0].window.start is not None
    assert found[-1].window.end is not None
    oldest = datetime.fromisoformat(tenant.rows()[0]["createdDate"])
    assert timedelta(0) <= oldest - found[0].window.start <= timedelta(31)
    assert abs(found[-1].window.end - now) < timedelta(minutes=1)
    assert before[-1].window.end is not None
    newest = datetime.fromisoformat(tenant.rows()[-2]["createdDate"])
    assert timedelta(0) < before[-1].window.end - newest <= timedelta(31)


async def test_no_cases_are_one_part_at_most(tenant: Emulator) -> None:
    """A tenant without cases is still asked, and not for every month since the beginning."""
    for row in tenant.rows():
        tenant.delete(row["id"])
    async with client(tenant) as aicc:
        [part] = await plan_listing(aicc.api, CaseQuery(), rows_per_task=1000)

    assert part.window.start is None


async def test_no_part_is_deeper_than_offsets_are_answered(tenant: Emulator) -> None:
    """What the profile knows of deep offsets bounds the size of parts."""
    tenant.quirks = Quirks(deepest_start=100)
    async with client(tenant, profile=Profile(deepest_start=100)) as aicc:
        found = await plan_listing(aicc.api, CaseQuery(start_time=START), rows_per_task=1000)

    sizes = [len(tenant.ids(str(part.window.start), str(part.window.end))) for part in found]
    assert max(sizes) <= 100


@pytest.mark.parametrize(("max_days", "days"), [(3, 3), (31, 10), (10**20, 10)])
async def test_a_batch_has_so_many_days_at_most(tenant: Emulator, max_days: int, days: int) -> None:
    """It ends where its range does when that is shorter, be the bound however large."""
    async with client(tenant) as aicc:
        end = await batch_end(
            aicc.api,
            CaseQuery(),
            START,
            START + timedelta(days=10),
            max_days=max_days,
            max_rows=1000,
        )

    assert end == START + timedelta(days=days)


def client(tenant: Emulator, **options: Any) -> AICCClient:
    """Make a client of a tenant."""
    environ = {"AICC_BASE_URL": tenant.url, "AICC_ACCESS_TOKEN": tenant.token()}
    return AICCClient.from_env(environ, **options)


def test_options_are_filters_by_either_name() -> None:
    """Spark tells names in lower case: Python names and the wire's are known all the same."""
    options = {
        "priority": "High",
        "contactid": "c1",
        "owner_id": "o1",
        "isreopen": "TRUE",
        "since": "2025-01-01",
        "until": "2025-12-31",
        "extra": '{"AICC__region__CST": "north"}',
    }

    assert source_from_options(TENANT | options, {}).query == CaseQuery(
        priority="High",
        contact_id="c1",
        owner_id="o1",
        is_reopen=True,
        start_time=START,
        end_time=datetime(2025, 12, 31, 23, 59, 59),  # noqa: DTZ001
        extra={"AICC__region__CST": "north"},
    )


def test_settings_go_before_variables() -> None:
    """What an option says is kept; what none says is taken from the environment."""
    environ = {"AICC_BASE_URL": "https://other", "AICC_TIMEZONE": "UTC", "AICC_RATE_LIMIT": "3"}
    options = {"rate": "600/60", "concurrency": "2", "settle": "30s", "strict": "false"}
    source = source_from_options(TENANT | options, environ)

    assert source.base_url == "https://aicc.example"
    assert source.settings["timezone"] == "UTC"
    assert source.settings["max_concurrency"] == 2
    assert (source.settings["rate_limit"].limit, source.settings["rate_limit"].per) == (600, 60)
    assert (source.settle, source.strict) == (timedelta(seconds=30), False)
    assert source_from_options({}, environ).base_url == "https://other"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, r"option must be one of .*priority.*, got 'colour'"),
        ({"ownerid": "a", "owner_id": "b"}, "owner_id must be set by one name, got two"),
        ({"since": "soon"}, "since must be a time such as 2025-01-31 .*, got 'soon'"),
        ({"extra": "[1]"}, "extra must be a JSON object"),
        ({"extra": '{"x'}, "extra must be a JSON object"),
        ({"contactPhone".lower(): "1"}, "^contactphone must be set in the option secret_filters"),
        (
            {"title": "hush"},
            "^title must be set in the option secret_filters, whose value Spark hides$",
        ),
        ({"rows_per_task": "0"}, "rows_per_task must be an integer >= 1, got 0"),
        ({"strict": "maybe"}, "strict must be one of true, false, got 'maybe'"),
        ({"concurrency": "0"}, "concurrency must be an integer >= 1, got 0"),
        ({"max_rows": "many"}, "max_rows must be an integer >= 1, got 'many'"),
        ({"max_rows": "9" * 5000}, "max_rows must be an integer >= 1, got '9999.*…"),
        ({"settle": "5"}, "settle must be a duration such as 5m or 30s, got '5'"),
        ({"settle": "1s"}, "settle must be at least 2 s, got 0:00:01"),
        ({"settle": "9999999999d"}, "settle must be at most 999999999 days, got '9999999999d'"),
        ({"redis_url": "redis://host"}, "rate must be set for a shared budget"),
        ({"rate": "5", "budget": "b"}, "redis_url must be set for a shared budget"),
        ({"rate": "5", "redis_url": "ftp://:hush@host"}, "^(?!.*hush)redis must be a URL"),
        ({"rate": "fast"}, "rate_limit must be like '10' or '600/60', got 'fast'$"),
        ({"owner_id": "x" * 21}, "owner_id"),
        ({"profile": "/nowhere/profile.toml"}, "cannot be read: FileNotFoundError$"),
        ({"base_url": ""}, "^AICC_BASE_URL must be set$"),
    ],
)
def test_options_that_can_not_be_right_are_refused(options: dict[str, str], message: str) -> None:
    """A ConfigError names the option and what it must be."""
    with pytest.raises(ConfigError, match=message):
        source_from_options(TENANT | options, {})


@given(st.sampled_from(NAMES) | st.text(), st.text() | st.integers().map(str))
def test_no_option_breaks_otherwise(name: str, value: str) -> None:
    """Whatever is given is taken, or a ConfigError."""
    options = {**TENANT, name: value}
    try:
        found = source_from_options(options, {})
    except ConfigError:
        return
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  (our own)


def test_a_budget_is_shared_by_all_tasks() -> None:
    """The rate is then that of a Redis, for bulk work, and it travels with the tasks."""
    given = {"redis_url": "redis://:hush@host", "budget": "tenant-a", "fallback_processes": "40"}
    source = pickle.loads(pickle.dumps(source_from_options(TENANT | given | {"rate": "50"}, {})))  # noqa: S301
    limit = source.settings["rate_limit"]

    assert (limit.limit, limit.priority) == (50, "bulk")
    assert (limit.shared.name, limit.shared.fallback_processes) == ("tenant-a", 40)
    assert "hush" in limit.shared.redis
    assert "hush" not in repr(source)


def test_a_profile_travels_with_the_tasks(tmp_path: Path) -> None:
    """It is read on the driver, be it named by an option or a variable."""
    file = tmp_path / "profile.toml"
    file.write_text('date_field = "other"')
    for options, environ in (({"profile": str(file)}, {}), ({}, {"AICC_PROFILE": str(file)})):
        source = source_from_options(TENANT | options, environ)
        assert source.settings["profile"] == Profile(date_field="other")


def test_secrets_are_in_no_repr() -> None:
    """Neither a secret nor what may be contact data is shown with a source."""
    given = {"client_id": "someone", "client_secret": "hush-1", "access_token": "hush-2"}
    source = source_from_options(
        TENANT
        | given
        | {"secret_filters": '{"title": "hush-3", "contactPhone": "hush-4", "x": "hush-5"}'},
        {},
    )

    assert source.credentials == given
    assert (source.query.title, source.query.contact_phone) == ("hush-3", "hush-4")
    assert source.query.extra == {"x": "hush-5"}
    assert "hush" not in repr(source)


async def signs_in_as(
    tenant: Emulator, options: dict[str, str], set_variables: Callable[..., None], **environ: str
) -> str:
    """Return what a source's client asks for a token with; "" when it has one."""
    set_variables(**environ)
    source: Source = source_from_options({"base_url": tenant.url, **options})
    async with source.client() as aicc:
        await aicc.list_cases()
    return "".join(r.body.decode() for r in tenant.requests if r.operation == "token")


async def test_credentials_come_from_options_or_the_environment(
    tenant: Emulator, set_variables: Callable[..., None]
) -> None:
    """Options go before variables, whatever their order is otherwise; a secret may be apart."""
    name, secret = tenant.client_id, tenant.client_secret
    used = await signs_in_as(tenant, {"access_token": tenant.token()}, set_variables)
    assert used == ""
    apart = {"AICC_CLIENT_SECRET": secret, "AICC_ACCESS_TOKEN": "stale"}
    used = await signs_in_as(tenant, {"client_id": name}, set_variables, **apart)
    assert f"client_id={name}" in used
    _KEPT.clear()
    used = await signs_in_as(
        tenant, {}, set_variables, AICC_CLIENT_ID=name, AICC_CLIENT_SECRET=secret
    )
    assert used.count(f"client_id={name}") == 2


async def test_a_process_signs_in_once(
    tenant: Emulator, set_variables: Callable[..., None]
) -> None:
    """Its clients use one token, renewed when it is refused; a wrong secret gets none."""
    right = {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    for _ in range(3):
        used = await signs_in_as(tenant, right, set_variables)
    assert used.count("client_id=") == 1
    tenant.expire_tokens()
    for _ in range(3):
        used = await signs_in_as(tenant, right, set_variables)
    assert used.count("client_id=") == 2
    with pytest.raises(AuthError):
        await signs_in_as(tenant, right | {"client_secret": "hush-hush"}, set_variables)


async def test_the_driver_s_token_is_for_all_tasks(tenant: Emulator) -> None:
    """A process without one uses it, keeps a later one, and shows neither."""
    options = {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    source = source_from_options({"base_url": tenant.url, **options}, {})

    def plan() -> list[Part]:
        return source.plan(partial(plan_listing, query=CaseQuery(), rows_per_task=1000))

    [part] = await asyncio.to_thread(plan)
    assert part.token
    later = evolve(part.token, token="later", ends_at=part.token.ends_at + 1)
    # As in a worker, which is another process.
    _KEPT.clear()
    async for _ in record_batches(source, pickle.loads(pickle.dumps(part))):  # noqa: S301  (ours)
        pass
    assert sum(each.operation == "token" for each in tenant.requests) == 1
    accept_token(later)
    accept_token(part.token)
    assert {later.key: later} == _KEPT
    assert part.token.token not in repr(part)
    assert part.token.token not in repr(part.token)
    assert tenant.client_secret not in repr(part.token)


async def record_batches_of(tenant: Emulator, part: Part) -> list[Any]:
    """Read a part of a tenant as a task does."""
    source = source_from_options({"base_url": tenant.url, "access_token": tenant.token()}, {})
    return [batch async for batch in record_batches(source, part)]


async def test_rows_come_some_thousand_at_a_time() -> None:
    """A large part is handed out in pieces, without the rows of the part before."""
    end = START + timedelta(31)
    async with Emulator(cases=4500, since=START, until=end) as tenant:
        middle = START + timedelta(8)
        batches = await record_batches_of(tenant, Part(Window(START, end), Window(START, middle)))
        others = tenant.ids(str(middle + SECOND))

    assert 0 < len(others) < 4500
    assert [batch.num_rows for batch in batches[:-1]] == [
        pytest.approx(ROWS_PER_BATCH, abs=100) for _ in batches[1:]
    ]
    assert sorted(row for batch in batches for row in batch["id"].to_pylist()) == sorted(others)


async def test_a_value_that_does_not_fit_is_no_null(tenant: Emulator) -> None:
    """It would change in silence: it is in extra, and a warning does not show it."""
    value = 2**53 + 1
    row_id = tenant.insert(createdDate=str(START), suspendAccumulatedTime=value)
    with pytest.warns(RuntimeWarning, match=rf"suspendAccumulatedTime .* {row_id}") as caught:
        batches = await record_batches_of(tenant, Part(Window(START, START + timedelta(31))))
    assert str(value) not in str(caught[0].message)
    [found] = [row for each in batches for row in each.to_pylist() if row["id"] == row_id]
    assert found["suspend_accumulated_time"] is None
    assert dict(found["extra"])["suspendAccumulatedTime"] == str(value)


@pytest.mark.parametrize(
    "quirks", [Quirks(max_count=300), Quirks(max_count=1000), Quirks(deepest_start=300)], ids=str
)
async def test_parts_lose_nothing_where_a_query_is_cut(quirks: Quirks) -> None:
    """Where a query gives so many rows at most, or refuses deep pages, all rows come, each once."""
    end = START + timedelta(90)
    async with Emulator(cases=4500, since=START, until=end, quirks=quirks) as tenant:
        async with client(tenant) as aicc:
            parts = await plan_listing(
                aicc.api, CaseQuery(start_time=START, end_time=end), rows_per_task=1000
            )
        batches = [batch for part in parts for batch in await record_batches_of(tenant, part)]
        found = sorted(row for batch in batches for row in batch["id"].to_pylist())
        assert found == sorted(tenant.ids())


async def test_tasks_do_not_ask_what_the_driver_knows(tenant: Emulator) -> None:
    """A part of many rows that is not all there is costs no request for its halves."""
    tenant.insert_many({"createdDate": "2025-01-05 12:00:00"} for _ in range(1200))
    async with client(tenant) as aicc:
        parts = await plan_listing(aicc.api, CaseQuery(start_time=START), rows_per_task=1000)
    planned = len(tenant.requests)
    for part in parts:
        await record_batches_of(tenant, part)
    assert not any(b'"limit":1}' in request.body for request in tenant.requests[planned:])
    assert any(b'"limit":1}' in request.body for request in tenant.requests[:planned])


@pytest.fixture(autouse=True)
def no_kept_token() -> Iterator[None]:
    """Let each test begin as a process does, without a token."""
    _KEPT.clear()
    yield
    _KEPT.clear()


async def read_all(tenant: Emulator, query: CaseQuery, **plan: Any) -> list[str]:
    """Plan and read a listing as driver and tasks do, and return the ids, sorted."""
    source = source_from_options({"base_url": tenant.url, "access_token": tenant.token()}, {})
    source = evolve(source, query=query)
    async with source.client() as aicc:
        parts = await plan_listing(aicc.api, query, **plan)
    batches = [batch for part in parts async for batch in record_batches(source, part)]
    return sorted(row for batch in batches for row in batch["id"].to_pylist())


async def count_export(tenant: Emulator, query: CaseQuery, folder: Path) -> int:
    """Return how many requests the export takes, without a sign-in, and forget them."""
    tenant.requests.clear()
    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
        await export_cases(aicc, query, folder / "cases.jsonl")
    sent = len(tenant.requests)
    tenant.requests.clear()
    return sent


@pytest.mark.parametrize(
    ("cases", "years"), [(20_000, 1), (2000, 8)], ids=["many cases", "many months"]
)
async def test_parts_take_as_few_requests_as_the_export(
    cases: int, years: int, tmp_path: Path
) -> None:
    """Planning and reading take at most 5 % more than the export, and planning few of them."""
    start = START.replace(year=START.year - years)
    query = CaseQuery(start_time=start, end_time=START)
    async with Emulator(cases=cases, since=start, until=START) as tenant:
        exported = await count_export(tenant, query, tmp_path)
        async with client(tenant) as aicc:
            await plan_listing(aicc.api, query, rows_per_task=10_000)
        planned = len(tenant.requests)
        tenant.requests.clear()
        found = await read_all(tenant, query, rows_per_task=10_000)
        assert found == sorted(tenant.ids())
        assert planned <= 10
        assert len(tenant.requests) <= 1.05 * exported


@pytest.mark.parametrize("quirks", [Quirks(max_count=1000), Quirks(max_count=3000)], ids=str)
async def test_totals_that_say_nothing_lose_no_row(quirks: Quirks) -> None:
    """Where open ranges are capped, all rows come, each once."""
    end = START + timedelta(300)
    async with Emulator(cases=3000, since=START, until=end, quirks=quirks) as tenant:
        found = await read_all(tenant, CaseQuery(start_time=START, end_time=end), rows_per_task=500)
        assert found == sorted(tenant.ids())


async def test_a_long_part_compares_each_row_with_its_window() -> None:
    """A filter by another date is noticed though all rows were created within the part."""
    end = START + timedelta(300)
    quirks = Quirks(date_field="modifiedDate")
    async with Emulator(cases=500, since=START, until=end, quirks=quirks) as tenant:
        source = source_from_options({"base_url": tenant.url, "access_token": tenant.token()}, {})
        part = Part(Window(START, end))
        with pytest.raises(ExportError, match="the service filters by another date"):
            async for _ in record_batches(evolve(source, by_date=True), part):
                pass


def texts_of(column: str, *texts: str) -> tuple[ColumnText, ...]:
    """Return what a column is to have, as an ``IN`` says."""
    return tuple(ColumnText(column, text) for text in texts)


async def test_one_of_several_texts_is_asked_text_by_text() -> None:
    """Only rows with these are listed, each once; where all have one of them, all are listed."""
    end = START + timedelta(365)
    query = CaseQuery(start_time=START, end_time=end)
    async with Emulator(cases=9000, since=START, until=end) as tenant:
        two = texts_of("priority", "High", "Low")
        found = await read_all(tenant, query, rows_per_task=1000, any_of=two)
        rows = [row for row in tenant.rows() if row["priority"] in {"High", "Low"}]
        assert found == sorted(row["id"] for row in rows)
        assert 0 < len(rows) < 6000
        bodies = [each for each in list_bodies(tenant) if each["limit"] > 1]
        assert {each["priority"] for each in bodies} == {"High", "Low"}
        tenant.requests.clear()
        every = texts_of("priority", *{row["priority"] for row in tenant.rows()})
        assert len(await read_all(tenant, query, rows_per_task=1000, any_of=every)) == 9000
        assert not any("priority" in each for each in list_bodies(tenant) if each["limit"] > 1)


def test_several_texts_are_taken_where_they_are_sure() -> None:
    """Nulls are in no list; what an option says, is empty, too long or too many is left out."""
    taken = spark_filter("In", "priority", ("High", None, "Low", "High"))
    found = find_any_of(CaseQuery(), [spark_filter("In", "title", ("a", "b")), taken])
    assert found == texts_of("priority", "High", "Low")
    assert "High" not in repr(found)
    assert find_any_of(CaseQuery(priority="Low"), [taken]) == ()
    for texts in (("a", ""), ("a", "x" * 21), tuple(map(str, range(21)))):
        assert find_any_of(CaseQuery(), [spark_filter("In", "owner_id", texts)]) == ()


def spark_filter(kind: str, column: str, value: object) -> object:
    """Make a filter as Spark hands it over: known by the name of its class."""
    made = type(kind, (SimpleNamespace,), {})
    found: object = made(attribute=(column,), value=value)
    return found


KEPT = {
    "EqualTo": lambda a, b: a == b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanOrEqual": lambda a, b: a >= b,
    "LessThan": lambda a, b: a < b,
    "LessThanOrEqual": lambda a, b: a <= b,
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(KEPT)), moments), max_size=4),
    st.none() | moments,
    st.none() | moments,
    moments,
)
def test_a_range_leaves_out_no_row_that_spark_keeps(
    wanted: list[tuple[str, datetime]],
    since: datetime | None,
    until: datetime | None,
    created: datetime,
) -> None:
    """A case that the options and all filters keep is strictly within the narrowed range."""
    aware = [(kind, moment.replace(tzinfo=UTC)) for kind, moment in wanted]
    moment = created.replace(tzinfo=UTC)
    given_range = [each and each.replace(tzinfo=UTC) for each in (since, until)]
    query = CaseQuery(start_time=given_range[0], end_time=given_range[1])
    filters = [spark_filter(kind, "created_date", value) for kind, value in aware]
    found = narrow_query(query, filters, ZONE, by_date=True)

    kept = all(KEPT[kind](moment, value) for kind, value in aware)
    if kept and (not given_range[0] or given_range[0] < moment):
        assert found.start_time is None or found.start_time < moment
    if kept and (not given_range[1] or moment < given_range[1]):
        assert found.end_time is None or moment < found.end_time
    assert narrow_query(query, filters, ZONE, by_date=False) == query


def test_only_what_is_sure_is_asked_of_the_service() -> None:
    """Whole texts are; what an option says already, is empty, too long or another kind is not."""
    query = CaseQuery(origin="Email")
    filters = [
        spark_filter("EqualTo", "priority", "High"),
        spark_filter("EqualNullSafe", "owner_id", "o1"),
        spark_filter("EqualTo", "origin", "Voice"),
        spark_filter("EqualTo", "status", ""),
        spark_filter("EqualTo", "type", "x" * 21),
        spark_filter("EqualTo", "creator_id", 5),
        spark_filter("EqualTo", "title", "a part of a title"),
        spark_filter("StringContains", "contact_id", "c"),
        spark_filter("EqualTo", "created_date", "2025-01-01"),
        spark_filter("GreaterThan", "due_date", START),
        spark_filter("Not", "case_no", None),
    ]

    found = narrow_query(query, filters, ZONE, by_date=True)
    assert found == CaseQuery(origin="Email", priority="High", owner_id="o1")


@pytest.mark.parametrize("moment", [datetime.min, datetime.max], ids=["first", "last"])  # noqa: DTZ901
def test_the_ends_of_the_calendar_are_no_bounds(moment: datetime) -> None:
    """A filter by a time that has no second before or after it is left to Spark."""
    filters = [spark_filter("EqualTo", "created_date", moment.replace(tzinfo=UTC))]

    assert narrow_query(CaseQuery(), filters, ZONE, by_date=True) == CaseQuery()


def test_a_range_may_be_empty() -> None:
    """An end before the beginning is seen over zones; open ranges are never empty."""
    later = datetime(2025, 1, 1, 0, 30, tzinfo=UTC)
    assert not has_empty_range(CaseQuery(start_time=later), ZONE)
    assert has_empty_range(CaseQuery(start_time=later, end_time=START + 30 * 60 * SECOND), ZONE)
    assert not has_empty_range(CaseQuery(start_time=START, end_time=later), ZONE)


async def counting(closed: list[str]) -> AsyncGenerator[int]:
    """Count for ever, and note when that is over."""
    try:
        for number in range(1000):
            await asyncio.sleep(0)
            yield number
    finally:
        closed.append("counting")


def test_steps_come_in_order_and_end_early() -> None:
    """A caller that breaks off ends the generator at once, and its loop's thread."""
    closed: list[str] = []
    steps = iterate(counting(closed))
    assert [next(steps), next(steps)] == [0, 1]
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed == ["counting"]
    assert "aicc-cases" not in {thread.name for thread in threading.enumerate()}
    assert list(iterate(counting(closed))) == list(range(1000))


def test_the_loop_goes_on_between_steps() -> None:
    """What is under way ends while the caller is busy elsewhere."""
    ended = threading.Event()

    async def work() -> None:
        await asyncio.sleep(0.001)
        ended.set()

    async def items() -> AsyncGenerator[int]:
        task = asyncio.create_task(work())
        yield 1
        await task

    steps = iterate(items())
    assert next(steps) == 1
    assert ended.wait(60)
    assert list(steps) == []


def test_an_error_comes_out_as_it_is() -> None:
    """What the generator raises is raised from the step, and nothing runs on."""

    async def items() -> AsyncGenerator[int]:
        yield 1
        raise ConfigError("no more")

    steps = iterate(items())
    assert next(steps) == 1
    with pytest.raises(ConfigError, match="no more"):
        next(steps)
    assert "aicc-cases" not in {thread.name for thread in threading.enumerate()}


def test_without_pyspark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the source is a ConfigError then."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ConfigError, match=r"pip install 'aicc-async\[spark\]'"):
        from aicc_async.connectors.spark import register  # noqa: F401, PLC0415
