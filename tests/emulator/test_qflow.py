"""Q-Flow: its sign-in and its case calls."""

import re
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from emulator.bare_client import (
    FORM,
    JSON,
    PLAIN_TYPE,
    QFLOW_SIGN_IN,
    BareClient,
    Wire,
    sample,
)

from aicc_async.emulator import Emulator, Readings


async def test_enqueue_answers_the_record_with_its_number(client: BareClient) -> None:
    """The sample of document 003 is answered as it was sent, except for its CaseId."""
    request = sample("003_enqueue_request")
    for number in (1, 2):
        reply = await client.send("POST", "/API/Cases", request)
        assert reply.json() == sample("003_enqueue_response") | {"CaseId": number}
        assert reply.content_type == PLAIN_TYPE
    assert [record["CaseId"] for record in client.tenant.enqueued] == [1, 2]


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
    """A field that violates the document is named in ModelState, as ASP.NET does."""
    status, answer = await client.qflow("POST", "Cases", RECORD | fields)
    assert (status, list(answer["ModelState"])) == (400, [wrong])
    assert client.tenant.enqueued == []


@pytest.mark.parametrize(("kind", "status"), [("text/json", 400), ("text/plain", 415)])
async def test_bodies_that_cannot_be_read(client: BareClient, kind: str, status: int) -> None:
    """Broken JSON is a 400, an unsupported media type a 415."""
    headers = {"Content-Type": kind}
    assert (await client.qflow("POST", "Cases", b"{", headers=headers))[0] == status


async def test_required_headers(http: aiohttp.ClientSession) -> None:
    """A Q-Flow that requires a header refuses a request without it."""
    async with Emulator(cases=0, qflow_headers={"X-Token": "t"}) as tenant:
        client, headers = BareClient(tenant, http), {"X-Token": "t"}
        assert (await client.qflow("POST", "Cases", RECORD))[0] == 401
        assert (await client.qflow("POST", "Cases", RECORD, headers=headers))[0] == 200


LOGIN_REQUIRED = Readings(qflow_login=True)


@pytest.mark.parametrize("path", ["Users/Token", "Users/LoginQFlow"])
@pytest.mark.parametrize("kind", [JSON, FORM])
async def test_a_sign_in_opens_qflow(client: BareClient, path: str, kind: str) -> None:
    """A tenant that requires a login accepts the APIToken of either path, in its header only."""
    client.tenant.readings = LOGIN_REQUIRED
    body = urlencode(QFLOW_SIGN_IN).encode() if kind == FORM else QFLOW_SIGN_IN
    status, user = await client.qflow("POST", path, body, headers={"Content-Type": kind})
    assert (status, user["UserName"]) == (200, Emulator.qflow_user)
    token = user["APIToken"]
    signed_in = await client.qflow(
        "POST", "Cases", {"ServiceId": 2}, headers={"Authorization": f"Bearer {token}"}
    )
    assert signed_in[0] == 200
    wrong: tuple[dict[str, str], ...] = ({"Authorization": token}, {"X-Token": token}, {})
    for headers in wrong:
        refused = await client.qflow("POST", "Cases", {"ServiceId": 2}, headers=headers)
        assert refused == (401, {"Message": "Authorization has been denied for this request."})


async def test_the_header_is_a_setting(client: BareClient) -> None:
    """The token may be in another header without a prefix, and expires with the others."""
    client.tenant.readings = Readings(qflow_login=True, qflow_header="APIToken", qflow_prefix="")
    token = client.tenant.qflow_token()

    async def status(**headers: str) -> int:
        status, _ = await client.qflow("POST", "Cases", {"ServiceId": 2}, headers=headers)
        return int(status)

    assert await status(APIToken=token) == 200
    assert await status(Authorization=f"Bearer {token}") == 401
    assert await status(APIToken=client.tenant.token()) == 401
    client.tenant.expire_tokens()
    assert await status(APIToken=token) == 401


@pytest.mark.parametrize(
    ("changes", "status", "wrong"),
    [
        ({"Password": "wrong"}, 401, None),
        ({"UserName": "somebody"}, 401, None),
        ({"Password": None}, 400, "Password"),
        ({"UserName": "x" * 255}, 400, "UserName"),
        ({"Password": "x" * 251}, 400, "Password"),
        ({"Password": 5}, 400, "Password"),
    ],
)
async def test_bad_sign_ins(
    client: BareClient, changes: Wire, status: int, wrong: str | None
) -> None:
    """Wrong credentials are denied; a request that violates the table is refused by field."""
    got, answer = await client.qflow("POST", "Users/Token", QFLOW_SIGN_IN | changes)
    assert got == status
    assert list(answer.get("ModelState", [])) == ([wrong] if wrong else [])


