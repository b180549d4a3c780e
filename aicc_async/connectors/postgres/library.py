"""The libraries of Postgres that the journal is made with."""

from __future__ import annotations

from ...errors import ConfigError

try:
    from psycopg import AsyncConnection, Error, OperationalError
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import DictRow, dict_row
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ModuleNotFoundError as error:
    raise ConfigError(f"{error.name} is missing: pip install 'aicc-async[postgres]'") from None

__all__ = [
    "AsyncConnection",
    "AsyncConnectionPool",
    "Connection",
    "DictRow",
    "Error",
    "OperationalError",
    "PoolTimeout",
    "conninfo_to_dict",
    "dict_row",
]

Connection = AsyncConnection[DictRow]
