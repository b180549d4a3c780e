"""Which request is which operation."""

import pytest
from emulator.bare_client import (
    LIST,
    OPENAPI,
    STATUS_PATH,
    TOKEN,
    BareClient,
)

from aicc_async.emulator.http.routes import find_operation


async def test_an_unknown_path_is_not_found(client: BareClient) -> None:
    """A path that no document names is a 404."""
    assert (await client.send("POST", f"{OPENAPI}/cases", b"{}")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", TOKEN, "token"),
        ("POST", f"{OPENAPI}/case", "create"),
        ("POST", LIST, "list"),
        ("POST", f"{OPENAPI}/case/modify", "modify"),
        ("GET", f"{OPENAPI}/case/c6m8", "get"),
        ("GET", f"{OPENAPI}/case/", None),
        ("GET", f"{OPENAPI}/case/a/b", None),
        ("POST", "/API/Cases", "enqueue"),
    ],
)
def test_routes(method: str, path: str, operation: str | None) -> None:
    """Each documented path is one operation."""
    assert find_operation(method, path) == operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/case/transfer", "transfer"),
        ("POST", "/case/process", "process"),
        ("POST", "/case/cancel", "cancel"),
        ("POST", STATUS_PATH, "status"),
        ("POST", "/case/status/update", None),
        ("POST", "/caseType/list", "type_list"),
        ("GET", "/caseType/cvmC", "type_get"),
        ("GET", "/statistics/case/current", "statistics"),
        ("POST", "/statistics/case/report", "statistics_report"),
        ("GET", "/statistics/case/report", None),
        ("POST", "/task", "task_create"),
        ("POST", "/task/modify", "task_modify"),
        ("POST", "/task/list", "task_list"),
        ("GET", "/task/cTsk", "task_get"),
        ("POST", "/task/cTsk", "task_get"),
        ("POST", "/task/", None),
        ("POST", "/task/transfer", "task_transfer"),
        ("POST", "/task/status/update", "task_status"),
        ("DELETE", "/task/cTsk", None),
    ],
)
def test_routes_of_the_family(method: str, path: str, operation: str | None) -> None:
    """Each row of the table is one operation."""
    assert find_operation(method, f"{OPENAPI}{path}") == operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "Users/Token", "qflow_token"),
        ("POST", "Users/LoginQFlow", "qflow_token"),
        ("POST", "Cases/Cancel", "qflow_cancel"),
        ("GET", "Cases/5", "qflow_case"),
        ("GET", "Cases/Processes/5", "qflow_process"),
        ("GET", "Cases", None),
    ],
)
def test_routes_of_qflow(method: str, path: str, operation: str | None) -> None:
    """Q-Flow's routes have no additional ``api/`` below the base path."""
    assert find_operation(method, f"/API/{path}") == operation
