"""The export: every row once, a file only when it is whole, true figures, and going on."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from bisect import bisect_left
from collections import Counter
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from helpers.exports import QUARTER, SINCE, UNTIL, read_lines, read_sqlite
from helpers.rows_for_sinks import no_file_beyond

from aicc_async import (
    AICCClient,
    ApiError,
    AuthError,
    CaseQuery,
    ClientCredentials,
    ConfigError,
    ExportError,
    ExportReport,
    RateLimitError,
    RetryPolicy,
    ServerError,
    StaticToken,
    export_cases,
)
from aicc_async._listing import plan
from aicc_async.cli.progress import summary
from aicc_async.emulator import Emulator, Fault, Quirks
from aicc_async.emulator.http.answer import Answer
from aicc_async.emulator.operations.service import CaseService
from aicc_async.export import Progress, manifest
from aicc_async.export.report.contradictions import find_contradictions
from aicc_async.export.report.page import report_page
from aicc_async.settings.profile import Profile

pytest_plugins = ["helpers.postgres_server"]


def cancelled_at_the_first_page(aicc: AICCClient, out: Path) -> asyncio.Task[ExportReport]:
    """Start an export that is cancelled when its first rows are written."""

    def cancel(state: Progress) -> None:
        if state.rows:
            task.cancel()

    task = asyncio.create_task(export_cases(aicc, QUARTER, out, overwrite=True, on_progress=cancel))
    return task


@pytest.fixture
def busy(tenant: Emulator) -> Emulator:
    """Run a tenant that has several pages of cases more in March."""
    tenant.insert_many({"createdDate": f"2025-03-20 12:{i % 60:02}:00"} for i in range(500))
    return tenant


def folder_of(out: Path) -> list[str]:
    """List what is in a target's folder."""
    return sorted(entry.name for entry in out.parent.iterdir())


COMPLETE = ["cases.jsonl", "cases.jsonl.manifest.json"]
CHECKPOINT = ".cases.jsonl.export"


# ---- what is in the file -------------------------------------------------------------------


