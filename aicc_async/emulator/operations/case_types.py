"""The tenant's case types: those that its seeded cases have."""

from typing import Any

from ..data.seed import NODES, TYPES
from ..http.answer import Answer
from .bounds import Bounds, decode, place
from .request import Asked, found, unknown

FILTERS = Bounds(optional=("status", "typeName"))
INACTIVE = "Auskunft"

Wire = dict[str, Any]


def type_list(asked: Asked) -> Answer:
    """List case types: `typeName` is part of the name, `status` is Active or Inactive."""
    wire = FILTERS.check(decode(asked.body))
    start, limit = place(wire)
    matching = [one for one in ALL.values() if _matches(one, wire)]
    page = matching[start : start + limit]
    return asked.listed({"caseTypes": page, "count": len(matching)})


def type_get(asked: Asked) -> Answer:
    """Show one case type."""
    if asked.last not in ALL:
        raise unknown("case type", asked.last)
    return found({"caseTypeInfo": ALL[asked.last]})


def _matches(one: Wire, wire: Wire) -> bool:
    wanted = wire.get("status", one["status"])
    return wire.get("typeName", "") in one["typeName"] and one["status"] == wanted


def _case_type(type_id: str, name: str) -> Wire:
    return {
        "id": type_id,
        "typeName": name,
        "description": None,
        "status": "Inactive" if name == INACTIVE else "Active",
        "caseStatus": ",".join((*NODES, "Completed")),
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


ALL = {type_id: _case_type(type_id, name) for type_id, name in TYPES.items()}
