"""Case 2.0: requests for records, records for answers. No I/O.

The table of operations says where each goes and whether it may be sent again; here is what is sent
and how an answer is read. A listing is a value: which operation, which filters, how a page is
decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import evolve, field, frozen

from .._listing.pages import UNKNOWN_TOTAL, Page
from .._listing.windows import Window
from ..errors import DecodeError
from ..models import (
    Case,
    CaseDetail,
    CaseQuery,
    CaseStatistics,
    CaseType,
    CaseTypeQuery,
    CurrentStatistics,
    NewCase,
    NewTask,
    StatisticsQuery,
    Task,
    TaskQuery,
)
from ..settings import Dialect
from . import operations
from .converter import RecordConverter, dumps
from .envelope import check_total, open_envelope, rows_and_total, single_object
from .operations import Operation
from .raw import DatedRow, RawParts, dated_page, raw_detail, raw_page
from .requests import Request
from .row_bound import bound_rows
from .rows import PageReader

T = TypeVar("T")
R = TypeVar("R")


@frozen
class Listing(Generic[R]):
    """What is listed: the operation, the filters by their wire names, and how a page is read."""

    operation: Operation
    filters: dict[str, Any] = field(repr=False)
    decode: Callable[[bytes], Page[R]] = field(repr=False)

    def request(self, window: Window, start: int, limit: int) -> Request[Page[R]]:
        """Return the request for one page of a window."""
        times = {"startTime": window.start, "endTime": window.end}
        body = self.filters | {
            name: moment.isoformat(" ", "seconds") for name, moment in times.items() if moment
        }
        decode = bound_rows(self.decode, limit)
        return request_of(self.operation, decode, body | {"start": start, "limit": limit})


def request_of(
    operation: Operation,
    decode: Callable[[bytes], T],
    body: dict[str, Any] | None = None,
    *,
    record_id: str = "",
) -> Request[T]:
    """Return the request for an operation, its body within the wrapper that the documents have."""
    if operation.wrapper:
        body = {operation.wrapper: body}
    return Request(
        operation=operation.name,
        method=operation.method,
        path=operation.path_of(record_id),
        body=b"" if body is None else dumps(body),
        decode=decode,
        repeatable=operation.repeatable,
        # A second timer costs a twelfth of the request.
        is_short=operation is operations.GET,
    )


class CaseProtocol:
    """Case 2.0 as one tenant speaks it: its zone, and the dialect where the documents disagree."""

    def __init__(self, converter: RecordConverter, dialect: Dialect) -> None:
        self._converter = converter
        self._rows = PageReader(converter.zone)
        # The Chinese page reads a task by GET, the English one by POST.
        self._task_get = evolve(operations.TASK_GET, method=dialect.task_detail)
        self._current, self._report = operations.STATISTICS, operations.STATISTICS_REPORT
        if dialect.swap_statistics:
            # Each of the two pages on statistics claims the other's path.
            current, report = self._current.path, self._report.path
            self._current = evolve(self._current, path=report)
            self._report = evolve(self._report, path=current)

    def fields(self, new: NewCase) -> dict[str, Any]:
        """Return what is sent of a new case."""
        return self._converter.dump(new)

    def act(self, operation: Operation, record: Any) -> Request[None]:
        """Return a request whose answer holds no result."""

        def decode(body: bytes) -> None:
            open_envelope(body, operation=operation.name)

        return request_of(operation, decode, self._converter.dump(record))

    def create(self, new: NewCase) -> Request[str]:
        """Return the request for a new case; its answer is the id (document 000)."""

        def decode(body: bytes) -> str:
            answer, path = single_object(open_envelope(body, operation="create"))
            case_id = answer.get("caseId")
            if case_id.__class__ is not str or not case_id:
                found = "''" if case_id == "" else type(case_id).__name__
                raise DecodeError(f"must be a case id, got {found} @ {path}.caseId")
            return str(case_id)

        return request_of(operations.CREATE, decode, self.fields(new))

    def create_task(self, new: NewTask) -> Request[str | None]:
        """Return the request for a new task; what it answers is not documented."""

        def decode(body: bytes) -> str | None:
            # Whatever the answer holds, the task was made.
            answer = open_envelope(body, operation="task_create")
            if answer.__class__ is list and len(answer) == 1:
                answer = answer[0]
            if answer.__class__ is dict:
                answer = answer.get("taskId") or answer.get("id")
            return answer if answer.__class__ is str and answer else None

        return request_of(operations.TASK_CREATE, decode, self._converter.dump(new))

    def detail(self, case_id: str) -> Request[CaseDetail]:
        """Return the request for a case; the id is in a JSON body too, as document 004 shows it."""
        decode = self._reader(operations.GET, CaseDetail)
        return request_of(operations.GET, decode, {"id": case_id}, record_id=case_id)

    def raw_detail(self, case_id: str) -> Request[RawParts]:
        """Return the request for a case in parts, as the service wrote them."""
        return request_of(operations.GET, raw_detail, {"id": case_id}, record_id=case_id)

    def case_type(self, type_id: str) -> Request[CaseType]:
        """Return the request for a case type; the answer holds it as ``caseTypeInfo``."""
        decode = self._reader(operations.TYPE_GET, CaseType, within="caseTypeInfo")
        return request_of(operations.TYPE_GET, decode, record_id=type_id)

    def task(self, task_id: str) -> Request[Task]:
        """Return the request for a task; whether the answer wraps it is not documented."""
        decode = self._reader(self._task_get, Task, within="taskInfo", optional=True)
        body = {"id": task_id} if self._task_get.method == "POST" else None
        return request_of(self._task_get, decode, body, record_id=task_id)

    def current_statistics(self) -> Request[CurrentStatistics]:
        """Return the request for the counts of this moment."""
        return request_of(self._current, self._reader(self._current, CurrentStatistics))

    def cases(self, query: CaseQuery) -> Listing[Case]:
        """Return the listing of cases as records (document 001)."""

        def decode(body: bytes) -> Page[Case]:
            cases, count = self._rows.read(body) or self._read_slowly(body)
            return Page([case.id for case in cases], cases, count, len(body))

        return self._case_listing(query, decode)

    def raw_cases(self, query: CaseQuery) -> Listing[bytes]:
        """Return the listing of cases as the service wrote them."""
        return self._case_listing(query, raw_page)

    def dated_cases(self, query: CaseQuery) -> Listing[DatedRow]:
        """Return the listing of cases as the service wrote them, each with its date."""
        return self._case_listing(query, dated_page)

    def case_types(self, query: CaseTypeQuery) -> Listing[CaseType]:
        """Return the listing of case types."""
        names = ("caseTypes",)
        return self._listing(operations.TYPE_LIST, query, CaseType, lambda one: one.id, names)

    def statistics(self, query: StatisticsQuery) -> Listing[CaseStatistics]:
        """Return the listing of daily counts; a row is known by its day and its type."""
        names = ("caseStatisticsList",)
        return self._listing(
            self._report, query, CaseStatistics, lambda row: f"{row.date} {row.case_type}", names
        )

    def tasks(self, query: TaskQuery) -> Listing[Task]:
        """Return the listing of tasks; which name its rows are under is not documented."""
        names = ("taskList", "tasks")
        return self._listing(operations.TASK_LIST, query, Task, lambda task: task.id or None, names)

    def _reader(
        self, operation: Operation, cls: type[T], *, within: str = "", optional: bool = False
    ) -> Callable[[bytes], T]:
        """Return what reads a record out of an answer, ``within`` a key of it."""

        def decode(body: bytes) -> T:
            answer, path = single_object(open_envelope(body, operation=operation.name))
            if within and (within in answer or not optional):
                answer, path = answer.get(within), f"{path}.{within}"  # type: ignore[assignment]
            return self._converter.load(cls, answer, path=path)

        return decode

    def _case_listing(self, query: CaseQuery, decode: Callable[[bytes], Page[R]]) -> Listing[R]:
        filters = self._converter.dump(query)
        # Each page has those of its window.
        filters.pop("startTime", None)
        filters.pop("endTime", None)
        return Listing(operations.LIST, filters, decode)

    def _read_slowly(self, body: bytes) -> tuple[list[Case], int]:
        """Read a page that is not plainly as documented: raise what is wrong, or learn from it."""
        value = open_envelope(body, operation="list")
        if value == []:
            return [], 0
        answer, path = single_object(value)
        rows, count = answer.get("caseList"), answer.get("count")
        if rows.__class__ is not list or count.__class__ is not int:
            found = f"{type(rows).__name__} and {type(count).__name__}"
            raise DecodeError(f"must have a caseList and its count, got {found} @ {path}")
        check_total(count, path)
        cases = self._converter.load_cases(rows, path=f"{path}.caseList")
        self._rows.learn(cases)
        return cases, count

    def _listing(
        self,
        operation: Operation,
        query: Any,
        cls: type[R],
        key_of: Callable[[R], str | None],
        names: tuple[str, ...],
    ) -> Listing[R]:
        """Return a listing without times; rows differ by ``key_of``, and are under ``names``.

        Only a listing whose shape is not documented, with several names, may leave its total out.
        """

        def decode(body: bytes) -> Page[R]:
            answer = open_envelope(body, operation=operation.name)
            values, count, path = rows_and_total(answer, *names)
            if count is None and len(names) > 1:
                count = UNKNOWN_TOTAL
            elif count.__class__ is not int:
                found = type(count).__name__
                raise DecodeError(f"must have a total beside the list, got {found} @ {path}")
            else:
                check_total(count, "$.result")
            rows = [
                self._converter.load(cls, row, path=f"{path}[{i}]") for i, row in enumerate(values)
            ]
            keys = [key for key in map(key_of, rows) if key is not None]
            if len(keys) < len(rows):
                # Without ids nobody can say whether a row comes twice.
                raise DecodeError(f"must have rows with ids, got one without @ {path}")
            return Page(keys, rows, count, len(body))

        return Listing(operation, self._converter.dump(query), decode)
