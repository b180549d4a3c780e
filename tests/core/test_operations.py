"""The whole of Case 2.0 through the client: what is sent, what is read, what may go again."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from helpers.tenants import client_of
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ApiError,
    CaseCancel,
    CaseProcess,
    CaseQuery,
    CaseTransfer,
    CaseType,
    CaseTypeQuery,
    CaseUpdate,
    ConfigError,
    DecodeError,
    Dialect,
    ExportError,
    NewCase,
    NewTask,
    OwnerType,
    ProcessInfo,
    ProcessType,
    QFlowClient,
    StaticToken,
    StatisticsQuery,
    StatusUpdate,
    Task,
    TaskPage,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
    UnknownOutcome,
    client,
    qflow,
)
from aicc_async._listing.pages import UNKNOWN_TOTAL, Page, with_totals
from aicc_async._listing.windows import Window
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.operations import (
    CASE_OPERATIONS,
    OPENAPI,
    QFLOW_OPERATIONS,
    TOKEN,
    Operation,
)
from aicc_async.emulator import Emulator, Fault, Readings

SECRET = "an-invented-phone-0123"
TYPE = "cvmC00000149NzxF1ePA"  # of the emulated tenant
SHANGHAI = ZoneInfo("Asia/Shanghai")


@attrs.frozen
class Call:
    """A call of the client, and the request that it should make."""

    coroutine: str
    arguments: tuple[object, ...]
    endpoint: str
    body: dict[str, Any] | None


def calls_of(case: str, task: str) -> dict[str, Call]:
    """Tell every call by its operation, with a case and a task that there are."""
    new_case = NewCase(
        title="t", description="d", type=TYPE, contact_id="c", creator_id="u", owner_id="o"
    )
    sent_case = {"title": "t", "description": "d", "type": TYPE, "contactId": "c"}
    flags = {"isAutoAssigned": False, "isAtuoAssigned": False}
    note = ProcessInfo(
        type=ProcessType.EMAIL,
        title="t",
        description="d",
        from_="f",
        from_name="n",
        to_address="a@b.invalid",
        creator_id="u",
        attachment="x.png",
    )
    new_task = NewTask(
        title="t",
        description="d",
        type="y",
        relate_id=case,
        contact_id="c",
        priority="High",
        due_date=datetime(2025, 7, 30, 12, tzinfo=UTC),
        attachment="x.png",
        creator_id="u",
    )
    sent_task = {
        "title": "t",
        "description": "d",
        "type": "y",
        "relateId": case,
        "contactId": "c",
        "priority": "High",
        "dueDate": "2025-07-30 20:00:00",
        "attachment": "x.png",
        "creatorId": "u",
    }
    page = {"start": 0, "limit": 100}
    return {
        "create": Call(
            "create_case",
            (new_case,),
            "POST /case",
            {"caseInfo": sent_case | flags | {"ownerId": "o", "creatorId": "u"}},
        ),
        "modify": Call(
            "modify_case",
            (CaseUpdate(id=case, title="t", description="d", creator_id="u"),),
            "POST /case/modify",
            {"caseInfo": {"id": case, "title": "t", "description": "d", "creatorId": "u"}},
        ),
        "get": Call("get_case", (case,), f"GET /case/{case}", {"id": case}),
        "list": Call("list_cases", (CaseQuery(),), "POST /case/list", page),
        "transfer": Call(
            "transfer_case",
            (
                CaseTransfer(
                    id=case, owner_id="q", owner_type=OwnerType.QUEUE, creator_id="u", remark="r"
                ),
            ),
            "POST /case/transfer",
            {"id": case, "ownerId": "q", "ownerType": "queue", "creatorId": "u", "remark": "r"},
        ),
        "process": Call(
            "process_case",
            (CaseProcess(case_id=case, process=note, creator_id="u"),),
            "POST /case/process",
            {
                "caseId": case,
                "creatorId": "u",
                "processInfo": {
                    "type": "Email",
                    "title": "t",
                    "description": "d",
                    "from": "f",
                    "fromName": "n",
                    "toAddress": "a@b.invalid",
                    "creatorId": "u",
                    "attachment": "x.png",
                },
            },
        ),
        "cancel": Call(
            "cancel_case",
            (CaseCancel(id=case, creator_id="u", remark="r"),),
            "POST /case/cancel",
            {"id": case, "creatorId": "u", "remark": "r"},
        ),
        "status": Call(
            "update_case_status",
            (StatusUpdate(id=case, creator_id="u", status="二线处理"),),
            "POST /status/update",
            {"id": case, "creatorId": "u", "status": "二线处理"},
        ),
        "type_list": Call(
            "list_case_types",
            (CaseTypeQuery(type_name="e", status="Active"),),
            "POST /caseType/list",
            {"typeName": "e", "status": "Active"} | page,
        ),
        "type_get": Call("get_case_type", (TYPE,), f"GET /caseType/{TYPE}", None),
        "statistics": Call("current_statistics", (), "GET /statistics/case/current", None),
        "statistics_report": Call(
            "list_statistics",
            (
                StatisticsQuery(
                    case_type_id=TYPE, start_time=date(2025, 1, 1), end_time=date(2025, 1, 31)
                ),
            ),
            "POST /statistics/case/report",
            {"caseTypeId": TYPE, "startTime": "2025-01-01", "endTime": "2025-01-31"} | page,
        ),
        "task_create": Call("create_task", (new_task,), "POST /task", {"taskInfo": sent_task}),
        "task_modify": Call(
            "modify_task",
            (TaskUpdate(id=task, title="t2", priority="Low"),),
            "POST /task/modify",
            {"taskInfo": {"id": task, "title": "t2", "priority": "Low"}},
        ),
        "task_list": Call(
            "list_tasks",
            (TaskQuery(name="t", status="New", level="High", handler="u"),),
            "POST /task/list",
            {"name": "t", "status": "New", "level": "High", "handler": "u"} | page,
        ),
        "task_get": Call("get_task", (task,), f"GET /task/{task}", None),
        "task_transfer": Call(
            "transfer_task",
            (TaskTransfer(id=task, owner_id="o", creator_id="u"),),
            "POST /task/transfer",
            {"id": task, "ownerId": "o", "creatorId": "u"},
        ),
        "task_status": Call(
            "update_task_status",
            (StatusUpdate(id=task, creator_id="u", status="Completed"),),
            "POST /task/status/update",
            {"id": task, "creatorId": "u", "status": "Completed"},
        ),
    }


OPERATIONS = list(calls_of("c", "t"))
ONCE = {"create", "process", "task_create"}
LISTINGS = {
    "iter_case_types": lambda aicc: aicc.iter_case_types(),
    "iter_tasks": lambda aicc: aicc.iter_tasks(),
    "iter_statistics": lambda aicc: aicc.iter_statistics(StatisticsQuery()),
}


class Tenant:
    """A tenant of 3 cases and a task, a client of it, and its calls."""

    def __init__(self, emulator: Emulator, aicc: AICCClient, task_id: str) -> None:
        self.emulator = emulator
        self.aicc = aicc
        self.case_id = emulator.ids()[0]
        self.task_id = task_id
        self.calls = calls_of(self.case_id, task_id)

    def call(self, operation: str) -> Awaitable[Any]:
        """Call an operation."""
        call = self.calls[operation]
        method: Callable[..., Awaitable[Any]] = getattr(self.aicc, call.coroutine)
        return method(*call.arguments)

    def read(self, **readings: Any) -> None:
        """Let the tenant read the documents in another way."""
        self.emulator.readings = Readings(**readings)


@pytest.fixture
async def family() -> AsyncIterator[Tenant]:
    """Run such a tenant; nothing has been recorded yet."""
    async with Emulator(cases=3) as emulator, client_of(emulator) as aicc:
        task_id = await aicc.create_task(NewTask(title="t", creator_id="u", priority="High"))
        assert task_id is not None
        emulator.requests.clear()
        yield Tenant(emulator, aicc, task_id)


# ---- what is sent, and that it acts ---------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_call_is_the_documented_request(family: Tenant, operation: str) -> None:
    """Verb, path and body are those of the table, and the tenant does what it is asked."""
    await family.call(operation)

    [request] = family.emulator.requests
    call = family.calls[operation]
    assert request.operation == operation
    assert f"{request.method} {request.path.removeprefix(OPENAPI)}" == call.endpoint
    assert (json.loads(request.body) if request.body else None) == call.body
    assert request.headers["Content-Type"] == "application/json"


async def test_a_case_goes_through_its_life(family: Tenant) -> None:
    """Transfer, note, status and cancel are seen in the case afterwards."""
    for operation in ("transfer", "process", "status", "cancel"):
        await family.call(operation)

    detail = await family.aicc.get_case(family.case_id)
    assert (detail.case.owner_id, detail.case.status) == ("q", "二线处理")
    assert detail.case.extra["AICC__IsCanced__CST"] is True
    assert [(step.type, step.to_address) for step in detail.trace[1:]] == [("Email", "a@b.invalid")]


async def test_a_task_goes_through_its_life(family: Tenant) -> None:
    """What is changed in a task is read back, with an aware time."""
    task_id = await family.call("task_create")
    due = datetime(2025, 7, 30, 12, tzinfo=UTC)
    await family.aicc.modify_task(TaskUpdate(id=task_id, title="工单😀", due_date=due))
    await family.aicc.transfer_task(TaskTransfer(id=task_id, owner_id="o2"))
    await family.aicc.update_task_status(StatusUpdate(id=task_id, status="Completed"))

    task = await family.aicc.get_task(task_id)
    assert (task.id, task.title, task.due_date) == (task_id, "工单😀", due)
    assert (task.owner_id, task.status, task.relate_id) == ("o2", "Completed", family.case_id)
    [done] = (await family.aicc.list_tasks(TaskQuery(status="Completed"))).tasks
    assert done == task


async def test_types_and_statistics_are_read(family: Tenant) -> None:
    """The records hold what the tenant knows."""
    page = await family.call("type_list")
    assert page.count == len(page.case_types)
    assert {one.status for one in page.case_types} == {"Active"}
    found = await family.aicc.get_case_type(TYPE)
    assert found.type_name == "Complaint"
    assert found.case_status is not None
    assert "二线处理" in found.case_status.split(",")
    now = await family.aicc.current_statistics()
    assert (now.finished_cases or 0) + (now.unfinished_cases or 0) == 3
    report = await family.aicc.list_statistics(StatisticsQuery())
    assert report.count == len(report.rows)
    assert sum(row.new_cases or 0 for row in report.rows) == 3
    assert len({row.date for row in report.rows if re.fullmatch(r"[\d-]{10}", row.date or "")}) > 1


# ---- either reading of the documents --------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("operation", ["type_list", "statistics_report", "task_list"])
async def test_lists_may_be_wrapped(family: Tenant, operation: str, wrapped: bool) -> None:
    """In an array of one object or not, the page is the same."""
    before = await family.call(operation)
    family.read(wrapped=wrapped)

    assert await family.call(operation) == before
    assert before.count is not None


@pytest.mark.parametrize(("rows", "count"), [("taskList", 1), ("tasks", 1), ("bare", None)])
async def test_tasks_stand_under_any_name(family: Tenant, rows: str, count: int | None) -> None:
    """Rows are found under either name and alone; then there is no total."""
    family.read(task_rows=rows)

    page = await family.aicc.list_tasks()

    assert [task.id for task in page.tasks] == [family.task_id]
    assert page.count == count


@pytest.mark.parametrize(
    ("created", "told"), [("taskId", True), ("id", True), ("text", True), ("none", False)]
)
async def test_a_new_task_tells_its_id_or_not(family: Tenant, created: str, told: bool) -> None:
    """However the id is told it is found; that it is not told is no failure."""
    family.read(task_created=created)

    task_id = await family.aicc.create_task(NewTask(title="another"))

    assert task_id == (family.emulator.tasks()[-1]["id"] if told else None)
    assert len(family.emulator.tasks()) == 2


def _created(result: bytes) -> str | None:
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).create_task(NewTask(title="t"))
    return request.decode(b'{"resCode":"0","result":%b}' % result)


@pytest.mark.parametrize("result", [b'["i"]', b'[{"taskId":"i"}]', b'{"taskId":"","id":"i"}'])
def test_an_id_is_found_in_any_wrapping(result: bytes) -> None:
    """In an array of one, too, and beside an empty one."""
    assert _created(result) == "i"


@pytest.mark.parametrize(
    "result", [b"null", b'""', b"5", b"true", b"[]", b'["i","j"]', b"{}", b'{"id":5}', b"[[]]"]
)
def test_a_task_that_was_made_is_never_an_error(result: bytes) -> None:
    """Whatever stands where the id should be: the service said that it went well."""
    assert _created(result) is None


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_the_verb_of_a_tasks_detail_is_a_setting(family: Tenant, verb: Any) -> None:
    """A tenant that knows one verb only is read with the dialect that says so."""
    family.read(task_detail=verb)
    other: Any = "POST" if verb == "GET" else "GET"
    auth = StaticToken(family.emulator.token())
    url = family.emulator.url
    async with AICCClient(url, auth=auth, dialect=Dialect(task_detail=verb)) as right:
        assert (await right.get_task(family.task_id)).id == family.task_id
    async with AICCClient(url, auth=auth, dialect=Dialect(task_detail=other)) as wrong:
        with pytest.raises(ApiError) as caught:
            await wrong.get_task(family.task_id)
    assert caught.value.status == 404


@pytest.mark.parametrize("swapped", [True, False])
async def test_the_statistics_may_be_swapped(family: Tenant, swapped: bool) -> None:
    """Both are read with the dialect of the tenant, and neither with the other one."""
    family.read(swap_statistics=swapped)
    auth = StaticToken(family.emulator.token())
    url = family.emulator.url
    async with AICCClient(url, auth=auth, dialect=Dialect(swap_statistics=swapped)) as right:
        assert (await right.current_statistics()).new_cases == 0
        assert (await right.list_statistics(StatisticsQuery())).count > 0
    async with AICCClient(url, auth=auth, dialect=Dialect(swap_statistics=not swapped)) as wrong:
        for call in (wrong.current_statistics(), wrong.list_statistics(StatisticsQuery())):
            with pytest.raises(ApiError):
                await call


def test_a_task_may_stand_within_task_info() -> None:
    """A task's detail is read in the wrapping of its creation, too."""
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).task("i")

    for result in (b'{"taskInfo":{"id":"i"}}', b'[{"taskInfo":{"id":"i"}}]', b'{"id":"i"}'):
        assert request.decode(b'{"resCode":"0","result":%b}' % result) == Task(id="i")


