"""The emulator against the samples that the published documents print, with a bare HTTP client."""

import asyncio
import functools
import json
import random
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
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

SAMPLES = Path(__file__).parents[1] / "samples"
OPENAPI = "/service/AICC__Case/1.0.0/openapi"
TOKEN = "/baas/auth/v1.0/oauth2/token"
JSON = "application/json"
AICC_TYPE = "application/json%3Bcharset=UTF-8"
SINCE = datetime(2025, 1, 1)  # noqa: DTZ001 -- wall-clock time, as on the wire
UNTIL = datetime(2026, 1, 1)  # noqa: DTZ001 -- same
FIRST_PAGE = b'{"start":0,"limit":100}'
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

Wire = dict[str, Any]


def sample(name: str) -> Any:
    """Parse a printed block of the documents."""
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


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


class Caller:
    """A bare client of one tenant, signed in."""

    def __init__(self, tenant: Emulator, http: aiohttp.ClientSession) -> None:
        self.tenant = tenant
        self.http = http
        self.headers = {"Content-Type": JSON, "access-token": tenant.token()}

    async def send(
        self, method: str, path: str, body: bytes | None = None, **options: Any
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request, read the whole answer as it came."""
        url = f"{self.tenant.url}{path}"
        options = {"headers": self.headers, "allow_redirects": False, **options}
        async with self.http.request(method, url, data=body, **options) as response:
            return response, await response.read()

    async def post(self, path: str, body: Any, **options: Any) -> Any:
        """Post a JSON value to the AICC interface, parse the answer."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        _, answer = await self.send("POST", f"{OPENAPI}{path}", encoded, **options)
        return json.loads(answer)

    async def page(self, **filters: Any) -> Any:
        """Ask for a page of cases."""
        return await self.post("/case/list", {"start": 0, "limit": 100} | filters)

    async def ids(self, **filters: Any) -> list[str]:
        """Ask for a page of cases, keep the ids."""
        answer = await self.page(**filters)
        return [row["id"] for row in answer["result"][0]["caseList"]]

    async def detail(self, case_id: str) -> Any:
        """Ask for one case."""
        _, answer = await self.send("GET", f"{OPENAPI}/case/{quote(case_id, safe='')}")
        return json.loads(answer)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session that gives up quickly and never inflates a bomb."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
async def tenant() -> AsyncIterator[Emulator]:
    """Run a tenant with 300 cases."""
    async with Emulator(cases=300) as running:
        yield running


@pytest.fixture
def caller(tenant: Emulator, http: aiohttp.ClientSession) -> Caller:
    """Sign a bare client in."""
    return Caller(tenant, http)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Keep one seeded store for the tests that only read."""
    filled = Store(":memory:")
    filled.seed(seed.seed_cases(400, since=SINCE, until=UNTIL, seed=3))
    yield filled
    filled.close()


def new_case(**fields: Any) -> Wire:
    """Take the create request of the documents, with other fields."""
    request: Wire = sample("000_create_request")
    return {"caseInfo": request["caseInfo"] | fields}


# ---- shapes --------------------------------------------------------------------------------


async def test_create_answers_the_documented_shape(caller: Caller) -> None:
    """The sample request of document 000 is accepted, and answered like the sample."""
    answer = await caller.post("/case", sample("000_create_request"))
    assert shape(answer) == shape(sample("000_create_response"))
    assert answer["resMsg"] == "Success"
    assert answer["result"]["caseId"] in caller.tenant.ids()


async def test_list_answers_the_documented_shape(caller: Caller) -> None:
    """The sample request of document 001 gives two rows with the sample's keys in their order."""
    caller.tenant.insert(createdDate="2030-01-01 00:00:00")
    caller.tenant.insert(createdDate="2030-01-01 00:00:01")
    answer = await caller.post("/case/list", sample("001_list_request"))
    assert keys(answer) == keys(sample("001_list_response"))
    assert answer["result"][0]["count"] == 302


async def test_list_answers_the_documented_kinds(caller: Caller) -> None:
    """A value that is not null in the sample is of the same kind in every row."""
    [known] = sample("001_list_response")["result"][0]["caseList"][:1]
    for row in (await caller.page())["result"][0]["caseList"]:
        for key, value in known.items():
            assert value is None or row[key] is None or type(row[key]) is type(value)


async def test_modify_answers_the_documented_shape(caller: Caller) -> None:
    """The sample request of document 002 is accepted, and answered without a result."""
    request = sample("002_modify_request")
    caller.tenant.insert(id=request["caseInfo"]["id"])
    assert await caller.post("/case/modify", request) == sample("002_modify_response")


async def test_detail_answers_the_documented_shape(caller: Caller) -> None:
    """The detail has every key of document 004's sample, nested twice as there."""
    case_id = caller.tenant.insert()
    answer = await caller.detail(case_id)
    assert keys(answer) == keys(sample("004_detail_response"))
    assert answer["resMsg"] == "成功"
    assert answer["result"][0]["caseInfo"]["id"] == case_id


async def test_enqueue_answers_the_record_with_its_number(caller: Caller) -> None:
    """The sample of document 003 comes back as it was sent, but for its CaseId."""
    request = sample("003_enqueue_request")
    for number in (1, 2):
        response, body = await caller.send("POST", "/API/Cases", json.dumps(request).encode())
        assert json.loads(body) == sample("003_enqueue_response") | {"CaseId": number}
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert [record["CaseId"] for record in caller.tenant.enqueued] == [1, 2]


@pytest.mark.parametrize("path", ["/case", "/case/list", "/case/modify"])
async def test_the_odd_content_type_is_answered(caller: Caller, path: str) -> None:
    """Every AICC answer carries the literal content type of the samples, refusals too."""
    response, _ = await caller.send("POST", f"{OPENAPI}{path}", b"{}")
    assert response.headers["Content-Type"] == AICC_TYPE


async def test_an_unknown_path_is_not_found(caller: Caller) -> None:
    """A path that no document names is a 404."""
    response, _ = await caller.send("POST", f"{OPENAPI}/cases", b"{}")
    assert response.status == 404


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", TOKEN, "token"),
        ("POST", f"{OPENAPI}/case", "create"),
        ("POST", f"{OPENAPI}/case/list", "list"),
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


async def test_client_credentials_give_a_token_that_works(caller: Caller) -> None:
    """A token that was signed in for opens the interface, and says how long it lives."""
    async with caller.http.post(
        f"{caller.tenant.url}{TOKEN}", data=sign_in_form(caller.tenant)
    ) as r:
        answer = await r.json()
    assert answer["expires_in"] == 7200
    assert answer["token_type"] == "Bearer"
    caller.headers["access-token"] = answer["access_token"]
    assert (await caller.page())["resCode"] == "0"


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"grant_type": "password"}])
async def test_wrong_credentials_are_refused(caller: Caller, changes: dict[str, str]) -> None:
    """A wrong secret or grant is a 400 with an OAuth error."""
    form = sign_in_form(caller.tenant, **changes)
    async with caller.http.post(f"{caller.tenant.url}{TOKEN}", data=form) as response:
        assert response.status == 400
        assert (await response.json()).keys() == {"error", "error_description"}


