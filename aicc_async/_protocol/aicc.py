"""The calls of AICC Case 2.0, as requests. No I/O.

Paths are under ``/service/AICC__Case/1.0.0/openapi``. A call that may be resent goes out again
though the service may have acted: it only reads, or its same values have the same outcome. The
others are never sent twice once their bytes may have left (``retry.py``).

    operation          endpoint                       coroutine            may be resent
    create             POST /case                     create_case          no
    modify             POST /case/modify              modify_case          yes
    get                GET /case/{id}                 get_case             yes
    list               POST /case/list                list_cases           yes
    transfer           POST /case/transfer            transfer_case        yes
    process            POST /case/process             process_case         no
    cancel             POST /case/cancel              cancel_case          yes
    status             POST /status/update            update_case_status   yes
    type_list          POST /caseType/list            list_case_types      yes
    type_get           GET /caseType/{id}             get_case_type        yes
    statistics         GET /statistics/case/current   current_statistics   yes
    statistics_report  POST /statistics/case/report   list_statistics      yes
    task_create        POST /task                     create_task          no
    task_modify        POST /task/modify              modify_task          yes
    task_list          POST /task/list                list_tasks           yes
    task_get           GET or POST /task/{id}         get_task             yes
    task_transfer      POST /task/transfer            transfer_task        yes
    task_status        POST /task/status/update       update_task_status   yes
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from .._listing.pages import UNTOLD, Page
from .._listing.windows import Window
from ..errors import DecodeError
from ..models import (
    Case,
    CaseCancel,
    CaseDetail,
    CaseProcess,
    CaseQuery,
    CaseStatistics,
    CaseTransfer,
    CaseType,
    CaseTypeQuery,
    CaseUpdate,
    CurrentStatistics,
    NewCase,
    NewTask,
    StatisticsQuery,
    StatusUpdate,
    Task,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from ..settings import Dialect
from .converter import Wire, dumps
from .envelope import (
    OPENAPI,
    DatedRow,
    Lister,
    RawParts,
    Request,
    dated_page,
    listed,
    only,
    raw_detail,
    raw_page,
    result,
)
from .rows import CaseReader

T = TypeVar("T")
R = TypeVar("R")


class CaseCalls:
    """The calls of AICC Case 2.0, as requests."""

    def __init__(self, wire: Wire, dialect: Dialect | None = None) -> None:
        self._wire = wire
        self._dialect = dialect or Dialect()
        self._rows = CaseReader(wire.zone)

    def fields(self, new: NewCase) -> dict[str, Any]:
        """Tell what is sent of a new case."""
        return self._wire.dump(new)

    def create_case(self, new: NewCase) -> Request[str]:
        """``POST /case`` (document 000). Sent twice, it makes two cases."""

        def decode(body: bytes) -> str:
            answer, path = only(result(body, operation="create"))
            case_id = answer.get("caseId")
            if case_id.__class__ is not str or not case_id:
                raise DecodeError(f"a case id is needed @ {path}.caseId")
            return str(case_id)

        body = dumps({"caseInfo": self._wire.dump(new)})
        return self._post("create", "/case", body, decode, repeatable=False)

    def modify_case(self, change: CaseUpdate) -> Request[None]:
        """``POST /case/modify`` (document 002). The same values twice have the same outcome."""
        return self._act("modify", "/case/modify", {"caseInfo": self._wire.dump(change)})

    def get_case(self, case_id: str) -> Request[CaseDetail]:
        """``GET /case/{id}`` (document 004), with the id in a JSON body too, as documented."""

        def decode(body: bytes) -> CaseDetail:
            answer, path = only(result(body, operation="get"))
            return self._wire.load(CaseDetail, answer, path=path)

        return _detail(case_id, decode)

    def get_raw(self, case_id: str) -> Request[RawParts]:
        """``GET /case/{id}`` likewise, in parts as the service wrote them."""
        return _detail(case_id, raw_detail)

    def list_cases(self, query: CaseQuery) -> Lister[Case]:
        """``POST /case/list`` (document 001), one page, typed."""
        return self._lister(query, self._case_page)

    def list_rows(self, query: CaseQuery) -> Lister[bytes]:
        """``POST /case/list``, one page, as the service wrote its rows."""
        return self._lister(query, raw_page)

    def list_dated(self, query: CaseQuery) -> Lister[DatedRow]:
        """``POST /case/list``, one page, as the service wrote its rows, each with its date."""
        return self._lister(query, dated_page)

    def _lister(self, query: CaseQuery, decode: Callable[[bytes], Page[R]]) -> Lister[R]:
        filters = self._wire.dump(query)
        filters.pop("startTime", None)
        filters.pop("endTime", None)

        def request(window: Window, start: int, limit: int) -> Request[Page[R]]:
            body = filters | _times(window) | {"start": start, "limit": limit}
            return self._post("list", "/case/list", dumps(body), decode, repeatable=True)

        return request

    def _case_page(self, body: bytes) -> Page[Case]:
        cases, count = self._rows.read(body) or self._read_slowly(body)
        return Page([case.id for case in cases], cases, count, len(body))

    def _read_slowly(self, body: bytes) -> tuple[list[Case], int]:
        value = result(body, operation="list")
        if value == []:
            return [], 0
        answer, path = only(value)
        rows, count = answer.get("caseList"), answer.get("count")
        if rows.__class__ is not list or count.__class__ is not int:
            raise DecodeError(f"caseList and count are needed @ {path}")
        cases = self._wire.load_cases(rows, path=f"{path}.caseList")
        self._rows.learn(cases)
        return cases, count

    def transfer_case(self, transfer: CaseTransfer) -> Request[None]:
        """``POST /case/transfer``. The same owner twice is the same owner."""
        return self._act("transfer", "/case/transfer", self._wire.dump(transfer))

    def process_case(self, process: CaseProcess) -> Request[None]:
        """``POST /case/process``. Sent twice, it is two notes, mails or messages."""
        body = self._wire.dump(process)
        return self._act("process", "/case/process", body, repeatable=False)

    def cancel_case(self, cancel: CaseCancel) -> Request[None]:
        """``POST /case/cancel``. A case that is cancelled stays so."""
        return self._act("cancel", "/case/cancel", self._wire.dump(cancel))

    def update_case_status(self, update: StatusUpdate) -> Request[None]:
        """``POST /status/update``, which is not under ``/case``."""
        return self._act("status", "/status/update", self._wire.dump(update))

    def list_case_types(self, query: CaseTypeQuery) -> Lister[CaseType]:
        """``POST /caseType/list``, one page."""
        return self._rows_of(
            "type_list", "/caseType/list", query, CaseType, lambda one: one.id, "caseTypes"
        )

    def get_case_type(self, type_id: str) -> Request[CaseType]:
        """``GET /caseType/{id}``; the answer holds it as ``caseTypeInfo``."""

        def decode(body: bytes) -> CaseType:
            answer, path = only(result(body, operation="type_get"))
            info, path = answer.get("caseTypeInfo"), f"{path}.caseTypeInfo"
            return self._wire.load(CaseType, info, path=path)

        return _read("type_get", f"/caseType/{quote(type_id, safe='')}", decode)

    def current_statistics(self) -> Request[CurrentStatistics]:
        """``GET /statistics/case/current``, or the other path if the dialect says so."""

        def decode(body: bytes) -> CurrentStatistics:
            answer, path = only(result(body, operation="statistics"))
            return self._wire.load(CurrentStatistics, answer, path=path)

        return _read("statistics", self._statistics("current", "report"), decode)

    def list_statistics(self, query: StatisticsQuery) -> Lister[CaseStatistics]:
        """``POST /statistics/case/report``, one page; a row is known by its day and its type."""
        return self._rows_of(
            "statistics_report",
            self._statistics("report", "current"),
            query,
            CaseStatistics,
            lambda row: f"{row.date} {row.case_type}",
            "caseStatisticsList",
        )

    def create_task(self, new: NewTask) -> Request[str | None]:
        """``POST /task``. Sent twice, it makes two tasks. What it answers is not documented."""

        def decode(body: bytes) -> str | None:
            return _task_id(result(body, operation="task_create"))

        body = dumps({"taskInfo": self._wire.dump(new)})
        return self._post("task_create", "/task", body, decode, repeatable=False)

    def modify_task(self, change: TaskUpdate) -> Request[None]:
        """``POST /task/modify``. The same values twice have the same outcome."""
        return self._act("task_modify", "/task/modify", {"taskInfo": self._wire.dump(change)})

    def list_tasks(self, query: TaskQuery) -> Lister[Task]:
        """``POST /task/list``, one page; which name its rows stand under is not documented."""
        return self._rows_of("task_list", "/task/list", query, Task, _known_id, "taskList", "tasks")

    def get_task(self, task_id: str) -> Request[Task]:
        """``GET /task/{id}``, or POST, as the dialect has it; within ``taskInfo`` or not."""

        def decode(body: bytes) -> Task:
            answer, path = only(result(body, operation="task_get"))
            if "taskInfo" in answer:
                answer, path = answer["taskInfo"], f"{path}.taskInfo"
            return self._wire.load(Task, answer, path=path)

        path = f"/task/{quote(task_id, safe='')}"
        if self._dialect.task_detail == "GET":
            return _read("task_get", path, decode)
        return self._post("task_get", path, dumps({"id": task_id}), decode, repeatable=True)

    def transfer_task(self, transfer: TaskTransfer) -> Request[None]:
        """``POST /task/transfer``. The same owner twice is the same owner."""
        return self._act("task_transfer", "/task/transfer", self._wire.dump(transfer))

    def update_task_status(self, update: StatusUpdate) -> Request[None]:
        """``POST /task/status/update``."""
        return self._act("task_status", "/task/status/update", self._wire.dump(update))

    def _statistics(self, name: str, swapped: str) -> str:
        return f"/statistics/case/{swapped if self._dialect.swap_statistics else name}"

    def _rows_of(
        self,
        operation: str,
        path: str,
        query: Any,
        cls: type[R],
        key: Callable[[R], str],
        *names: str,
    ) -> Lister[R]:
        """Make a listing without times; ``key`` tells rows apart, ``names`` are where they stand.

        Only a listing whose shape is not documented, with several names, may leave its total out.
        """
        filters = self._wire.dump(query)

        def decode(body: bytes) -> Page[R]:
            found, count, place = listed(result(body, operation=operation), *names)
            if count is None and len(names) > 1:
                count = UNTOLD
            if count.__class__ is not int:
                raise DecodeError(f"a total is needed beside the list @ {place}")
            rows = [self._wire.load(cls, row, path=f"{place}[{i}]") for i, row in enumerate(found)]
            return Page([key(row) for row in rows], rows, count, len(body))

        def request(_: Window, start: int, limit: int) -> Request[Page[R]]:
            body = dumps(filters | {"start": start, "limit": limit})
            return self._post(operation, path, body, decode, repeatable=True)

        return request

    def _act(
        self, operation: str, path: str, body: dict[str, Any], *, repeatable: bool = True
    ) -> Request[None]:
        """Make a request whose answer holds no result."""

        def decode(answer: bytes) -> None:
            result(answer, operation=operation)

        return self._post(operation, path, dumps(body), decode, repeatable=repeatable)

    def _post(
        self,
        operation: str,
        path: str,
        body: bytes,
        decode: Callable[[bytes], T],
        *,
        repeatable: bool,
    ) -> Request[T]:
        return Request(
            operation=operation,
            method="POST",
            path=OPENAPI + path,
            body=body,
            decode=decode,
            repeatable=repeatable,
        )


def _read(operation: str, path: str, decode: Callable[[bytes], T]) -> Request[T]:
    return Request(
        operation=operation,
        method="GET",
        path=OPENAPI + path,
        body=b"",
        decode=decode,
        repeatable=True,
    )


def _task_id(answer: Any) -> str | None:
    """Find the id of a new task; that it was made is sure, whatever stands there."""
    if answer.__class__ is list and len(answer) == 1:
        answer = answer[0]
    if answer.__class__ is dict:
        answer = answer.get("taskId") or answer.get("id")
    return answer if answer.__class__ is str and answer else None


def _known_id(task: Task) -> str:
    if not task.id:
        raise DecodeError("a mandatory field is missing: a task's id @ $.result")
    return task.id


def _detail(case_id: str, decode: Callable[[bytes], T]) -> Request[T]:
    return Request(
        operation="get",
        method="GET",
        path=f"{OPENAPI}/case/{quote(case_id, safe='')}",
        body=dumps({"id": case_id}),
        decode=decode,
        repeatable=True,
    )


def _times(window: Window) -> dict[str, str]:
    times = {"startTime": window.start, "endTime": window.end}
    return {name: _text(moment) for name, moment in times.items() if moment is not None}


def _text(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")
