"""A table in a Postgres database, upserted by id."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, ClassVar, get_type_hints
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ...errors import ConfigError, ExportError
from ...models import Case
from ..stop import current_stop
from .detail_parts import PARTS, Cells, Part
from .layout import Layout
from .sink import Batch, Seal, Written, check_count, ignore
from .statements import DELETED, case_columns, case_values, define, names, on_conflict
from .typed import TypedRows, json_cell

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError:
    raise ConfigError("psycopg is missing: pip install 'aicc-async[postgres]'") from None

Cursor = psycopg.Cursor[tuple[Any, ...]]

# After so many the iterable is looked at again: it may say that the user interrupted.
BATCHES_PER_COPY = 50
CONNECT_TIMEOUT = 10  # seconds
LOCK_TIMEOUT = 60  # seconds
CANCEL_TIMEOUT = 1.0  # seconds
_HINTS = get_type_hints(Case)
_KINDS = {
    str: "text PRIMARY KEY",
    bool | None: "boolean",
    int | float | None: "double precision",
    datetime | None: "timestamptz",
    dict[str, Any]: "jsonb",
}
# How the server itself writes the types of a layout's columns.
_TYPES = {
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "time": "timestamp with time zone",
    "decimal": "numeric",
}
_KEEP_IDS = "INSERT INTO pg_temp.aicc_loaded SELECT id FROM pg_temp.aicc_incoming"
_COUNT_IDS = "SELECT count(*) FROM pg_temp.aicc_loaded JOIN aicc_cases USING (id)"
# One that the user has set stays. It is for this transaction only: a pooler gives the server's
# connection to somebody else after it.
_SET_LOCK_TIMEOUT = f"""
    SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}s', true)
    WHERE current_setting('lock_timeout') = '0'
