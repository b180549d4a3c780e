"""A budget of requests that processes on several machines share, in a Redis.

The head of ``budget.lua`` explains how the budget is kept, the head of ``_ratelimit/shared.py`` how
a process uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from itertools import count
from typing import Any
from uuid import uuid4

from attrs import Attribute, field, frozen
from attrs.validators import instance_of, matches_re, optional

from ..._ratelimit.budget import (
    HERE,
    NO_SHARE,
    REQUEST_PRIORITIES,
    BudgetConnection,
    BudgetState,
    BudgetUnreachable,
    Distance,
    RequestPriority,
    Reservation,
    Share,
    SlotReports,
    Terms,
)
from ..._validators import integer, must
from ...errors import ConfigError
from .connection import (
    FAILURES,
    NoBackoff,
    RedisConnection,
    RedisPlace,
    ResponseError,
    Retry,
    check_place,
    to_text,
)

SCRIPT = files(__package__).joinpath("budget.lua").read_text(encoding="utf-8")
# After this the command is sent once more: it may be the loop itself that stood still. It bounds
# silence, so it is longer than any round trip; meanwhile nobody sends without a slot.
REPLY_TIMEOUT_SECONDS = 0.5
# More than any limit.
NO_CEILING = 10**12
MICROSECONDS = 1e6


def _is_printable(_: object, __: Attribute[Any], value: str) -> None:
    if not value.isprintable():
        raise ValueError


# Braces would end the hash tag of the keys.
_name = must(
    "be a printable text without braces", instance_of(str), matches_re(r"[^{}]+"), _is_printable
)


@frozen
class RedisBudget:
    """Where the budget is that a RateLimit shares: ``RateLimit(50, shared=RedisBudget(url))``.

    All who pass the same ``redis`` and ``name`` have one budget together, on Redis's own clock.
    ``redis`` is a URL, a client or a function (see ``aicc_async.connectors.redis``); it may hold a
    password, and is in no repr. ``name`` is that of the tenant, the domain unless it is set, as for
    commands and Spark: all keys are ``aicc:budget:{name}:…``, which is one slot of a Redis Cluster.
    Under one name there is one limit at a time: a call raises ConfigError while others use another
    one. What an adaptive limit found is kept under the name, for adaptive limits only.

    While Redis can't be reached, each process takes its share: the limit divided by
    ``fallback_processes``, the most that may run at a time. It begins when what Redis gave before
    is surely over: ``per`` and about a second later. Redis is probed several times a second. Once
    it is back, it is told what was sent in the last ``per``, and nobody sends until all can have
    noticed: half a second and seven round trips, and ``per`` more if Redis was restarted, has
    forgotten, or is another one. A process that alone can't reach Redis does the same, beside
    others that may have all: only then is it more than the limit.

    It counts when requests leave. Those of processes that are farther from the service than others
    arrive later, which may make it one or two more in the service's count: a difference of tens of
    milliseconds wants a limit some per cent below the quota.

    Redis may be far away: slots are reserved a round trip ahead. A clock of Redis's that is put
    back holds all up as a restart does. A new name is used at once, by each process with its share
    for the first ``per`` seconds and a half. Redis needs not be durable.

    Raises ConfigError for a bad URL or name, and at the first call when Redis refuses the sign-in,
    or can't be used as it is set up. Nothing is sent before the first call.
    """

    redis: RedisPlace = field(
        validator=lambda _, __, value: check_place("redis", value), repr=False
    )
    name: str | None = field(default=None, validator=optional(_name), kw_only=True)
    fallback_processes: int = field(default=8, validator=integer(1), kw_only=True)

    def connect(self, terms: Terms) -> BudgetConnection:
        """Return a connection for one limiter, in one event loop."""
        return RedisBudgetConnection(self.redis, self.name or terms.domain or "default", terms)


class RedisBudgetConnection:
    """The budget as one limiter uses it (see ``BudgetConnection``)."""

    def __init__(self, redis: RedisPlace, name: str, terms: Terms) -> None:
        retry = Retry(NoBackoff(), 1)
        self._redis = RedisConnection("redis", redis, timeout=REPLY_TIMEOUT_SECONDS, retry=retry)
        parts = ("slots", "bulk", "state", "shares", *(f"asking:{p}" for p in REQUEST_PRIORITIES))
        self._name = name
        self._keys = [f"aicc:budget:{{{name}}}:{part}" for part in parts]
        spans = (terms.per, terms.per + terms.slack, terms.horizon, terms.hold)
        ceiling = terms.ceiling or NO_CEILING
        self._terms = [terms.limit, *map(_microseconds, spans), ceiling, int(terms.is_adaptive)]
        self._token = uuid4().hex
        self._rounds = count()

    async def reserve(
        self,
        count: int,
        priority: RequestPriority,
        reports: SlotReports,
        *,
        waiting: int | None = None,
        distance: Distance = HERE,
        share: Share = NO_SHARE,
    ) -> Reservation:
        """Store the reports, then reserve slots; a command that is sent twice wastes a few."""
        token = f"{self._token}:{next(self._rounds)}"
        wanted = (priority, count, count if waiting is None else waiting)
        whose = (_microseconds(distance.lag), share.limit, int(share.is_idle), token)
        state, retry_after, waits = await self._run(
            "reserve", *wanted, *whose, *_report_arguments(reports), distance=distance
        )
        slots = [(f"{token}:{i}", wait / MICROSECONDS) for i, wait in enumerate(waits, 1)]
        return Reservation(
            slots=slots, retry_after=retry_after / MICROSECONDS, state=_read_state(state)
        )

    async def report(self, reports: SlotReports) -> BudgetState:
        """Store the reports."""
        return _read_state(await self._run("report", *_report_arguments(reports)))

    async def pause(self, seconds: float) -> BudgetState:
        """Give no slot to anybody for so long."""
        return _read_state(await self._run("pause", _microseconds(seconds)))

    async def replace_pace(self, old: str, new: str) -> bool:
        """Store another pace; False when the one there is not ``old`` any more."""
        return bool(await self._run("replace_pace", old, new))

    async def rejoin(
        self, *, lost_for: float = 0.0, sent: Sequence[float] = (), distance: Distance = HERE
    ) -> float:
        """Return in how many seconds slots may be reserved again."""
        name = f"{self._token}:{next(self._rounds)}"
        # In one argument: a script takes some thousands.
        ages = " ".join(str(_microseconds(age)) for age in sent)
        values = (_microseconds(lost_for), name, ages)
        left: int = await self._run("rejoin", *values, distance=distance)
        return left / MICROSECONDS

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    async def _run(self, step: str, *values: str | int, distance: Distance = HERE) -> Any:
        where = _microseconds(distance.round_trip)
        try:
            return await self._redis.run(SCRIPT, self._keys, [step, *self._terms, where, *values])
        except FAILURES as error:
            if isinstance(error, ResponseError) and str(error).startswith("TERMS "):
                _, limit, per, kind = str(error).split(" ")
                mine = self._terms
                raise ConfigError(
                    f"limit must be the same for all who share the budget {self._name!r}:"
                    f" {_limit_text(limit, per, is_adaptive=kind == 'adaptive')} in use,"
                    f" got {_limit_text(mine[0], mine[1], is_adaptive=bool(mine[-1]))}"
                ) from None
            # The error's text may name the host, and who signs in there.
            raise BudgetUnreachable(type(error).__name__) from error


def _limit_text(limit: str | int, per: str | int, *, is_adaptive: bool) -> str:
    kind = "adaptive from " if is_adaptive else ""
    return f"{kind}{limit} requests in {int(per) / MICROSECONDS:g} s"


def _report_arguments(reports: SlotReports) -> list[str | int]:
    now = asyncio.get_running_loop().time()
    late = [part for name, sent_at in reports.late for part in (name, _microseconds(now - sent_at))]
    return [len(reports.unused), *reports.unused, *late]


def _read_state(row: list[Any]) -> BudgetState:
    time, sent, limit, pace = row
    return BudgetState(time=int(time) / MICROSECONDS, sent=sent, limit=limit, pace=to_text(pace))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
