"""A table in a Postgres database, upserted by id."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import Any, ClassVar, get_type_hints
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ...errors import ConfigError, ExportError
from ...models import Case
from ..stop import current_stop
from .sink import Batch, Seal, Written, check_count, ignore
from .typed import COLUMNS, TypedRows, json_cell

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
_COLUMN_TYPES = {name: _KINDS.get(_HINTS[name], "text") for name in COLUMNS}
_DEFINITIONS = ", ".join(f"{name} {kind}" for name, kind in _COLUMN_TYPES.items())
_LIST = ", ".join(COLUMNS)
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
_OLD = ", ".join(f"aicc_cases.{name}" for name in COLUMNS)
_NEW = ", ".join(f"excluded.{name}" for name in COLUMNS)
_COPY = f"COPY pg_temp.aicc_incoming ({_LIST}) FROM STDIN"
_UPSERT = f"""
    INSERT INTO aicc_cases ({_LIST}) SELECT {_LIST} FROM pg_temp.aicc_incoming
    ON CONFLICT (id) DO UPDATE SET {_SET} WHERE ({_OLD}) IS DISTINCT FROM ({_NEW})
"""  # noqa: S608  (names of ours)
_KEEP_IDS = "INSERT INTO pg_temp.aicc_loaded SELECT id FROM pg_temp.aicc_incoming"
_COUNT_IDS = "SELECT count(*) FROM pg_temp.aicc_loaded JOIN aicc_cases USING (id)"
# One that the user has set stays. It is for this transaction only: a pooler gives the server's
# connection to somebody else after it.
_SET_LOCK_TIMEOUT = f"""
    SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}s', true)
    WHERE current_setting('lock_timeout') = '0'
"""
_FIND_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass('aicc_cases') AND attnum > 0 AND NOT attisdropped
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

    Raises ConfigError when the target is not such a URL.
    """

    upserts: ClassVar[bool] = True

    def __init__(
        self, target: str, zone: ZoneInfo, *, strict_types: bool = False, replace: bool = False
    ) -> None:
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
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Rows
        that stay the same are not written, so that they leave no dead tuples.

        Raises ConfigError when the table is not ours, ExportError when the database can't be
        reached or refuses, DecodeError for a row that is not as documented.
        """
        typed = TypedRows(self._zone, strict=self._strict_types)
        rest, read, done = iter(batches), 0, Written(misfits=typed.misfits)
        with self._connected() as connection, connection.cursor() as cursor:
            self._create_tables(cursor)
            if self._replace:
                cursor.execute("DELETE FROM aicc_cases")
            for first in rest:
                with cursor.copy(_COPY) as copy:
                    for batch in chain([first], islice(rest, BATCHES_PER_COPY - 1)):
                        for case in typed.read([replace_nul(row) for row in batch]):
                            copy.write_row([json_cell(getattr(case, name)) for name in COLUMNS])
                        read += len(batch)
                cursor.execute(_UPSERT)
                done.added += cursor.rowcount
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
            if "created_date" not in _columns(cursor):
                return None
            # As text it would depend on the server's DateStyle.
            cursor.execute("SELECT max(created_date) FROM aicc_cases", binary=True)
            newest: datetime | None = next(cursor)[0]
        return newest and newest.astimezone(self._zone)

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
                f"{self._name}: {_safe_message(error)}",
                resume="fix the cause, then run the same again",
            ) from None

    def _create_tables(self, cursor: Cursor) -> None:
        """Create the tables that are missing: a role may write to a table and not create one."""
        found = _columns(cursor)
        if not found:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS aicc_cases ({_DEFINITIONS})")
        elif "id" not in found:
            raise ConfigError(
                f"cannot write to {self._name}: its table 'aicc_cases' has no column 'id', so it is"
                " not one of ours. Choose another database or schema"
            )
        for name in [name for name in COLUMNS if found and name not in found]:
            cursor.execute(f"ALTER TABLE aicc_cases ADD COLUMN {name} {_COLUMN_TYPES[name]}")
        cursor.execute(f"CREATE TEMPORARY TABLE aicc_incoming ({_DEFINITIONS}) ON COMMIT DROP")
        cursor.execute("CREATE TEMPORARY TABLE aicc_loaded (id text) ON COMMIT DROP")


def safe_name(url: str) -> str:
    """Return where a URL leads, without its secrets.

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
        "target must be postgresql://user:password@host/database, with %40 for @, %2F for /,"
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


def _columns(cursor: Cursor) -> set[str]:
    """Return the table's columns; none if it is missing."""
    return {name for (name,) in cursor.execute(_FIND_COLUMNS)}


def _safe_message(error: psycopg.Error) -> str:
    """Return the server's own message where it holds no row, else the kind of error."""
    state = error.sqlstate
    # Errors of the connection have no state.
    if state is None and isinstance(error, psycopg.OperationalError):
        return " ".join(str(error).split())
    message = error.diag.message_primary if state and state[:2] in _SAFE_CLASSES else None
    return f"{message or type(error).__name__} (SQLSTATE {state})"
