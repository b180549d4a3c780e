"""Cases as Arrow's record batches, for programs that want no file between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container
from contextlib import aclosing
from operator import itemgetter
from typing import Any

from .._api import CaseApi
from .._listing.creation_dates import wanted_batches
from .._listing.paging import Batch
from .._protocol.raw import DatedRow
from ..models import CaseQuery
from .sinks.arrow import ArrowRows
from .sinks.typed import TypedRows

ROWS_PER_BATCH = 2000


async def gather_rows(
    pages: AsyncGenerator[Batch[DatedRow]], *, without: Container[str] = ()
) -> AsyncGenerator[list[bytes]]:
    """Yield the rows of pages in lists of about 2,000, but for those of some ids."""
    held: list[bytes] = []
    async with aclosing(pages):
        async for page in pages:
            rows = zip(page.ids, page.rows, strict=True)
            held += [bytes(row) for row_id, (_, row) in rows if row_id not in without]
            if len(held) >= ROWS_PER_BATCH:
                yield held
                held = []
    if held:
        yield held


async def record_batches(
    api: CaseApi, query: CaseQuery, arrow: ArrowRows, *, strict: bool
) -> AsyncGenerator[Any]:
    """Read all cases of a query's range with the columns of the Parquet sink.

    There is one batch at least, which is empty when no case matches: it has the schema.
    """
    typed = TypedRows(api.zone)
    asked = api.range(query)
    rows_after = await api.count_rows_after(query, asked.end)
    dates = api.creation_dates(asked, rows_after=rows_after)
    pages = api.batches(api.protocol.dated_cases(query), api.cut(asked), strict=strict)
    is_empty = True
    async with aclosing(gather_rows(wanted_batches(pages, dates, itemgetter(0)))) as lists:
        async for rows in lists:
            yield arrow.read(typed, rows)
            is_empty = False
    if is_empty:
        yield arrow.record([])
    typed.warn("iter_batches")
