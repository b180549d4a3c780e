"""Tasks: created, modified, listed, shown, transferred.

The documents print no answer of theirs. So a task has the fields that a request may set, and those
that a case has of the same kind. Nor do they say what is mandatory: here, only what an operation is
impossible without.
"""

from typing import Any

from ..data import seed, shapes
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

# A create or modify that sends these is not refused, but they do not change: transfer and status
# have operations of their own.
SERVER_FIELDS = frozenset({"createdDate", "id", "ownerId", "state", "status"})

Wire = dict[str, Any]


def create(request: OperationRequest) -> Answer:
    """Create a task."""
    sent = _parse_task_info(request.body, CREATE)
    unset = dict.fromkeys((*LENGTHS, *OPTIONAL))
    kept = {
        "createdDate": seed.wall_clock(),
        # Somebody must handle a new task, and no request names anybody else.
        "ownerId": sent.get("creatorId"),
        "state": "Processing",
        "status": "New",
    }
    task = request.store.tasks.insert(unset | kept | _settable_fields(sent), seed=request.seed)
    reading = request.readings.task_created
    if reading == "none":
        return answer_done()
    result = task["id"] if reading == "text" else {reading: task["id"]}
    return Answer(200, shapes.encode_created(result), applied=True)


def modify(request: OperationRequest) -> Answer:
    """Overwrite the fields that are sent."""
    sent = _parse_task_info(request.body, MODIFY)
    return _change(request, sent["id"], _settable_fields(sent))


def transfer(request: OperationRequest) -> Answer:
    """Give a task to another handler."""
    sent = TRANSFER.check(decode_object(request.body))
    return _change(request, sent["id"], {"ownerId": sent["ownerId"]})


def status(request: OperationRequest) -> Answer:
    """Set the status of a task, to any text."""
    sent = STATUS.check(decode_object(request.body))
    return _change(request, sent["id"], {"status": sent["status"]})


def get(request: OperationRequest) -> Answer:
    """Show one task: the result is the task itself."""
    task = request.store.tasks.find(request.path_id)
    if task is None:
        raise not_found("task", request.path_id)
    return answer_result(task)


def list_tasks(request: OperationRequest) -> Answer:
    """List a page of the matching tasks, the newest first."""
    wire = FILTERS.check(decode_object(request.body))
    start, limit = parse_page(wire)
    rows, count = request.store.tasks.page(wire, start=start, limit=limit)
    if request.readings.task_rows == "bare":
        return answer_result(rows)
    return request.answer_list({request.readings.task_rows: rows, "count": count})


def _parse_task_info(body: bytes, bounds: Bounds) -> Wire:
    present = bounds.check(require_object(decode_object(body), "taskInfo"))
    # As with cases, an empty text clears the date.
    if present.get("dueDate"):
        parse_datetime(present, "dueDate")
    return present


def _settable_fields(task: Wire) -> Wire:
    return {key: value for key, value in task.items() if key not in SERVER_FIELDS}


def _change(request: OperationRequest, task_id: str, fields: Wire) -> Answer:
    """Overwrite fields of a task, or refuse an unknown id."""
    if not request.store.tasks.change(task_id, fields):
        raise not_found("task", task_id)
    return answer_done()