SPELLINGS = "auto_assign must be one or both of isAutoAssigned, isAtuoAssigned"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"auto_assign": ()}, f"{SPELLINGS}, got ()"),
        ({"auto_assign": "isAutoAssigned"}, f"{SPELLINGS}, got 'isAutoAssigned'"),
        ({"auto_assign": ["isAutoassigned"]}, f"{SPELLINGS}, got ['isAutoassigned']"),
        ({"auto_assign": [["isAutoAssigned"]]}, f"{SPELLINGS}, got [['isAutoAssigned']]"),
        ({"auto_assign": 5}, f"{SPELLINGS}, got 5"),
        ({"task_detail": "get"}, "task_detail must be one of GET, POST, got 'get'"),
        ({"swap_statistics": "no"}, "swap_statistics must be a bool, got str"),
    ],
)
def test_a_dialect_nobody_speaks_is_refused(options: dict[str, Any], says: str) -> None:
    """Each setting says what it may be."""
    with pytest.raises(ConfigError) as caught:
        Dialect(**options)

    assert str(caught.value) == says


def test_a_dialect_takes_any_iterable() -> None:
    """Spellings are kept as a tuple, so that two equal dialects are equal."""
    assert Dialect(auto_assign=["isAtuoAssigned"]) == Dialect(auto_assign=("isAtuoAssigned",))


