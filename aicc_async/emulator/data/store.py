"""The cases of the tenant, in SQLite: encoded JSON beside the columns that filters need.

A page must cost little: benchmarks measure the client, and the emulator shares their machine. So a
row is stored as the bytes that case/list sends, documented filters have columns, and what remains
is read from the JSON by SQLite itself. All statements are made of fixed texts; values are always
bound.
"""

import itertools
import sqlite3
import threading
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import attrs
import msgspec

from ..options import ROW_ORDERS
from . import shapes, task_table, trace_table
from .task_table import TaskTable
from .trace_table import TraceTable

COLUMNS = (
    "id",
    "createdDate",
    "caseNo",
    "contactId",
    "contactPhone",
    "creatorId",
    "isDirectResponse",
    "isReopen",
    "origin",
    "ownerId",
    "priority",
    "queueId",
    "status",
    "title",
    "type",
)

# ``row`` is an SQL keyword, hence the quotes everywhere. The index serves the usual page: a range
# of createdDate, sorted by createdDate and id. Extension fields may have any name, so they cannot
# be columns: each is a row of a table that is searched by name and value. Invented data may be
# lost when the machine fails, so SQLite need not wait for the disk.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS cases (
    {", ".join(COLUMNS)}, "row" BLOB NOT NULL, hidden BLOB NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS cases_by_date ON cases (createdDate, id);
