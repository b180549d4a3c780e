"""What an export would take, without doing it: planned as an export plans, and never written.

The figures are those of a tenant that stands still: every window that moves while it is read, every
refusal, and a count of the whole range that has to be repeated costs requests more. So do a look
behind a page that may have come short, and one for a row whose date must be told by the service: at
most two a window. The size is that of JSON lines, from the rows of one page.
"""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from .._api import CaseApi, HasCaseApi
from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.plan import PlannedWindow
from .._listing.prefetch import plan_rest
from .._listing.windows import SETTLE
from .._protocol.raw import DatedRow
from .._validators import check, kind
from ..models import CaseQuery
from .details import splice_parts
from .export_range import plan_range
from .manifest import time_text

# Of the cases of the sample page: enough to tell kilobytes from megabytes.
SAMPLE_DETAILS = 3


@frozen(kw_only=True)
class WindowPlan:
    """A window that would be read, and the rows that the service announces for it.

    ``start`` and ``end`` are wall-clock times of the tenant, a second wider than what is exported;
    ``start`` None is open.
    """

    start: str | None
    end: str | None
    rows: int
    requests: int


@frozen(kw_only=True)
class ExportPlan:
    """What an export would read and take, if nothing moves and nothing is refused.

    ``rows`` are announced for the range. ``requests`` are all of the export's, but for at most two
    a window; those that plan it are among them. ``asked`` are those that this plan has sent.
    ``seconds`` is how long all of them take at the client's rate limit; None without one. ``size``
    is in bytes, as JSON lines; None without rows.
    """

    start: str | None
    end: str | None
    rows: int
    windows: tuple[WindowPlan, ...] = field(repr=False)
    requests: int
    asked: int
    seconds: float | None
    size: int | None


async def plan_export(
    aicc: HasCaseApi,
    query: CaseQuery | None = None,
    *,
    detail: bool = False,
    settle: timedelta = SETTLE,
) -> ExportPlan:
    """Return what ``export_cases`` with the same arguments would read, and write nothing.

    It plans as the export does; a page that the plan asked for (with ``detail`` also three cases)
    tells the size. An unfinished export, or a target that has rows already, is not looked at.

    Raises what ``list_cases`` raises.
    """
    api = aicc.api
    query = CaseQuery() if query is None else check("query", query, kind(CaseQuery))
    check("settle", settle, kind(timedelta))
    before = api.stats.requests
    found = await plan_range(api, query, settle=settle, detail=detail)
    planning = api.stats.requests - before
    largest = max(found.windows, key=lambda planned: planned.count)
    page = found.pages.peek(largest.window)
    if page is None:
        page = await api.dated_pages(query)(largest.window, 0, MAX_ROWS_PER_PAGE)
    size = await _mean_size(api, list(zip(page.ids, page.rows, strict=True)), detail=detail)
    rows = found.announced
    if rows is None:
        rows = sum(planned.count for planned in found.windows)
    windows = tuple(_window_plan(api, planned) for planned in found.windows)
    requests = planning + sum(each.requests for each in windows) + rows * detail
    # The planning has asked for their first pages.
    requests -= sum(found.pages.peek(planned.window) is not None for planned in found.windows)
    rate = api.rate_limit
    return ExportPlan(
        start=time_text(found.start),
        end=time_text(found.end),
        rows=rows,
        windows=windows,
        requests=requests,
        asked=api.stats.requests - before,
        seconds=None if rate is None else requests * rate.per / rate.limit,
        size=None if size is None else round(size * rows),
    )


def _window_plan(api: CaseApi, planned: PlannedWindow) -> WindowPlan:
    page_size = api.profile.page_size or MAX_ROWS_PER_PAGE
    first = min(planned.count, page_size)
    return WindowPlan(
        start=time_text(planned.window.start),
        end=time_text(planned.window.end),
        rows=planned.count,
        requests=1 + sum(1 for _ in plan_rest(first, planned.count, page_size)),
    )


async def _mean_size(
    api: CaseApi, rows: list[tuple[str, DatedRow]], *, detail: bool
) -> float | None:
    """Return the mean length of a row with its line end; None without rows."""
    if not rows:
        return None
    if not detail:
        return sum(len(bytes(row)) + 1 for _, (_, row) in rows) / len(rows)
    sample = rows[:SAMPLE_DETAILS]
    lines = [
        splice_parts(bytes(row), await api.raw_detail(case_id)) for case_id, (_, row) in sample
    ]
    return sum(len(line) + 1 for line in lines) / len(lines)
