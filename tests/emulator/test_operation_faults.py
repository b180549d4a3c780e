"""Scripted faults of every operation."""

import json
from typing import Any

import aiohttp
import pytest
from emulator.bare_client import (
    OPENAPI,
    QFLOW_SIGN_IN,
    STATUS_PATH,
    TYPE,
    BareClient,
    note,
    transfer,
)

from aicc_async.emulator import Fault, Readings
from aicc_async.emulator.faults.script import FAULTS_AFTER_WORK
from aicc_async.emulator.http.routes import OPERATIONS, PLATFORM_PATH


async def requests(client: BareClient) -> dict[str, tuple[str, str, Any]]:
    """Build a request of every operation that will succeed."""
    client.tenant.readings = Readings(platform="answers")
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
        "platform_count": ("POST", PLATFORM_PATH, {"condition": {}}),
        "qflow_token": ("POST", "/API/Users/Token", QFLOW_SIGN_IN),
        "qflow_cancel": ("POST", "/API/Cases/Cancel", {"CaseId": case["CaseId"]}),
        "qflow_case": ("GET", f"/API/Cases/{case['CaseId']}", None),
        "qflow_process": ("GET", f"/API/Cases/Processes/{case['ProcessId']}", None),
    }


# Create, enqueue, get, list, modify and token have tests of their own.
SIMPLE_OPERATIONS = sorted(OPERATIONS - {"create", "enqueue", "get", "list", "modify", "token"})
WRITES = {
    *("transfer", "process", "cancel", "status"),
    *("task_create", "task_modify", "task_transfer", "task_status", "qflow_cancel"),
}

# The operations whose answers have a value that BAD_TYPE can replace.
SPOILED = {
    *("type_list", "type_get", "statistics", "statistics_report", "task_list", "task_get"),
    *("qflow_case", "qflow_process"),
}


@pytest.mark.parametrize("operation", SIMPLE_OPERATIONS)
async def test_faults_of_every_operation(client: BareClient, operation: str) -> None:
    """A fault strikes only its operation, and the work is done or not as the fault says."""
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


@pytest.mark.parametrize("operation", SIMPLE_OPERATIONS)
async def test_a_lost_answer_leaves_the_work_done(client: BareClient, operation: str) -> None:
    """The work stays done if the connection closes after it."""
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


@pytest.mark.parametrize("operation", SIMPLE_OPERATIONS)
async def test_bad_types_of_every_operation(client: BareClient, operation: str) -> None:
    """At most one value of the answer is of another kind, and the rest is unchanged."""
    method, path, body = (await requests(client))[operation]
    await client.send(method, path, body)
    good = (await client.send(method, path, body)).body
    client.tenant.fail(operation, Fault.BAD_TYPE)
    bad = (await client.send(method, path, body)).body
    differences = [
        (one, two) for one, two in zip(leaves(good), leaves(bad), strict=True) if one != two
    ]
    # These answer with another id or token every time.
    ids = ("task_create", "qflow_token")
    assert operation in ids or len(differences) == (operation in SPOILED)
    assert all(type(one) is not type(two) for one, two in differences) or operation in ids


def leaves(body: bytes) -> list[Any]:
    """Return all values of an answer in their order."""
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
