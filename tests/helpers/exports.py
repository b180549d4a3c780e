"""What tests of exports share: a quarter, files read back, and an export in a process."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aicc_async import CaseQuery
from aicc_async._listing import plan
from aicc_async.emulator import Emulator
from aicc_async.export import window_reader
from helpers.processes import COMMAND, interruptible

# Wall-clock times.
SINCE, UNTIL = datetime(2025, 1, 1), datetime(2025, 4, 1)  # noqa: DTZ001
QUARTER = CaseQuery(start_time=SINCE, end_time=UNTIL)
Row = dict[str, Any]


def read_lines(path: Path) -> list[bytes]:
    """Read a file's lines, the last of which must be ended too."""
    *whole, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return whole


def read_jsonl(path: Path) -> list[Row]:
    """Read lines of JSON."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def read_gzip(path: Path) -> list[Row]:
    """Read compressed lines of JSON."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def read_zst(path: Path) -> list[Row]:
    """Read compressed lines of JSON."""
    zstandard = pytest.importorskip("zstandard")
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        return [json.loads(line) for line in reader.read().splitlines()]


def read_csv(path: Path) -> list[list[str]]:
    """Read the cells of a CSV, its header first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def read_parquet(path: Path) -> list[Row]:
    """Read the columns of a Parquet file as rows."""
    rows: list[Row] = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    return rows


def read_sqlite(path: Path, columns: str = "*") -> list[Any]:
    """Read the table of a database."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT {columns} FROM cases ORDER BY id").fetchall()  # noqa: S608


def start_export(tenant: Emulator, folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start ``aicc-async export``, or resume it, in a process with three requests at a time."""
    settings = {"AICC_BASE_URL": tenant.url, "AICC_ACCESS_TOKEN": tenant.token()}
    with interruptible():
        return subprocess.Popen(  # noqa: S603  (our own command)
            [*COMMAND, "export", *map(str, arguments), "--concurrency", "3"],
            cwd=folder, env={**os.environ, **settings}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@contextmanager
def checkpoint_copy(folder: Path, copy: Path) -> Iterator[sqlite3.Connection]:
    """Open the state of a checkpoint in a copy: looking must change nothing."""
    shutil.copytree(folder, copy)
    with closing(sqlite3.connect(copy / "state.db")) as database:
        yield database


def set_bounds(patch: pytest.MonkeyPatch, max_rows: int) -> None:
    """Make an export halve windows of more rows, and take so many for a page."""
    patch.setattr(plan, "MAX_ROWS_PER_WINDOW", max_rows)
    patch.setattr(window_reader, "MAX_ROWS_PER_PAGE", max_rows)
