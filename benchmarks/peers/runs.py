"""One run of a peer: what it took, and what came out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from peers.environments import Peer, find_python
from tenant import Tenant

from aicc_async import CaseQuery

MAX_SPAN = timedelta(days=31)
SECOND = timedelta(seconds=1)
LAUNCHER = (sys.executable, "-I", "-S", str(Path(__file__).parent / "launch.py"))
# With byte code, as pip installs it.
ENVIRON = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


@frozen(kw_only=True)
class Run:
    """A run of a peer, from the start of its process to its end.

    ``ids`` counts each case in what it wrote. ``remark`` is what it said of rows that moved; one
    that failed said so.
    """

    seconds: float
    cpu: float
    megabytes: float
    ids: Counter[str]
    remark: str


def split_range(query: CaseQuery) -> list[tuple[str, str]]:
    """Return the first and the last second of windows of at most 31 days."""
    assert isinstance(query.start_time, datetime)
    assert isinstance(query.end_time, datetime)
    start, end = (each.replace(tzinfo=None) for each in (query.start_time, query.end_time))
    windows = []
    while start < end:
        until = min(start + MAX_SPAN, end)
        windows.append((str(start), str(until - SECOND)))
        start = until
    return windows


def run_peer(peer: Peer, server: Tenant, windows: list[tuple[str, str]]) -> Run:
    """Run a peer in a process of its own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        target, errors, usage = folder / "cases.jsonl", folder / "errors", folder / "usage"
        job = {"url": server.url, "token": server.token, "windows": windows, "target": str(target)}
        command = [*LAUNCHER, str(usage), find_python(peer), str(peer.script), json.dumps(job)]
        printed = target if peer.prints else Path(os.devnull)
        began = time.perf_counter()
        with printed.open("wb") as out, errors.open("wb") as err:
            done = subprocess.run(
                command, check=False, stdout=out, stderr=err, cwd=folder, env=ENVIRON
            )
        seconds = time.perf_counter() - began
        said = errors.read_text(errors="replace").splitlines()
        if done.returncode:
            said.append(f"noticed: exit code {done.returncode}, {said[-1] if said else ''}")
        cpu, megabytes = map(float, usage.read_text().split())
        return Run(
            seconds=seconds,
            cpu=cpu,
            megabytes=megabytes,
            ids=Counter(_ids(target)),
            remark="; ".join(_remarks(said)),
        )


def _remarks(lines: list[str]) -> Iterator[str]:
    for line in lines:
        _, found, remark = line.partition("noticed: ")
        if found:
            yield remark


def _ids(target: Path) -> Iterator[str]:
    """Yield the id of each row in a file, or in the files of a folder."""
    files = sorted(target.rglob("cases/*.jsonl")) if target.is_dir() else [target]
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                # A tap's row is in a message, an Airbyte source's one level below that.
                row = json.loads(line)
                row = row.get("record", row)
                row = row.get("data", row)
                if "id" in row:
                    yield row["id"]
