"""A table in a Postgres database, upserted by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, islice
from typing import Any, ClassVar, get_type_hints
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ..._protocol.converter import dumps
from ..._protocol.names import wire_names
from ...errors import ConfigError, ExportError
from ...models import Case
from .typed import TypedRows

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError:
    raise ConfigError("postgresql: pip install 'aicc-async[postgres]'") from None

Cursor = psycopg.Cursor[tuple[Any, ...]]
Batch = Sequence[bytes]

PART = 50  # batches between two looks at the iterable: it may say that the user interrupted
_NAMES = (*wire_names(Case), "extra")
_HINTS = get_type_hints(Case)
_KINDS = {
    str: "text PRIMARY KEY",
    bool | None: "boolean",
    int | float | None: "double precision",
    datetime | None: "timestamptz",
    dict[str, Any]: "jsonb",
}
_COLUMNS = {name: _KINDS.get(_HINTS[name], "text") for name in _NAMES}
_DEFINED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_LIST = ", ".join(_NAMES)
_SET = ", ".join(f"{name} = excluded.{name}" for name in _NAMES)
_OLD = ", ".join(f"aicc_cases.{name}" for name in _NAMES)
_NEW = ", ".join(f"excluded.{name}" for name in _NAMES)
_COPY = f"COPY pg_temp.aicc_incoming ({_LIST}) FROM STDIN"
_UPSERT = f"""
    INSERT INTO aicc_cases ({_LIST}) SELECT {_LIST} FROM pg_temp.aicc_incoming
    ON CONFLICT (id) DO UPDATE SET {_SET} WHERE ({_OLD}) IS DISTINCT FROM ({_NEW})
"""  # noqa: S608  (names of ours)
_FIND = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass('aicc_cases') AND attnum > 0 AND NOT attisdropped
"""

# SQLSTATE classes whose messages name objects and never values: a row may hold contact data
_TELLING = {"08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")  # a backslash that is escaped escapes nothing


class Postgres:
    """The table ``aicc_cases`` of a database, in the connection's search_path; made when missing.

    ``target`` is a URL of libpq, ``postgresql://user:password@host/database``; what it leaves out
    comes from the environment (PGPASSWORD, PGSSLMODE, …). ``zone`` is that of the times on the
    wire.

    One row per case and one column per field of ``Case``, by its Python name: text, boolean,
    double precision, timestamptz; and ``extra``, the extension fields, as a jsonb object. Postgres
    stores no NUL character: U+FFFD takes its place. The table may have other columns; they stay as
    they are.

    Raises ConfigError when the URL is none.
    """

    upserts: ClassVar[bool] = True

    def __init__(self, target: str, zone: ZoneInfo) -> None:
        self._url = target
        self._name = _name(target)
        self._zone = zone

    @property
    def name(self) -> str:
        """The URL with host and database only."""
        return self._name

    def write(
        self,
        batches: Iterable[Batch],
        *,
        keep: bool,  # noqa: ARG002  (a table always keeps its rows)
    ) -> int:
        """Insert what is new and update what changed; return how many rows these were.

        All in one transaction: when anything fails, the iterable too, nothing has changed. Rows
        that stay the same are not written, so that they leave no dead tuples.

        Raises ConfigError when the table is not ours, ExportError when the database can't be
        reached or refuses, DecodeError for a row that is not as documented.
        """
        typed, rest, written = TypedRows(self._zone), iter(batches), 0
        with self._connected() as connection, connection.cursor() as cursor:
            self._make(cursor)
            for first in rest:
                _copy(cursor, typed, chain([first], islice(rest, PART - 1)))
                cursor.execute(_UPSERT)
                written += cursor.rowcount
                cursor.execute("TRUNCATE pg_temp.aicc_incoming")
        return written

    def last(self) -> datetime | None:
        """Tell the newest ``created_date``, aware; None when there is no table, or no such row."""
        with self._connected() as connection, connection.cursor() as cursor:
            if "created_date" not in _columns(cursor):
                return None
            cursor.execute(  # as text it would depend on the server's DateStyle
                "SELECT max(created_date) FROM aicc_cases", binary=True
            )
            newest: datetime | None = next(cursor)[0]
        return newest and newest.astimezone(self._zone)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """Open a transaction that is committed when the block ends well."""
        try:
            with psycopg.connect(self._url, client_encoding="utf8") as connection:
                yield connection
        except psycopg.Error as error:
            raise ExportError(
                f"{self._name}: {_said(error)}", resume="mend that, and run the same again"
            ) from None

    def _make(self, cursor: Cursor) -> None:
        """Make the tables; asking first, since a role may write to a table and not make one."""
        found = _columns(cursor)
        if not found:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS aicc_cases ({_DEFINED})")
        elif "id" not in found:
            raise ConfigError(f"{self._name}: its table 'aicc_cases' is not ours, it has no 'id'")
        for name in [name for name in _NAMES if found and name not in found]:
            cursor.execute(f"ALTER TABLE aicc_cases ADD COLUMN {name} {_COLUMNS[name]}")
        cursor.execute(f"CREATE TEMPORARY TABLE aicc_incoming ({_DEFINED}) ON COMMIT DROP")


def _name(url: str) -> str:
    """Show where a URL leads, without its secrets."""
    host, port, database = _address(url)
    shown = f":{port}" if port.isdecimal() else ""  # several hosts may have several
    return f"postgresql://{quote(host, safe=',:')}{shown}/{quote(database)}"


def _address(url: str) -> tuple[str, str, str]:
    """Find host, port and database; refuse a URL where a part of the password is among them."""
    if url.startswith(("postgresql://", "postgres://")):
        with suppress(psycopg.Error):  # its text quotes the URL
            given = conninfo_to_dict(url)
            host, port, database = (str(given.get(key) or "") for key in ("host", "port", "dbname"))
            if "@" not in host + database and set(port) <= set("0123456789,"):
                return host, port, database
    raise ConfigError(
        "target: postgresql://user:password@host/database is needed, and in the password "
        "%40 for @, %2F for /, %3A for : and %25 for %"
    )


def _copy(cursor: Cursor, typed: TypedRows, batches: Iterable[Batch]) -> None:
    with cursor.copy(_COPY) as copy:
        for batch in batches:
            for case in typed.read([_storable(row) for row in batch]):
                copy.write_row([_cell(getattr(case, name)) for name in _NAMES])


def _storable(row: bytes) -> bytes:
    return _NUL.sub(rb"\1\\ufffd", row) if rb"\u0000" in row else row


def _cell(value: object) -> object:
    return dumps(value).decode() if isinstance(value, dict) else value


def _columns(cursor: Cursor) -> set[str]:
    """Tell the table's columns; none when it is missing."""
    return {name for (name,) in cursor.execute(_FIND)}


def _said(error: psycopg.Error) -> str:
    """Say what happened in words that hold no row: the server's own, if they are of that kind."""
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):  # the connection's
        return " ".join(str(error).split())
    said = error.diag.message_primary if state and state[:2] in _TELLING else None
    return f"{said or type(error).__name__} (SQLSTATE {state})"
