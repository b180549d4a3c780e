"""Which request is which operation, and what is remembered of it."""

from collections.abc import Mapping
from urllib.parse import unquote

import attrs

from ..options import Readings

TOKEN_PATH = "/baas/auth/v1.0/oauth2/token"  # noqa: S105 -- a path
BASE_PATH = "/service/AICC__Case/1.0.0/openapi"
QFLOW_PATH = "/API"
STATISTICS_ROUTES = {
    ("GET", f"{BASE_PATH}/statistics/case/current"): "statistics",
    ("POST", f"{BASE_PATH}/statistics/case/report"): "statistics_report",
}
SWAPPED_STATISTICS_ROUTES = {
    ("GET", f"{BASE_PATH}/statistics/case/report"): "statistics",
    ("POST", f"{BASE_PATH}/statistics/case/current"): "statistics_report",
}
ROUTES = {
    ("POST", TOKEN_PATH): "token",
    ("POST", f"{BASE_PATH}/case"): "create",
    ("POST", f"{BASE_PATH}/case/list"): "list",
    ("POST", f"{BASE_PATH}/case/modify"): "modify",
    ("POST", f"{BASE_PATH}/case/transfer"): "transfer",
    ("POST", f"{BASE_PATH}/case/process"): "process",
    ("POST", f"{BASE_PATH}/case/cancel"): "cancel",
    ("POST", f"{BASE_PATH}/status/update"): "status",
    ("POST", f"{BASE_PATH}/caseType/list"): "type_list",
    ("POST", f"{BASE_PATH}/task"): "task_create",
    ("POST", f"{BASE_PATH}/task/list"): "task_list",
    ("POST", f"{BASE_PATH}/task/modify"): "task_modify",
    ("POST", f"{BASE_PATH}/task/transfer"): "task_transfer",
    ("POST", f"{BASE_PATH}/task/status/update"): "task_status",
    ("POST", f"{QFLOW_PATH}/Users/Token"): "qflow_token",
    ("POST", f"{QFLOW_PATH}/Users/LoginQFlow"): "qflow_token",
    ("POST", f"{QFLOW_PATH}/Cases"): "enqueue",
    ("POST", f"{QFLOW_PATH}/Cases/Cancel"): "qflow_cancel",
}
ID_ROUTES = {
    ("GET", f"{BASE_PATH}/case"): "get",
    ("GET", f"{BASE_PATH}/caseType"): "type_get",
    ("GET", f"{BASE_PATH}/task"): "task_get",
    ("POST", f"{BASE_PATH}/task"): "task_get",
    ("GET", f"{QFLOW_PATH}/Cases"): "qflow_case",
    ("GET", f"{QFLOW_PATH}/Cases/Processes"): "qflow_process",
}
"""The paths that end in an id, by what stands before it."""

OPERATIONS = frozenset({*ROUTES.values(), *STATISTICS_ROUTES.values(), *ID_ROUTES.values()})
SIGN_IN_OPERATIONS = frozenset({"token", "qflow_token"})
QFLOW = frozenset({"enqueue", "qflow_cancel", "qflow_case", "qflow_process", "qflow_token"})
OPERATIONS_WITHOUT_BODY = frozenset({"get", "type_get", "task_get", "statistics"})
"""Operations whose request is in the path: a body is read, and not looked at."""

DEFAULT_READINGS = Readings()


@attrs.define
class Recorded:
    """A request that arrived.

    `at` is `time.monotonic()` on arrival, `status` None while (or if) there was no answer,
    `applied` says that the store was changed.
    """

    operation: str
    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    at: float
    status: int | None = None
    applied: bool = False


def find_operation(method: str, path: str, readings: Readings = DEFAULT_READINGS) -> str | None:
    """Name the operation that a method and a path (without its query) ask for."""
    return (
        ROUTES.get((method, path))
        or _find_statistics(method, path, readings)
        or _find_detail(method, path, readings)
    )


def id_from_path(path: str) -> str:
    """Decode the id at the end of the path of a detail, its query left out."""
    return unquote(path.partition("?")[0].rpartition("/")[2])


def _find_statistics(method: str, path: str, readings: Readings) -> str | None:
    paths = SWAPPED_STATISTICS_ROUTES if readings.swap_statistics else STATISTICS_ROUTES
    return paths.get((method, path))


def _find_detail(method: str, path: str, readings: Readings) -> str | None:
    head, _, last = path.rpartition("/")
    operation = ID_ROUTES.get((method, head)) if last else None
    if operation == "task_get" and readings.task_detail not in {"both", method}:
        return None
    return operation