"""
_FIND_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""

# SQLSTATE classes whose messages name objects and never values: a row may hold contact data.
_SAFE_CLASSES = {"08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}
# A backslash that is escaped itself escapes nothing.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class Postgres:
    """The table ``aicc_cases`` of a database, in the connection's search_path.

    It is created when missing.

    ``target`` is a URL of libpq, ``postgresql://user:password@host/database``; what it leaves out
    comes from the environment (PGPASSWORD, PGSSLMODE, …). Unless they say otherwise, a connection
    is waited for ten seconds (``connect_timeout``) and a lock for a minute (``lock_timeout``).
    ``zone`` is that of the times on the wire. ``replace`` removes the rows that are there, in the
    same transaction.

    One row per case and one column per field of ``Case``, by its Python name: text, boolean,
    double precision, timestamptz; and ``extra``, the extension fields, as a jsonb object. Postgres
    stores no NUL character: U+FFFD takes its place. The table may have other columns; they stay as
    they are.

    A value of another type than documented is null in its column and goes into ``extra``, with a
    warning; ``strict_types`` makes it a DecodeError.

    ``columns`` are template fields of a known type: a column each, by the wire name (quoted, for
    its capitals). With ``detail`` the tables ``aicc_case_info``, ``aicc_case_trace``,
    ``aicc_customer`` and ``aicc_tasks`` have a row per record, with ``case_id`` and ``position``,
    and ``aicc_cases`` has ``is_follower``. A case's records change with it, in the same
    transaction; a row that came without details leaves them.

    Raises ConfigError when the target is not such a URL.
    """

    upserts: ClassVar[bool] = True

    def __init__(
        self,
        target: str,
        zone: ZoneInfo,
        *,
        strict_types: bool = False,
        replace: bool = False,
        columns: Mapping[str, str] = MappingProxyType({}),
        detail: bool = False,
    ) -> None:
        self._layout = Layout(zone, columns=columns, has_detail=detail, strict=strict_types)
        self._url = target
        self._name = safe_name(target)
        has_timeout = "connect_timeout" in conninfo_to_dict(target) or os.environ.get(
            "PGCONNECT_TIMEOUT"
        )
        self._timeout: dict[str, Any] = {} if has_timeout else {"connect_timeout": CONNECT_TIMEOUT}
        self._zone = zone
        self._strict_types = strict_types
        self._replace = replace

    @property
    def name(self) -> str:
        """The URL with host and database only."""
        return self._name

    def write(
        self,
        batches: Iterable[Batch],
        *,
        keep: bool,  # noqa: ARG002  (a table always keeps its rows)
        seal: Seal = ignore,
        deleted: Sequence[str] | None = None,
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Rows
        that stay the same are not written, so that they leave no dead tuples. ``deleted`` are ids
        of cases to mark in ``deleted_at``, where that is still null; a row that is written is not
        deleted.

        Raises ConfigError when the table is not ours, ExportError when the database can't be
        reached or refuses, DecodeError for a row that is not as documented.
        """
        typed = TypedRows(self._zone, strict=self._strict_types)
        rest, read, done = iter(batches), 0, Written(misfits=typed.misfits)
        order = case_columns(self._layout)
        # Records wait in memory until their cases are there.
        batches_per_copy = 1 if self._layout.parts else BATCHES_PER_COPY
        with self._connected() as connection, connection.cursor() as cursor:
            self._create_tables(cursor)
            if self._replace:
                _empty(cursor)
            if deleted is not None:
                done.deleted = _mark(cursor, deleted)
            upsert = _upsert("aicc_cases", ["id"], order, has_marks=DELETED in _columns(cursor))
            for first in rest:
                details: dict[str, list[tuple[str, list[Cells]]]] = {}
                with cursor.copy(_copy("aicc_cases", order)) as copy:
                    for batch in chain([first], islice(rest, batches_per_copy - 1)):
                        for case in typed.read([replace_nul(row) for row in batch]):
                            more, parts = self._layout.take(case, done.misfits)
                            copy.write_row([*map(json_cell, case_values(case, more))])
                            for name, records in parts.items():
                                details.setdefault(name, []).append((case.id, records or []))
                        read += len(batch)
                cursor.execute(upsert)
                done.added += cursor.rowcount
                for part in self._layout.parts:
                    _replace_records(cursor, part, details.get(part.name, []))
                cursor.execute(_KEEP_IDS)
                cursor.execute("TRUNCATE pg_temp.aicc_incoming")
            [found] = cursor.execute(_COUNT_IDS).fetchone() or (0,)
            check_count(self._name, read=read, found=found)
            [done.total] = cursor.execute("SELECT count(*) FROM aicc_cases").fetchone() or (0,)
            typed.warn(self._name)
        seal(None, done)
        return done.added

    def newest_date(self) -> datetime | None:
        """Return the newest ``created_date``, aware; None if there is no table, or no such row."""
        with self._connected() as connection, connection.cursor() as cursor:
            columns = _columns(cursor)
            self._check_types(columns)
            if "created_date" not in columns:
                return None
            # As text it would depend on the server's DateStyle.
            cursor.execute("SELECT max(created_date) FROM aicc_cases", binary=True)
            newest: datetime | None = next(cursor)[0]
        return newest and newest.astimezone(self._zone)

    def created_dates(self, since: datetime) -> dict[str, datetime]:
        """Return the aware creation dates of later cases that are not marked, by id."""
        with self._connected() as connection, connection.cursor() as cursor:
            found = _columns(cursor)
            if "created_date" not in found:
                return {}
            condition = f" AND {DELETED} IS NULL" if DELETED in found else ""
            # As text it would depend on the server's DateStyle. Python has no infinite dates.
            cursor.execute(
                "SELECT id, created_date FROM aicc_cases"  # noqa: S608
                f" WHERE created_date >= %s AND isfinite(created_date){condition}".encode(),
                (since,),
                binary=True,
            )
            return dict(cursor.fetchall())

    def has_rows(self) -> bool:
        """Return whether the table is there and not empty."""
        with self._connected() as connection, connection.cursor() as cursor:
            found = _columns(cursor)
            return bool(found and cursor.execute("SELECT 1 FROM aicc_cases LIMIT 1").fetchone())

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """Open a transaction that is committed when the block ends well.

        Whoever stops the thread interrupts what it waits for: a lock, or a server that is silent.
        """
        stop = current_stop()
        try:
            # A name may be looked up for long, which nothing can interrupt.
            with stop.left_alone():
                opened = psycopg.connect(
                    self._url,
                    client_encoding="utf8",
                    # Behind a pooler, statements that were prepared stay on a server's connection,
                    # which another client gets (https://www.pgbouncer.org/features.html).
                    prepare_threshold=None,
                    **self._timeout,
                )
            # The commit is waited for as well.
            with closing(opened), stop.woken_by(partial(_interrupt, opened)), opened as connection:
                connection.execute(_SET_LOCK_TIMEOUT)
                yield connection
        except psycopg.Error as error:
            raise ExportError(
                f"{self._name}: {safe_message(error)}",
                resume="fix the cause, then run the same again",
            ) from None

    def _create_tables(self, cursor: Cursor) -> None:
        """Create the tables that are missing: a role may write to a table and not create one."""
        own = {name: _KINDS.get(_HINTS[name], "text") for name in _HINTS}
        types = own | {name: _TYPES.get(kind, "text") for name, kind in self._layout.types.items()}
        self._check_types(_columns(cursor))
        columns = {name: types[name] for name in case_columns(self._layout)}
        self._create_table(cursor, "aicc_cases", columns, "id")
        for part in self._layout.parts:
            self._create_table(cursor, part.table, _record_columns(part), "case_id")
        cursor.execute("CREATE TEMPORARY TABLE aicc_loaded (id text) ON COMMIT DROP")

    def _check_types(self, found: Mapping[str, str]) -> None:
        """Raise ConfigError for a column that is there with another type."""
        for name, kind in self._layout.types.items():
            wanted, is_there = _TYPES.get(kind, "text"), found.get(name)
            if is_there not in (None, wanted):
                raise ConfigError(
                    f"cannot write to {self._name}: the column {name} of its table 'aicc_cases'"
                    f" must be of type {wanted} for {kind}, got {is_there}. Choose another type,"
                    " database or schema"
                )

    def _create_table(
        self, cursor: Cursor, table: str, columns: Mapping[str, str], key: str
    ) -> None:
        """Create a table or the columns that it lacks, and the one that its rows are copied to."""
        found = _columns(cursor, table)
        if not found:
            ending = "" if key == "id" else f", PRIMARY KEY ({key}, position)"
            statement = f"CREATE TABLE IF NOT EXISTS {table} ({define(columns)}{ending})"
            cursor.execute(statement.encode())
        elif key not in found:
            raise ConfigError(
                f"cannot write to {self._name}: its table '{table}' has no column '{key}', so it is"
                " not one of ours. Choose another database or schema"
            )
        for name in [name for name in columns if found and name not in found]:
            column = define({name: columns[name]})
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN {column}".encode())
        statement = f"CREATE TEMPORARY TABLE {_incoming(table)} ({define(columns)}) ON COMMIT DROP"
        cursor.execute(statement.encode())


