"""Cases of a table that the service has no more: found by evidence, never by an error.

The idea: a case is missing when its row is in the table, its creation date lies in a window that
was verified in this run and, by an earlier run, in one that was verified before, and no page of
this run has it. Its detail is then asked for. Only an answer that says "no such case" counts
(``existence.py``).

The invariant: everything else leaves the row as it is. A run with an unverified window, with a
total that may be capped, or with rows behind its end marks nothing. Nor does one where the detail
of a case that was just read is refused too, before or after the others: then nothing is refused for
being gone. The gateway's own 404 says that an operation is not there, not a case.

What it cannot see: a right that was taken from the account, where it hides cases from list and
detail alike; and a case that came into another window since, whose detail is answered.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

import msgspec
from attrs import evolve, frozen

from .._api import CaseApi
from .._listing.windows import EARLIEST_START
from .._listing.zones import wall
from ..errors import ConfigError
from ..models import CaseQuery
from .concurrency import call_in_thread
from .existence import CONTROL_REFUSED, PROBE_ADVICE, find_existence
from .history import interval
from .manifest import EarlierRun, ExportReport, WholeCount, WindowReport
from .sinks.sink import BUFFER_SIZE, Table, batch_lines

Spans = list[tuple[datetime, datetime]]


class _RowId(msgspec.Struct):
    id: str


_read_id = msgspec.json.Decoder(_RowId).decode


@frozen(kw_only=True)
class Evidence:
    """What a run knows of its range.

    ``windows`` are its own, ``last`` is the report of the run before, ``rows`` the file of all rows
    that came. ``is_doubtful``: a total may be capped, or rows are dated behind the range.
    """

    windows: Sequence[WindowReport]
    whole: WholeCount | None
    last: ExportReport | None
    rows: Path
    is_doubtful: bool

    @property
    def doubt(self) -> str | None:
        """Why nothing can be said of any case, if so."""
        if self.is_doubtful:
            return "a total may be capped, or the zone may be wrong"
        if any(window.verdict == "unverified" for window in self.windows):
            return "a window of this run is unverified"
        if self.whole and not self.whole.agrees:
            return "the count of the whole range disagrees"
        return None


def check_can_mark(api: CaseApi, query: CaseQuery, *, replace: bool) -> None:
    """Raise ConfigError where a case that is not listed need not be gone."""
    if replace:
        raise ConfigError("mark_deleted cannot be combined with replace")
    if evolve(query, start_time=None, end_time=None) != CaseQuery():
        raise ConfigError(
            "mark_deleted cannot be combined with filters: a case that does not match any more is"
            " not deleted"
        )
    if not api.filters_creation:
        raise ConfigError(
            "mark_deleted must be used where ranges are of createdDate, got"
            f" {api.profile.date_field} by the profile"
        )


async def find_deleted(api: CaseApi, table: Table, evidence: Evidence, *, target: str) -> list[str]:
    """Return the ids of a table's cases that are gone; a RuntimeWarning says what stays unknown.

    That is a request for each case that is missing, and at most two for one that is there.
    """
    missing, known = await call_in_thread(lambda: _find_missing(api, table, evidence))
    if not missing:
        return []

    def warn(count: int, why: str) -> None:
        text = f"{target}: {count} cases are missing, and not marked as deleted: {why}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)

    if evidence.doubt or known is None:
        warn(len(missing), evidence.doubt or "no case came that could be compared with them")
        return []
    found = await find_existence(api, missing, control=known)
    if not (found.is_trusted or found.by_id):
        warn(len(missing), CONTROL_REFUSED)
        return []
    gone, unknown, failed = (found.having(each) for each in ("gone", "unknown", "failed"))
    if unknown:
        warn(len(unknown), PROBE_ADVICE)
    if failed:
        warn(len(failed), "their details could not be read")
    if not found.is_trusted:
        warn(len(gone), CONTROL_REFUSED)
        return []
    return gone


def _find_missing(api: CaseApi, table: Table, evidence: Evidence) -> tuple[list[str], str | None]:
    """Return the ids that no row has, and one that a row has; call it in a thread."""
    last = evidence.last
    runs: list[EarlierRun | ExportReport] = [*last.earlier, last] if last else []
    before = merge_verified(window for run in runs for window in run.windows)
    now = merge_verified(evidence.windows)
    if not (now and before):
        return [], None
    # A day earlier: the zone's clock may be anything up to that behind.
    since = max(now[0][0], EARLIEST_START).replace(tzinfo=UTC) - timedelta(days=1)
    found, missing = table.created_dates(since), set[str]()
    while found:
        # One by one: a million that are freed at once hold all threads.
        case_id, moment = found.popitem()
        date = wall(moment, api.zone)
        if is_within(now, date) and is_within(before, date):
            missing.add(case_id)
    known = None
    with evidence.rows.open("rb", buffering=BUFFER_SIZE) as file:
        for lines in batch_lines(file):
            ids = [_read_id(line).id for line in lines]
            missing.difference_update(ids)
            known = ids[-1]
    return sorted(missing), known


def merge_verified(windows: Iterable[WindowReport]) -> Spans:
    """Return the spans between the ends of verified windows, those that overlap as one.

    Their very ends are left out: the first and the last second may be exclusive, and windows share
    more than these.
    """
    spans: Spans = []
    for begin, end in sorted(interval(each) for each in windows if each.verdict == "verified"):
        if spans and begin < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((begin, end))
    return spans


def is_within(spans: Spans, date: datetime) -> bool:
    """Return whether a date is between the ends of a span."""
    number = bisect_left(spans, date, key=itemgetter(0))
    return number > 0 and date < spans[number - 1][1]