# ---- listings to their end -------------------------------------------------------------------


async def _many_tasks(family: Tenant, number: int) -> list[str]:
    new = [family.aicc.create_task(NewTask(title=f"t{i}")) for i in range(number - 1)]
    await asyncio.gather(*new)
    return sorted(task["id"] for task in family.emulator.tasks())


@pytest.mark.parametrize("rows", ["taskList", "bare"])
async def test_all_tasks_are_read_once(family: Tenant, rows: str) -> None:
    """With a total or without one, every task comes, once."""
    ids = await _many_tasks(family, 230)
    family.read(task_rows=rows)

    assert sorted([str(task.id) async for task in family.aicc.iter_tasks()]) == ids
    named = [task.title async for task in family.aicc.iter_tasks(TaskQuery(name="t22"))]
    assert sorted(map(str, named)) == ["t22", *(f"t22{i}" for i in range(9))]


async def test_all_statistics_are_read_once(aicc: AICCClient) -> None:
    """Rows without an id are told apart by day and type, newest first, and none is lost."""
    rows = [row async for row in aicc.iter_statistics(StatisticsQuery())]

    assert len(rows) > 100
    assert sum(row.new_cases or 0 for row in rows) == 300
    assert len({(row.date, row.case_type) for row in rows}) == len(rows)
    assert [row.date for row in rows] == sorted((str(row.date) for row in rows), reverse=True)
    one = [row async for row in aicc.iter_statistics(StatisticsQuery(case_type_id=TYPE))]
    assert one == [row for row in rows if row.case_type == TYPE]


