"""Cases of earlier loads, read again by their creation dates into a file of JSON lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from operator import itemgetter
from pathlib import Path

from ..._api import CaseApi
from ..._listing.creation_dates import wanted_batches
from ..._listing.paging import Batch
from ..._listing.windows import Window
from ..._protocol.raw import DatedRow
from ...export.details import with_details
from ...models import CaseQuery


async def read_again(
    api: CaseApi,
    query: CaseQuery,
    spans: Sequence[Window],
    path: Path,
    *,
    detail: bool,
) -> None:
    """Write the cases of spans of creation dates, which are in order.

    They are checked as an export's are; where totals never agree, there is an ExportError.
    """
    asked = Window(spans[0].start, spans[-1].end)
    windows = [window for span in spans for window in api.cut(span)]
    pages = api.batches(api.protocol.dated_cases(query), windows, strict=True)
    wanted = wanted_batches(pages, api.creation_dates(asked), itemgetter(0))
    with path.open("wb") as file:
        async with aclosing(_rows(api, wanted, detail=detail)) as rows:
            async for row in rows:
                file.write(row + b"\n")


async def _rows(
    api: CaseApi, pages: AsyncGenerator[Batch[DatedRow]], *, detail: bool
) -> AsyncGenerator[bytes]:
    async with aclosing(pages):
        async for page in pages:
            rows = [bytes(row) for _, row in page.rows]
            if not detail:
                for row in rows:
                    yield row
                continue
            pairs = list(zip(page.ids, rows, strict=True))
            found = with_details(pairs, api.raw_detail, concurrency=api.concurrency)
            async with aclosing(found) as detailed:
                async for row, _ in detailed:
                    yield row
