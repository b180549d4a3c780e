"""Cases as the service wrote them, through a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aicc_async import AICCClient, CaseQuery
from aicc_async._listing.paging import Batch


def raw_batches(aicc: AICCClient, query: CaseQuery | None = None) -> AsyncGenerator[Batch[bytes]]:
    """Read what ``iter_cases`` reads, in batches and not decoded."""
    query = query or CaseQuery()
    return aicc.api.batches(aicc.api.protocol.raw_cases(query), aicc.api.windows(query))
