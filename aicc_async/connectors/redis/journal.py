"""The journal of replicas on several machines: a Redis that they share.

The head of ``journal.lua`` explains how entries and leases are kept, the head of
``journal/leases.py`` how a process keeps to its leases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Self

import msgspec
from attrs import evolve

from ..._validators import check, is_a, must, number, one_of, text
from ...errors import ConfigError, JournalError
from ...journal import STATES, Entry, Finding
from ...journal.clock import wall_now
from ...journal.entry import decide, describe_layout, is_age, new_entry
from ...journal.leases import Lease, LeaseKeeper, loop_time, lost_lease
from .._one_loop import OneLoop
from .connection import (
    FAILURES,
    FullJitterBackoff,
    OutOfMemoryError,
    RedisConnection,
    RedisPlace,
    ResponseError,
    Retry,
    to_text,
)
from .durability import check_keeps

SCRIPT = files(__package__).joinpath("journal.lua").read_text(encoding="utf-8")
# What is within braces decides in which slot of a cluster a key is.
DEFAULT_PREFIX = "{aicc:journal}:"
HASH_TAG = re.compile(r"[^{]*\{[^}]+\}")
DEFAULT_LEASE_SECONDS = 30.0
MAX_LEASE_SECONDS = 3600.0
# A Redis that hangs must not use up the lease.
REPLY_TIMEOUT_SECONDS = 5.0
MAX_RETRIES = 3
# A script holds up all other clients while it runs.
KEYS_PER_STEP = 500
# What a step of taking returns.
TAKE_LOST, TAKE_UNDECIDED, TAKE_SETTLED = range(3)


class RedisJournal:
    """A journal that processes on several machines may share, each with an object of its own.

    ``redis`` is a URL, a client that is the caller's own and never closed here, or a function that
    returns a new one (see ``aicc_async.connectors.redis``). ``prefix`` begins all its keys; on a
    cluster it holds a hash tag, as the default does. A key is held by a lease of ``lease`` seconds
    (1 to 3600), renewed in the background at a third of it, so that it ends that soon after its
    holder has died. Each change is one script, and Redis's clock decides. The client closes it with
    itself; it opens again when it is used again.

    Raises JournalError when Redis can't be reached or refuses: nothing is sent then. The same when
    a lease was lost, when another version wrote the journal, and when it was used before
    ``os.fork()``. Raises ConfigError when Redis refuses the first sign-in, or can't be used as it
    is set up, and before a key is claimed in a Redis that would forget it: one that evicts keys
    (``maxmemory-policy`` is one of ``allkeys-*``; none of ours has a time to live, so that others
    don't touch them), or that has no append-only file (``aof_enabled:0``). ``durable=False`` takes
    one without: for tests, or where the vendor keeps the data in another way.

    What it promises, Redis must keep: it needs ``appendonly yes`` with ``appendfsync always``,
    enough memory, and no FLUSHALL. With ``everysec``, which a client can't see everywhere, a crash
    of Redis may forget the last second, and the creates of it can be made twice. So can those that
    a replica did not have yet when it took over (replication is not waited for). See
    https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/.

    When Redis is full, no key is claimed or sent again (JournalError), but what was sent is noted
    all the same, beyond ``maxmemory``.

    A process that was stopped for longer than its lease does not send any more: what was about to
    be sent is cancelled, and JournalError or UnknownOutcome raised. What remains: no lease can stop
    bytes that the system has already, and none is seen to end by a process that is stopped between
    its last look at the clock and the sending, or whose clock stood still with it (a suspended
    machine). A case that such a process makes is found all the same when it shows in the list
    within ``list_lag`` of the next holder's claim; later it is a second one, and its caller gets a
    JournalError with its ``case_id``.
    """

    def __init__(
        self,
        redis: RedisPlace,
        prefix: str = DEFAULT_PREFIX,
        *,
        lease: float = DEFAULT_LEASE_SECONDS,
        durable: bool = True,
    ) -> None:
        check("lease", lease, number(1, MAX_LEASE_SECONDS))
        self._prefix = check("prefix", prefix, text(empty=False))
        self._span = round(lease * 1e6)
        self._must_be_durable = check("durable", durable, must("be True or False", is_a(bool)))
        # Every step may be sent again: see the head of the script.
        retry = Retry(FullJitterBackoff(cap=1.0, base=0.05), MAX_RETRIES)
        self._redis = RedisConnection("redis", redis, timeout=REPLY_TIMEOUT_SECONDS, retry=retry)
        self._is_checked = False
        self._place = OneLoop(
            "journal",
            lambda: JournalError(
                f"the journal {self._prefix!r} was used before os.fork(), and cannot be used after"
                " it. Open one in each process"
            ),
        )
        self._leases = LeaseKeeper(lease, self._renew)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release every key, and close the connections that are ours."""
        if self._place.is_of_parent:
            return
        self._place.check()
        for key in await self._leases.close():
            self.release(key)
        await self._leases.wait_released()
        await self._redis.close()
        self._place.leave()

    async def claim(
        self, key: str, *, digest: str, match_digest: str, skew: timedelta | None = None
    ) -> Entry:
        """Take a key that nobody holds, and return what is known of it (see ``Journal``)."""
        # Another task of this process is at work on it.
        if self._leases.find(key):
            unknown = new_entry(key, digest=digest, match_digest=match_digest)
            return await self.entry(key) or evolve(unknown, held=False)
        lease, requested_at = self._leases.add(key, digest), loop_time()
        try:
            await self._check_server()
            held, time, row = await self._run(
                "claim", key, lease.token, self._span, digest, match_digest, _span_text(skew)
            )
        except BaseException:
            # It may be claimed all the same.
            self.withdraw(key)
            raise
        if held:
            self._leases.start(lease, requested_at)
        else:
            self._leases.drop(key)
        return _entry(key, row, redis_ahead=_moment(time) - wall_now(), held=bool(held))

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:
        """Send within this: it is cancelled when the lease ends (see ``Journal``)."""
        return self._leases.require(key).sending()

    async def resend(self, key: str, *, skew: timedelta | None = None) -> None:
        """Note that a key which is held is about to be sent again, and the skew of all sends.

        Raises JournalError when the lease is lost: it must not be sent then.
        """
        lease, requested_at = self._leases.require(key), loop_time()
        await self._change("resend", lease, self._span, _span_text(skew))
        self._leases.start(lease, requested_at)

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown.

        It is noted even when the lease is lost. When somebody settled the key with another case
        meanwhile that stays, and JournalError is raised: there are two cases then.
        """
        lease = self._leases.require(key)
        noted = to_text(await self._run("confirm", key, lease.digest, case_id))
        if noted != case_id:
            what = f"has the case {noted} already" if noted else "has another record by now"
            raise JournalError(f"the journal: {case_id} was made, but the key {key!r} {what}")
        lease.is_settled = True

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        lease = self._leases.require(key)
        await self._change("reject", lease, note)
        lease.is_settled = True

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        await self._change("doubt", self._leases.require(key), note, _json(candidates))

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Return those of the cases that no key has."""
        return _texts(await self._run("untaken", _json(ids)))

    async def open_digests(self, digests: Sequence[str]) -> list[str]:
        """Return those of the match digests that a key has which is sent or in doubt."""
        return _texts(await self._run("open_digests", _json(digests)))

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: float
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``).

        It is settled if what the decision was based on is still so; otherwise it is decided anew.
        """
        lease, basis = self._leases.require(key), ""
        while True:
            age = round((loop_time() - asked) * 1e6)
            result, found = await self._run(
                "take", key, lease.token, age, basis, _json(same), _json(alike)
            )
            if result == TAKE_LOST:
                raise lost_lease(key)
            if result == TAKE_SETTLED:
                lease.is_settled = True
                return Finding("found", (to_text(found),))
            basis = to_text(found)
            untaken, untaken_alike, (equals, others, rivals) = msgspec.json.decode(basis)
            # Lua writes its empty list as an object.
            ids = list(untaken), list(untaken_alike)
            finding = decide(*ids, equals=equals, others=others, rivals=rivals)
            if finding.status != "found":
                return finding

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for Redis."""
        self._leases.release(key, lambda lease: self._end("release", lease))

    def withdraw(self, key: str) -> None:
        """Release a key under which nothing was sent; it is rejected then."""
        self._leases.release(key, lambda lease: self._end("withdraw", lease))

    async def entry(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""
        [found] = await self._read([key])
        return found

    async def entries(self, state: str | None = None) -> list[Entry]:
        """Return all entries, or those of a state, oldest first."""
        if state is not None:
            check("state", state, one_of(*STATES))
        keys = _texts(await self._run("keys"))
        entries: list[Entry] = []
        for at in range(0, len(keys), KEYS_PER_STEP):
            found = await self._read(keys[at : at + KEYS_PER_STEP])
            entries += [each for each in found if each and state in (None, each.state)]
        return entries

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """
        reason, row = await self._run("resolve", key, case_id or "")
        if reason:
            raise ConfigError(f"cannot resolve the key {key!r}: {to_text(reason)}")
        return _entry(key, row)

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        What looks like one in doubt stays as well: its case could be taken for the other's.
        """
        age = _microseconds(check("older_than", older_than, is_age))
        pruned = skipped = 0
        while True:
            forgotten, left = await self._run("prune", age, skipped, KEYS_PER_STEP)
            if not forgotten + left:
                return pruned
            pruned, skipped = pruned + forgotten, skipped + left

    async def _read(self, keys: list[str]) -> list[Entry | None]:
        rows = await self._run("read", *keys)
        return [_entry(key, row) if row else None for key, row in zip(keys, rows, strict=True)]

    async def _change(self, step: str, lease: Lease, *values: str | int) -> None:
        """Run a step that only the holder may."""
        if not await self._run(step, lease.key, lease.token, *values):
            raise lost_lease(lease.key)

    async def _end(self, step: str, lease: Lease) -> None:
        await self._run(step, lease.key, lease.token)

    async def _renew(self, leases: list[Lease]) -> set[str]:
        lost: set[str] = set()
        for at in range(0, len(leases), KEYS_PER_STEP):
            some = leases[at : at + KEYS_PER_STEP]
            claims = [part for lease in some for part in (lease.key, lease.token)]
            lost |= set(_texts(await self._run("renew", self._span, *claims)))
        return lost

    async def _check_server(self) -> None:
        """Raise ConfigError where Redis would forget keys; asked anew after each failure."""
        if self._is_checked:
            return
        # Asked by a script: a cluster answers from the server that has the keys.
        info = to_text(await self._run("info"))
        check_keeps(
            info, must_be_durable=self._must_be_durable, lost="was sent", user="RedisJournal"
        )
        self._is_checked = True

    async def _run(self, step: str, *values: str | int) -> Any:
        self._place.enter()
        if self._redis.is_cluster and not HASH_TAG.match(self._prefix):
            condition = f"hold a hash tag on a cluster, as {DEFAULT_PREFIX!r} does"
            raise ConfigError(f"prefix must {condition}, got {self._prefix!r}")
        wall = round(wall_now().timestamp() * 1e6)
        keys, args = [f"{self._prefix}layout"], [step, self._prefix, wall, *values]
        try:
            return await self._redis.run(SCRIPT, keys, args)
        except FAILURES as error:
            self._is_checked = False
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> JournalError:
        if isinstance(error, ResponseError) and str(error).startswith("LAYOUT "):
            _, known, found = str(error).split(" ", 2)
            why = describe_layout(known=known, found=found)
            return JournalError(f"cannot use the journal {self._prefix!r}: {why}")
        if isinstance(error, OutOfMemoryError):
            return JournalError("cannot use the journal: Redis is full. Raise its maxmemory")
        return JournalError(f"cannot use the journal: Redis failed: {error}")


def _entry(
    key: str,
    row: Sequence[bytes | str],
    *,
    redis_ahead: timedelta | None = None,
    held: bool = False,
) -> Entry:
    """Return an entry with times of the wall clocks; ``redis_ahead`` is of this one, now."""
    digest, match_digest, state, created_at, updated_at, case_id, note, candidates, *rest = _texts(
        row
    )
    created_wall, updated_wall, skew = rest

    def drift(noted: str, wall: str) -> timedelta | None:
        return None if redis_ahead is None else _moment(noted) - redis_ahead - _moment(wall)

    return Entry(
        key=key,
        digest=digest,
        match_digest=match_digest,
        state=state,  # type: ignore[arg-type]  # the script writes no other
        created_at=_moment(created_wall),
        updated_at=_moment(updated_wall),
        case_id=case_id or None,
        note=note,
        candidates=tuple(msgspec.json.decode(candidates)),
        held=held,
        skew=timedelta(microseconds=int(skew)) if skew else None,
        created_drift=drift(created_at, created_wall),
        updated_drift=drift(updated_at, updated_wall),
    )


def _texts(values: Sequence[bytes | str]) -> list[str]:
    return [to_text(each) for each in values]


def _json(ids: Sequence[str]) -> str:
    return msgspec.json.encode(ids).decode()


def _moment(microseconds: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC)


def _span_text(span: timedelta | None) -> str:
    return "" if span is None else str(_microseconds(span))


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
