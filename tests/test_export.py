"""The export: every row once, a file only when it is whole, true figures."""
# ruff: noqa: ASYNC240  (the files are small, and on this machine)

from __future__ import annotations

import asyncio
import json
import os
import resource
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ApiError,
    CaseQuery,
    ConfigError,
    ExportError,
    ExportReport,
    StaticToken,
    export_cases,
)
from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.answer import Answer
from aicc_async.emulator.service import CaseService
from aicc_async.export import Progress, jsonl
from aicc_async.export.jsonl import json_lines
from aicc_async.export.run import _advance
from aicc_async.paging import Batch
from aicc_async.windows import Window

SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
QUARTER = CaseQuery(start_time=SINCE, end_time=UNTIL)


def lines(path: Path) -> list[bytes]:
    """Read a file's lines, the last of which must be ended too."""
    *whole, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return whole


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write more into any file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def cancelled_at_the_first_page(aicc: AICCClient, out: Path) -> asyncio.Task[ExportReport]:
    """Begin an export that is cancelled when its first rows are written."""

    def cancel(_: Progress) -> None:
        task.cancel()

    task = asyncio.create_task(export_cases(aicc, QUARTER, out, on_progress=cancel))
    return task


@pytest.fixture
def busy(tenant: Emulator) -> Emulator:
    """Give March several pages of cases more."""
    tenant.insert_many({"createdDate": f"2025-03-20 12:{i % 60:02}:00"} for i in range(500))
    return tenant


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Give a file's path in an empty folder."""
    return tmp_path / "cases.jsonl"


def left(out: Path) -> list[str]:
    """List what is in the folder."""
    return sorted(entry.name for entry in out.parent.iterdir())


# ---- what is in the file -------------------------------------------------------------------


