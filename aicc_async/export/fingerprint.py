"""What an export is of: another one must not go on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .._api import CaseApi
from .._listing.zones import wall
from .._protocol.converter import RecordConverter, dumps
from ..errors import ConfigError
from ..models import CaseQuery
from . import manifest
from .sinks.registry import Target

HIDDEN = {"title", "contactPhone"}  # and all extension fields: nobody knows what they hold
RANGE = {"startTime", "endTime"}
_SAID = {"hidden": "query", "detail": "choice of details"}


def header_of(
    api: CaseApi, query: CaseQuery, target: Target, *, keep: bool, detail: bool
) -> dict[str, Any]:
    """Describe an export; what may be contact data is there as a digest only."""
    wire = RecordConverter(api.zone).dump(query)
    return {
        "tenant": api.base_url,
        "query": _shown(wire, query),
        "hidden": hashlib.sha256(dumps(wire)).hexdigest(),
        "zone": str(api.zone),
        "format": target.format,
        "going on": keep,
        "detail": detail,
    }


def _shown(wire: Mapping[str, Any], query: CaseQuery) -> dict[str, Any]:
    """Take what may be contact data out of a query's filters."""
    hidden = HIDDEN | set(query.extra)
    return {name: "(hidden)" if name in hidden else value for name, value in wire.items()}


def check_same(target: Target, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ConfigError when an unfinished export was of something else."""
    different = [name for name in now if before.get(name) != now[name]]
    if different:
        what = _SAID.get(different[0], different[0])
        raise ConfigError(
            f"{target.name}: an unfinished export of another {what} is there: finish that one,"
            " or begin anew with restart (--restart)"
        )


def last_end(
    api: CaseApi,
    query: CaseQuery,
    target: Target,
    *,
    newest: datetime | None,
    back: timedelta,
    detail: bool,
) -> datetime | None:
    """Tell where to go on from; None when there was nothing before.

    That is where the last run ended, or the ``newest`` case of a table, less ``back``; and before
    what that run left open or unverified. Raises ConfigError when it was a run of another query, or
    with another choice of details: rows would lose theirs, or stand beside others that have none.
    """
    last = manifest.load(target.manifest)
    if last is None:
        return newest and wall(newest, api.zone) - back
    filters = _shown(RecordConverter(api.zone).dump(query), query)
    _check_goes_on(target, last, filters, api.zone)
    if last.detail != detail:
        raise ConfigError(
            f"{target.name}: the last run into it was {'with' if last.detail else 'without'}"
            " details: it can't be gone on from otherwise; take another target"
        )
    ends = [datetime.fromisoformat(last.end) - back] if last.end else []
    again = [window.start for window in last.windows if window.verdict in {"open", "unverified"}]
    return min(ends + [datetime.fromisoformat(start) for start in again if start], default=None)


def _check_goes_on(
    target: Target, last: manifest.ExportReport, query: Mapping[str, Any], zone: ZoneInfo
) -> None:
    filters = [{k: v for k, v in each.items() if k not in RANGE} for each in (last.query, query)]
    if filters[0] != filters[1] or last.zone != str(zone):
        raise ConfigError(
            f"{target.name}: the last run into it had another query or zone:"
            " it can't be gone on from; take another target"
        )
