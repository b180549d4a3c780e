"""The API object below the client: what client, creator, export, probe, Spark and dlt call.

It holds the session, the protocol, the zone and the profile of one tenant, and has the verbs that
they need. Nobody above the transport reaches into anything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from attrs import field, frozen

from ._listing import zones
from ._listing.pages import MAX_ROWS_PER_PAGE, Fetch, Page, with_totals
from ._listing.paging import Batch, read
from ._listing.windows import MAX_SPAN, Window, split
from ._protocol.aicc import CaseProtocol, Listing
from ._protocol.operations import Operation
from ._protocol.raw import DatedRow, RawParts
from ._protocol.requests import Request
from ._transport.session import Session, Stats
from .errors import ConfigError
from .models import CaseDetail, CaseQuery, NewCase
from .profile import Profile

R = TypeVar("R")
T = TypeVar("T")


@frozen(kw_only=True)
class CaseApi:
    """A tenant's case interface, as everything above the transport uses it.

    ``concurrency`` is how many requests may be under way.
    """

    base_url: str
    concurrency: int
    zone: ZoneInfo
    profile: Profile
    protocol: CaseProtocol = field(repr=False)
    session: Session = field(repr=False)

    @property
    def stats(self) -> Stats:
        """Requests, retries and throttles so far."""
        return self.session.stats

    @property
    def last_headers(self) -> Mapping[str, str]:
        """The headers of the last answer, whatever its status."""
        return self.session.last_headers

    def service_time(self) -> datetime | None:
        """Return what the service's clock shows, by its last answer; None: it does not say."""
        return self.session.service_time()

    async def send(self, request: Request[T]) -> T:
        """Send a request until it is answered, or may not or should not be sent again."""
        return await self.session.send(request)

    async def act(self, operation: Operation, record: Any) -> None:
        """Send a record that is answered without a result."""
        await self.send(self.protocol.act(operation, record))

    async def create(
        self, new: NewCase, *, on_departure: Callable[[bool], None] | None = None
    ) -> str:
        """Create a case, whatever was created before, and return its id.

        ``on_departure`` is told whether the record may have left (see ``Session.send``).
        """
        return await self.session.send(self.protocol.create(new), on_departure=on_departure)

    async def detail(self, case_id: str) -> CaseDetail:
        """Read a case with its history, contact and tasks."""
        return await self.send(self.protocol.detail(case_id))

    async def raw_detail(self, case_id: str) -> RawParts:
        """Read a case in parts as the service wrote them; no bound is checked."""
        return await self.send(self.protocol.raw_detail(case_id))

    async def page(self, listing: Listing[R], window: Window, start: int, limit: int) -> Page[R]:
        """Read a page of a listing; no larger than the tenant gives."""
        limit = min(limit, self.profile.page_size or MAX_ROWS_PER_PAGE)
        return await self.send(listing.request(window, start, limit))

    def pages(self, listing: Listing[R]) -> Fetch[R]:
        """Return the function that reads a page of a listing."""
        return partial(self.page, listing)

    def dated_pages(self, query: CaseQuery) -> Fetch[DatedRow]:
        """Return the function that reads a page of cases as raw rows, each with its date."""
        return self.pages(self.protocol.dated_cases(query))

    def batches(
        self, listing: Listing[R], windows: list[Window], *, strict: bool = True
    ) -> AsyncGenerator[Batch[R]]:
        """Read all rows of windows, each once; see ``_listing.paging``."""
        fetch = self.pages(listing)
        return read(windows, fetch, concurrency=self.concurrency, strict=strict)

    async def rows(
        self, listing: Listing[R], windows: list[Window], *, strict: bool = True
    ) -> AsyncGenerator[R]:
        """Read the same rows one by one."""
        async with aclosing(self.batches(listing, windows, strict=strict)) as batches:
            async for batch in batches:
                for row in batch.rows:
                    yield row

    async def all_rows(self, listing: Listing[R], *, strict: bool) -> AsyncGenerator[R]:
        """Read a listing without times to its end, whether or not it has a total."""
        fetch = with_totals(self.pages(listing))
        pages = read([Window()], fetch, concurrency=self.concurrency, strict=strict)
        async with aclosing(pages) as batches:
            async for batch in batches:
                for row in batch.rows:
                    yield row

    def now(self) -> datetime:
        """Return what the tenant's clock shows now, by this machine."""
        return zones.now(self.zone)

    def window(self, query: CaseQuery) -> Window:
        """Return a query's range as the tenant's clock shows it."""
        start, end, zone = query.start_time, query.end_time, self.zone
        try:
            if start and end and zones.instant(start, zone) > zones.instant(end, zone):
                raise ConfigError(f"end_time must not be before start_time {start}, got {end}")
            return Window(
                zones.earliest_shown(start, zone) if start else None,
                zones.latest_shown(end, zone) if end else None,
            )
        except OverflowError:
            raise ConfigError(
                "start_time and end_time must not be near the first or the last day of the calendar"
            ) from None

    def windows(self, query: CaseQuery) -> list[Window]:
        """Cut a query's range into the windows that it is read in; an open end is now."""
        whole = self.window(query)
        if whole.start is None:
            return [whole]
        return self.split(whole.start, whole.end or max(self.now(), whole.start))

    def split(self, start: datetime, end: datetime) -> list[Window]:
        """Cut a range of wall-clock time into windows that this tenant takes, oldest first."""
        return list(split(start, end, self.zone, self.span))

    @property
    def span(self) -> timedelta:
        """The longest window that this tenant takes."""
        # By dates the first and the last day count whole.
        return MAX_SPAN - timedelta(days=1) if self.profile.span == "dates" else MAX_SPAN


class HasCaseApi(Protocol):
    """A client: what ``export_cases``, ``probe`` and the connectors take."""

    @property
    def api(self) -> CaseApi:
        """The API object below the client."""
        ...
