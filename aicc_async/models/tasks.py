"""Tasks: to create, to change, to look for, to hand over, and as they come back."""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from .._validators import extras, hidden, kind, listed, optional, required, text
from .from_dict import InputRecord
from .values import Priority


@frozen(kw_only=True)
class NewTask(InputRecord):
    """A task to create (Case 2.0, ``POST /task``).

    Which fields are mandatory is not documented: ``title`` alone is asked for here. Lengths are
    UTF-8 bytes. A naive ``due_date`` is taken in the client's zone.
    """

    title: str = required(text(128, empty=False), show=False)
    description: str | None = hidden(text(20_000))
    type: str | None = optional(text())
    relate_id: str | None = optional(text(20))
    contact_id: str | None = optional(text(20))
    priority: str | None = optional(listed(Priority, text()))
    due_date: datetime | None = optional(kind(datetime))
    attachment: str | None = hidden(text(255))
    creator_id: str | None = optional(text(20))
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class TaskUpdate(InputRecord):
    """A change of a task (Case 2.0, ``POST /task/modify``).

    Which fields are mandatory is not documented: ``id`` alone is asked for here. A change of a case
    wants title, description and creator; a change of a task may too.
    """

    id: str = required(text(empty=False))
    title: str | None = hidden(text(128))
    description: str | None = hidden(text(20_000))
    type: str | None = optional(text())
    relate_id: str | None = optional(text(20))
    contact_id: str | None = optional(text(20))
    priority: str | None = optional(listed(Priority, text()))
    due_date: datetime | None = optional(kind(datetime))
    attachment: str | None = hidden(text(255))
    creator_id: str | None = optional(text(20))
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class TaskQuery(InputRecord):
    """Which tasks to list (Case 2.0, ``POST /task/list``); ``name`` need not be whole."""

    name: str | None = hidden(text())
    status: str | None = optional(text())
    level: str | None = optional(text())
    handler: str | None = hidden(text())
    extra: Mapping[str, Any] = extras()


@frozen(kw_only=True)
class TaskTransfer(InputRecord):
    """A task to hand over (Case 2.0, ``POST /task/transfer``).

    ``creator_id`` is in the table; whether it is mandatory is not documented.
    """

    id: str = required(text(empty=False))
    owner_id: str = required(text(empty=False))
    creator_id: str | None = optional(text(20))
    extra: Mapping[str, Any] = extras()


@define(kw_only=True)
class Task:
    """A task of a case. Its shape is not documented: the fields are those of a task's creation."""

    id: str | None = None
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    type: str | None = None
    relate_id: str | None = None
    contact_id: str | None = None
    creator_id: str | None = None
    owner_id: str | None = None
    priority: str | None = None
    state: str | None = None
    status: str | None = None
    due_date: datetime | None = None
    created_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define
class TaskPage:
    """A page of tasks; ``count``, the number of all that match, is None where none is announced."""

    tasks: list[Task]
    count: int | None
