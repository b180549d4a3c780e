"""Tasks: created, changed, listed, shown, handed on.

The documents print no answer of theirs: a task's fields are those that a request may set, and what
a case has of the same kind. What is mandatory is not documented either: only what an operation
can't do without.
"""

from typing import Any

import msgspec

from ..data import seed
from ..http.answer import Answer
from .bounds import Bounds, decode, inner, moment, place
from .request import Asked, done, found, unknown

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
KEPT_BY_SERVER = frozenset({"createdDate", "id", "ownerId", "state", "status"})

Wire = dict[str, Any]


def create(asked: Asked) -> Answer:
    """Create a task; its creator handles it at first."""
    sent = _task_info(asked.body, CREATE)
    task = asked.store.tasks.insert(_fresh(sent), seed=asked.seed)
    return _created(task["id"], asked.readings.task_created)


def modify(asked: Asked) -> Answer:
    """Overwrite the fields given."""
    sent = _task_info(asked.body, MODIFY)
    asked.change_task(sent["id"], _settable(sent))
    return done()


def transfer(asked: Asked) -> Answer:
    """Give a task to another handler."""
    sent = TRANSFER.check(decode(asked.body))
    asked.change_task(sent["id"], {"ownerId": sent["ownerId"]})
    return done()


def status(asked: Asked) -> Answer:
    """Set the status of a task, to any."""
    sent = STATUS.check(decode(asked.body))
    asked.change_task(sent["id"], {"status": sent["status"]})
    return done()


def get(asked: Asked) -> Answer:
    """Show one task: the result is the task itself."""
    task = asked.store.tasks.find(asked.last)
    if task is None:
        raise unknown("task", asked.last)
    return found(task)


def list_page(asked: Asked) -> Answer:
    """List tasks, the newest first.

    `name` is part of the title, `level` the priority and `handler` the ownerId: our reading.
    """
    wire = FILTERS.check(decode(asked.body))
    start, limit = place(wire)
    rows, count = asked.store.tasks.page(wire, start=start, limit=limit)
    if asked.readings.task_rows == "bare":
        return found(rows)
    return asked.listed({asked.readings.task_rows: rows, "count": count})


def _task_info(body: bytes, bounds: Bounds) -> Wire:
    given = bounds.check(inner(decode(body), "taskInfo"))
    if given.get("dueDate"):
        moment(given, "dueDate")
    return given


def _settable(task: Wire) -> Wire:
    return {key: value for key, value in task.items() if key not in KEPT_BY_SERVER}


def _fresh(sent: Wire) -> Wire:
    unset = dict.fromkeys((*LENGTHS, *OPTIONAL))
    kept = {
        "createdDate": seed.wall_clock(),
        "ownerId": sent.get("creatorId"),
        "state": "Processing",
        "status": "New",
    }
    return unset | kept | _settable(sent)


def _created(task_id: str, reading: str) -> Answer:
    if reading == "none":
        return done()
    result = task_id if reading == "text" else {reading: task_id}
    whole = {"resCode": "0", "resMsg": "Success", "result": result}
    return Answer(200, msgspec.json.encode(whole), applied=True)
