"""Where the next load begins, as dlt keeps it between runs. Pure.

The invariant: all that was created from ``start`` to ``end`` is loaded, but for what may still come
into the windows from ``again`` on. So a next load that begins at ``again`` or earlier misses no new
case. It can't see changes of cases that were created before it begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from attrs import evolve

from ..._api import CaseApi
from ..._protocol.converter import RecordConverter, dumps
from ...export import ExportReport
from ...models import CaseQuery
from .open_cases import Span

REREAD_VERDICTS = {"open", "unverified"}


class LoadState(TypedDict):
    """Wall-clock times of the tenant's zone, written as text.

    ``start`` is where the first load began (None: at the first case), ``end`` where the last one
    ended, ``again`` where the first window begins that is to be read once more (None: there is no
    such window). ``open`` are spans with all cases that were not closed; None: nobody noted them.
    """

    start: str | None
    end: str
    again: str | None
    open: NotRequired[Sequence[Span] | None]


def state_key(api: CaseApi, query: CaseQuery, *, detail: bool) -> str:
    """Return a key that differs for loads that can't continue each other."""
    filters = RecordConverter(api.zone).dump(evolve(query, start_time=None, end_time=None))
    parts = [api.base_url, str(api.zone), detail, sorted(filters.items())]
    # Hashed, because filters may be contact data, and the state is kept in the destination.
    return hashlib.sha256(dumps(parts)).hexdigest()


def covers(state: LoadState, start: datetime | None) -> bool:
    """Return whether the loads so far began no later than ``start`` (None: at the first case)."""
    if state["start"] is None:
        return True
    return start is not None and start >= datetime.fromisoformat(state["start"])


def next_start(state: LoadState, lookback: timedelta) -> datetime:
    """Return where the next load begins.

    It is ``lookback`` before the last end, or the first window that is to be read again if that is
    earlier, but not before the start of the first load.
    """
    start = datetime.fromisoformat(state["end"]) - lookback
    if state["again"]:
        start = min(start, datetime.fromisoformat(state["again"]))
    if state["start"]:
        start = max(start, datetime.fromisoformat(state["start"]))
    return start


def state_after(report: ExportReport, start: str | None) -> LoadState | None:
    """Return the state after an export; None when all is to be read again."""
    again = [window.start for window in report.windows if window.verdict in REREAD_VERDICTS]
    known = [text for text in again if text]
    if report.end is None or len(known) < len(again):
        return None
    return {"start": start, "end": report.end, "again": min(known, default=None)}
