"""The connections to a Postgres of ours, and how a step becomes durable.

The idea: a step is one transaction on one of a few connections, and is run again when that was lost
or another transaction was in its way. The invariant: a step that was committed
though its answer was lost does no more when it is run again (see ``steps.py``). Behind a pooler
that gives the server's connection to another client after each transaction nothing may outlive one:
no prepared statement, no setting, no lock of a session
(https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes).

Why not psycopg's own pool: after an outage it connects again only when its back-off ends, which may
be minutes later, and it never says why it couldn't. Here whoever needs a connection makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ...errors import AICCError
from ...export.sinks.postgres import safe_message, safe_name
from .layout import Layout
from .library import (
    AsyncConnection,
    Connection,
    Error,
    OperationalError,
    conninfo_to_dict,
    dict_row,
)

T = TypeVar("T")
# What each process has of this shares the server's connections with all others.
MAX_CONNECTIONS = 5
MAX_ATTEMPTS = 4
# Firewalls forget connections that were idle for some minutes, and drop what comes on them.
MAX_IDLE_SECONDS = 60.0
# What a step's transaction needs, whatever the role or the database has as its default. ``local``
# and ``remote_write`` could be lost with the primary, ``off`` with any crash
# (https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT).
SETTINGS = """
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET LOCAL lock_timeout = {lock_timeout};
    SELECT set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') <> 'remote_apply'
"""
# Serialization failure, deadlock, and a case that two keys took at the same moment; the server is
# shut down, has crashed, or starts (https://www.postgresql.org/docs/current/errcodes-appendix.html).
TRANSIENT_STATES = {"40001", "40P01", "23505", "57P01", "57P02", "57P03"}


class Database:
    """The database of a URL, as one event loop uses it, between two calls of ``close``.

    Nothing is waited for longer than ``patience`` seconds, but a turn and what a step says itself.
    ``failure`` makes an error of why it can't be used.
    """

    def __init__(
        self, url: str, layout: Layout, *, patience: float, failure: Callable[[str], AICCError]
    ) -> None:
        self.name = safe_name(url, "postgres")
        self._layout = layout
        self._failure = failure
        self._url = url
        self._patience = patience
        # It ends before the step does: its error says more.
        self._settings = SETTINGS.format(lock_timeout=round(patience * 800)).encode()
        self._options: dict[str, Any] = {
            "client_encoding": "utf8",
            "prepare_threshold": None,
            "row_factory": dict_row,
        }
        if "connect_timeout" not in conninfo_to_dict(url):
            # libpq takes whole seconds, two at least.
            self._options["connect_timeout"] = max(2, round(patience))
        # Each with the time at which it was used.
        self._idle: list[tuple[Connection, float]] = []
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)

    async def close(self) -> None:
        """Close all connections; it may be used again, also in another event loop."""
        await self._close_idle()
        # It belongs to an event loop once somebody has waited for it.
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)

    async def run(
        self, step: Callable[[Connection], Awaitable[T]], *, patience: float | None = None
    ) -> T:
        """Run a step in a transaction, and return its result when that is durable.

        Each attempt may take ``patience`` seconds, unless that of all steps. Raises a ``failure``.
        """
        attempts = AsyncRetrying(
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )
        try:
            async with self._turns:
                return await attempts(self._attempt, step, patience or self._patience)
        except Error as error:
            raise self._failure(safe_message(error)) from None
        except TimeoutError:
            raise self._failure("Postgres does not answer") from None

    async def _attempt(self, step: Callable[[Connection], Awaitable[T]], patience: float) -> T:
        try:
            async with asyncio.timeout(patience):
                connection = await self._take()
                if connection is None:
                    connection = await AsyncConnection.connect(self._url, **self._options)
                    create = partial(self._layout.create_or_check, failure=self._failure)
                    await self._commit(connection, create)
                result = await self._commit(connection, step)
        except OperationalError:
            # Those that are idle are probably lost as well.
            await self._close_idle()
            raise
        self._idle.append((connection, asyncio.get_running_loop().time()))
        return result

    async def _take(self) -> Connection | None:
        """Return a connection that was used a short while ago, if there is one."""
        connection, used_at = self._idle.pop() if self._idle else (None, 0.0)
        if connection and asyncio.get_running_loop().time() - used_at > MAX_IDLE_SECONDS:
            # The others have been idle for longer.
            await self._close_idle()
            await connection.close()
            return None
        return connection

    async def _commit(
        self, connection: Connection, step: Callable[[Connection], Awaitable[T]]
    ) -> T:
        """Run a step in a transaction; when that fails, the connection is closed."""
        try:
            await connection.execute(self._settings)
            result = await step(connection)
            await connection.commit()
        except BaseException:
            # The server rolls back.
            await connection.close()
            raise
        return result

    async def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.close()


def _is_transient(error: BaseException) -> bool:
    """Return whether a transaction may be run again: it failed, or its answer was lost."""
    if not isinstance(error, Error):
        return False
    is_lost = isinstance(error, OperationalError) and error.sqlstate is None
    return is_lost or error.sqlstate in TRANSIENT_STATES
