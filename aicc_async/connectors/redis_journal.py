"""The journal of replicas on several machines: a Redis that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Self, cast
from uuid import uuid4

import msgspec
from attrs import define, frozen

from ..errors import AICCError, ConfigError, JournalError, UnknownOutcome
from ..journal import STATES, Entry, Finding
from ..journal.entry import decide

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ModuleNotFoundError:
    raise ConfigError("redis is missing: pip install 'aicc-async[redis]'") from None

SCRIPT = files(__package__).joinpath("redis_journal.lua").read_text(encoding="utf-8")
COLUMNS = (
    *("digest", "likeness", "state", "began", "touched"),
    *("case_id", "note", "candidates"),
)
LEASE = 30.0
LONGEST_LEASE = 3600.0
PATIENCE = 5.0  # seconds for Redis to answer: a stuck one must not use up the lease
MANY = 500  # keys of one command
_FAILURES = (RedisError, OSError)


@define(eq=False)
class _Hold:
    """A key that is held: the token that no later holder has, and when the lease ends here."""

    token: str
    digest: str
    until: float | None = None  # on the loop's clock; None: not claimed yet
    limit: asyncio.Timeout | None = None  # of what is being sent
    settled: bool = False


@frozen
class _Row:
    """An entry as the script gives it; ``now`` is the server's time, in microseconds."""

    held: bool
    now: int
    values: list[str]