async def test_no_sign_in_is_required_by_default(client: BareClient) -> None:
    """Without ``qflow_login`` a request needs no token."""
    assert (await client.qflow("POST", "Cases", {"ServiceId": 2}))[0] == 200


async def test_a_queued_case_is_shown(client: BareClient) -> None:
    """Case and process have numbers of their own and the same detail, with times as in .NET."""
    one, two = await client.enqueue(Subject="s"), await client.enqueue(AutoClose=True)
    assert list(one)[:5] == ["CaseId", "ProcessId", "ProcessGuid", "Ticket", "CaseDateCreated"]
    assert (one["Subject"], one["Status"], two["Status"]) == ("s", 3, 8)
    assert len({one["CaseId"], two["CaseId"], one["ProcessId"], two["ProcessId"]}) == 4
    assert one["ProcessGuid"] != two["ProcessGuid"]
    assert one["Ticket"] != two["Ticket"]
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+10:00"
    assert re.fullmatch(form, one["CaseDateCreated"])
    assert await client.qflow("GET", f"Cases/Processes/{one['ProcessId']}") == (200, one)


@pytest.mark.parametrize("path", ["Cases/9", "Cases/Processes/1", "Cases/x", "Cases/²"])
async def test_an_unknown_queued_case(client: BareClient, path: str) -> None:
    """An unknown id is a 404 with a message; the number of a case is not that of a process."""
    await client.enqueue()
    status, answer = await client.qflow("GET", quote(path))
    assert (status, list(answer)) == (404, ["Message"])


@pytest.mark.parametrize("key", ["CaseId", "ProcessId"])
@pytest.mark.parametrize(
    ("sent", "shown"), [({}, 15), ({"Status": 17}, 17), ({"Status": -1}, 3), ({"Status": 4}, 4)]
)
async def test_a_queued_case_is_cancelled(
    client: BareClient, key: str, sent: Wire, shown: int
) -> None:
    """A cancel answers a bare JSON string; the detail then has the status and the fields sent."""
    case, other = await client.enqueue(), await client.enqueue()
    more = {"Notes": "gone", "ClassificationCode": "c", "CustomProperties": {"a": "b"}}
    for _ in range(2):
        body = {key: case[key]} | more | sent
        reply = await client.send("POST", "/API/Cases/Cancel", body)
        assert (reply.status, reply.body) == (200, b'"OK"')
    after = case | more | {"Status": shown}
    assert await client.qflow("GET", f"Cases/{case['CaseId']}") == (200, after)
    assert await client.qflow("GET", f"Cases/{other['CaseId']}") == (200, other)


@pytest.mark.parametrize(
    ("body", "status", "wrong"),
    [
        ({}, 400, "CaseId"),
        ({"CaseId": "one"}, 400, "CaseId"),
        ({"CaseId": 1, "Status": 5}, 400, "Status"),
        ({"CaseId": 1, "Status": "gone"}, 400, "Status"),
        ({"CaseId": 1, "Notes": "x" * 4001}, 400, "Notes"),
        ({"CaseId": 1, "CustomProperties": []}, 400, "CustomProperties"),
        ({"CaseId": 2}, 404, None),
        (b'{"CaseId":"\xff"}', 400, None),
    ],
)
async def test_bad_cancellations(
    client: BareClient, body: Any, status: int, wrong: str | None
) -> None:
    """A request that violates the table, or names an unknown case, cancels nothing."""
    case = await client.enqueue()
    got, answer = await client.qflow("POST", "Cases/Cancel", body)
    assert (got, list(answer.get("ModelState", []))) == (status, [wrong] if wrong else [])
    assert await client.qflow("GET", f"Cases/{case['CaseId']}") == (200, case)


async def test_required_headers_guard_all_of_qflow(http: aiohttp.ClientSession) -> None:
    """A Q-Flow that requires a header requires it for every case call."""
    async with Emulator(cases=0, qflow_headers={"X-Key": "k"}) as tenant:
        client = BareClient(tenant, http)
        calls = (("POST", "Cases"), ("POST", "Cases/Cancel"), ("GET", "Cases/1"))
        for method, path in calls:
            body, headers = {"ServiceId": 2}, {"X-Key": "k"}
            assert (await client.qflow(method, path, body))[0] == 401
            assert (await client.qflow(method, path, body, headers=headers))[0] != 401
