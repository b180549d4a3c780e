"""A table in an SQLite database, upserted by id."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import ClassVar, get_type_hints
from zoneinfo import ZoneInfo

from ..._protocol.converter import dumps
from ..._protocol.names import wire_names
from ...errors import AICCError, ConfigError, ExportError
from ...models import Case
from .typed import TypedRows

PATIENCE = 5.0  # seconds to wait for another program's lock
_NAMES = (*wire_names(Case), "extra")
_HINTS = get_type_hints(Case)
_KINDS = {str: "TEXT PRIMARY KEY", bool | None: "INTEGER", int | float | None: "REAL"}
_COLUMNS = {name: _KINDS.get(_HINTS[name], "TEXT") for name in _NAMES}
_LIST = ", ".join(_NAMES)
_SET = ", ".join(f"{name} = excluded.{name}" for name in _NAMES)
_OLD = ", ".join(f"cases.{name}" for name in _NAMES)
_NEW = ", ".join(f"excluded.{name}" for name in _NAMES)
_UPSERT = f"""
    INSERT INTO cases ({_LIST}) VALUES ({", ".join("?" * len(_NAMES))})
    ON CONFLICT (id) DO UPDATE SET {_SET} WHERE ({_OLD}) IS NOT ({_NEW})
"""  # noqa: S608  (names of ours)

_WRONG = {
    sqlite3.SQLITE_CANTOPEN: "it can't be opened or made there",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database",
    sqlite3.SQLITE_PERM: "it may not be written",
    sqlite3.SQLITE_READONLY: "it is read-only",
}
_TROUBLE = {
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_FULL: "the disk is full",
}


class SQLite:
    """The table ``cases`` of the database ``target``, made when missing.

    One row per case and one column per field of ``Case``, by its Python name. Times are ISO 8601
    text with offset ("2025-01-02T03:04:05+08:00"), booleans 0 and 1, and ``extra``, the extension
    fields, is a JSON object as text. ``zone`` is that of the times on the wire.

    The database may have other tables, and ``cases`` other columns: they stay as they are.
    """

    upserts: ClassVar[bool] = True

    def __init__(self, target: Path, zone: ZoneInfo) -> None:
        self._target = target
        self._file = Path(os.path.realpath(target))  # a link stays a link
        self._zone = zone

    def write(
        self,
        batches: Iterable[Sequence[bytes]],
        *,
        keep: bool,  # noqa: ARG002  (a table always keeps its rows)
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Nobody
        else can write meanwhile, nor read, unless the database is in WAL mode.

        Raises ConfigError when the target is no database that can be written, ExportError when
        writing fails, DecodeError for a row that is not as documented.
        """
        rows = TypedRows(self._zone)
        with self._transaction() as database:
            _make(database, self._target)
            return sum(
                database.executemany(_UPSERT, map(_cells, rows.read(batch))).rowcount
                for batch in batches
            )

    def last(self) -> datetime | None:
        """Tell the newest ``created_date``, aware; None when there is no table, or no such row."""
        if not self._exists():
            return None
        with self._connected() as database:
            if "created_date" not in _columns(database):
                return None
            row = database.execute(  # by the moment: offsets differ where clocks change
                "SELECT created_date FROM cases ORDER BY julianday(created_date) DESC LIMIT 1"
            ).fetchone()
        return self._moment(row[0]) if row and row[0] is not None else None

    def _moment(self, text: object) -> datetime:
        with suppress(ValueError):
            moment = datetime.fromisoformat(str(text))
            if moment.tzinfo:
                return moment.astimezone(self._zone)
        raise ExportError(f"{self._target}: created_date holds what is no time with an offset")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Lock the database and change it as a whole; a file that gets no table does not stay."""
        new = not self._exists()
        try:
            with self._connected() as database, database:
                database.execute("BEGIN EXCLUSIVE")  # a reader in the way is noticed now, not late
                yield database
        finally:
            if new:
                self._remove_empty()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._file, timeout=PATIENCE, isolation_level=None)
            with closing(connection) as database:
                database.execute("PRAGMA cache_size = -65536")  # 64 MiB: ids come in no order
                yield database
        except sqlite3.Error as error:
            raise self._explain(error) from error
        except OverflowError:
            raise ExportError(f"{self._target}: a number is too large for SQLite") from None

    def _exists(self) -> bool:
        try:
            return self._file.exists()
        except OSError as error:
            raise ConfigError(f"target: {self._target}: {error.strerror}") from error

    def _remove_empty(self) -> None:
        with suppress(OSError):  # it was never made
            if not self._file.stat().st_size:
                self._file.unlink()

    def _explain(self, error: sqlite3.Error) -> AICCError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the module's own errors have none
        if code in _WRONG:
            return ConfigError(f"target: {self._target}: {_WRONG[code]}")
        return ExportError(
            f"{self._target}: it can't be written: {_TROUBLE.get(code, error)}",
            resume="mend that, and run the same again",
        )


def _cells(case: Case) -> list[object]:
    return [_cell(getattr(case, name)) for name in _NAMES]


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return dumps(value).decode()
    return value


def _make(database: sqlite3.Connection, target: Path) -> None:
    """Make the table, or add the columns that an older one has not."""
    found = _columns(database)
    if not found:
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        database.execute(f"CREATE TABLE cases ({columns})")
    elif "id" not in found:
        raise ConfigError(f"target: {target}: its table 'cases' is not ours, it has no 'id'")
    else:
        for name in [name for name in _NAMES if name not in found]:
            database.execute(f"ALTER TABLE cases ADD COLUMN {name} {_COLUMNS[name]}")


def _columns(database: sqlite3.Connection) -> set[str]:
    """Tell the table's columns in lower case, as SQLite takes them; none when it is missing."""
    return {row[1].lower() for row in database.execute("PRAGMA table_info(cases)")}
