"""Transfer, process, cancel and status of a case."""

from datetime import datetime
from typing import Any

import pytest
from emulator.bare_client import (
    AICC_TYPE,
    NO_RESULT,
    OPENAPI,
    STATUS_PATH,
    BareClient,
    note,
    transfer,
)

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time, as on the wire)

# The keys of document 004's sample, in its order.
TRACE_KEYS = [
    *("createdDate", "creatorId", "creatorName", "description", "from", "fromName"),
    *("relatedId", "title", "toAddress", "type"),
]


@pytest.mark.parametrize("path", ["/case/transfer", "/case/process", "/case/cancel", STATUS_PATH])
async def test_actions_answer_no_result(client: BareClient, path: str) -> None:
    """A change is answered exactly as in document 002, and recorded as applied."""
    [case_id, *_] = client.tenant.ids()
    body = transfer(case_id, status="New") | note(case_id)
    reply = await client.send("POST", f"{OPENAPI}{path}", body)
    assert (reply.body, reply.content_type) == (NO_RESULT, AICC_TYPE)
    assert [one.applied for one in client.tenant.requests] == [True]


@pytest.mark.parametrize("kind", ["user", "queue"])
async def test_transfer_gives_another_owner(client: BareClient, kind: str) -> None:
    """A transfer to a user or a queue shows in the list and in its filters."""
    [case_id, *_] = client.tenant.ids()
    await client.post("/case/transfer", transfer(case_id, ownerId="10gg9", ownerType=kind))
    assert (await client.detail(case_id))["caseInfo"]["ownerId"] == "10gg9"
    [row] = await client.rows("/case/list", "caseList", ownerId="10gg9")
    assert row["id"] == case_id
    queued = await client.rows("/case/list", "caseList", queueId="10gg9")
    assert [row["id"] for row in queued] == [case_id] * (kind == "queue")


async def test_cancel_closes(client: BareClient) -> None:
    """List and detail show that a case is cancelled, and a second cancel changes nothing more."""
    case_id = client.tenant.insert(state="Processing", closedDate=None, createdDate="2031-01-01")
    for _ in range(2):
        assert (await client.post("/case/cancel", {"id": case_id}))["resCode"] == "0"
        row = client.tenant.rows()[-1]
        assert (row["id"], row["isCanced"], row["state"]) == (case_id, True, "Completed")
        assert datetime.fromisoformat(row["closedDate"]) > SINCE
    assert (await client.detail(case_id))["caseInfo"]["AICC__IsCanced__CST"] is True


async def test_a_status_is_set(client: BareClient) -> None:
    """Any flow node is accepted, and no other field changes."""
    [case_id, *_] = client.tenant.ids()
    before = (await client.detail(case_id))["caseInfo"]
    await client.post(STATUS_PATH, {"id": case_id, "creatorId": "c", "status": "二线处理!"})
    changed = {"status": "二线处理!", "AICC__Status__CST.name": "二线处理!"}
    assert (await client.detail(case_id))["caseInfo"] == before | changed


async def test_notes_follow_the_creation_in_case_trace(client: BareClient) -> None:
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


async def test_traces_survive_a_modify_and_are_deleted_with_the_case(client: BareClient) -> None:
    """A change keeps the traces; a new case of the same id starts without any."""
    [case_id, *_] = client.tenant.ids()
    await client.post("/case/process", note(case_id))
    await client.post("/case/transfer", transfer(case_id))
    assert len((await client.detail(case_id))["caseTrace"]) == 2
    client.tenant.delete(case_id)
    client.tenant.insert(id=case_id)
    assert len((await client.detail(case_id))["caseTrace"]) == 1


async def test_two_equal_notes_are_two(client: BareClient) -> None:
    """There is no idempotency: sending a note again adds another one."""
    [case_id, *_] = client.tenant.ids()
    for _ in range(3):
        await client.post("/case/process", note(case_id))
    assert len(client.tenant.traces(case_id)) == 3


async def test_the_list_shows_an_action_at_once(client: BareClient) -> None:
    """The cached page of the same request is dropped after each action."""
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
