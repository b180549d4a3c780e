"""Exports in detail: each case's detail once, as the service wrote it, in every format."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import logging
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from helpers.detail_columns import from_columns, from_postgres, from_sqlite, plain
from helpers.exports import (
    QUARTER,
    SINCE,
    UNTIL,
    Row,
    checkpoint_copy,
    read_csv,
    read_gzip,
    read_jsonl,
    read_parquet,
    read_sqlite,
    read_zst,
    start_export,
)
from helpers.processes import SECONDS, without_progress

from aicc_async import (
    AICCClient,
    CaseQuery,
    ConfigError,
    DecodeError,
    ExportReport,
    export_cases,
)
from aicc_async._listing.ordered_map import ANSWERS_AHEAD
from aicc_async._protocol.operations import OPENAPI
from aicc_async.emulator import Emulator, Fault, Latency, run_in_thread
from aicc_async.emulator.http.answer import Answer
from aicc_async.emulator.operations.service import CaseService
from aicc_async.export import Progress, export_range, manifest

pytest_plugins = ["helpers.postgres_server"]
PARTS = ["caseInfo", "caseTrace", "customerInfo", "isFollower", "tasks"]


def count_details(tenant: Emulator) -> Counter[str]:
    """Count the details that were asked for, by id."""
    return Counter(
        request.path.rpartition("/")[2] for request in tenant.requests if request.operation == "get"
    )


async def read_details(tenant: Emulator, ids: Iterable[str]) -> dict[str, Row]:
    """Read details from the tenant, without any code of ours."""
    headers, found = {"access-token": tenant.token()}, {}
    async with aiohttp.ClientSession(tenant.url, headers=headers) as session:
        for case_id in ids:
            async with session.get(f"{OPENAPI}/case/{case_id}") as response:
                [found[case_id]] = json.loads(await response.read())["result"]
    tenant.requests.clear()
    return found


async def export_details(aicc: AICCClient, out: Path, **options: Any) -> ExportReport:
    """Export the quarter in detail."""
    return await export_cases(aicc, QUARTER, out, detail=True, **options)


# ---- what is in the file -------------------------------------------------------------------


async def test_each_row_has_its_details(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """A row's own fields come first, then the parts as the tenant has them; all figures agree."""
    wanted = await read_details(tenant, tenant.ids())
    report = await export_details(aicc, out)
    plain = {row["id"]: row for row in tenant.rows()}
    assert {row["id"]: row for row in read_jsonl(out)} == {
        case_id: plain[case_id] | wanted[case_id] for case_id in tenant.ids()
    }
    assert all(list(row)[-5:] == PARTS for row in read_jsonl(out))
    assert (report.detail, report.without_detail, report.verified) == (True, 0, True)
    assert (report.rows, report.size) == (300, out.stat().st_size)
    assert report.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert report.requests == len(tenant.requests)


