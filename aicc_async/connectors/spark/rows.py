"""The rows of one part, as Arrow's record batches with the columns of the Parquet sink."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from operator import itemgetter
from typing import Any

from ..._listing.creation_dates import wanted_batches
from ..._listing.windows import Window
from ...errors import ExportError
from ...export.record_batches import gather_rows
from ...export.sinks.arrow import ArrowRows
from ...export.sinks.typed import TypedRows
from ...models import Case
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
    async with source.client() as aicc:
        api, typed = aicc.api, TypedRows(aicc.api.zone)
        listing = api.protocol.dated_cases(source.query)
        read = partial(api.batches, listing, strict=source.strict, highest=part.highest)
        dates = api.creation_dates(api.range(source.query))
        others: set[str] = set()
        if part.before is not None:
            async with aclosing(read([part.before])) as pages:
                others = {row_id async for page in pages for row_id in page.ids}

        def record(rows: list[bytes]) -> Any:
            cases = typed.read(rows)
            if source.by_date:
                check_created_dates(cases, part.window)
            return ARROW_ROWS.record(cases)

        wanted = wanted_batches(read([part.window]), dates, itemgetter(0))
        async with aclosing(gather_rows(wanted, without=others)) as lists:
            async for rows in lists:
                yield record(rows)
        typed.warn(part.window)


def check_created_dates(cases: Iterable[Case], window: Window) -> None:
    """Raise ExportError when a filter of ``created_date`` was taken for one of another date."""
    for case in cases:
        # Spark's filters keep no row without a date.
        if case.created_date is None:
            continue
        shown = case.created_date.replace(tzinfo=None, microsecond=0)
        if not (window.start or shown) <= shown <= (window.end or shown):
            raise ExportError(
                f"{window}: cases came that were created at another time: the service filters by"
                " another date. Set a profile that says so (date_field): that filter is then left"
                " to Spark",
                window=str(window),
            )
