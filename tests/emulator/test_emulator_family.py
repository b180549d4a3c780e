"""The whole Case 2.0 family and Q-Flow's case calls on the emulator, with a bare HTTP client."""

import asyncio
import json
import re
import sqlite3
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from emulator.bare_client import (
    AICC_TYPE,
    FORM,
    JSON,
    OPENAPI,
    BareClient,
    Wire,
    note,
    transfer,
)
from hypothesis import given
from hypothesis import strategies as st

from aicc_async.emulator import Emulator, Fault, Latency, Readings, run_in_thread
from aicc_async.emulator.data import seed
from aicc_async.emulator.faults.script import FAULTS_AFTER_WORK
from aicc_async.emulator.http.answer import BusinessError
from aicc_async.emulator.http.routes import OPERATIONS, find_operation
from aicc_async.emulator.operations.bounds import Bounds

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001 -- wall-clock time, as on the wire
UNTIL = datetime(2025, 3, 1)  # noqa: DTZ001 -- same
MISSING, TOO_LONG, MALFORMED, NOT_FOUND = "405230002", "405230003", "405230001", "405230404"
NO_RESULT = b'{"resCode":"0","resMsg":"Success"}'
"""The whole answer of document 002, to the byte."""

TYPE = "cvmC0000014Oc9jgT7ZI"
STATUS_PATH = "/status/update"
TRACE_KEYS = [
    *("createdDate", "creatorId", "creatorName", "description", "from", "fromName"),
    *("relatedId", "title", "toAddress", "type"),
]
"""The keys of document 004's sample, in its order."""

TYPE_KEYS = [
    *("id", "typeName", "description", "status", "caseStatus", "templateId", "templateName"),
    *("contentTemplateId", "parentId", "isStrictOrder", "creatorName", "createdDate"),
    *("lastModifiedName", "lastModifiedDate"),
]
COUNTS = ["newCases", "finishedCases", "unfinishedCases", "averageDuration", "overCases"]


# ---- what is which operation ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/case/transfer", "transfer"),
        ("POST", "/case/process", "process"),
        ("POST", "/case/cancel", "cancel"),
        ("POST", STATUS_PATH, "status"),
        ("POST", "/case/status/update", None),
        ("POST", "/caseType/list", "type_list"),
        ("GET", "/caseType/cvmC", "type_get"),
        ("GET", "/statistics/case/current", "statistics"),
        ("POST", "/statistics/case/report", "statistics_report"),
        ("GET", "/statistics/case/report", None),
        ("POST", "/task", "task_create"),
        ("POST", "/task/modify", "task_modify"),
        ("POST", "/task/list", "task_list"),
        ("GET", "/task/cTsk", "task_get"),
        ("POST", "/task/cTsk", "task_get"),
        ("POST", "/task/", None),
        ("POST", "/task/transfer", "task_transfer"),
        ("POST", "/task/status/update", "task_status"),
        ("DELETE", "/task/cTsk", None),
    ],
)
def test_routes(method: str, path: str, operation: str | None) -> None:
    """Each row of the table is one operation."""
    assert find_operation(method, f"{OPENAPI}{path}") == operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "Users/Token", "qflow_token"),
        ("POST", "Users/LoginQFlow", "qflow_token"),
        ("POST", "Cases/Cancel", "qflow_cancel"),
        ("GET", "Cases/5", "qflow_case"),
        ("GET", "Cases/Processes/5", "qflow_process"),
        ("GET", "Cases", None),
    ],
)
def test_routes_of_qflow(method: str, path: str, operation: str | None) -> None:
    """Q-Flow's routes have no `api/` of their own below the base path."""
    assert find_operation(method, f"/API/{path}") == operation


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_the_verb_of_a_task_s_detail(client: BareClient, verb: str) -> None:
    """A tenant may know only one of the two verbs; the other path is not there."""
    path = f"{OPENAPI}/task/{await client.create_task()}"
    client.tenant.readings = Readings(task_detail=verb)
    statuses = {method: (await client.send(method, path)).status for method in ("GET", "POST")}
    assert statuses == {"GET": 404, "POST": 404} | {verb: 200}


async def test_statistics_may_be_swapped(client: BareClient) -> None:
    """The paths change places, the verbs stay; the others are not there then."""
    page = {"start": 0, "limit": 1}
    client.tenant.readings = Readings(swap_statistics=True)
    assert list((await client.get("/statistics/case/report"))["result"]) == COUNTS
    [result] = (await client.post("/statistics/case/current", page))["result"]
    assert list(result) == ["caseStatisticsList", "count"]
    assert (await client.get("/statistics/case/current"))["resCode"] == "404"
    assert (await client.post("/statistics/case/report", page))["resCode"] == "404"


