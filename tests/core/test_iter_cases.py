"""Reading ranges of any length through the client, against what the tenant's store holds."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
import pytest
from helpers import tenants
from helpers.raw import raw_batches
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from aicc_async import AICCClient, CaseQuery, StaticToken
from aicc_async._listing.windows import MAX_SPAN
from aicc_async.emulator import Emulator, Fault
from aicc_async.errors import ConfigError, DecodeError, ExportError, ServerError

BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)


def clock(*parts: int) -> datetime:
    """Make a wall-clock time."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


YEARS = (clock(2022, 1, 1), clock(2025, 1, 1))
SPRING = CaseQuery(start_time=clock(2025, 1, 1), end_time=clock(2025, 4, 1))


def pair(**options: Any) -> AbstractAsyncContextManager[tuple[Emulator, AICCClient]]:
    """Run a tenant of these years, and a client of it that has a token."""
    return tenants.pair(signs_in=False, **{"since": YEARS[0], "until": YEARS[1], **options})


async def ids(aicc: AICCClient, query: CaseQuery | None = None) -> list[str]:
    """Read the ids of a range, typed."""
    return [case.id async for case in aicc.iter_cases(query)]


async def raw_ids(aicc: AICCClient, query: CaseQuery | None = None) -> list[str]:
    """Read the ids of a range out of the rows as they came."""
    rows = [row async for batch in raw_batches(aicc, query) for _, row in batch.rows]
    return [msgspec.json.decode(bytes(row))["id"] for row in rows]


def truth(tenant: Emulator, start: datetime, end: datetime) -> list[str]:
    """Return the ids of the range, both of its seconds included, in order."""
    return sorted(tenant.ids(str(start), str(end)))


def fetching() -> set[asyncio.Task[object]]:
    """Tell the tasks that fetch pages ahead."""
    return {task for task in asyncio.all_tasks() if "Prefetch" in repr(task.get_coro())}


@pytest.mark.parametrize("start_inclusive", [True, False])
@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("newest_first", [True, False])
async def test_three_years_are_complete(
    *, start_inclusive: bool, end_inclusive: bool, newest_first: bool
) -> None:
    """Three years come out whole and once, however the service counts its bounds and orders."""
    bounds = {"start_inclusive": start_inclusive, "end_inclusive": end_inclusive}
    async with pair(cases=2500, newest_first=newest_first, **bounds) as (tenant, aicc):
        query = CaseQuery(start_time=YEARS[0], end_time=YEARS[1])
        edges = [str(window.end) for window in aicc.api.windows(query)]
        tenant.insert_many({"createdDate": edge} for edge in [str(YEARS[0]), *edges])
        found = await ids(aicc, query)
        assert len(found) == len(set(found))
        assert sorted(found) == truth(tenant, *YEARS)


@pytest.mark.parametrize(("start_inclusive", "end_inclusive"), [(True, True), (False, False)])
async def test_one_crowded_second_on_a_boundary(
    *, start_inclusive: bool, end_inclusive: bool
) -> None:
    """Five thousand rows of the one second where two windows meet come out once each."""
    bounds = {"start_inclusive": start_inclusive, "end_inclusive": end_inclusive}
    async with pair(cases=0, **bounds) as (tenant, aicc):
        edge = aicc.api.windows(SPRING)[0].end
        tenant.insert_many({"createdDate": str(edge)} for _ in range(5000))
        # Else nobody could tell 5,000 from a cap.
        other = tenant.insert(createdDate="2020-01-01 00:00:00")
        found = await raw_ids(aicc, SPRING)
        assert len(found) == 5000
        assert sorted([other, *found]) == sorted(tenant.ids())


async def test_a_range_of_one_crowded_second() -> None:
    """A range that is one second long gives all of its rows, and no others."""
    async with pair(cases=0) as (tenant, aicc):
        moment = clock(2025, 3, 4, 5, 6, 7)
        tenant.insert_many({"createdDate": str(moment)} for _ in range(1200))
        tenant.insert_many({"createdDate": str(moment + SECOND * step)} for step in (-1, 1))
        # Without another case nobody could tell the second's total from a cap.
        tenant.insert(createdDate="2020-01-01 00:00:00")
        found = await raw_ids(aicc, CaseQuery(start_time=moment, end_time=moment))
        assert sorted(found) == truth(tenant, moment, moment)