async def test_credentials_in_the_query_are_refused(caller: Caller) -> None:
    """Secrets in an address end in somebody's log: refused."""
    url = f"{caller.tenant.url}{TOKEN}"
    async with caller.http.post(url, params=sign_in_form(caller.tenant)) as response:
        assert response.status == 400


@pytest.mark.parametrize("token", [None, "", "invented"])
async def test_a_bad_token_is_refused(caller: Caller, token: str | None) -> None:
    """A missing or unknown token is a 401 with the observed resCode."""
    headers = {"Content-Type": JSON} | ({} if token is None else {"access-token": token})
    path = f"{OPENAPI}/case/list"
    response, body = await caller.send("POST", path, FIRST_PAGE, headers=headers)
    assert (response.status, json.loads(body)["resCode"]) == (401, "405230602")


async def test_expired_tokens_are_refused(caller: Caller) -> None:
    """Tokens issued before expire_tokens are refused, later ones are not."""
    caller.tenant.expire_tokens()
    assert (await caller.page())["resCode"] == "405230602"
    caller.headers["access-token"] = caller.tenant.token()
    assert (await caller.page())["resCode"] == "0"


async def test_a_token_lives_as_long_as_it_says(http: aiohttp.ClientSession) -> None:
    """A lifetime of nothing is over at once."""
    async with Emulator(cases=0, token_lifetime=0) as tenant:
        assert (await Caller(tenant, http).page())["resCode"] == "405230602"


