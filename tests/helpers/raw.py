"""Cases as the service wrote them, through a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aicc_async import AICCClient, CaseQuery
from aicc_async._listing.creation_dates import wanted_batches
from aicc_async._listing.paging import Batch
from aicc_async._protocol.raw import DatedRow


def raw_batches(
    aicc: AICCClient, query: CaseQuery | None = None
) -> AsyncGenerator[Batch[DatedRow]]:
    """Read what ``iter_cases`` reads, in batches and not decoded: each row with its date."""
    api, query = aicc.api, query or CaseQuery()
    batches = api.batches(api.protocol.dated_cases(query), api.windows(query))
    return wanted_batches(batches, api.creation_dates(api.range(query)), lambda row: row[0])
