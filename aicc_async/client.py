"""The client of AICC Case 2.0: a coroutine for each call, an async iterator for the listing."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

import aiohttp

from . import settings
from .auth import Credentials, credentials_from
from .errors import ConfigError
from .models import Case, CaseDetail, CasePage, CaseQuery, CaseUpdate, NewCase
from .paging import LIMIT, Batch, Fetch, read
from .profile import Profile
from .protocol import CaseCalls, DatedRow, Lister, Page
from .session import Session, SessionHolder
from .settings import Endpoint, RateLimit, RetryPolicy, Timeouts
from .windows import MAX_SPAN, Window, split, wall
from .wire import AUTO_ASSIGN, Wire

R = TypeVar("R")


class AICCClient(SessionHolder):
    """A tenant's cases.

    ``base_url`` is the domain, such as ``https://service.besclouds.com``. ``timezone`` is the zone
    of the naive times on the wire: the tenant's; it is not documented which that is. ``rate_limit``
    is for all calls of this client together. ``session`` is the caller's own, and never closed
    here. ``auto_assign`` names the spellings of the auto-assign flag that a create sends: the
    document's table and its sample differ, so both are sent unless told otherwise. ``profile`` is
    what ``probe`` found out, or the file of it: its rate is kept unless ``rate_limit`` is given,
    and no page is asked for that is larger than the tenant gives.

    One client serves a whole process: it may be shared by any number of tasks of one event loop.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Credentials,
        rate_limit: RateLimit | None = None,
        max_concurrency: int = 8,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        timezone: str | ZoneInfo = "Asia/Shanghai",
        session: aiohttp.ClientSession | None = None,
        allow_http: bool = False,
        max_body: int = 64 * 2**20,
        auto_assign: Iterable[str] = AUTO_ASSIGN,
        profile: Profile | str | PathLike[str] | None = None,
    ) -> None:
        self._profile = _profile(profile)
        endpoint = Endpoint(
            base_url=settings.base_url(base_url, allow_http=allow_http),
            max_concurrency=max_concurrency,
            rate_limit=rate_limit or self._profile.rate_limit,
            retry=retry or RetryPolicy(),
            timeouts=timeouts or Timeouts(),
            max_body=max_body,
        )
        if not isinstance(auth, Credentials):
            raise ConfigError("auth: StaticToken or ClientCredentials is needed")
        self._zone = settings.zone(timezone)
        self._base_url = endpoint.base_url
        self._concurrency = max_concurrency
        self._calls = CaseCalls(Wire(self._zone, auto_assign=_spellings(auto_assign)))
        self._session = Session(endpoint, credentials=auth, session=session)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Make a client from ``AICC_*`` variables; ``options`` go before them.

        Reads ``AICC_BASE_URL``, one of ``AICC_ACCESS_TOKEN``, ``AICC_KEY_FILE``,
        ``AICC_CLIENT_ID`` with ``AICC_CLIENT_SECRET``, and ``AICC_TIMEZONE``, ``AICC_RATE_LIMIT``
        (``10``, or ``600/60``: 600 in any 60 seconds).
        """
        base_url, found = settings.from_environment(environ)
        if "auth" not in options:
            found["auth"] = credentials_from(environ)
        return cls(base_url, **found | options)

    @property
    def base_url(self) -> str:
        """The domain, without a slash at its end."""
        return self._base_url

    @property
    def concurrency(self) -> int:
        """How many requests may be under way."""
        return self._concurrency

    @property
    def profile(self) -> Profile:
        """What is known of the tenant; all None without a profile."""
        return self._profile

    @property
    def timezone(self) -> ZoneInfo:
        """The zone of the times on the wire."""
        return self._zone

    async def create_case(self, new: NewCase) -> str:
        """Create a case and return its id (document 000).

        It is never sent again once its bytes may have left: when the outcome is not known then,
        UnknownOutcome is raised. Other errors mean that no case was made.
        """
        _check_kind("new", new, NewCase)
        return await self._session.send(self._calls.create_case(new))

    async def modify_case(self, change: CaseUpdate) -> None:
        """Change a case (document 002); sent again on a failure, since the outcome is the same."""
        _check_kind("change", change, CaseUpdate)
        await self._session.send(self._calls.modify_case(change))

    async def get_case(self, case_id: str) -> CaseDetail:
        """Read a case with its history, contact and tasks (document 004)."""
        _check_id(case_id)
        return await self._session.send(self._calls.get_case(case_id))

    async def list_cases(
        self, query: CaseQuery | None = None, *, start: int = 0, limit: int = LIMIT
    ) -> CasePage:
        """Read one page of the list (document 001).

        ``start`` is a row number from 0, ``limit`` 1 to 100; the query's range may span 31 days.
        Rows that come or go between two calls shift the pages: ``iter_cases`` minds that.
        """
        query = _query(query)
        _check_page(start, limit)
        window = self._window(query)
        if window.start and window.end and window.end - window.start > MAX_SPAN:
            raise ConfigError(
                "end_time: at most 31 days after start_time; iter_cases takes any range"
            )
        page = await self._fetch(self._calls.list_cases(query))(window, start, limit)
        return CasePage(page.rows, page.count)

    async def iter_cases(
        self, query: CaseQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Case]:
        """Read all cases that match, each once, oldest 31 days first, over any range of time.

        A range without an end ends now; one without a beginning, or no range at all, is read by
        offset alone. Whether the very seconds of ``start_time`` and ``end_time`` are within is the
        service's to say. Within 31 days the order is the service's. Pages are fetched ahead. When
        rows move between pages, the 31 days are read again; when they keep moving, ExportError is
        raised, or with ``strict=False`` a warning given.

        Break out under ``contextlib.aclosing`` to end the fetching ahead at that very moment.
        """
        pages = self._batches(self._calls.list_cases, _query(query), strict=strict)
        async with aclosing(pages) as batches:
            async for batch in batches:
                for case in batch.rows:
                    yield case

    def iter_rows(
        self, query: CaseQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Batch[bytes]]:
        """Read the same rows as the service wrote them: JSON, each on one line, in batches.

        Nothing of a row is checked but its id. An empty batch ends a window.
        """
        return self._batches(self._calls.list_rows, _query(query), strict=strict)

    def page_reader(self, query: CaseQuery) -> Fetch[DatedRow]:
        """Make a coroutine function that reads one page: (window, start, limit) → page.

        For exports: rows are the service's own bytes, each with its creation date as text; no bound
        is checked.
        """
        return self._fetch(self._calls.list_dated(query))

    def windows(self, query: CaseQuery) -> list[Window]:
        """Cut a query's range into the windows that it is read in; an open end is now."""
        whole = self._window(query)
        if whole.start is None:
            return [whole]
        now = wall(datetime.now(self._zone), self._zone)
        return self.split(whole.start, whole.end or max(now, whole.start))

    def split(self, start: datetime, end: datetime) -> list[Window]:
        """Cut a range of wall-clock time into windows that this tenant takes, oldest first."""
        return list(split(start, end, self._zone, self.span))

    @property
    def span(self) -> timedelta:
        """The longest window that this tenant takes."""
        by_dates = self._profile.span == "dates"  # then the first and the last day count whole
        return MAX_SPAN - timedelta(days=1) if by_dates else MAX_SPAN

    def _batches(
        self, lister: Callable[[CaseQuery], Lister[R]], query: CaseQuery, *, strict: bool
    ) -> AsyncGenerator[Batch[R]]:
        fetch = self._fetch(lister(query))
        return read(self.windows(query), fetch, concurrency=self._concurrency, strict=strict)

    def _fetch(self, request: Lister[R]) -> Fetch[R]:
        most = self._profile.page_size or LIMIT

        async def fetch(window: Window, start: int, limit: int) -> Page[R]:
            return await self._session.send(request(window, start, min(limit, most)))

        return fetch

    def _window(self, query: CaseQuery) -> Window:
        start, end = query.start_time, query.end_time
        try:
            if start and end and self._instant(start) > self._instant(end):
                raise ConfigError(f"end_time: {end} is before start_time {start}")
            return Window(
                self._first_shown(start) if start else None,
                self._last_shown(end) if end else None,
            )
        except OverflowError:
            raise ConfigError(
                "start_time, end_time: too near the first or the last day of the calendar"
            ) from None

    def _first_shown(self, moment: datetime) -> datetime:
        """Tell the earliest time that the clock shows from this moment on.

        In an hour that is shown twice, what comes after its first showing may read earlier.
        """
        local = self._local(moment)
        return wall(local, self._zone) - _put_back(local, local.replace(fold=1))

    def _last_shown(self, moment: datetime) -> datetime:
        local = self._local(moment)
        return wall(local, self._zone) + _put_back(local.replace(fold=0), local)

    def _local(self, moment: datetime) -> datetime:
        naive = moment.tzinfo is None
        return moment.replace(tzinfo=self._zone) if naive else moment.astimezone(self._zone)

    def _instant(self, moment: datetime) -> datetime:
        # in UTC: two times of one zone are compared without their fold
        return self._local(moment).astimezone(UTC)


