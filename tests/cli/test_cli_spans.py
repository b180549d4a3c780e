"""``--since 7d``: a length of time before now, for every command that takes a beginning."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.commands import all_commands
from helpers.shell import Call, Ended

from aicc_async.cli import options
from aicc_async.cli.commands import emulator
from aicc_async.cli.options import Since
from aicc_async.emulator import Emulator, Fault

# Of the clock that the tests set, in UTC; a day later in the tenant's zone.
NOW = datetime(2025, 3, 8, 20, 0, 0, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[datetime]:
    """Set the commands' clock, which a test may move on."""

    class Clock(datetime):
        moment = NOW

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # one answer does
            return cls.moment.astimezone(tz)

    monkeypatch.setattr(options, "datetime", Clock)
    return Clock


def sent(tenant: Emulator, operation: str) -> dict[str, Any]:
    """Return the body of the last request of an operation."""
    bodies = [each.body for each in tenant.requests if each.operation == operation]
    value: dict[str, Any] = json.loads(bodies[-1])
    return value


def test_a_list_begins_so_long_before_now(tenant: Emulator, call: Call) -> None:
    """To the second, in the tenant's zone."""
    assert call("list", "--since", "7d").code == 0
    assert sent(tenant, "list")["startTime"] == "2025-03-02 04:00:00"
    assert call("list", "--since", "90m").code == 0
    assert sent(tenant, "list")["startTime"] == "2025-03-09 02:30:00"


def test_days_are_counted_in_the_tenant_s_calendar(tenant: Emulator, call: Call) -> None:
    """Its day is another one than that of UTC."""
    assert call("statistics", "report", "--since", "7d").code == 0
    assert sent(tenant, "statistics_report")["startTime"] == "2025-03-02"
    assert call("statistics", "report", "--since", "2025-01-05").code == 0
    assert sent(tenant, "statistics_report")["startTime"] == "2025-01-05"


QUARTER = ("--since", "60d", "--until", "2025-03-31")


@pytest.fixture
def unfinished(tenant: Emulator, call: Call, clock: Any, tmp_path: Path) -> None:
    """Leave an export of sixty days that ended too early, and wait for a day."""

    def fail(*_: object) -> None:
        # Once it is planned.
        if (tmp_path / ".out.jsonl.export" / "rows.jsonl").exists():
            tenant.fail("list", Fault.BUSINESS_ERROR, times=None)

    tenant.on_page(fail)
    assert call("export", "out.jsonl", *QUARTER).code == 1
    tenant.on_page(None)
    tenant.clear_faults()
    clock.moment = NOW + timedelta(days=1)


@pytest.mark.usefixtures("unfinished")
def test_an_export_resumes_where_it_began(call: Call, tmp_path: Path) -> None:
    """The same command a day later is not another query; after its end it begins anew."""
    export = ("export", "out.jsonl", *QUARTER)
    assert manifest_start(call(*export), tmp_path) == "2025-01-08 04:00:00"
    assert manifest_start(call(*export), tmp_path) == "2025-01-09 04:00:00"


@pytest.mark.usefixtures("unfinished")
def test_an_export_resumes_in_another_format(call: Call) -> None:
    """What was read is taken over, as with a date."""
    ended = call("export", "out.csv", *QUARTER)
    assert (ended.code, ended.err.count("resumes what was read of .out.jsonl.export")) == (0, 1)


@pytest.mark.usefixtures("unfinished")
def test_a_restart_begins_so_long_before_now(call: Call, tmp_path: Path) -> None:
    """It discards where the earlier run began."""
    ended = call("export", "out.jsonl", *QUARTER, "--restart")
    assert manifest_start(ended, tmp_path) == "2025-01-09 04:00:00"


@pytest.mark.usefixtures("tenant")
def test_a_folder_by_month_is_written_again(call: Call) -> None:
    """Looking for an unfinished export takes the folder for the target that it is."""
    export = ("export", "out.parquet", *QUARTER, "--partition-by", "month")
    assert call(*export).code == 0
    ended = call(*export)
    assert (ended.code, ended.err) == (0, "")


def manifest_start(ended: Ended, folder: Path) -> str:
    """Return where an export that ended well has begun."""
    assert (ended.code, ended.err) == (0, "")
    start: str = json.loads((folder / "out.jsonl.manifest.json").read_bytes())["start"]
    return start


def test_invented_cases_may_end_now() -> None:
    """An emulator of the last days has the tenant's clock; dates are as they were."""
    chosen: dict[str, Any] = {"since": timedelta(days=7), "until": None}
    emulator.freeze_range(chosen)
    now = NOW.astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None, microsecond=0)
    assert chosen == {"since": now - timedelta(days=7), "until": now}
    assert emulator.ZONE == "Asia/Shanghai"


def test_every_beginning_takes_it() -> None:
    """No command has a --since without."""
    types = {
        name: each.type
        for name, command in all_commands().items()
        for each in command.params
        if each.name == "since"
    }
    assert len(types) >= 4
    assert {name for name, kind in types.items() if not isinstance(kind, Since)} == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("999999d", "must be after the year 1, got 999999d"),
        ("9" * 30 + "d", "must be a shorter length of time"),
        ("7 d", "must be a time such as 2025-01-31"),
        ("-7d", "must be a time such as 2025-01-31"),
    ],
)
def test_what_is_no_span_of_history_is_refused(call: Call, text: str, message: str) -> None:
    """It is a usage error that says what is wrong."""
    ended = call("list", "--demo", f"--since={text}")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
