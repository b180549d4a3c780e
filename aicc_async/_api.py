"""The API object below the client: what client, creator, export, probe, Spark and dlt call.

It holds the session, the protocol, the zone and the profile of one tenant, and has the verbs that
they need. Nobody above the transport reaches into anything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from attrs import Factory, field, frozen

from ._listing import zones
from ._listing.counting import Totals, is_refusal, row_counter
from ._listing.creation_dates import CLOCK_TOLERANCE, CREATED, CreationDates, wanted_batches
from ._listing.divide import Divider
from ._listing.limits import Limits
from ._listing.pages import MAX_ROWS_PER_PAGE, Fetch, LongestPage, Page, with_totals
from ._listing.paging import Batch
from ._listing.reading import read_windows
from ._listing.windows import EARLIEST_START, MAX_SPAN, Window, split, widen
from ._protocol.aicc import CaseProtocol, Listing
from ._protocol.operations import Operation
from ._protocol.raw import DatedRow, RawParts
from ._protocol.requests import Request
from ._transport.session import Session, Stats
from .errors import ApiError, ConfigError, DecodeError
from .events import OnEvent, WindowJudged
from .models import Case, CaseDetail, CaseQuery, NewCase
from .settings import RateLimit
from .settings.profile import Profile

R = TypeVar("R")
T = TypeVar("T")
# No case is created later than that, whatever the zone: they differ by 26 hours at most.
MAX_FUTURE = timedelta(hours=26)


@frozen(kw_only=True)
class CaseApi:
    """A tenant's case interface, as everything above the transport uses it.

    ``concurrency`` is how many requests may be under way, ``rate_limit`` what they keep to.
    """

    base_url: str
    concurrency: int
    zone: ZoneInfo
    profile: Profile
    protocol: CaseProtocol = field(repr=False)
    session: Session = field(repr=False)
    rate_limit: RateLimit | None = None
    # Of case/list, as far as this client has seen.
    longest_page: LongestPage = Factory(LongestPage)

    def __attrs_post_init__(self) -> None:
        self.longest_page.note(min(self.profile.page_size or 0, MAX_ROWS_PER_PAGE))

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

    @property
    def on_event(self) -> OnEvent | None:
        """Who listens to events; None: nobody."""
        return self.session.on_event

    def note_window(self, operation: str, window: Window, verdict: str, rows: int) -> None:
        """Pass on how a window of a listing was read."""
        if self.on_event:
            self.on_event(
                WindowJudged(
                    operation=operation,
                    start=window.start,
                    end=window.end,
                    verdict=verdict,
                    rows=rows,
                )
            )

    def check_usable(self) -> None:
        """Raise ConfigError when it is closed, or used in another process or event loop."""
        self.session.check_usable()

    async def sign_in(self) -> None:
        """Get a token now, where there is none that is good for a while."""
        await self.session.sign_in()

    async def send(self, request: Request[T], *, is_patient: bool = False) -> T:
        """Send a request until it is answered, or may not or should not be sent again.

        ``is_patient``: it belongs to a long reading, which goes on through an outage.
        """
        return await self.session.send(request, is_patient=is_patient)

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

    async def created_date(self, case_id: str) -> datetime | None:
        """Return when a case was created, by its detail; None where that cannot be read."""
        try:
            return (await self.detail(case_id)).case.created_date
        except (ApiError, DecodeError):
            return None

    async def raw_detail(self, case_id: str) -> RawParts:
        """Read a case for an export, in parts as the service wrote them; no bound is checked."""
        return await self.send(self.protocol.raw_detail(case_id), is_patient=True)

    async def page(
        self,
        listing: Listing[R],
        window: Window,
        start: int,
        limit: int,
        *,
        is_patient: bool = False,
    ) -> Page[R]:
        """Read a page of a listing; no larger than the tenant gives."""
        limit = min(limit, self.profile.page_size or MAX_ROWS_PER_PAGE)
        return await self.send(listing.request(window, start, limit), is_patient=is_patient)

    def pages(self, listing: Listing[R], *, is_patient: bool = True) -> Fetch[R]:
        """Return the function that reads a page of a listing, one of many unless told otherwise."""
        return partial(self.page, listing, is_patient=is_patient)

    def dated_pages(self, query: CaseQuery) -> Fetch[DatedRow]:
        """Return the function that reads a page of cases as raw rows, each with its date."""
        return self.pages(self.protocol.dated_cases(query))

    def batches(
        self,
        listing: Listing[R],
        windows: list[Window],
        *,
        strict: bool = True,
        highest: int = 0,
        is_patient: bool = True,
        fetch: Fetch[R] | None = None,
    ) -> AsyncGenerator[Batch[R]]:
        """Read all rows of windows, each once; see ``_listing.reading``.

        ``highest`` is the highest total that is known of this listing. With 0 a total is doubted
        only where it is so large that asking hardly counts. ``fetch`` may have pages already.
        """
        fetch = fetch or self.pages(listing, is_patient=is_patient)
        divider = self.divider(Totals(row_counter(fetch), highest=highest), self.limits())
        return read_windows(
            windows,
            fetch,
            concurrency=self.concurrency,
            strict=strict,
            divider=divider,
            note_window=partial(self.note_window, listing.operation.name),
            longest_page=self.longest_page,
        )

    async def rows(
        self,
        listing: Listing[R],
        windows: list[Window],
        *,
        strict: bool = True,
        highest: int = 0,
        is_patient: bool = True,
    ) -> AsyncGenerator[R]:
        """Read the same rows one by one."""
        pages = self.batches(
            listing, windows, strict=strict, highest=highest, is_patient=is_patient
        )
        async with aclosing(pages) as batches:
            async for batch in batches:
                for row in batch.rows:
                    yield row

    async def all_rows(self, listing: Listing[R], *, strict: bool) -> AsyncGenerator[R]:
        """Read a listing without times to its end, whether or not it has a total."""
        fetch = with_totals(self.pages(listing))
        pages = read_windows(
            [Window()],
            fetch,
            concurrency=self.concurrency,
            strict=strict,
            note_window=partial(self.note_window, listing.operation.name),
        )
        async with aclosing(pages) as batches:
            async for batch in batches:
                for row in batch.rows:
                    yield row

    def limits(self) -> Limits:
        """Return how many rows a window may have, as far as the profile knows; new for each run."""
        deepest, cap = self.profile.deepest_start, self.profile.max_count
        limits = Limits()
        if deepest is not None:
            limits.learn_depth(max(deepest, self.profile.page_size or MAX_ROWS_PER_PAGE))
        if cap is not None:
            limits.learn_cap(cap)
        return limits

    def divider(self, totals: Totals, limits: Limits) -> Divider:
        """Return what divides the windows of a run that are too large."""
        return Divider(totals=totals, zone=self.zone, span=self.span, now=self.now, limits=limits)

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

    @property
    def filters_creation(self) -> bool:
        """Whether ranges may be of ``createdDate``: nothing else is known of this tenant."""
        return self.profile.date_field in {None, CREATED}

    def range(self, query: CaseQuery) -> Window:
        """Return the part of a query's range that can have cases: from 1990 to a day after now.

        An end that is open behind a start is now. Where another date than the creation is filtered,
        a later end stays.
        """
        whole, now = self.window(query), self.now()
        start, end = whole.start and max(whole.start, EARLIEST_START), whole.end
        if start and end is None:
            end = now
        elif end and self.filters_creation:
            end = min(end, now + MAX_FUTURE)
        return Window(start, end and max(end, start or EARLIEST_START))

    def windows(self, query: CaseQuery) -> list[Window]:
        """Cut a query's range into the windows that it is read in; an open end is now."""
        return self.cut(self.range(query))

    def cut(self, asked: Window) -> list[Window]:
        """Cut a range into windows, oldest first; one that is open at an end stays whole.

        They have a second more at both ends: ``creation_dates`` says which rows of it to drop.
        """
        wide = self.widen(asked)
        if wide.start is None or wide.end is None:
            return [wide]
        return self.split(wide.start, wide.end)

    def widen(self, whole: Window) -> Window:
        """Add a second at both ends.

        Where its rows could not be told from the others, only where a bound may be exclusive.
        """
        wide = widen(whole)
        if self.filters_creation:
            return wide
        return Window(
            whole.start if self.profile.start_inclusive else wide.start,
            whole.end if self.profile.end_inclusive else wide.end,
        )

    def creation_dates(self, asked: Window, *, rows_after: int = 0) -> CreationDates:
        """Return what compares rows' dates with a range as it was asked for."""
        return CreationDates(
            asked,
            self.zone,
            date_field=self.profile.date_field,
            hours_ahead=self.profile.hours_ahead,
            now=self.now,
            rows_after=rows_after,
        )

    async def count_rows_after(self, query: CaseQuery, end: datetime | None) -> int:
        """Count the rows behind a range that ends now or later: there are some if zones differ.

        0 where nothing can be told: the range ends earlier or is open, another date than the
        creation is filtered, or the service takes no range without an end.
        """
        if end is None or end < self.now() - CLOCK_TOLERANCE or not self.filters_creation:
            return 0
        # Nothing is behind the last day of the calendar.
        if end > datetime.max.replace(tzinfo=end.tzinfo) - CLOCK_TOLERANCE:
            return 0
        try:
            return await row_counter(self.dated_pages(query))(Window(end + CLOCK_TOLERANCE))
        except ApiError as error:
            if not is_refusal(error):
                raise
            return 0

    async def cases(self, query: CaseQuery, *, strict: bool = True) -> AsyncGenerator[Case]:
        """Read all cases of a query's range one by one, and none beyond it."""
        asked = self.range(query)
        rows_after = await self.count_rows_after(query, asked.end)
        dates = self.creation_dates(asked, rows_after=rows_after)
        batches = self.batches(self.protocol.cases(query), self.cut(asked), strict=strict)
        wanted = wanted_batches(batches, dates, attrgetter("created_date"))
        async with aclosing(wanted):
            async for batch in wanted:
                for row in batch.rows:
                    yield row

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
