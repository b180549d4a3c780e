"""``export --dry-run``: four lines, and no file."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shell import Call

from aicc_async.emulator import Emulator

SINCE = "--since", "2025-01-01", "--until", "2025-03-31"


def test_it_prints_what_the_export_would_take(call: Call, tenant: Emulator, tmp_path: Path) -> None:
    """Rows, windows, requests, time and size; nothing is written, not even a checkpoint."""
    ended = call("export", "cases.csv", *SINCE, "--rate", "50", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    first, requests, time, size = ended.out.splitlines()
    span = "2025-01-01 00:00:00 to 2025-03-31 23:59:59"
    assert first == f"cases.csv: 300 cases in 3 windows, {span}"
    assert requests == f"requests: 6, of which {len(tenant.requests)} were sent for this plan"
    assert time == "time: 0:00:00 at 50 requests in 1 s"
    assert size == "size: about 0.2 MB as JSON lines"
    assert list(tmp_path.iterdir()) == []


def test_without_a_rate_the_time_is_not_known(call: Call, empty_tenant: Emulator) -> None:
    """An empty tenant has nothing to write."""
    ended = call("export", "cases.csv", *SINCE, "--dry-run")
    assert ended.code == 0
    assert "time: as long as the service takes: there is no rate limit" in ended.out
    assert "size: nothing as JSON lines" in ended.out
    assert not any(request.applied for request in empty_tenant.requests)


def test_since_last_is_refused(call: Call, tenant: Emulator) -> None:
    """Where the last run ended is known of a target, at which a plan does not look."""
    ended = call("export", "cases.csv", "--since", "last", "--dry-run")
    assert ended.code == 2
    assert "--dry-run cannot be combined with --since last" in ended.err
    assert not tenant.requests


@pytest.mark.parametrize(("out", "code"), [("cases.xyz", 2), ("-", 0), ("cases.db", 0)])
def test_the_name_is_checked(
    call: Call, empty_tenant: Emulator, tmp_path: Path, out: str, code: int
) -> None:
    """What an export refuses is refused before anything is sent; what it takes is not made."""
    assert call("export", out, *SINCE, "--dry-run").code == code
    assert bool(empty_tenant.requests) == (code == 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "options", "field"),
    [
        ("cases.jsonl", ("--partition-by", "day"), "partition_by"),
        ("cases.jsonl", ("--column", "AICC__score__CST:int"), "columns"),
        ("cases.db", ("--column", "AICC__score__CST:number"), "columns"),
        ("cases.csv", ("--mark-deleted",), "mark_deleted"),
        ("cases.db", ("--mark-deleted", "--filter", "priority=High"), "mark_deleted"),
        ("-", ("--partition-by", "day", "--format", "parquet"), "--partition-by"),
        ("-", ("--column", "AICC__score__CST:int"), "columns"),
        ("-", ("--format", "sqlite"), "--format"),
        ("cases.csv", ("--manifest", "other.json"), "--manifest"),
    ],
)
def test_what_the_export_refuses_is_refused(
    call: Call, tenant: Emulator, out: str, options: tuple[str, ...], field: str
) -> None:
    """A plan of an export that would end with exit code 2 is no plan."""
    ended = call("export", out, *SINCE, "--dry-run", *options)
    assert ended.code == 2
    assert f"ConfigError: {field} " in ended.err
    assert not tenant.requests


@pytest.mark.usefixtures("tenant")
def test_a_folder_that_is_there_can_be_planned(call: Call) -> None:
    """A target by month is a folder, which a run replaces."""
    export = "export", "cases.parquet", *SINCE, "--partition-by", "month"
    assert call(*export).code == 0
    ended = call(*export, "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("cases.parquet: 300 cases")


@pytest.mark.usefixtures("tenant")
def test_no_password_is_printed(call: Call) -> None:
    """The target is printed as a report names it."""
    ended = call("export", "postgresql://reader:hidden-word@localhost/history", *SINCE, "--dry-run")
    assert ended.code == 0
    assert ended.out.startswith("postgresql://")
    assert "hidden-word" not in ended.out + ended.err


@pytest.mark.usefixtures("tenant")
def test_what_deletions_cost_is_said_to_be_left_out(call: Call) -> None:
    """How many cases are missing is known when all are read."""
    ended = call("export", "cases.db", *SINCE, "--dry-run", "--mark-deleted")
    assert ended.code == 0
    assert "not counted: a request for each case that --mark-deleted" in ended.out