CREATE TABLE IF NOT EXISTS extensions (
    key TEXT, value TEXT, caseId TEXT, PRIMARY KEY (key, value, caseId)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS extensions_by_case ON extensions (caseId);
PRAGMA synchronous = OFF;
{task_table.SCHEMA}
{trace_table.SCHEMA}
"""
INSERT = f"INSERT INTO cases VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"  # noqa: S608  (fixed texts)
INSERT_EXTENSION = "INSERT INTO extensions VALUES (?, ?, ?)"

# Seeding reads from a generator: a batch bounds what is in memory of a million cases.
CASES_PER_BATCH = 500

Wire = dict[str, Any]

_columns = itemgetter(*COLUMNS)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@attrs.frozen
class Query:
    """A page of case/list: SQL conditions (fixed texts, values apart) and the page's place."""

    conditions: tuple[str, ...]
    values: tuple[Any, ...]
    start: int
    limit: int


class Store:
    """Cases in one SQLite connection that any thread may use: every use takes a lock.

    Their ``tasks`` and ``traces`` are in the same database. ``version`` changes with every write to
    the cases: whatever was derived from the rows of another version is stale.
    """

    def __init__(self, database: str) -> None:
        # Reentrant, since a change reads and inserts under the same lock.
        self._lock = threading.RLock()
        self._db = sqlite3.connect(database, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self.tasks = TaskTable(self._db, self._lock)
        self.traces = TraceTable(self._db, self._lock)
        self.version = 0
        self._count = 0
        self._counted_query: tuple[Any, ...] = ()
        self._numbers = itertools.count(self._highest_number() + 1)

    def close(self) -> None:
        """Close the database; a file stays."""
        with self._lock:
            self._db.close()

    def next_number(self) -> int:
        """Return the next case number, each once."""
        return next(self._numbers)

    def insert(self, cases: Iterable[Wire]) -> None:
        """Store cases, all or none of a call; each needs every key of a row and of a filter."""
        rest = iter(cases)
        with self._lock, self._db:
            while batch := list(itertools.islice(rest, CASES_PER_BATCH)):
                records, extensions = [], []
                for case in batch:
                    row = case.copy()
                    hidden = {key: row.pop(key) for key in shapes.HIDDEN_KEYS if key in row}
                    records.append((*_columns(case), _encode(row), _encode(hidden)))
                    for key, value in shapes.extension_fields(case).items():
                        extensions.append((key, canonical_json(value), case["id"]))
                self._db.executemany(INSERT, records)
                self._db.executemany(INSERT_EXTENSION, extensions)
            self.version += 1

    def seed(self, cases: Iterable[Wire]) -> None:
        """Store cases, if there are none yet."""
        if not self.count():
            self.insert(cases)
            self._numbers = itertools.count(self._highest_number() + 1)

    def change(self, case_id: str, fields: Wire) -> bool:
        """Overwrite fields of a case; return False if there is no such case."""
        with self._lock:
            found = self.find(case_id)
            if found is None:
                return False
            row, hidden = found
            # Removed and inserted rather than updated: the new rowid is the highest, by which the
            # order by modification breaks ties within a second.
            with self._db:
                self._remove(case_id)
                self.insert([row | hidden | fields])
            return True

    def delete(self, case_id: str) -> bool:
        """Remove a case and its traces; return False if there is no such case. Tasks stay."""
        with self._lock, self._db:
            self.version += 1
            self.traces.delete(case_id)
            return self._remove(case_id)

    def find(self, case_id: str) -> tuple[Wire, Wire] | None:
        """Read one case: its row, and what a row does not show."""
        sql = 'SELECT "row", hidden FROM cases WHERE id = ?'
        for row, hidden in self.read(sql, (case_id,)):
            return _decode(row), _decode(hidden)
        return None

    def page(
        self, query: Query, *, newest_first: bool, order: str = "created"
    ) -> tuple[list[bytes], int]:
        """Read the rows of a page as encoded JSON, and how many rows match in all."""
        where = " AND ".join(query.conditions) or "1"
        by = ROW_ORDERS[order].format(way="DESC" if newest_first else "ASC")
        sorting = f"ORDER BY {by} LIMIT ? OFFSET ?"
        rows = f'SELECT "row" FROM cases WHERE {where} {sorting}'  # noqa: S608  (fixed texts)
        # Both statements run under one lock: a write between them would make the count another's.
        with self._lock:
            found = self.read(rows, (*query.values, query.limit, query.start))
            # A count reads every matching row. All pages of a listing need the same one, so the
            # last count is kept until the query changes or something is written.
            counted = (self.version, where, query.values)
            if counted != self._counted_query:
                sql = f"SELECT count(*) FROM cases WHERE {where}"  # noqa: S608  (fixed texts)
                [[self._count]] = self.read(sql, query.values)
                self._counted_query = counted
            return [row for (row,) in found], self._count

    def rows(self) -> list[Wire]:
        """Read all rows, oldest first."""
        found = self.read('SELECT "row" FROM cases ORDER BY createdDate, id', ())
        return [_decode(row) for (row,) in found]

    def ids(self, start: str | None, end: str | None) -> list[str]:
        """Read the ids between two times, both included, oldest first."""
        # Dates are compared as texts. Every date sorts after the empty text and before "~".
        between = "createdDate >= coalesce(?, '') AND createdDate <= coalesce(?, '~')"
        sql = f"SELECT id FROM cases WHERE {between} ORDER BY createdDate, id"  # noqa: S608  (fixed)
        return [case_id for (case_id,) in self.read(sql, (start, end))]

    def count(self) -> int:
        """Count all cases."""
        [[matches]] = self.read("SELECT count(*) FROM cases", ())
        return int(matches)

    def read(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Read with a statement of the caller's own."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _remove(self, case_id: str) -> bool:
        self._db.execute("DELETE FROM extensions WHERE caseId = ?", (case_id,))
        return self._db.execute("DELETE FROM cases WHERE id = ?", (case_id,)).rowcount > 0

    def _highest_number(self) -> int:
        # Case numbers are texts of equal length, zero-padded, so the highest text is the highest.
        [[highest]] = self.read("SELECT max(caseNo) FROM cases", ())
        return int(highest or 0)


def canonical_json(value: Any) -> str:
    """Return a text that two values share only if they are equal and of the same kind."""
    # SQLite would take true for 1 and 1.0 for 1, and could not compare objects at all. The order of
    # an object's keys does not matter, so they are sorted.
    return msgspec.json.encode(value, order="sorted").decode()
