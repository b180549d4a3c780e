"""The operations: one frozen table for the client, its documentation, and "may it be sent again?".

That goes by operation, never by HTTP verb: ``case/list`` is a POST that is safe, ``case`` is one
that is not. A repeatable operation may go out again though the service may have acted: it only
reads, or the same values twice have the same outcome. The others are never sent twice once their
bytes may have left.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from attrs import field, frozen

OPENAPI = "/service/AICC__Case/1.0.0/openapi"


@frozen
class Operation:
    """An endpoint: its name in messages, its place, and the client's coroutine for it.

    ``path`` holds ``{id}`` where an id belongs. ``wrapper`` is the key that the documents put
    around the record that is sent; ``base`` is what all paths of a family begin with.
    """

    name: str
    method: str
    path: str
    coroutine: str
    repeatable: bool = field(default=True, kw_only=True)
    wrapper: str = field(default="", kw_only=True)
    base: str = field(default=OPENAPI, kw_only=True)

    def path_of(self, record_id: str | int = "") -> str:
        """Return the whole path, with an id in it, percent-encoded."""
        # str() of a str may be another text: that of an Enum's member is its name.
        text = record_id if isinstance(record_id, str) else str(record_id)
        return self.base + self.path.replace("{id}", quote(text, safe=""))


CREATE = Operation("create", "POST", "/case", "create_case", repeatable=False, wrapper="caseInfo")
MODIFY = Operation("modify", "POST", "/case/modify", "modify_case", wrapper="caseInfo")
GET = Operation("get", "GET", "/case/{id}", "get_case")
LIST = Operation("list", "POST", "/case/list", "list_cases")
TRANSFER = Operation("transfer", "POST", "/case/transfer", "transfer_case")
# Sent twice, it is two notes, mails or messages.
PROCESS = Operation("process", "POST", "/case/process", "process_case", repeatable=False)
CANCEL = Operation("cancel", "POST", "/case/cancel", "cancel_case")
# Unlike its neighbours it is not under /case.
STATUS = Operation("status", "POST", "/status/update", "update_case_status")
TYPE_LIST = Operation("type_list", "POST", "/caseType/list", "list_case_types")
TYPE_GET = Operation("type_get", "GET", "/caseType/{id}", "get_case_type")
STATISTICS = Operation("statistics", "GET", "/statistics/case/current", "current_statistics")
STATISTICS_REPORT = Operation(
    "statistics_report", "POST", "/statistics/case/report", "list_statistics"
)
TASK_CREATE = Operation(
    "task_create", "POST", "/task", "create_task", repeatable=False, wrapper="taskInfo"
)
TASK_MODIFY = Operation("task_modify", "POST", "/task/modify", "modify_task", wrapper="taskInfo")
TASK_LIST = Operation("task_list", "POST", "/task/list", "list_tasks")
TASK_GET = Operation("task_get", "GET", "/task/{id}", "get_task")
TASK_TRANSFER = Operation("task_transfer", "POST", "/task/transfer", "transfer_task")
TASK_STATUS = Operation("task_status", "POST", "/task/status/update", "update_task_status")
TOKEN = Operation("token", "POST", "/baas/auth/v1.0/oauth2/token", "(sign-in)", base="")
# Documented for the platform below, not for AICC, and in no table: the probe sends it once.
PLATFORM_COUNT = Operation(
    *("platform_count", "POST", "/u-route/baas/data/v1.0/count/AICC__CASE__CST", "(probe)"),
    repeatable=False,
    base="",
)

CASE_OPERATIONS = (
    *(CREATE, MODIFY, GET, LIST, TRANSFER, PROCESS, CANCEL, STATUS, TYPE_LIST, TYPE_GET),
    *(STATISTICS, STATISTICS_REPORT, TASK_CREATE, TASK_MODIFY, TASK_LIST, TASK_GET),
    *(TASK_TRANSFER, TASK_STATUS, TOKEN),
)

# Each makes a ticket.
ENQUEUE = Operation("enqueue", "POST", "/Cases", "enqueue_case", repeatable=False, base="")
# The same values twice leave the case in the same state. What a second one is answered is not
# documented: it may be refused though the first one did its work, and its notes may be kept twice.
QFLOW_CANCEL = Operation("qflow_cancel", "POST", "/Cases/Cancel", "cancel_case", base="")
QFLOW_CASE = Operation("qflow_case", "GET", "/Cases/{id}", "get_case", base="")
QFLOW_PROCESS = Operation("qflow_process", "GET", "/Cases/Processes/{id}", "get_process", base="")
QFLOW_TOKEN = Operation("qflow_token", "POST", "/Users/Token", "(sign-in)", base="")

QFLOW_OPERATIONS = (ENQUEUE, QFLOW_CANCEL, QFLOW_CASE, QFLOW_PROCESS, QFLOW_TOKEN)


def table(operations: Iterable[Operation]) -> str:
    """Return the table that users read, a line for each operation."""
    rows = [("operation", "endpoint", "coroutine", "sent again after a lost answer")]
    rows += [
        (
            each.name,
            f"{each.method} {each.path}",
            each.coroutine,
            "yes" if each.repeatable else "never",
        )
        for each in operations
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
