"""Cases that are gone are marked in a table, and nothing else is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from helpers.exports import QUARTER, SINCE, UNTIL
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    CaseQuery,
    ClientCredentials,
    ConfigError,
    Dialect,
    ExportReport,
    RetryPolicy,
    export_cases,
)
from aicc_async.cli.commands.export import export
from aicc_async.emulator import Emulator
from aicc_async.emulator.http.answer import Answer
from aicc_async.emulator.operations.service import CaseService
from aicc_async.export import WholeCount, WindowReport, deletions
from aicc_async.settings.profile import Profile

pytest_plugins = ["helpers.postgres_server"]

Read = Callable[[], dict[str, Any]]
REFUSED = "cases are missing, and not marked as deleted: "


def client(tenant: Emulator, **options: Any) -> AICCClient:
    """Return a client that hardly waits between attempts."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    retry = RetryPolicy(base=0.001, patience=0, attempts=2)
    return AICCClient(tenant.url, auth=auth, retry=retry, **options)


@pytest.fixture
async def aicc(tenant: Emulator) -> AsyncIterator[AICCClient]:
    """Run a client that knows with which code the tenant refuses an unknown case."""
    async with client(tenant, dialect=Dialect(missing_codes=(tenant.missing_code,))) as found:
        yield found


@pytest.fixture(params=["cases.db", "postgres"])
def table(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Read]:
    """Name a table of either kind, and how its marks are read."""
    monkeypatch.chdir(tmp_path)
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")

        def ask() -> dict[str, Any]:
            with psycopg.connect(url) as connection:
                return marks(connection.execute("SELECT id, deleted_at FROM aicc_cases"))

        return url, ask

    return "cases.db", read_marks


def read_marks() -> dict[str, Any]:
    """Return the marks of the database in the working directory."""
    with closing(sqlite3.connect("cases.db")) as database:
        return marks(database.execute("SELECT id, deleted_at FROM cases"))


def marks(rows: Any) -> dict[str, Any]:
    """Return the marked cases, and when they were."""
    return {case_id: deleted_at for case_id, deleted_at in rows if deleted_at is not None}


def count_details(tenant: Emulator) -> int:
    """Count the details that were asked for since this was last called."""
    count = sum(request.operation == "get" for request in tenant.requests)
    tenant.requests.clear()
    return count


async def mark(aicc: AICCClient, target: str) -> ExportReport:
    """Export the quarter again, and mark what is gone."""
    return await export_cases(aicc, QUARTER, target, mark_deleted=True)


async def test_cases_that_are_gone_are_marked(
    aicc: AICCClient, tenant: Emulator, table: tuple[str, Read]
) -> None:
    """Once, at a request each and two more; one that comes again is unmarked."""
    target, read = table
    assert (await mark(aicc, target)).deleted == 0
    assert (read(), count_details(tenant)) == ({}, 0)
    rows = {row["id"]: row for row in tenant.rows()}
    gone = [tenant.ids()[number] for number in (3, 150, 290)]
    for case_id in gone:
        tenant.delete(case_id)
    report = await mark(aicc, target)
    assert (report.deleted, report.in_target, report.verified) == (3, 300, True)
    assert (set(read()), count_details(tenant)) == (set(gone), 3 + 2)
    before = read()
    assert (await mark(aicc, target)).deleted == 0
    assert (read(), count_details(tenant)) == (before, 0)
    tenant.insert(**rows[gone[0]])
    report = await export_cases(aicc, QUARTER, target)
    assert (report.added, report.deleted, set(read())) == (1, 0, set(gone[1:]))


async def test_every_night(aicc: AICCClient, tenant: Emulator, table: tuple[str, Read]) -> None:
    """Only cases that were created within the lookback are looked for."""
    target, read = table
    await export_cases(aicc, QUARTER, target)
    old, late = tenant.ids()[10], tenant.ids("2025-03-28", "2025-03-31")[0]
    tenant.delete(old)
    tenant.delete(late)
    tenant.requests.clear()
    query, back = CaseQuery(end_time=UNTIL), timedelta(days=5)
    report = await export_cases(aicc, query, target, since_last=back, mark_deleted=True)
    assert (report.deleted, list(read()), count_details(tenant)) == (1, [late], 3)


