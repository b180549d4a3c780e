"""The journal of replicas that share a Postgres.

The head of ``steps.py`` explains how entries and leases are kept, the head of ``connection.py`` how
a step becomes durable, and the head of ``journal/leases.py`` how a process keeps to its leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, timedelta
from typing import Any, Self, TypeVar

from attrs import evolve

from ..._create.creator import check_key
from ..._validators import check, integer, number, one_of
from ...errors import ConfigError, JournalError
from ...journal import STATES, Entry, Finding
from ...journal.clock import wall_now
from ...journal.entry import is_age, new_entry
from ...journal.leases import Lease, LeaseKeeper, loop_time, lost_lease
from .._one_loop import OneLoop
from . import steps
from .connection import Database
from .library import AsyncConnection, Connection, DictRow
from .table import JOURNAL

T = TypeVar("T")
DEFAULT_LEASE_SECONDS = 30.0
MAX_LEASE_SECONDS = 3600.0
# A Postgres that hangs must not use up the lease.
MAX_PATIENCE_SECONDS = 5.0
# What reads or removes any number of entries may take so long: nothing is held for it.
OPERATOR_PATIENCE_SECONDS = 600.0
# Beyond it, Postgres has no time that is so long ago.
MAX_AGE = timedelta(days=365_000)


class PostgresJournal:
    """A journal that processes on several machines may share, each with an object of its own.

    ``postgres`` is a URL of libpq, ``postgresql://user:password@host/database``; what it leaves out
    comes from the environment (PGPASSWORD, PGSSLMODE, …). The journal is the table
    ``aicc_journal`` in the connection's search_path, created when it is first used, with up to five
    connections. A key is held by a lease of ``lease`` seconds (1 to 3600), renewed in the
    background at a third of it, so that it ends that soon after its holder has died. Each change is
    one transaction, and Postgres's clock decides. It works behind pgbouncer, also where that pools
    transactions. The client closes it with itself; it opens again when it is used again.

    Raises JournalError when Postgres can't be reached or refuses: nothing is sent then. The same
    when a lease was lost, when another version wrote the journal, and when it was used before
    ``os.fork()``.

    What it promises, Postgres must keep. Each transaction commits with ``synchronous_commit`` on,
    whatever the default is; the server needs ``fsync`` on, as it has unless it was told otherwise.
    With ``synchronous_standby_names`` a standby that takes over has all that was promised. One that
    is replicated asynchronously may lack the last creates, and so does a backup that is restored:
    they can be made twice.

    A process that was stopped for longer than its lease does not send any more: what was about to
    be sent is cancelled, and JournalError or UnknownOutcome raised. What remains: no lease can stop
    bytes that the system has already, and none is seen to end by a process that is stopped between
    its last look at the clock and the sending, or whose clock stood still with it (a suspended
    machine). A case that such a process makes is found all the same when it shows in the list
    within ``list_lag`` of the next holder's claim; later it is a second one, and its caller gets a
    JournalError with its ``case_id``.

    On Windows psycopg needs a selector event loop:
    ``asyncio.run(main(), loop_factory=asyncio.SelectorEventLoop)``, or in Python 3.11
    ``asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())`` before it.
    """

    def __init__(self, postgres: str, *, lease: float = DEFAULT_LEASE_SECONDS) -> None:
        check("lease", lease, number(1, MAX_LEASE_SECONDS))
        # A URL of another type may hold a password as well: it is not shown.
        if not isinstance(postgres, str):
            raise ConfigError(f"postgres must be a string, got {type(postgres).__name__}")
        self._span = timedelta(seconds=lease)
        patience = min(MAX_PATIENCE_SECONDS, lease / 2)
        self._database = Database(
            postgres,
            JOURNAL,
            patience=patience,
            failure=lambda why: JournalError(
                f"cannot use the journal {self._database.name}: {why}"
            ),
        )
        self._place = OneLoop(
            "journal",
            lambda: JournalError(
                f"the journal {self._database.name} was used before os.fork(), and cannot be used"
                " after it. Open one in each process"
            ),
        )
        self._leases = LeaseKeeper(lease, self._renew)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release every key, and close the connections."""
        if self._place.is_of_parent:
            return
        self._place.check()
        for key in await self._leases.close():
            self.release(key)
        await self._leases.wait_released()
        await self._database.close()
        self._place.leave()

    async def plan(self, connection: AsyncConnection[Any], *keys: str) -> None:
        """Note, in the caller's own transaction, that cases are to be created under these keys.

        The keys are there if and when that transaction commits, and ``due`` returns them until they
        are settled. A rejected key is planned again; any other that is there stays as it is. The
        connection must find the same ``aicc_journal``. Create after the commit: until then the key
        is locked, and ``create_case`` with it raises JournalError.

        Raises ConfigError for what can't be a key, and what psycopg raises on that connection.
        """
        for key in keys:
            check_key(key)
        # The table must be there, and stay when the caller rolls back.
        await self._run(lambda _: asyncio.sleep(0))
        for key in keys:
            await connection.execute(steps.PLAN, {"key": key})
            await connection.execute(steps.PLAN_REJECTED, {"key": key})

    async def due(self, *, limit: int = 100) -> list[str]:
        """Return planned keys that are not settled and that nobody is at work on, oldest first.

        Planned, or in doubt since their process died. A rejected one is not due until it is planned
        again.
        """
        check("limit", limit, integer(1))
        rows = await self._fetch(steps.DUE, {"limit": limit})
        return [row["key"] for row in rows]

    async def claim(
        self, key: str, *, digest: str, match_digest: str, skew: timedelta | None = None
    ) -> Entry:
        """Take a key that nobody holds, and return what is known of it (see ``Journal``)."""
        # Another task of this process is at work on it.
        if self._leases.find(key):
            unknown = new_entry(key, digest=digest, match_digest=match_digest)
            found = await self.entry(key)
            return evolve(unknown, held=False) if not found or found.state == "planned" else found
        lease, requested_at = self._leases.add(key, digest), loop_time()
        new = {"digest": digest, "match_digest": match_digest, "skew": skew, **self._values(lease)}
        try:
            held, row = await self._run(lambda db: steps.claim(db, new))
        except BaseException:
            # It may be claimed all the same.
            self.withdraw(key)
            raise
        if held:
            self._leases.start(lease, requested_at)
        else:
            self._leases.drop(key)
        return _entry(row, held=held)

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:
        """Send within this: it is cancelled when the lease ends (see ``Journal``)."""
        return self._leases.require(key).sending()

    async def resend(self, key: str, *, skew: timedelta | None = None) -> None:
        """Note that a key which is held is about to be sent again, and the skew of all sends.

        Raises JournalError when the lease is lost: it must not be sent then.
        """
        lease, requested_at = self._leases.require(key), loop_time()
        await self._change(steps.RESEND, lease, skew=skew)
        self._leases.start(lease, requested_at)

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown.

        It is noted even when the lease is lost. When somebody settled the key with another case
        meanwhile that stays, and JournalError is raised: there are two cases then.
        """
        lease = self._leases.require(key)
        values = {**self._values(lease), "digest": lease.digest, "case_id": case_id}
        noted = await self._run(lambda db: steps.confirm(db, values))
        if noted != case_id:
            what = f"has the case {noted} already" if noted else "has another record by now"
            raise JournalError(f"the journal: {case_id} was made, but the key {key!r} {what}")
        lease.is_settled = True

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        lease = self._leases.require(key)
        await self._change(steps.REJECT, lease, note=note)
        lease.is_settled = True

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        lease = self._leases.require(key)
        await self._change(steps.DOUBT, lease, note=note, candidates=list(candidates))

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Return those of the cases that no key has."""
        rows = await self._fetch(steps.UNTAKEN, {"ids": list(ids)})
        return [row["id"] for row in rows]

    async def open_digests(self, digests: Sequence[str]) -> list[str]:
        """Return those of the match digests that a key has which is sent or in doubt."""
        rows = await self._fetch(steps.OPEN_DIGESTS, {"digests": list(digests)})
        return [row["digest"] for row in rows]

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: float
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``)."""
        lease = self._leases.require(key)

        async def step(db: Connection) -> Finding | None:
            # An attempt is later than the one before it.
            age = timedelta(seconds=loop_time() - asked)
            return await steps.take(db, {**self._values(lease), "age": age}, same, alike)

        finding = await self._run(step)
        if finding is None:
            raise lost_lease(key)
        lease.is_settled = finding.status == "found"
        return finding

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for Postgres."""
        self._leases.release(key, lambda lease: self._end(steps.RELEASE, lease))

    def withdraw(self, key: str) -> None:
        """Release a key under which nothing was sent; it is rejected then, or planned as before."""
        self._leases.release(key, lambda lease: self._end(steps.WITHDRAW, lease))

    async def entry(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""
        rows = await self._fetch(steps.READ, {"key": key})
        return _entry(rows[0]) if rows else None

    async def entries(self, state: str | None = None) -> list[Entry]:
        """Return all entries, or those of a state, oldest first."""
        if state is not None:
            check("state", state, one_of(*STATES))
        rows = await self._run(
            lambda db: steps.fetch(db, steps.READ_ALL, {"state": state}),
            patience=OPERATOR_PATIENCE_SECONDS,
        )
        return [_entry(row) for row in rows]

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """
        values = {"key": key, "case_id": case_id, "wall": wall_now()}
        result = await self._run(lambda db: steps.resolve(db, values))
        if isinstance(result, str):
            raise ConfigError(f"cannot resolve the key {key!r}: {result}")
        return _entry(result)

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is planned or in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        What looks like one in doubt stays as well: its case could be taken for the other's.
        """
        age = min(check("older_than", older_than, is_age), MAX_AGE)
        return await self._run(
            lambda db: steps.change(db, steps.PRUNE, {"age": age}),
            patience=OPERATOR_PATIENCE_SECONDS,
        )

    def _values(self, lease: Lease) -> dict[str, Any]:
        """Return what most steps need to know of a lease, by the names in their statements."""
        return {
            "key": lease.key,
            "token": lease.token,
            "span": self._span,
            "wall": wall_now(),
        }

    async def _fetch(self, sql: str, values: Mapping[str, Any]) -> list[DictRow]:
        return await self._run(lambda db: steps.fetch(db, sql, values))

    async def _change(self, sql: str, lease: Lease, **values: Any) -> None:
        """Run a statement that only the holder may."""
        new = {**self._values(lease), **values}
        if not await self._run(lambda db: steps.change(db, sql, new)):
            raise lost_lease(lease.key)

    async def _end(self, sql: str, lease: Lease) -> None:
        await self._run(lambda db: steps.change(db, sql, self._values(lease)))

    async def _renew(self, leases: list[Lease]) -> set[str]:
        held = {lease.key: lease.token for lease in leases}
        values = {"span": self._span, "keys": list(held), "tokens": list(held.values())}
        rows = await self._fetch(steps.RENEW, values)
        return held.keys() - {row["key"] for row in rows}

    async def _run(
        self, step: Callable[[Connection], Awaitable[T]], *, patience: float | None = None
    ) -> T:
        self._place.enter()
        return await self._database.run(step, patience=patience)


def _entry(row: Mapping[str, Any], *, held: bool = False) -> Entry:
    """Return an entry with times of the wall clocks."""
    postgres_ahead = row["read_at"] - wall_now()
    created_wall, updated_wall = row["created_wall"], row["updated_wall"]
    return Entry(
        key=row["key"],
        digest=row["digest"],
        match_digest=row["match_digest"],
        state=row["state"],
        created_at=created_wall.astimezone(UTC),
        updated_at=updated_wall.astimezone(UTC),
        case_id=row["case_id"],
        note=row["note"],
        candidates=tuple(row["candidates"]),
        held=held,
        skew=row["skew"],
        created_drift=row["created_at"] - postgres_ahead - created_wall,
        updated_drift=row["updated_at"] - postgres_ahead - updated_wall,
    )