async def test_every_row_is_there_once_as_the_tenant_wrote_it(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Each line is, byte for byte, a row that the tenant holds, and none is missing."""
    await export_cases(aicc, QUARTER, out)
    assert sorted(read_lines(out)) == sorted(map(msgspec.json.encode, tenant.rows()))


async def test_the_oldest_window_comes_first(aicc: AICCClient, out: Path) -> None:
    """Rows of 31 days are never before rows of the 31 days before them."""
    await export_cases(aicc, QUARTER, out)
    ends = [str(window.end) for window in aicc.api.windows(QUARTER)]
    windows = [bisect_left(ends, json.loads(line)["createdDate"]) for line in read_lines(out)]
    assert windows == sorted(windows)
    assert set(windows) == {0, 1, 2}


async def test_no_query_takes_everything(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """None means all cases until now, in windows from where they begin."""
    report = await export_cases(aicc, None, out)
    assert (report.rows, report.verified) == (tenant.count(), True)
    assert len(read_lines(out)) == tenant.count()
    assert report.windows[0].start is not None
    assert "2024-11" < report.windows[0].start < "2025-01-02"


async def test_a_filter_narrows_the_file(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Only rows that match are written."""
    await export_cases(aicc, CaseQuery(priority="High"), out)
    wanted = [row["id"] for row in tenant.rows() if row["priority"] == "High"]
    assert sorted(json.loads(line)["id"] for line in read_lines(out)) == sorted(wanted)


async def test_rows_printed_over_several_lines_become_one_line_each(
    aicc: AICCClient, tenant: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that indents its JSON does not break the file's lines."""
    plain = CaseService.list

    def indented(service: CaseService, *args: Any) -> Answer:
        answer = plain(service, *args)
        answer.body = msgspec.json.format(answer.body, indent=2)
        return answer

    monkeypatch.setattr(CaseService, "list", indented)
    await export_cases(aicc, QUARTER, out)
    assert sorted(read_lines(out)) == sorted(map(msgspec.json.encode, tenant.rows()))


async def test_nothing_that_matches_makes_an_empty_file(aicc: AICCClient, out: Path) -> None:
    """An empty result is a complete one."""
    report = await export_cases(aicc, CaseQuery(title="no such title"), out)
    assert out.read_bytes() == b""
    assert (report.rows, report.size) == (0, 0)


async def test_an_open_end_is_fixed_once(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Rows dated after the beginning of the run stay out, and the last window has one end."""
    tenant.on_page(lambda emulator, _: emulator.insert(createdDate="2099-01-01 00:00:00"))
    report = await export_cases(aicc, CaseQuery(start_time=SINCE), out)
    bodies = [json.loads(call.body) for call in tenant.requests if call.operation == "list"]
    ends = {body["endTime"] for body in bodies if body.get("limit") == 100}
    assert len(ends) == len(report.windows) > 12
    assert (report.rows, report.verified) == (300, True)
    assert report.end is not None
    assert max(ends) == str(datetime.fromisoformat(report.end) + timedelta(seconds=1))
    assert report.windows[-1].verdict == "open"


async def test_times_in_an_hour_that_is_shown_twice_are_no_error(
    tenant: Emulator, out: Path
) -> None:
    """A range within the second showing of an autumn hour is exported."""
    zone = ZoneInfo("Europe/Berlin")
    moments = [datetime(2025, 10, 26, 2, minute, tzinfo=zone, fold=1) for minute in (10, 50)]
    case_id = tenant.insert(createdDate="2025-10-26 02:30:00")
    auth = StaticToken(tenant.token())
    async with AICCClient(tenant.url, auth=auth, timezone=zone) as berlin:
        query = CaseQuery(start_time=moments[0], end_time=moments[1])
        await export_cases(berlin, query, out)
    assert [json.loads(line)["id"] for line in read_lines(out)] == [case_id]


# ---- when the file appears -----------------------------------------------------------------


async def test_an_older_file_stays_until_the_new_one_is_complete(
    aicc: AICCClient, out: Path
) -> None:
    """A reader sees the old content or the new, never a mixture."""
    out.write_text("old\n")
    seen: set[str] = set()
    await export_cases(
        aicc, QUARTER, out, overwrite=True, on_progress=lambda _: seen.add(out.read_text())
    )
    assert seen == {"old\n"}
    assert len(read_lines(out)) == 300
    assert folder_of(out) == COMPLETE


@pytest.mark.parametrize("old", [[], ["cases.jsonl"]], ids=["new", "replaced"])
async def test_a_cancelled_export_resumes(aicc: AICCClient, out: Path, old: list[str]) -> None:
    """Cancellation passes through, the target is as it was, and the next run completes it."""
    for name in old:
        (out.parent / name).write_text("old\n")
    task = cancelled_at_the_first_page(aicc, out)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert folder_of(out) == [CHECKPOINT, *old]
    assert all((out.parent / name).read_text() == "old\n" for name in old)
    report = await export_cases(aicc, QUARTER, out)
    assert (report.runs, report.rows, len(read_lines(out)), folder_of(out)) == (
        2,
        300,
        300,
        COMPLETE,
    )


async def test_an_export_resumes_after_a_refusal(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """After a failure of the service, what was read is not read again."""

    def fail(emulator: Emulator, number: int) -> None:
        if number == 5:  # the plan takes four
            emulator.fail("list", Fault.BUSINESS_ERROR, times=None)

    tenant.on_page(fail)
    with pytest.raises(ApiError, match="405230099"):
        await export_cases(aicc, QUARTER, out)
    assert folder_of(out) == [CHECKPOINT]
    tenant.on_page(None)
    tenant.clear_faults()
    report = await export_cases(aicc, QUARTER, out)
    assert (report.runs, report.rows, len(read_lines(out))) == (2, 300, 300)
    assert report.requests == len(tenant.requests)


async def test_an_error_of_the_callback_passes_through(aicc: AICCClient, out: Path) -> None:
    """An OSError of on_progress is not taken for one of the file."""

    def fail(_: Progress) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await export_cases(aicc, QUARTER, out, on_progress=fail)
    assert folder_of(out) == []


async def test_rows_that_keep_moving_are_reported(
    aicc: AICCClient, busy: Emulator, out: Path
) -> None:
    """When no reading of a window agrees with itself, the report names it; the file is there."""
    busy.on_page(lambda emulator, _: emulator.insert(createdDate="2025-03-30 12:00:00"))
    report = await export_cases(aicc, QUARTER, out)
    assert not report.verified
    assert report.unverified
    for window in report.unverified:
        assert str(window.start) <= "2025-03-30 12:00:00" <= str(window.end)
        assert "the total went from" in window.reason
    assert len(read_lines(out)) == report.rows >= 800
    assert manifest.load(out.with_name("cases.jsonl.manifest.json")) == report


async def test_a_window_that_settles_is_repaired(
    aicc: AICCClient, busy: Emulator, out: Path
) -> None:
    """A window that agrees at its second reading says so, and holds what that reading brought."""

    def insert_once(emulator: Emulator, number: int) -> None:
        if number == 9:
            emulator.insert(createdDate="2025-03-30 12:00:00")

    busy.on_page(insert_once)
    report = await export_cases(aicc, QUARTER, out)
    assert sorted(window.verdict for window in report.windows) == ["repaired", *["verified"] * 2]
    assert report.verified
    assert sorted(read_lines(out)) == sorted(map(msgspec.json.encode, busy.rows()))


async def test_crowded_windows_are_halved(
    aicc: AICCClient, busy: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No window has more rows than an offset is trusted for, unless it is as short as it gets."""
    monkeypatch.setattr(plan, "MAX_ROWS_PER_WINDOW", 50)
    busy.insert_many([{"createdDate": "2025-02-10 10:00:00"}] * 130)
    report = await export_cases(aicc, QUARTER, out)
    crowded = [window for window in report.windows if window.distinct > 50]
    assert {(window.distinct, window.verdict) for window in crowded} == {(130, "verified")}
    assert (report.rows, report.verified) == (930, True)
    assert sorted(read_lines(out)) == sorted(map(msgspec.json.encode, busy.rows()))


async def test_joined_windows_are_no_longer_than_the_tenant_takes(
    aicc: AICCClient, busy: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is halved and put together again keeps to a span that is counted in dates."""
    busy.quirks = Quirks(span="dates")
    busy.insert_many([{"createdDate": "2025-01-30 18:00:00"}] * 170)  # shortly before a cut
    monkeypatch.setattr(plan, "MAX_ROWS_PER_WINDOW", 160)
    auth, profile = StaticToken(busy.token()), Profile(span="dates")
    async with AICCClient(busy.url, auth=auth, profile=profile) as client:
        noon = SINCE + timedelta(hours=12)
        report = await export_cases(client, CaseQuery(start_time=noon, end_time=UNTIL), out)
    assert (report.rows, report.verified) == (len(busy.ids(str(noon), None)), True)
    assert aicc.api.span - client.api.span == timedelta(days=1)


# ---- another run -------------------------------------------------------------------------------


async def test_an_unfinished_export_of_something_else_is_refused(
    aicc: AICCClient, out: Path
) -> None:
    """It is neither resumed nor discarded, unless a restart says so."""
    task = cancelled_at_the_first_page(aicc, out)
    with pytest.raises(asyncio.CancelledError):
        await task
    query = CaseQuery(start_time=SINCE, end_time=UNTIL, contact_phone="+12025550143")
    with pytest.raises(ConfigError, match="unfinished export of another query") as caught:
        await export_cases(aicc, query, out)
    assert "2025550143" not in str(caught.value)
    report = await export_cases(aicc, query, out, restart=True)
    assert (report.runs, report.query["contactPhone"]) == (1, "(hidden)")


async def test_two_runs_of_one_export_do_not_mix(aicc: AICCClient, out: Path) -> None:
    """The second is refused while the first runs, which is not disturbed."""
    found = await asyncio.gather(
        *(export_cases(aicc, QUARTER, out) for _ in range(2)), return_exceptions=True
    )
    [refused] = [error for error in found if isinstance(error, BaseException)]
    assert isinstance(refused, ConfigError)
    assert "another run of this export uses it" in str(refused)
    assert len(read_lines(out)) == 300
    assert folder_of(out) == COMPLETE


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "db"])
async def test_the_same_command_every_night(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, suffix: str
) -> None:
    """A run since the last one adds what is new; a table also takes what changed."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"cases.{suffix}"
    until = datetime.now() - timedelta(hours=1)  # noqa: DTZ005  (wall-clock times)
    moments = [until - timedelta(minutes=minutes) for minutes in (90, 60, 30)]
    first = CaseQuery(end_time=until - timedelta(minutes=45))
    tenant.insert_many({"createdDate": f"{moment:%Y-%m-%d %H:%M:%S}"} for moment in moments)

    async def run(query: CaseQuery) -> ExportReport:
        return await export_cases(aicc, query, out, since_last=timedelta(hours=1))

    reports = [await run(first)]
    not_seen = pytest.warns(RuntimeWarning, match="changes of older ones are not seen")
    for query in (CaseQuery(end_time=until), CaseQuery()):
        with nullcontext() if suffix == "db" else not_seen:
            reports.append(await run(query))
    assert [report.verified for report in reports] == [True] * 3
    assert reports[0].rows == reports[0].added == 302
    # The look-back holds some again; in a table from its newest row, which is before the end.
    assert [report.rows for report in reports[1:]] == [3, 3 if suffix == "db" else 2]
    if suffix != "db":
        assert [report.added for report in reports[1:]] == [1, 0]
    # The last manifest has the proof of all nights.
    assert [report.in_target for report in reports] == [302, 303, 303]
    saved = manifest.load(manifest.manifest_path(out))
    assert saved
    assert saved == reports[-1]
    assert sum(window.distinct for run in saved.earlier for window in run.windows) >= 300
    proof = "<h2>Proven complete, but for what is still open</h2>"
    assert all(words in report_page(saved) for words in (proof, "<dd>303</dd>"))
    assert find_contradictions(saved) == []
    oldest = saved.earlier[0]
    cut = attrs.evolve(oldest, windows=(*oldest.windows[:1], *oldest.windows[2:]))
    [gap] = find_contradictions(attrs.evolve(saved, earlier=(cut, *saved.earlier[1:])))
    assert gap.startswith("No window covers what follows 20")
    assert f" cases read, {saved.added} written, 303 in the target, in " in summary(saved)
    assert folder_of(out) == [out.name, f"{out.name}.manifest.json"]


async def test_another_query_is_not_continued(aicc: AICCClient, out: Path) -> None:
    """A file of urgent cases is not filled up with others, nor is one of another zone."""
    urgent = CaseQuery(start_time=SINCE, end_time=UNTIL, priority="High")
    await export_cases(aicc, urgent, out)
    with pytest.raises(
        ConfigError, match=r"cannot continue cases\.jsonl: its last run had another query or zone"
    ):
        await export_cases(aicc, CaseQuery(end_time=UNTIL), out, since_last=timedelta(days=1))
    assert folder_of(out) == COMPLETE


@pytest.mark.parametrize("end", ["soon", "2025-03-31T00:00:00Z"])
async def test_a_last_run_without_a_usable_end_is_not_continued(
    aicc: AICCClient, out: Path, end: str
) -> None:
    """A manifest that somebody edited is refused, not guessed at."""
    report = await export_cases(aicc, QUARTER, out)
    windows = [attrs.evolve(window, verdict="open") for window in report.windows]
    edited = attrs.evolve(report, end=end, windows=tuple(windows))
    manifest.save(edited, manifest.manifest_path(out))
    with pytest.raises(ConfigError, match=r"manifest\.json must have times as YYYY-MM-DD HH:MM:SS"):
        await export_cases(aicc, CaseQuery(end_time=UNTIL), out, since_last=timedelta(days=1))


@pytest.mark.parametrize("fault", [Fault.HTTP_503, Fault.TOKEN_EXPIRED_401, Fault.THROTTLED])
async def test_a_failure_while_planning_is_no_answer(
    aicc: AICCClient, tenant: Emulator, out: Path, fault: Fault
) -> None:
    """A service in trouble is not taken for one that counts no range without an end."""
    tenant.retry_after = "86400"  # too long to be waited for
    hurried = RetryPolicy(base=0.001, patience=0.0)
    aicc._session._endpoint = attrs.evolve(aicc._session._endpoint, retry=hurried)
    tenant.fail("list", fault, times=None)
    with pytest.raises((ServerError, AuthError, RateLimitError)):
        await export_cases(aicc, None, out)
    assert folder_of(out) == []


async def test_rows_without_a_date_are_missed_by_every_window_and_reported(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """A count of the whole range finds what no window can hold."""
    report = await export_cases(aicc, CaseQuery(end_time=UNTIL), out)
    assert report.whole is not None
    assert (report.whole.announced, report.whole.agrees) == (300, True)
    tenant.insert(createdDate="1970-01-01 00:00:00")  # before any time that is looked at
    report = await export_cases(aicc, CaseQuery(end_time=UNTIL), out)
    assert report.whole is not None
    assert (report.whole.announced, report.whole.agrees, report.verified) == (301, False, False)


def folder(tmp_path: Path) -> Path:
    """Name a target that is a folder."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def below_a_file(tmp_path: Path) -> Path:
    """Name a target below something that is not a folder."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "cases.jsonl"


def pipe(tmp_path: Path) -> Path:
    """Name a target that is a named pipe."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize(
    "make",
    [
        folder,
        below_a_file,
        pipe,
        lambda tmp_path: tmp_path / "missing" / "cases.jsonl",
        lambda tmp_path: tmp_path / ("x" * 250 + ".jsonl"),
        lambda _: Path(os.devnull),
        lambda _: Path("/"),
        lambda _: "",
    ],
    ids=["folder", "below a file", "pipe", "missing", "long", "device", "root", "empty"],
)
async def test_a_target_that_cannot_be_created_is_refused_before_any_request(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, make: Any
) -> None:
    """ConfigError says so, nothing was sent to the service, and nothing is left behind."""
    target = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    says = (
        r"^path must be a file, got |^target must be in a folder that can be written to, got "
        "|^cannot use .+: File name too long$"
    )
    with pytest.raises(ConfigError, match=says):
        await export_cases(aicc, QUARTER, target, format="jsonl")
    assert sorted(tmp_path.rglob("*")) == before
    assert tenant.requests == []
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("size", [50_000, 150_000], ids=["while reading", "while writing"])
async def test_an_export_resumes_after_a_full_disk(aicc: AICCClient, out: Path, size: int) -> None:
    """ExportError says how to resume; an older file of that name stays until then."""
    out.write_text("old\n")
    with (
        no_file_beyond(size),
        pytest.raises(ExportError, match=r"^cannot read or write ") as caught,
    ):
        await export_cases(aicc, CaseQuery(start_time=SINCE, end_time=UNTIL), out, overwrite=True)
    assert "run the same" in caught.value.resume
    assert folder_of(out) == [CHECKPOINT, "cases.jsonl"]
    assert out.read_text() == "old\n"
    report = await export_cases(aicc, QUARTER, out)
    assert (report.rows, len(read_lines(out)), folder_of(out)) == (300, 300, COMPLETE)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
async def test_the_file_s_permissions_follow_the_umask(
    aicc: AICCClient, out: Path, umask: int, mode: int
) -> None:
    """The file is as private as any other that the user makes."""
    before = os.umask(umask)
    try:
        await export_cases(aicc, CaseQuery(priority="High"), out)
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.csv", "cases.db"])
async def test_a_file_that_was_made_private_stays_private(
    aicc: AICCClient, tmp_path: Path, name: str
) -> None:
    """A later run keeps the mode that somebody gave to the target and its manifest."""
    out = tmp_path / name
    await export_cases(aicc, CaseQuery(priority="High"), out)
    for mode in (0o600, 0o640):
        for path in (out, manifest.manifest_path(out)):
            path.chmod(mode)
        await export_cases(aicc, CaseQuery(priority="High"), out)
        found = [path.stat().st_mode & 0o777 for path in (out, manifest.manifest_path(out))]
        assert found == [mode, mode]


async def test_what_an_unfinished_export_has_on_disk_is_private(
    aicc: AICCClient, out: Path
) -> None:
    """The rows hold contact data, and nobody chose a mode for the hidden folder."""
    with pytest.raises(asyncio.CancelledError):
        await cancelled_at_the_first_page(aicc, out)
    folder = out.parent / CHECKPOINT
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {CHECKPOINT: 0o700, "rows.jsonl": 0o600, "state.db": 0o600}


async def test_a_link_stays_a_link(aicc: AICCClient, out: Path, tmp_path: Path) -> None:
    """The file that a link names is replaced, not the link."""
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to(tmp_path / "elsewhere" / "real.jsonl")
    await export_cases(aicc, QUARTER, out)
    assert out.is_symlink()
    assert len(read_lines(tmp_path / "elsewhere" / "real.jsonl")) == 300


# ---- figures -------------------------------------------------------------------------------


async def test_the_report_agrees_with_file_and_tenant(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Rows, windows, bytes and requests are what the file and the tenant saw."""
    report = await export_cases(aicc, QUARTER, str(out))
    assert (report.target, report.format, report.rows) == ("cases.jsonl", "jsonl", 300)
    assert [window.verdict for window in report.windows] == ["verified"] * 3
    assert sum(window.distinct for window in report.windows) == 300
    assert report.size == out.stat().st_size
    assert report.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert report.days == Counter(sorted(row["createdDate"][:10] for row in tenant.rows()))
    assert (report.start, report.end) == ("2025-01-01 00:00:00", "2025-04-01 00:00:00")
    assert report.requests == len(tenant.requests)
    assert (report.retries, report.throttled) == (0, 0)
    assert 0 < report.seconds < 5


async def test_the_report_counts_its_own_run_only(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """What the client did before is not in the figures; retries and throttles are."""
    await export_cases(aicc, QUARTER, out)
    before = len(tenant.requests)
    tenant.retry_after = None
    tenant.fail("list", Fault.THROTTLED)
    tenant.fail("list", Fault.HTTP_503)
    report = await export_cases(aicc, QUARTER, out)
    assert report.requests == len(tenant.requests) - before
    assert (report.retries, report.throttled) == (2, 1)


async def test_progress_knows_the_total_in_advance(
    aicc: AICCClient, busy: Emulator, out: Path
) -> None:
    """Once all is planned the total is known, and figures grow page by page to all of it."""
    states: list[Progress] = []
    report = await export_cases(aicc, QUARTER, out, on_progress=states.append)
    reading = [state for state in states if state.stage == "reading"]
    assert states[0].stage == "planning"
    assert {state.total for state in reading} == {800}
    assert [state.rows for state in reading] == sorted(state.rows for state in reading)
    assert (reading[0].fraction, reading[-1].fraction) == (0.0, 1.0)
    assert (reading[-1].windows_done, reading[-1].windows) == (3, 3)
    assert reading[-1].rows == report.rows == busy.count() == len(read_lines(out))


async def test_progress_counts_throttles(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """A refusal for haste shows in the figures."""
    tenant.retry_after = None
    tenant.fail("list", Fault.THROTTLED)
    states: list[Progress] = []
    await export_cases(aicc, QUARTER, out, on_progress=states.append)
    assert states[-1].throttled == 1


# ---- one table, one query, one zone ----------------------------------------------------------


async def test_a_table_of_another_zone_or_query_is_refused_unless_replaced(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path
) -> None:
    """Rows of two zones, or of two queries, are never mixed without a word."""
    out = tmp_path / "cases.db"
    await export_cases(aicc, QUARTER, out)
    high = attrs.evolve(QUARTER, priority="High")
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(tenant.url, auth=auth, timezone="UTC") as other:
        for client, query in ((aicc, high), (other, QUARTER)):
            with pytest.raises(ConfigError, match=r"cannot add to cases\.db: .* --replace"):
                await export_cases(client, query, out)
    # The same query over another range is the same table.
    assert (await export_cases(aicc, None, out)).added == 0
    report = await export_cases(aicc, high, out, replace=True)
    assert 0 < report.added == report.rows == len(read_sqlite(out)) < 300
    assert (await export_cases(aicc, high, out)).added == 0


@pytest.fixture(params=["cases.db", ""])
def table(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> str:
    """Name a table whose manifest is in the working directory."""
    monkeypatch.chdir(tmp_path)
    return str(request.param) or postgres_url


async def test_a_table_of_unknown_rows_is_refused_unless_replaced(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, table: str
) -> None:
    """Without a manifest nobody knows the zone and the query of the rows that are there."""
    await export_cases(aicc, QUARTER, table)
    [path] = tmp_path.glob("*.manifest.json")
    content = path.read_bytes()
    path.unlink()
    requests = len(tenant.requests)
    for since_last in (None, timedelta(days=1)):
        with pytest.raises(ConfigError, match=r"has rows and no manifest \(.*\), .* --replace"):
            await export_cases(aicc, QUARTER, table, since_last=since_last)
    assert len(tenant.requests) == requests
    assert list(tmp_path.glob(".*.export")) == []
    path.write_bytes(content)
    assert (await export_cases(aicc, QUARTER, table)).added == 0
    path.unlink()
    assert (await export_cases(aicc, QUARTER, table, replace=True)).added == 300


async def test_a_replacement_of_nothing_is_refused(aicc: AICCClient, out: Path) -> None:
    """A file is always replaced, and what continues a table cannot replace it."""
    with pytest.raises(ConfigError, match="replace cannot be combined with the format jsonl"):
        await export_cases(aicc, QUARTER, out, replace=True)
    with pytest.raises(ConfigError, match="replace cannot be combined with since_last"):
        await export_cases(aicc, None, "x.db", replace=True, since_last=timedelta(days=1))