async def test_every_row_stands_once_as_the_tenant_wrote_it(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """Each line is, byte for byte, a row that the tenant holds, and none is missing."""
    await export_cases(aicc, QUARTER, out)
    assert sorted(lines(out)) == sorted(map(msgspec.json.encode, tenant.rows()))


async def test_the_oldest_window_comes_first(aicc: AICCClient, out: Path) -> None:
    """Rows of 31 days are never before rows of the 31 days before them."""
    await export_cases(aicc, QUARTER, out)
    ends = [str(window.end) for window in aicc.windows(QUARTER)]
    windows = [bisect_left(ends, json.loads(line)["createdDate"]) for line in lines(out)]
    assert windows == sorted(windows)
    assert set(windows) == {0, 1, 2}


async def test_no_query_takes_everything(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """None means all cases of all time, in one window."""
    report = await export_cases(aicc, None, out)
    assert (report.rows, report.windows) == (tenant.count(), 1)
    assert len(lines(out)) == tenant.count()


async def test_a_filter_narrows_the_file(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Only rows that match are written."""
    await export_cases(aicc, CaseQuery(priority="High"), out)
    wanted = [row["id"] for row in tenant.rows() if row["priority"] == "High"]
    assert sorted(json.loads(line)["id"] for line in lines(out)) == sorted(wanted)


async def test_rows_printed_over_several_lines_become_one_line_each(
    aicc: AICCClient, tenant: Emulator, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that indents its JSON does not break the file's lines."""
    plain = CaseService.list

    def indented(service: CaseService, body: bytes) -> Answer:
        answer = plain(service, body)
        answer.body = msgspec.json.format(answer.body, indent=2)
        return answer

    monkeypatch.setattr(CaseService, "list", indented)
    await export_cases(aicc, QUARTER, out)
    assert sorted(lines(out)) == sorted(map(msgspec.json.encode, tenant.rows()))


async def test_nothing_that_matches_makes_an_empty_file(aicc: AICCClient, out: Path) -> None:
    """An empty result is a whole one."""
    report = await export_cases(aicc, CaseQuery(title="no such title"), out)
    assert out.read_bytes() == b""
    assert (report.rows, report.size) == (0, 0)


async def test_an_open_end_is_fixed_once(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Rows dated after the beginning of the run stay out, and the last window has one end."""
    tenant.on_page(lambda emulator, _: emulator.insert(createdDate="2099-01-01 00:00:00"))
    report = await export_cases(aicc, CaseQuery(start_time=SINCE), out)
    bodies = [json.loads(call.body) for call in tenant.requests if call.operation == "list"]
    ranges = {(body["startTime"], body["endTime"]) for body in bodies}
    assert len(ranges) == report.windows > 12
    assert report.rows == 300
    assert max(ranges)[1] < "2099"


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
    assert [json.loads(line)["id"] for line in lines(out)] == [case_id]


# ---- when the file appears -----------------------------------------------------------------


async def test_an_older_file_stays_until_the_new_one_is_whole(aicc: AICCClient, out: Path) -> None:
    """A reader sees the old content or the new, never a mixture."""
    out.write_text("old\n")
    seen: set[str] = set()
    await export_cases(aicc, QUARTER, out, on_progress=lambda _: seen.add(out.read_text()))
    assert seen == {"old\n"}
    assert len(lines(out)) == 300
    assert left(out) == ["cases.jsonl"]


@pytest.mark.parametrize("old", [[], ["cases.jsonl"]], ids=["new", "replaced"])
async def test_cancelled_in_the_middle_it_leaves_nothing(
    aicc: AICCClient, out: Path, old: list[str]
) -> None:
    """Cancellation passes through, and the folder is as it was."""
    for name in old:
        (out.parent / name).write_text("old\n")
    task = cancelled_at_the_first_page(aicc, out)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(out) == old
    assert all((out.parent / name).read_text() == "old\n" for name in old)


async def test_a_refusal_in_the_middle_leaves_nothing(
    aicc: AICCClient, tenant: Emulator, out: Path
) -> None:
    """A failure of the service passes through, and the folder is as it was."""
    tenant.on_page(lambda emulator, _: emulator.fail("list", Fault.BUSINESS_ERROR, times=None))
    with pytest.raises(ApiError, match="405230099"):
        await export_cases(aicc, QUARTER, out)
    assert left(out) == []


async def test_an_error_of_the_callback_is_nobody_elses(aicc: AICCClient, out: Path) -> None:
    """An OSError of on_progress is not taken for one of the file."""

    def fail(_: Progress) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await export_cases(aicc, QUARTER, out, on_progress=fail)
    assert left(out) == []


async def test_rows_that_keep_moving_leave_nothing(
    aicc: AICCClient, busy: Emulator, out: Path
) -> None:
    """When no reading of a window agrees with itself, ExportError names the window."""
    busy.on_page(lambda emulator, _: emulator.insert(createdDate="2025-03-30 12:00:00"))
    with pytest.raises(ExportError, match="kept moving") as caught:
        await export_cases(aicc, QUARTER, out)
    assert str(caught.value.window).endswith(" to 2025-04-01 00:00:00")
    assert left(out) == []


def folder(tmp_path: Path) -> Path:
    """Give a target that is a folder."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def below_a_file(tmp_path: Path) -> Path:
    """Give a target below something that is no folder."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "cases.jsonl"


def pipe(tmp_path: Path) -> Path:
    """Give a target that is a named pipe."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize(
    "make",
    [
        folder,
        below_a_file,
        pipe,
        lambda tmp_path: tmp_path / "missing" / "cases.jsonl",
        lambda tmp_path: tmp_path / ("x" * 255),
        lambda _: Path(os.devnull),
        lambda _: Path("/"),
        lambda _: "",
    ],
    ids=["folder", "below a file", "pipe", "missing", "long", "device", "root", "empty"],
)
async def test_a_target_that_cannot_be_made_is_refused_before_any_request(
    aicc: AICCClient, tenant: Emulator, tmp_path: Path, make: Any
) -> None:
    """ConfigError says so, nothing was asked of the service, and nothing is left behind."""
    target = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"^path: "):
        await export_cases(aicc, QUARTER, target)
    assert sorted(tmp_path.rglob("*")) == before
    assert tenant.requests == []
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("buffer", [4096, jsonl.BUFFER], ids=["while writing", "at the end"])
async def test_a_full_disk_leaves_nothing(
    aicc: AICCClient, out: Path, monkeypatch: pytest.MonkeyPatch, buffer: int
) -> None:
    """ExportError names the file; an older one of that name stays."""
    monkeypatch.setattr(jsonl, "BUFFER", buffer)
    out.write_text("old\n")
    with largest_file(50_000), pytest.raises(ExportError, match=r"cases\.jsonl: it can't be"):
        await export_cases(aicc, QUARTER, out)
    assert left(out) == ["cases.jsonl"]
    assert out.read_text() == "old\n"


async def test_a_full_disk_does_not_hide_a_cancellation(aicc: AICCClient, out: Path) -> None:
    """What can't be written any more when the task is cancelled is not an error."""
    task = cancelled_at_the_first_page(aicc, out)
    with largest_file(100), pytest.raises(asyncio.CancelledError):
        await task
    assert left(out) == []


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


async def test_a_link_stays_a_link(aicc: AICCClient, out: Path, tmp_path: Path) -> None:
    """The file that a link names is replaced, not the link."""
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to(tmp_path / "elsewhere" / "real.jsonl")
    await export_cases(aicc, QUARTER, out)
    assert out.is_symlink()
    assert len(lines(tmp_path / "elsewhere" / "real.jsonl")) == 300


async def test_two_exports_into_one_file_do_not_disturb_each_other(
    aicc: AICCClient, out: Path
) -> None:
    """Each writes under a name of its own; the last one stays, whole."""
    await asyncio.gather(*(export_cases(aicc, QUARTER, out) for _ in range(2)))
    assert len(lines(out)) == 300
    assert left(out) == ["cases.jsonl"]


# ---- figures -------------------------------------------------------------------------------


async def test_the_report_tells_the_truth(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """Rows, windows, bytes and requests are what the file and the tenant saw."""
    report = await export_cases(aicc, QUARTER, str(out))
    assert (report.path, report.rows, report.windows) == (out, 300, 3)
    assert report.size == out.stat().st_size
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


async def test_progress_only_ever_goes_forward(aicc: AICCClient, busy: Emulator, out: Path) -> None:
    """Figures grow page by page, also while the total does, and end at all of it."""

    def insert(emulator: Emulator, number: int) -> None:
        if number < 8:
            emulator.insert_many([{"createdDate": "2025-03-30 12:00:00"}] * 30)

    busy.on_page(insert)
    states: list[Progress] = []
    report = await export_cases(aicc, QUARTER, out, on_progress=states.append)
    assert [state.rows for state in states] == sorted(state.rows for state in states)
    assert [state.fraction for state in states] == sorted(state.fraction for state in states)
    assert len({state.announced for state in states}) > 3
    last = states[-1]
    assert (last.fraction, last.windows_done, last.windows) == (1.0, 3, 3)
    assert last.rows == report.rows == busy.count() == len(lines(out))


async def test_progress_tells_throttles(aicc: AICCClient, tenant: Emulator, out: Path) -> None:
    """A refusal for haste shows in the figures."""
    tenant.retry_after = None
    tenant.fail("list", Fault.THROTTLED)
    states: list[Progress] = []
    await export_cases(aicc, QUARTER, out, on_progress=states.append)
    assert states[-1].throttled == 1


# ---- properties ----------------------------------------------------------------------------

ROW = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))
PAGES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 300), st.booleans()), max_size=30)


