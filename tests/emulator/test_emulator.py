"""The emulator against the samples that the published documents print, with a bare HTTP client."""

import asyncio
import functools
import json
import random
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from emulator.bare_client import (
    AICC_TYPE,
    FIRST_PAGE,
    FORM,
    JSON,
    LIST,
    OPENAPI,
    PLAIN_TYPE,
    BareClient,
    Wire,
    new_case,
    sample,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async.emulator import Emulator, Fault, Latency, run_in_thread
from aicc_async.emulator.data import arrivals, seed
from aicc_async.emulator.data.store import Store
from aicc_async.emulator.faults.answers import replacement_answer
from aicc_async.emulator.faults.quota import Quota
from aicc_async.emulator.faults.script import FAULTS_AFTER_WORK, Script
from aicc_async.emulator.http.routes import find_operation
from aicc_async.emulator.operations.page_cache import PageCache
from aicc_async.emulator.operations.query import parse
from aicc_async.emulator.operations.service import CaseService
from aicc_async.emulator.options import PageRules

TOKEN = "/baas/auth/v1.0/oauth2/token"
SINCE = datetime(2025, 1, 1)  # noqa: DTZ001 -- wall-clock time, as on the wire
UNTIL = datetime(2026, 1, 1)  # noqa: DTZ001 -- same
CUTS = (Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.CUT_BODY)
HANGS = (Fault.HANG, Fault.HANG_AFTER)
STATUS = {
    Fault.HTTP_500: 500,
    Fault.HTTP_502: 502,
    Fault.HTTP_503: 503,
    Fault.HTTP_504: 504,
    Fault.HTTP_500_AFTER: 500,
    Fault.HTML_200: 200,
    Fault.BUSINESS_ERROR: 200,
    Fault.THROTTLED: 429,
    Fault.TOKEN_EXPIRED_401: 401,
    Fault.TOKEN_EXPIRED_200: 200,
    Fault.TOKEN_EXPIRED_500: 500,
    Fault.REDIRECT: 302,
    Fault.NOT_JSON: 200,
    Fault.BAD_TYPE: 200,
    Fault.GZIP_BOMB: 200,
}


def shape(value: Any) -> Any:
    """Reduce a value to its keys, in order, and the kinds of what is in it."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


def keys(value: Any) -> Any:
    """Reduce a value to its keys, in order, and nothing else: the samples' nulls hide kinds."""
    if isinstance(value, dict):
        return [(key, keys(inner)) for key, inner in value.items()]
    return [keys(inner) for inner in value] if isinstance(value, list) else None


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Keep one seeded store for the tests that only read."""
    filled = Store(":memory:")
    filled.seed(seed.seed_cases(400, since=SINCE, until=UNTIL, seed=3))
    yield filled
    filled.close()


# ---- shapes --------------------------------------------------------------------------------


async def test_create_answers_the_documented_shape(client: BareClient) -> None:
    """The sample request of document 000 is accepted, and answered like the sample."""
    answer = await client.post("/case", sample("000_create_request"))
    assert shape(answer) == shape(sample("000_create_response"))
    assert answer["resMsg"] == "Success"
    assert answer["result"]["caseId"] in client.tenant.ids()


async def test_list_answers_the_documented_shape(client: BareClient) -> None:
    """The sample request of document 001 gives two rows with the sample's keys in their order."""
    client.tenant.insert(createdDate="2030-01-01 00:00:00")
    client.tenant.insert(createdDate="2030-01-01 00:00:01")
    answer = await client.post("/case/list", sample("001_list_request"))
    assert keys(answer) == keys(sample("001_list_response"))
    assert answer["result"][0]["count"] == 302


async def test_list_answers_the_documented_kinds(client: BareClient) -> None:
    """A value that is not null in the sample is of the same kind in every row."""
    [known] = sample("001_list_response")["result"][0]["caseList"][:1]
    for row in await client.case_rows():
        for key, value in known.items():
            assert value is None or row[key] is None or type(row[key]) is type(value)


async def test_modify_answers_the_documented_shape(client: BareClient) -> None:
    """The sample request of document 002 is accepted, and answered without a result."""
    request = sample("002_modify_request")
    client.tenant.insert(id=request["caseInfo"]["id"])
    assert await client.post("/case/modify", request) == sample("002_modify_response")


async def test_detail_answers_the_documented_shape(client: BareClient) -> None:
    """The detail has every key of document 004's sample, nested twice as there."""
    case_id = client.tenant.insert()
    answer = await client.get(f"/case/{case_id}")
    assert keys(answer) == keys(sample("004_detail_response"))
    assert answer["resMsg"] == "成功"
    assert answer["result"][0]["caseInfo"]["id"] == case_id


async def test_enqueue_answers_the_record_with_its_number(client: BareClient) -> None:
    """The sample of document 003 comes back as it was sent, but for its CaseId."""
    request = sample("003_enqueue_request")
    for number in (1, 2):
        reply = await client.send("POST", "/API/Cases", request)
        assert reply.json() == sample("003_enqueue_response") | {"CaseId": number}
        assert reply.content_type == PLAIN_TYPE
    assert [record["CaseId"] for record in client.tenant.enqueued] == [1, 2]


@pytest.mark.parametrize("path", ["/case", "/case/list", "/case/modify"])
async def test_the_odd_content_type_is_answered(client: BareClient, path: str) -> None:
    """Every AICC answer carries the literal content type of the samples, refusals too."""
    reply = await client.send("POST", f"{OPENAPI}{path}", b"{}")
    assert reply.content_type == AICC_TYPE


async def test_an_unknown_path_is_not_found(client: BareClient) -> None:
    """A path that no document names is a 404."""
    assert (await client.send("POST", f"{OPENAPI}/cases", b"{}")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", TOKEN, "token"),
        ("POST", f"{OPENAPI}/case", "create"),
        ("POST", LIST, "list"),
        ("POST", f"{OPENAPI}/case/modify", "modify"),
        ("GET", f"{OPENAPI}/case/c6m8", "get"),
        ("GET", f"{OPENAPI}/case/", None),
        ("GET", f"{OPENAPI}/case/a/b", None),
        ("POST", "/API/Cases", "enqueue"),
    ],
)
def test_routes(method: str, path: str, operation: str | None) -> None:
    """Each documented path is one operation."""
    assert find_operation(method, path) == operation