class RedisJournal:
    """A journal that processes on several machines may share, each with an object of its own.

    ``redis`` is a URL (``redis://``, ``rediss://``, ``unix://``) or a ``redis.asyncio.Redis``, which
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
    ``list_lag`` of the next holder's claim; later it is a second one, and the holder that is told of
    it gets a JournalError with its ``case_id``.
    """

    def __init__(
        self, redis: str | Redis, prefix: str = "aicc:journal:", *, lease: float = LEASE
    ) -> None:
        if lease.__class__ not in (int, float) or not 1 <= lease <= LONGEST_LEASE:
            bound = f"1 to {LONGEST_LEASE:.0f} seconds are needed"
            raise ConfigError(f"lease: {bound}, {lease!r} was given")
        if not isinstance(prefix, str) or not prefix:
            raise ConfigError(f"prefix: a text is needed, {prefix!r} was given")
        self._lease = lease
        self._prefix = prefix
        self._owned = isinstance(redis, str)
        self._redis = _client(redis)
        self._script = self._redis.register_script(SCRIPT)
        self._safe = False  # as far as can be seen: nothing is evicted
        self._holds: dict[str, _Hold] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._releasing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of every key, and of the connections that are ours."""
        for key in list(self._holds):
            self.release(key)
        if self._renewing:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
            self._renewing = None
        if self._releasing:
            await asyncio.wait(self._releasing)
        if self._owned:
            await self._redis.aclose()

    async def claim(self, key: str, *, digest: str, likeness: str) -> Entry:
        """Take a key that nobody holds, and tell what is known of it (see ``Journal``).

        Its times are told by this machine's clock, however that of Redis is set.
        """
        if key in self._holds:  # another task of this process is at work on it
            return await self.entry(key) or _begun(key, digest, likeness)
        hold = self._holds[key] = _Hold(uuid4().hex, digest)
        asked = _clock()
        try:
            row = _row(await self._run("claim", key, hold.token, self._span, digest, likeness))
        except BaseException:  # it may be claimed all the same
            self.release(key)
            raise
        if row.held:
            hold.until = asked + self._lease
            self._keep_renewing()
        else:
            del self._holds[key]
        shift = datetime.now(UTC) - _moment(row.now)
        return _entry(key, row.values, shift=shift, held=row.held)

    @asynccontextmanager
    async def holding(self, key: str) -> AsyncIterator[None]:
        """Send within this: it is given up when the lease ends (see ``Journal``)."""
        hold = self._holds.get(key)
        if not hold or hold.until is None or _clock() >= hold.until:
            raise _lost(key)
        try:
            async with asyncio.timeout_at(hold.until) as hold.limit:
                yield
        except TimeoutError as error:
            if isinstance(error, AICCError):
                raise
            raise UnknownOutcome(
                f"create: it may have happened, the lease on {key!r} ended meanwhile",
                operation="create",
            ) from error
        finally:
            hold.limit = None

    async def resend(self, key: str) -> None:
        """Note that a key which is held is about to be sent again.

        Raises JournalError when the lease was lost: it must not be sent then.
        """
        hold = self._held(key)
        asked = _clock()
        if not await self._run("resend", key, hold.token, self._span):
            raise _lost(key)
        hold.until = asked + self._lease

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Another key that was thought to have made it is unknown.

        It is noted even when the lease was lost. When somebody settled the key otherwise meanwhile
        that stays, and JournalError is raised: then there are two cases.
        """
        hold = self._held(key)
        noted = _text(await self._run("confirm", key, hold.digest, case_id))
        if noted != case_id:
            what = f"has the case {noted} meanwhile" if noted else "was taken out meanwhile"
            raise JournalError(f"the journal: key {key!r} {what}, and {case_id} was made")
        hold.settled = True

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        hold = self._held(key)
        if not await self._run("reject", key, hold.token, note):
            raise _lost(key)
        hold.settled = True

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        if not await self._run("doubt", key, self._held(key).token, note, _json(candidates)):
            raise _lost(key)

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Leave out the cases that keys have."""
        return list(await self._run("free", *ids)) if ids else []

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: datetime
    ) -> Finding:
        """Settle with one of the cases that a list showed (see ``Journal``)."""
        hold = self._held(key)
        seen = ""  # what was decided upon; when it isn't so any more, it is decided anew
        while True:
            age = _micro(datetime.now(UTC) - asked)
            found = await self._run("take", key, hold.token, age, seen, _json(same), _json(alike))
            word, seen = found[0], _text(found[1])
            if not word:
                raise _lost(key)
            if word == SETTLED:
                hold.settled = True
                return Finding("found", (seen,))
            finding = _decision(seen)
            if finding.word != "found":
                return finding

    def release(self, key: str) -> None:
        """Hold a key no longer, without waiting for Redis."""
        hold = self._holds.pop(key, None)
        if hold and not hold.settled:
            task = asyncio.create_task(self._release(key, hold.token))
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)

    async def entry(self, key: str) -> Entry | None:
        """Look one up."""
        [found] = await self._look_up([key])
        return found

    async def entries(self, state: str | None = None) -> list[Entry]:
        """List all, or those of a state, oldest first."""
        if state not in (None, *STATES):
            raise ConfigError(f"state: one of {', '.join(STATES)} is needed, {state!r} was given")
        found: list[Entry] = []
        keys = [_text(key) for key in await self._run("keys")]
        for at in range(0, len(keys), MANY):
            many = await self._look_up(keys[at : at + MANY])
            found += [one for one in many if one and state in (None, one.state)]
        return found

    async def resolve(self, key: str, case_id: str | None) -> Entry:
        """Settle what an operator has found out: the case's id, or None: none was made.

        Raises ConfigError when the key is not there, is settled, or somebody is at work on it.
        """
        if reason := _text(await self._run("resolve", key, case_id or "")):
            raise ConfigError(f"key: {key!r} can't be resolved, {reason}")
        return cast("Entry", await self.entry(key))

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget what was settled so long ago, and count it; what is in doubt stays.

        A message that comes after that makes a second case: keep them as long as one may come.
        """
        if older_than <= timedelta(0):
            raise ConfigError(f"older_than: more than 0 is needed, {older_than} was given")
        pruned = 0
        while many := int(await self._run("prune", _micro(older_than), MANY)):
            pruned += many
        return pruned
