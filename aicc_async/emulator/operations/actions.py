"""What is done to a case beside modify: transfer, process, cancel, another status.

What a transfer must have is documented; of the others only what they can't do without is mandatory.
"""

from typing import Any

from ..data import seed
from ..http.answer import Answer
from .bounds import Bounds, decode_object, require_object
from .request import OperationRequest, answer_done

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

TRACE_KEYS = ("description", "from", "fromName", "relatedId", "title", "toAddress", "type")
"""What a trace shows of a processInfo, null where it is not given (document 004, table 5)."""

Wire = dict[str, Any]


def transfer(request: OperationRequest) -> Answer:
    """Give a case another owner: a queue is its queueId too, as with seeded ones."""
    sent = TRANSFER.check(decode_object(request.body))
    owner = {"ownerId": sent["ownerId"], "ownerType": sent["ownerType"], "ownerName": None}
    queue = sent["ownerId"] if sent["ownerType"] == "queue" else None
    request.change_case(sent["id"], owner | {"queueId": queue})
    return answer_done()


def process(request: OperationRequest) -> Answer:
    """Add a note, mail or SMS to what the detail shows as caseTrace."""
    wire = decode_object(request.body)
    sent, info = PROCESS.check(wire), PROCESS_INFO.check(require_object(wire, "processInfo"))
    request.change_case(sent["caseId"], {})
    request.store.traces.add(sent["caseId"], _trace(sent, info))
    return answer_done()


def cancel(request: OperationRequest) -> Answer:
    """Cancel a case: it is closed then."""
    sent = CANCEL.check(decode_object(request.body))
    closed = {"closedDate": seed.wall_clock(), "isCanced": True, "state": "Completed"}
    request.change_case(sent["id"], closed)
    return answer_done()


def status(request: OperationRequest) -> Answer:
    """Set the flow node of a case, to any: the tenant's own are not checked."""
    sent = STATUS.check(decode_object(request.body))
    request.change_case(sent["id"], {"status": sent["status"]})
    return answer_done()


def _trace(sent: Wire, info: Wire) -> Wire:
    by = {
        "createdDate": seed.wall_clock(),
        "creatorId": info.get("creatorId", sent.get("creatorId")),
        "creatorName": None,
    }
    attached = {"attachment": info["attachment"]} if "attachment" in info else {}
    return by | {key: info.get(key) for key in TRACE_KEYS} | attached