async def test_all_case_types_are_read_once(family: Tenant) -> None:
    """The iterator and the page agree."""
    page = await family.aicc.list_case_types()

    assert [one async for one in family.aicc.iter_case_types()] == page.case_types
    assert len(page.case_types) == page.count == 5
    part = await family.aicc.list_case_types(start=1, limit=2)
    assert (part.case_types, part.count) == (page.case_types[1:3], 5)


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_listing_that_fails_says_so(family: Tenant, name: str) -> None:
    """An error of a page comes out of the iterator."""
    family.emulator.fail("*", Fault.BUSINESS_ERROR, times=None)

    with pytest.raises(ApiError):
        [row async for row in LISTINGS[name](family.aicc)]


def _untold(
    total: int, most: int, *, ignores_start: bool = False
) -> Callable[[Window, int, int], Awaitable[Page[int]]]:
    """Make a service of so many rows that gives at most so many at once and tells no total."""

    async def fetch(_: Window, start: int, limit: int) -> Page[int]:
        first = 0 if ignores_start else start
        numbers = range(first, min(first + min(limit, most), total))
        return Page([str(number) for number in numbers], [*numbers], UNKNOWN_TOTAL, len(numbers))

    return fetch


@given(total=st.integers(0, 60), most=st.integers(1, 25), start=st.integers(0, 70))
def test_a_total_is_found_out(total: int, most: int, start: int) -> None:
    """However many rows a service gives at once, a page holds all from its start on."""
    page = asyncio.run(_fetched(_untold(total, most), start, 20))

    assert page.rows == [*range(start, total)]
    assert page.ids == [str(number) for number in page.rows]
    assert (page.count, page.size) == (start + len(page.rows), len(page.rows))


