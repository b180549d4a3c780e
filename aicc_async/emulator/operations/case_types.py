"""The tenant's case types: those that its seeded cases have."""

from typing import Any

from ..data.vocabulary import FLOW_NODES, TYPES
from ..http.answer import Answer
from .bounds import Bounds, decode_object, parse_page
from .request import OperationRequest, answer_result, not_found

FILTERS = Bounds(optional=("status", "typeName"))

# One type is inactive, so that the filter by status has something to find.
INACTIVE_TYPE = "Auskunft"

# The vendor's table misspells two of these keys (``contentTempalteId``, ``isStrctOrder``). Here
# they are spelt right, and a client has to read either.
CASE_TYPES: dict[str, dict[str, Any]] = {
    type_id: {
        "id": type_id,
        "typeName": name,
        "description": None,
        "status": "Inactive" if name == INACTIVE_TYPE else "Active",
        "caseStatus": ",".join((*FLOW_NODES, "Completed")),
        "templateId": f"cTpl{type_id[4:]}",
        "templateName": "Invented template",
        "contentTemplateId": None,
        "parentId": None,
        "isStrictOrder": False,
        "creatorName": "ServiceCloud",
        "createdDate": "2024-11-05 09:30:00",
        "lastModifiedName": "ServiceCloud",
        "lastModifiedDate": "2024-12-02 16:05:41",
    }
    for type_id, name in TYPES.items()
}


def list_types(request: OperationRequest) -> Answer:
    """List case types: ``typeName`` is part of the name, ``status`` is Active or Inactive."""
    wire = FILTERS.check(decode_object(request.body))
    start, limit = parse_page(wire)
    matching = [
        one
        for one in CASE_TYPES.values()
        if wire.get("typeName", "") in one["typeName"]
        and wire.get("status", one["status"]) == one["status"]
    ]
    page = matching[start : start + limit]
    return request.answer_list({"caseTypes": page, "count": len(matching)})


def get_type(request: OperationRequest) -> Answer:
    """Show one case type."""
    if request.path_id not in CASE_TYPES:
        raise not_found("case type", request.path_id)
    return answer_result({"caseTypeInfo": CASE_TYPES[request.path_id]})
