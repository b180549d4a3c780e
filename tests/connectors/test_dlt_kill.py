"""What a load leaves in the pipeline's folder when its process is killed, and who may be there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from helpers.list_requests import list_bodies
from helpers.processes import wait_until

from aicc_async import CaseQuery, ConfigError
from aicc_async.emulator import Emulator, Latency, run_in_thread
from aicc_async.journal.owner import lock_file

pytest.importorskip("dlt", reason="dlt is missing: pip install 'aicc-async[dlt]'")

from dlt.pipeline.exceptions import PipelineStepFailed
from helpers.dlt_source import cause, run, source, stored, titles

pytest_plugins = ["helpers.dlt_pipeline"]
pytestmark = [
    pytest.mark.usefixtures("alone"),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]

SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001  (wall-clock times)
QUARTER = CaseQuery(start_time=SINCE, end_time=UNTIL)
FIRST_WINDOW, LAST_WINDOW = "2024-12-31 23:59:59", "2025-03-03 23:59:57"
# In a process of its own: a load that may kill itself when dlt gets the first rows.
LOAD = """
import os, sys
from datetime import datetime
import dlt
from aicc_async import CaseQuery
from aicc_async.connectors.dlt import aicc_cases

folder, url, client_id, client_secret, ending = sys.argv[1:]
pipeline = dlt.pipeline(
    "cases",
    destination=dlt.destinations.duckdb(folder + "/cases.duckdb"),
    dataset_name="d",
    pipelines_dir=folder + "/dlt",
)
quarter = CaseQuery(start_time=datetime(2025, 1, 1), end_time=datetime(2025, 4, 1))
who = {"client_id": client_id, "client_secret": client_secret}
cases = aicc_cases(url, query=quarter, max_concurrency=1, **who)
if ending == "kill":
    cases.cases.add_map(lambda table: os.kill(os.getpid(), 9))
pipeline.run(cases)
"""


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run a tenant with 1,500 cases of January to March 2025."""
    with run_in_thread(cases=1500, since=SINCE, until=UNTIL) as emulator:
        yield emulator


def start(tenant: Emulator, folder: Path, ending: str) -> subprocess.Popen[str]:
    """Start a load in a process of its own."""
    arguments = [str(folder), tenant.url, tenant.client_id, tenant.client_secret, ending]
    return subprocess.Popen([sys.executable, "-c", LOAD, *arguments], text=True)  # noqa: S603


def left(folder: Path) -> list[Path]:
    """Return what loads have left of their own in a pipeline's folder."""
    return list(folder.rglob("aicc-*"))


def test_a_load_that_was_killed_while_reading_is_resumed(
    tenant: Emulator, pipeline: Any, tmp_path: Path
) -> None:
    """The next run asks for the windows that are missing, and leaves nothing of the first one."""
    # So that the last window is not read yet when the first one is finished.
    tenant.latency = Latency(0.05)  # seconds
    with start(tenant, tmp_path, "run") as child:
        try:
            wait_until(lambda: list(tmp_path.rglob("state.db-wal")))
            [notes] = tmp_path.rglob("state.db-wal")
            wait_until(lambda: b'"verified"' in notes.read_bytes())
        finally:
            child.send_signal(signal.SIGKILL)
    assert left(tmp_path)
    tenant.latency = None
    tenant.requests.clear()
    run(pipeline, source(tenant, query=QUARTER))
    starts = {body["startTime"] for body in list_bodies(tenant)}
    assert LAST_WINDOW in starts
    assert FIRST_WINDOW not in starts
    assert titles(pipeline) == stored(tenant)
    assert not left(tmp_path)


def test_a_load_that_was_killed_while_dlt_extracts_leaves_no_rows(
    tenant: Emulator, pipeline: Any, tmp_path: Path
) -> None:
    """Its file has no name any more by then; and the next run is complete."""
    with start(tenant, tmp_path, "kill") as child:
        assert child.wait() == -signal.SIGKILL
    assert not left(tmp_path)
    run(pipeline, source(tenant, query=QUARTER))
    assert titles(pipeline) == stored(tenant)


def find_folder(tenant: Emulator, pipeline: Any) -> Path:
    """Run a load, and return the folder that it has read into."""
    folders = set[Path]()
    tenant.on_page(lambda *_: folders.update(left(Path(pipeline.working_dir))))
    run(pipeline, source(tenant, query=QUARTER))
    [folder] = folders
    return folder


def test_what_another_load_has_left_is_removed(
    tenant: Emulator, pipeline: Any, tmp_path: Path
) -> None:
    """Of other filters, or of another range; but not what somebody reads into."""
    own = find_folder(tenant, pipeline)
    in_use, old = own.with_name("aicc-in-use"), own.with_name("aicc-old")
    for folder in (in_use, old, own / "another range"):
        folder.mkdir(parents=True)
        (folder / "rows.jsonl").touch()
    found = set[Path]()
    tenant.on_page(lambda *_: found.update(own.parent.glob("aicc-*/*")))
    with closing(lock_file(own.with_name(".aicc-in-use.lock"))):
        run(pipeline, source(tenant, query=QUARTER))
    assert [path.parent for path in found - {in_use / "rows.jsonl"}] == [own]
    assert own / "another range" not in found
    assert left(tmp_path) == [in_use]


def test_two_processes_do_not_read_into_one_folder(tenant: Emulator, pipeline: Any) -> None:
    """The second one is refused, and the first one's rows stay."""
    folder = find_folder(tenant, pipeline)
    folder.mkdir()
    tenant.requests.clear()
    with (
        closing(lock_file(folder.with_name(f".{folder.name}.lock"))),
        pytest.raises(PipelineStepFailed) as caught,
    ):
        run(pipeline, source(tenant, query=QUARTER))
    assert type(cause(caught)) is ConfigError
    assert "another run of this pipeline reads into it" in str(cause(caught))
    assert folder.exists()
    assert tenant.requests == []