async def _fetched(fetch: Any, start: int, limit: int) -> Page[int]:
    page: Page[int] = await with_totals(fetch)(Window(), start, limit)
    return page


@pytest.mark.parametrize("total", [0, 1, 19])
async def test_a_service_without_pages_is_read_whole(total: int) -> None:
    """A list that always comes whole, whatever start is asked for, ends where it repeats."""
    page = await _fetched(_untold(total, 20, ignores_start=True), 0, 20)

    assert page.rows == [*range(total)]


async def test_a_full_page_that_repeats_is_an_error() -> None:
    """Nobody can say what stands behind it: that is no end."""
    with pytest.raises(ExportError, match="the same 20 rows come again"):
        await _fetched(_untold(50, 20, ignores_start=True), 0, 20)


async def test_a_total_that_is_told_is_left_alone() -> None:
    """One page is asked for, and handed on as it is."""
    page = Page(["i"], [1], 7, 5)
    asked = []

    async def fetch(_: Window, start: int, limit: int) -> Page[int]:
        asked.append((start, limit))
        return page

    assert await with_totals(fetch)(Window(), 3, 4) is page
    assert asked == [(3, 4)]


# ---- may it be sent again? ------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.HTTP_503])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_may_go_again_does(family: Tenant, operation: str, fault: Fault) -> None:
    """What reads or has the same outcome outlives a fault; the rest is sent once, and in doubt."""
    family.emulator.fail(operation, fault)

    end: Any = (await asyncio.gather(family.call(operation), return_exceptions=True))[0]

    arrived = [request.operation for request in family.emulator.requests].count(operation)
    if operation in ONCE:
        assert isinstance(end, UnknownOutcome)
        assert (end.operation, arrived) == (operation, 1)
    else:
        assert not isinstance(end, BaseException)
        assert arrived == 2