def _incoming(table: str) -> str:
    """Return the temporary table that rows of a table are copied to."""
    return "aicc_incoming" if table == "aicc_cases" else f"{table}_incoming"


def _copy(table: str, columns: Iterable[str]) -> bytes:
    return f"COPY pg_temp.{_incoming(table)} ({names(columns)}) FROM STDIN".encode()


def _mark(cursor: Cursor, deleted: Sequence[str]) -> int:
    """Mark cases as deleted now, and return how many were not marked before."""
    if DELETED not in _columns(cursor):
        cursor.execute(f"ALTER TABLE aicc_cases ADD COLUMN {DELETED} timestamptz".encode())
    cursor.execute(
        f"UPDATE aicc_cases SET {DELETED} = now()"  # noqa: S608
        f" WHERE id = ANY(%s) AND {DELETED} IS NULL".encode(),
        (list(deleted),),
    )
    return cursor.rowcount


def _upsert(
    table: str, key: list[str], columns: Iterable[str], *, has_marks: bool = False
) -> bytes:
    listed = names(columns)
    conflict = on_conflict(table, key, columns, differs="IS DISTINCT FROM", has_marks=has_marks)
    rows = f"SELECT {listed} FROM pg_temp.{_incoming(table)}"  # noqa: S608  (names of ours)
    return f"INSERT INTO {table} ({listed}) {rows} {conflict}".encode()


