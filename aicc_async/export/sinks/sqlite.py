"""A table in an SQLite database, upserted by id."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

from ..._protocol.names import wire_names
from ...errors import ConfigError, ExportError
from ...models import Case
from ..stop import current_stop
from .columns import ColumnReader, Columns
from .detail_parts import PARTS, Cells, Part
from .layout import Layout
from .sink import Batch, Misfits, Seal, Written, check_count, ignore
from .statements import DELETED, case_columns, case_values, define, names, on_conflict
from .typed import KINDS, TypedRows, json_cell

T = TypeVar("T")
# How long another program's lock is waited for.
LOCK_TIMEOUT = 5.0  # seconds
LOCK_RETRY_INTERVAL = 0.02  # seconds
# Ids come in no order, so that an upsert touches pages all over the table.
CACHE_KIBIBYTES = 65536
_HINTS = get_type_hints(Case)
_NAMES = wire_names(Case)
_KINDS = {str: "TEXT PRIMARY KEY", bool | None: "INTEGER", int | float | None: "REAL"}
_TYPES = {"int": "INTEGER", "bool": "INTEGER", "float": "REAL"}
# SQLite takes it for null. The module looks for an adapter of each None, which takes as long as all
# else that it does with a value.
_NULL = float("nan")
_FLAGS = {True: 1, False: 0, None: _NULL}
_STORED_AS_IS = {str, int, float, bool, type(None)}
_INSERT_ID = "INSERT INTO temp.aicc_incoming VALUES (?)"
_COUNT_IDS = "SELECT count(*) FROM temp.aicc_incoming JOIN cases USING (id)"

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

    ``columns`` are template fields of a known type: a column each, by the wire name. A decimal is
    text, for its digits. With ``detail`` the tables ``aicc_case_info``, ``aicc_case_trace``,
    ``aicc_customer`` and ``aicc_tasks`` have a row per record, with ``case_id`` and ``position``,
    and ``cases`` has ``is_follower``. A case's records change with it, in the same transaction; a
    row that came without details leaves them.

    The database may have other tables, and ``cases`` other columns: they stay as they are.
    """

    upserts: ClassVar[bool] = True

    def __init__(
        self,
        target: Path,
        zone: ZoneInfo,
        *,
        strict_types: bool = False,
        replace: bool = False,
        columns: Mapping[str, str] = MappingProxyType({}),
        detail: bool = False,
    ) -> None:
        self._layout = Layout(zone, columns=columns, has_detail=detail, strict=strict_types)
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
        deleted: Sequence[str] | None = None,
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        ``deleted`` are ids of cases to mark in ``deleted_at``, where that is still null; a row that
        is written is not deleted.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Nobody
        else can write meanwhile, nor read, unless the database is in WAL mode.

        Raises ConfigError when the target is no database that can be written, ExportError when
        writing fails, DecodeError for a row that is not as documented.
        """
        rows, read = TypedRows(self._zone, strict=self._strict_types), 0
        done = Written(misfits=rows.misfits)
        order = case_columns(self._layout)
        with self._transaction() as database:
            is_new = not _columns(database)
            self._create_tables(database)
            if self._replace:
                _empty(database)
            database.execute("CREATE TEMP TABLE aicc_incoming (id TEXT)")
            if deleted is not None:
                done.deleted = _mark(database, deleted)
            upsert = _upsert("cases", ["id"], order, has_marks=DELETED in _columns(database))
            for batch in batches:
                if not self._layout.types and (fast := rows.read_columns(batch)):
                    ids = fast[0]["id"]
                    done.added += database.executemany(upsert, self._bind(*fast)).rowcount
                else:
                    cases = rows.read(batch)
                    ids = [case.id for case in cases]
                    done.added += self._upsert_cases(database, upsert, cases, done.misfits)
                read += len(ids)
                if not is_new:
                    database.executemany(_INSERT_ID, zip(ids))
            # A table of this very transaction has no triggers, and no other rows.
            count = "SELECT count(*) FROM cases" if is_new else _COUNT_IDS
            [found] = database.execute(count).fetchone()
            check_count(self._target, read=read, found=found)
            [done.total] = database.execute("SELECT count(*) FROM cases").fetchone()
            rows.warn(self._target.name)
        seal(self._file, done)
        return done.added

    def _bind(self, columns: Columns, reader: ColumnReader) -> Iterable[Sequence[object]]:
        """Return rows of the values to store."""
        bound = [self._bind_column(kind, columns[_NAMES[name]]) for name, kind in KINDS.items()]
        return zip(*bound, reader.extras(columns), strict=True)

    def _bind_column(self, kind: type, values: Sequence[Any]) -> Sequence[object]:
        if kind is bool:
            return [_FLAGS[value] for value in values]
        if kind is datetime:
            offset: Callable[[datetime], Any] = self._zone.utcoffset
            # As ``_cell`` writes it, at a third of the cost.
            return [
                _NULL if time is None else f"{(time - offset(time)).isoformat()}+00:00"
                for time in values
            ]
        return [_NULL if value is None else value for value in values] if None in values else values

    def _upsert_cases(
        self,
        database: sqlite3.Connection,
        upsert: str,
        cases: Sequence[Case],
        misfits: dict[str, Misfits],
    ) -> int:
        """Write cases and the records of their details; return how many of the cases changed."""
        taken = [(case, *self._layout.take(case, misfits)) for case in cases]
        # A call for each value would take a tenth of the time of all.
        rows = (
            [
                value if value.__class__ in _STORED_AS_IS else _cell(value)
                for value in case_values(case, more)
            ]
            for case, more, _ in taken
        )
        changed = database.executemany(upsert, rows).rowcount
        for part in self._layout.parts:
            name = part.name
            found = [(case.id, parts[name] or []) for case, _, parts in taken if name in parts]
            _replace_records(database, part, found)
        return changed

    def newest_date(self) -> datetime | None:
        """Return the newest ``created_date``, aware; None if there is no table, or no such row."""
        if not self._exists():
            return None
        with self._connected() as database:
            found = _wait_for_lock(lambda: _columns(database))
            self._check_types(found)
            if "created_date" not in found:
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

    def created_dates(self, since: datetime) -> dict[str, datetime]:
        """Return the aware creation dates of later cases that are not marked, by id."""
        if not self._exists():
            return {}
        with self._connected() as database:
            found = _wait_for_lock(lambda: _columns(database))
            if not {"id", "created_date"} <= found.keys():
                return {}
            condition = f" AND {DELETED} IS NULL" if DELETED in found else ""
            # By the moment, not the text: offsets differ where clocks change.
            rows = database.execute(
                "SELECT id, created_date FROM cases"  # noqa: S608
                f" WHERE julianday(created_date) >= julianday(?){condition}",
                (since.isoformat(),),
            )
            dates: dict[str, datetime] = {}
            for case_id, text in rows:
                # What somebody else has written there may be anything.
                with suppress(ValueError):
                    moment = datetime.fromisoformat(str(text))
                    if moment.tzinfo:
                        dates[case_id] = moment
            return dates

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

    def _create_tables(self, database: sqlite3.Connection) -> None:
        """Create the tables, or add the columns that older ones lack."""
        types = {name: _TYPES.get(kind, "TEXT") for name, kind in self._layout.types.items()}
        own = {name: _KINDS.get(_HINTS[name], "TEXT") for name in _HINTS}
        order = case_columns(self._layout)
        self._check_types(_columns(database))
        self._create_table(database, "cases", {name: (own | types)[name] for name in order}, "id")
        for part in self._layout.parts:
            self._create_table(database, part.table, _record_columns(part), "case_id")

    def _check_types(self, found: Mapping[str, str]) -> None:
        """Raise ConfigError for a column that is there with another type."""
        for name, kind in self._layout.types.items():
            wanted, is_there = _TYPES.get(kind, "TEXT"), found.get(name.lower())
            if is_there not in (None, wanted):
                raise ConfigError(
                    f"cannot write to {self._target}: the column {name} of its table 'cases' must"
                    f" be of type {wanted} for {kind}, got {is_there}. Choose another type or"
                    " database"
                )

    def _create_table(
        self, database: sqlite3.Connection, table: str, columns: Mapping[str, str], key: str
    ) -> None:
        found = _columns(database, table)
        if not found:
            # The key of records has two columns.
            ending = "" if key == "id" else f", PRIMARY KEY ({key}, position)"
            database.execute(f"CREATE TABLE {table} ({define(columns)}{ending})")
        elif key not in found:
            raise ConfigError(
                f"cannot write to {self._target}: its table '{table}' has no column '{key}', so it"
                " is not one of ours. Choose another database"
            )
        else:
            for name in [name for name in columns if name.lower() not in found]:
                database.execute(f"ALTER TABLE {table} ADD COLUMN {define({name: columns[name]})}")

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


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else json_cell(value)


def _mark(database: sqlite3.Connection, deleted: Sequence[str]) -> int:
    """Mark cases as deleted now, and return how many were not marked before."""
    if DELETED not in _columns(database):
        database.execute(f"ALTER TABLE cases ADD COLUMN {DELETED} TEXT")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return database.executemany(
        f"UPDATE cases SET {DELETED} = ? WHERE id = ? AND {DELETED} IS NULL",  # noqa: S608
        ((now, case_id) for case_id in deleted),
    ).rowcount


def _upsert(table: str, key: list[str], columns: Sequence[str], *, has_marks: bool = False) -> str:
    marks = ", ".join("?" * len(columns))
    conflict = on_conflict(table, key, columns, differs="IS NOT", has_marks=has_marks)
    return f"INSERT INTO {table} ({names(columns)}) VALUES ({marks}) {conflict}"  # noqa: S608


def _record_columns(part: Part) -> dict[str, str]:
    fields = {field.name: _TYPES.get(field.type, "TEXT") for field in part.fields}
    return {"case_id": "TEXT NOT NULL", "position": "INTEGER NOT NULL", **fields, "extra": "TEXT"}


def _replace_records(
    database: sqlite3.Connection, part: Part, found: Sequence[tuple[str, list[Cells]]]
) -> None:
    """Write the records of cases, and remove those that they have no more."""
    columns = list(_record_columns(part))
    rows = (
        [case_id, position, *(_cell(record[name]) for name in columns[2:])]
        for case_id, records in found
        for position, record in enumerate(records)
    )
    database.executemany(_upsert(part.table, columns[:2], columns), rows)
    database.executemany(
        f"DELETE FROM {part.table} WHERE case_id = ? AND position >= ?",  # noqa: S608
        ((case_id, len(records)) for case_id, records in found),
    )


def _empty(database: sqlite3.Connection) -> None:
    """Remove all rows, also those of details that another run has written."""
    database.execute("DELETE FROM cases")
    for part in PARTS:
        if "case_id" in _columns(database, part.table):
            database.execute(f"DELETE FROM {part.table}")  # noqa: S608


def _columns(database: sqlite3.Connection, table: str = "cases") -> dict[str, str]:
    """Return a table's columns and their types, names in lower case; none if it is missing."""
    found = database.execute(f"PRAGMA table_info({table})")
    return {row[1].lower(): row[2].upper() for row in found}