# ---- what is done to a case ----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/case/transfer", "/case/process", "/case/cancel", STATUS_PATH])
async def test_actions_answer_no_result(client: BareClient, path: str) -> None:
    """A change is answered as document 002 does it, to the byte, and is on record as applied."""
    [case_id, *_] = client.tenant.ids()
    body = transfer(case_id, status="New") | note(case_id)
    reply = await client.send("POST", f"{OPENAPI}{path}", body)
    assert (reply.body, reply.content_type) == (NO_RESULT, AICC_TYPE)
    assert [one.applied for one in client.tenant.requests] == [True]


@pytest.mark.parametrize("kind", ["user", "queue"])
async def test_transfer_gives_another_owner(client: BareClient, kind: str) -> None:
    """A transfer to a user or a queue shows in the list, and in the filters."""
    [case_id, *_] = client.tenant.ids()
    await client.post("/case/transfer", transfer(case_id, ownerId="10gg9", ownerType=kind))
    assert (await client.detail(case_id))["caseInfo"]["ownerId"] == "10gg9"
    [row] = await client.rows("/case/list", "caseList", ownerId="10gg9")
    assert row["id"] == case_id
    queued = await client.rows("/case/list", "caseList", queueId="10gg9")
    assert [row["id"] for row in queued] == [case_id] * (kind == "queue")


async def test_cancel_closes(client: BareClient) -> None:
    """A cancelled case is so in list and detail, and a second time changes no more."""
    case_id = client.tenant.insert(state="Processing", closedDate=None, createdDate="2031-01-01")
    for _ in range(2):
        assert (await client.post("/case/cancel", {"id": case_id}))["resCode"] == "0"
        row = client.tenant.rows()[-1]
        assert (row["id"], row["isCanced"], row["state"]) == (case_id, True, "Completed")
        assert datetime.fromisoformat(row["closedDate"]) > SINCE
    assert (await client.detail(case_id))["caseInfo"]["AICC__IsCanced__CST"] is True


async def test_a_status_is_set(client: BareClient) -> None:
    """Any flow node will do, and nothing else changes."""
    [case_id, *_] = client.tenant.ids()
    before = (await client.detail(case_id))["caseInfo"]
    await client.post(STATUS_PATH, {"id": case_id, "creatorId": "c", "status": "二线处理!"})
    changed = {"status": "二线处理!", "AICC__Status__CST.name": "二线处理!"}
    assert (await client.detail(case_id))["caseInfo"] == before | changed


async def test_what_was_done_is_traced(client: BareClient) -> None:
    """Notes follow the creation in caseTrace, in their order, with the sample's keys."""
    one, two, *_ = client.tenant.ids()
    for title in ("first", "second"):
        await client.post("/case/process", note(one, title=title))
    mail = {"type": "Email", "from": "10gd2", "toAddress": "a@example.com", "attachment": "x"}
    await client.post("/case/process", note(two, **mail))
    created, first, second = (await client.detail(one))["caseTrace"]
    assert [list(trace) for trace in (created, first, second)] == [TRACE_KEYS] * 3
    assert [trace["title"] for trace in (created, first, second)] == [None, "first", "second"]
    assert (first["type"], first["creatorId"]) == ("Iternal", "10gd1")
    [_, sent] = (await client.detail(two))["caseTrace"]
    assert mail.items() <= sent.items()
    assert client.tenant.traces(one) == [first, second]


async def test_traces_outlive_a_modify_and_go_with_the_case(client: BareClient) -> None:
    """A change keeps what was done before; a case of the same id starts anew."""
    [case_id, *_] = client.tenant.ids()
    await client.post("/case/process", note(case_id))
    await client.post("/case/transfer", transfer(case_id))
    assert len((await client.detail(case_id))["caseTrace"]) == 2
    client.tenant.delete(case_id)
    client.tenant.insert(id=case_id)
    assert len((await client.detail(case_id))["caseTrace"]) == 1


async def test_two_equal_notes_are_two(client: BareClient) -> None:
    """There is no idempotency: sending again writes again."""
    [case_id, *_] = client.tenant.ids()
    for _ in range(3):
        await client.post("/case/process", note(case_id))
    assert len(client.tenant.traces(case_id)) == 3


async def test_the_list_sees_an_action(client: BareClient) -> None:
    """The kept page of the same request is dropped after each of them."""
    case_id = client.tenant.insert(createdDate="2031-01-01 00:00:00", state="Pending")
    page = {"start": 0, "limit": 1}

    async def row() -> Any:
        return (await client.post("/case/list", page))["result"][0]["caseList"][0]

    assert (await row())["state"] == "Pending"
    await client.post(STATUS_PATH, {"id": case_id, "creatorId": "c", "status": "s"})
    await client.post("/case/transfer", transfer(case_id, ownerId="o"))
    await client.post("/case/cancel", {"id": case_id})
    now = await row()
    assert (now["state"], now["status"], now["ownerId"]) == ("Completed", "s", "o")


