"""Cases in a Q-Flow queue: to put in, to take out, and as they come back (document 003)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from .._validators import (
    UTF16,
    extras,
    hidden,
    int64,
    kind,
    listed,
    optional,
    required,
    text,
    texts,
)
from ..errors import FieldFault, InvalidInput
from .from_dict import InputRecord
from .values import QueueStatus


@frozen(kw_only=True)
class CaseEnqueue(InputRecord):
    """A case to put into a Q-Flow service's queue (document 003).

    Lengths are UTF-16 units, as .NET counts them. ``service_id`` is required by the document even
    beside ``service_id_ext_ref``.
    """

    service_id: int = required(int64)
    service_id_ext_ref: str | None = optional(text())
    customer_id: int | None = optional(int64)
    ext_ref: str | None = hidden(text(200, unit=UTF16))
    notes: str | None = hidden(text(4000, unit=UTF16))
    subject: str | None = hidden(text(100, unit=UTF16))
    classification_code: str | None = optional(text())
    auto_close: bool | None = optional(kind(bool))
    custom_properties: Mapping[str, str] | None = hidden(texts)
    procedure_ext_ref: str | None = optional(text())
    procedure_option_ext_ref: str | None = optional(text())
    case_id: int | None = optional(int64)
    extra: Mapping[str, Any] = extras()


@define(kw_only=True)
class EnqueuedCase:
    """A case in a Q-Flow queue: what was sent, and its ``case_id`` (document 003)."""

    case_id: int
    service_id: int | None = None
    service_id_ext_ref: str | None = None
    customer_id: int | None = None
    ext_ref: str | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    classification_code: str | None = None
    auto_close: bool | None = None
    custom_properties: dict[str, str | None] | None = field(default=None, repr=False)
    procedure_ext_ref: str | None = None
    procedure_option_ext_ref: str | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class QueueCancel(InputRecord):
    """A case to take out of a Q-Flow queue (``POST Cases/Cancel``), by either id.

    ``status`` says what becomes of it; left out, the server decides. ``notes`` are at most 4000
    UTF-16 units.
    """

    case_id: int | None = optional(int64)
    process_id: int | None = optional(int64)
    notes: str | None = hidden(text(4000, unit=UTF16))
    classification_code: str | None = optional(text())
    custom_properties: Mapping[str, str] | None = hidden(texts)
    status: int | None = optional(listed(QueueStatus, int64))
    extra: Mapping[str, Any] = extras()

    def __attrs_post_init__(self) -> None:
        if self.case_id is None and self.process_id is None:
            raise InvalidInput.of([FieldFault("case_id or process_id", "must be set")])


@define(kw_only=True)
class QueuedCase:
    """A case as Q-Flow shows it (``GET Cases/{id}``, ``GET Cases/Processes/{id}``).

    Only some of its fields are known here; all others are in ``extra``. ``case_date_created`` is
    aware, with the offset that the server sent.
    """

    case_id: int
    process_id: int | None = None
    process_guid: str | None = None
    ticket: str | None = None
    case_date_created: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)
