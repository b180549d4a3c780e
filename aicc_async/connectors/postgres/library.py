"""The library of Postgres."""

from __future__ import annotations

from ...errors import ConfigError

try:
    from psycopg import AsyncConnection, Error, OperationalError
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import DictRow, dict_row
except ModuleNotFoundError:
    raise ConfigError("psycopg is missing: pip install 'aicc-async[postgres]'") from None

__all__ = [
    "AsyncConnection",
    "Connection",
    "DictRow",
    "Error",
    "OperationalError",
    "conninfo_to_dict",
    "dict_row",
]

Connection = AsyncConnection[DictRow]
