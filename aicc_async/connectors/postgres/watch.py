"""What a watch knows, in a Postgres that replicas share.

The head of ``watch_steps.py`` explains what keeps replicas apart, the head of ``connection.py`` how
a step becomes durable, the head of ``_leader.py`` how replicas take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self

from ..._validators import check, kind_of, text
from ...errors import ConfigError
from ...watch.state import KnownCase, Look, PendingEvent
from .._leader import LEASE_SECONDS, Leader
from . import watch_steps as sql
from .connection import Database
from .library import AsyncConnection, Connection, DictRow

LEASE = timedelta(seconds=LEASE_SECONDS)
PATIENCE_SECONDS = 5.0
# A first look may be large. While it is written its lease can't be taken.
LOOK_PATIENCE_SECONDS = 60.0
CASES_PER_STEP = 2000
# Beyond the time of any case.
MIN_SECOND, MAX_SECOND = -(2**62), 2**62
TURNS = {"claim": sql.CLAIM, "renew": sql.RENEW, "release": sql.RELEASE}


class PostgresWatchState:
    """What a watch knows, for replicas on several machines: ``watch_cases(…, state=…)``.

    ``postgres`` is a URL of libpq, as that of a ``PostgresJournal``. All that pass the same
    database and ``name`` take turns: one leads, by a lease of three seconds that it renews, and
    each other waits; when the leader ends or dies, another one goes on where it was, within five
    seconds. Postgres's clock decides. It is the tables ``aicc_watch``, ``aicc_watch_case`` and
    ``aicc_watch_event`` in the connection's search_path, created when they are first used, with up
    to five connections; the rows of cases are in them, with contact data. It works behind
    pgbouncer, also where that pools transactions.

    ``event.ack(within=connection)`` acknowledges in the caller's own transaction: an event is
    acknowledged if, and only if, that is committed. While it is open, no other replica leads.

    Raises WatchError when Postgres can't be reached or refuses, when another version wrote the
    tables, and when another process leads by now: what was not acknowledged is handed to that one.
    """

    def __init__(self, postgres: str, name: str = "cases") -> None:
        check("name", name, text(empty=False))
        # A URL of another type may hold a password as well: it is not shown.
        if not isinstance(postgres, str):
            raise ConfigError(f"postgres must be a string, got {kind_of(postgres)}")
        self._name = name
        self._leader = Leader(name, self._take_turn, self._disconnect)
        self._database = Database(
            postgres, sql.WATCH, patience=PATIENCE_SECONDS, failure=self._leader.failure
        )
        # The pieces of a reading are of one moment, and looks are kept in the order of their
        # numbers.
        self._turn = asyncio.Lock()
        self._looks = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Lead within this, connected; wait for it as long as another replica leads."""
        async with self._leader.hold():
            yield

    async def meta(self) -> bytes | None:
        """Return what the watch noted for itself; None: it is new."""
        [row] = await self._fetch(sql.META)
        found: bytes | None = row["meta"]
        return found

    async def count(self, begin: int, end: int) -> int:
        """Count the cases that were created from ``begin`` on and before ``end``."""
        [row] = await self._fetch(sql.COUNT, begin=begin, end=end)
        return int(row["count"])

    async def cases(self, begin: int, end: int) -> list[KnownCase]:
        """Return those cases, oldest first."""
        return await self._read_cases(sql.CASES, begin, end)

    async def missing(self) -> list[KnownCase]:
        """Return the cases that have ``missing_at``, oldest first."""
        return await self._read_cases(sql.MISSING, MIN_SECOND, MAX_SECOND)

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when those cases were created, oldest first, the first ``limit`` of them."""
        rows = await self._fetch(sql.SECONDS, begin=begin, end=end, limit=limit)
        return [row["created"] for row in rows]

    async def find(self, ids: Sequence[str]) -> list[KnownCase]:
        """Return the cases that are known among these."""
        rows = await self._fetch(sql.FIND, ids=list(ids))
        return [_case(row) for row in rows]

    async def commit(self, look: Look) -> None:
        """Keep what came of a look: durable when this returns."""
        async with self._turn:
            self._looks += 1
            values = {**self._values(), **_columns(look), "look": self._looks}

            async def step(db: Connection) -> None:
                begun = await (await db.execute(sql.BEGIN_LOOK, values)).fetchone()
                if begun is None:
                    # It was kept, and the answer was lost: or the lease is.
                    await self._check_held(db, values)
                    return
                await db.execute(sql.UPSERT, values)
                await db.execute(sql.FORGET, values)
                await db.execute(sql.INSERT_EVENTS, {**values, "event": begun["event"]})

            await self._database.run(step, patience=LOOK_PATIENCE_SECONDS)

    async def pending(self, after: int, *, limit: int) -> list[PendingEvent]:
        """Return events with numbers higher than ``after``, in order."""
        rows = await self._fetch(sql.PENDING, after=after, limit=limit)
        return [PendingEvent(**row) for row in rows]

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Forget events; again is nothing.

        ``within`` is a psycopg connection of the caller's, which must find the same tables: they
        are forgotten if and when its transaction commits. Raises ConfigError for anything else, and
        what psycopg raises on that connection.
        """
        values = {**self._values(), "numbers": list(numbers)}
        if within is None:
            await self._database.run(lambda db: self._acknowledge(db, values))
        elif isinstance(within, AsyncConnection):
            await self._acknowledge(within, values)
        else:
            raise ConfigError(f"within must be a psycopg.AsyncConnection, got {kind_of(within)}")

    async def close(self) -> None:
        """End what ``hold`` began, if its block has not yet; it may be held again."""
        await self._leader.close()

    async def _acknowledge(self, db: AsyncConnection[Any], values: Mapping[str, Any]) -> None:
        # Rows are as the caller's connection makes them.
        if not (await db.execute(sql.ACKNOWLEDGE, values)).rowcount:
            raise self._leader.lost()

    async def _read_cases(self, statement: str, begin: int, end: int) -> list[KnownCase]:
        found: list[KnownCase] = []
        async with self._turn:
            while True:
                created, case_id = (found[-1].created, found[-1].id) if found else (begin, "")
                rows = await self._fetch(
                    statement, created=created, id=case_id, end=end, limit=CASES_PER_STEP
                )
                found += [_case(row) for row in rows]
                if len(rows) < CASES_PER_STEP:
                    return found

    async def _disconnect(self) -> None:
        await self._database.close()
        # It belongs to an event loop once somebody has waited for it.
        self._turn = asyncio.Lock()

    async def _take_turn(self, step: str, token: str) -> bool:
        values = {"name": self._name, "token": token, "span": LEASE}

        async def take(db: Connection) -> bool:
            if step == "claim":
                await db.execute(sql.INSERT_STATE, values)
            return bool((await db.execute(TURNS[step].encode(), values)).rowcount)

        return await self._database.run(take)

    def _values(self) -> dict[str, Any]:
        return {"name": self._name, "token": self._leader.token}

    async def _fetch(self, statement: str, **values: Any) -> list[DictRow]:
        """Return the rows of a statement that only the leader may run."""
        all_values = {**self._values(), **values}

        async def step(db: Connection) -> list[DictRow]:
            await self._check_held(db, all_values)
            return await (await db.execute(statement.encode(), all_values)).fetchall()

        return await self._database.run(step)

    async def _check_held(self, db: Connection, values: Mapping[str, Any]) -> None:
        if not (await db.execute(sql.IS_HELD, values)).rowcount:
            raise self._leader.lost()


def _case(row: Mapping[str, Any]) -> KnownCase:
    return KnownCase(
        id=row["id"], created=row["created"], digest=row["digest"], event_id=row["event_id"],
        row=row["packed"], missing_at=row["missing_at"],
    )  # fmt: skip


def _columns(look: Look) -> dict[str, Any]:
    """Return a look as what its statements take; of a case that is in it twice, the last one."""
    known = list({each.id: each for each in look.known}.values())
    return {
        "ids": [each.id for each in known],
        "created": [each.created for each in known],
        "digests": [each.digest for each in known],
        "event_ids": [each.event_id for each in known],
        "rows": [each.row for each in known],
        "missing": [each.missing_at for each in known],
        "forgotten": list(look.forgotten),
        "case_ids": [case_id for case_id, _ in look.events],
        "bodies": [body for _, body in look.events],
        "events": len(look.events),
        "meta": look.meta,
    }
