"""The query that --since, --until and --filter describe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .._protocol.names import wire_names
from ..errors import ConfigError
from ..models import CaseQuery
from .options import ago

# --since and --until set these.
RANGE = {"start_time", "end_time"}
# Python's names and those of the wire.
FILTERS = {
    name: field
    for field, wire in wire_names(CaseQuery).items()
    for name in (field, wire)
    if field not in RANGE
}
FLAGS = {"true": True, "false": False}


def query(
    since: datetime | timedelta | None, until: datetime | None, filters: tuple[str, ...]
) -> CaseQuery:
    """Return the query of the options; an unknown name is a ConfigError, not a silent no-op."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for text in filters:
        given, equals, value = text.partition("=")
        field = FILTERS.get(given)
        # Extension fields have names such as AICC__region__CST.
        if not equals or (field is None and "__" not in given):
            names = ", ".join(sorted(set(FILTERS.values())))
            raise ConfigError(f"--filter must be NAME=VALUE, NAME one of {names}, got {given!r}")
        name = field or given
        if name in known or name in extra:
            # The service takes one value for each field: the other would be lost.
            raise ConfigError(f"--filter {name} must have one value, got two")
        is_flag = field is not None and field.startswith("is_")
        if is_flag and value.lower() not in FLAGS:
            raise ConfigError(f"--filter {name} must be true or false, got {value!r}")
        (known if field else extra)[name] = FLAGS[value.lower()] if is_flag else value
    start = ago(since) if isinstance(since, timedelta) else since
    return CaseQuery(start_time=start, end_time=until, **known, extra=extra)
