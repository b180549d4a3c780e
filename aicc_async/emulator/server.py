"""The tenant as a server: its settings, its life, and what a test does to it."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from os import PathLike, fspath
from types import TracebackType
from typing import Any, ClassVar, Self

import attrs
from aiohttp import web
from attrs.validators import ge

from .data import seed as seeding
from .data.store import Store
from .dispatch import Dispatcher
from .faults.page_faults import PageFault, PageScript
from .faults.quota import Quota
from .faults.script import Fault, Script
from .handler import RequestHandler
from .http.routes import OPERATIONS, QFLOW_PATH, Recorded
from .http.tokens import IssuedTokens
from .operations.service import CaseService
from .options import Latency, Quirks, Readings
from .qflow.queue import Queue
from .qflow.users import Users

SHUTDOWN_TIMEOUT = 0.01

Wire = dict[str, Any]


@attrs.define(kw_only=True, eq=False)
class Emulator:
    """A believable AICC tenant, and a Q-Flow with its case calls, on this machine.

    `since` and `until` are wall-clock times of the tenant's zone; seeded cases lie in
    [since, until). A `database` file is kept, and seeded only while it is empty. `quota` is the
    most requests of any sliding second, sign-ins apart. `list_lag` is how many seconds a case made
    by the create operation is missing from case/list, rows and count: its detail shows it at once,
    and what a list could once have shown is not hidden again. `quota`, `quirks`, `readings`,
    `list_lag` and what decides on pages (`newest_first`, the inclusive bounds, `max_limit`) may be
    assigned while it runs. Everything but `start` and `close` may be called from any thread.
    """

    client_id: ClassVar[str] = "emulated-client"
    client_secret: ClassVar[str] = "emulated-secret"  # noqa: S105 -- guards invented data
    qflow_user: ClassVar[str] = "emulated-user"
    qflow_password: ClassVar[str] = "emulated-password"  # noqa: S105 -- guards invented data

    cases: int = 1000
    since: datetime = datetime(2025, 1, 1)  # noqa: DTZ001 -- wall-clock time, as on the wire
    until: datetime = datetime(2026, 1, 1)  # noqa: DTZ001 -- same
    seed: int = 1
    database: str | PathLike[str] = ":memory:"
    quota: int | None = None
    retry_after: str | None = "1"
    token_lifetime: float = 7200.0
    latency: Latency | None = None
    start_inclusive: bool = True
    end_inclusive: bool = True
    newest_first: bool = True
    max_limit: int = 100
    list_lag: float = attrs.field(default=0.0, validator=ge(0))
    quirks: Quirks = Quirks()  # noqa: RUF009 -- frozen
    readings: Readings = Readings()  # noqa: RUF009 -- frozen
    auto_assign_key: str | None = None
    qflow_headers: Mapping[str, str] | None = None
    record: bool = True
    host: str = "127.0.0.1"
    port: int = 0

    requests: list[Recorded] = attrs.field(factory=list, init=False, repr=False)
    _script: Script = attrs.field(init=False)
    _page_script: PageScript = attrs.field(factory=PageScript, init=False)
    _callback: "PageCallback | None" = attrs.field(default=None, init=False)
    _page_number: int = attrs.field(default=0, init=False)
    _delays: random.Random = attrs.field(init=False)
    _tokens: IssuedTokens = attrs.field(init=False)
    _quota: Quota = attrs.field(init=False)
    _queue: Queue = attrs.field(init=False)
    _users: Users = attrs.field(init=False)
    _store: Store = attrs.field(init=False)
    _runner: web.ServerRunner = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._delays = random.Random(self.seed)  # noqa: S311 -- repeatable on purpose
        self._script = Script(random.Random(self.seed))  # noqa: S311 -- same
        self._tokens = IssuedTokens(self.token_lifetime)
        self._quota = Quota()
        self._queue = Queue(self.qflow_headers)
        wanted = self.qflow_user, self.qflow_password
        self._users = Users(IssuedTokens(self.token_lifetime), wanted)

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
        """Fill the store and listen; `port` 0 becomes the port that was free."""
        handler = self._open_handler()
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
        """Stop listening and cut what hangs."""
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
        """The records that Q-Flow took."""
        return self._queue.records

    @property
    def peak(self) -> int:
        """The most requests that arrived in any second, sign-ins apart."""
        return self._quota.peak

    @property
    def refused(self) -> int:
        """How many requests the quota refused."""
        return self._quota.refused

    def token(self) -> str:
        """Issue a valid token without a request."""
        return self._tokens.issue()

    def qflow_token(self) -> str:
        """Issue a valid token of Q-Flow without a request, the prefix of its header apart."""
        return self._users.tokens.issue()

    def expire_tokens(self) -> None:
        """Refuse every token issued so far, Q-Flow's too."""
        self._tokens.expire_all()
        self._users.tokens.expire_all()

    def fail(
        self, operation: str, fault: Fault, *, times: int | None = 1, share: float | None = None
    ) -> None:
        """Let the next `times` requests of an operation ("*": any) fail; None: all of them.

        With a `share` (above 0, at most 1) `times` does not count: each request fails with that
        probability, drawn from the seed, until `clear_faults`. Several shares lie side by side: at
        0.1 and 0.2 a request suffers one of the two with 0.3. A fault with `times` strikes in its
        turn among those with shares: the first in the order of these calls.
        """
        if operation not in {*OPERATIONS, "*"}:
            raise ValueError(f"no operation {operation!r}")
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"share: must be above 0 and at most 1, not {share!r}")
        self._script.add(operation, fault, times if share is None else None, share)

    def clear_faults(self) -> None:
        """Forget all faults that were to come, those of pages too."""
        self._script.clear()
        self._page_script.clear()

    def fail_page(self, fault: PageFault, *, skip: int = 0, times: int = 1) -> None:
        """Answer `times` pages of case/list wrongly, after `skip` more that are right."""
        self._page_script.add(fault, skip, times)

    def on_page(self, callback: "PageCallback | None") -> None:
        """Call back after every page of case/list, counted from 1, before the next; None: stop."""
        self._page_number = 0
        self._callback = callback

    def insert(self, **wire_fields: Any) -> str:
        """Put a case into the store, unchecked; what is not given is invented."""
        [case_id] = self.insert_many([wire_fields])
        return case_id

    def insert_many(self, rows: Iterable[Wire]) -> list[str]:
        """Put cases into the store as `insert` does, all or none; give their ids."""
        cases = [self._invented() | row for row in rows]
        self._store.insert(cases)
        return [case["id"] for case in cases]

    def move(self, case_id: str, created: str | None = None) -> None:
        """Change a case's place in the order: give it another createdDate, or modify it now.

        Either way it is the latest that was modified.
        """
        fields = {"createdDate": created} if created else {}
        if not self._store.change(case_id, fields | {"modifiedDate": seeding.wall_clock()}):
            raise KeyError(case_id)

    def delete(self, case_id: str) -> None:
        """Remove a case."""
        if not self._store.delete(case_id):
            raise KeyError(case_id)

    def ids(self, start: str | None = None, end: str | None = None) -> list[str]:
        """List the ids between two wall-clock times, both included, by (createdDate, id)."""
        return self._store.ids(start, end)

    def rows(self) -> list[Wire]:
        """List all rows as case/list answers them, by (createdDate, id)."""
        return self._store.rows()

    def count(self) -> int:
        """Count the cases in the store."""
        return self._store.count()

    def tasks(self) -> list[Wire]:
        """List all tasks as task/list answers them, oldest first."""
        return self._store.tasks.rows()

    def traces(self, case_id: str) -> list[Wire]:
        """List what case/process added to a case, oldest first."""
        return self._store.traces.for_case(case_id)

    def _invented(self) -> Wire:
        return seeding.invent_current_case(self._store.next_number(), seed=self.seed)

    def _open_handler(self) -> RequestHandler:
        self._store = Store(fspath(self.database))
        self._store.seed(
            seeding.seed_cases(self.cases, since=self.since, until=self.until, seed=self.seed)
        )
        dispatcher = Dispatcher(
            settings=self,
            store=self._store,
            service=CaseService(
                store=self._store,
                seed=self.seed,
                auto_assign_key=self.auto_assign_key,
            ),
            queue=self._queue,
            tokens=self._tokens,
            users=self._users,
            credentials=(self.client_id, self.client_secret),
            page_script=self._page_script,
            after_page=self._call_back,
        )
        return RequestHandler(
            tenant=self,
            quota=self._quota,
            script=self._script,
            delays=self._delays,
            dispatcher=dispatcher,
        )

    def _call_back(self) -> None:
        if self._callback is not None:
            self._page_number += 1
            self._callback(self, self._page_number)


PageCallback = Callable[[Emulator, int], object]
