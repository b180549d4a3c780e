"""Q-Flow's cases: enqueued and answered as they came (document 003), shown, cancelled."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import msgspec

from ..http.answer import PLAIN_JSON, Answer
from .aspnet import ACCESS_DENIED, RefusedError, RequestModel

# The record of document 003's sample, key for key: a field that was not sent comes back as null.
EMPTY_RECORD: Mapping[str, Any] = {
    "CaseId": None,
    "ServiceId": None,
    "ServiceIdExtRef": None,
    "CustomerId": None,
    "ExtRef": None,
    "Notes": None,
    "Subject": None,
    "ClassificationCode": None,
    "AutoClose": False,
    "CustomProperties": None,
    "ProcedureExtRef": None,
    "ProcedureOptionExtRef": None,
}

# Document 003 calls ``ServiceId`` required, although there is a ``ServiceIdExtRef`` beside it. It
# does not say that the latter alone will do, so it does not here.
ENQUEUE = RequestModel(
    required=("ServiceId",),
    integers=("CaseId", "ServiceId", "CustomerId"),
    texts=("ServiceIdExtRef", "ClassificationCode", "ProcedureExtRef", "ProcedureOptionExtRef"),
    lengths={"ExtRef": 200, "Notes": 4000, "Subject": 100},
)
CANCEL = RequestModel(
    integers=("CaseId", "ProcessId", "Status"),
    texts=("ClassificationCode",),
    lengths={"Notes": 4000},
)
SET_BY_CANCEL = ("Notes", "ClassificationCode", "CustomProperties")
DETAIL_KEYS = ("ServiceId", "CustomerId", "Subject", *SET_BY_CANCEL)

WAITING, ABANDONED, COMPLETE, CANCELLED, NO_SHOW, NO_CHANGE = 3, 4, 8, 15, 17, -1
STATUSES = frozenset({WAITING, ABANDONED, COMPLETE, CANCELLED, NO_SHOW, NO_CHANGE})

# The id of a process is that of its case and this number. A client that takes one for the other
# gets a 404 instead of somebody else's case.
PROCESS_ID_OFFSET = 70_001

# The dates in Q-Flow's pages have this offset.
ZONE = timezone(timedelta(hours=10))

Wire = dict[str, Any]


@attrs.define
class Queue:
    """The cases enqueued so far, and the headers that a caller must send."""

    required_headers: Mapping[str, str] | None
    records: list[Wire] = attrs.field(factory=list, init=False, repr=False)
    _details: dict[int, Wire] = attrs.field(factory=dict, init=False, repr=False)

    def answer(
        self, operation: str, body: bytes, headers: Mapping[str, str], *, path_id: str
    ) -> Answer:
        """Answer an operation; ``path_id`` is the decoded end of its path."""
        if operation == "enqueue":
            return self.enqueue(body, headers)
        try:
            self._check_headers(headers)
            if operation == "qflow_cancel":
                return self._cancel(CANCEL.bind(body, headers))
            # isdecimal() alone is true for the digits of all scripts.
            if not path_id.isascii() or not path_id.isdecimal():
                return RefusedError(404, "No such resource.").to_answer()
            key = "CaseId" if operation == "qflow_case" else "ProcessId"
            detail = self._find(key, int(path_id))
        except RefusedError as refusal:
            return refusal.to_answer()
        return Answer(200, msgspec.json.encode(detail), PLAIN_JSON)

    def enqueue(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Enqueue a case under a new number, and answer with its record."""
        try:
            self._check_headers(headers)
            wire = ENQUEUE.bind(body, headers)
        except RefusedError as refusal:
            return refusal.to_answer()
        known = {key: wire[key] for key in wire if key in EMPTY_RECORD and wire[key] is not None}
        # The table calls CaseId "Return value CaseId": what a request sends there is ignored.
        record = {**EMPTY_RECORD, **known, "CaseId": len(self.records) + 1}
        self.records.append(record)
        self._details[record["CaseId"]] = _build_detail(record)
        return Answer(200, msgspec.json.encode(record), PLAIN_JSON, applied=True)

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        required = self.required_headers or {}
        if not all(headers.get(name) == value for name, value in required.items()):
            raise RefusedError(401, ACCESS_DENIED)

    def _cancel(self, wire: Wire) -> Answer:
        status = wire.get("Status", CANCELLED)
        if status not in STATUSES:
            wrong = {"Status": ["The value of the field Status is not valid."]}
            raise RefusedError(400, "The request is invalid.", wrong)
        # Either id names the case. With both, the documents do not say which one counts.
        key = next((key for key in ("CaseId", "ProcessId") if wire.get(key) is not None), None)
        if key is None:
            missing = {"CaseId": ["The CaseId or ProcessId field is required."]}
            raise RefusedError(400, "The request is invalid.", missing)
        detail = self._find(key, wire[key])
        detail |= {key: wire[key] for key in SET_BY_CANCEL if wire.get(key) is not None}
        if status != NO_CHANGE:
            detail["Status"] = status
        # The answer is documented as a bare JSON string, whose text is not.
        return Answer(200, b'"OK"', PLAIN_JSON, applied=True)

    def _find(self, key: str, number: int) -> Wire:
        case_id = number if key == "CaseId" else number - PROCESS_ID_OFFSET
        if case_id not in self._details:
            # What Q-Flow answers to an unknown case is not documented.
            raise RefusedError(404, "No such case.")
        return self._details[case_id]


def _build_detail(record: Wire) -> Wire:
    """Build what ``Cases/{id}`` shows of a new case."""
    number = record["CaseId"]
    # .NET writes seven digits of a second, one more than Python.
    created = f"{datetime.now(ZONE):%Y-%m-%dT%H:%M:%S.%f}5+10:00"
    return {
        "CaseId": number,
        "ProcessId": PROCESS_ID_OFFSET + number,
        "ProcessGuid": str(uuid.uuid4()),
        "Ticket": f"A{number:03d}",
        "CaseDateCreated": created,
        # The documents list the keys up to here. Those that follow are our choice.
        "Status": COMPLETE if record["AutoClose"] else WAITING,
        **{key: record[key] for key in DETAIL_KEYS},
    }
