"""A change of single fields of a case, where the service wants the others with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import attrs

from .errors import CaseChanged, ConfigError
from .models import CaseInfo, CaseUpdate


class Changes(TypedDict, total=False):
    """The fields of ``CaseUpdate`` that a change may name."""

    title: str
    description: str
    owner_id: str
    priority: str
    due_date: datetime
    contact_id: str
    contact_phone: str
    attachment: str | Sequence[str]
    extra: Mapping[str, Any]


def update_of(case_id: str, creator_id: str, fields: Changes) -> CaseUpdate:
    """Make a whole change; a name that is no field is a ConfigError."""
    unknown = fields.keys() - Changes.__annotations__.keys()
    if unknown:
        names = ", ".join(Changes.__annotations__)
        raise ConfigError(f"{min(unknown)}: one of {names} is needed")
    return CaseUpdate(id=case_id, creator_id=creator_id, **fields)


def kept(case: CaseInfo) -> Changes:
    """Tell the mandatory fields as they are."""
    if case.title is None or case.description is None:
        name = "title" if case.title is None else "description"
        raise ConfigError(f"{name}: it is mandatory, and the case has none that could be kept")
    return {"title": case.title, "description": case.description}


def check_unchanged(then: CaseInfo, now: CaseInfo) -> None:
    """Raise CaseChanged when a case is not as it was."""
    names = [field.name for field in attrs.fields(CaseInfo)]
    changed = [name for name in names if getattr(then, name) != getattr(now, name)]
    if changed:
        text = f"case {now.id}: changed since it was read: {', '.join(changed)}"
        raise CaseChanged(text, fields=changed)
