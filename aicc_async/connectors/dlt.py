"""A source for dlt: the cases, proved complete as an export's, into each of dlt's destinations."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TypeVar
from weakref import finalize
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from .._protocol.converter import RecordConverter, dumps
from ..client import AICCClient
from ..credentials import ClientCredentials
from ..errors import ConfigError, ExportError
from ..export import ExportReport, export_cases
from ..export.manifest import WindowReport, time_text
from ..export.sinks.sink import batch_lines
from ..export.sinks.typed import KINDS, TypedRows
from ..models import Case, CaseQuery

try:
    import dlt
    from dlt.common.configuration import configspec
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs import BaseConfiguration
    from dlt.common.pipeline import PipelineContext
    from dlt.common.runtime.signals import raise_if_signalled
    from dlt.common.typing import TSecretStrValue
    from dlt.extract import DltResource
except ModuleNotFoundError as error:
    if error.name != "dlt":
        raise
    raise ConfigError("dlt is missing: pip install 'aicc-async[dlt]'") from None

T = TypeVar("T")
State = dict[str, str | None]
LOOKBACK = timedelta(days=1)
LONGEST = timedelta(days=3660)
TICK = 0.1  # seconds between two looks whether the user interrupted
BUFFER = 2**20
ROWS = "cases.jsonl"
AGAIN = {"open", "unverified"}  # windows that the next run reads once more
_KINDS = {str: "text", bool: "bool", int: "double", datetime: "timestamp"}
_COLUMNS: Any = {name: {"data_type": _KINDS[kind]} for name, kind in KINDS.items()} | {
    "extra": {"data_type": "json"}
}
_WINDOW_COLUMNS: Any = {
    "window_start": {"data_type": "timestamp"},
    "window_end": {"data_type": "timestamp"},
    "verdict": {"data_type": "text"},
    "reason": {"data_type": "text"},
    "announced": {"data_type": "bigint"},
    "received": {"data_type": "bigint"},
    "distinct_ids": {"data_type": "bigint"},
    "readings": {"data_type": "bigint"},
    "without_detail": {"data_type": "bigint"},
}


@configspec
class AICCConfiguration(BaseConfiguration):
    """What dlt's configuration may tell: ``sources.aicc_cases.client_secret`` and so on."""

    base_url: str | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None


@dlt.source(name="aicc_cases", section="aicc_cases", spec=AICCConfiguration, max_table_nesting=0)
def aicc_cases(
    base_url: str | None = None,
    *,
    since: datetime | None = None,
    query: CaseQuery | None = None,
    lookback: timedelta = LOOKBACK,
    strict: bool = True,
    detail: bool = False,
    client_id: str | None = None,
    client_secret: TSecretStrValue | None = None,
    **options: Any,
) -> tuple[DltResource, DltResource]:
    """Read all cases since a time into the table ``cases``, merged by ``id``: run it every night.

    ``since`` is the first second of the first load, in the tenant's zone when naive; None: all.
    ``query`` has the filters, and an ``end_time`` if the last second is not now. Rows are read and
    checked as ``export_cases`` does (documents 001 and 004), into a file in the pipeline's folder
    that is gone afterwards; only then does dlt get them. With ``strict`` an ExportError ends the
    load when a window, or a count of the whole, didn't agree; else what there is goes on. The
    verdicts of every load go into the table ``cases_windows``, in the same package.

    Columns have Python's names and types of their own: texts, booleans, times (with their zone, as
    the destination keeps them), a double. ``extra``, one JSON column, holds the extension fields
    by their wire names, and with ``detail`` the parts of each case's detail, at a request each:
    as columns ``type.name`` would become our ``type_name``, and a table would differ by the rows
    that it happened to get.

    The next load goes on where the last one ended (the end is frozen when it begins), less
    ``lookback``: changes of cases created before that are not seen, and no deletion is. Windows
    that were open or unverified are read once more. That is in dlt's state, per tenant, filters,
    zone and ``detail``; other ones, or an earlier ``since``, begin anew. A load that fails while
    reading changes neither tables nor state; one that fails later is dlt's to finish.

    ``base_url``, ``client_id`` and ``client_secret`` come from dlt's configuration and secrets
    (``sources.aicc_cases``; a ``clone(name="…")`` has a section of its own), or from the variables
    of ``AICCClient.from_env``, whose ``options`` these are (``rate_limit``, ``profile``, …). No
    secret is kept in a state or trace; rows stay in the pipeline's folder as long as dlt is told
    to keep its packages.

    Each load has a client of its own, on an event loop in a thread of its own, and keeps to its
    limits however dlt runs it; several sources at once have only a shared budget in common. Into
    DuckDB, run it with ``loader_file_format="parquet"``: dlt's INSERT statements take twenty times
    as long, and its JSON lines add nulls to ``extra``.

    Raises ConfigError before any request when a setting is wrong. What goes wrong later is the
    cause of dlt's PipelineStepFailed.
    """
    credentials = _credentials(client_id, client_secret)
    load = _Load(
        make=partial(_client, base_url, credentials | options),
        query=_asked(query, since),
        lookback=_span(lookback),
        strict=strict,
        detail=detail,
    )
    load.check()

    shared = _Shared(load.read)
    return _cases(shared), _windows(shared)


