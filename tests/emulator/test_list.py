"""The case list: requests, filters, pages, and what it shows of new cases."""

import functools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from emulator.bare_client import (
    FIRST_PAGE,
    BareClient,
    Wire,
    new_case,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async.emulator import Emulator
from aicc_async.emulator.data import seed
from aicc_async.emulator.data.store import Store
from aicc_async.emulator.operations.page_cache import PageCache
from aicc_async.emulator.operations.query import parse
from aicc_async.emulator.operations.service import CaseService
from aicc_async.emulator.options import PageRules

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time, as on the wire)
UNTIL = datetime(2026, 1, 1)  # noqa: DTZ001  (same)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Seed one store for the tests that only read."""
    filled = Store(":memory:")
    filled.seed(seed.seed_cases(400, since=SINCE, until=UNTIL, seed=3))
    yield filled
    filled.close()


@pytest.mark.parametrize(
    "body",
    [
        {"start": 0},
        {"limit": 1},
        {"start": -1, "limit": 1},
        {"start": 0, "limit": 0},
        {"start": 0, "limit": 101},
        {"start": "0", "limit": 1},
        {"start": 0, "limit": True},
        {"start": 10**30, "limit": 1},
        {"start": 0, "limit": 1, "startTime": "2025-01-01"},
        {"start": 0, "limit": 1, "endTime": "2025-02-30 00:00:00"},
        {"start": 0, "limit": 1, "startTime": "2025-01-01T00:00:00"},
        {"start": 0, "limit": 1, "title": "x" * 129},
        {"start": 0, "limit": 1, "status": 5},
        {"start": 0, "limit": 1, "isReopen": "true"},
    ],
)
async def test_bad_list_requests_are_refused(client: BareClient, body: Wire) -> None:
    """A violated bound, form of time or kind is a business error."""
    assert (await client.post("/case/list", body))["resCode"].startswith("40523000")


async def test_the_span_is_at_most_31_days(client: BareClient) -> None:
    """Exactly 31 days are accepted, and one-sided times; a second more is not."""
    start = "2025-01-01 00:00:00"
    assert await client.code(startTime=start, endTime="2025-02-01 00:00:00") == "0"
    over = await client.list_cases(startTime=start, endTime="2025-02-01 00:00:01")
    assert over["resCode"] == "405230004"
    assert await client.count(startTime=start) == 300
    assert await client.count(endTime=start) == 0


@pytest.mark.parametrize("start_inclusive", [True, False])
@pytest.mark.parametrize("end_inclusive", [True, False])
async def test_bounds(
    http: aiohttp.ClientSession, *, start_inclusive: bool, end_inclusive: bool
) -> None:
    """Each bound is inclusive or not, by the tenant's setting."""
    options = {"start_inclusive": start_inclusive, "end_inclusive": end_inclusive}
    async with Emulator(cases=0, **options) as tenant:  # type: ignore[arg-type]
        times = [f"2025-01-01 00:00:0{second}" for second in range(3)]
        first, middle, last = (tenant.insert(createdDate=when) for when in times)
        found = await BareClient(tenant, http).ids(startTime=times[0], endTime=times[2])
    assert found == [last] * end_inclusive + [middle] + [first] * start_inclusive


@pytest.mark.parametrize("newest_first", [True, False])
async def test_order_and_pages(http: aiohttp.ClientSession, *, newest_first: bool) -> None:
    """Pages follow createdDate, then id, and cover every row once."""
    async with Emulator(cases=250, newest_first=newest_first, until=SINCE + timedelta(1)) as tenant:
        client = BareClient(tenant, http)
        pages = [await client.ids(start=start) for start in (0, 100, 200, 300)]
        expected = tenant.ids()[::-1] if newest_first else tenant.ids()
    assert [case_id for page in pages for case_id in page] == expected
    assert [len(page) for page in pages] == [100, 100, 50, 0]


async def test_ties_are_broken_by_id(http: aiohttp.ClientSession) -> None:
    """Cases of one second are in the order of their ids, descending."""
    async with Emulator(cases=0) as tenant:
        for _ in range(20):
            tenant.insert(createdDate="2025-01-01 00:00:00")
        found = await BareClient(tenant, http).ids()
    assert found == sorted(found, reverse=True)


