"""The journal of replicas on several machines: a Redis that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Self

import msgspec

from ...errors import ConfigError, JournalError
from ...journal import STATES, Entry, Finding
from ...journal.entry import decide
from .leases import Hold, Leases, lost, now

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import FullJitterBackoff
    from redis.exceptions import RedisError
except ModuleNotFoundError:
    raise ConfigError("redis is missing: pip install 'aicc-async[redis]'") from None

SCRIPT = files(__package__).joinpath("journal.lua").read_text(encoding="utf-8")
LEASE = 30.0
LONGEST_LEASE = 3600.0
PATIENCE = 5.0  # seconds for Redis to answer: a stuck one must not use up the lease
RETRIES = 3
MANY = 500  # keys of one step
LOST, SEEN, SETTLED = range(3)  # what a step of taking tells


class RedisJournal:
    """A journal that processes on several machines may share, each with an object of its own.

    ``redis`` is a URL (``redis://``, ``rediss://``, ``unix://``), or a ``redis.asyncio.Redis`` that
    is the caller's own and never closed here. ``prefix`` begins all its keys. A key is held by a
    lease of ``lease`` seconds (1 to 3600), renewed in the background at a third of it, so that it
    ends that soon after its holder has died. Each change is one script, and Redis's clock the only
    one. The client closes it with itself; it opens again when it is used again.

    Raises JournalError when Redis can't be reached or refuses: nothing is sent then. The same when
    a lease was lost; and ConfigError when Redis would throw keys away (``maxmemory-policy`` is one
    of ``allkeys-*``; none of ours has a time to live, so that others don't touch them).

    What it promises, Redis must keep: it needs ``appendonly yes`` with ``appendfsync always``,
    enough memory, and no FLUSHALL. With ``everysec`` a crash of Redis may forget the last second,
    and the creates of it can be made twice. So can those that a replica did not have yet when it
    took over (replication is not waited for). A Redis Cluster is not supported.

    A process that was stopped for longer than its lease does not send any more: what was about to
    be sent is given up, and JournalError or UnknownOutcome raised. What remains: no lease can stop
    bytes that the system has already, and none is seen to end by a process that is stopped between
    its last look at the clock and the sending, or whose clock stood still with it (a suspended
    machine). A case that such a one makes is found all the same when it shows in the list within
    ``list_lag`` of the next holder's claim; later it is a second one, and whoever was told of it
    gets a JournalError with its ``case_id``.
    """

    def __init__(
        self, redis: str | Redis, prefix: str = "aicc:journal:", *, lease: float = LEASE
    ) -> None:
        _check(prefix, lease)
        self._prefix = prefix
        self._span = round(lease * 1e6)
        self._owned = isinstance(redis, str)
        self._redis = _client(redis)
        self._script = self._redis.register_script(SCRIPT)
        self._checked = False
        self._leases = Leases(lease, self._renew)
        self._leaving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of every key, and of the connections that are ours."""
        for key in await self._leases.close():
            self.release(key)
        if self._leaving:
            await asyncio.wait(self._leaving)
        if self._owned:
            await self._redis.aclose()

    async def claim(self, key: str, *, digest: str, likeness: str) -> Entry:
        """Take a key that nobody holds, and tell what is known of it (see ``Journal``).

        Its times are told by this machine's clock, however Redis's is set.
        """
        if self._leases.find(key):  # another task of this process is at work on it
            return await self.entry(key) or _begun(key, digest, likeness)
        hold, asked = self._leases.add(key, digest), now()
        try:
            held, moment, row = await self._run(
                "claim", key, hold.token, self._span, digest, likeness
            )
        except BaseException:  # it may be claimed all the same
            self._leave(key, "withdraw")
            raise
        if held:
            self._leases.start(hold, asked)
        else:
            self._leases.drop(key)
        shift = datetime.now(UTC) - _moment(moment)
        return _entry(key, row, shift=shift, held=bool(held))

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:
        """Send within this: it is given up when the lease ends (see ``Journal``)."""
        return self._leases.held(key).sent()

    async def resend(self, key: str) -> None:
        """Note that a key which is held is about to be sent again.

        Raises JournalError when the lease is lost: it must not be sent then.
        """
        hold, asked = self._leases.held(key), now()
        await self._change("resend", hold, self._span)
        self._leases.start(hold, asked)

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown.

        It is noted even when the lease is lost. When somebody settled the key with another case
        meanwhile that stays, and JournalError is raised: there are two cases then.
        """
        hold = self._leases.held(key)
        noted = _text(await self._run("confirm", key, hold.digest, case_id))
        if noted != case_id:
            what = f"has the case {noted} already" if noted else "stands for it no more"
            raise JournalError(f"the journal: {case_id} was made, but the key {key!r} {what}")
        hold.settled = True

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        hold = self._leases.held(key)
        await self._change("reject", hold, note)
        hold.settled = True

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        await self._change("doubt", self._leases.held(key), note, _json(candidates))

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Leave out the cases that keys have."""
        return _texts(await self._run("free", _json(ids)))

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: datetime
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``).

        It is settled by what was decided upon; when that changes meanwhile, it is decided anew.
        """
        hold, seen = self._leases.held(key), ""
        while True:
            age = _micro(datetime.now(UTC) - asked)
            shown = _json(same), _json(alike)
            word, found = await self._run("take", key, hold.token, age, seen, *shown)
            seen = _text(found)
            if word == LOST:
                raise lost(key)
            if word == SETTLED:
                hold.settled = True
                return Finding("found", (seen,))
            if (finding := _decision(seen)).word != "found":
                return finding

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for Redis."""
        self._leave(key, "release")

    async def entry(self, key: str) -> Entry | None:
        """Look one up."""
        [found] = await self._look_up([key])
        return found

    async def entries(self, state: str | None = None) -> list[Entry]:
        """List all, or those of a state, oldest first."""
        if state not in (None, *STATES):
            raise ConfigError(f"state: one of {', '.join(STATES)} is needed, {state!r} was given")
        keys = _texts(await self._run("keys"))
        found: list[Entry] = []
        for at in range(0, len(keys), MANY):
            many = await self._look_up(keys[at : at + MANY])
            found += [each for each in many if each and state in (None, each.state)]
        return found

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """
        reason, row = await self._run("resolve", key, case_id or "")
        if reason:
            raise ConfigError(f"key: {key!r} can't be resolved, {_text(reason)}")
        return _entry(key, row)

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        What looks like one in doubt stays as well, lest its case be taken for the other's.
        """
        if older_than <= timedelta(0):
            raise ConfigError(f"older_than: more than 0 is needed, {older_than} was given")
        pruned = skipped = 0
        while True:
            gone, left = await self._run("prune", _micro(older_than), skipped, MANY)
            if not gone + left:
                return pruned
            pruned, skipped = pruned + gone, skipped + left

    async def _look_up(self, keys: list[str]) -> list[Entry | None]:
        rows = await self._run("rows", *keys)
        return [_entry(key, row) if row else None for key, row in zip(keys, rows, strict=True)]

    async def _change(self, step: str, hold: Hold, *values: str | int) -> None:
        """Do what only the holder may."""
        if not await self._run(step, hold.key, hold.token, *values):
            raise lost(hold.key)

    def _leave(self, key: str, step: str) -> None:
        hold = self._leases.drop(key)
        if hold and not hold.settled:
            task = asyncio.create_task(self._left(step, hold))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _left(self, step: str, hold: Hold) -> None:
        with suppress(JournalError, ConfigError):  # then the lease runs out
            await self._run(step, hold.key, hold.token)

    async def _renew(self, holds: list[Hold]) -> set[str]:
        gone: set[str] = set()
        for at in range(0, len(holds), MANY):
            many = [part for hold in holds[at : at + MANY] for part in (hold.key, hold.token)]
            gone |= set(_texts(await self._run("renew", self._span, *many)))
        return gone

    async def _run(self, step: str, *values: str | int) -> Any:
        try:
            if not self._checked:
                _check_policy(await self._redis.info("memory"))
                self._checked = True
            return await self._script(args=[step, self._prefix, *values])
        except (RedisError, OSError) as error:
            raise JournalError(f"the journal: Redis failed: {error}") from error


def _check(prefix: str, lease: float) -> None:
    if lease.__class__ not in (int, float) or not 1 <= lease <= LONGEST_LEASE:
        bound = f"1 to {LONGEST_LEASE:.0f} seconds are needed"
        raise ConfigError(f"lease: {bound}, {lease!r} was given")
    if not isinstance(prefix, str) or not prefix:
        raise ConfigError(f"prefix: a text is needed, {prefix!r} was given")


def _client(redis: str | Redis) -> Redis:
    if isinstance(redis, Redis):
        return redis
    try:
        return Redis.from_url(
            redis,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(FullJitterBackoff(cap=1.0, base=0.05), RETRIES),  # steps may come twice
        )
    except (ValueError, AttributeError):
        # a URL may hold a password: it is not repeated
        raise ConfigError(
            "redis: a URL (redis://, rediss://, unix://) or client is needed"
        ) from None


def _check_policy(info: dict[str, Any]) -> None:
    policy = info.get("maxmemory_policy", "")
    if policy.startswith("allkeys"):
        raise ConfigError(f"redis: maxmemory-policy must be noeviction, it is {policy}")


def _decision(seen: str) -> Finding:
    same, alike, (equals, others, rivals) = msgspec.json.decode(seen)
    # Lua's empty list is written as an object
    return decide(list(same), list(alike), equals=equals, others=others, rivals=rivals)


def _begun(key: str, digest: str, likeness: str) -> Entry:
    began = datetime.now(UTC)
    return Entry(
        key=key, digest=digest, likeness=likeness, state="sent", began=began, touched=began
    )


def _entry(
    key: str, row: Sequence[bytes | str], *, shift: timedelta = timedelta(0), held: bool = False
) -> Entry:
    digest, likeness, state, began, touched, case_id, note, candidates = _texts(row)
    return Entry(
        key=key,
        digest=digest,
        likeness=likeness,
        state=state,  # type: ignore[arg-type]  # of ours
        began=_moment(began) + shift,
        touched=_moment(touched) + shift,
        case_id=case_id or None,
        note=note,
        candidates=tuple(msgspec.json.decode(candidates)),
        held=held,
    )


def _texts(values: Sequence[bytes | str]) -> list[str]:
    return [_text(each) for each in values]


def _text(value: bytes | str) -> str:
    """Read what a client with or without ``decode_responses`` gives."""
    return value.decode() if isinstance(value, bytes) else value


def _json(ids: Sequence[str]) -> str:
    return msgspec.json.encode(ids).decode()


def _moment(micro: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(micro) / 1e6, UTC)


def _micro(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