async def test_each_detail_is_asked_for_once(
    aicc: AICCClient, tenant: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for cases in the second that two windows share, and where windows are many."""
    monkeypatch.setattr(export_range, "MAX_ROWS_PER_DETAILED_WINDOW", 40)
    seam = aicc.api.windows(QUARTER)[0].end
    tenant.insert_many([{"createdDate": str(seam)}] * 3)
    report = await export_details(aicc, out)
    assert len(report.windows) > 5
    assert max(window.distinct for window in report.windows) <= 40
    assert count_details(tenant) == dict.fromkeys(tenant.ids(), 1)


async def test_parts_are_the_service_s_own_bytes(
    aicc: AICCClient, tenant: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits, escapes and order stay; what is printed over lines is put on one."""
    odd = '{"n":1.10,"big":123456789012345678901,"b":"\\u00e9\\/","a":"é"}'
    body = f'{{"resCode":"0","result":[{{"caseInfo":{odd},"id":"x",\r\n "later__CST": [1 ,2]}}]}}'
    monkeypatch.setattr(CaseService, "get", lambda *_: Answer(200, body.encode()))
    await export_details(aicc, out)
    for line, row in zip(out.read_text().splitlines(), read_jsonl(out), strict=True):
        assert line.endswith(f',"caseInfo":{odd},"later__CST":[1,2]}}')
        assert row["id"] in tenant.ids()  # its own


async def test_a_window_that_is_read_again_costs_no_detail_again(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Details are asked for when the rows are settled."""
    tenant.insert_many({"createdDate": f"2025-03-20 12:{i:02}:00"} for i in range(60))

    def insert_once(emulator: Emulator, _: int) -> None:
        body = json.loads(emulator.requests[-1].body)
        if body["limit"] > 1 and body["startTime"] > "2025-03":  # between its two pages
            emulator.on_page(None)
            emulator.insert(createdDate="2025-03-30 12:00:00")

    tenant.on_page(insert_once)
    report = await export_details(aicc, out)
    assert "repaired" in [window.verdict for window in report.windows]
    assert count_details(tenant) == dict.fromkeys(tenant.ids(), 1)
    assert sorted(row["id"] for row in read_jsonl(out)) == sorted(tenant.ids())


async def test_rows_that_keep_moving_have_details_too(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """What any reading of an unverified window brought gets its details, once."""
    tenant.insert_many({"createdDate": f"2025-03-20 12:{i:02}:00"} for i in range(60))
    tenant.on_page(lambda emulator, _: emulator.insert(createdDate="2025-03-30 12:00:00"))
    report = await export_details(aicc, out)
    rows = read_jsonl(out)
    assert report.unverified
    assert len(rows) == report.rows == len({row["id"] for row in rows})
    assert all(row["caseInfo"]["id"] == row["id"] for row in rows)
    assert count_details(tenant) == dict.fromkeys((row["id"] for row in rows), 1)


# ---- formats -------------------------------------------------------------------------------


def csv_rows(path: Path) -> list[Row]:
    """Read the cells of parts as JSON."""
    header, *rows = read_csv(path)
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    return [{**row, **{name: json.loads(row[name]) for name in PARTS}} for row in cells]


def parquet_rows(path: Path) -> list[Row]:
    """Read the columns of parts, which are no extension fields any more."""
    rows = read_parquet(path)
    assert all(dict(row["extra"]).keys().isdisjoint(PARTS) for row in rows)
    return [{"id": row["id"], **from_columns(row)} for row in rows]


def table_rows(path: Path) -> list[Row]:
    """Read the tables of parts, which are no extension fields any more."""
    for _, extra in read_sqlite(path, "id, extra"):
        assert json.loads(extra).keys().isdisjoint(PARTS)
    return [{"id": row_id, **parts} for row_id, parts in from_sqlite(path).items()]


FORMATS: dict[str, Callable[[Path], list[Row]]] = {
    "jsonl": read_jsonl,
    "jsonl.gz": read_gzip,
    "jsonl.zst": read_zst,
    "csv": csv_rows,
    "parquet": parquet_rows,
    "db": table_rows,
}
TYPED = {"parquet", "db"}
ODD_TEXT = 'a; =1+1\n"b",;-c\t@d ü\\ \u2028'


@pytest.mark.parametrize("suffix", FORMATS)
async def test_every_format_takes_details(
    suffix: str, aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """All parts of all cases can be read from it, whatever is in their texts."""
    for _ in range(3):
        tenant.insert(createdDate="2025-02-03 04:05:06", description=ODD_TEXT)
    wanted, target = await read_details(tenant, tenant.ids()), tmp_path / f"cases.{suffix}"
    report = await export_details(aicc, target, **({"raw_cells": True} if suffix == "csv" else {}))
    found = {row["id"]: {name: row[name] for name in PARTS} for row in FORMATS[suffix](target)}
    if suffix in TYPED:
        wanted = {case_id: plain(parts) for case_id, parts in wanted.items()}
    assert found == wanted
    assert (report.rows, report.verified, report.odd_values) == (303, True, {})


async def test_a_csv_has_parts_behind_the_documented_columns(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """Harmless cells are still JSON: an apostrophe is within a text of it."""
    case_id = tenant.insert(createdDate="2025-02-03 04:05:06", description=ODD_TEXT)
    plain, target = tmp_path / "plain.csv", tmp_path / "cases.csv"
    await export_cases(aicc, QUARTER, plain)
    await export_details(aicc, target)
    before, after = (next(csv.reader(path.read_text().splitlines())) for path in (plain, target))
    last = before.index("createdDate") + 1
    assert after[:last] == before[:last]
    assert set(after[last:]) == {*before[last:], *PARTS}
    [text] = [row["caseInfo"]["description"] for row in csv_rows(target) if row["id"] == case_id]
    assert (text != ODD_TEXT, text.replace("'", "")) == (True, ODD_TEXT)


async def test_a_table_of_a_server_takes_details(
    aicc: AICCClient, tenant: Emulator, postgres_url: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The parts are in tables of their own; a second run changes nothing of them."""
    monkeypatch.chdir(tmp_path)
    wanted = await read_details(tenant, tenant.ids())
    places = "SELECT case_id, position, xmin::text FROM aicc_case_trace ORDER BY 1, 2"
    seen = []
    for _ in range(2):
        await export_cases(aicc, QUARTER, postgres_url, detail=True)
        with psycopg.connect(postgres_url) as connection:
            extras = [each for (each,) in connection.execute("SELECT extra FROM aicc_cases")]
            seen.append(connection.execute(places).fetchall())
        assert all(extra.keys().isdisjoint(PARTS) for extra in extras)
        found = from_postgres(postgres_url)
        assert found == {case_id: plain(parts) for case_id, parts in wanted.items()}
    assert seen[0] == seen[1] != []


# ---- cases that are gone, and other refusals ---------------------------------------------------


async def test_a_case_that_is_gone_keeps_its_row(
    aicc: AICCClient, tenant: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no details, and the report counts it; nothing else is wrong."""
    rows = {row["id"]: row for row in tenant.rows()}
    gone = tenant.ids("2025-03-05", "2025-03-30")[3]

    answer = CaseService.get

    def get(service: CaseService, case_id: str) -> Answer:
        if case_id == gone:
            tenant.delete(gone)
        return answer(service, case_id)

    monkeypatch.setattr(CaseService, "get", get)
    report = await export_details(aicc, out)
    assert (report.rows, report.without_detail, report.verified) == (300, 1, True)
    assert [window.without_detail for window in report.windows] == [0, 0, 1]
    assert [row for row in read_jsonl(out) if "caseInfo" not in row] == [rows[gone]]
    assert manifest.load(out.with_name("cases.jsonl.manifest.json")) == report


# ---- resuming --------------------------------------------------------------------------------


async def test_an_export_in_detail_resumes_after_a_failure(
    aicc: AICCClient, tenant: Emulator, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Details of finished windows are not asked for again, those of the open one once more."""
    answer, numbers = CaseService.get, count(1)

    def broken(service: CaseService, case_id: str) -> Answer:
        if next(numbers) == 150:
            tenant.fail("get", Fault.NOT_JSON, times=None)
        return answer(service, case_id)

    monkeypatch.setattr(CaseService, "get", broken)
    with pytest.raises(DecodeError):
        await export_details(aicc, out)
    monkeypatch.undo()
    # What was cancelled under way has arrived when this is answered.
    await aicc.list_cases(limit=1)
    first = count_details(tenant)
    tenant.clear_faults()
    tenant.requests.clear()
    report = await export_details(aicc, out)
    window = report.windows[0]
    assert not count_details(tenant).keys() & set(tenant.ids(window.start, window.end))
    assert count_details(tenant).keys() | first.keys() == set(tenant.ids())
    assert count_details(tenant).total() == 300 - window.distinct
    await export_details(aicc, tmp_path / "whole.jsonl")
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (report.runs, report.rows) == (2, 300)


@pytest.mark.parametrize("before", [False, True])
async def test_another_choice_of_details_is_refused(
    aicc: AICCClient, out: Path, *, before: bool
) -> None:
    """Neither an unfinished export resumes, nor does --since last; a restart begins anew."""

    def cancel(state: Progress) -> None:
        if state.rows:
            task.cancel()

    task = asyncio.create_task(export_cases(aicc, QUARTER, out, detail=before, on_progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConfigError, match="unfinished export of another choice of details"):
        await export_cases(aicc, QUARTER, out, detail=not before)
    await export_cases(aicc, QUARTER, out, detail=not before, restart=True)
    with pytest.raises(ConfigError, match=f"was {'without' if before else 'with'} details"):
        await export_cases(aicc, None, out, detail=before, since_last=timedelta(days=1))


async def test_every_night_in_detail(aicc: AICCClient, tenant: Emulator, tmp_path: Path) -> None:
    """A table takes what changed of a case, and its new details."""
    out = tmp_path / "cases.db"
    case_id = tenant.insert(createdDate="2025-03-31 12:00:00")
    await export_details(aicc, out)
    tenant.insert(createdDate="2025-03-31 13:00:00")
    tenant.move(case_id, "2025-03-31 14:00:00")
    query = CaseQuery(end_time=UNTIL)
    report = await export_cases(aicc, query, out, detail=True, since_last=timedelta(hours=13))
    rows = {row["id"]: row for row in table_rows(out)}
    assert (len(rows), report.added) == (302, 2)
    assert rows[case_id]["caseInfo"]["createdDate"] == "2025-03-31 14:00:00"


@pytest.fixture(scope="module")
def threaded() -> Iterator[Emulator]:
    """Run a tenant whose answers take a while, in a thread."""
    with run_in_thread(cases=200, since=SINCE, until=UNTIL, latency=Latency(0.001)) as emulator:
        yield emulator


def after(patch: pytest.MonkeyPatch, requests: int) -> threading.Event:
    """Return an event that is set when so many details were asked for."""
    reached, answer, numbers = threading.Event(), CaseService.get, count(1)

    def get(service: CaseService, case_id: str) -> Answer:
        if next(numbers) == requests:
            reached.set()
        return answer(service, case_id)

    patch.setattr(CaseService, "get", get)
    return reached


def start(tenant: Emulator, target: Path) -> subprocess.Popen[str]:
    """Start an export in detail, or resume it."""
    span = ("--since", "2025-01-01", "--until", "2025-03-31")
    return start_export(tenant, target.parent, target.name, *span, "--detail")


def finished(target: Path, copy: Path) -> set[str]:
    """Return the ids of rows that are safe."""
    with checkpoint_copy(target.with_name(f".{target.name}.export"), copy) as state:
        [[size]] = state.execute("SELECT coalesce(max(size), 0) FROM windows").fetchall()
    rows = (copy / "rows.jsonl").read_bytes()[:size].splitlines()
    assert all("caseInfo" in json.loads(row) for row in rows)
    return {json.loads(row)["id"] for row in rows}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_export_ends_as_one_that_was_not(
    threaded: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the same, and no detail of a finished window was asked for again."""
    whole, killed, safe = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl", set[str]()
    assert without_progress(start(threaded, whole).communicate()[1]) == ""
    for number, requests in enumerate([100, 30]):
        threaded.requests.clear()
        with monkeypatch.context() as patch:
            reached, process = after(patch, requests), start(threaded, killed)
            assert reached.wait(SECONDS)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert safe & count_details(threaded).keys() == set()
        assert set(count_details(threaded).values()) == {1}
        safe = finished(killed, tmp_path / f"copy{number}")
    threaded.requests.clear()
    assert without_progress(start(threaded, killed).communicate()[1]) == ""
    assert safe
    assert count_details(threaded) == dict.fromkeys(set(threaded.ids()) - safe, 1)
    assert killed.read_bytes() == whole.read_bytes()


async def test_nothing_runs_on_after_a_cancellation_among_the_details(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Its requests end with it, its places are free, and the checkpoint stays."""
    under_way: list[int] = []

    def fetching() -> int:
        return sum(
            "aicc_async/_listing/ordered_map.py" in repr(each) for each in asyncio.all_tasks()
        )

    def cancel(state: Progress) -> None:
        if state.rows == 20:
            under_way.append(fetching())
            task.cancel()

    task = asyncio.create_task(export_details(aicc, out, on_progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (under_way[0] > aicc.api.concurrency, fetching()) == (True, 0)
    assert aicc._session._slots._value == aicc.api.concurrency
    assert count_details(tenant).total() <= 20 + ANSWERS_AHEAD * aicc.api.concurrency
    assert [entry.name for entry in out.parent.iterdir()] == [".cases.jsonl.export"]


# ---- progress, and what is shown ------------------------------------------------------------


async def test_progress_counts_rows_that_have_their_details(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Figures grow row by row, never ahead of the details, to all of the total known in advance."""
    seam = aicc.api.windows(QUARTER)[0].end
    tenant.insert_many([{"createdDate": str(seam)}] * 3)
    states: list[Progress] = []

    def show(state: Progress) -> None:
        states.append(state)
        assert (
            state.rows <= count_details(tenant).total() + 3
        )  # the plan counts these in two windows

    report = await export_details(aicc, out, on_progress=show)
    reading = [state for state in states if state.stage == "reading"]
    rows = [state.rows for state in reading]
    assert rows == sorted(rows)
    assert len(set(rows)) > 300
    assert {state.total for state in reading} == {306}
    assert (reading[0].fraction, reading[-1].fraction) == (0.0, 1.0)
    assert reading[-1].windows_done == reading[-1].windows == len(report.windows)


async def test_a_resumed_export_begins_its_progress_with_finished_rows(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """A later run begins its figures with the rows that are there."""

    def cancel(state: Progress) -> None:
        if state.windows_done == 1 and state.rows % 10 == 5:
            task.cancel()

    task = asyncio.create_task(export_details(aicc, out, on_progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    states: list[Progress] = []
    report = await export_details(aicc, out, on_progress=states.append)
    first = next(state for state in states if state.stage == "reading")
    assert first.rows == first.resumed == report.windows[0].distinct > 0
    assert (first.total, tenant.count()) == (300, 300)


async def test_contact_data_stays_in_the_rows(
    aicc: AICCClient, tenant: Emulator, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the manifest nor a log nor an error holds a piece of a detail."""
    caplog.set_level(logging.DEBUG)
    wanted = await read_details(tenant, tenant.ids()[:50])
    people = [each["customerInfo"]["customerInfo"] for each in wanted.values()]
    private = {
        *(str(person[name]) for person in people for name in ("cellPhone1", "email")),
        *(str(person["customerName"]) for person in people),
    }
    tenant.fail("get", Fault.NOT_JSON)
    with pytest.raises(DecodeError) as caught:
        await export_details(aicc, out)
    await export_details(aicc, out)
    shown = (
        out.with_name("cases.jsonl.manifest.json").read_text() + caplog.text + repr(caught.value)
    )
    assert len(private) > 20
    assert [text for text in private if text in shown] == []
    assert all(text in out.read_text() for text in private)
