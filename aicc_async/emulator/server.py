"""The tenant as a server: its settings, its life, and what a test can do to it."""

import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from os import PathLike, fspath
from types import TracebackType
from typing import Any, ClassVar, Self

import attrs
from aiohttp import web

from .data import seed as seeding
from .data.store import Store
from .dispatch import Dispatcher
from .faults.page_faults import PageFault, PageScript
from .faults.quota import Quota
from .faults.script import Fault, Script
from .handler import RequestHandler
from .http.answer import BusinessError
from .http.routes import OPERATIONS, QFLOW_PATH, Recorded
from .http.tokens import IssuedTokens
from .operations.service import CaseService
from .options import Bucket, FixedWindow, Latency, Quirks, Readings, at_least
from .qflow.queue import Queue
from .qflow.users import Users

SHUTDOWN_TIMEOUT = 0.01  # seconds

Wire = dict[str, Any]


@attrs.define(kw_only=True, eq=False)
class Emulator:
    """A believable AICC tenant, and a Q-Flow with its case calls, on this machine.

    So many ``cases`` are seeded in [``since``, ``until``), wall-clock times of the tenant's zone,
    the same ones for the same ``seed``. A ``database`` file is kept, and seeded only while it is
    empty.

    ``quota`` is the highest number of requests in any sliding second, sign-ins apart; a ``Bucket``
    or a ``FixedWindow`` counts in another way. What exceeds it is answered 429 with the literal
    header ``retry_after`` (None: without one). ``latency`` delays every answer but those to
    sign-ins. Tokens live ``token_lifetime`` seconds.

    ``list_lag`` is how many seconds a case made by the create operation is missing from case/list,
    rows and count. Its detail shows it at once, and what a list could once have shown is not hidden
    again. ``newest_first``, ``start_inclusive``, ``end_inclusive``, ``max_limit`` and ``quirks``
    decide on pages, and ``readings`` on what the documents leave open elsewhere.

    ``auto_assign_key`` is the only spelling accepted of the auto-assign flag (None: both).
    ``qflow_headers`` must come with every case call of Q-Flow. ``record`` keeps what arrives in
    ``requests``. ``port`` 0 takes a free one.

    ``quota``, ``retry_after``, ``latency``, ``list_lag``, ``readings`` and what decides on pages
    may be assigned while it runs. Everything but ``start`` and ``close`` may be called from any
    thread.
    """

    client_id: ClassVar[str] = "emulated-client"
    client_secret: ClassVar[str] = "emulated-secret"  # noqa: S105  (guards invented data)
    # The ``resCode`` for a record that does not exist; the documents name none.
    missing_code: ClassVar[str] = BusinessError.NOT_FOUND
    qflow_user: ClassVar[str] = "emulated-user"
    qflow_password: ClassVar[str] = "emulated-password"  # noqa: S105  (guards invented data)

    cases: int = 1000
    since: datetime = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock time, as on the wire)
    until: datetime = datetime(2026, 1, 1)  # noqa: DTZ001  (same)
    seed: int = 1
    database: str | PathLike[str] = ":memory:"
    quota: int | Bucket | FixedWindow | None = None
    retry_after: str | None = "1"
    token_lifetime: float = 7200.0
    latency: Latency | None = None
    start_inclusive: bool = True
    end_inclusive: bool = True
    newest_first: bool = True
    max_limit: int = 100
    list_lag: float = attrs.field(default=0.0, validator=at_least(0))
    quirks: Quirks = Quirks()  # noqa: RUF009  (frozen)
    readings: Readings = Readings()  # noqa: RUF009  (frozen)
    auto_assign_key: str | None = None
    qflow_headers: Mapping[str, str] | None = None
    record: bool = True
    host: str = "127.0.0.1"
    port: int = 0

    requests: list[Recorded] = attrs.field(factory=list, init=False, repr=False)
    _script: Script = attrs.field(init=False)
    _page_script: PageScript = attrs.field(factory=PageScript, init=False)
    _delays: random.Random = attrs.field(init=False)
    _tokens: IssuedTokens = attrs.field(init=False)
    _quota: Quota = attrs.field(init=False)
    _queue: Queue = attrs.field(init=False)
    _users: Users = attrs.field(init=False)
    _store: Store = attrs.field(init=False)
    _runner: web.ServerRunner = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Two sources of one seed: how long answers take must not decide which requests fail.
        self._delays = random.Random(self.seed)  # noqa: S311  (repeatable on purpose)
        self._script = Script(random.Random(self.seed))  # noqa: S311  (same)
        self._tokens = IssuedTokens(self.token_lifetime)
        self._quota = Quota()
        self._queue = Queue(self.qflow_headers)
        credentials = self.qflow_user, self.qflow_password
        self._users = Users(IssuedTokens(self.token_lifetime), credentials)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Fill the store and listen; ``port`` 0 becomes the port that was free."""
        self._store = Store(fspath(self.database))
        self._store.seed(
            seeding.seed_cases(self.cases, since=self.since, until=self.until, seed=self.seed)
        )
        handler = self._build_handler()
        # A handler is cancelled when its client disconnects, which ends the faults that hang.
        server = web.Server(handler.handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError:
            await self.close()
            raise
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and cut the connections that hang."""
        await self._runner.cleanup()
        self._store.close()

    @property
    def url(self) -> str:
        """The domain, to which a client adds /service/… and /baas/…."""
        return f"http://{self.host}:{self.port}"

    @property
    def qflow_url(self) -> str:
        """The base address of Q-Flow."""
        return f"{self.url}{QFLOW_PATH}"

    @property
    def enqueued(self) -> list[Wire]:
        """The records that Q-Flow accepted."""
        return self._queue.records

    @property
    def peak(self) -> int:
        """The highest number of requests that arrived in any second, sign-ins apart."""
        return self._quota.peak

    @property
    def refused(self) -> int:
        """How many requests the quota refused."""
        return self._quota.refused

    def token(self) -> str:
        """Issue a valid token without a request."""
        return self._tokens.issue()

    def qflow_token(self) -> str:
        """Issue a valid token of Q-Flow without a request, and without the prefix of its header."""
        return self._users.tokens.issue()

    def expire_tokens(self) -> None:
        """Refuse every token issued so far, Q-Flow's too."""
        self._tokens.expire_all()
        self._users.tokens.expire_all()

    def fail(
        self, operation: str, fault: Fault, *, times: int | None = 1, share: float | None = None
    ) -> None:
        """Fail the next ``times`` requests of an operation ("*": any); None: all of them.

        With a ``share`` (above 0, at most 1) ``times`` does not count: each request fails with
        that probability, drawn from the seed, until ``clear_faults``. Several shares lie side by
        side: at 0.1 and 0.2 a request suffers one of the two with 0.3. A fault with ``times``
        strikes in its turn among those with shares: the first in the order of these calls.
        """
        # A misspelt operation would never fail, and the test that relies on it would prove nothing.
        if operation not in {*OPERATIONS, "*"}:
            known = ", ".join(sorted(OPERATIONS))
            raise ValueError(f"operation must be '*' or one of {known}, got {operation!r}")
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share!r}")
        self._script.add(operation, fault, times if share is None else None, share)

    def clear_faults(self) -> None:
        """Discard all faults that were to come, those of pages too."""
        self._script.clear()
        self._page_script.clear()

    def fail_page(self, fault: PageFault, *, skip: int = 0, times: int = 1) -> None:
        """Answer ``times`` pages of case/list wrongly, after ``skip`` more that are right."""
        self._page_script.add(fault, skip, times)

    def on_page(self, callback: "PageCallback | None") -> None:
        """Call back after every page of case/list, before the next one; None: stop.

        The callback gets this tenant and the number of the page, counted from 1.
        """
        numbers = itertools.count(1)
        self._page_script.after_page = callback and (lambda: callback(self, next(numbers)))

    def insert(self, **wire_fields: Any) -> str:
        """Put a case into the store, unchecked, and return its id; fields left out are invented."""
        [case_id] = self.insert_many([wire_fields])
        return case_id

    def insert_many(self, rows: Iterable[Wire]) -> list[str]:
        """Put cases into the store as ``insert`` does, all or none, and return their ids."""
        cases = [
            seeding.invent_current_case(self._store.next_number(), seed=self.seed) | row
            for row in rows
        ]
        self._store.insert(cases)
        return [case["id"] for case in cases]

    def change(self, case_id: str, **wire_fields: Any) -> None:
        """Overwrite fields of a case, unchecked."""
        changed = {"modifiedDate": seeding.wall_clock()} | wire_fields
        if not self._store.change(case_id, changed):
            raise KeyError(case_id)

    def move(self, case_id: str, created: str | None = None) -> None:
        """Move a case in the order of rows: to another createdDate, or by a modification now.

        In both cases it is the one that was modified last.
        """
        self.change(case_id, **({"createdDate": created} if created else {}))

    def delete(self, case_id: str) -> None:
        """Remove a case."""
        if not self._store.delete(case_id):
            raise KeyError(case_id)

    def ids(self, start: str | None = None, end: str | None = None) -> list[str]:
        """Return the ids between two wall-clock times, both included, by (createdDate, id)."""
        return self._store.ids(start, end)

    def rows(self) -> list[Wire]:
        """Return all rows as case/list answers them, by (createdDate, id)."""
        return self._store.rows()

    def count(self) -> int:
        """Count the cases in the store."""
        return self._store.count()

    def tasks(self) -> list[Wire]:
        """Return all tasks as task/list answers them, oldest first."""
        return self._store.tasks.rows()

    def traces(self, case_id: str) -> list[Wire]:
        """Return what case/process added to a case, oldest first."""
        return self._store.traces.for_case(case_id)

    def _build_handler(self) -> RequestHandler:
        service = CaseService(
            store=self._store, seed=self.seed, auto_assign_key=self.auto_assign_key
        )
        dispatcher = Dispatcher(
            settings=self,
            store=self._store,
            service=service,
            queue=self._queue,
            tokens=self._tokens,
            users=self._users,
            page_script=self._page_script,
        )
        return RequestHandler(
            tenant=self,
            quota=self._quota,
            script=self._script,
            delays=self._delays,
            dispatcher=dispatcher,
        )


PageCallback = Callable[[Emulator, int], object]