REFUSED: list[tuple[str, Wire, str]] = [
    *(
        ("/case/transfer", transfer("c", **{key: None}), MISSING)
        for key in ("id", "ownerId", "ownerType", "creatorId", "remark")
    ),
    ("/case/transfer", transfer("c", remark="ä" * 1001), TOO_LONG),
    ("/case/transfer", transfer("c", ownerId=5), MALFORMED),
    ("/case/process", {"creatorId": "c", "processInfo": {"type": "SMS"}}, MISSING),
    ("/case/process", {"caseId": "c"}, MISSING),
    ("/case/process", {"caseId": "c", "processInfo": "SMS"}, MISSING),
    ("/case/process", note("c", type=None), MISSING),
    *(
        ("/case/process", note("c", **{key: "ä" * (most // 2) + "a"}), TOO_LONG)
        for key, most in {
            "title": 128,
            "description": 20_000,
            "from": 20,
            "fromName": 80,
            "toAddress": 2000,
            "creatorId": 20,
        }.items()
    ),
    ("/case/process", note("c", attachment=["x"]), MALFORMED),
    ("/case/cancel", {}, MISSING),
    ("/case/cancel", {"id": "c", "remark": "ä" * 1001}, TOO_LONG),
    (STATUS_PATH, {"id": "c"}, MISSING),
    (STATUS_PATH, {"status": "s"}, MISSING),
    (STATUS_PATH, {"id": "c", "status": 5}, MALFORMED),
    ("/caseType/list", {"limit": 1}, MISSING),
    ("/caseType/list", {"start": 0}, MISSING),
    ("/caseType/list", {"start": 0, "limit": 101}, MALFORMED),
    ("/caseType/list", {"start": 0, "limit": 0}, MALFORMED),
    ("/caseType/list", {"start": 0, "limit": 1, "typeName": 5}, MALFORMED),
    ("/statistics/case/report", {"start": 0, "limit": 101}, MALFORMED),
    ("/statistics/case/report", {"start": 0, "limit": 1, "caseTypeId": "x" * 21}, TOO_LONG),
    *(
        ("/statistics/case/report", {"start": 0, "limit": 1, key: value}, MALFORMED)
        for key in ("startTime", "endTime")
        for value in ("2025-01-01 00:00:00", "20250101", "2025-02-30", 5)
    ),
    ("/task", {}, MISSING),
    ("/task", {"taskInfo": {}}, MISSING),
    *(
        ("/task", {"taskInfo": {"title": "t", key: "ä" * (most // 2) + "ab"}}, TOO_LONG)
        for key, most in {
            "title": 128,
            "description": 20_000,
            "relateId": 20,
            "contactId": 20,
            "attachment": 255,
            "creatorId": 20,
        }.items()
    ),
    ("/task", {"taskInfo": {"title": "t", "dueDate": "tomorrow"}}, MALFORMED),
    ("/task", {"taskInfo": {"title": "t", "priority": 1}}, MALFORMED),
    ("/task/modify", {"taskInfo": {"title": "t"}}, MISSING),
    ("/task/modify", {"taskInfo": {"id": "c", "title": "x" * 129}}, TOO_LONG),
    ("/task/list", {"start": 0, "limit": 101}, MALFORMED),
    ("/task/list", {"start": -1, "limit": 1}, MALFORMED),
    ("/task/list", {"start": 0, "limit": 1, "handler": 5}, MALFORMED),
    ("/task/transfer", {"id": "c"}, MISSING),
    ("/task/status/update", {"id": "c"}, MISSING),
]


@pytest.mark.parametrize(("path", "body", "code"), REFUSED)
async def test_what_breaks_the_tables_is_refused(
    client: BareClient, path: str, body: Wire, code: str
) -> None:
    """A record that lacks something, or has it too long or of another kind, changes nothing."""
    assert (await client.post(path, body))["resCode"] == code
    assert client.tenant.tasks() == []
    assert [one.applied for one in client.tenant.requests] == [False]


async def test_the_longest_texts_are_taken(client: BareClient) -> None:
    """A text that fills its bound in bytes to the last is accepted."""
    [case_id, *_] = client.tenant.ids()
    info = {"title": "ä" * 64, "toAddress": "ä" * 1000, "from": "x" * 20, "fromName": "x" * 80}
    task = {"title": "ä" * 64, "description": "ä" * 10_000, "attachment": "x" * 255}
    for path, body in (
        ("/case/transfer", transfer(case_id, remark="ä" * 1000)),
        ("/case/process", note(case_id, **info)),
        ("/case/cancel", {"id": case_id, "remark": "ä" * 1000}),
        ("/task", {"taskInfo": task}),
    ):
        assert (await client.post(path, body))["resCode"] == "0"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/case/transfer", transfer("none")),
        ("/case/process", note("none")),
        ("/case/cancel", {"id": "none"}),
        (STATUS_PATH, {"id": "none", "status": "s"}),
        ("/task/modify", {"taskInfo": {"id": "none"}}),
        ("/task/transfer", {"id": "none", "ownerId": "o"}),
        ("/task/status/update", {"id": "none", "status": "s"}),
    ],
)
async def test_what_is_not_there_is_not_changed(client: BareClient, path: str, body: Wire) -> None:
    """An unknown id is refused, and leaves no trace."""
    assert (await client.post(path, body))["resCode"] == NOT_FOUND
    assert client.tenant.traces("none") == []


@pytest.mark.parametrize("path", ["/task/none", "/caseType/no%2Fsuch%20type"])
async def test_what_is_not_there_is_not_shown(client: BareClient, path: str) -> None:
    """An unknown id is a business error; ids are percent-decoded."""
    answer = await client.get(path)
    assert answer["resCode"] == NOT_FOUND
    assert answer["resMsg"].endswith(("'none'", "'no/such type'"))


@pytest.mark.parametrize("path", sorted({path for path, _, _ in REFUSED}))
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"id":"\xff"}'])
async def test_malformed_bodies_are_refused(client: BareClient, path: str, body: bytes) -> None:
    """A body that is no JSON object is a business error, never a crash."""
    assert (await client.post(path, body))["resCode"] == MALFORMED


async def test_content_types_and_tokens_are_wanted(client: BareClient) -> None:
    """Where a body counts its type has to be told, and everywhere the token."""
    path = f"{OPENAPI}/case/cancel"
    current = f"{OPENAPI}/statistics/case/current"
    plain = {"Content-Type": "text/plain"}
    assert (await client.send("POST", path, {}, headers=plain)).status == 415
    assert (await client.send("GET", current, headers=plain)).status == 200
    client.tenant.expire_tokens()
    for method, asked in (("POST", path), ("GET", current), ("GET", f"{OPENAPI}/caseType/x")):
        assert (await client.send(method, asked, b"{}")).status == 401


keys = st.sampled_from(["a", "b", "c"])
values = st.one_of(st.none(), st.text(max_size=12), st.integers())


@given(
    wire=st.dictionaries(keys, values),
    mandatory=st.sets(keys),
    optional=st.sets(keys),
    lengths=st.dictionaries(keys, st.integers(0, 12)),
)
def test_bounds(
    wire: Wire, mandatory: set[str], optional: set[str], lengths: dict[str, int]
) -> None:
    """A record passes exactly when nothing is missing, mistyped or too long in bytes."""
    texts = mandatory | optional | set(lengths)
    good = all(wire.get(key) for key in mandatory) and all(
        isinstance(wire[key], str) and len(wire[key].encode()) <= lengths.get(key, 99)
        for key in texts
        if wire.get(key) is not None
    )
    bounds = Bounds(mandatory=(*mandatory,), optional=(*optional,), lengths=lengths)
    try:
        given = bounds.check(wire)
    except BusinessError:
        assert not good
    else:
        assert good
        assert given == {key: value for key, value in wire.items() if value is not None}


# ---- case types ----------------------------------------------------------------------------


async def test_case_types_are_those_of_the_cases(client: BareClient) -> None:
    """The list has every type of the seeded cases, with all the keys of the table in its order."""
    types = await client.rows("/caseType/list", "caseTypes")
    assert [list(one) for one in types] == [TYPE_KEYS] * len(types)
    seen = {(row["type"], row["typeName"]) for row in client.tenant.rows()}
    assert seen == {(one["id"], one["typeName"]) for one in types}
    nodes = {node for one in types for node in one["caseStatus"].split(",")}
    assert {row["status"] for row in client.tenant.rows()} <= nodes


async def test_case_types_are_found_by_part_of_the_name_and_by_status(client: BareClient) -> None:
    """Both filters narrow the list, and the page keeps to its place."""
    everything = await client.rows("/caseType/list", "caseTypes")
    named = await client.rows("/caseType/list", "caseTypes", typeName="epai")
    assert [one["typeName"] for one in named] == ["Repair"]
    by_status = [
        len(await client.rows("/caseType/list", "caseTypes", status=status))
        for status in ("Active", "Inactive", "other")
    ]
    assert by_status == [len(everything) - 1, 1, 0]
    answer = await client.post("/caseType/list", {"start": 1, "limit": 2})
    assert answer["result"] == [{"caseTypes": everything[1:3], "count": len(everything)}]


async def test_a_case_type_s_detail(client: BareClient) -> None:
    """The detail is an object with the row of the list under caseTypeInfo."""
    types = await client.rows("/caseType/list", "caseTypes")
    for one in types:
        answer = await client.get(f"/caseType/{one['id']}")
        assert answer == {"resCode": "0", "resMsg": "success", "result": {"caseTypeInfo": one}}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/caseType/list", "caseTypes"),
        ("/statistics/case/report", "caseStatisticsList"),
        ("/task/list", "taskList"),
    ],
)
async def test_lists_are_wrapped_or_not(client: BareClient, path: str, key: str) -> None:
    """A list's result is an array of one object, or that object."""
    page = {"start": 0, "limit": 2}
    await client.create_task()
    [wrapped] = (await client.post(path, page))["result"]
    client.tenant.readings = Readings(wrapped=False)
    bare = (await client.post(path, page))["result"]
    assert bare == wrapped
    assert list(bare) == [key, "count"]


# ---- statistics ----------------------------------------------------------------------------


async def test_current_statistics(client: BareClient) -> None:
    """Today's new cases, and all that are finished, unfinished and over, with the mean of days."""
    for case_id in client.tenant.ids():
        client.tenant.delete(case_id)
    answer = await client.get("/statistics/case/current")
    assert answer["result"] == dict.fromkeys(COUNTS, 0)
    created = "2025-01-01 00:00:00"
    for closed in ("2025-01-02 00:00:00", "2025-01-03 12:00:00"):
        client.tenant.insert(createdDate=created, closedDate=closed, state="Completed")
    for due in ("2025-01-02 00:00:00", "2999-01-01 00:00:00", None):
        client.tenant.insert(createdDate=created, dueDate=due, state="Pending")
    client.tenant.insert(state="Processing", dueDate=None)
    reply = await client.send("GET", f"{OPENAPI}/statistics/case/current")
    assert reply.content_type == AICC_TYPE
    assert reply.body == (
        b'{"resCode":"0","resMsg":"success","result":{"newCases":1,"finishedCases":2,'
        b'"unfinishedCases":4,"averageDuration":1.75,"overCases":1}}'
    )


async def test_the_report_counts_days_and_types(client: BareClient) -> None:
    """Each day and type has its counts as plain Python finds them, the newest day first."""
    rows = await client.rows("/statistics/case/report", "caseStatisticsList", caseTypeId=TYPE)
    cases = [case for case in client.tenant.rows() if case["type"] == TYPE]
    assert rows == sorted(rows, key=lambda row: row["date"], reverse=True)
    assert {row["date"] for row in rows} == {case["createdDate"][:10] for case in cases}
    for row in rows:
        assert list(row) == ["date", "caseType", "caseTypeName", *COUNTS]
        assert (row["caseType"], row["caseTypeName"]) == (TYPE, "Repair")
        that_day = [case for case in cases if case["createdDate"].startswith(row["date"])]
        states = Counter(case["state"] == "Completed" for case in that_day)
        assert row["newCases"] == len(that_day)
        assert (row["finishedCases"], row["unfinishedCases"]) == (states[True], states[False])
        assert row["averageDuration"] == pytest.approx(mean_days(that_day), abs=0.01)


def mean_days(cases: list[Wire]) -> float:
    """Take the mean time from creation to closing."""
    closed = [case for case in cases if case["state"] == "Completed"]
    days = [since(case, "closedDate") - since(case, "createdDate") for case in closed]
    return sum(days, timedelta()) / timedelta(days=1) / len(days) if days else 0.0


def since(case: Wire, key: str) -> timedelta:
    """Take a time of a case as a distance."""
    return datetime.fromisoformat(case[key]) - SINCE


async def test_the_report_keeps_to_its_days_and_its_page(client: BareClient) -> None:
    """Both days are included, and pages cover every row once."""
    bounds = {"startTime": "2025-01-10", "endTime": "2025-01-20"}
    rows = await client.rows("/statistics/case/report", "caseStatisticsList", **bounds)
    days = {case["createdDate"][:10] for case in client.tenant.rows()}
    assert {row["date"] for row in rows} == {
        day for day in days if bounds["startTime"] <= day <= bounds["endTime"]
    }
    pages = []
    for start in range(0, len(rows) + 3, 3):
        asked = bounds | {"start": start, "limit": 3}
        [result] = (await client.post("/statistics/case/report", asked))["result"]
        assert result["count"] == len(rows)
        pages += result["caseStatisticsList"]
    assert pages == rows


# ---- tasks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "result"),
    [
        ("taskId", b',"result":{"taskId":"ID"}'),
        ("id", b',"result":{"id":"ID"}'),
        ("text", b',"result":"ID"'),
        ("none", b""),
    ],
)
async def test_a_created_task_is_answered_by_the_reading(
    client: BareClient, reading: str, result: bytes
) -> None:
    """What a creation answers is not documented: an object, a text or nothing."""
    client.tenant.readings = Readings(task_created=reading)
    body = {"taskInfo": {"title": "t"}}
    reply = await client.send("POST", f"{OPENAPI}/task", body)
    [task] = client.tenant.tasks()
    shown = b'{"resCode":"0","resMsg":"Success"%b}' % result
    assert reply.body == shown.replace(b"ID", task["id"].encode())
    assert reply.content_type == AICC_TYPE
    assert client.tenant.requests[-1].applied


async def test_what_a_task_is_given_it_has(client: BareClient) -> None:
    """Detail by either verb and list show what was sent, and what the server added."""
    [case_id, *_] = client.tenant.ids()
    sent = {
        "title": "call back 🎉",
        "description": "d",
        "type": "Call",
        "relateId": case_id,
        "contactId": "ciIy",
        "priority": "High",
        "dueDate": "2026-01-02 00:00:00",
        "attachment": "a",
        "creatorId": "10gd1",
        "AICC__x__CST": 5,
    }
    task_id = await client.create_task(**sent, status="sent in vain", id="too")
    got = await client.get(f"/task/{task_id}")
    assert got == await client.post(f"/task/{quote(task_id)}", {"id": task_id})
    task = got["result"]
    assert sent.items() <= task.items()
    added = {"id": task_id, "state": "Processing", "status": "New", "ownerId": "10gd1"}
    assert added.items() <= task.items()
    assert await client.rows("/task/list", "taskList") == [task] == client.tenant.tasks()
    assert (await client.detail(case_id))["tasks"] == [task]


async def test_tasks_change(client: BareClient) -> None:
    """Modify, transfer and status change what they name; a task moves with its relateId."""
    one, two, *_ = client.tenant.ids()
    task_id = await client.create_task(relateId=one, description="stays")
    [before] = client.tenant.tasks()
    change = {"id": task_id, "title": "new", "relateId": two, "state": "x", "description": None}
    for path, body in (
        ("/task/modify", {"taskInfo": change}),
        ("/task/transfer", {"id": task_id, "ownerId": "o", "creatorId": "c"}),
        ("/task/status/update", {"id": task_id, "status": "s", "creatorId": "c"}),
    ):
        assert (await client.send("POST", f"{OPENAPI}{path}", body)).body == NO_RESULT
    [after] = client.tenant.tasks()
    assert after == before | {"title": "new", "relateId": two, "ownerId": "o", "status": "s"}
    assert (await client.detail(one))["tasks"] == []
    assert (await client.detail(two))["tasks"] == [after]


async def test_tasks_are_listed_newest_first(client: BareClient) -> None:
    """Pages keep their place, the count is that of all, and equal tasks are several."""
    ids = [await client.create_task() for _ in range(5)]
    assert len(set(ids)) == 5
    [result] = (await client.post("/task/list", {"start": 1, "limit": 3}))["result"]
    assert [task["id"] for task in result["taskList"]] == ids[3:0:-1]
    assert result["count"] == 5


async def test_tasks_are_found(client: BareClient) -> None:
    """Filters find by part of the title, by status, level and handler, alone and together."""
    wanted = await client.create_task(title="call Ada's shop", priority="High", creatorId="h1")
    other = await client.create_task(title="write", priority="Low", creatorId="h2")
    await client.post("/task/status/update", {"id": other, "status": "done"})

    async def found(**filters: str) -> list[str]:
        return [task["id"] for task in await client.rows("/task/list", "taskList", **filters)]

    for filters in ({"name": "Ada's"}, {"level": "High"}, {"handler": "h1"}, {"status": "New"}):
        assert await found(**filters) == [wanted]
    assert await found(level="Low", status="done", name="rit") == [other]
    assert await found(level="Low", status="New") == []


async def test_the_key_of_the_rows_is_a_reading(client: BareClient) -> None:
    """The rows stand under either key, or are the result themselves, without a count."""
    page = {"start": 0, "limit": 100}
    await client.create_task()
    tasks = client.tenant.tasks()
    expected: dict[str, Any] = {
        "taskList": [{"taskList": tasks, "count": 1}],
        "tasks": [{"tasks": tasks, "count": 1}],
        "bare": tasks,
    }
    for reading, result in expected.items():
        client.tenant.readings = Readings(task_rows=reading)
        assert (await client.post("/task/list", page))["result"] == result


async def test_a_database_file_keeps_tasks_and_traces(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A restart loses nothing, and goes on with ids of its own."""
    database = tmp_path / "tenant.sqlite"
    async with Emulator(cases=1, database=database) as tenant:
        client, [case_id] = BareClient(tenant, http), tenant.ids()
        await client.create_task(relateId=case_id)
        await client.post("/case/process", note(case_id))
        before = await client.detail(case_id)
    async with Emulator(cases=1, database=database) as tenant:
        client = BareClient(tenant, http)
        assert await client.detail(case_id) == before
        await client.create_task(relateId=case_id)
        [one, two] = (await client.detail(case_id))["tasks"]
    assert [one] == before["tasks"]
    assert one["id"] != two["id"]
    assert len(before["caseTrace"]) == 2


async def test_a_database_file_from_before_is_taken_on(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A file that has cases and nothing else serves tasks and traces too."""
    database = tmp_path / "tenant.sqlite"
    async with Emulator(cases=1, database=database):
        pass
    connection = sqlite3.connect(database)
    connection.executescript("DROP TABLE tasks; DROP TABLE traces;")
    connection.close()
    async with Emulator(cases=1, database=database) as tenant:
        [case_id] = tenant.ids()
        await BareClient(tenant, http).create_task(relateId=case_id)
        assert len((await BareClient(tenant, http).detail(case_id))["tasks"]) == 1


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=50))
def test_ids_of_tasks(drawn: list[tuple[int, int]]) -> None:
    """An id is that of its seed and number, 20 characters, and no two are the same."""
    ids = {pair: seed.draw_task_id(pair[0], seed=pair[1]) for pair in drawn}
    assert ids == {pair: seed.draw_task_id(pair[0], seed=pair[1]) for pair in drawn}
    assert len(set(ids.values())) == len(ids)
    assert all(len(one) == 20 for one in ids.values())


@pytest.mark.parametrize(
    "wrong", [{"task_rows": "rows"}, {"task_created": "object"}, {"task_detail": "PUT"}]
)
def test_misspelt_readings_are_refused(wrong: Wire) -> None:
    """A reading that does not exist would be none, so it is refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Readings(**wrong)


# ---- Q-Flow --------------------------------------------------------------------------------

SIGN_IN = {"UserName": Emulator.qflow_user, "Password": Emulator.qflow_password}
WANTED = Readings(qflow_login=True)


@pytest.mark.parametrize("path", ["Users/Token", "Users/LoginQFlow"])
@pytest.mark.parametrize("kind", [JSON, FORM])
async def test_a_sign_in_opens_qflow(client: BareClient, path: str, kind: str) -> None:
    """A tenant that wants a login takes the APIToken of either path, in the set header only."""
    client.tenant.readings = WANTED
    body = urlencode(SIGN_IN).encode() if kind == FORM else SIGN_IN
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
    """Another header and no prefix may carry the token; it expires as the others do."""
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
    """A wrong user is denied, a request that breaks the table named by its field."""
    got, answer = await client.qflow("POST", "Users/Token", SIGN_IN | changes)
    assert got == status
    assert list(answer.get("ModelState", [])) == ([wrong] if wrong else [])


async def test_nobody_need_sign_in_by_default(client: BareClient) -> None:
    """As before, a tenant takes whoever comes."""
    assert (await client.qflow("POST", "Cases", {"ServiceId": 2}))[0] == 200


async def test_a_queued_case_is_shown(client: BareClient) -> None:
    """Case and process have numbers of their own and show the same; times are .NET's."""
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
    """What is not there is a 404 with a message; a case's number is no process's."""
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
    """A cancellation is a bare JSON string; the case has the status then, and what was sent."""
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
    """What breaks the table, or names no case, cancels nothing."""
    case = await client.enqueue()
    got, answer = await client.qflow("POST", "Cases/Cancel", body)
    assert (got, list(answer.get("ModelState", []))) == (status, [wrong] if wrong else [])
    assert await client.qflow("GET", f"Cases/{case['CaseId']}") == (200, case)


async def test_required_headers_guard_all_of_qflow(http: aiohttp.ClientSession) -> None:
    """A Q-Flow that wants a header wants it for every case call."""
    async with Emulator(cases=0, qflow_headers={"X-Key": "k"}) as tenant:
        client = BareClient(tenant, http)
        asked = (("POST", "Cases"), ("POST", "Cases/Cancel"), ("GET", "Cases/1"))
        for method, path in asked:
            body, headers = {"ServiceId": 2}, {"X-Key": "k"}
            assert (await client.qflow(method, path, body))[0] == 401
            assert (await client.qflow(method, path, body, headers=headers))[0] != 401


# ---- faults --------------------------------------------------------------------------------


async def requests(client: BareClient) -> dict[str, tuple[str, str, Any]]:
    """Build a request of every operation that will do its work."""
    [case_id, *_] = client.tenant.ids()
    task_id = await client.create_task(relateId=case_id)
    case = await client.enqueue()
    by_case = {
        "transfer": ("POST", "/case/transfer", transfer(case_id)),
        "process": ("POST", "/case/process", note(case_id)),
        "cancel": ("POST", "/case/cancel", {"id": case_id}),
        "status": ("POST", STATUS_PATH, {"id": case_id, "status": "s"}),
        "type_list": ("POST", "/caseType/list", {"start": 0, "limit": 1}),
        "type_get": ("GET", f"/caseType/{TYPE}", None),
        "statistics": ("GET", "/statistics/case/current", None),
        "statistics_report": ("POST", "/statistics/case/report", {"start": 0, "limit": 1}),
        "task_create": ("POST", "/task", {"taskInfo": {"title": "t"}}),
        "task_modify": ("POST", "/task/modify", {"taskInfo": {"id": task_id, "title": "n"}}),
        "task_list": ("POST", "/task/list", {"start": 0, "limit": 1}),
        "task_get": ("GET", f"/task/{task_id}", None),
        "task_transfer": ("POST", "/task/transfer", {"id": task_id, "ownerId": "o"}),
        "task_status": ("POST", "/task/status/update", {"id": task_id, "status": "s"}),
    }
    return {name: (verb, OPENAPI + path, body) for name, (verb, path, body) in by_case.items()} | {
        "qflow_token": ("POST", "/API/Users/Token", SIGN_IN),
        "qflow_cancel": ("POST", "/API/Cases/Cancel", {"CaseId": case["CaseId"]}),
        "qflow_case": ("GET", f"/API/Cases/{case['CaseId']}", None),
        "qflow_process": ("GET", f"/API/Cases/Processes/{case['ProcessId']}", None),
    }


NEW = sorted(OPERATIONS - {"create", "enqueue", "get", "list", "modify", "token"})
WRITES = {
    *("transfer", "process", "cancel", "status"),
    *("task_create", "task_modify", "task_transfer", "task_status", "qflow_cancel"),
}
SPOILED = {
    *("type_list", "type_get", "statistics", "statistics_report", "task_list", "task_get"),
    *("qflow_case", "qflow_process"),
}
"""Those whose answers have a value for BAD_TYPE to spoil."""


@pytest.mark.parametrize("operation", NEW)
async def test_faults_of_every_operation(client: BareClient, operation: str) -> None:
    """A fault strikes its operation alone; the work is done or not as the fault says."""
    method, path, body = (await requests(client))[operation]
    for fault, status in (
        (Fault.HTTP_503, 503),
        (Fault.HTTP_500_AFTER, 500),
        (Fault.TOKEN_EXPIRED_401, 401),
    ):
        client.tenant.fail("create", fault, times=None)
        client.tenant.fail(operation, fault)
        assert (await client.send(method, path, body)).status == status
        last = client.tenant.requests[-1]
        assert (last.operation, last.applied) == (
            operation,
            fault in FAULTS_AFTER_WORK and operation in WRITES,
        )
    assert (await client.send(method, path, body)).status == 200
    assert client.tenant.requests[-1].applied is (operation in WRITES)


@pytest.mark.parametrize("operation", NEW)
async def test_an_answer_that_is_lost(client: BareClient, operation: str) -> None:
    """A connection that closes after the work leaves the work done."""
    method, path, body = (await requests(client))[operation]
    client.tenant.fail(operation, Fault.DROP_AFTER, times=None)
    with pytest.raises(aiohttp.ClientError):
        await client.send(method, path, body)
    assert all(
        one.applied is (operation in WRITES)
        for one in client.tenant.requests
        if one.operation == operation and one.status is None
    )
    assert client.tenant.requests[-1].status is None


@pytest.mark.parametrize("operation", NEW)
async def test_bad_types_of_every_operation(client: BareClient, operation: str) -> None:
    """One value is of another kind, where there is one that can be; the rest is as ever."""
    method, path, body = (await requests(client))[operation]
    await client.send(method, path, body)
    good = (await client.send(method, path, body)).body
    client.tenant.fail(operation, Fault.BAD_TYPE)
    bad = (await client.send(method, path, body)).body
    differences = [
        (one, two) for one, two in zip(leaves(good), leaves(bad), strict=True) if one != two
    ]
    ids = ("task_create", "qflow_token")  # another one every time
    assert operation in ids or len(differences) == (operation in SPOILED)
    assert all(type(one) is not type(two) for one, two in differences) or operation in ids


def leaves(body: bytes) -> list[Any]:
    """Take all values of an answer in their order."""
    found: list[Any] = []

    def walk(value: Any) -> None:
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            for one in inner:
                walk(one)
        else:
            found.append(value)

    walk(json.loads(body))
    return found


async def test_signing_in_is_free_and_quick(http: aiohttp.ClientSession) -> None:
    """A sign-in to Q-Flow uses up no quota and waits for nothing, as the other one."""
    async with Emulator(cases=0, quota=1, latency=Latency(30)) as tenant:
        client = BareClient(tenant, http)
        for _ in range(3):
            assert (await client.qflow("POST", "Users/Token", SIGN_IN))[0] == 200
        assert tenant.peak == 0


# ---- from other processes ------------------------------------------------------------------

WORKER = """
import http.client, json, sys
host, token, worker = sys.argv[1:]
case = {"description": "d", "type": "T", "contactId": "c", "creatorId": "u", "isAutoAssigned": True}
connection = http.client.HTTPConnection(host)
seen = []
for number in range(20):
    body = json.dumps({"caseInfo": case | {"title": f"{worker}-{number}"}})
    headers = {"Content-Type": "application/json", "access-token": token}
    connection.request("POST", "/service/AICC__Case/1.0.0/openapi/case", body, headers)
    answer = connection.getresponse()
    answer.read()
    seen.append(answer.status)
print(json.dumps(seen))
"""


async def test_three_processes_and_faults_from_another_thread() -> None:
    """A tenant in a thread serves several processes; what they saw is what it did, or said."""
    with run_in_thread(cases=0) as tenant:
        tenant.fail("create", Fault.HTTP_500_AFTER, share=0.2)
        tenant.fail("create", Fault.HTTP_503, share=0.2)
        arguments = ("-c", WORKER, tenant.url.removeprefix("http://"), tenant.token())
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, *arguments, str(number), stdout=asyncio.subprocess.PIPE
            )
            for number in range(3)
        ]
        outputs = [(await worker.communicate())[0] for worker in workers]
        seen = Counter(status for output in outputs for status in json.loads(output))
        titles = Counter(row["title"] for row in tenant.rows())
    assert seen.total() == 60
    assert set(seen) == {200, 500, 503}
    assert len(titles) == titles.total() == seen[200] + seen[500]
