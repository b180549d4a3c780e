"""A table in an SQLite database, upserted by id."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import ClassVar, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

from ...errors import ConfigError, ExportError
from ...models import Case
from ..stop import current_stop
from .sink import Batch, Seal, Written, check_count, ignore
from .typed import COLUMNS, TypedRows, json_cell

T = TypeVar("T")
# How long another program's lock is waited for.
LOCK_TIMEOUT = 5.0  # seconds
LOCK_RETRY_INTERVAL = 0.02  # seconds
# Ids come in no order, so that an upsert touches pages all over the table.
CACHE_KIBIBYTES = 65536
_HINTS = get_type_hints(Case)
_KINDS = {str: "TEXT PRIMARY KEY", bool | None: "INTEGER", int | float | None: "REAL"}
_COLUMN_TYPES = {name: _KINDS.get(_HINTS[name], "TEXT") for name in COLUMNS}
_LIST = ", ".join(COLUMNS)
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
_OLD = ", ".join(f"cases.{name}" for name in COLUMNS)
_NEW = ", ".join(f"excluded.{name}" for name in COLUMNS)
_COUNT_IDS = "SELECT count(*) FROM temp.aicc_incoming JOIN cases USING (id)"
_UPSERT = f"""
    INSERT INTO cases ({_LIST}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT (id) DO UPDATE SET {_SET} WHERE ({_OLD}) IS NOT ({_NEW})
"""  # noqa: S608  (names of ours)

# What is wrong with the target itself, and what may pass.
_UNUSABLE = {
    sqlite3.SQLITE_CANTOPEN: "a file that can be opened or created",
    sqlite3.SQLITE_NOTADB: "a SQLite database",
    sqlite3.SQLITE_PERM: "a file that may be written",
    sqlite3.SQLITE_READONLY: "a file that is not read-only",
}
_UNWRITABLE = {
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_FULL: "the disk is full",
}


class SQLite:
    """The table ``cases`` of the database ``target``, created when missing.

    One row per case and one column per field of ``Case``, by its Python name. Times are ISO 8601
    text in UTC, which sorts ("2025-01-01T19:04:05+00:00"), booleans 0 and 1, and ``extra``, the
    extension fields, is a JSON object as text. ``zone`` is that of the times on the wire.
    ``replace`` removes the rows that are there, in the same transaction.

    A value of another type than documented is null in its column and goes into ``extra``, with a
    warning; ``strict_types`` makes it a DecodeError.

    The database may have other tables, and ``cases`` other columns: they stay as they are.
    """

    upserts: ClassVar[bool] = True

    def __init__(
        self, target: Path, zone: ZoneInfo, *, strict_types: bool = False, replace: bool = False
    ) -> None:
        self._target = target
        self._replace = replace
        # A link stays a link.
        self._file = Path(os.path.realpath(target))
        self._zone = zone
        self._strict_types = strict_types

    def write(
        self,
        batches: Iterable[Batch],
        *,
        keep: bool,  # noqa: ARG002  (a table always keeps its rows)
        seal: Seal = ignore,
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Nobody
        else can write meanwhile, nor read, unless the database is in WAL mode.

        Raises ConfigError when the target is no database that can be written, ExportError when
        writing fails, DecodeError for a row that is not as documented.
        """

        def cells(case: Case) -> list[object]:
            values = (getattr(case, name) for name in COLUMNS)
            return [
                value.astimezone(UTC).isoformat()
                if isinstance(value, datetime)
                else json_cell(value)
                for value in values
            ]

        rows, read = TypedRows(self._zone, strict=self._strict_types), 0
        done = Written(misfits=rows.misfits)
        with self._transaction() as database:
            _create_table(database, self._target)
            if self._replace:
                database.execute("DELETE FROM cases")
            database.execute("CREATE TEMP TABLE aicc_incoming (id TEXT)")
            for batch in batches:
                cases = rows.read(batch)
                done.added += database.executemany(_UPSERT, map(cells, cases)).rowcount
                ids = ((case.id,) for case in cases)
                database.executemany("INSERT INTO temp.aicc_incoming VALUES (?)", ids)
                read += len(cases)
            [found] = database.execute(_COUNT_IDS).fetchone()
            check_count(self._target, read=read, found=found)
            [done.total] = database.execute("SELECT count(*) FROM cases").fetchone()
            rows.warn(self._target.name)
        seal(self._file, done)
        return done.added

    def newest_date(self) -> datetime | None:
        """Return the newest ``created_date``, aware; None if there is no table, or no such row."""
        if not self._exists():
            return None
        with self._connected() as database:
            if "created_date" not in _wait_for_lock(lambda: _columns(database)):
                return None
            # By the moment, not the text: offsets differ where clocks change.
            row = database.execute(
                "SELECT created_date FROM cases ORDER BY julianday(created_date) DESC LIMIT 1"
            ).fetchone()
        if not row or row[0] is None:
            return None
        with suppress(ValueError):
            moment = datetime.fromisoformat(str(row[0]))
            if moment.tzinfo:
                return moment.astimezone(self._zone)
        raise ExportError(f"created_date in {self._target} must be a time with an offset")

    def has_rows(self) -> bool:
        """Return whether the table is there and not empty."""
        if not self._exists():
            return False
        with self._connected() as database:
            found = _wait_for_lock(lambda: _columns(database))
            return bool(found and database.execute("SELECT 1 FROM cases LIMIT 1").fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Lock the database and change it as a whole; a file that gets no table does not stay."""
        new = not self._exists()
        try:
            with self._connected() as database, database:
                # So a reader in the way is noticed now, not when all is written.
                _wait_for_lock(lambda: database.execute("BEGIN EXCLUSIVE"))
                yield database
        finally:
            # It may never have been created.
            with suppress(OSError):
                if new and not self._file.stat().st_size:
                    self._file.unlink()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            # Not SQLite's own time-out: nothing could interrupt that wait.
            connection = sqlite3.connect(
                self._file, timeout=0, isolation_level=None, check_same_thread=False
            )
            stop = current_stop()
            with closing(connection) as database, stop.woken_by(database.interrupt):
                cache = f"PRAGMA cache_size = -{CACHE_KIBIBYTES}"
                _wait_for_lock(lambda: database.execute(cache))
                yield database
        except sqlite3.Error as error:
            # The lowest byte is the kind of error; errors of the module itself have no code.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _UNUSABLE:
                raise ConfigError(
                    f"target must be {_UNUSABLE[code]}, got {self._target}"
                ) from error
            raise ExportError(
                f"cannot write {self._target}: {_UNWRITABLE.get(code, error)}",
                resume="fix the cause, then run the same again",
            ) from error
        except UnicodeDecodeError:
            # The module fails to decode SQLite's message where that quotes a damaged file.
            raise ConfigError(
                f"target must be a SQLite database, got {self._target}: its schema is damaged"
            ) from None
        except OverflowError:
            raise ExportError(
                f"cannot write {self._target}: a number is too large for SQLite"
            ) from None

    def _exists(self) -> bool:
        try:
            return self._file.exists()
        except OSError as error:
            raise ConfigError(
                f"target must be a file, got {self._target}: {error.strerror}"
            ) from error


def _wait_for_lock(work: Callable[[], T]) -> T:
    """Do what another program's lock may hold up, for a while."""
    give_up_at = monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            # Errors of the module itself have no code.
            is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or monotonic() > give_up_at:
                raise
        current_stop().wait(LOCK_RETRY_INTERVAL)


def _create_table(database: sqlite3.Connection, target: Path) -> None:
    """Create the table, or add the columns that an older one lacks."""
    found = _columns(database)
    if not found:
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMN_TYPES.items())
        database.execute(f"CREATE TABLE cases ({columns})")
    elif "id" not in found:
        raise ConfigError(
            f"cannot write to {target}: its table 'cases' has no column 'id', so it is not one of"
            " ours. Choose another database"
        )
    else:
        for name in [name for name in COLUMNS if name not in found]:
            database.execute(f"ALTER TABLE cases ADD COLUMN {name} {_COLUMN_TYPES[name]}")


def _columns(database: sqlite3.Connection) -> set[str]:
    """Return the table's columns in lower case, as SQLite takes them; none if it is missing."""
    return {row[1].lower() for row in database.execute("PRAGMA table_info(cases)")}