def _cases(shared: _Shared) -> DltResource:
    @dlt.resource(name="cases", primary_key="id", write_disposition="merge", columns=_COLUMNS)
    def cases() -> Iterator[list[dict[str, Any]]]:
        reading = shared.take("cases")
        try:
            yield from _rows(reading)
        finally:
            rmtree(reading.folder)
        dlt.current.resource_state("cases")[reading.key] = reading.state

    return cases


def _windows(shared: _Shared) -> DltResource:
    @dlt.resource(name="cases_windows", write_disposition="append", columns=_WINDOW_COLUMNS)
    def cases_windows() -> Iterator[list[dict[str, Any]]]:
        reading = shared.take("cases_windows")
        yield [_window(each, reading.zone) for each in reading.report.windows]

    return cases_windows


@frozen(kw_only=True)
class _Reading:
    """What was read: a folder with the file of rows, and what is known of them.

    ``state`` is where the next load goes on from, under its ``key``.
    """

    folder: Path
    report: ExportReport
    zone: ZoneInfo
    key: str
    state: State | None


class _Shared:
    """One reading for both tables, whichever dlt wants first, and in whichever thread."""

    def __init__(self, read: Callable[[], _Reading]) -> None:
        self._read = read
        self._turn = threading.Lock()
        self._outcome: Future[_Reading] | None = None
        self._taken: set[str] = set()

    def take(self, table: str) -> _Reading:
        """Read, or give what was read for the other table; or raise what was raised then."""
        with self._turn:
            if self._outcome is None or table in self._taken:  # the source is loaded once more
                self._outcome, self._taken = _outcome(self._read), set()
            self._taken.add(table)
            return self._outcome.result()


def _outcome(work: Callable[[], T]) -> Future[T]:
    outcome: Future[T] = Future()
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001  (raised where it is asked for)
        outcome.set_exception(error)
    return outcome


@frozen(kw_only=True)
class _Load:
    """What every load of a source does."""

    make: Callable[[], AICCClient]
    query: CaseQuery
    lookback: timedelta
    strict: bool
    detail: bool

    def check(self) -> None:
        """Raise ConfigError when a setting is wrong."""
        self.make().api.windows(self.query)

    def read(self) -> _Reading:
        """Read what came since the last load, and what is to be read again."""
        aicc = self.make()
        key = _digest(aicc, self.query, detail=self.detail)
        first = aicc.api.windows(self.query)[0].start
        state = _still_good(dlt.current.resource_state("cases").get(key), first)
        start = first if state is None else _next_start(state, self.lookback)
        folder = Path(mkdtemp(prefix="aicc-", dir=_folder()))
        try:
            report = _run(self._export(aicc, start, folder / ROWS))
            self._check_proof(report)
        except BaseException:
            rmtree(folder)
            raise
        after = _state(report, state["start"] if state else time_text(first))
        reading = _Reading(folder=folder, report=report, zone=aicc.timezone, key=key, state=after)
        finalize(reading, rmtree, folder, ignore_errors=True)  # should nobody want the rows
        return reading

    async def _export(self, aicc: AICCClient, start: datetime | None, path: Path) -> ExportReport:
        query = evolve(self.query, start_time=start)
        async with aicc:
            return await export_cases(aicc, query, path, detail=self.detail)

    def _check_proof(self, report: ExportReport) -> None:
        if report.verified or not self.strict:
            return
        window, what = None, "the whole range was announced with more rows than came"
        if bad := report.unverified:
            window = f"{bad[0].start or '…'} to {bad[0].end or '…'}"
            what = f"{len(bad)} windows disagreed, first {window}: {bad[0].reason}"
        raise ExportError(
            f"nothing was loaded: {what}. strict=False loads what there is",
            window=window,
            resume="run it again when fewer cases change",
        )