def _record_columns(part: Part) -> dict[str, str]:
    fields = {field.name: _TYPES.get(field.type, "text") for field in part.fields}
    return {"case_id": "text NOT NULL", "position": "integer NOT NULL", **fields, "extra": "jsonb"}


def _replace_records(cursor: Cursor, part: Part, found: list[tuple[str, list[Cells]]]) -> None:
    """Write the records of cases, and remove those that they have no more."""
    columns = list(_record_columns(part))
    with cursor.copy(_copy(part.table, columns)) as copy:
        for case_id, records in found:
            for position, record in enumerate(records):
                copy.write_row([case_id, position, *(record[name] for name in columns[2:])])
    cursor.execute(_upsert(part.table, columns[:2], columns))
    cursor.execute(
        f"DELETE FROM {part.table} AS old USING unnest(%s::text[], %s::integer[])"  # noqa: S608
        " AS new (case_id, size)"
        " WHERE old.case_id = new.case_id AND old.position >= new.size".encode(),
        ([case_id for case_id, _ in found], [len(records) for _, records in found]),
    )
    cursor.execute(f"TRUNCATE pg_temp.{_incoming(part.table)}".encode())


def _empty(cursor: Cursor) -> None:
    """Remove all rows, also those of details that another run has written."""
    cursor.execute("DELETE FROM aicc_cases")
    for part in PARTS:
        if "case_id" in _columns(cursor, part.table):
            cursor.execute(f"DELETE FROM {part.table}".encode())  # noqa: S608


def safe_name(url: str, name: str = "target") -> str:
    """Return where a URL, the argument ``name``, leads, without its secrets.

    Raises ConfigError for one where a part of the password would be shown: it is not escaped.
    """
    if url.startswith(("postgresql://", "postgres://")):
        # The text of libpq's error quotes the URL.
        with suppress(psycopg.Error):
            parts = conninfo_to_dict(url)
            host, port, database = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
            if "@" not in host + database and set(port) <= set("0123456789,"):
                # Several hosts may have several ports.
                shown = f":{port}" if port.isdecimal() else ""
                return f"postgresql://{quote(host, safe=',:')}{shown}/{quote(database)}"
    raise ConfigError(
        f"{name} must be postgresql://user:password@host/database, with %40 for @, %2F for /,"
        " %3A for : and %25 for % in the password"
    )


def replace_nul(row: bytes) -> bytes:
    """Return JSON with U+FFFD for each NUL, which Postgres cannot store."""
    return _NUL.sub(rb"\1\\ufffd", row) if rb"\u0000" in row else row


def _interrupt(connection: psycopg.Connection) -> None:
    """End what a connection waits for; from another thread."""
    with suppress(psycopg.Error):
        # Else the server would go on waiting for its lock.
        connection.cancel_safe(timeout=CANCEL_TIMEOUT)
    # A server that is silent answers no cancel either. Without its socket the wait ends.
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _columns(cursor: Cursor, table: str = "aicc_cases") -> dict[str, str]:
    """Return a table's columns and their types; none if it is missing."""
    return dict(cursor.execute(_FIND_COLUMNS, (table,)).fetchall())


def safe_message(error: psycopg.Error) -> str:
    """Return the server's own message where it holds no row, else the kind of error."""
    state = error.sqlstate
    # Errors of the connection have no state, nor has that of an event loop which can't be used.
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return " ".join(str(error).split())
    message = error.diag.message_primary if state and state[:2] in _SAFE_CLASSES else None
    return f"{message or type(error).__name__} (SQLSTATE {state})"
