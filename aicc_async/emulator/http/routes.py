"""Requests: the operation that method and path name, and the record that is kept of each."""

from collections.abc import Mapping
from urllib.parse import unquote

import attrs

from ..options import Readings

TOKEN_PATH = "/baas/auth/v1.0/oauth2/token"  # noqa: S105  (a path)
BASE_PATH = "/service/AICC__Case/1.0.0/openapi"
QFLOW_PATH = "/API"
PLATFORM_PATH = "/u-route/baas/data/v1.0/count/AICC__CASE__CST"

# The vendor's pages on the two statistics contradict each other about which path is which. The
# first table is our reading; the second swaps the paths and keeps the verbs.
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
    ("POST", PLATFORM_PATH): "platform_count",
    ("POST", f"{QFLOW_PATH}/Users/Token"): "qflow_token",
    ("POST", f"{QFLOW_PATH}/Users/LoginQFlow"): "qflow_token",
    ("POST", f"{QFLOW_PATH}/Cases"): "enqueue",
    ("POST", f"{QFLOW_PATH}/Cases/Cancel"): "qflow_cancel",
}

# The paths that end in an id, by what precedes it. The vendor's pages on a task's detail disagree:
# GET, but POST in English. ``Readings.task_detail`` decides between them.
ID_ROUTES = {
    ("GET", f"{BASE_PATH}/case"): "get",
    ("GET", f"{BASE_PATH}/caseType"): "type_get",
    ("GET", f"{BASE_PATH}/task"): "task_get",
    ("POST", f"{BASE_PATH}/task"): "task_get",
    ("GET", f"{QFLOW_PATH}/Cases"): "qflow_case",
    ("GET", f"{QFLOW_PATH}/Cases/Processes"): "qflow_process",
}

OPERATIONS = frozenset({*ROUTES.values(), *STATISTICS_ROUTES.values(), *ID_ROUTES.values()})
SIGN_IN_OPERATIONS = frozenset({"token", "qflow_token"})
QFLOW = frozenset({"enqueue", "qflow_cancel", "qflow_case", "qflow_process", "qflow_token"})

# The path holds the whole request. Document 004 prints a JSON body for its GET all the same: a body
# is read and ignored here, and its content type is not checked.
OPERATIONS_WITHOUT_BODY = frozenset({"get", "type_get", "task_get", "statistics"})

DEFAULT_READINGS = Readings()


@attrs.define
class Recorded:
    """A request that arrived.

    ``at`` is ``time.monotonic()`` on arrival. ``status`` is None until there is an answer, and
    stays so if there never is one. ``applied`` is true if the store was changed.
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
    """Return the operation that a method and a path (without its query) name, if any."""
    statistics = SWAPPED_STATISTICS_ROUTES if readings.swap_statistics else STATISTICS_ROUTES
    operation = ROUTES.get((method, path)) or statistics.get((method, path))
    if operation == "platform_count" and readings.platform == "absent":
        return None
    if operation:
        return operation
    head, _, path_id = path.rpartition("/")
    operation = ID_ROUTES.get((method, head)) if path_id else None
    if operation == "task_get" and readings.task_detail not in {"both", method}:
        return None
    return operation


def id_from_path(path: str) -> str:
    """Return the percent-decoded id at the end of a path; a query is left out."""
    return unquote(path.partition("?")[0].rpartition("/")[2])
