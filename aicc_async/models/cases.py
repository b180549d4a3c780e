"""Cases: to create, to change, to look for, and as they are listed (documents 000 to 002)."""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import Factory, define, field, frozen

from .._validators import (
    FieldCheck,
    attachments,
    extras,
    hidden,
    kind,
    listed,
    optional,
    required,
    text,
    text_or_flag,
)
from .from_dict import InputRecord
from .values import Classification, Origin, Priority, ResumeType, State


@frozen(kw_only=True)
class NewCase(InputRecord):
    """A case to create (document 000, table 3).

    Lengths are UTF-8 bytes: a title of 128 bytes is 42 Chinese characters. ``is_auto_assigned``
    defaults to True when there is no ``owner_id``. ``attachment`` is sent as it is when it is one
    text; several are joined with commas (how the service separates them is not documented). A naive
    ``due_date`` is taken in the client's zone. ``state`` is in the document's sample only.
    Fields of the case type's template go into ``extra``, by their wire names.
    """

    title: str = required(text(128, empty=False), show=False)
    description: str = required(text(20_000, empty=False), show=False)
    type: str = required(text(20, empty=False))
    contact_id: str = required(text(20, empty=False))
    creator_id: str = required(text(20, empty=False))
    owner_id: str | None = optional(text(20))
    is_auto_assigned: bool = field(
        default=Factory(
            lambda case: not (isinstance(case.owner_id, str) and case.owner_id), takes_self=True
        ),
        validator=FieldCheck(kind(bool)),
    )
    priority: str | None = optional(listed(Priority, text()))
    origin: str | None = optional(listed(Origin, text(), "Whatapp"))
    due_date: datetime | None = optional(kind(datetime))
    attachment: str | Sequence[str] | None = hidden(attachments)
    contact_phone: str | None = hidden(text(20))
    be_id: str | None = optional(text(20))
    state: str | None = optional(listed(State, text()))
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class CaseUpdate(InputRecord):
    """A change of a case (document 002, table 3).

    The service wants ``title``, ``description`` and ``creator_id`` even for a change of one other
    field; fields left out stay as they are.
    """

    id: str = required(text(20, empty=False))
    title: str = required(text(128, empty=False), show=False)
    description: str = required(text(20_000, empty=False), show=False)
    creator_id: str = required(text(20, empty=False))
    owner_id: str | None = optional(text())
    priority: str | None = optional(listed(Priority, text()))
    due_date: datetime | None = optional(kind(datetime))
    contact_id: str | None = optional(text(20))
    contact_phone: str | None = hidden(text(20))
    attachment: str | Sequence[str] | None = hidden(attachments)
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class CaseQuery(InputRecord):
    """Which cases to list (document 001, table 3, and the filters of 2025-11).

    ``start_time`` and ``end_time`` are taken in the client's zone when naive, and cut to seconds.
    Which date they filter on is not documented (the creation is likely). ``local`` is undocumented
    and passed on as it is. Fields of a case type's template go into ``extra``, by their wire names.
    """

    title: str | None = hidden(text(128))
    status: str | None = optional(text())
    priority: str | None = optional(listed(Priority, text()))
    origin: str | None = optional(listed(Origin, text(), "Whatapp"))
    owner_id: str | None = optional(text(20))
    type: str | None = optional(text(20))
    contact_id: str | None = optional(text(20))
    contact_phone: str | None = hidden(text(20))
    creator_id: str | None = optional(text(20))
    start_time: datetime | None = optional(kind(datetime))
    end_time: datetime | None = optional(kind(datetime))
    classification: str | None = optional(listed(Classification, text()))
    queue_id: str | None = optional(text())
    case_no: str | None = optional(text())
    is_reopen: bool | None = optional(kind(bool))
    is_direct_response: bool | None = optional(kind(bool))
    resume_type: str | None = optional(listed(ResumeType, text()))
    is_export: bool | None = optional(kind(bool))
    local: str | bool | None = optional(text_or_flag)
    extra: Mapping[str, Any] = extras()


@define(kw_only=True)
class Case:
    """A row of the list (document 001, table 4). Times are aware, in the client's zone.

    Only ``id`` is sure to be there: many "mandatory" fields are missing or null in the samples.
    """

    id: str
    case_no: str | None = None
    title: str | None = field(default=None, repr=False)
    type: str | None = None
    type_name: str | None = None
    external_no: str | None = None
    status: str | None = None
    state: str | None = None
    is_upgraded: bool | None = None
    is_cancelled: bool | None = None
    is_suspend: bool | None = None
    priority: str | None = None
    origin: str | None = None
    reason: str | None = None
    stay_date: datetime | None = None
    suspend_date: datetime | None = None
    suspend_accumulated_time: int | float | None = None
    contact_id: str | None = None
    owner_type: str | None = None
    owner_id: str | None = None
    parent_id: str | None = None
    contact_phone: str | None = field(default=None, repr=False)
    due_date: datetime | None = None
    closed_date: datetime | None = None
    creator_id: str | None = None
    created_date: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define
class CasePage:
    """A page of the list: its rows, and ``count``, the number of all rows that match."""

    cases: list[Case]
    count: int
