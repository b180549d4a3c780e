"""Invented rows as lines of JSON, and a disk that is full, for the tests of sinks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

PLAIN = {
    "caseNo": "000000000000000000000000000007",
    "closedDate": None,
    "createdDate": "2025-01-02 03:04:05",
    "dueDate": "",
    "isCanced": False,
    "isSuspend": True,
    "priority": "High",
    "suspendAccumulatedTime": 90,
    "title": "Parcel lost",
    "type": "cvmC0000000000000001",
}


def line(row_id: str, **fields: Any) -> bytes:
    """Write a row as the service might: documented fields of ``PLAIN``, and others at will."""
    row = PLAIN | {"id": row_id} | fields
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def bare_line(row_id: str, **fields: Any) -> bytes:
    """Write a row that has these fields only."""
    return json.dumps({"id": row_id, **fields}, ensure_ascii=False).encode() + b"\n"


def lines(*numbers: int, **fields: Any) -> list[bytes]:
    """Write rows that differ in id."""
    return [line(f"c6m8{number:016}", **fields) for number in numbers]


def in_batches(rows: Sequence[bytes], size: int = 1000) -> Iterator[Sequence[bytes]]:
    """Yield rows once, as an export does."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class InterruptedRun(BaseException):
    """What a user's Ctrl-C may look like to a sink."""


def failing(rows: Sequence[bytes], error: BaseException) -> Iterator[Sequence[bytes]]:
    """Yield rows, then fail."""
    yield rows
    raise error


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let the system refuse to write more than so many bytes to any file."""
    resource = pytest.importorskip("resource", reason="no such limits here")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
