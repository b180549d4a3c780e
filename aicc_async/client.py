"""The client of AICC Case 2.0: a coroutine for each call, an async iterator for each listing.

A first script
--------------

``AICCClient.from_env()`` reads the ``AICC_*`` variables. To try it without an account, run
``aicc-async emulator`` and set the variables that it prints::

    import asyncio
    from datetime import datetime

    from aicc_async import AICCClient, CaseQuery


    async def main() -> None:
        critical = CaseQuery(priority="Critical", start_time=datetime(2025, 1, 1))
        async with AICCClient.from_env() as aicc:
            # Any range of time, each case once; pages are fetched ahead, in bounded memory.
            cases = [case async for case in aicc.iter_cases(critical)]
            detail = await aicc.get_case(cases[0].id)
        print(len(cases), "cases; the first is", detail.case.state)


    asyncio.run(main())

It prints::

    2012 cases; the first is Processing

One client serves a whole process. Open it once, and share it between all tasks of the event loop:
they share its connections, its token and its rate limit then.

A web service
-------------

One client for the application, one case for each ``Idempotency-Key``. The same key again gets the
same answer, also after a crash: the journal remembers it (see ``aicc_async.journal``)::

    # service.py
    from collections.abc import AsyncIterator
    from math import ceil

    from aiohttp import web

    from aicc_async import (
        AICCClient,
        AICCError,
        ConfigError,
        NewCase,
        SQLiteJournal,
        UnknownOutcome,
    )

    AICC = web.AppKey("AICC", AICCClient)


    async def run_client(app: web.Application) -> AsyncIterator[None]:
        async with AICCClient.from_env(journal=SQLiteJournal("cases.journal")) as aicc:
            app[AICC] = aicc
            yield


    async def create_case(request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        try:
            new = NewCase(**await request.json())
            # The list may lag for minutes, for which no caller waits.
            case_id = await request.app[AICC].create_case(new, key=key, max_wait=5)
        except ConfigError as error:
            return refuse(422, error)
        except UnknownOutcome as error:
            # Not 202: nobody is at work on it. The same key again looks for the case first.
            if error.retry_after is None:
                return refuse(504, error)
            return refuse(503, error, {"Retry-After": f"{ceil(error.retry_after)}"})
        except AICCError as error:
            return refuse(502, error)
        except (TypeError, ValueError) as error:
            # The body is not JSON, or has other fields.
            return refuse(422, error)
        return web.json_response({"id": case_id})


    def refuse(
        status: int, error: Exception, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response({"error": str(error)}, status=status, headers=headers)


    app = web.Application()
    app.cleanup_ctx.append(run_client)
    app.router.add_post("/cases", create_case)

    if __name__ == "__main__":
        web.run_app(app, port=8080)

``python service.py`` answers a POST to ``:8080/cases`` with ``{"id": "c6m8…"}``. ``help()`` of
``AICCClient.create_case`` says what a create promises, and what it does not.

The same for FastAPI (``pip install fastapi uvicorn``), with a deadline for each request, which
bounds whatever a call waits for (see ``help()`` of ``deadline``)::

    # fastapi_service.py
    import asyncio
    from collections.abc import AsyncIterator, Coroutine
    from contextlib import asynccontextmanager
    from math import ceil
    from typing import Annotated, Any, TypeVar

    import uvicorn
    from fastapi import FastAPI, Header, HTTPException, Request
    from fastapi.responses import JSONResponse

    from aicc_async import (
        AICCClient,
        AICCError,
        ConfigError,
        NewCase,
        NotFoundError,
        RequestTimeout,
        SQLiteJournal,
        TransportError,
        UnknownOutcome,
        deadline,
        from_dict,
        to_dict,
    )

    DEADLINE = 5.0  # seconds
    T = TypeVar("T")


    def open_client() -> AICCClient:
        return AICCClient.from_env(journal=SQLiteJournal("cases.journal"))


    @asynccontextmanager
    async def run_client(app: FastAPI) -> AsyncIterator[None]:
        async with open_client() as app.state.aicc:
            yield


    app = FastAPI(lifespan=run_client)


    @app.get("/cases/{case_id}")
    async def read_case(case_id: str, request: Request) -> dict[str, Any]:
        with deadline(DEADLINE):
            call = request.app.state.aicc.get_case(case_id)
            return to_dict(await unless_gone(request, call))


    @app.post("/cases")
    async def create_case(
        body: dict[str, Any], idempotency_key: Annotated[str, Header()], request: Request
    ) -> dict[str, str]:
        new = from_dict(NewCase, body)
        # Whether or not the caller is still there: the key's next call gets the case.
        with deadline(DEADLINE):
            case_id = await request.app.state.aicc.create_case(new, key=idempotency_key)
        return {"id": case_id}


    async def unless_gone(request: Request, call: Coroutine[Any, Any, T]) -> T:
        # FastAPI goes on with a request whose caller hung up: its place would stay taken.
        calling = asyncio.create_task(call)
        leaving = asyncio.create_task(hang_up(request))
        try:
            await asyncio.wait({calling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if calling.done():
                return calling.result()
            raise HTTPException(499, "the caller hung up")
        finally:
            calling.cancel()
            leaving.cancel()


    async def hang_up(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass


    @app.exception_handler(AICCError)
    async def refuse(request: Request, error: AICCError) -> JSONResponse:
        wait = getattr(error, "retry_after", None)
        if isinstance(error, ConfigError):
            status = 422
        elif isinstance(error, NotFoundError):
            status = 404
        elif wait is not None or (isinstance(error, RequestTimeout) and not error.sent):
            # Not done, as the rate limit has no room, or not known yet, as the list lags.
            status, wait = 503, wait or 1
        elif isinstance(error, TransportError | UnknownOutcome):
            status = 504
        else:
            status = 502
        headers = {} if wait is None else {"Retry-After": f"{ceil(wait)}"}
        return JSONResponse({"error": str(error)}, status, headers)


    if __name__ == "__main__":
        uvicorn.run(app, port=8080)

Changing single fields
----------------------

The service wants title and description with every change. ``change_case`` reads the case first and
sends them as they are. With ``if_unchanged`` it refuses when somebody else was faster::

    import asyncio

    from aicc_async import AICCClient, CaseChanged, CaseQuery

    AGENT = "10gg00000148PCjKVDAu"


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            page = await aicc.list_cases(CaseQuery(priority="High"), limit=1)
            seen = await aicc.get_case(page.cases[0].id)
            await aicc.change_case(seen.case.id, creator_id=AGENT, priority="Low")
            try:
                await aicc.change_case(
                    seen.case.id, creator_id=AGENT, priority="Medium", if_unchanged=seen
                )
            except CaseChanged as error:
                print("somebody else has changed:", *error.fields)


    asyncio.run(main())

It prints::

    somebody else has changed: priority creator_id extra

The service has no lock: what changes between the reading and the sending is not noticed.
``modify_case`` sends a ``CaseUpdate`` as it is, without reading.

Many cases in detail
--------------------

``get_cases`` reads ahead and keeps the order of the ids. With ``aclosing`` a ``break`` ends the
reading ahead at once::

    import asyncio
    from contextlib import aclosing
    from datetime import datetime

    from aicc_async import AICCClient, CaseQuery

    FIRST_DAY = CaseQuery(
        start_time=datetime(2025, 1, 1), end_time=datetime(2025, 1, 1, 23, 59, 59)
    )


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            ids = [case.id async for case in aicc.iter_cases(FIRST_DAY)]
            entries = 0
            async with aclosing(aicc.get_cases(ids)) as details:
                async for detail in details:
                    entries += len(detail.trace)
        print(len(ids), "cases with", entries, "entries in their histories")


    asyncio.run(main())

It prints::

    50 cases with 50 entries in their histories

For a whole history in detail take ``aicc_async.export``: it resumes, and verifies what it read.

The rest of Case 2.0
--------------------

Case types, transfers, notes and mails, cancelling, statistics and tasks::

    import asyncio

    from aicc_async import AICCClient, CaseProcess, NewTask, ProcessInfo, ProcessType

    AGENT = "10gg00000148PCjKVDAu"


    async def main() -> None:
        note = ProcessInfo(type=ProcessType.INTERNAL, description="The carrier was asked.")
        async with AICCClient.from_env() as aicc:
            types = [each.type_name async for each in aicc.iter_case_types()]
            now = await aicc.current_statistics()
            page = await aicc.list_cases(limit=1)
            await aicc.process_case(
                CaseProcess(case_id=page.cases[0].id, creator_id=AGENT, process=note)
            )
            task_id = await aicc.create_task(NewTask(title="Call back"))
        print(f"{len(types)} types, {now.unfinished_cases} open cases, task {task_id}")


    asyncio.run(main())

Where the documents contradict each other, a ``Dialect`` says what your tenant speaks (see
``aicc_async.settings``).

Every call
----------
"""