async def test_empty_months_stop_nothing() -> None:
    """Months without a case lie between those with some."""
    async with pair(cases=0) as (tenant, aicc):
        made = [tenant.insert(createdDate=f"{year}-06-15 12:00:00") for year in (2022, 2023, 2024)]
        query = CaseQuery(start_time=YEARS[0], end_time=YEARS[1])
        assert await ids(aicc, query) == made
        # a page of one row, and none longer known, might be all that the service gives at once
        assert len(tenant.requests) == len(aicc.api.windows(query)) + len(made)


@examples(max_examples=12, deadline=None)
@given(
    limit=st.integers(1, 100),
    cases=st.integers(0, 120),
    days=st.integers(0, 120),
    newest_first=st.booleans(),
)
async def test_any_range_at_any_page_size(
    *, limit: int, cases: int, days: int, newest_first: bool
) -> None:
    """Whatever the service gives at once, a range is read whole, or refused aloud."""
    since, until = clock(2025, 1, 1), clock(2025, 3, 1)
    options: dict[str, Any] = {"cases": cases, "since": since, "until": until}
    async with pair(max_limit=limit, newest_first=newest_first, **options) as (tenant, aicc):
        end = since + timedelta(days=days)
        try:
            found = await ids(aicc, CaseQuery(start_time=since, end_time=end))
        except ExportError:
            assert limit == 1
        else:
            assert sorted(found) == truth(tenant, since, end)


def churn(every: int, times: int) -> Callable[[Emulator, int], None]:
    """Delete a case and insert two after every so many pages, so many times."""

    def change(tenant: Emulator, page: int) -> None:
        if page % every == 0 and page <= every * times:
            stored = tenant.ids()
            tenant.delete(stored[page * 37 % len(stored)])
            tenant.insert(createdDate=f"2025-0{1 + page % 3}-{10 + page % 18} 12:00:00")
            tenant.insert(createdDate=f"2025-02-{10 + page % 18} 13:00:00")

    return change


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("every", [2, 5, 9])
async def test_rows_come_and_go_while_a_range_is_read(*, every: int, newest_first: bool) -> None:
    """Cases that stood throughout all come out once while others are inserted and deleted."""
    spring = {"since": clock(2025, 1, 1), "until": clock(2025, 4, 1)}
    async with pair(cases=3000, newest_first=newest_first, **spring) as (tenant, aicc):
        before = set(tenant.ids())
        tenant.on_page(churn(every, 6))
        found = await raw_ids(aicc, SPRING)
        assert len(found) == len(set(found))
        assert before & set(tenant.ids()) <= set(found)


async def test_rows_that_never_rest_are_told_of() -> None:
    """Under changes without end, the reading fails aloud, or warns and hands out what it can."""
    spring = {"since": clock(2025, 1, 1), "until": clock(2025, 1, 20)}
    async with pair(cases=900, **spring) as (tenant, aicc):
        tenant.on_page(churn(1, 10_000))
        with pytest.raises(ExportError, match=r"2024-12-31 23:59:59 to 2025-01-31"):
            await raw_ids(aicc, SPRING)
        with pytest.warns(RuntimeWarning, match="rows may be missing"):
            found = [case.id async for case in aicc.iter_cases(SPRING, strict=False)]
        assert len(found) == len(set(found)) > 800


async def test_an_open_end_is_now() -> None:
    """Without an end, everything from the start until now comes out."""
    async with pair(cases=40) as (tenant, aicc):
        now = tenant.insert()
        start = clock(2024, 6, 1)
        found = await ids(aicc, CaseQuery(start_time=start))
        assert sorted(found) == sorted(tenant.ids(str(start)))
        assert found[-1] == now


@pytest.mark.parametrize("query", [None, CaseQuery(), CaseQuery(end_time=clock(2023, 7, 1))])
async def test_without_a_start_one_window_is_read(query: CaseQuery | None) -> None:
    """Without a beginning, or without a range, all is read by offset, in the service's order."""
    async with pair(cases=700) as (tenant, aicc):
        end = query.end_time if query else None
        assert await ids(aicc, query) == tenant.ids(None, str(end) if end else None)[::-1]
        bodies = [msgspec.json.decode(call.body) for call in tenant.requests]
        assert not any("startTime" in body for body in bodies)


async def test_a_start_in_the_future_is_an_empty_range() -> None:
    """A range that begins tomorrow has no cases yet, and is no error."""
    async with pair(cases=5) as (_, aicc):
        assert await ids(aicc, CaseQuery(start_time=datetime.now(UTC) + timedelta(days=1))) == []