async def test_pages_are_clamped_silently(http: aiohttp.ClientSession) -> None:
    """A tenant may return fewer rows than requested, without an error."""
    async with Emulator(cases=30, max_limit=10) as tenant:
        client = BareClient(tenant, http)
        assert len(await client.ids(limit=100)) == 10
        assert len(await client.ids(limit=7)) == 7


FILTERS = (
    "status", "priority", "origin", "ownerId", "type", "contactId", "contactPhone", "creatorId",
    "caseNo", "queueId", "isReopen", "isDirectResponse", "AICC__region__CST", "AICC__score__CST",
    "state", "typeName",
)  # fmt: skip


# A busy machine is not a failure.
@settings(deadline=None)
@given(data=st.data())
def test_filters_agree_with_plain_python(store: Store, data: st.DataObject) -> None:
    """Any mix of filters finds what a loop over the rows finds, in the same order."""
    cases = rows_of(store)
    like = data.draw(st.sampled_from(cases))
    names = data.draw(st.sets(st.sampled_from(FILTERS), max_size=3))
    filters = {name: like[name] for name in names if like.get(name) is not None}
    times = data.draw(st.lists(st.sampled_from(cases), max_size=2))
    bounds = dict(zip(("startTime", "endTime"), (c["createdDate"] for c in times), strict=False))
    title = data.draw(st.one_of(st.none(), st.sampled_from(["a", like["title"][3:6], "订单"])))
    within_span(bounds)
    expected = [
        case["id"]
        for case in reversed(cases)
        if all(case.get(name) == value for name, value in filters.items())
        and bounds.get("startTime", "") <= case["createdDate"] <= bounds.get("endTime", "~")
        and (title or "") in case["title"]
    ]
    wire = filters | bounds | {"title": title, "start": 0, "limit": 100, "isExport": True}
    query = parse(json.dumps(wire).encode(), lower=">=", upper="<=")
    rows, count = store.page(query, newest_first=True)
    assert [json.loads(row)["id"] for row in rows] == expected[:100]
    assert count == len(expected)


@functools.cache
def rows_of(store: Store) -> list[Wire]:
    """Read all cases of the shared store once, with what the rows do not show."""
    found = [store.find(case_id) for case_id in store.ids(None, None)]
    return [{**one[0], **one[1]} for one in found if one]


def within_span(bounds: dict[str, str]) -> None:
    """Drop the start of a span that the tenant would refuse."""
    if len(bounds) == 2:
        start, end = (datetime.fromisoformat(bounds[key]) for key in ("startTime", "endTime"))
        if end - start > timedelta(days=31):
            del bounds["startTime"]


@pytest.mark.parametrize(
    ("value", "other"), [(1, True), (0, False), ("1", 1), ("x", "X"), ([1], [2]), ("a'b\"", "a")]
)
async def test_extension_fields_are_compared_exactly(
    client: BareClient, value: Any, other: Any
) -> None:
    """Extension fields match equal values of the same kind only, quotes and lists included."""
    wanted = client.tenant.insert(**{'a"b': value})
    client.tenant.insert(**{'a"b': other})
    assert await client.ids(**{'a"b': value}) == [wanted]


@pytest.mark.parametrize("key", ["classification", "resumenType", "isExport", "local"])
async def test_filters_without_a_documented_meaning(client: BareClient, key: str) -> None:
    """A filter that the documents do not explain leaves no row out."""
    filters: Wire = {key: "Todo"}
    assert await client.count(**filters) == 300


async def test_null_filters_are_ignored(client: BareClient) -> None:
    """A filter that is null leaves no row out."""
    assert await client.count(status=None, AICC__x__CST=None) == 300


async def test_a_cached_page_is_dropped_after_writes(client: BareClient) -> None:
    """The same request shows every write: create, modify, insert, delete."""
    count = 300
    for _ in range(2):
        assert await client.count() == count
    case_id = client.tenant.insert(createdDate="2031-01-01 00:00:00", title="old")
    assert (await client.ids())[0] == case_id
    change = {"id": case_id, "title": "new", "description": "d", "creatorId": "c"}
    await client.post("/case/modify", {"caseInfo": change})
    assert (await client.case_rows())[0]["title"] == "new"
    await client.post("/case", new_case())
    assert await client.count() == count + 2
    client.tenant.delete(case_id)
    assert case_id not in await client.ids()