def refuse(status: int, code: str) -> Callable[..., Answer]:
    """Return what refuses every detail."""
    body = f'{{"resCode":"{code}","resMsg":"no"}}'.encode()
    return lambda *_: Answer(status, body)


REFUSALS = {
    "a storm of 404": (refuse(404, "1"), "the detail of a case that is there is refused too"),
    "an outage": (refuse(500, "1"), "the detail of a case that is there is refused too"),
    "no right": (refuse(403, "1"), "the detail of a case that is there is refused too"),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_no_refusal_of_all_details_marks(
    aicc: AICCClient,
    tenant: Emulator,
    table: tuple[str, Read],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """Cases that are there are refused as well: it says nothing of one that is missing."""
    target, read = table
    await mark(aicc, target)
    tenant.delete(tenant.ids()[3])
    answer, why = REFUSALS[what]
    monkeypatch.setattr(CaseService, "get", answer)
    with pytest.warns(RuntimeWarning, match=f"1 {REFUSED}{why}"):
        report = await mark(aicc, target)
    assert (report.deleted, report.verified, read()) == (0, True, {})


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a database in the working directory."""
    monkeypatch.chdir(tmp_path)
    return "cases.db"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refuse(404, "APIG.0101"), "their details could not be read"),
        (refuse(500, "1"), "their details could not be read"),
        (refuse(200, "999"), r".* Run aicc-async probe"),
        (lambda *_: Answer(200, b'{"resCode":"0","result":[]}'), "their details could not be read"),
        (lambda *_: Answer(200, b"<html>"), "their details could not be read"),
    ],
)
async def test_no_other_answer_marks(  # noqa: PLR0917  (fixtures)
    aicc: AICCClient,
    tenant: Emulator,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[..., Answer],
    why: str,
) -> None:
    """Neither the gateway's 404, nor an error, nor a code that nobody knows, nor nothing."""
    await mark(aicc, database)
    gone, get = tenant.ids()[3], CaseService.get
    tenant.delete(gone)

    def refuse_gone(service: CaseService, case_id: str) -> Answer:
        return answer() if case_id == gone else get(service, case_id)

    monkeypatch.setattr(CaseService, "get", refuse_gone)
    with pytest.warns(RuntimeWarning, match=f"1 {REFUSED}{why}"):
        assert (await mark(aicc, database)).deleted == 0
    assert read_marks() == {}


async def test_a_404_of_the_service_marks(
    aicc: AICCClient, tenant: Emulator, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code need be known where the service uses the status; a storm that begins late is seen."""
    await mark(aicc, database)
    gone, get = tenant.ids()[3], CaseService.get
    tenant.delete(gone)
    storm = list[bool]()

    def answer(service: CaseService, case_id: str) -> Answer:
        storm.extend([True] * (case_id == gone and not storm))
        return refuse(404, "7")() if case_id == gone or storm == [True] else get(service, case_id)

    monkeypatch.setattr(CaseService, "get", answer)
    with pytest.warns(RuntimeWarning, match="a case that is there is refused too"):
        assert (await mark(aicc, database)).deleted == 0
    storm.append(False)
    assert (await mark(aicc, database)).deleted == 1
    assert list(read_marks()) == [gone]


async def test_where_the_code_is_not_known_nothing_is_marked(
    tenant: Emulator, database: str
) -> None:
    """The warning says that probe finds it; a profile that has it is as good as a dialect."""
    async with client(tenant) as aicc:
        await mark(aicc, database)
        tenant.delete(tenant.ids()[3])
        with pytest.warns(RuntimeWarning, match=f"1 {REFUSED}.* Run aicc-async probe"):
            assert (await mark(aicc, database)).deleted == 0
    async with client(tenant, profile=Profile(missing_codes=(tenant.missing_code,))) as aicc:
        assert (await mark(aicc, database)).deleted == 1


async def test_a_case_that_moved_is_not_marked(
    aicc: AICCClient, tenant: Emulator, database: str
) -> None:
    """Its detail is answered: it is in no window of this run, and there."""
    await mark(aicc, database)
    tenant.move(tenant.ids()[3], "2024-01-01 00:00:00")
    tenant.requests.clear()
    report = await mark(aicc, database)
    # None was gone, so that the case that is there was asked for once.
    assert (report.deleted, read_marks(), count_details(tenant)) == (0, {}, 2)


@pytest.mark.parametrize("first", [True, False])
async def test_an_unverified_window_marks_nothing(
    aicc: AICCClient, tenant: Emulator, database: str, *, first: bool
) -> None:
    """Not what lies in it, in this run or the one before; nor anything, where it is in this run."""
    # A second of two pages cannot be halved.
    moment = "2025-03-20 12:00:00"
    tenant.insert_many([{"createdDate": moment}] * 120)
    other, gone = tenant.ids()[3], tenant.ids(moment, moment)[3]

    async def run(*, moves: bool) -> set[str]:
        if moves:
            tenant.on_page(lambda each, _: each.insert(createdDate=moment))
        report = await mark(aicc, database)
        tenant.on_page(None)
        assert bool(report.unverified) == moves
        return set(read_marks())

    await run(moves=first)
    tenant.delete(other)
    tenant.delete(gone)
    count_details(tenant)
    if not first:
        with pytest.warns(RuntimeWarning, match=f"1 {REFUSED}a window of this run is unverified"):
            assert await run(moves=True) == set()
        assert count_details(tenant) == 0
    assert await run(moves=False) == {other}
    assert await run(moves=False) == {other, gone}


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        (CaseQuery(priority="High"), {}, "mark_deleted cannot be combined with filters"),
        (QUARTER, {"replace": True}, "mark_deleted cannot be combined with replace"),
    ],
)
async def test_what_cannot_be_combined(
    aicc: AICCClient, tenant: Emulator, database: str, *, query: Any, options: Any, message: str
) -> None:
    """It is refused before anything is asked for."""
    with pytest.raises(ConfigError, match=message):
        await export_cases(aicc, query, database, mark_deleted=True, **options)
    assert tenant.requests == []


async def test_where_another_date_is_filtered(tenant: Emulator, database: str) -> None:
    """A window says nothing of creation dates there."""
    async with client(tenant, profile=Profile(date_field="modifiedDate")) as aicc:
        with pytest.raises(ConfigError, match="must be used where ranges are of createdDate, got"):
            await mark(aicc, database)


def test_the_option_is_for_tables(tmp_path: Path) -> None:
    """Files keep what they have."""
    arguments = [str(tmp_path / "cases.jsonl"), "--demo", "--mark-deleted"]
    with pytest.raises(ConfigError, match="mark_deleted cannot be combined with the format jsonl"):
        CliRunner().invoke(export, arguments, catch_exceptions=False)


def window(start: int, end: int, verdict: Any = "verified") -> WindowReport:
    """Report a window between two seconds of a day."""
    times = [str(SINCE + timedelta(seconds=each)) for each in (start, end)]
    return WindowReport(
        start=times[0], end=times[1], verdict=verdict, announced=0, announced_last=0, received=0,
        distinct=0, readings=1, finished=0, requests=0, retries=0, throttled=0,
    )  # fmt: skip


ends = st.integers(0, 20)
spans = st.tuples(ends, ends).map(sorted)
verdicts = st.sampled_from(["verified", "repaired", "unverified", "open"])


@given(st.lists(st.tuples(spans, verdicts), max_size=6), ends)
def test_a_date_is_within_when_it_is_in_a_verified_window(windows: Any, second: int) -> None:
    """Strictly, and whichever others overlap."""
    merged = deletions.merge_verified(
        window(start, end, verdict) for (start, end), verdict in windows
    )
    found = deletions.is_within(merged, SINCE + timedelta(seconds=second))
    assert found == any(
        start < second < end for (start, end), verdict in windows if verdict == "verified"
    )


def test_doubts_about_the_whole_range() -> None:
    """A cap, rows behind the range and a count that disagrees concern every window."""

    def doubt(whole: bool, is_doubtful: bool) -> str | None:
        return deletions.Evidence(
            windows=[window(0, 9)],
            whole=WholeCount(announced=1, agrees=whole),
            last=None,
            rows=Path("rows"),
            is_doubtful=is_doubtful,
        ).doubt

    assert doubt(whole=True, is_doubtful=False) is None
    assert "capped" in str(doubt(whole=True, is_doubtful=True))
    assert "disagrees" in str(doubt(whole=False, is_doubtful=False))