@pytest.mark.parametrize("aware", [True, False])
async def test_aware_and_naive_times_mean_the_same(*, aware: bool) -> None:
    """A naive time is the client's zone's; an aware one is turned into it."""
    start, end = clock(2023, 3, 1), clock(2023, 9, 1)
    async with pair(cases=500) as (tenant, aicc):
        zone = aicc.timezone
        times = [one.replace(tzinfo=zone).astimezone(UTC) if aware else one for one in (start, end)]
        found = await ids(aicc, CaseQuery(start_time=times[0], end_time=times[1]))
        assert sorted(found) == truth(tenant, start, end)


async def test_the_oldest_month_comes_first() -> None:
    """Windows come oldest first, and within one the service's order is kept."""
    async with pair(cases=600) as (tenant, aicc):
        query = CaseQuery(start_time=YEARS[0], end_time=YEARS[1])
        async with aclosing(raw_batches(aicc, query)) as batches:
            seen = [(batch.window, batch.done, bool(batch.rows)) async for batch in batches]
        windows = aicc.api.windows(query)
        assert [window for window, _, more in seen if not more] == windows
        assert [done for _, done, more in seen if not more] == list(range(1, len(windows) + 1))
        found = await ids(aicc, CaseQuery(start_time=YEARS[0], end_time=YEARS[0] + MAX_SPAN))
        assert found == truth_in_order(tenant, YEARS[0], YEARS[0] + MAX_SPAN)


def truth_in_order(tenant: Emulator, start: datetime, end: datetime) -> list[str]:
    """Tell the ids of a range, newest first."""
    return tenant.ids(str(start), str(end))[::-1]


def berlin(hour: int, minute: int, *, fold: int = 0) -> datetime:
    """Make a time of the night in which Berlin's clock goes back from 3 to 2."""
    return datetime(2025, 10, 26, hour, minute, tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (berlin(2, 30), berlin(2, 10, fold=1), {"02:00", "02:05", "02:40", "02:59"}),
        (berlin(2, 30), berlin(5, 0), {"02:00", "02:05", "02:20", "02:40", "02:59", "03:00"}),
        (berlin(0, 0), berlin(2, 10, fold=1), {"01:59", "02:00", "02:20", "02:40", "02:59"}),
        (berlin(2, 10, fold=1), berlin(5, 0), {"02:20", "02:40", "02:59", "03:00"}),
        (berlin(0, 0), berlin(2, 10), {"01:59", "02:00", "02:05"}),
    ],
)
async def test_the_hour_that_is_shown_twice(
    start: datetime, end: datetime, inside: set[str]
) -> None:
    """A range that begins or ends in the repeated hour misses no time that its clock shows."""
    shown = ("00:30", "01:59", "02:00", "02:05", "02:20", "02:40", "02:59", "03:00", "04:30")
    async with pair(cases=0, timezone="Europe/Berlin") as (tenant, aicc):
        made = {tenant.insert(createdDate=f"2025-10-26 {time}:00"): time for time in shown}
        query = CaseQuery(start_time=start.astimezone(UTC), end_time=end.astimezone(UTC))
        found = {made[one] for one in await ids(aicc, query)}
        assert found >= inside
        assert ("00:30" in found) == (start.hour == 0)
        assert ("04:30" in found) == (end.hour == 5)


async def test_windows_across_the_clock_going_back_are_complete() -> None:
    """A year in a zone with two clock changes comes out whole, and no window is refused."""
    year = {"since": clock(2024, 1, 1), "until": clock(2025, 1, 1)}
    async with pair(cases=900, timezone="Europe/Berlin", **year) as (tenant, aicc):
        start, end = (one.replace(tzinfo=BERLIN) for one in year.values())
        found = await raw_ids(aicc, CaseQuery(start_time=start, end_time=end))
        assert sorted(found) == sorted(tenant.ids())


EAST, WEST = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/Santiago")
FIRST, LAST = clock(1, 1, 1), clock(9999, 12, 31, 23, 59, 59)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (FIRST, clock(1, 2, 1)),
        (FIRST.replace(tzinfo=EAST), None),
        (FIRST.replace(tzinfo=UTC), clock(1, 2, 1).replace(tzinfo=UTC)),
        (clock(9999, 1, 1), LAST.replace(tzinfo=UTC)),
        (LAST, LAST.replace(tzinfo=WEST)),
        (LAST, None),
    ],
)
@pytest.mark.parametrize("zone", [EAST, WEST])
def test_the_ends_of_the_calendar(start: datetime, end: datetime | None, zone: ZoneInfo) -> None:
    """A range at the ends of the calendar gives windows, or is refused where it has no times."""
    client = AICCClient("https://host.invalid", auth=StaticToken("t"), timezone=zone)
    query = CaseQuery(start_time=start, end_time=end)
    try:
        windows = client.api.windows(query)
    except ConfigError as error:
        assert "calendar" in str(error)  # noqa: PT017  (either is right, by zone)
    else:
        assert all(one.start and one.end and one.start <= one.end for one in windows)


