"""What is done to a case beside modify: transfer, process, cancel, another status.

Only for a transfer do the documents say what is mandatory: everything. For the others only those
fields are mandatory here that the operation is impossible without.
"""

from typing import Any

from ..data import seed, shapes
from ..http.answer import Answer
from .bounds import Bounds, decode_object, require_object
from .request import OperationRequest, answer_done, change_case

TRANSFER = Bounds(
    mandatory=("id", "ownerId", "ownerType", "creatorId", "remark"),
    lengths={"id": 20, "creatorId": 20, "remark": 2000},
)
PROCESS = Bounds(mandatory=("caseId",), lengths={"caseId": 20, "creatorId": 20})
PROCESS_INFO = Bounds(
    mandatory=("type",),
    optional=("attachment",),
    lengths={
        "title": 128,
        "description": 20_000,
        "from": 20,
        "fromName": 80,
        "toAddress": 2000,
        "creatorId": 20,
    },
)
CANCEL = Bounds(mandatory=("id",), lengths={"id": 20, "creatorId": 20, "remark": 2000})
STATUS = Bounds(mandatory=("id", "status"), lengths={"id": 20, "creatorId": 20})

Wire = dict[str, Any]


def transfer(request: OperationRequest) -> Answer:
    """Give a case another owner."""
    sent = TRANSFER.check(decode_object(request.body))
    owner = {"ownerId": sent["ownerId"], "ownerType": sent["ownerType"], "ownerName": None}
    # A queue that owns a case is also its queueId, as with seeded cases.
    queue = sent["ownerId"] if sent["ownerType"] == "queue" else None
    change_case(request.store, sent["id"], owner | {"queueId": queue})
    return answer_done()


def process(request: OperationRequest) -> Answer:
    """Add a note, mail or SMS to what the detail shows as caseTrace."""
    wire = decode_object(request.body)
    sent = PROCESS.check(wire)
    info = PROCESS_INFO.check(require_object(wire, "processInfo"))
    # The tables have a creatorId inside and outside of processInfo. The inner one is that of the
    # note itself, so it comes first.
    creator = info.get("creatorId", sent.get("creatorId"))
    trace = shapes.build_trace(info, created=seed.wall_clock(), creator_id=creator)
    if "attachment" in info:
        trace["attachment"] = info["attachment"]
    # A change of nothing: an unknown case is refused before it gets a trace.
    change_case(request.store, sent["caseId"], {})
    request.store.traces.add(sent["caseId"], trace)
    return answer_done()


def cancel(request: OperationRequest) -> Answer:
    """Cancel a case, which also closes it."""
    sent = CANCEL.check(decode_object(request.body))
    closed = {"closedDate": seed.wall_clock(), "isCanced": True, "state": "Completed"}
    change_case(request.store, sent["id"], closed)
    return answer_done()


def status(request: OperationRequest) -> Answer:
    """Set the flow node of a case, to any text."""
    # A tenant names its own nodes and the order in which they follow each other. No document says
    # what it answers to another one, so nothing is refused.
    sent = STATUS.check(decode_object(request.body))
    change_case(request.store, sent["id"], {"status": sent["status"]})
    return answer_done()