def _put_back(first: datetime, second: datetime) -> timedelta:
    """Tell by how much the clock went back between two showings of a time; 0 if shown once."""
    zero = timedelta(0)
    return max((first.utcoffset() or zero) - (second.utcoffset() or zero), zero)


def _query(query: CaseQuery | None) -> CaseQuery:
    if query is None:
        return CaseQuery()
    _check_kind("query", query, CaseQuery)
    return query


def _profile(given: Profile | str | PathLike[str] | None) -> Profile:
    if isinstance(given, str | PathLike):
        return Profile.load(given)
    if given is None:
        return Profile()
    _check_kind("profile", given, Profile)
    return given


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        given = type(value).__name__
        raise ConfigError(f"{name}: {kind.__name__} is needed, {given} was given")


def _check_id(case_id: str) -> None:
    try:
        size = len(case_id.encode()) if isinstance(case_id, str) else 0
    except UnicodeEncodeError:
        size = 0
    # dots alone are no name in a path, however they are encoded
    if not 0 < size <= 20 or case_id in {".", ".."}:  # noqa: PLR2004  (document 004)
        raise ConfigError("case_id: a text of 1 to 20 bytes is needed, other than dots alone")


def _check_page(start: int, limit: int) -> None:
    if start.__class__ is not int or start < 0:
        raise ConfigError(f"start: a whole number of at least 0 is needed, {start!r} was given")
    if limit.__class__ is not int or not 1 <= limit <= LIMIT:
        raise ConfigError(f"limit: a whole number from 1 to {LIMIT} is needed, {limit!r} was given")


def _spellings(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(names)
    if not found or not set(found) <= set(AUTO_ASSIGN):
        raise ConfigError(f"auto_assign: one or both of {', '.join(AUTO_ASSIGN)} are needed")
    return found
