"""What may be done to a case besides changing its fields."""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from .._validators import extras, hidden, kind, listed, optional, required, text
from .from_dict import InputRecord
from .values import OwnerType, ProcessType


@frozen(kw_only=True)
class CaseTransfer(InputRecord):
    """A case to hand over (Case 2.0, ``POST /case/transfer``); all of it is mandatory.

    ``owner_type`` is one of ``OwnerType``; ``remark`` is at most 2000 UTF-8 bytes.
    """

    id: str = required(text(20, empty=False))
    owner_id: str = required(text(empty=False))
    owner_type: str = required(listed(OwnerType, text(empty=False)))
    creator_id: str = required(text(20, empty=False))
    remark: str = required(text(2000, empty=False), show=False)
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class ProcessInfo(InputRecord):
    """A note, mail or SMS on a case; ``type`` is one of ``ProcessType``.

    Which fields are mandatory is not documented: ``type`` alone is asked for here. ``from_`` is the
    wire's ``from``. Lengths are UTF-8 bytes.
    """

    type: str = required(listed(ProcessType, text(empty=False)))
    title: str | None = hidden(text(128))
    description: str | None = hidden(text(20_000))
    from_: str | None = hidden(text(20))
    from_name: str | None = hidden(text(80))
    to_address: str | None = hidden(text(2000))
    creator_id: str | None = optional(text(20))
    attachment: str | None = hidden(text())
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class CaseProcess(InputRecord):
    """A case to be processed by a note, a mail or an SMS (Case 2.0, ``POST /case/process``).

    ``creator_id`` is in the table; whether it is mandatory is not documented.
    """

    case_id: str = required(text(20, empty=False))
    process: ProcessInfo = required(kind(ProcessInfo))
    creator_id: str | None = optional(text(20))
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class CaseCancel(InputRecord):
    """A case to cancel (Case 2.0, ``POST /case/cancel``).

    ``creator_id`` and ``remark`` (at most 2000 UTF-8 bytes) are in the table; whether they are
    mandatory is not documented.
    """

    id: str = required(text(20, empty=False))
    creator_id: str | None = optional(text(20))
    remark: str | None = hidden(text(2000))
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class StatusUpdate(InputRecord):
    """The flow node that a case or a task is to move to.

    Case 2.0, ``POST /status/update`` and ``POST /task/status/update``. ``creator_id`` is in the
    tables; whether it is mandatory is not documented.
    """

    id: str = required(text(empty=False))
    status: str = required(text(empty=False))
    creator_id: str | None = optional(text(20))
    extra: Mapping[str, Any] = extras()
