"""A change of single fields of a case, where the service wants the others with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import attrs

from .._validators import shown
from ..errors import CaseChanged, ConfigError
from . import CaseDetail, CaseInfo, CaseUpdate


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


def build_trial(case_id: str, creator_id: str, changes: Changes) -> CaseUpdate:
    """Return the change of a case that is not read yet, to raise what is wrong with it."""
    if all(value is None for value in changes.values()):
        raise ConfigError("changes must name at least one field")
    return build_update(case_id, creator_id, {"title": "…", "description": "…", **changes})


def build_update(case_id: str, creator_id: str, fields: Changes) -> CaseUpdate:
    """Return a whole change; a name that is not a field's is a ConfigError."""
    unknown = fields.keys() - Changes.__annotations__.keys()
    if unknown:
        names = ", ".join(Changes.__annotations__)
        raise ConfigError(f"changes must name only {names}, got {min(unknown)}")
    return CaseUpdate(id=case_id, creator_id=creator_id, **fields)


def add_mandatory(case: CaseInfo, changes: Changes) -> Changes:
    """Return the changes and, as the case has them, title and description."""
    kept = {"title": case.title, "description": case.description}
    for name, value in kept.items():
        if name not in changes and not value:
            raise ConfigError(f"{name} must be set: the case has none that could be kept")
    return {**kept, **changes}  # type: ignore[typeddict-item]  # it was checked for None


def check_same_case(case_id: str, then: CaseDetail) -> None:
    """Raise ConfigError when it was another case that was read: it would always differ."""
    if then.case.id != case_id:
        raise ConfigError(f"if_unchanged must be of case {shown(case_id)}, got {then.case.id!r}")


def check_unchanged(then: CaseInfo, now: CaseInfo) -> None:
    """Raise CaseChanged when a case is not as it was."""
    names = [field.name for field in attrs.fields(CaseInfo)]
    changed = [name for name in names if getattr(then, name) != getattr(now, name)]
    if changed:
        text = f"case {now.id}: changed since it was read: {', '.join(changed)}"
        raise CaseChanged(text, fields=changed)