def _credentials(client_id: str | None, client_secret: str | None) -> dict[str, Any]:
    if client_id is None and client_secret is None:
        return {}  # the environment may have them
    return {"auth": ClientCredentials(client_id or "", client_secret or "")}


def _client(base_url: str | None, options: Mapping[str, Any]) -> AICCClient:
    given = {"AICC_BASE_URL": base_url} if base_url else {}
    return AICCClient.from_env({**os.environ, **given}, **options)


def _asked(query: CaseQuery | None, since: datetime | None) -> CaseQuery:
    if query is not None and not isinstance(query, CaseQuery):
        raise ConfigError(f"query: CaseQuery is needed, {type(query).__name__} was given")
    if since is None:
        return query or CaseQuery()
    if not isinstance(since, datetime):
        raise ConfigError(f"since: datetime is needed, {type(since).__name__} was given")
    if query and query.start_time:
        raise ConfigError("since: the query has a start_time already")
    return evolve(query or CaseQuery(), start_time=since)


def _span(lookback: timedelta) -> timedelta:
    if not isinstance(lookback, timedelta) or not timedelta(0) <= lookback <= LONGEST:
        bound = f"a timedelta of 0 to {LONGEST.days} days"
        raise ConfigError(f"lookback: {bound} is needed, {lookback} was given")
    return lookback


def _digest(aicc: AICCClient, query: CaseQuery, *, detail: bool) -> str:
    """Tell loads apart that can't go on from each other; filters may be contact data."""
    filters = RecordConverter(aicc.timezone).dump(evolve(query, start_time=None, end_time=None))
    what = [aicc.base_url, str(aicc.timezone), detail, sorted(filters.items())]
    return hashlib.sha256(dumps(what)).hexdigest()


def _still_good(state: State | None, first: datetime | None) -> State | None:
    """Drop a state of loads that began later than is asked for now."""
    if state is None or (start := state["start"]) is None:
        return state
    return state if first and first >= datetime.fromisoformat(start) else None


def _next_start(state: State, lookback: timedelta) -> datetime:
    """Go back from the end, to what is to be read again, but not before what was asked for."""
    ended = datetime.fromisoformat(str(state["end"])) - lookback
    start, again = (
        each and datetime.fromisoformat(each) for each in (state["start"], state["again"])
    )
    back = min(ended, again) if again else ended
    return max(back, start) if start else back


def _state(report: ExportReport, start: str | None) -> State | None:
    """Note what the next load goes on from; None when all is to be read again."""
    again = [window.start for window in report.windows if window.verdict in AGAIN]
    known = [moment for moment in again if moment]
    if len(known) < len(again):
        return None
    return {"start": start, "end": report.end, "again": min(known, default=None)}


def _folder() -> str | None:
    """Tell where the pipeline has its files; None when none runs: dlt would make one."""
    context = Container()[PipelineContext]
    return context.pipeline().working_dir if context.is_active() else None


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it on a loop of its own: the caller may be on another one (a notebook, a thread)."""
    with _loop() as loop:
        running = asyncio.run_coroutine_threadsafe(work, loop)
        while not wait([running], timeout=TICK).done:
            raise_if_signalled()
        return running.result()


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run a loop in a thread; what is still at work in the end is cancelled and waited for."""
    began: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        began.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="aicc-dlt")
    thread.start()
    loop, over = began.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


def _rows(reading: _Reading) -> Iterator[list[dict[str, Any]]]:
    typed = TypedRows(reading.zone)
    with (reading.folder / ROWS).open("rb", BUFFER) as lines:
        for batch in batch_lines(lines):
            yield [_row(case) for case in typed.read(batch)]


def _row(case: Case) -> dict[str, Any]:
    row = {name: getattr(case, name) for name in KINDS}
    row["extra"] = case.extra
    return row


def _window(window: WindowReport, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "window_start": _moment(window.start, zone),
        "window_end": _moment(window.end, zone),
        "verdict": window.verdict,
        "reason": window.reason,
        "announced": window.announced,
        "received": window.received,
        "distinct_ids": window.distinct,
        "readings": window.readings,
        "without_detail": window.without_detail,
    }


def _moment(written: str | None, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(written).replace(tzinfo=zone) if written else None
