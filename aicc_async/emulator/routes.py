"""Which request is which operation, and what is remembered of it."""

from collections.abc import Mapping
from urllib.parse import unquote

import attrs

TOKEN_PATH = "/baas/auth/v1.0/oauth2/token"  # noqa: S105 -- a path
CASE_PATH = "/service/AICC__Case/1.0.0/openapi/case"
QFLOW_PATH = "/API"
ROUTES = {
    ("POST", TOKEN_PATH): "token",
    ("POST", CASE_PATH): "create",
    ("POST", f"{CASE_PATH}/list"): "list",
    ("POST", f"{CASE_PATH}/modify"): "modify",
    ("POST", f"{QFLOW_PATH}/Cases"): "enqueue",
}
OPERATIONS = frozenset({"get", *ROUTES.values()})


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


def operation_of(method: str, path: str) -> str | None:
    """Name the operation that a method and a path (without its query) ask for."""
    if method == "GET" and id_in(path):
        return "get"
    return ROUTES.get((method, path))


def id_in(path: str) -> str:
    """Decode the id at the end of the path of a case detail, "" if it is another path."""
    head, _, case_id = path.rpartition("/")
    return unquote(case_id) if head == CASE_PATH else ""
