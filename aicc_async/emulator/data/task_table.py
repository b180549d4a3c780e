"""The tasks of the tenant, in the database of its cases."""

import sqlite3
from collections.abc import Mapping
from threading import RLock
from typing import Any

import attrs
import msgspec

from . import seed as seeding

# ``number`` gives the order of creation, since two tasks may be created in the same second.
SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, relateId TEXT, task TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tasks_by_case ON tasks (relateId);
"""

# The filters of task/list have other names than the fields of a task. The documents only call
# ``name`` fuzzy. That it is a part of the title, ``level`` the priority and ``handler`` the
# owner's id is our reading. instr() finds the text itself, where LIKE would take % and _ for
# wildcards.
CONDITIONS = {
    "name": "instr(json_extract(task, '$.title'), ?) > 0",
    "status": "json_extract(task, '$.status') = ?",
    "level": "json_extract(task, '$.priority') = ?",
    "handler": "json_extract(task, '$.ownerId') = ?",
}

Wire = dict[str, Any]


@attrs.define
class TaskTable:
    """Tasks that any thread may use: every use takes the lock of the store."""

    _db: sqlite3.Connection
    _lock: RLock

    def insert(self, task: Wire, *, seed: int) -> Wire:
        """Store a task under a new id, and return it with that id."""
        with self._lock, self._db:
            [[number]] = self._read("SELECT coalesce(max(number), 0) + 1 FROM tasks", ())
            task = {"id": seeding.draw_task_id(number, seed=seed)} | task
            record = (number, task["id"], task["relateId"], _encode(task))
            self._db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", record)
        return task

    def change(self, task_id: str, fields: Wire) -> bool:
        """Overwrite fields of a task; return False if there is no such task."""
        with self._lock, self._db:
            task = self.find(task_id)
            if task is None:
                return False
            task |= fields
            values = (task["relateId"], _encode(task), task_id)
            self._db.execute("UPDATE tasks SET relateId = ?, task = ? WHERE id = ?", values)
            return True

    def find(self, task_id: str) -> Wire | None:
        """Read one task."""
        tasks = self._read_tasks("WHERE id = ?", (task_id,))
        return tasks[0] if tasks else None

    def for_case(self, case_id: str) -> list[Wire]:
        """Read the tasks of a case, oldest first."""
        return self._read_tasks("WHERE relateId = ? ORDER BY number", (case_id,))

    def rows(self) -> list[Wire]:
        """Read all tasks, oldest first."""
        return self._read_tasks("ORDER BY number", ())

    def page(self, filters: Mapping[str, Any], *, start: int, limit: int) -> tuple[list[Wire], int]:
        """Read a page of the matching tasks, newest first, and how many match in all."""
        keys = [key for key in CONDITIONS if key in filters]
        where = " AND ".join(CONDITIONS[key] for key in keys) or "1"
        values = tuple(filters[key] for key in keys)
        with self._lock:
            sorting = "ORDER BY number DESC LIMIT ? OFFSET ?"
            tasks = self._read_tasks(f"WHERE {where} {sorting}", (*values, limit, start))
            [[count]] = self._read(f"SELECT count(*) FROM tasks WHERE {where}", values)  # noqa: S608  (fixed texts)
        return tasks, count

    def _read_tasks(self, rest: str, values: tuple[Any, ...]) -> list[Wire]:
        found = self._read(f"SELECT task FROM tasks {rest}", values)  # noqa: S608  (fixed texts)
        return [msgspec.json.decode(task) for (task,) in found]

    def _read(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _encode(task: Wire) -> str:
    return msgspec.json.encode(task).decode()
