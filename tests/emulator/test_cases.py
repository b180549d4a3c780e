"""Create, modify and detail against the samples that the documents print."""

from typing import Any

import aiohttp
import pytest
from emulator.bare_client import (
    AICC_TYPE,
    FIRST_PAGE,
    LIST,
    OPENAPI,
    BareClient,
    Wire,
    new_case,
    sample,
)

from aicc_async.emulator import Emulator


def shape(value: Any) -> Any:
    """Reduce a value to its keys, in order, and the kinds of its values."""
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


@pytest.mark.parametrize("path", ["/case", "/case/list", "/case/modify"])
async def test_answers_have_the_literal_content_type(client: BareClient, path: str) -> None:
    """Every AICC answer has the literal content type of the samples, refusals too."""
    reply = await client.send("POST", f"{OPENAPI}{path}", b"{}")
    assert reply.content_type == AICC_TYPE


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
    ("key", "maximum"), [("title", 128), ("description", 20_000), ("ownerId", 20), ("beId", 20)]
)
async def test_lengths_are_bytes(client: BareClient, key: str, maximum: int) -> None:
    """Lengths count bytes of UTF-8: two a letter here."""
    assert (await client.post("/case", new_case(**{key: "ä" * (maximum // 2)})))["resCode"] == "0"
    long = await client.post("/case", new_case(**{key: "ä" * (maximum // 2) + "a"}))
    assert long["resCode"] == "405230003"


@pytest.mark.parametrize("accepted", ["isAutoAssigned", "isAtuoAssigned", None])
async def test_the_auto_assign_flag(http: aiohttp.ClientSession, accepted: str | None) -> None:
    """Either spelling of the flag is accepted, unless the tenant requires one."""
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
    """A body of another form than documented is a business error, never a crash."""
    assert (await client.post(path, body))["resCode"].startswith("40523000")


@pytest.mark.parametrize("fields", [{"priority": 5}, {"dueDate": "tomorrow"}, {"origin": ["x"]}])
async def test_mistyped_fields_are_refused(client: BareClient, fields: Wire) -> None:
    """A text of another kind, or a time in another form, is a business error."""
    assert (await client.post("/case", new_case(**fields)))["resCode"] == "405230001"


async def test_another_content_type_is_refused(client: BareClient) -> None:
    """The Content-Type header is mandatory in the documents."""
    headers = {"Content-Type": "text/plain"}
    assert (await client.send("POST", LIST, FIRST_PAGE, headers=headers)).status == 415


async def test_owners_are_assigned_on_request(client: BareClient) -> None:
    """A case gets an owner if the request asks for an automatic assignment, else none."""
    for flag in (True, False):
        answer = await client.post("/case", new_case(isAutoAssigned=flag))
        detail = await client.detail(answer["result"]["caseId"])
        assert (detail["caseInfo"]["ownerId"] is not None) is flag


async def test_modify_changes_only_the_fields_sent(client: BareClient) -> None:
    """The fields sent change, extension fields too; others stay, and filters find the change."""
    case_id = client.tenant.insert(AICC__region__CST="north")
    before = (await client.detail(case_id))["caseInfo"]
    change = {"title": "changed", "description": "d", "creatorId": "c", "AICC__region__CST": "x"}
    await client.post("/case/modify", {"caseInfo": change | {"id": case_id, "caseNo": "9"}})
    after = (await client.detail(case_id))["caseInfo"]
    assert after == before | change
    assert await client.ids(AICC__region__CST="x", title="changed") == [case_id]


async def test_modify_of_an_unknown_case(client: BareClient) -> None:
    """A modify of an unknown id is a business error, and creates nothing."""
    request = sample("002_modify_request")
    assert (await client.post("/case/modify", request))["resCode"] == "405230404"


async def test_detail_of_an_unknown_case(client: BareClient) -> None:
    """An unknown id is a business error; ids are percent-decoded."""
    answer = await client.get("/case/no%2Fsuch%20case")
    assert answer == {"resCode": "405230404", "resMsg": "no case 'no/such case'"}


async def test_detail_takes_the_documented_body(client: BareClient) -> None:
    """Document 004 sends the id in a body too, which is read and ignored."""
    case_id = client.tenant.insert()
    reply = await client.send("GET", f"{OPENAPI}/case/{case_id}", sample("004_detail_request"))
    assert reply.json()["result"][0]["caseInfo"]["id"] == case_id


async def test_two_equal_creates_are_two_cases(client: BareClient) -> None:
    """There is no idempotency: sending again makes another case."""
    ids = {await client.create() for _ in range(3)}
    assert len(ids) == 3
