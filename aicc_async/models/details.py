"""A case with its history, its contact and its tasks (document 004)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import define, field

from .customers import Customer
from .tasks import Task


@define(kw_only=True)
class CaseInfo:
    """A case in detail (document 004, table 4)."""

    id: str
    case_no: str | None = None
    status: str | None = None
    title: str | None = field(default=None, repr=False)
    priority: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    origin: str | None = None
    is_upgraded: bool | None = None
    external_no: str | None = None
    due_date: datetime | None = None
    description: str | None = field(default=None, repr=False)
    creator_id: str | None = None
    created_date: datetime | None = None
    contact_id: str | None = None
    reason: str | None = None
    contact_phone: str | None = field(default=None, repr=False)
    state: str | None = None
    stay_date: datetime | None = None
    suspend_accumulated_time: int | float | None = None
    suspend_date: datetime | None = None
    type: str | None = None
    closed_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    creator_name: str | None = field(default=None, repr=False)
    owner_name: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class CaseTrace:
    """A step in the life of a case (document 004, table 5). ``from_`` is the wire's ``from``."""

    creator_id: str | None = None
    creator_name: str | None = field(default=None, repr=False)
    type: str | None = None
    related_id: str | None = None
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    from_: str | None = field(default=None, repr=False)
    from_name: str | None = field(default=None, repr=False)
    to_address: str | None = field(default=None, repr=False)
    created_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class CaseDetail:
    """A case with its history, its contact and its tasks (document 004, table 3).

    ``extra`` holds the wire fields beside ``caseInfo``.
    """

    case: CaseInfo
    trace: list[CaseTrace] = field(factory=list)
    customer: Customer | None = None
    tasks: list[Task] = field(factory=list)
    is_follower: bool | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)