from __future__ import annotations

import os
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Mapping,
)
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from uuid import uuid4
from weakref import WeakSet
from zoneinfo import ZoneInfo

import aiohttp

from ._api import CaseApi
from ._listing.ordered_map import ordered_map
from ._listing.pages import MAX_ROWS_PER_PAGE, UNKNOWN_TOTAL
from ._listing.windows import MAX_SPAN, Window
from ._listing.zones import local
from ._protocol import operations
from ._protocol.aicc import CaseProtocol
from ._protocol.converter import RecordConverter
from ._transport.session import Session, SessionHolder
from ._transport.tokens import Signing
from ._validators import MAX_INTEGER, check, check_id, integer, kind, kind_of, number, one_of
from .credentials import Credentials, check_credentials, credentials_from
from .errors import ConfigError
from .events import OnEvent
from .models import (
    Case,
    CaseCancel,
    CaseDetail,
    CasePage,
    CaseProcess,
    CaseQuery,
    CaseStatistics,
    CaseTransfer,
    CaseType,
    CaseTypePage,
    CaseTypeQuery,
    CaseUpdate,
    CurrentStatistics,
    NewCase,
    NewTask,
    StatisticsPage,
    StatisticsQuery,
    StatusUpdate,
    Task,
    TaskPage,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from .models.changing import (
    Changes,
    add_mandatory,
    build_trial,
    build_update,
    check_same_case,
    check_unchanged,
)
from .settings import Dialect, NetworkSettings, RateLimit, RetryPolicy, Timeouts
from .settings.endpoint import Endpoint, check_base_url, find_zone
from .settings.environment import parse_environment
from .settings.profile import Profile

# A fifth of what importing the client costs, for those who create by keys.
if TYPE_CHECKING:
    from ._create.creator import CreateOutcome, Creator, OnUnknown
    from .journal import Journal
    from .watch import CaseWatch, WatchState

__doc__ = f"""{__doc__}
Paths are under ``{operations.OPENAPI}``. "Sent again" means: after HTTP 5xx, a
time-out or a lost connection, when the service may have acted. What was certainly not sent, or was
refused with HTTP 429, is sent again in any case.

{operations.table(operations.CASE_OPERATIONS)}
"""
ON_UNKNOWN = one_of("raise", "reconcile")
# To make these takes as long as all else that a call does before it is sent.
ROW_NUMBER = integer(0, MAX_INTEGER, is_exact=True)
PAGE_LIMIT = integer(1, MAX_ROWS_PER_PAGE, is_exact=True)
# Creates under way for each request at once: those that wait for a list hold up no others.
CREATES_PER_REQUEST = 4
# What the documents' URLs hold after the domain, in lower case.
DOCUMENTED_PATHS = "/service/aicc__case", "/baas/auth"
# Server-side scripts may take 3 minutes.
DEFAULT_LIST_LAG = 180.0  # seconds
MAX_LIST_LAG = 86_400  # seconds
# That of the public cloud, most likely.
DEFAULT_TIMEZONE = "Asia/Shanghai"
Q = TypeVar("Q")


class AICCClient(SessionHolder):
    """A tenant's cases.

    ``base_url`` is the domain, such as ``https://service.besclouds.com``. ``auth`` is a token, what
    it takes to sign in, or a coroutine function that returns a token. ``timezone`` is the zone
    of the naive times on the wire: the tenant's; it is not documented which that is. None is
    ``Asia/Shanghai``, with a warning when a key is used first. ``rate_limit``
    is for all calls of this client together. ``session`` is the caller's own, and never closed
    here; ``network`` (proxy, certificates, headers) goes before its own, request by request.
    ``dialect`` says what the tenant speaks where the documents contradict each other.
    ``profile`` is what ``probe`` found out, or the file of it: its rate is kept unless
    ``rate_limit`` is given, and no page is asked for that is larger than the tenant gives.

    ``journal`` remembers creates by their keys; it is closed with the client, and no other client
    should have it. ``on_unknown`` and ``list_lag`` say what ``create_case`` does when a case may
    have been made: raise, or look for it, for so many seconds after it was sent.

    ``on_event`` is called with what happens (``aicc_async.events``), in the event loop: it must be
    quick. ``OpenTelemetry()`` of ``aicc_async.connectors.otel`` is one.

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
        timezone: str | ZoneInfo | None = None,
        session: aiohttp.ClientSession | None = None,
        allow_http: bool = False,
        network: NetworkSettings | None = None,
        max_body: int = 64 * 2**20,
        dialect: Dialect | None = None,
        profile: Profile | str | PathLike[str] | None = None,
        journal: Journal | None = None,
        on_unknown: OnUnknown = "raise",
        list_lag: float = DEFAULT_LIST_LAG,
        on_event: OnEvent | None = None,
    ) -> None:
        if isinstance(profile, str | PathLike):
            profile = Profile.load(profile)
        profile = check("profile", Profile() if profile is None else profile, kind(Profile))
        dialect = check("dialect", Dialect() if dialect is None else dialect, kind(Dialect))
        endpoint = Endpoint(
            base_url=_check_domain(check_base_url(base_url, allow_http=allow_http)),
            max_concurrency=max_concurrency,
            rate_limit=profile.rate_limit if rate_limit is None else rate_limit,
            retry=RetryPolicy() if retry is None else retry,
            timeouts=Timeouts() if timeouts is None else timeouts,
            network=NetworkSettings() if network is None else network,
            max_body=max_body,
            throttle_statuses=dialect.throttle_statuses,
            throttle_codes=dialect.throttle_codes,
            missing_codes=(*dialect.missing_codes, *(profile.missing_codes or ())),
        )
        check_credentials(auth)
        check("session", session, kind(aiohttp.ClientSession, type(None)))
        if journal is not None and not callable(getattr(journal, "claim", None)):
            raise ConfigError(
                f"journal must be a journal such as SQLiteJournal(path), got {kind_of(journal)}"
            )
        zone = find_zone(DEFAULT_TIMEZONE if timezone is None else timezone)
        _compare_zone(zone, profile)
        converter = RecordConverter(zone, auto_assign=dialect.auto_assign)
        signing = Signing.from_credentials(auth)
        self._session = Session(endpoint, signing=signing, session=session, on_event=on_event)
        self._api = CaseApi(
            base_url=endpoint.base_url,
            concurrency=max_concurrency,
            zone=zone,
            profile=profile,
            protocol=CaseProtocol(converter, dialect),
            session=self._session,
            rate_limit=endpoint.rate_limit,
        )
        self._should_warn_of_zone = timezone is None
        self._has_journal = journal is not None
        self._journal = journal
        self._on_unknown = check("on_unknown", on_unknown, ON_UNKNOWN)
        self._list_lag = check("list_lag", list_lag, number(0, MAX_LIST_LAG))
        self._creator: Creator | None = None
        # Whoever only breaks out of one does not close it.
        self._watches: WeakSet[CaseWatch] = WeakSet()
        if journal is not None:
            # Or loading it would hold up the event loop at the first create.
            self._open_creator()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:
        """Return a client made from ``AICC_*`` variables; ``options`` go before them.

        ``environ`` is the environment of the process unless it is set. Reads ``AICC_BASE_URL``, one
        of ``AICC_ACCESS_TOKEN``, ``AICC_KEY_FILE``, ``AICC_CLIENT_ID`` with ``AICC_CLIENT_SECRET``,
        and ``AICC_TIMEZONE``, ``AICC_RATE_LIMIT`` (``10``, or ``600/60``: 600 in any 60 seconds),
        ``AICC_PROFILE``, ``AICC_DIALECT`` (``task_detail=POST swap_statistics=true``), and
        ``AICC_TELEMETRY`` (``otel``).

        The network is set by ``AICC_PROXY`` (else ``HTTPS_PROXY`` and ``NO_PROXY``),
        ``AICC_CA_FILE``, ``AICC_CLIENT_CERT``, ``AICC_CLIENT_KEY``, ``AICC_HEADERS`` (``Name:
        value`` lines) and ``AICC_ALLOW_HTTP`` (``true``); ``network`` as an option replaces them.
        """
        # Not a default argument: ``help()`` shows those, and would show every variable.
        environ = os.environ if environ is None else environ
        base_url, found = parse_environment(environ)
        if "auth" not in options:
            found["auth"] = credentials_from(environ)
        return cls(base_url, **found | options)

    @property
    def api(self) -> CaseApi:
        """What the export, the probe and the connectors use of a client; not promised."""
        return self._api

    @property
    def base_url(self) -> str:
        """The domain, without a slash at its end."""
        return self._api.base_url

    @property
    def profile(self) -> Profile:
        """What is known of the tenant; all None without a profile."""
        return self._api.profile

    @property
    def timezone(self) -> ZoneInfo:
        """The zone of the times on the wire."""
        return self._api.zone

    async def create_case(
        self,
        new: NewCase,
        *,
        key: str | None = None,
        on_unknown: OnUnknown | None = None,
        wait: bool = True,
        max_wait: float | None = None,
    ) -> str:
        """Create a case and return its id (document 000).

        It is never sent again blindly once its bytes may have left. When the outcome is not known
        then, ``on_unknown="raise"`` (the client's default) raises UnknownOutcome; ``"reconcile"``
        looks the case up in the list until ``list_lag`` seconds have passed: the one that is found
        is the outcome, with none it is sent again, and UnknownOutcome has the candidates when it
        can't be decided. Other errors mean that no case was made.

        With a ``key`` (and a journal) a case is made once, however often and by how many processes
        it is asked for, over crashes: the journal holds the key before the first byte leaves. A
        confirmed key returns its case without a request. One that may have been sent is looked for
        first. Another record under the key is a ConfigError. While another call is at work on it,
        this one waits, or with ``wait=False`` raises KeyInUse. A rejected one may be sent again.

        Looking for it takes up to ``list_lag`` seconds. ``max_wait`` bounds that (with 0 it is
        looked for once): what is not known by then is an UnknownOutcome whose ``retry_after`` says
        in how many seconds the same call will know. It bounds the wait for another call as well,
        which ends as KeyInUse. Requests and their retries are not bounded by it: a ``deadline``
        around the call bounds all of it.

        Before it is sent again, a last look is taken over 26 hours before and after: an equal case
        that clocks or zones may have moved there, and one of these minutes with the description but
        another title, make it an UnknownOutcome that says why. ``timezone`` should be set: until a
        case of this client has shown how the tenant dates them, one in another zone can't be told
        from a stranger's.

        What looking up can't see: a case that shows later than ``list_lag`` is made twice, and so
        is one whose contact, creator or type, or both title and description, were changed before it
        was looked for. An equal case that somebody else made within these minutes is taken for it;
        the cases of other keys never are. One that is cancelled before it left is not in doubt.
        """
        check("new", new, kind(NewCase))
        how = self._on_unknown if on_unknown is None else on_unknown
        check("on_unknown", how, ON_UNKNOWN)
        if key is None and how == "raise":
            return await self._api.create(new)
        if key is None:
            key = f"unnamed-{uuid4().hex}"
        else:
            self._check_journal()
        if max_wait is not None:
            check("max_wait", max_wait, number(0))
        made = await self._open_creator().create(
            new, key=key, on_unknown=how, wait=wait, max_wait=max_wait
        )
        return made.case_id

    def create_cases(
        self,
        items: Iterable[tuple[str, NewCase]] | AsyncIterable[tuple[str, NewCase]],
        *,
        on_unknown: OnUnknown | None = None,
    ) -> AsyncGenerator[CreateOutcome]:
        """Create many cases by their keys, as ``create_case`` does, and yield what became of each.

        Outcomes come in the order of the items, which are taken as there is room; some requests are
        under way at once, within the client's limits. Run again with the same keys and journal
        after any end, it makes what is missing: the others are ``already``. One that is refused or
        unknown doesn't end it. Credentials that are, limits, a service that can't be reached and
        the journal do: their errors are raised, and all that is under way is cancelled; what may
        have been sent is looked for by the next run. Where ``on_unknown`` is to reconcile, a list
        that can't be asked ends it too, or every item after it would be unknown.

        Break out under ``contextlib.aclosing`` to end what is under way at that very moment.
        """
        self._check_journal()
        if not isinstance(items, Iterable | AsyncIterable):
            raise ConfigError(f"items must be pairs of key and NewCase, got {kind_of(items)}")
        how = self._on_unknown if on_unknown is None else on_unknown
        check("on_unknown", how, ON_UNKNOWN)

        async def create(item: tuple[str, NewCase]) -> CreateOutcome:
            if not isinstance(item, tuple) or len(item) != 2:  # noqa: PLR2004  (a pair)
                raise ConfigError(f"items must be pairs of key and NewCase, got {kind_of(item)}")
            key, new = item
            check("new", new, kind(NewCase))
            return await self._open_creator().outcome(new, key=key, on_unknown=how)

        return ordered_map(items, create, concurrency=self._api.concurrency * CREATES_PER_REQUEST)

    def _check_journal(self) -> None:
        if not self._has_journal:
            raise ConfigError("key must come with a journal: AICCClient(journal=…)")
        if self._should_warn_of_zone:
            self._should_warn_of_zone = False
            warnings.warn(
                "timezone should be set where keys are used: a case that may have been made is"
                f" looked for by its date, which is taken for one of {DEFAULT_TIMEZONE}",
                RuntimeWarning,
                stacklevel=3,
            )

    async def change_case(
        self,
        case_id: str,
        *,
        creator_id: str,
        if_unchanged: CaseDetail | None = None,
        **changes: Unpack[Changes],
    ) -> None:
        """Change single fields of a case: those of ``CaseUpdate``, as ``priority="High"``.

        The service wants title and description with every change: the case is read first, and they
        are sent as they are (documents 002 and 004). With ``if_unchanged``, what ``get_case`` gave
        earlier, CaseChanged is raised when the case is not as it was then. Both are best effort:
        the service has no lock, and what somebody changes between the reading and the sending is
        overwritten (title and description), or not noticed.

        A name that is not a field's, a broken bound or no change at all is a ConfigError before
        anything is asked; so is, once it is read, a case without a title or description to keep.
        """
        check_id(case_id)
        if if_unchanged is not None:
            check("if_unchanged", if_unchanged, kind(CaseDetail))
            check_same_case(case_id, if_unchanged)
        # What is wrong with it is raised before anything is asked.
        self._api.protocol.act(operations.MODIFY, build_trial(case_id, creator_id, changes))
        case = (await self.get_case(case_id)).case
        if if_unchanged is not None:
            check_unchanged(if_unchanged.case, case)
        await self.modify_case(build_update(case_id, creator_id, add_mandatory(case, changes)))

    async def modify_case(self, change: CaseUpdate) -> None:
        """Change a case (document 002); sent again on a failure, since the outcome is the same."""
        check("change", change, kind(CaseUpdate))
        await self._api.act(operations.MODIFY, change)

    async def get_case(self, case_id: str) -> CaseDetail:
        """Read a case with its history, contact and tasks (document 004)."""
        check_id(case_id)
        return await self._api.detail(case_id)

    def get_cases(
        self, ids: Iterable[str] | AsyncIterable[str], *, concurrency: int | None = None
    ) -> AsyncGenerator[CaseDetail]:
        """Read many cases as ``get_case`` does, in the order of their ids.

        Up to ``concurrency`` requests are under way (1 to the client's own, which is the default),
        and answers are held ahead, eight times as many at most. Ids are taken when there is room
        for their answers; an async generator of ids is closed with this one.

        An error is raised where its case would have come, and ends it: NotFoundError or ApiError
        for a case that the service doesn't know (any more), ConfigError for what cannot be an id,
        before it is sent. Break out under ``contextlib.aclosing`` to end the fetching ahead at that
        very moment.

        Not promised: one moment for all of them. A case may change, or go, before its turn comes.
        """
        if isinstance(ids, str | bytes) or not isinstance(ids, Iterable | AsyncIterable):
            raise ConfigError(f"ids must be an iterable of strings, got {kind_of(ids)}")
        places = self._api.concurrency if concurrency is None else concurrency
        check("concurrency", places, integer(1, self._api.concurrency, is_exact=True))
        return ordered_map(ids, self.get_case, concurrency=places)

    async def list_cases(
        self, query: CaseQuery | None = None, *, start: int = 0, limit: int = MAX_ROWS_PER_PAGE
    ) -> CasePage:
        """Read one page of the list (document 001).

        ``start`` is a row number from 0, ``limit`` 1 to 100; the query's range may span 31 days.
        Rows that come or go between two calls shift the pages: ``iter_cases`` minds that.
        """
        query = _query(query, CaseQuery)
        _check_page(start, limit)
        window = self._api.window(query)
        if window.start and window.end and window.end - window.start > MAX_SPAN:
            raise ConfigError(
                "end_time must be at most 31 days after start_time; iter_cases takes any range"
            )
        page = await self._api.page(self._api.protocol.cases(query), window, start, limit)
        return CasePage(page.rows, page.count)

    def iter_cases(
        self, query: CaseQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Case]:
        """Read all cases that match, each once, oldest 31 days first, over any range of time.

        A range without an end ends now; one without a beginning, or no range at all, is read by
        offset alone. The very seconds of ``start_time`` and ``end_time`` are within, whether or not
        the service includes them: it is asked for a second more, and what was created then is
        dropped. (Where a profile says that another date is filtered, a second more may come.) What
        is before 1990 or more than a day after now is not asked for. Rows that are dated outside of
        what was asked for, or after now, make a RuntimeWarning: then ``timezone`` is not the
        tenant's. Within 31 days the order is the service's. Pages are fetched ahead. When rows move
        between pages, the 31 days are read again; when they keep moving, ExportError is raised, or
        with ``strict=False`` a warning is issued.

        Where the service refuses deep pages, or gives and counts so many rows of a query at most,
        a range is read in halves. A second that has more rows than that is an ExportError, a total
        that may be such a cap is one too, or with ``strict=False`` a warning. A total of 1,000 or
        more that no other one exceeds costs two requests; smaller ones are believed, unless the
        profile's ``max_count`` says otherwise.

        Break out under ``contextlib.aclosing`` to end the fetching ahead at that very moment.
        """
        query = _query(query, CaseQuery)
        # A range that cannot be right is an error now, not at the first row.
        self._api.window(query)
        return self._api.cases(query, strict=strict)

    def iter_batches(
        self, query: CaseQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Any]:
        """Read what ``iter_cases`` reads as batches of columns, for data frames and databases.

        Each is a ``pyarrow.RecordBatch`` of about 2,000 cases, with the columns of a Parquet
        export: Python names, times with the client's zone, extension fields in the map ``extra``.
        All have the same schema; when no case matches there is one without rows. Memory holds a
        few pages. Rows are verified as those of ``iter_cases`` are, window by window: use what
        came only once the iterator has ended, since ExportError says that it is not complete. A
        value of another type than documented is null and goes into ``extra``, with a
        RuntimeWarning at the end.

        Raises ConfigError that names the extra ``parquet`` when pyarrow is not installed.
        """
        from .export.record_batches import record_batches  # noqa: PLC0415
        from .export.sinks.arrow import ArrowRows  # noqa: PLC0415

        query = _query(query, CaseQuery)
        self._api.window(query)
        arrow = ArrowRows(self._api.zone.key, "parquet")
        return record_batches(self._api, query, arrow, strict=strict)

    def watch_cases(
        self,
        query: CaseQuery | None = None,
        *,
        state: str | PathLike[str] | WatchState,
        every: float = 30.0,
        lookback: timedelta | str = "7d",
        period: float = 3600.0,
        manual_ack: bool = False,
    ) -> CaseWatch:
        """Iterate over what happens to cases: created, changed, deleted (``aicc_async.watch``).

        ``state`` is a file that remembers them, or a store that replicas share. A look follows the
        one before after ``every`` seconds (1 to 86,400): a new case is told with the next one. All
        cases that were created within ``lookback`` (a minute to 366 days) are read again within
        ``period`` seconds (``every`` to 31 days), which is how late a change may be told. How many
        requests that takes says ``await watch.plan()``.

        An event is acknowledged when the next one is asked for, with ``manual_ack`` only by
        ``await event.ack()``. What is not acknowledged comes again: each event at least once, those
        of one case in order.

        Raises ConfigError at once for what is out of bounds, and for a query with a range.
        """
        from .watch.settings import check_settings  # noqa: PLC0415
        from .watch.watch import CaseWatch, open_state  # noqa: PLC0415

        check("manual_ack", manual_ack, kind(bool))
        settings = check_settings(
            self._api, _query(query, CaseQuery), every=every, lookback=lookback, period=period
        )
        watch = CaseWatch(self._api, settings, open_state(state), manual_ack=manual_ack)
        self._watches.add(watch)
        return watch

    async def transfer_case(self, transfer: CaseTransfer) -> None:
        """Hand a case over to a user or a queue (Case 2.0, ``POST /case/transfer``).

        Sent again on a failure: the same owner twice is the same owner.
        """
        check("transfer", transfer, kind(CaseTransfer))
        await self._api.act(operations.TRANSFER, transfer)

    async def process_case(self, process: CaseProcess) -> None:
        """Add a note to a case, or send a mail or an SMS (Case 2.0, ``POST /case/process``).

        It is never sent again once its bytes may have left: when the outcome is not known then,
        UnknownOutcome is raised.
        """
        check("process", process, kind(CaseProcess))
        await self._api.act(operations.PROCESS, process)

    async def cancel_case(self, cancel: CaseCancel) -> None:
        """Cancel a case (Case 2.0, ``POST /case/cancel``).

        Sent again on a failure: a cancelled case stays so. What the service says to a second one,
        after a first whose answer was lost, is not documented.
        """
        check("cancel", cancel, kind(CaseCancel))
        await self._api.act(operations.CANCEL, cancel)

    async def update_case_status(self, update: StatusUpdate) -> None:
        """Move a case to another flow node (Case 2.0, ``POST /status/update``).

        A case type's ``case_status`` lists the nodes that there are. Sent again on a failure.
        """
        check("update", update, kind(StatusUpdate))
        await self._api.act(operations.STATUS, update)

    async def list_case_types(
        self, query: CaseTypeQuery | None = None, *, start: int = 0, limit: int = MAX_ROWS_PER_PAGE
    ) -> CaseTypePage:
        """Read one page of the case types (Case 2.0, ``POST /caseType/list``).

        ``start`` is a row number from 0, ``limit`` 1 to 100.
        """
        listing = self._api.protocol.case_types(_query(query, CaseTypeQuery))
        _check_page(start, limit)
        page = await self._api.page(listing, Window(), start, limit)
        return CaseTypePage(page.rows, page.count)

    def iter_case_types(
        self, query: CaseTypeQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[CaseType]:
        """Read all case types that match, each once, as ``iter_cases`` reads cases."""
        listing = self._api.protocol.case_types(_query(query, CaseTypeQuery))
        return self._api.all_rows(listing, strict=strict)

    async def get_case_type(self, type_id: str) -> CaseType:
        """Read a case type (Case 2.0, ``GET /caseType/{id}``)."""
        check_id(type_id, "type_id")
        return await self._api.send(self._api.protocol.case_type(type_id))

    async def current_statistics(self) -> CurrentStatistics:
        """Count the tenant's cases at this moment (Case 2.0, ``GET /statistics/case/current``)."""
        return await self._api.send(self._api.protocol.current_statistics())

    async def list_statistics(
        self, query: StatisticsQuery, *, start: int = 0, limit: int = MAX_ROWS_PER_PAGE
    ) -> StatisticsPage:
        """Read one page of the daily counts (Case 2.0, ``POST /statistics/case/report``).

        Newest day first; ``start`` is a row number from 0, ``limit`` 1 to 100.
        """
        check("query", query, kind(StatisticsQuery))
        _check_page(start, limit)
        page = await self._api.page(self._api.protocol.statistics(query), Window(), start, limit)
        return StatisticsPage(page.rows, page.count)

    def iter_statistics(
        self, query: StatisticsQuery, *, strict: bool = True
    ) -> AsyncGenerator[CaseStatistics]:
        """Read all daily counts that match, as ``iter_cases`` reads cases.

        They have no ids: a row is known by its day and its case type.
        """
        check("query", query, kind(StatisticsQuery))
        return self._api.all_rows(self._api.protocol.statistics(query), strict=strict)

    async def create_task(self, new: NewTask) -> str | None:
        """Create a task (Case 2.0, ``POST /task``) and return its id.

        None when the service doesn't return it: its answer is not documented. Never sent again once
        its bytes may have left: when the outcome is not known then, UnknownOutcome is raised.
        """
        check("new", new, kind(NewTask))
        return await self._api.send(self._api.protocol.create_task(new))

    async def modify_task(self, change: TaskUpdate) -> None:
        """Change a task (Case 2.0, ``POST /task/modify``); sent again on a failure."""
        check("change", change, kind(TaskUpdate))
        await self._api.act(operations.TASK_MODIFY, change)

    async def list_tasks(
        self, query: TaskQuery | None = None, *, start: int = 0, limit: int = MAX_ROWS_PER_PAGE
    ) -> TaskPage:
        """Read one page of the tasks (Case 2.0, ``POST /task/list``).

        ``start`` is a row number from 0, ``limit`` 1 to 100. The answer is not documented: rows
        under ``taskList`` or ``tasks``, or alone, are read; the count is None where there is none.
        """
        _check_page(start, limit)
        page = await self._api.page(
            self._api.protocol.tasks(_query(query, TaskQuery)), Window(), start, limit
        )
        return TaskPage(page.rows, None if page.count == UNKNOWN_TOTAL else page.count)

    def iter_tasks(
        self, query: TaskQuery | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Task]:
        """Read all tasks that match, each once, as ``iter_cases`` reads cases.

        Where the service announces no total, they are read until nothing new comes; ExportError
        says when they can't be read to an end.
        """
        return self._api.all_rows(self._api.protocol.tasks(_query(query, TaskQuery)), strict=strict)

    async def get_task(self, task_id: str) -> Task:
        """Read a task (Case 2.0, ``GET /task/{id}``, or POST: ``Dialect.task_detail``)."""
        check_id(task_id, "task_id", max_bytes=None)
        return await self._api.send(self._api.protocol.task(task_id))

    async def transfer_task(self, transfer: TaskTransfer) -> None:
        """Hand a task over (Case 2.0, ``POST /task/transfer``); sent again on a failure."""
        check("transfer", transfer, kind(TaskTransfer))
        await self._api.act(operations.TASK_TRANSFER, transfer)

    async def update_task_status(self, update: StatusUpdate) -> None:
        """Move a task to another status (Case 2.0, ``POST /task/status/update``).

        Sent again on a failure: the same status twice is the same status.
        """
        check("update", update, kind(StatusUpdate))
        await self._api.act(operations.TASK_STATUS, update)

    async def close(self) -> None:
        """Close the connections, watches and the journal; calls after this are refused."""
        # The last one is closed first.
        async with AsyncExitStack() as stack:
            if self._journal is not None:
                stack.push_async_callback(self._journal.close)
            stack.push_async_callback(super().close)
            for watch in list(self._watches):
                stack.push_async_callback(watch.aclose)

    def _open_creator(self) -> Creator:
        """Return what creates by keys, loaded and made when it is first used."""
        if self._creator is None:
            from ._create.creator import Creator  # noqa: PLC0415
            from .journal import SQLiteJournal  # noqa: PLC0415

            if self._journal is None:
                self._journal = SQLiteJournal(":memory:")
            self._creator = Creator(api=self._api, journal=self._journal, list_lag=self._list_lag)
        return self._creator


def _check_domain(base_url: str) -> str:
    """Raise ConfigError for a URL of the documents: its path would be there twice."""
    for path in DOCUMENTED_PATHS:
        if path in base_url.lower():
            raise ConfigError(f"base_url must end before {path!r}, which every request adds")
    return base_url


def _compare_zone(zone: ZoneInfo, profile: Profile) -> None:
    """Warn when the clock that dates rows is ahead of the zone, as a profile knows.

    A zone that is further ahead is no contradiction: the profile's offset is the least that fits.
    """
    found = profile.utc_offset
    # A zone's offset changes in the course of a year: that of the day of the probe counts.
    offset = local(profile.probed or datetime.now(UTC), zone).utcoffset()
    if found is not None and offset is not None and timedelta(hours=found) > offset:
        warnings.warn(
            f"timezone {zone} is {offset / timedelta(hours=1):+g} h from UTC, but the profile's"
            f" utc_offset says that rows are dated by a clock of {found:+g} h or more",
            RuntimeWarning,
            stacklevel=3,
        )


def _query(query: Q | None, cls: type[Q]) -> Q:
    return cls() if query is None else check("query", query, kind(cls))


def _check_page(start: int, limit: int) -> None:
    check("start", start, ROW_NUMBER)
    check("limit", limit, PAGE_LIMIT)