def test_windows_overlap_and_are_short_enough() -> None:
    """Neighbours share two seconds, so that the one in the middle is in one whatever the bounds."""
    client = AICCClient("https://host.invalid", auth=StaticToken("t"))
    windows = client.api.windows(CaseQuery(start_time=YEARS[0], end_time=YEARS[1]))
    # With a second more at either end.
    assert (windows[0].start, windows[-1].end) == (YEARS[0] - SECOND, YEARS[1] + SECOND)
    for one, following in pairwise(windows):
        assert one.start is not None
        assert one.end is not None
        assert following.start == one.end - SECOND
        assert one.end - one.start <= MAX_SPAN


async def test_rows_are_the_services_own_bytes() -> None:
    """Raw rows hold the same values as the store, each on one line."""
    async with pair(cases=250) as (tenant, aicc):
        rows = [bytes(row) async for batch in raw_batches(aicc) for _, row in batch.rows]
        assert not any(b"\n" in row for row in rows)
        assert [msgspec.json.decode(row) for row in rows] == tenant.rows()[::-1]


async def leave(aicc: AICCClient) -> None:
    """Break out of the loop."""
    async with aclosing(aicc.iter_cases()) as cases:
        async for _ in cases:
            break


async def fail(aicc: AICCClient) -> None:
    """Raise in the loop's body."""
    with pytest.raises(KeyError):  # noqa: PT012  (the loop is what is tested)
        async with aclosing(aicc.iter_cases()) as cases:
            async for case in cases:
                raise KeyError(case.id)


async def cancel(aicc: AICCClient) -> None:
    """Cancel the reader after its first row."""
    began = asyncio.Event()

    async def body() -> None:
        async for _ in aicc.iter_cases():
            began.set()

    reader = asyncio.create_task(body())
    await began.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


@pytest.mark.parametrize("end", [leave, fail, cancel])
async def test_nothing_stays_behind(end: Callable[[AICCClient], Any]) -> None:
    """A reading that is left has no task and no connection any more, and troubles nobody."""
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    async with Emulator(cases=3000) as tenant, aiohttp.ClientSession() as http:
        auth = StaticToken(tenant.token())
        async with AICCClient(tenant.url, auth=auth, session=http) as aicc:
            await end(aicc)
            assert isinstance(http.connector, aiohttp.TCPConnector)
            assert not http.connector._acquired
            assert not fetching()
            assert (await aicc.list_cases(limit=1)).count == 3000
    assert not troubles


async def test_a_plain_break_is_cleaned_up_too() -> None:
    """Without aclosing, the fetching ends soon after, and closing the client meanwhile is safe."""
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    async with Emulator(cases=3000) as tenant:
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            async for _ in aicc.iter_cases():
                break
            assert fetching()
        if left := fetching():
            await asyncio.wait(left)
        assert not fetching()
    assert not troubles


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.HTML_200, DecodeError), (Fault.HTTP_500, ServerError)]
)
async def test_a_page_that_fails_ends_the_reading(fault: Fault, error: type[Exception]) -> None:
    """When a page can't be had, the rows before it come out, then the error, and no task stays."""
    async with pair(cases=3000) as (tenant, aicc):
        tenant.on_page(
            lambda tenant, page: tenant.fail("list", fault, times=None) if page == 4 else 0
        )
        found = []
        with pytest.raises(error):  # noqa: PT012  (rows, then the error)
            async for case in aicc.iter_cases():
                found.append(case.id)  # noqa: PERF401  (what came before the error counts)
        assert found == tenant.ids()[::-1][: len(found)]
        assert len(found) >= 100
        assert not fetching()


async def test_a_page_that_fails_once_is_asked_for_again() -> None:
    """Faults that pass cost a retry, not a row."""
    async with pair(cases=1500) as (tenant, aicc):
        for fault in (Fault.HTTP_502, Fault.DROP_AFTER, Fault.CUT_BODY):
            tenant.fail("list", fault)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert sorted(await ids(aicc)) == sorted(tenant.ids())
        assert aicc.stats.retries == 3
