"""What a watch knows, in a Redis that replicas share.

The head of ``watch.lua`` explains how it is kept, the head of ``_leader.py`` how replicas take
turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Self

import msgspec

from ..._validators import check, is_a, must, shown, text
from ...errors import ConfigError, WatchError
from ...journal.entry import describe_layout
from ...watch.state import LAYOUT_ADVICE, KnownCase, Look, PendingEvent
from .._leader import LEASE_SECONDS, Leader
from .connection import (
    FAILURES,
    FullJitterBackoff,
    OutOfMemoryError,
    RedisConnection,
    RedisPlace,
    ResponseError,
    Retry,
    Value,
)
from .durability import check_keeps

SCRIPT = files(__package__).joinpath("watch.lua").read_text(encoding="utf-8")
PARTS = ("state", "cases", "created", "missing", "events")
LEASE_MICROSECONDS = round(LEASE_SECONDS * 1e6)
REPLY_TIMEOUT_SECONDS = 5.0
MAX_RETRIES = 3
# A script holds up all other clients while it runs.
ITEMS_PER_STEP = 500
_PackedCase = tuple[int, float | None, bytes, str, bytes]
_unpack_case = msgspec.msgpack.Decoder(_PackedCase).decode
_unpack_event = msgspec.msgpack.Decoder(tuple[str, bytes]).decode


class RedisWatchState:
    """What a watch knows, for replicas on several machines: ``watch_cases(…, state=…)``.

    ``redis`` is a URL, a client that is the caller's own and never closed here, or a function that
    returns a new one (see ``aicc_async.connectors.redis``); a client that decodes responses is
    refused. All that pass the same Redis and ``name`` take turns: one leads, by a lease of three
    seconds that it renews, and each other waits; when the leader ends or dies, another one goes on
    where it was, within five seconds. Redis's clock decides. It is five keys,
    ``{aicc:watch:NAME}:…``, with about 600 bytes for each case of the horizon, contact data
    included: whoever may read there sees it.

    Raises WatchError when Redis can't be reached or refuses, when another version wrote the state,
    and when another process leads by now: what that one had not acknowledged it is handed again.
    Raises ConfigError when Redis refuses the first sign-in, or can't be used as it is set up, and
    in a Redis that would forget keys: one that evicts them (``maxmemory-policy`` is one of
    ``allkeys-*``; none of ours has a time to live), or that has no append-only file.
    ``durable=False`` takes one without: for tests, or where the vendor keeps the data in another
    way.

    What it promises, Redis must keep: it needs ``appendonly yes`` with ``appendfsync always``.
    What Redis forgets in a crash, or a replica did not have yet when it took over, is noticed anew:
    events that were acknowledged then may come again. A watch that counts on what was forgotten
    ends with WatchError; opened again, it goes on. When Redis is full, nothing more is noticed
    (WatchError), but events can be acknowledged.
    """

    def __init__(self, redis: RedisPlace, name: str = "cases", *, durable: bool = True) -> None:
        check("name", name, text(empty=False))
        if set(name) & set("{}"):
            raise ConfigError(f"name must hold no braces, got {shown(name)}")
        self._must_be_durable = check("durable", durable, must("be True or False", is_a(bool)))
        self._keys = [f"{{aicc:watch:{name}}}:{part}" for part in PARTS]
        # Every step may be sent again: see the head of the script.
        retry = Retry(FullJitterBackoff(cap=1.0, base=0.05), MAX_RETRIES)
        self._redis = RedisConnection("redis", redis, timeout=REPLY_TIMEOUT_SECONDS, retry=retry)
        self._leader = Leader(name, self._take_turn, self._disconnect)
        # The pieces of a reading are of one moment, and looks are kept in the order of their
        # numbers.
        self._turn = asyncio.Lock()
        self._looks = 0
        self._last_kept = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Lead within this, connected; wait for it as long as another replica leads."""
        async with self._leader.hold():
            info = await self._run("info")
            if isinstance(info, str):
                raise ConfigError("redis must be a client without decode_responses: rows are bytes")
            needed, user = self._must_be_durable, "RedisWatchState"
            check_keeps(info.decode(), must_be_durable=needed, lost="happened", user=user)
            # Who holds it reads what is there now, and counts on nothing older.
            self._last_kept = 0
            yield

    async def meta(self) -> bytes | None:
        """Return what the watch noted for itself; None: it is new."""
        found: bytes | None = await self._run("meta")
        return found

    async def count(self, begin: int, end: int) -> int:
        """Count the cases that were created from ``begin`` on and before ``end``."""
        return int(await self._run("count", begin, end))

    async def cases(self, begin: int, end: int) -> list[KnownCase]:
        """Return those cases, oldest first."""
        return await self._read_cases("created", begin, end)

    async def missing(self) -> list[KnownCase]:
        """Return the cases that have ``missing_at``, oldest first."""
        return await self._read_cases("missing", "-inf", "+inf")

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when those cases were created, oldest first, the first ``limit`` of them."""
        found: list[int] = []
        async with self._turn:
            while (size := min(limit - len(found), ITEMS_PER_STEP)) > 0:
                piece = await self._run("seconds", begin, end, len(found), size)
                found += piece
                if len(piece) < size:
                    break
        return found

    async def find(self, ids: Sequence[str]) -> list[KnownCase]:
        """Return the cases that are known among these."""
        found: list[KnownCase] = []
        for at in range(0, len(ids), ITEMS_PER_STEP):
            some = ids[at : at + ITEMS_PER_STEP]
            rows = await self._run("find", *some)
            pairs = zip(some, rows, strict=True)
            found += [self._case(case_id, row) for case_id, row in pairs if row]
        return found

    async def commit(self, look: Look) -> None:
        """Keep what came of a look: in the append-only file when this returns."""
        meta = () if look.meta is None else ("meta", look.meta)
        values: list[Value] = [len(meta) // 2, len(look.known), len(look.forgotten)]
        values += [len(look.events), *meta]
        for each in look.known:
            values += [each.id, each.created, int(each.missing_at is not None), _pack(each)]
        values += look.forgotten
        values += [msgspec.msgpack.encode(event) for event in look.events]
        async with self._turn:
            self._looks += 1
            await self._run("commit", self._looks, self._last_kept, *values)
            self._last_kept = self._looks

    async def pending(self, after: int, *, limit: int) -> list[PendingEvent]:
        """Return events with numbers higher than ``after``, in order."""
        found: list[PendingEvent] = []
        while (size := min(limit - len(found), ITEMS_PER_STEP)) > 0:
            piece = await self._run("pending", found[-1].number if found else after, size)
            found += [self._event(each) for each in piece]
            if len(piece) < size:
                break
        return found

    async def acknowledge(self, numbers: Sequence[int], *, within: Any = None) -> None:
        """Forget events; again is nothing. Raises ConfigError for a transaction to join."""
        if within is not None:
            raise ConfigError("within must be None: a state in Redis cannot join a transaction")
        for at in range(0, len(numbers), ITEMS_PER_STEP):
            await self._run("acknowledge", *numbers[at : at + ITEMS_PER_STEP])

    async def close(self) -> None:
        """End what ``hold`` began, if its block has not yet; it may be held again."""
        await self._leader.close()

    async def _read_cases(self, name: str, begin: int | str, end: int | str) -> list[KnownCase]:
        found: list[KnownCase] = []
        async with self._turn:
            while True:
                piece = await self._run("cases", name, begin, end, len(found), ITEMS_PER_STEP)
                pairs = zip(piece[::2], piece[1::2], strict=True)
                found += [self._case(case_id.decode(), row) for case_id, row in pairs]
                if len(piece) < 2 * ITEMS_PER_STEP:
                    return found

    async def _disconnect(self) -> None:
        await self._redis.close()
        # It belongs to an event loop once somebody has waited for it.
        self._turn = asyncio.Lock()

    async def _take_turn(self, step: str, token: str) -> bool:
        span = () if step == "release" else (LEASE_MICROSECONDS,)
        return bool(await self._send(step, token, *span))

    async def _run(self, step: str, *values: Value) -> Any:
        return await self._send(step, self._leader.token, *values)

    async def _send(self, step: str, token: str, *values: Value) -> Any:
        try:
            return await self._redis.run(SCRIPT, self._keys, [step, token, *values])
        except FAILURES as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> WatchError:
        if isinstance(error, ResponseError) and str(error).startswith("LOST "):
            return self._leader.lost()
        if isinstance(error, ResponseError) and str(error).startswith("FORGOT "):
            return self._leader.failure("Redis lost the last look. Open the watch again")
        if isinstance(error, ResponseError) and str(error).startswith("LAYOUT "):
            _, known, found = str(error).split(" ", 2)
            why = describe_layout(known=known, found=found, advice=LAYOUT_ADVICE)
            return self._leader.failure(why)
        if isinstance(error, OutOfMemoryError):
            return self._leader.failure("Redis is full. Raise its maxmemory")
        return self._leader.failure(f"Redis failed: {error}")

    def _case(self, case_id: str, packed: bytes) -> KnownCase:
        try:
            created, missing_at, digest, event_id, row = _unpack_case(packed)
        except msgspec.MsgspecError:
            raise self._leader.failure("a case of it is damaged") from None
        return KnownCase(
            id=case_id, created=created, digest=digest, event_id=event_id, row=row,
            missing_at=missing_at,
        )  # fmt: skip

    def _event(self, member: bytes) -> PendingEvent:
        number, _, packed = member.partition(b":")
        try:
            case_id, body = _unpack_event(packed)
        except msgspec.MsgspecError:
            raise self._leader.failure("an event of it is damaged") from None
        return PendingEvent(number=int(number), case_id=case_id, body=body)


def _pack(case: KnownCase) -> bytes:
    packed: _PackedCase = (case.created, case.missing_at, case.digest, case.event_id, case.row)
    return msgspec.msgpack.encode(packed)
