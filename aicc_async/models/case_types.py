"""Case types: to look for, and as they come back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from .._validators import extras, listed, optional, private, text
from .from_dict import InputRecord
from .values import CaseTypeStatus


@frozen(kw_only=True)
class CaseTypeQuery(InputRecord):
    """Which case types to list (Case 2.0, ``POST /caseType/list``).

    ``type_name`` need not be whole; ``status`` is one of ``CaseTypeStatus``.
    """

    type_name: str | None = optional(text())
    status: str | None = optional(listed(CaseTypeStatus, text()))
    extra: Mapping[str, Any] = extras()


@define(kw_only=True)
class CaseType:
    """A kind of case (Case 2.0, ``POST /caseType/list`` and ``GET /caseType/{id}``).

    ``case_status`` lists the flow nodes that its cases may stand at, with commas between them, as
    the service writes it. Two wire names are spelt differently in table and sample: both are read.
    """

    id: str
    type_name: str | None = None
    description: str | None = private()
    status: str | None = None
    case_status: str | None = None
    template_id: str | None = None
    template_name: str | None = None
    content_template_id: str | None = None
    parent_id: str | None = None
    is_strict_order: bool | None = None
    creator_name: str | None = private()
    created_date: datetime | None = None
    last_modified_name: str | None = private()
    last_modified_date: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define
class CaseTypePage:
    """A page of case types, and ``count``, the number of all that match."""

    case_types: list[CaseType]
    count: int
