"""The readings of what the documents leave open."""

from typing import Any

import pytest
from emulator.bare_client import (
    AICC_TYPE,
    COUNTS,
    OPENAPI,
    BareClient,
    Wire,
)

from aicc_async.emulator import Readings


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_the_verb_of_a_task_detail(client: BareClient, verb: str) -> None:
    """A tenant may support only one of the two verbs; the other is a 404."""
    path = f"{OPENAPI}/task/{await client.create_task()}"
    client.tenant.readings = Readings(task_detail=verb)
    statuses = {method: (await client.send(method, path)).status for method in ("GET", "POST")}
    assert statuses == {"GET": 404, "POST": 404} | {verb: 200}


async def test_statistics_may_be_swapped(client: BareClient) -> None:
    """The paths change places and the verbs stay; the usual pairs are a 404 then."""
    page = {"start": 0, "limit": 1}
    client.tenant.readings = Readings(swap_statistics=True)
    assert list((await client.get("/statistics/case/report"))["result"]) == COUNTS
    [result] = (await client.post("/statistics/case/current", page))["result"]
    assert list(result) == ["caseStatisticsList", "count"]
    assert (await client.get("/statistics/case/current"))["resCode"] == "404"
    assert (await client.post("/statistics/case/report", page))["resCode"] == "404"


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
    """A creation answers an object, a text or nothing, by the tenant's reading."""
    client.tenant.readings = Readings(task_created=reading)
    body = {"taskInfo": {"title": "t"}}
    reply = await client.send("POST", f"{OPENAPI}/task", body)
    [task] = client.tenant.tasks()
    shown = b'{"resCode":"0","resMsg":"Success"%b}' % result
    assert reply.body == shown.replace(b"ID", task["id"].encode())
    assert reply.content_type == AICC_TYPE
    assert client.tenant.requests[-1].applied


async def test_the_key_of_the_rows_is_a_reading(client: BareClient) -> None:
    """The rows are under either key, or are the result themselves, without a count."""
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


@pytest.mark.parametrize(
    "wrong", [{"task_rows": "rows"}, {"task_created": "object"}, {"task_detail": "PUT"}]
)
def test_misspelt_readings_are_refused(wrong: Wire) -> None:
    """An unknown reading is refused, since it would have no effect."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Readings(**wrong)