def _printed(module: Any) -> dict[str, list[str]]:
    lines = [re.split(r" {2,}", line.strip()) for line in str(module.__doc__).splitlines()]
    return {row[0]: row[1:] for row in lines if len(row) == 4 and row[0] != "operation"}


def test_the_table_of_operations_is_true() -> None:
    """Endpoint, coroutine and "sent again" of the table are those of the tests above."""
    table = {each.name: each for each in CASE_OPERATIONS if each is not TOKEN}
    found = calls_of("{id}", "{id}")

    assert table.keys() == found.keys()
    for name, operation in table.items():
        call = found[name]
        assert f"{operation.method} {operation.path}" == call.endpoint.replace(TYPE, "{id}")
        assert operation.coroutine == call.coroutine
        assert inspect.iscoroutinefunction(getattr(AICCClient, call.coroutine))
        assert operation.repeatable is (name not in ONCE)


def test_the_table_of_q_flow_names_its_coroutines() -> None:
    """Each operation is a coroutine of the client, but for the sign-in; one goes once."""
    names = {each.coroutine for each in QFLOW_OPERATIONS} - {"(sign-in)"}

    assert names == {"enqueue_case", "cancel_case", "get_case", "get_process"}
    assert all(inspect.iscoroutinefunction(getattr(QFlowClient, name)) for name in names)
    assert {each.name for each in QFLOW_OPERATIONS if not each.repeatable} == {"enqueue"}


@pytest.mark.parametrize(
    ("module", "operations"), [(client, CASE_OPERATIONS), (qflow, QFLOW_OPERATIONS)]
)
def test_users_read_the_table(module: Any, operations: tuple[Operation, ...]) -> None:
    """``help`` of both clients has a row for every operation, with "never" where it goes once."""
    assert _printed(module) == {
        each.name: [
            f"{each.method} {each.path}",
            each.coroutine,
            "yes" if each.repeatable else "never",
        ]
        for each in operations
    }


