"""Details as they were on the wire, built again from typed columns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

from aicc_async._protocol.names import wire_names
from aicc_async.models import CaseInfo, CaseTrace, Customer, Task

ZONE = ZoneInfo("Asia/Shanghai")
RECORDS: dict[str, tuple[str, type]] = {
    "caseInfo": ("case_info", CaseInfo),
    "caseTrace": ("case_trace", CaseTrace),
    "customerInfo": ("customer", Customer),
    "tasks": ("tasks", Task),
}
LISTS = {"caseTrace", "tasks"}
TIMES = {"due_date", "created_date", "closed_date", "stay_date", "suspend_date"}
TIMES |= {"last_modified_date"}


def plain(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return parts without what no column can tell apart: null, missing and empty."""
    customer = parts["customerInfo"]["customerInfo"]
    return {**{name: _plain(parts[name]) for name in parts}, "customerInfo": _plain(customer)}


def from_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a row whose columns are records, by Python's names."""
    parts = {
        wire: [_record(each, cls) for each in row[name]]
        if wire in LISTS
        else _record(row[name], cls)
        for wire, (name, cls) in RECORDS.items()
    }
    follower = row["is_follower"]
    return {**parts, "isFollower": None if follower is None else bool(follower)}


def from_sqlite(path: Path) -> dict[str, dict[str, Any]]:
    """Return the parts of all cases of a database."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row

        def read(query: str) -> list[dict[str, Any]]:
            return [dict(row) for row in database.execute(query)]

        return _from_tables(read, "cases")


def from_postgres(url: str) -> dict[str, dict[str, Any]]:
    """Return the parts of all cases of a schema."""
    with psycopg.connect(url, row_factory=dict_row) as connection:

        def read(query: str) -> list[dict[str, Any]]:
            return connection.execute(query.encode()).fetchall()

        return _from_tables(read, "aicc_cases")


def _from_tables(read: Any, cases: str) -> dict[str, dict[str, Any]]:
    rows = {row["id"]: row for row in read(f"SELECT id, is_follower FROM {cases}")}  # noqa: S608
    for wire, (name, _) in RECORDS.items():
        for row in rows.values():
            row[name] = []
        query = f"SELECT * FROM aicc_{name} ORDER BY case_id, position"  # noqa: S608
        for record in read(query):
            found = rows[record.pop("case_id")][name]
            assert record.pop("position") == len(found)
            found.append(record)
        if wire not in LISTS:
            for row in rows.values():
                [row[name]] = row[name]
    return {row_id: from_columns(row) for row_id, row in rows.items()}


def _record(cells: Mapping[str, Any], cls: type) -> dict[str, Any]:
    names = wire_names(cls)
    values = {names[name]: _value(name, cells[name]) for name in names}
    extra = cells["extra"] or {}
    found: dict[str, Any] = _plain(
        values | (json.loads(extra) if isinstance(extra, str) else extra)
    )
    return found


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
    if name.startswith(("is_", "default_")):
        return bool(value)
    is_json = isinstance(value, str) and value[:1] in ("{", "[")
    return json.loads(value) if is_json else value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: value[name] for name in value if value[name] not in (None, "")}
    return value
