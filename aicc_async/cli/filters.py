"""The query that --since, --until and --filter describe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..errors import ConfigError
from ..models import CaseQuery
from .options import ago
from .spelling import parse_pairs, spellings

# --since and --until set these.
RANGE = {"start_time", "end_time"}
# Python's names and those of the wire.
FILTERS = {name: field for name, field in spellings(CaseQuery).items() if field not in RANGE}
FLAGS = {"true": True, "false": False}


def query(
    since: datetime | timedelta | None, until: datetime | None, filters: tuple[str, ...]
) -> CaseQuery:
    """Return the query of the options; an unknown name is a ConfigError, not a silent no-op."""
    texts, extra = parse_pairs("--filter", filters, FILTERS)
    known: dict[str, Any] = dict(texts)
    for name, value in texts.items():
        if name.startswith("is_"):
            if value.lower() not in FLAGS:
                raise ConfigError(f"--filter {name} must be true or false, got {value!r}")
            known[name] = FLAGS[value.lower()]
    start = ago(since) if isinstance(since, timedelta) else since
    return CaseQuery(start_time=start, end_time=until, **known, extra=extra)