# ---- errors, bounds, discretion --------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda aicc: aicc.transfer_case(
            CaseTransfer(id="no", owner_id="o", owner_type="user", creator_id="u", remark="r")
        ),
        lambda aicc: aicc.process_case(
            CaseProcess(case_id="no", process=ProcessInfo(type=ProcessType.SMS))
        ),
        lambda aicc: aicc.cancel_case(CaseCancel(id="no")),
        lambda aicc: aicc.update_case_status(StatusUpdate(id="no", status="s")),
        lambda aicc: aicc.get_case_type("no"),
        lambda aicc: aicc.modify_task(TaskUpdate(id="no")),
        lambda aicc: aicc.get_task("no"),
        lambda aicc: aicc.transfer_task(TaskTransfer(id="no", owner_id="o")),
        lambda aicc: aicc.update_task_status(StatusUpdate(id="no", status="s")),
    ],
)
async def test_an_unknown_id_is_an_api_error(
    family: Tenant, call: Callable[[AICCClient], Awaitable[object]]
) -> None:
    """The service's refusal comes out with its code, after one request, and is no doubt."""
    with pytest.raises(ApiError) as caught:
        await call(family.aicc)

    assert (caught.value.status, caught.value.code) == (200, "405230404")
    assert len(family.emulator.requests) == 1


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        ("type_list", r"\$\.result\[0\]\.caseTypes\[0\]\.typeName"),
        ("type_get", r"\$\.result\.caseTypeInfo\.typeName"),
        ("statistics", r"\$\.result\.newCases"),
        ("statistics_report", r"\$\.result\[0\]\.caseStatisticsList\[0\]\.newCases"),
        ("task_list", r"\$\.result\[0\]\.taskList\[0\]\.title"),
        ("task_get", r"\$\.result\.title"),
    ],
)
async def test_a_misfit_is_named(tenant: Emulator, operation: str, place: str) -> None:
    """An answer that is not as documented says what is wrong, and where in the body."""
    async with client_of(tenant, signs_in=False) as aicc:
        task_id = await aicc.create_task(NewTask(title="t", creator_id="u", priority="High"))
        family = Tenant(tenant, aicc, str(task_id))
        tenant.fail(operation, Fault.BAD_TYPE)
        with pytest.raises(DecodeError, match=rf"^must be an? [\w ]+, got \w+ @ {place}$"):
            await family.call(operation)


NO_TOTAL = "^must have a total beside the list"


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (b"null", r"^must be an object or an array of one, got NoneType @ \$\.result$"),
        (b"{}", r"^must be a list, got NoneType @ \$\.result\.caseTypes$"),
        (b'{"caseTypes":[]}', rf"{NO_TOTAL}, got NoneType @ \$\.result\.caseTypes$"),
        (b'{"caseTypes":[],"count":"5"}', rf"{NO_TOTAL}, got str @ \$\.result\.caseTypes$"),
        (b'{"caseTypes":[{}],"count":1}', r"^must be present @ .*\[0\]\.id$"),
        (b'[{"id":"i"}]', rf"{NO_TOTAL}, got NoneType @ \$\.result$"),
    ],
)
def test_no_page_of_case_types_is_a_decode_error(result: bytes, says: str) -> None:
    """Where the shape is documented, rows and total must be there."""
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).case_types(CaseTypeQuery())

    with pytest.raises(DecodeError, match=says):
        request.decode(b'{"resCode":"0","result":%b}' % result)


def test_an_empty_result_is_an_empty_page() -> None:
    """As for cases."""
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).case_types(CaseTypeQuery())

    page = request.decode(b'{"resCode":"0","result":[]}')
    assert (page.rows, page.count) == ([], 0)


def test_a_task_in_a_list_needs_an_id() -> None:
    """Without ids nobody can tell whether one comes twice."""
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).tasks(TaskQuery())

    with pytest.raises(
        DecodeError, match=r"^must have rows with ids, got one without @ \$\.result$"
    ):
        request.decode(b'{"resCode":"0","result":[{"title":"t"}]}')


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "statistics"])
async def test_an_argument_of_another_kind_is_refused(family: Tenant, operation: str) -> None:
    """A ConfigError names the argument, quotes nothing of it, and nothing is sent."""
    method = getattr(family.aicc, family.calls[operation].coroutine)

    for wrong in ({"id": SECRET}, object(), SECRET.encode()):
        with pytest.raises(ConfigError, match=r"^\w+ must be an? \w+, got \w+$") as caught:
            await method(wrong)
        assert SECRET not in str(caught.value)
    assert family.emulator.requests == []