async def test_a_list_lags_behind_creates(client: BareClient) -> None:
    """A created case has a detail at once, and is in rows and count only after the lag."""
    tenant = client.tenant
    when: Wire = {"startTime": "2026-01-01 00:00:00"}
    tenant.list_lag = 3600.0
    ids = [await client.create() for _ in range(2)]
    assert (await client.detail(ids[0]))["caseInfo"]["id"] == ids[0]
    for _ in range(2):
        assert (await client.list_cases(**when))["result"] == [{"caseList": [], "count": 0}]
        assert await client.count(**when, title="test") == 0
    assert len(tenant.ids()) == 302
    tenant.list_lag = 0.0
    assert set(await client.ids(**when)) == set(ids)
    tenant.list_lag = 3600.0
    assert set(await client.ids(**when)) == set(ids)


async def test_only_creates_lag(client: BareClient) -> None:
    """What a test inserts is listed at once, and a modify of an old case too."""
    client.tenant.list_lag = 3600.0
    case_id = client.tenant.insert(createdDate="2031-01-01 00:00:00", title="old")
    assert (await client.ids())[0] == case_id
    change = {"id": case_id, "title": "new", "description": "d", "creatorId": "c"}
    await client.post("/case/modify", {"caseInfo": change})
    assert (await client.case_rows())[0]["title"] == "new"


async def test_a_lagging_case_stays_hidden_though_it_is_changed(client: BareClient) -> None:
    """A hidden case stays hidden when it is modified or another one is deleted."""
    client.tenant.list_lag = 3600.0
    one, two = [await client.create() for _ in range(2)]
    change = {"id": one, "title": "new", "description": "d", "creatorId": "c"}
    await client.post("/case/modify", {"caseInfo": change})
    client.tenant.delete(two)
    assert await client.count() == 300
    client.tenant.list_lag = 0.0
    assert await client.count() == 301
    assert (await client.ids())[0] == one


@settings(deadline=None)
@given(
    lag=st.integers(0, 8),
    steps=st.lists(
        st.tuples(st.sampled_from(["create", "list"]), st.integers(0, 4)), min_size=1, max_size=30
    ),
)
def test_each_case_appears_when_its_lag_is_over(lag: int, steps: list[tuple[str, int]]) -> None:
    """A list has exactly the cases that are at least as old as the lag, in any order of steps."""
    clock = SimpleNamespace(now=1000.0)
    tenant, body = Emulator(cases=0, list_lag=lag), json.dumps(new_case()).encode()
    store = Store(":memory:")
    service = CaseService(store=store, seed=1, auto_assign_key=None)
    created: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        stopped = SimpleNamespace(monotonic=lambda: clock.now)
        patch.setattr("aicc_async.emulator.operations.service.time", stopped)
        for step, passes in steps:
            clock.now += passes
            if step == "create":
                service.create(body, tenant.quirks)
                created.append(clock.now)
            [result] = json.loads(service.list(FIRST_PAGE, PageRules.of(tenant)).body)["result"]
            visible = sum(clock.now - at >= lag for at in created)
            assert result["count"] == len(result["caseList"]) == visible
    store.close()


def test_a_negative_lag_is_refused() -> None:
    """A lag below 0 is an error."""
    with pytest.raises(ValueError, match="list_lag"):
        Emulator(list_lag=-1.0)


def test_the_page_cache_is_bounded() -> None:
    """A full cache starts again, and no page of another version is returned."""
    cache = PageCache(capacity=20)
    cache.put(b"a", b"x" * 10, 0)
    assert cache.get(b"a", 0) == b"x" * 10
    assert cache.get(b"a", 1) is None
    cache.put(b"b", b"y" * 10, 0)
    assert (cache.get(b"a", 0), cache.get(b"b", 0)) == (None, b"y" * 10)


async def test_the_callback_writes_between_pages(client: BareClient) -> None:
    """The callback is called after each page and before the next, with the page's number."""
    seen: list[int] = []

    def insert(tenant: Emulator, number: int) -> None:
        seen.append(number)
        tenant.insert(createdDate="2031-01-01 00:00:00")

    client.tenant.on_page(insert)
    counts = [await client.count() for _ in range(3)]
    client.tenant.on_page(None)
    await client.list_cases()
    assert (seen, counts) == ([1, 2, 3], [300, 301, 302])
