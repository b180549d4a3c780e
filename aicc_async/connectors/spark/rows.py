"""The rows of one part, as Arrow's record batches with the columns of the Parquet sink."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any

from ..._api import CaseApi
from ..._listing.creation_dates import wanted_batches
from ..._listing.first_pages import FirstPages
from ..._listing.pages import Fetch
from ..._listing.paging import Batch
from ..._listing.plan import max_rows_per_window, plan_windows
from ..._listing.run_all import run_both
from ..._listing.windows import Window
from ..._protocol.raw import DatedRow
from ...errors import ExportError
from ...export.record_batches import gather_rows
from ...export.sinks.arrow import ArrowRows
from ...export.sinks.typed import TypedRows
from .._shared_token import accept_token
from .options import Source
from .plan import Part

# Times are instants, which Spark shows in its session's zone.
ARROW_ROWS = ArrowRows("UTC", "spark")
_SQL_TYPES = {
    "string": "STRING",
    "bool": "BOOLEAN",
    "double": "DOUBLE",
    "map": "MAP<STRING, STRING>",
}
DDL = ", ".join(
    f"{column.name} {_SQL_TYPES.get(str(column.type).partition('<')[0], 'TIMESTAMP')}"
    for column in ARROW_ROWS.schema
)


async def record_batches(source: Source, part: Part) -> AsyncGenerator[Any]:
    """Read a part with a client of its own, verified as windows are everywhere.

    Raises ExportError when its rows never agree with what is announced, unless the source is not
    ``strict``: then it warns. Rows that were handed out before are the caller's to drop.
    """
    accept_token(part.token)
    # Arrow imports pandas at its first array, where that is installed: half a second of CPU in each
    # worker. In the middle of a part the loop would stand still then, and slots of a budget lapse.
    ARROW_ROWS.record([])
    query, only = source.query, part.only
    if only:
        query = only.narrow(query)
    async with source.client() as aicc:
        api, typed = aicc.api, TypedRows(aicc.api.zone)
        listing = api.protocol.dated_cases(query)
        read = partial(api.batches, listing, strict=source.strict, highest=part.highest)
        dates = api.creation_dates(api.range(query))

        async def read_others() -> set[str]:
            if part.before is None:
                return set()
            async with aclosing(read([part.before])) as pages:
                return {row_id async for page in pages for row_id in page.ids}

        def record(rows: list[bytes]) -> Any:
            cases = typed.read(rows)
            if only:
                cases = [each for each in cases if only.is_in(each)]
            return ARROW_ROWS.record(cases)

        # At the same time: tasks of equal size begin together, and would leave the quota unused.
        others, (windows, fetch) = await run_both(
            read_others(), _plan_part(api, api.pages(listing), part.window)
        )
        batches = read(windows, fetch=fetch)
        if source.by_date:
            batches = _check_created_dates(batches)
        wanted = wanted_batches(batches, dates, itemgetter(0))
        async with aclosing(gather_rows(wanted, without=others)) as lists:
            async for rows in lists:
                yield record(rows)
        typed.warn(part.window)


async def _plan_part(
    api: CaseApi, fetch: Fetch[DatedRow], whole: Window
) -> tuple[list[Window], Fetch[DatedRow]]:
    """Cut a part into windows by their first pages, which the returned function hands out."""
    if whole.start is None or whole.end is None:
        return [whole], fetch
    max_rows = max_rows_per_window(api.limits())
    pages = FirstPages(
        fetch,
        api.longest_page,
        asked_at=api.now(),
        concurrency=api.concurrency,
        max_rows=max_rows,
    )
    windows = api.split(whole.start, whole.end)
    planned = await plan_windows(windows, pages.count, api.zone, max_rows=max_rows, span=api.span)
    pages.keep(planned)
    return [each.window for each in planned], pages.fetch


async def _check_created_dates(
    batches: AsyncGenerator[Batch[DatedRow]],
) -> AsyncGenerator[Batch[DatedRow]]:
    """Raise ExportError when a filter of ``created_date`` was taken for one of another date.

    Each row is compared with its window: a part may be much longer.
    """
    async with aclosing(batches):
        async for batch in batches:
            window = batch.window
            for text, _ in batch.rows:
                # Spark's filters keep no row without a date, and none that is not one.
                with suppress(ValueError):
                    shown = datetime.fromisoformat(text).replace(tzinfo=None, microsecond=0)
                    if not (window.start or shown) <= shown <= (window.end or shown):
                        raise ExportError(
                            f"{window}: cases came that were created at another time: the service"
                            " filters by another date. Set a profile that says so (date_field):"
                            " that filter is then left to Spark",
                            window=str(window),
                        )
            yield batch