@pytest.mark.parametrize("listing", ["list_case_types", "list_statistics", "list_tasks"])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"start": -1}, "start must be an integer from 0 to 9007199254740992, got -1"),
        ({"start": True}, "start must be an integer from 0 to 9007199254740992, got True"),
        (
            {"start": HTTPStatus.CONTINUE},
            "start must be an integer from 0 to 9007199254740992, got <HTTPStatus.CONTINUE: 100>",
        ),
        (
            {"start": 2**63},
            "start must be an integer from 0 to 9007199254740992, got 9223372036854775808",
        ),
        ({"limit": 0}, "limit must be an integer from 1 to 100, got 0"),
        ({"limit": 101}, "limit must be an integer from 1 to 100, got 101"),
        (
            {"limit": HTTPStatus.CONTINUE},
            "limit must be an integer from 1 to 100, got <HTTPStatus.CONTINUE: 100>",
        ),
    ],
)
async def test_a_page_out_of_bounds_is_refused(
    family: Tenant, listing: str, place: dict[str, int], says: str
) -> None:
    """Rows count from 0, and at most 100 come at once."""
    query = (StatisticsQuery(),) if listing == "list_statistics" else ()

    with pytest.raises(ConfigError, match=f"^{says}$"):
        await getattr(family.aicc, listing)(*query, **place)
    assert family.emulator.requests == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("", "must not be empty"),
        (".", r"must not be dots alone, got '\.'"),
        ("..", r"must not be dots alone, got '\.\.'"),
        ("\ud800", "must be valid Unicode, got half a surrogate pair"),
        ("x" * 21, "must be at most 20 bytes in UTF-8, got 21"),
        (None, "must be a string, got NoneType"),
        (5, "must be a string, got int"),
    ],
    ids=ascii,
)
async def test_an_id_that_is_none_is_refused(family: Tenant, wrong: Any, says: str) -> None:
    """What can't be an id is never asked for; how long a task's may be is not documented."""
    with pytest.raises(ConfigError, match=f"^type_id {says}$"):
        await family.aicc.get_case_type(wrong)
    if wrong != "x" * 21:
        with pytest.raises(ConfigError, match=f"^task_id {says}$"):
            await family.aicc.get_task(wrong)
    assert family.emulator.requests == []


@pytest.mark.parametrize(
    ("read", "path"),
    [("get_case_type", f"{OPENAPI}/caseType/a%2Fb%3Fc"), ("get_task", f"{OPENAPI}/task/a%2Fb%3Fc")],
)
async def test_an_id_in_a_path_is_encoded(family: Tenant, read: str, path: str) -> None:
    """A slash in an id leads nowhere else."""
    with pytest.raises(ApiError, match="'a/b\\?c'"):
        await getattr(family.aicc, read)("a/b?c")
    assert family.emulator.requests[0].path == path


async def test_people_are_not_told(family: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    """Free text and names stand neither in a repr, nor in the log, nor in an error."""
    caplog.set_level(logging.DEBUG)
    info = ProcessInfo(type="SMS", description=SECRET, from_name=SECRET, to_address=SECRET)
    process = CaseProcess(case_id=family.case_id, process=info)
    await family.aicc.process_case(process)
    new = NewTask(title=SECRET, description=SECRET, attachment=SECRET)
    task = await family.aicc.get_task(str(await family.aicc.create_task(new)))
    page = TaskPage([task], 1)
    family.emulator.fail("process", Fault.DROP_AFTER)
    with pytest.raises(UnknownOutcome) as caught:
        await family.aicc.process_case(process)

    assert task.title == SECRET
    shown = f"{process!r} {new!r} {page!r} {caught.value!r} {caught.value.__cause__!r}"
    assert SECRET not in shown + caplog.text
    assert "process: 200 after" in caplog.text


def test_unknown_fields_of_a_type_are_kept() -> None:
    """What the record does not name is in extra."""
    request = CaseProtocol(RecordConverter(SHANGHAI), Dialect()).case_type("i")

    found = request.decode(b'{"resCode":"0","result":{"caseTypeInfo":{"id":"i","new":[1]}}}')
    assert found == CaseType(id="i", extra={"new": [1]})