# ---- create, modify, detail ----------------------------------------------------------------


async def test_created_fields_come_back(caller: Caller) -> None:
    """What a create sends is in the list and in the detail, extension fields included."""
    request = new_case(AICC__region__CST="north", title="größer 🎉")
    case_id = (await caller.post("/case", request))["result"]["caseId"]
    detail = (await caller.detail(case_id))["result"][0]["caseInfo"]
    [row] = (await caller.page(title="größer 🎉"))["result"][0]["caseList"]
    sent = {key: value for key, value in request["caseInfo"].items() if key != "isAutoAssigned"}
    assert sent.items() <= detail.items()
    assert row["AICC__region__CST"] == "north"
    assert "description" not in row


@pytest.mark.parametrize("key", ["title", "description", "type", "contactId", "creatorId"])
async def test_mandatory_fields_of_a_create(caller: Caller, key: str) -> None:
    """A create without a mandatory field is a business error with HTTP 200."""
    request = new_case()
    del request["caseInfo"][key]
    answer = await caller.post("/case", request)
    assert answer["resCode"] == "405230002"
    assert caller.tenant.count() == 300


@pytest.mark.parametrize(
    ("key", "most"), [("title", 128), ("description", 20_000), ("ownerId", 20), ("beId", 20)]
)
async def test_lengths_are_bytes(caller: Caller, key: str, most: int) -> None:
    """Lengths count bytes of UTF-8: two a letter here."""
    assert (await caller.post("/case", new_case(**{key: "ä" * (most // 2)})))["resCode"] == "0"
    long = await caller.post("/case", new_case(**{key: "ä" * (most // 2) + "a"}))
    assert long["resCode"] == "405230003"


@pytest.mark.parametrize("accepted", ["isAutoAssigned", "isAtuoAssigned", None])
async def test_the_auto_assign_flag(http: aiohttp.ClientSession, accepted: str | None) -> None:
    """Either spelling of the flag will do, unless the tenant requires one."""
    async with Emulator(cases=0, auto_assign_key=accepted) as tenant:
        caller = Caller(tenant, http)
        for key in ("isAutoAssigned", "isAtuoAssigned"):
            request = new_case()
            request["caseInfo"][key] = request["caseInfo"].pop("isAutoAssigned")
            answer = await caller.post("/case", request)
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
async def test_malformed_bodies_are_refused(caller: Caller, path: str, body: bytes) -> None:
    """A body that is not what the documents say is a business error, never a crash."""
    assert (await caller.post(path, body))["resCode"].startswith("40523000")


@pytest.mark.parametrize("fields", [{"priority": 5}, {"dueDate": "tomorrow"}, {"origin": ["x"]}])
async def test_mistyped_fields_are_refused(caller: Caller, fields: Wire) -> None:
    """A text that is none, or a time in another form, is a business error."""
    assert (await caller.post("/case", new_case(**fields)))["resCode"] == "405230001"


async def test_another_content_type_is_refused(caller: Caller) -> None:
    """The Content-Type header is mandatory in the documents."""
    headers = caller.headers | {"Content-Type": "text/plain"}
    response, _ = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE, headers=headers)
    assert response.status == 415


async def test_owners_are_assigned_on_request(caller: Caller) -> None:
    """A case gets an owner when it is to be assigned automatically, else none."""
    for flag in (True, False):
        answer = await caller.post("/case", new_case(isAutoAssigned=flag))
        detail = await caller.detail(answer["result"]["caseId"])
        assert (detail["result"][0]["caseInfo"]["ownerId"] is not None) is flag


async def test_modify_changes_what_it_is_given(caller: Caller) -> None:
    """Fields given change, extension fields too, all others stay, and filters see it."""
    case_id = caller.tenant.insert(AICC__region__CST="north")
    before = (await caller.detail(case_id))["result"][0]["caseInfo"]
    change = {"title": "changed", "description": "d", "creatorId": "c", "AICC__region__CST": "x"}
    await caller.post("/case/modify", {"caseInfo": change | {"id": case_id, "caseNo": "9"}})
    after = (await caller.detail(case_id))["result"][0]["caseInfo"]
    assert after == before | change
    assert await caller.ids(AICC__region__CST="x", title="changed") == [case_id]


async def test_modify_of_an_unknown_case(caller: Caller) -> None:
    """There is no modify that creates."""
    request = sample("002_modify_request")
    assert (await caller.post("/case/modify", request))["resCode"] == "405230404"


async def test_detail_of_an_unknown_case(caller: Caller) -> None:
    """An unknown id is a business error; ids are percent-decoded."""
    answer = await caller.detail("no/such case")
    assert answer == {"resCode": "405230404", "resMsg": "no case 'no/such case'"}


async def test_detail_takes_the_documented_body(caller: Caller) -> None:
    """Document 004 sends the id in a body too: read, and not looked at."""
    case_id = caller.tenant.insert()
    body = json.dumps(sample("004_detail_request")).encode()
    _, answer = await caller.send("GET", f"{OPENAPI}/case/{case_id}", body)
    assert json.loads(answer)["result"][0]["caseInfo"]["id"] == case_id


async def test_two_equal_creates_are_two_cases(caller: Caller) -> None:
    """There is no idempotency: sending again makes another case."""
    ids = {(await caller.post("/case", new_case()))["result"]["caseId"] for _ in range(3)}
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
async def test_bad_list_requests_are_refused(caller: Caller, body: Wire) -> None:
    """Bounds, times and kinds are checked: a business error each."""
    assert (await caller.post("/case/list", body))["resCode"].startswith("40523000")


async def test_the_span_is_at_most_31_days(caller: Caller) -> None:
    """Exactly 31 days are accepted, a second more is not; one-sided times are."""
    start = "2025-01-01 00:00:00"
    assert (await caller.page(startTime=start, endTime="2025-02-01 00:00:00"))["resCode"] == "0"
    over = await caller.page(startTime=start, endTime="2025-02-01 00:00:01")
    assert over["resCode"] == "405230004"
    assert (await caller.page(startTime=start))["result"][0]["count"] == 300
    assert (await caller.page(endTime=start))["result"][0]["count"] == 0


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
        found = await Caller(tenant, http).ids(startTime=times[0], endTime=times[2])
    assert found == [last] * end_inclusive + [middle] + [first] * start_inclusive


@pytest.mark.parametrize("newest_first", [True, False])
async def test_order_and_pages(http: aiohttp.ClientSession, *, newest_first: bool) -> None:
    """Pages follow createdDate, then id, and cover every row once."""
    async with Emulator(cases=250, newest_first=newest_first, until=SINCE + timedelta(1)) as tenant:
        caller = Caller(tenant, http)
        pages = [await caller.ids(start=start) for start in (0, 100, 200, 300)]
        expected = tenant.ids()[::-1] if newest_first else tenant.ids()
    assert [case_id for page in pages for case_id in page] == expected
    assert [len(page) for page in pages] == [100, 100, 50, 0]


async def test_ties_are_broken_by_id(http: aiohttp.ClientSession) -> None:
    """Cases of one second are in the order of their ids, descending."""
    async with Emulator(cases=0) as tenant:
        for _ in range(20):
            tenant.insert(createdDate="2025-01-01 00:00:00")
        found = await Caller(tenant, http).ids()
    assert found == sorted(found, reverse=True)


async def test_pages_are_clamped_silently(http: aiohttp.ClientSession) -> None:
    """A tenant may give fewer rows than were asked for, without a word."""
    async with Emulator(cases=30, max_limit=10) as tenant:
        caller = Caller(tenant, http)
        assert len(await caller.ids(limit=100)) == 10
        assert len(await caller.ids(limit=7)) == 7


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
    caller: Caller, value: Any, other: Any
) -> None:
    """Extension fields are found by equal values of the same kind, quotes and lists included."""
    wanted = caller.tenant.insert(**{'a"b': value})
    caller.tenant.insert(**{'a"b': other})
    assert await caller.ids(**{'a"b': value}) == [wanted]


@pytest.mark.parametrize("key", ["classification", "resumenType", "isExport", "local"])
async def test_filters_without_a_documented_meaning(caller: Caller, key: str) -> None:
    """What the documents do not explain narrows nothing."""
    assert (await caller.page(**{key: "Todo"}))["result"][0]["count"] == 300


async def test_null_filters_are_not_given(caller: Caller) -> None:
    """A filter that is null narrows nothing."""
    assert (await caller.page(status=None, AICC__x__CST=None))["result"][0]["count"] == 300


async def test_a_cached_page_is_dropped_after_writes(caller: Caller) -> None:
    """The same request sees every write: create, modify, insert, delete."""
    count = 300
    for _ in range(2):
        assert (await caller.page())["result"][0]["count"] == count
    case_id = caller.tenant.insert(createdDate="2031-01-01 00:00:00", title="old")
    assert (await caller.ids())[0] == case_id
    change = {"id": case_id, "title": "new", "description": "d", "creatorId": "c"}
    await caller.post("/case/modify", {"caseInfo": change})
    assert (await caller.page())["result"][0]["caseList"][0]["title"] == "new"
    await caller.post("/case", new_case())
    assert (await caller.page())["result"][0]["count"] == count + 2
    caller.tenant.delete(case_id)
    assert case_id not in await caller.ids()


async def test_a_list_lags_behind_creates(caller: Caller) -> None:
    """A created case is in its detail at once, and in rows and count only without the lag."""
    tenant, when = caller.tenant, {"startTime": "2026-01-01 00:00:00"}
    tenant.list_lag = 3600.0
    ids = [(await caller.post("/case", new_case()))["result"]["caseId"] for _ in range(2)]
    assert (await caller.detail(ids[0]))["result"][0]["caseInfo"]["id"] == ids[0]
    for _ in range(2):
        assert (await caller.page(**when))["result"] == [{"caseList": [], "count": 0}]
        assert (await caller.page(**when, title="test"))["result"][0]["count"] == 0
    assert len(tenant.ids()) == 302
    tenant.list_lag = 0.0
    assert set(await caller.ids(**when)) == set(ids)
    tenant.list_lag = 3600.0
    assert set(await caller.ids(**when)) == set(ids)


async def test_only_creates_lag(caller: Caller) -> None:
    """What a test inserts is listed at once, and a modify of an old case too."""
    caller.tenant.list_lag = 3600.0
    case_id = caller.tenant.insert(createdDate="2031-01-01 00:00:00", title="old")
    assert (await caller.ids())[0] == case_id
    change = {"id": case_id, "title": "new", "description": "d", "creatorId": "c"}
    await caller.post("/case/modify", {"caseInfo": change})
    assert (await caller.page())["result"][0]["caseList"][0]["title"] == "new"


async def test_a_lagging_case_stays_hidden_though_it_is_changed(caller: Caller) -> None:
    """A modify or the order by modification brings no hidden case forth, nor does its absence."""
    caller.tenant.list_lag = 3600.0
    one, two = [(await caller.post("/case", new_case()))["result"]["caseId"] for _ in range(2)]
    change = {"id": one, "title": "new", "description": "d", "creatorId": "c"}
    await caller.post("/case/modify", {"caseInfo": change})
    caller.tenant.delete(two)
    assert (await caller.page())["result"][0]["count"] == 300
    caller.tenant.list_lag = 0.0
    assert (await caller.page())["result"][0]["count"] == 301
    assert (await caller.ids())[0] == one


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


async def test_somebody_writes_between_pages(caller: Caller) -> None:
    """The callback comes after each page and before the next, with the page's number."""
    seen: list[int] = []

    def insert(tenant: Emulator, number: int) -> None:
        seen.append(number)
        tenant.insert(createdDate="2031-01-01 00:00:00")

    caller.tenant.on_page(insert)
    counts = [(await caller.page())["result"][0]["count"] for _ in range(3)]
    caller.tenant.on_page(None)
    await caller.page()
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


async def test_requests_are_recorded(caller: Caller) -> None:
    """Each request is kept with its operation, body, time, status, and whether it changed a row."""
    before = time.monotonic()
    await caller.page()
    await caller.post("/case", new_case())
    await caller.post("/case", {})
    kept = [(one.operation, one.status, one.applied) for one in caller.tenant.requests]
    assert kept == [("list", 200, False), ("create", 200, True), ("create", 200, False)]
    first = caller.tenant.requests[0]
    assert before <= first.at <= time.monotonic()
    assert json.loads(first.body) == {"start": 0, "limit": 100}
    assert first.headers["ACCESS-TOKEN"] == caller.headers["access-token"]
    assert caller.headers["access-token"] not in repr(first)


async def test_recording_can_be_left_out(http: aiohttp.ClientSession) -> None:
    """A benchmark keeps nothing."""
    async with Emulator(cases=0, record=False) as tenant:
        await Caller(tenant, http).page()
        assert tenant.requests == []


async def test_a_database_file_is_kept(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A file is seeded once, and goes on with new numbers and ids after a restart."""
    database = tmp_path / "tenant.sqlite"
    async with Emulator(cases=20, database=database) as tenant:
        await Caller(tenant, http).post("/case", new_case(AICC__x__CST="kept"))
        before = tenant.rows()
    async with Emulator(cases=20, database=database) as tenant:
        assert tenant.rows() == before
        caller = Caller(tenant, http)
        await caller.post("/case", new_case())
        assert len(await caller.ids(AICC__x__CST="kept")) == 1
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
        caller = Caller(tenant, http)
        path = f"{OPENAPI}/case/list"
        answers = [(await caller.send("POST", path, FIRST_PAGE))[0] for _ in range(4)]
        async with http.post(f"{tenant.url}{TOKEN}", data=sign_in_form(tenant)) as signed_in:
            assert signed_in.status == 200
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[2].headers.get("Retry-After") == retry_after
    assert (tenant.peak, tenant.refused) == (4, 2)


async def test_latency_is_waited_for(http: aiohttp.ClientSession) -> None:
    """An answer takes its time; the work is done on arrival."""
    async with Emulator(cases=0, latency=Latency(0.02)) as tenant:
        before = time.monotonic()
        await Caller(tenant, http).page()
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
async def test_faults_that_are_done_and_those_that_are_not(caller: Caller, fault: Fault) -> None:
    """A create is applied exactly when the fault says "done", and the record knows it."""
    caller.tenant.fail("create", fault)
    body = json.dumps(new_case()).encode()
    timeout = aiohttp.ClientTimeout(total=0.1 if fault in HANGS else 5)
    try:
        response, _ = await caller.send("POST", f"{OPENAPI}/case", body, timeout=timeout)
        status = response.status
    except (aiohttp.ClientError, TimeoutError):
        status = None
    assert status == STATUS.get(fault)
    [recorded] = caller.tenant.requests
    assert (recorded.status, recorded.applied) == (status, fault in FAULTS_AFTER_WORK)
    assert caller.tenant.count() == 300 + (fault in FAULTS_AFTER_WORK)


@pytest.mark.parametrize("fault", CUTS)
async def test_cut_connections(caller: Caller, fault: Fault) -> None:
    """A cut is a reset, an end before the answer, or an end within it."""
    kinds = {
        Fault.DROP_BEFORE: aiohttp.ClientOSError,
        Fault.DROP_AFTER: aiohttp.ServerDisconnectedError,
        Fault.CUT_BODY: aiohttp.ClientPayloadError,
    }
    caller.tenant.fail("list", fault)
    with pytest.raises(kinds[fault]):
        await caller.page()
    assert len(await caller.ids()) == 100


@pytest.mark.parametrize(
    "fault",
    [fault for fault in STATUS if fault not in FAULTS_AFTER_WORK | {Fault.THROTTLED}],
)
async def test_replaced_answers(caller: Caller, fault: Fault) -> None:
    """Each answer that comes instead of the work has the body that such servers send."""
    caller.tenant.fail("list", fault)
    response, body = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
    assert body == replacement_answer(fault).body
    if response.headers["Content-Type"] == AICC_TYPE and fault is not Fault.GZIP_BOMB:
        assert json.loads(body).keys() == {"resCode", "resMsg"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.BUSINESS_ERROR, "405230099"),
        (Fault.TOKEN_EXPIRED_401, "405230602"),
        (Fault.TOKEN_EXPIRED_200, "405230602"),
        (Fault.TOKEN_EXPIRED_500, "405230603"),
    ],
)
async def test_result_codes(caller: Caller, fault: Fault, code: str) -> None:
    """Expired tokens and business errors carry the observed result codes."""
    caller.tenant.fail("list", fault)
    assert (await caller.page())["resCode"] == code


async def test_pages_of_other_servers(caller: Caller) -> None:
    """A gateway, a sign-in page and a redirection are no JSON, and say so."""
    for fault in (Fault.HTTP_502, Fault.HTTP_504, Fault.HTML_200, Fault.REDIRECT):
        caller.tenant.fail("list", fault)
        response, _ = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
        assert response.headers["Content-Type"] == "text/html"
    assert response.headers["Location"] == "http://elsewhere.invalid/login"


async def test_throttled_carries_the_tenants_header(caller: Caller) -> None:
    """A scripted 429 is like the quota's."""
    caller.tenant.fail("list", Fault.THROTTLED)
    response, _ = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
    assert response.headers["Retry-After"] == "1"
    assert caller.tenant.refused == 0


async def test_not_json_is_half_of_it(caller: Caller) -> None:
    """The length is right, the JSON is not."""
    caller.tenant.fail("list", Fault.NOT_JSON)
    response, body = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
    assert int(response.headers["Content-Length"]) == len(body)
    with pytest.raises(ValueError, match="char"):
        json.loads(body)


async def test_bad_type_is_one_number(caller: Caller) -> None:
    """Only the first title differs from the good answer."""
    caller.tenant.fail("*", Fault.BAD_TYPE, times=2)
    bad = await caller.page()
    bad_detail = await caller.detail(caller.tenant.ids()[0])
    good = await caller.page()
    assert bad["result"][0]["caseList"][0]["title"] == 5
    bad["result"][0]["caseList"][0]["title"] = good["result"][0]["caseList"][0]["title"]
    assert bad == good
    assert bad_detail["result"][0]["caseInfo"]["title"] == 5


async def test_bad_type_of_an_empty_page(caller: Caller) -> None:
    """Where there is no row, there is nothing to spoil."""
    caller.tenant.fail("list", Fault.BAD_TYPE)
    assert (await caller.page(caseNo="none"))["result"] == [{"caseList": [], "count": 0}]


async def test_the_bomb_swells(caller: Caller) -> None:
    """A small gzip body is 200 MB of spaces to whoever inflates it."""
    caller.tenant.fail("list", Fault.GZIP_BOMB)
    response, body = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(body) < 1_000_000
    assert inflated_size(body) == 200_000_000


def inflated_size(body: bytes) -> int:
    """Inflate piece by piece, to the checksum at the end."""
    inflate, size = zlib.decompressobj(31), 0
    while body and not inflate.eof:
        size += len(inflate.decompress(body, 1 << 22))
        body = inflate.unconsumed_tail
    assert inflate.eof
    return size


async def test_faults_come_in_their_order(caller: Caller) -> None:
    """First come, first served, each as often as asked, and only to its operation."""
    caller.tenant.fail("create", Fault.HTTP_502)
    caller.tenant.fail("list", Fault.HTTP_500)
    caller.tenant.fail("*", Fault.HTTP_503, times=2)
    statuses = []
    for _ in range(4):
        response, _ = await caller.send("POST", f"{OPENAPI}/case/list", FIRST_PAGE)
        statuses.append(response.status)
    assert statuses == [500, 503, 503, 200]
    caller.tenant.fail("list", Fault.HTTP_500, times=None)
    assert [(await caller.page())["resCode"] for _ in range(3)] == ["405230500"] * 3
    caller.tenant.clear_faults()
    assert (await caller.post("/case", new_case()))["resCode"] == "0"


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


async def test_shares_last_until_they_are_cleared(caller: Caller) -> None:
    """A share of all is all; a fault with `times` that came before takes its turn first."""
    caller.tenant.fail("list", Fault.HTTP_502)
    caller.tenant.fail("list", Fault.HTTP_503, share=1)
    caller.tenant.fail("list", Fault.HTTP_500)
    path = f"{OPENAPI}/case/list"
    statuses = [(await caller.send("POST", path, FIRST_PAGE))[0].status for _ in range(4)]
    assert statuses == [502, 503, 503, 503]
    caller.tenant.clear_faults()
    assert (await caller.page())["resCode"] == "0"


async def test_the_seed_decides_who_suffers(http: aiohttp.ClientSession) -> None:
    """Two tenants of one seed treat the same requests alike, delays drawn between or not."""
    seen = []
    for latency in (None, Latency(0.0001, sigma=0.5)):
        async with Emulator(cases=0, seed=5, latency=latency) as tenant:
            tenant.fail("list", Fault.HTTP_503, share=0.5)
            caller = Caller(tenant, http)
            seen.append([(await caller.page())["resCode"] for _ in range(30)])
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
    hanging = asyncio.create_task(Caller(tenant, http).page())
    while not tenant.requests:  # noqa: ASYNC110 -- the emulator offers no event for it
        await asyncio.sleep(0)
    before = time.monotonic()
    await tenant.close()
    assert time.monotonic() - before < 1
    with pytest.raises(aiohttp.ClientError):
        await hanging


# ---- Q-Flow --------------------------------------------------------------------------------

RECORD = sample("003_enqueue_request")


async def enqueue(caller: Caller, body: bytes, **headers: str) -> tuple[int, Any]:
    """Send a case to Q-Flow."""
    sent = {"Content-Type": JSON} | {key.replace("_", "-"): headers[key] for key in headers}
    response, answer = await caller.send("POST", "/API/Cases", body, headers=sent)
    return response.status, json.loads(answer)


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
async def test_forms_are_accepted(caller: Caller, form: str, properties: Wire | None) -> None:
    """Both usual spellings of a dictionary in a form are read."""
    kind = "application/x-www-form-urlencoded"
    status, answer = await enqueue(caller, form.encode(), Content_Type=kind)
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
async def test_bad_records_are_refused(caller: Caller, fields: Wire, wrong: str) -> None:
    """What breaks the document comes back in ModelState, as ASP.NET does it."""
    status, answer = await enqueue(caller, json.dumps(RECORD | fields).encode())
    assert (status, list(answer["ModelState"])) == (400, [wrong])
    assert caller.tenant.enqueued == []


@pytest.mark.parametrize(("kind", "status"), [("text/json", 400), ("text/plain", 415)])
async def test_bodies_that_cannot_be_read(caller: Caller, kind: str, status: int) -> None:
    """Broken JSON is 400, a media type that is not served 415."""
    assert (await enqueue(caller, b"{", Content_Type=kind))[0] == status


async def test_required_headers(http: aiohttp.ClientSession) -> None:
    """A Q-Flow that wants a header refuses who does not send it."""
    async with Emulator(cases=0, qflow_headers={"X-Token": "t"}) as tenant:
        caller, body = Caller(tenant, http), json.dumps(RECORD).encode()
        assert (await enqueue(caller, body))[0] == 401
        assert (await enqueue(caller, body, X_Token="t"))[0] == 200


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