# ---- signing in ----------------------------------------------------------------------------


def sign_in_form(tenant: Emulator, **changes: str) -> Wire:
    """Build the form of a token request."""
    return {
        "grant_type": "client_credentials",
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secret,
    } | changes


async def test_client_credentials_give_a_token_that_works(client: BareClient) -> None:
    """A token that was signed in for opens the interface, and says how long it lives."""
    async with client.http.post(
        f"{client.tenant.url}{TOKEN}", data=sign_in_form(client.tenant)
    ) as r:
        answer = await r.json()
    assert answer["expires_in"] == 7200
    assert answer["token_type"] == "Bearer"
    client.headers["access-token"] = answer["access_token"]
    assert await client.code() == "0"


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"grant_type": "password"}])
async def test_wrong_credentials_are_refused(client: BareClient, changes: dict[str, str]) -> None:
    """A wrong secret or grant is a 400 with an OAuth error."""
    form = sign_in_form(client.tenant, **changes)
    async with client.http.post(f"{client.tenant.url}{TOKEN}", data=form) as response:
        assert response.status == 400
        assert (await response.json()).keys() == {"error", "error_description"}


async def test_credentials_in_the_query_are_refused(client: BareClient) -> None:
    """Secrets in an address end in somebody's log: refused."""
    url = f"{client.tenant.url}{TOKEN}"
    async with client.http.post(url, params=sign_in_form(client.tenant)) as response:
        assert response.status == 400


@pytest.mark.parametrize("token", [None, "", "invented"])
async def test_a_bad_token_is_refused(client: BareClient, token: str | None) -> None:
    """A missing or unknown token is a 401 with the observed resCode."""
    client.headers = {"Content-Type": JSON} | ({} if token is None else {"access-token": token})
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert (reply.status, reply.json()["resCode"]) == (401, "405230602")


async def test_expired_tokens_are_refused(client: BareClient) -> None:
    """Tokens issued before expire_tokens are refused, later ones are not."""
    client.tenant.expire_tokens()
    assert await client.code() == "405230602"
    client.headers["access-token"] = client.tenant.token()
    assert await client.code() == "0"


async def test_a_token_lives_as_long_as_it_says(http: aiohttp.ClientSession) -> None:
    """A lifetime of nothing is over at once."""
    async with Emulator(cases=0, token_lifetime=0) as tenant:
        assert await BareClient(tenant, http).code() == "405230602"


# ---- create, modify, detail ----------------------------------------------------------------


async def test_created_fields_come_back(client: BareClient) -> None:
    """What a create sends is in the list and in the detail, extension fields included."""
    request = new_case(AICC__region__CST="north", title="größer 🎉")
    case_id = (await client.post("/case", request))["result"]["caseId"]
    detail = (await client.detail(case_id))["caseInfo"]
    [row] = await client.case_rows(title="größer 🎉")
    sent = {key: value for key, value in request["caseInfo"].items() if key != "isAutoAssigned"}
    assert sent.items() <= detail.items()
    assert row["AICC__region__CST"] == "north"
    assert "description" not in row


