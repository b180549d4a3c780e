"""Tasks."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import aiohttp
from emulator.bare_client import (
    NO_RESULT,
    OPENAPI,
    BareClient,
    note,
)
from hypothesis import given
from hypothesis import strategies as st

from aicc_async.emulator import Emulator
from aicc_async.emulator.data import seed


async def test_a_task_keeps_the_fields_sent(client: BareClient) -> None:
    """The detail by either verb and the list show the fields sent and those of the server."""
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
    """Modify, transfer and status change the fields they name; relateId moves a task."""
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
    """Pages begin where requested, the count is that of all, and equal tasks are several."""
    ids = [await client.create_task() for _ in range(5)]
    assert len(set(ids)) == 5
    [result] = (await client.post("/task/list", {"start": 1, "limit": 3}))["result"]
    assert [task["id"] for task in result["taskList"]] == ids[3:0:-1]
    assert result["count"] == 5


async def test_tasks_are_filtered(client: BareClient) -> None:
    """Filters match part of the title, status, level and handler, alone and together."""
    wanted = await client.create_task(title="call Ada's shop", priority="High", creatorId="h1")
    other = await client.create_task(title="write", priority="Low", creatorId="h2")
    await client.post("/task/status/update", {"id": other, "status": "done"})

    async def found(**filters: str) -> list[str]:
        return [task["id"] for task in await client.rows("/task/list", "taskList", **filters)]

    for filters in ({"name": "Ada's"}, {"level": "High"}, {"handler": "h1"}, {"status": "New"}):
        assert await found(**filters) == [wanted]
    assert await found(level="Low", status="done", name="rit") == [other]
    assert await found(level="Low", status="New") == []


async def test_a_database_file_keeps_tasks_and_traces(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A restart loses nothing, and new ids differ from the old ones."""
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


async def test_an_older_database_file_gets_the_missing_tables(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A file that has only cases works for tasks and traces too."""
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
    """An id depends on seed and number only, has 20 characters, and is unique."""
    ids = {pair: seed.draw_task_id(pair[0], seed=pair[1]) for pair in drawn}
    assert ids == {pair: seed.draw_task_id(pair[0], seed=pair[1]) for pair in drawn}
    assert len(set(ids.values())) == len(ids)
    assert all(len(one) == 20 for one in ids.values())
