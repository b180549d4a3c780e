"""The traces of cases (what was done to them), in the database of the cases themselves."""

import sqlite3
from threading import RLock
from typing import Any

import attrs
import msgspec

# The creation is not stored: the detail derives its trace from the case.
SCHEMA = """
CREATE TABLE IF NOT EXISTS traces (caseId TEXT NOT NULL, trace BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS traces_by_case ON traces (caseId);
"""

Wire = dict[str, Any]


@attrs.define
class TraceTable:
    """Traces that any thread may use: every use takes the lock of the store."""

    _db: sqlite3.Connection
    _lock: RLock

    def add(self, case_id: str, trace: Wire) -> None:
        """Append to the traces of a case."""
        record = (case_id, msgspec.json.encode(trace))
        with self._lock, self._db:
            self._db.execute("INSERT INTO traces VALUES (?, ?)", record)

    def for_case(self, case_id: str) -> list[Wire]:
        """Read the traces of a case, oldest first, without that of its creation."""
        sql = "SELECT trace FROM traces WHERE caseId = ? ORDER BY rowid"
        with self._lock:
            found = self._db.execute(sql, (case_id,)).fetchall()
        return [msgspec.json.decode(trace) for (trace,) in found]

    def delete(self, case_id: str) -> None:
        """Remove the traces of a case, in the transaction of the caller."""
        self._db.execute("DELETE FROM traces WHERE caseId = ?", (case_id,))
