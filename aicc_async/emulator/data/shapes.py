"""The literal JSON shapes of the documents' samples, key for key and in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .contacts import build_customer

ROW_KEYS = (
    "caseNo",
    "closedDate",
    "contactId",
    "contactPhone",
    "createdDate",
    "creatorId",
    "dueDate",
    "extternalNo",
    "id",
    "isCanced",
    "isSuspend",
    "isUpgraded",
    "origin",
    "ownerId",
    "parentId",
    "priority",
    "reason",
    "state",
    "status",
    "stayDate",
    "suspendAccumulatedTime",
    "suspendDate",
    "title",
    "type",
    "type.__objectType",
    "type.name",
    "typeName",
)
"""The keys of a row of case/list, in the sample's order (document 001)."""

HIDDEN_KEYS = frozenset(
    {
        "attachment",
        "beId",
        "creatorName",
        "description",
        "isAtuoAssigned",
        "isAutoAssigned",
        "isDirectResponse",
        "isReopen",
        "modifiedDate",
        "ownerName",
        "ownerType",
        "queueId",
    }
)
"""Fields that a case has but that the sample rows of case/list do not show."""

KNOWN_KEYS = HIDDEN_KEYS.union(ROW_KEYS)

MODIFY_ANSWER = b'{"resCode":"0","resMsg":"Success"}'
"""The whole answer to case/modify: no result at all (document 002)."""

Wire = dict[str, Any]


def encode_created(case_id: str) -> bytes:
    """Encode the answer to a create: the result is an object (document 000)."""
    result = {"caseId": case_id}
    return msgspec.json.encode({"resCode": "0", "resMsg": "Success", "result": result})


def encode_page(rows: Sequence[bytes], count: int) -> bytes:
    """Join rows that are encoded already into a page: an array of one object (document 001)."""
    head = b'{"resCode":"0","resMsg":"success","result":[{"caseList":['
    return b'%b%b],"count":%d}]}' % (head, b",".join(rows), count)


def encode_detail(
    row: Wire, hidden: Wire, *, traces: Sequence[Wire], tasks: Sequence[Wire]
) -> bytes:
    """Encode the answer to a case detail: an array of one object (document 004).

    The first trace is that of the creation, before those given.
    """
    result = {
        "caseInfo": _case_info(row, hidden),
        "caseTrace": [_trace(row, hidden), *traces],
        "customerInfo": {"customerInfo": build_customer(row["contactId"])},
        "isFollower": False,
        "tasks": tasks,
    }
    return msgspec.json.encode({"resCode": "0", "resMsg": "成功", "result": [result]})


def extension_fields(row: Mapping[str, Any]) -> Wire:
    """Pick the fields that a tenant's own template adds: all that the documents do not name."""
    return {key: row[key] for key in row if key not in KNOWN_KEYS}


def _case_info(row: Wire, hidden: Wire) -> Wire:
    named = {
        "AICC__IsCanced__CST": row["isCanced"],
        "AICC__IsSuspend__CST": row["isSuspend"],
        "AICC__Origin__CST.name": row["origin"],
        "AICC__Priority__CST.name": row["priority"],
        "AICC__Reason__CST.name": row["reason"] or "",
        "AICC__State__CST.name": row["state"],
        "AICC__Status__CST.name": row["status"],
        "AICC__Type__CST.__objectType": row["type.__objectType"],
        "AICC__Type__CST.name": row["type.name"],
        "AICC__test1__CST": None,
    }
    return named | _plain_info(row, hidden) | extension_fields(row)


def _plain_info(row: Wire, hidden: Wire) -> Wire:
    return {
        "attachment": hidden.get("attachment", ""),
        "caseNo": row["caseNo"],
        "closedDate": row["closedDate"],
        "contactId": row["contactId"],
        "contactPhone": row["contactPhone"],
        "createdDate": row["createdDate"],
        "creatorId": row["creatorId"],
        "creatorName": hidden.get("creatorName"),
        "description": hidden.get("description"),
        "dueDate": row["dueDate"],
        "extternalNo": row["extternalNo"],
        "id": row["id"],
        "isUpgraded": row["isUpgraded"],
        "origin": row["origin"],
        "ownerId": row["ownerId"],
        "ownerName": hidden.get("ownerName"),
        "parentId": row["parentId"],
        "priority": row["priority"],
        "reason": row["reason"],
        "state": row["state"],
        "status": row["status"],
        "stayDate": row["stayDate"],
        "suspendAccumulatedTime": row["suspendAccumulatedTime"],
        "suspendDate": row["suspendDate"],
        "title": row["title"],
        "type": row["type"],
    }


def _trace(row: Wire, hidden: Wire) -> Wire:
    return {
        "createdDate": row["createdDate"],
        "creatorId": row["creatorId"],
        "creatorName": hidden.get("creatorName"),
        "description": None,
        "from": None,
        "fromName": None,
        "relatedId": None,
        "title": None,
        "toAddress": None,
        "type": "CreateCase",
    }
