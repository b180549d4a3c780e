"""The fields that ``change ID NAME=VALUE`` names, with the types of the record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, get_args, get_type_hints

from .._validators import shown
from ..errors import ConfigError
from ..models import CaseUpdate
from .spelling import parse_pairs, spellings

# The id is an argument.
NAMES = {name: field for name, field in spellings(CaseUpdate).items() if field != "id"}
TIMES = {name for name, kind in get_type_hints(CaseUpdate).items() if datetime in get_args(kind)}


def parse_changes(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the fields by their names in Python; those of a template are in ``extra``."""
    texts, extra = parse_pairs("a change", pairs, NAMES)
    found: dict[str, Any] = {}
    for name, value in texts.items():
        try:
            found[name] = datetime.fromisoformat(value) if name in TIMES else value
        except ValueError:
            raise ConfigError(
                f"{name} must be a time such as 2025-01-31T18:00:00, got {shown(value)}"
            ) from None
    return found | ({"extra": extra} if extra else {})
