"""The rows of one part, as Arrow's record batches with the columns of the Parquet sink."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any

from ..._api import CaseApi
from ..._listing.paging import Batch, read
from ..._listing.windows import Window
from ..._protocol.raw import DatedRow
from ...errors import ExportError
from ...export.sinks.arrow import ArrowRows
from ...export.sinks.typed import TypedRows
from ...models import Case
from .options import Source
from .plan import Part

ROWS = 2000  # of a record batch
ARROW = ArrowRows("UTC", "spark")  # times are instants, shown in Spark's own zone
SCHEMA = ARROW.schema
_KINDS = {"string": "STRING", "bool": "BOOLEAN", "double": "DOUBLE", "map": "MAP<STRING, STRING>"}
DDL = ", ".join(
    f"{each.name} {_KINDS.get(str(each.type).partition('<')[0], 'TIMESTAMP')}" for each in SCHEMA
)


async def record_batches(source: Source, part: Part) -> AsyncGenerator[Any]:
    """Read a part with a client of its own, verified as windows are everywhere.

    Raises ExportError when its rows never agree with what is announced, unless the source is not
    ``strict``: then it warns. Rows that were handed out before are the caller's to drop.
    """
    async with source.client() as aicc:
        api = aicc.api
        typed = TypedRows(api.zone)
        others = await _ids(api, source, part.before)
        held: list[bytes] = []
        async with aclosing(_batches(api, source, part.window)) as batches:
            async for batch in batches:
                held += _without(batch, others)
                if len(held) >= ROWS:
                    yield ARROW.record(_checked(typed.read(held), source, part.window))
                    held = []
        if held:
            yield ARROW.record(_checked(typed.read(held), source, part.window))


def _batches(api: CaseApi, source: Source, window: Window) -> AsyncGenerator[Batch[DatedRow]]:
    fetch = api.dated_pages(source.query)
    return read([window], fetch, concurrency=api.concurrency, strict=source.strict)


async def _ids(api: CaseApi, source: Source, window: Window | None) -> set[str]:
    ids: set[str] = set()
    if window is not None:
        async with aclosing(_batches(api, source, window)) as batches:
            async for batch in batches:
                ids.update(batch.ids)
    return ids


def _without(batch: Batch[DatedRow], ids: set[str]) -> Iterable[bytes]:
    rows = zip(batch.ids, batch.rows, strict=True)
    return [bytes(row) for row_id, (_, row) in rows if row_id not in ids]


def _checked(cases: list[Case], source: Source, window: Window) -> list[Case]:
    """Raise ExportError when a filter of ``created_date`` was taken for one of another date."""
    if source.by_date and not all(_is_within(case.created_date, window) for case in cases):
        raise ExportError(
            f"{window}: cases came that were created at another time: the service filters by"
            " another date. A profile that says so (date_field) keeps that filter out of its hands",
            window=str(window),
        )
    return cases


def _is_within(moment: datetime | None, window: Window) -> bool:
    if moment is None:
        return True  # no such filter keeps it
    shown = moment.replace(tzinfo=None, microsecond=0)
    return (window.start or shown) <= shown <= (window.end or shown)
