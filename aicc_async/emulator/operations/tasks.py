"""Tasks: created, changed, listed, shown, handed on.

The documents print no answer of theirs: a task's fields are those that a request may set, and what
a case has of the same kind. What is mandatory is not documented either: only what an operation
can't do without.
"""

from typing import Any

import msgspec

from ..data import seed
from ..http.answer import Answer
from .bounds import Bounds, decode_object, parse_datetime, parse_page, require_object
from .request import OperationRequest, answer_done, answer_result, not_found

OPTIONAL = ("dueDate", "priority", "type")
LENGTHS = {
    "title": 128,
    "description": 20_000,
    "relateId": 20,
    "contactId": 20,
    "attachment": 255,
    "creatorId": 20,
}
CREATE = Bounds(mandatory=("title",), optional=OPTIONAL, lengths=LENGTHS)
MODIFY = Bounds(mandatory=("id",), optional=OPTIONAL, lengths=LENGTHS | {"id": 20})
TRANSFER = Bounds(mandatory=("id", "ownerId"), lengths={"id": 20, "creatorId": 20})
STATUS = Bounds(mandatory=("id", "status"), lengths={"id": 20, "creatorId": 20})
FILTERS = Bounds(optional=("handler", "level", "name", "status"))
SERVER_FIELDS = frozenset({"createdDate", "id", "ownerId", "state", "status"})

Wire = dict[str, Any]


def create(request: OperationRequest) -> Answer:
    """Create a task; its creator handles it at first."""
    sent = _parse_task_info(request.body, CREATE)
    task = request.store.tasks.insert(_fresh(sent), seed=request.seed)
    return _created(task["id"], request.readings.task_created)


def modify(request: OperationRequest) -> Answer:
    """Overwrite the fields given."""
    sent = _parse_task_info(request.body, MODIFY)
    request.change_task(sent["id"], _settable_fields(sent))
    return answer_done()


def transfer(request: OperationRequest) -> Answer:
    """Give a task to another handler."""
    sent = TRANSFER.check(decode_object(request.body))
    request.change_task(sent["id"], {"ownerId": sent["ownerId"]})
    return answer_done()


def status(request: OperationRequest) -> Answer:
    """Set the status of a task, to any."""
    sent = STATUS.check(decode_object(request.body))
    request.change_task(sent["id"], {"status": sent["status"]})
    return answer_done()


def get(request: OperationRequest) -> Answer:
    """Show one task: the result is the task itself."""
    task = request.store.tasks.find(request.path_id)
    if task is None:
        raise not_found("task", request.path_id)
    return answer_result(task)


def list_tasks(request: OperationRequest) -> Answer:
    """List tasks, the newest first.

    `name` is part of the title, `level` the priority and `handler` the ownerId: our reading.
    """
    wire = FILTERS.check(decode_object(request.body))
    start, limit = parse_page(wire)
    rows, count = request.store.tasks.page(wire, start=start, limit=limit)
    if request.readings.task_rows == "bare":
        return answer_result(rows)
    return request.answer_list({request.readings.task_rows: rows, "count": count})


def _parse_task_info(body: bytes, bounds: Bounds) -> Wire:
    given = bounds.check(require_object(decode_object(body), "taskInfo"))
    if given.get("dueDate"):
        parse_datetime(given, "dueDate")
    return given


def _settable_fields(task: Wire) -> Wire:
    return {key: value for key, value in task.items() if key not in SERVER_FIELDS}


def _fresh(sent: Wire) -> Wire:
    unset = dict.fromkeys((*LENGTHS, *OPTIONAL))
    kept = {
        "createdDate": seed.wall_clock(),
        "ownerId": sent.get("creatorId"),
        "state": "Processing",
        "status": "New",
    }
    return unset | kept | _settable_fields(sent)


def _created(task_id: str, reading: str) -> Answer:
    if reading == "none":
        return answer_done()
    result = task_id if reading == "text" else {reading: task_id}
    whole = {"resCode": "0", "resMsg": "Success", "result": result}
    return Answer(200, msgspec.json.encode(whole), applied=True)