@pytest.mark.parametrize("key", ["title", "description", "type", "contactId", "creatorId"])
async def test_mandatory_fields_of_a_create(client: BareClient, key: str) -> None:
    """A create without a mandatory field is a business error with HTTP 200."""
    request = new_case()
    del request["caseInfo"][key]
    answer = await client.post("/case", request)
    assert answer["resCode"] == "405230002"
    assert client.tenant.count() == 300


@pytest.mark.parametrize(
    ("key", "most"), [("title", 128), ("description", 20_000), ("ownerId", 20), ("beId", 20)]
)
async def test_lengths_are_bytes(client: BareClient, key: str, most: int) -> None:
    """Lengths count bytes of UTF-8: two a letter here."""
    assert (await client.post("/case", new_case(**{key: "ä" * (most // 2)})))["resCode"] == "0"
    long = await client.post("/case", new_case(**{key: "ä" * (most // 2) + "a"}))
    assert long["resCode"] == "405230003"


@pytest.mark.parametrize("accepted", ["isAutoAssigned", "isAtuoAssigned", None])
async def test_the_auto_assign_flag(http: aiohttp.ClientSession, accepted: str | None) -> None:
    """Either spelling of the flag will do, unless the tenant requires one."""
    async with Emulator(cases=0, auto_assign_key=accepted) as tenant:
        client = BareClient(tenant, http)
        for key in ("isAutoAssigned", "isAtuoAssigned"):
            request = new_case()
            request["caseInfo"][key] = request["caseInfo"].pop("isAutoAssigned")
            answer = await client.post("/case", request)
            assert (answer["resCode"] == "0") is (accepted in {None, key})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"caseInfo":[]}',
        b'"x"',
        b'{"caseInfo":{"title":5}}',
        b'"\\ud800"',
        b'{"caseInfo":{"title":"\xff"}}',
    ],
)
@pytest.mark.parametrize("path", ["/case", "/case/modify"])
async def test_malformed_bodies_are_refused(client: BareClient, path: str, body: bytes) -> None:
    """A body that is not what the documents say is a business error, never a crash."""
    assert (await client.post(path, body))["resCode"].startswith("40523000")


@pytest.mark.parametrize("fields", [{"priority": 5}, {"dueDate": "tomorrow"}, {"origin": ["x"]}])
async def test_mistyped_fields_are_refused(client: BareClient, fields: Wire) -> None:
    """A text that is none, or a time in another form, is a business error."""
    assert (await client.post("/case", new_case(**fields)))["resCode"] == "405230001"


async def test_another_content_type_is_refused(client: BareClient) -> None:
    """The Content-Type header is mandatory in the documents."""
    headers = {"Content-Type": "text/plain"}
    assert (await client.send("POST", LIST, FIRST_PAGE, headers=headers)).status == 415


async def test_owners_are_assigned_on_request(client: BareClient) -> None:
    """A case gets an owner when it is to be assigned automatically, else none."""
    for flag in (True, False):
        answer = await client.post("/case", new_case(isAutoAssigned=flag))
        detail = await client.detail(answer["result"]["caseId"])
        assert (detail["caseInfo"]["ownerId"] is not None) is flag


async def test_modify_changes_what_it_is_given(client: BareClient) -> None:
    """Fields given change, extension fields too, all others stay, and filters see it."""
    case_id = client.tenant.insert(AICC__region__CST="north")
    before = (await client.detail(case_id))["caseInfo"]
    change = {"title": "changed", "description": "d", "creatorId": "c", "AICC__region__CST": "x"}
    await client.post("/case/modify", {"caseInfo": change | {"id": case_id, "caseNo": "9"}})
    after = (await client.detail(case_id))["caseInfo"]
    assert after == before | change
    assert await client.ids(AICC__region__CST="x", title="changed") == [case_id]


async def test_modify_of_an_unknown_case(client: BareClient) -> None:
    """There is no modify that creates."""
    request = sample("002_modify_request")
    assert (await client.post("/case/modify", request))["resCode"] == "405230404"


async def test_detail_of_an_unknown_case(client: BareClient) -> None:
    """An unknown id is a business error; ids are percent-decoded."""
    answer = await client.get("/case/no%2Fsuch%20case")
    assert answer == {"resCode": "405230404", "resMsg": "no case 'no/such case'"}


async def test_detail_takes_the_documented_body(client: BareClient) -> None:
    """Document 004 sends the id in a body too: read, and not looked at."""
    case_id = client.tenant.insert()
    reply = await client.send("GET", f"{OPENAPI}/case/{case_id}", sample("004_detail_request"))
    assert reply.json()["result"][0]["caseInfo"]["id"] == case_id


async def test_two_equal_creates_are_two_cases(client: BareClient) -> None:
    """There is no idempotency: sending again makes another case."""
    ids = {await client.create() for _ in range(3)}
    assert len(ids) == 3


# ---- the list ------------------------------------------------------------------------------


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
    """Bounds, times and kinds are checked: a business error each."""
    assert (await client.post("/case/list", body))["resCode"].startswith("40523000")


async def test_the_span_is_at_most_31_days(client: BareClient) -> None:
    """Exactly 31 days are accepted, a second more is not; one-sided times are."""
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
    """Both bounds are inclusive or not, as the tenant is set."""
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
    """A tenant may give fewer rows than were asked for, without a word."""
    async with Emulator(cases=30, max_limit=10) as tenant:
        client = BareClient(tenant, http)
        assert len(await client.ids(limit=100)) == 10
        assert len(await client.ids(limit=7)) == 7


FILTERS = (
    "status", "priority", "origin", "ownerId", "type", "contactId", "contactPhone", "creatorId",
    "caseNo", "queueId", "isReopen", "isDirectResponse", "AICC__region__CST", "AICC__score__CST",
    "state", "typeName",
)  # fmt: skip


@settings(deadline=None)  # a busy machine is no failure
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
    """Extension fields are found by equal values of the same kind, quotes and lists included."""
    wanted = client.tenant.insert(**{'a"b': value})
    client.tenant.insert(**{'a"b': other})
    assert await client.ids(**{'a"b': value}) == [wanted]


@pytest.mark.parametrize("key", ["classification", "resumenType", "isExport", "local"])
async def test_filters_without_a_documented_meaning(client: BareClient, key: str) -> None:
    """What the documents do not explain narrows nothing."""
    filters: Wire = {key: "Todo"}
    assert await client.count(**filters) == 300


async def test_null_filters_are_not_given(client: BareClient) -> None:
    """A filter that is null narrows nothing."""
    assert await client.count(status=None, AICC__x__CST=None) == 300


async def test_a_cached_page_is_dropped_after_writes(client: BareClient) -> None:
    """The same request sees every write: create, modify, insert, delete."""
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
    """A created case is in its detail at once, and in rows and count only without the lag."""
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
    """A modify or the order by modification brings no hidden case forth, nor does its absence."""
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
    """Whatever comes between, a list has exactly the cases that are as old as the lag."""
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
                service.create(body)
                created.append(clock.now)
            [result] = json.loads(service.list(FIRST_PAGE, PageRules.of(tenant)).body)["result"]
            visible = sum(clock.now - at >= lag for at in created)
            assert result["count"] == len(result["caseList"]) == visible
    store.close()


def test_a_lag_below_nothing() -> None:
    """A list does not run ahead."""
    with pytest.raises(ValueError, match="list_lag"):
        Emulator(list_lag=-1.0)


def test_the_page_cache_is_bounded() -> None:
    """A full cache starts again, and no page outlives its version."""
    cache = PageCache(capacity=20)
    cache.put(b"a", b"x" * 10, 0)
    assert cache.get(b"a", 0) == b"x" * 10
    assert cache.get(b"a", 1) is None
    cache.put(b"b", b"y" * 10, 0)
    assert (cache.get(b"a", 0), cache.get(b"b", 0)) == (None, b"y" * 10)


async def test_somebody_writes_between_pages(client: BareClient) -> None:
    """The callback comes after each page and before the next, with the page's number."""
    seen: list[int] = []

    def insert(tenant: Emulator, number: int) -> None:
        seen.append(number)
        tenant.insert(createdDate="2031-01-01 00:00:00")

    client.tenant.on_page(insert)
    counts = [await client.count() for _ in range(3)]
    client.tenant.on_page(None)
    await client.list_cases()
    assert (seen, counts) == ([1, 2, 3], [300, 301, 302])


# ---- the tenant's own methods --------------------------------------------------------------


def test_deleting_an_unknown_case() -> None:
    """A mistaken id is the test's mistake, and is told."""
    with run_in_thread(cases=0) as tenant, pytest.raises(KeyError):
        tenant.delete("nothing")


async def test_ids_between_times(tenant: Emulator) -> None:
    """Both bounds are included, and the order is createdDate, then id."""
    rows = sorted(tenant.rows(), key=lambda row: (row["createdDate"], row["id"]))
    assert tenant.ids() == [row["id"] for row in rows]
    start, end = rows[10]["createdDate"], rows[20]["createdDate"]
    assert tenant.ids(start, end) == [
        row["id"] for row in rows if start <= row["createdDate"] <= end
    ]


async def test_insert_many_is_all_or_nothing(tenant: Emulator) -> None:
    """An id that is there already refuses all the rows of the call."""
    with pytest.raises(Exception, match="UNIQUE"):
        tenant.insert_many([{"id": "new"}, {"id": tenant.ids()[0]}])
    assert tenant.count() == 300


async def test_requests_are_recorded(client: BareClient) -> None:
    """Each request is kept with its operation, body, time, status, and whether it changed a row."""
    before = time.monotonic()
    await client.list_cases()
    await client.post("/case", new_case())
    await client.post("/case", {})
    kept = [(one.operation, one.status, one.applied) for one in client.tenant.requests]
    assert kept == [("list", 200, False), ("create", 200, True), ("create", 200, False)]
    first = client.tenant.requests[0]
    assert before <= first.at <= time.monotonic()
    assert json.loads(first.body) == {"start": 0, "limit": 100}
    assert first.headers["ACCESS-TOKEN"] == client.headers["access-token"]
    assert client.headers["access-token"] not in repr(first)


async def test_recording_can_be_left_out(http: aiohttp.ClientSession) -> None:
    """A benchmark keeps nothing."""
    async with Emulator(cases=0, record=False) as tenant:
        await BareClient(tenant, http).list_cases()
        assert tenant.requests == []


async def test_a_database_file_is_kept(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A file is seeded once, and goes on with new numbers and ids after a restart."""
    database = tmp_path / "tenant.sqlite"
    async with Emulator(cases=20, database=database) as tenant:
        await BareClient(tenant, http).post("/case", new_case(AICC__x__CST="kept"))
        before = tenant.rows()
    async with Emulator(cases=20, database=database) as tenant:
        assert tenant.rows() == before
        client = BareClient(tenant, http)
        await client.post("/case", new_case())
        assert len(await client.ids(AICC__x__CST="kept")) == 1
        assert len({row["caseNo"] for row in tenant.rows()}) == 22


async def test_a_port_in_use_is_told(tenant: Emulator) -> None:
    """A second server on the same port fails, and leaves nothing open."""
    with pytest.raises(OSError, match="address"):
        await Emulator(cases=0, port=tenant.port).start()


# ---- quota and latency ---------------------------------------------------------------------


@settings(deadline=None)
@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.floats(0, 0.6, allow_nan=False), min_size=1, max_size=40),
)
def test_the_quota_is_strict(limit: int, gaps: list[float]) -> None:
    """No second holds more than the quota, and nothing is refused without need."""
    quota, now = Quota(), 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap
        recent = [at for at in passed if now - at < 1.0]
        admitted = quota.admit(now, limit)
        assert admitted is (len(recent) < limit)
        passed += [now] * admitted
    assert quota.refused == len(gaps) - len(passed)


def test_the_peak_counts_refused_requests() -> None:
    """The peak is what arrived within a second, passed or not."""
    quota = Quota()
    for now in (0.0, 0.5, 0.9, 1.0, 2.5):
        quota.admit(now, 1)
    assert (quota.peak, quota.refused) == (3, 2)


@pytest.mark.parametrize("retry_after", ["1", "Wed, 21 Oct 2026 07:28:00 GMT", None])
async def test_above_the_quota_is_429(http: aiohttp.ClientSession, retry_after: str | None) -> None:
    """Requests above the quota are refused with the literal header; signing in costs nothing."""
    async with Emulator(cases=0, quota=2, retry_after=retry_after) as tenant:
        client = BareClient(tenant, http)
        answers = [await client.send("POST", LIST, FIRST_PAGE) for _ in range(4)]
        async with http.post(f"{tenant.url}{TOKEN}", data=sign_in_form(tenant)) as signed_in:
            assert signed_in.status == 200
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[2].headers.get("Retry-After") == retry_after
    assert (tenant.peak, tenant.refused) == (4, 2)


async def test_latency_is_waited_for(http: aiohttp.ClientSession) -> None:
    """An answer takes its time; the work is done on arrival."""
    async with Emulator(cases=0, latency=Latency(0.02)) as tenant:
        before = time.monotonic()
        await BareClient(tenant, http).list_cases()
        assert time.monotonic() - before >= 0.02


def test_latency_has_its_mean() -> None:
    """With a sigma the delays differ, around the mean given, the same ones every time."""
    latency = Latency(0.05, sigma=0.8)
    delays = [latency.draw(source) for source in [random.Random(1)] for _ in range(20_000)]  # noqa: S311
    assert sum(delays) / len(delays) == pytest.approx(0.05, rel=0.05)
    assert latency.draw(random.Random(1)) == delays[0]  # noqa: S311
    assert Latency(0.05).draw(random.Random(1)) == 0.05  # noqa: S311


# ---- faults --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Fault)
async def test_faults_that_are_done_or_not(client: BareClient, fault: Fault) -> None:
    """A create is applied exactly when the fault says "done", and the record knows it."""
    client.tenant.fail("create", fault)
    try:
        async with asyncio.timeout(0.1 if fault in HANGS else 5):
            status = (await client.send("POST", f"{OPENAPI}/case", new_case())).status
    except (aiohttp.ClientError, TimeoutError):
        status = None
    assert status == STATUS.get(fault)
    [recorded] = client.tenant.requests
    assert (recorded.status, recorded.applied) == (status, fault in FAULTS_AFTER_WORK)
    assert client.tenant.count() == 300 + (fault in FAULTS_AFTER_WORK)


@pytest.mark.parametrize("fault", CUTS)
async def test_cut_connections(client: BareClient, fault: Fault) -> None:
    """A cut is a reset, an end before the answer, or an end within it."""
    kinds = {
        Fault.DROP_BEFORE: aiohttp.ClientOSError,
        Fault.DROP_AFTER: aiohttp.ServerDisconnectedError,
        Fault.CUT_BODY: aiohttp.ClientPayloadError,
    }
    client.tenant.fail("list", fault)
    with pytest.raises(kinds[fault]):
        await client.list_cases()
    assert len(await client.ids()) == 100


@pytest.mark.parametrize(
    "fault",
    [fault for fault in STATUS if fault not in FAULTS_AFTER_WORK | {Fault.THROTTLED}],
)
async def test_replaced_answers(client: BareClient, fault: Fault) -> None:
    """Each answer that comes instead of the work has the body that such servers send."""
    client.tenant.fail("list", fault)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.body == replacement_answer(fault).body
    if reply.content_type == AICC_TYPE and fault is not Fault.GZIP_BOMB:
        assert reply.json().keys() == {"resCode", "resMsg"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.BUSINESS_ERROR, "405230099"),
        (Fault.TOKEN_EXPIRED_401, "405230602"),
        (Fault.TOKEN_EXPIRED_200, "405230602"),
        (Fault.TOKEN_EXPIRED_500, "405230603"),
    ],
)
async def test_result_codes(client: BareClient, fault: Fault, code: str) -> None:
    """Expired tokens and business errors carry the observed result codes."""
    client.tenant.fail("list", fault)
    assert await client.code() == code


async def test_pages_of_other_servers(client: BareClient) -> None:
    """A gateway, a sign-in page and a redirection are no JSON, and say so."""
    for fault in (Fault.HTTP_502, Fault.HTTP_504, Fault.HTML_200, Fault.REDIRECT):
        client.tenant.fail("list", fault)
        reply = await client.send("POST", LIST, FIRST_PAGE)
        assert reply.content_type == "text/html"
    assert reply.headers["Location"] == "http://elsewhere.invalid/login"


async def test_throttled_carries_the_tenants_header(client: BareClient) -> None:
    """A scripted 429 is like the quota's."""
    client.tenant.fail("list", Fault.THROTTLED)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.headers["Retry-After"] == "1"
    assert client.tenant.refused == 0


async def test_not_json_is_half_of_it(client: BareClient) -> None:
    """The length is right, the JSON is not."""
    client.tenant.fail("list", Fault.NOT_JSON)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    with pytest.raises(ValueError, match="char"):
        reply.json()


async def test_bad_type_is_one_number(client: BareClient) -> None:
    """Only the first title differs from the good answer."""
    client.tenant.fail("*", Fault.BAD_TYPE, times=2)
    bad = await client.list_cases()
    bad_detail = await client.detail(client.tenant.ids()[0])
    good = await client.list_cases()
    assert bad["result"][0]["caseList"][0]["title"] == 5
    bad["result"][0]["caseList"][0]["title"] = good["result"][0]["caseList"][0]["title"]
    assert bad == good
    assert bad_detail["caseInfo"]["title"] == 5


async def test_bad_type_of_an_empty_page(client: BareClient) -> None:
    """Where there is no row, there is nothing to spoil."""
    client.tenant.fail("list", Fault.BAD_TYPE)
    assert (await client.list_cases(caseNo="none"))["result"] == [{"caseList": [], "count": 0}]


async def test_the_bomb_swells(client: BareClient) -> None:
    """A small gzip body is 200 MB of spaces to whoever inflates it."""
    client.tenant.fail("list", Fault.GZIP_BOMB)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 1_000_000
    assert inflated_size(reply.body) == 200_000_000


def inflated_size(body: bytes) -> int:
    """Inflate piece by piece, to the checksum at the end."""
    inflate, size = zlib.decompressobj(31), 0
    while body and not inflate.eof:
        size += len(inflate.decompress(body, 1 << 22))
        body = inflate.unconsumed_tail
    assert inflate.eof
    return size


async def test_faults_come_in_their_order(client: BareClient) -> None:
    """First come, first served, each as often as asked, and only to its operation."""
    client.tenant.fail("create", Fault.HTTP_502)
    client.tenant.fail("list", Fault.HTTP_500)
    client.tenant.fail("*", Fault.HTTP_503, times=2)
    statuses = []
    for _ in range(4):
        reply = await client.send("POST", LIST, FIRST_PAGE)
        statuses.append(reply.status)
    assert statuses == [500, 503, 503, 200]
    client.tenant.fail("list", Fault.HTTP_500, times=None)
    assert [await client.code() for _ in range(3)] == ["405230500"] * 3
    client.tenant.clear_faults()
    assert (await client.post("/case", new_case()))["resCode"] == "0"


@settings(deadline=None)
@given(
    parts=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    unused=st.integers(0, 5),
    of=st.integers(0, 2**32),
)
def test_shares_lie_side_by_side(parts: list[int], unused: int, of: int) -> None:
    """Each fault strikes when one number drawn falls into its share, whatever others there are."""
    whole = sum(parts) + unused
    faults = list(Fault)[: len(parts)]
    script, draw = Script(random.Random(of)), random.Random(of)  # noqa: S311
    for fault, part in zip(faults, parts, strict=True):
        script.add("create", fault, None, part / whole)
    bounds = [sum(parts[: number + 1]) / whole for number in range(len(parts))]
    for _ in range(50):
        drawn = draw.random()
        expected = next(
            (one for one, most in zip(faults, bounds, strict=True) if drawn < most), None
        )
        assert script.take("create") is expected


def test_a_share_is_as_large_as_it_says() -> None:
    """Many requests suffer each fault about as often as asked, and other operations never."""
    script = Script(random.Random(7))  # noqa: S311
    script.add("create", Fault.HTTP_503, None, 0.1)
    script.add("*", Fault.HTTP_500, None, 0.3)
    taken = Counter(script.take("create") for _ in range(20_000))
    others = Counter(script.take("list") for _ in range(20_000))
    assert taken[Fault.HTTP_503] / 20_000 == pytest.approx(0.1, rel=0.1)
    assert taken[Fault.HTTP_500] / 20_000 == pytest.approx(0.3, rel=0.1)
    assert others[Fault.HTTP_500] / 20_000 == pytest.approx(0.3, rel=0.1)
    assert Fault.HTTP_503 not in others


async def test_shares_last_until_they_are_cleared(client: BareClient) -> None:
    """A share of all is all; a fault with `times` that came before takes its turn first."""
    client.tenant.fail("list", Fault.HTTP_502)
    client.tenant.fail("list", Fault.HTTP_503, share=1)
    client.tenant.fail("list", Fault.HTTP_500)
    statuses = [(await client.send("POST", LIST, FIRST_PAGE)).status for _ in range(4)]
    assert statuses == [502, 503, 503, 503]
    client.tenant.clear_faults()
    assert await client.code() == "0"


async def test_the_seed_decides_who_suffers(http: aiohttp.ClientSession) -> None:
    """Two tenants of one seed treat the same requests alike, delays drawn between or not."""
    seen = []
    for latency in (None, Latency(0.0001, sigma=0.5)):
        async with Emulator(cases=0, seed=5, latency=latency) as tenant:
            tenant.fail("list", Fault.HTTP_503, share=0.5)
            client = BareClient(tenant, http)
            seen.append([await client.code() for _ in range(30)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"0", "405230503"}


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    """A share lies above 0 and is at most 1."""
    with pytest.raises(ValueError, match="share"):
        Emulator().fail("create", Fault.HANG, share=share)


def test_a_fault_of_no_operation() -> None:
    """A misspelt operation would never fail, so it is refused."""
    with pytest.raises(ValueError, match="'lists'"):
        Emulator().fail("lists", Fault.HANG)


@pytest.mark.parametrize("fault", HANGS)
async def test_closing_does_not_wait(http: aiohttp.ClientSession, fault: Fault) -> None:
    """A request that hangs does not hold the tenant up."""
    tenant = Emulator(cases=0)
    await tenant.start()
    tenant.fail("list", fault)
    hanging = asyncio.create_task(BareClient(tenant, http).list_cases())
    while not tenant.requests:  # noqa: ASYNC110 -- the emulator offers no event for it
        await asyncio.sleep(0)
    before = time.monotonic()
    await tenant.close()
    assert time.monotonic() - before < 1
    with pytest.raises(aiohttp.ClientError):
        await hanging


# ---- Q-Flow --------------------------------------------------------------------------------

RECORD = sample("003_enqueue_request")


@pytest.mark.parametrize(
    ("form", "properties"),
    [
        ("ServiceId=2&AutoClose=true&CustomProperties%5Ba%20b%5D=c%26", {"a b": "c&"}),
        (
            "ServiceId=2&AutoClose=True&CustomProperties[0].Key=x&CustomProperties[0].Value=",
            {"x": ""},
        ),
        ("ServiceId=2&AutoClose=true&Unknown=1", None),
    ],
)
async def test_forms_are_accepted(client: BareClient, form: str, properties: Wire | None) -> None:
    """Both usual spellings of a dictionary in a form are read."""
    headers = {"Content-Type": FORM}
    status, answer = await client.qflow("POST", "Cases", form.encode(), headers=headers)
    assert (status, list(answer)) == (200, list(RECORD))
    assert (answer["ServiceId"], answer["AutoClose"]) == (2, True)
    assert answer["CustomProperties"] == properties


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"ServiceId": None}, "ServiceId"),
        ({"ServiceId": "two"}, "ServiceId"),
        ({"ServiceId": 2**40}, "ServiceId"),
        ({"ExtRef": "x" * 201}, "ExtRef"),
        ({"Notes": "x" * 4001}, "Notes"),
        ({"Subject": "ä" * 101}, "Subject"),
        ({"AutoClose": "yes"}, "AutoClose"),
        ({"CustomProperties": {"a": 5}}, "CustomProperties"),
    ],
)
async def test_bad_records_are_refused(client: BareClient, fields: Wire, wrong: str) -> None:
    """What breaks the document comes back in ModelState, as ASP.NET does it."""
    status, answer = await client.qflow("POST", "Cases", RECORD | fields)
    assert (status, list(answer["ModelState"])) == (400, [wrong])
    assert client.tenant.enqueued == []


@pytest.mark.parametrize(("kind", "status"), [("text/json", 400), ("text/plain", 415)])
async def test_bodies_that_cannot_be_read(client: BareClient, kind: str, status: int) -> None:
    """Broken JSON is 400, a media type that is not served 415."""
    headers = {"Content-Type": kind}
    assert (await client.qflow("POST", "Cases", b"{", headers=headers))[0] == status


async def test_required_headers(http: aiohttp.ClientSession) -> None:
    """A Q-Flow that wants a header refuses who does not send it."""
    async with Emulator(cases=0, qflow_headers={"X-Token": "t"}) as tenant:
        client, headers = BareClient(tenant, http), {"X-Token": "t"}
        assert (await client.qflow("POST", "Cases", RECORD))[0] == 401
        assert (await client.qflow("POST", "Cases", RECORD, headers=headers))[0] == 200


# ---- seeded data ---------------------------------------------------------------------------


def seeded(number: int, *, of: int = 1) -> list[Wire]:
    """Invent cases of the default year."""
    return list(seed.seed_cases(number, since=SINCE, until=UNTIL, seed=of))


def test_the_same_seed_gives_the_same_cases() -> None:
    """Seeding repeats itself, and another seed does not."""
    assert seeded(50) == seeded(50)
    assert seeded(50) != seeded(50, of=2)


def test_seeded_cases_are_believable() -> None:
    """Ids, numbers, times and lengths are as documented, and nothing is all the same."""
    cases = seeded(3000)
    assert all(str(SINCE) <= case["createdDate"] < str(UNTIL) for case in cases)
    assert all(len(case["title"].encode()) <= 128 for case in cases)
    assert all(len(case["id"]) == 20 and case["id"].startswith("c6m8") for case in cases)
    assert all(len(case["caseNo"]) == 30 for case in cases)
    assert len({case["id"] for case in cases}) == 3000
    assert {case["priority"] for case in cases} == {"Low", "Medium", "High", "Critical", ""}
    assert all((case["state"] == "Completed") is bool(case["closedDate"]) for case in cases)
    assert 500 < sum("AICC__region__CST" in case for case in cases) < 1500
    assert {True, False} == {"\n" in case["title"] for case in cases}
    assert {True, False} == {case["title"].isascii() for case in cases}


def test_telephone_numbers_are_fictitious() -> None:
    """Every number lies in the range that is kept free for fiction."""
    phones = {case["contactPhone"] for case in seeded(500)} - {None}
    assert all(phone.startswith("+120255501") and len(phone) == 12 for phone in phones)


def test_working_hours_are_busy() -> None:
    """Weekday office hours hold most of the cases, weekends few."""
    times = [datetime.fromisoformat(case["createdDate"]) for case in seeded(5000)]
    weekend = sum(moment.weekday() >= 5 for moment in times)
    office = sum(moment.weekday() < 5 and 9 <= moment.hour < 18 for moment in times)
    assert weekend < 0.1 * len(times)
    assert office > 0.7 * len(times)


@pytest.mark.parametrize("span", [timedelta(seconds=1), timedelta(minutes=90), timedelta(days=3)])
def test_short_and_ragged_spans(span: timedelta) -> None:
    """A span that cuts hours keeps its bounds."""
    since = SINCE.replace(minute=40)
    drawn = arrivals.draw_arrivals(200, random.Random(1), since=since, until=since + span)  # noqa: S311
    assert since <= min(drawn) <= max(drawn) < since + span
    assert drawn == sorted(drawn)