@given(st.lists(st.lists(ROW, min_size=1), max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_rows_whatever_the_batches(
    tmp_path: Path, batches: Sequence[Sequence[bytes]]
) -> None:
    """Every row of every batch is one line, in order, and the size is the file's."""
    path = tmp_path / "rows.jsonl"
    with json_lines(path) as file:
        for batch in batches:
            file.write(batch)
    assert lines(path) == [row for batch in batches for row in batch]
    assert file.size == path.stat().st_size


@given(PAGES)
def test_fraction_stays_within_bounds_and_never_falls(pages: list[tuple[int, int, bool]]) -> None:
    """Whatever the service announces, 0 <= fraction <= 1, and it only grows."""
    done = 0
    states = [Progress(windows=1 + sum(last for *_, last in pages))]
    for rows, announced, last in pages:
        done += last
        batch = Batch([b""] * (0 if last else rows), Window(), announced, done)
        states.append(_advance(states[-1], batch, 0))
    fractions = [state.fraction for state in states]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1


@given(PAGES)
def test_progress_counts_every_row(pages: list[tuple[int, int, bool]]) -> None:
    """The rows of all batches together are the rows told."""
    batches = [Batch([b""] * rows, Window(), announced, 0) for rows, announced, _ in pages]
    end = reduce(lambda state, batch: _advance(state, batch, 7), batches, Progress(windows=1))
    assert end.rows == sum(rows for rows, *_ in pages)
    assert end.throttled == (7 if pages else 0)
