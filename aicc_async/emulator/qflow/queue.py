"""Q-Flow's cases: enqueued and answered as they came (document 003), shown, cancelled."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import msgspec

from ..http.answer import PLAIN_JSON, Answer
from .aspnet import ACCESS_DENIED, RefusedError, RequestModel

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
"""The record of the sample, key for key; what is not given comes back as null."""

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
DETAIL_KEYS = (
    "ServiceId",
    "CustomerId",
    "Subject",
    "Notes",
    "ClassificationCode",
    "CustomProperties",
)
SET_BY_CANCEL = ("Notes", "ClassificationCode", "CustomProperties")

WAITING, COMPLETE, CANCELLED, NO_CHANGE = 3, 8, 15, -1
STATUSES = frozenset({WAITING, 4, COMPLETE, CANCELLED, 17, NO_CHANGE})
PROCESS_ID_OFFSET = 70_001
"""Processes are numbered elsewhere than cases, so that one taken for the other is noticed."""

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
        """Answer an operation; `last` is the decoded end of its path."""
        if operation == "enqueue":
            return self.enqueue(body, headers)
        try:
            self._check_headers(headers)
            if operation == "qflow_cancel":
                return self._cancel(CANCEL.bind(body, headers))
            return self._show("CaseId" if operation == "qflow_case" else "ProcessId", path_id)
        except RefusedError as refusal:
            return refusal.answer()

    def enqueue(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Enqueue a case, give it a number."""
        try:
            self._check_headers(headers)
            return self._accept(ENQUEUE.bind(body, headers))
        except RefusedError as refusal:
            return refusal.answer()

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        required = self.required_headers or {}
        if not all(headers.get(name) == value for name, value in required.items()):
            raise RefusedError(401, ACCESS_DENIED)

    def _accept(self, wire: Wire) -> Answer:
        known = {key: wire[key] for key in wire if key in EMPTY_RECORD and wire[key] is not None}
        record = {**EMPTY_RECORD, **known, "CaseId": len(self.records) + 1}
        self.records.append(record)
        self._details[record["CaseId"]] = _detail(record)
        return Answer(200, msgspec.json.encode(record), PLAIN_JSON, applied=True)

    def _cancel(self, wire: Wire) -> Answer:
        status = wire.get("Status", CANCELLED)
        if status not in STATUSES:
            wrong = {"Status": ["The value of the field Status is not valid."]}
            raise RefusedError(400, "The request is invalid.", wrong)
        detail = self._find_meant(wire)
        detail |= {key: wire[key] for key in SET_BY_CANCEL if wire.get(key) is not None}
        if status != NO_CHANGE:
            detail["Status"] = status
        return Answer(200, b'"OK"', PLAIN_JSON, applied=True)

    def _find_meant(self, wire: Wire) -> Wire:
        for key in ("CaseId", "ProcessId"):
            if wire.get(key) is not None:
                return self._find(key, wire[key])
        missing = {"CaseId": ["The CaseId or ProcessId field is required."]}
        raise RefusedError(400, "The request is invalid.", missing)

    def _show(self, key: str, path_id: str) -> Answer:
        if not path_id.isascii() or not path_id.isdecimal():
            raise RefusedError(404, "No such resource.")
        return Answer(200, msgspec.json.encode(self._find(key, int(path_id))), PLAIN_JSON)

    def _find(self, key: str, number: int) -> Wire:
        """Find a case; what Q-Flow says to an unknown one is not documented: here, 404."""
        case_id = number if key == "CaseId" else number - PROCESS_ID_OFFSET
        if case_id not in self._details:
            raise RefusedError(404, "No such case.")
        return self._details[case_id]


def _detail(record: Wire) -> Wire:
    """Make what `Cases/{id}` shows; the keys after CaseDateCreated are our choice."""
    number = record["CaseId"]
    return {
        "CaseId": number,
        "ProcessId": PROCESS_ID_OFFSET + number,
        "ProcessGuid": str(uuid.uuid4()),
        "Ticket": f"A{number:03d}",
        "CaseDateCreated": _now(),
        "Status": COMPLETE if record["AutoClose"] else WAITING,
    } | {key: record[key] for key in DETAIL_KEYS}


def _now() -> str:
    """Write down the present as .NET does: seven digits of a second, and the offset."""
    now = datetime.now(ZONE)
    return f"{now:%Y-%m-%dT%H:%M:%S.%f}5+10:00"
