"""The literal JSON shapes of the documents' samples, key for key and in their order.

Where a table and a sample of the same document disagree, the sample wins: a server once sent it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .contacts import build_customer

# The keys of a row of case/list. Table 4 of document 001 makes ``ownerType`` mandatory, yet neither
# row of its sample has it. Both rows have ``isCanced`` and ``isSuspend``, which no table names.
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

# Fields that a case has but that the sample rows of case/list do not show.
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

KNOWN_KEYS = HIDDEN_KEYS.union(ROW_KEYS)

# The caseInfo of document 004's sample has these keys after the ten whose names begin with AICC__.
CASE_INFO_KEYS = (
    "attachment",
    "caseNo",
    "closedDate",
    "contactId",
    "contactPhone",
    "createdDate",
    "creatorId",
    "creatorName",
    "description",
    "dueDate",
    "extternalNo",
    "id",
    "isUpgraded",
    "origin",
    "ownerId",
    "ownerName",
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
)

# What a trace has beside its date and its creator: the sample of document 004 has all of them, null
# where nothing was given. Only table 5 names ``attachment``, which is left out unless it was sent.
TRACE_KEYS = ("description", "from", "fromName", "relatedId", "title", "toAddress", "type")

# The whole answer to case/modify. Document 002 prints no ``result`` at all, not even an empty one.
MODIFY_ANSWER = b'{"resCode":"0","resMsg":"Success"}'

Wire = dict[str, Any]


def encode_created(result: Any) -> bytes:
    """Encode the answer to a create: the result is no array (document 000)."""
    return msgspec.json.encode({"resCode": "0", "resMsg": "Success", "result": result})


def encode_page(rows: Sequence[bytes], count: int) -> bytes:
    """Join encoded rows into a page: the result is an array of one object (document 001)."""
    # Rows are stored as they are sent. A page is joined, never decoded and encoded again, so that
    # a benchmark measures the client and not the emulator.
    head = b'{"resCode":"0","resMsg":"success","result":[{"caseList":['
    return b'%b%b],"count":%d}]}' % (head, b",".join(rows), count)


def encode_detail(
    row: Wire, hidden: Wire, *, traces: Sequence[Wire], tasks: Sequence[Wire]
) -> bytes:
    """Encode the answer to a case detail: the result is an array of one object (document 004).

    The trace of the creation comes before ``traces``.
    """
    creation = build_trace(
        {"type": "CreateCase"},
        created=row["createdDate"],
        creator_id=row["creatorId"],
        creator_name=hidden.get("creatorName"),
    )
    result = {
        "caseInfo": _build_case_info(row, hidden),
        "caseTrace": [creation, *traces],
        # Document 004 nests the customer twice.
        "customerInfo": {"customerInfo": build_customer(row["contactId"])},
        "isFollower": False,
        "tasks": tasks,
    }
    return msgspec.json.encode({"resCode": "0", "resMsg": "成功", "result": [result]})


def build_trace(
    info: Wire, *, created: str, creator_id: str | None, creator_name: str | None = None
) -> Wire:
    """Build an entry of caseTrace from a processInfo."""
    by = {"createdDate": created, "creatorId": creator_id, "creatorName": creator_name}
    return by | {key: info.get(key) for key in TRACE_KEYS}


def extension_fields(row: Mapping[str, Any]) -> Wire:
    """Pick the fields that a tenant's own template adds: those that no document names."""
    return {key: row[key] for key in row if key not in KNOWN_KEYS}


def _build_case_info(row: Wire, hidden: Wire) -> Wire:
    known = {"attachment": ""} | row | hidden
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
    return named | {key: known.get(key) for key in CASE_INFO_KEYS} | extension_fields(row)
