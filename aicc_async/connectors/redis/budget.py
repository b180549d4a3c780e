"""A budget of requests that processes on several machines share, in a Redis.

The head of ``budget.lua`` explains how the budget is kept, the head of ``_ratelimit/shared.py`` how
a process uses it.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from itertools import count
from typing import Any
from uuid import uuid4

from attrs import Attribute, field, frozen
from attrs.validators import instance_of, matches_re

from ..._ratelimit.budget import (
    BudgetConnection,
    BudgetState,
    BudgetUnreachable,
    RequestPriority,
    Reservation,
    SlotReports,
    Terms,
)
from ..._validators import integer, must
from .connection import (
    FAILURES,
    NoBackoff,
    RedisConnection,
    RedisPlace,
    Retry,
    check_place,
    to_text,
)

SCRIPT = files(__package__).joinpath("budget.lua").read_text(encoding="utf-8")
# After this the command is sent once more: it may be the loop itself that stood still.
REPLY_TIMEOUT_SECONDS = 0.25
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

    All who pass the same ``redis``, ``name`` and limit have one budget together, on Redis's own
    clock. ``redis`` is a URL, a client or a function (see ``aicc_async.connectors.redis``); it may
    hold a password, and is in no repr. ``name`` is that of the tenant: all keys are
    ``aicc:budget:{name}:…``, which is one slot of a Redis Cluster. Limits that differ must have
    names that differ.

    While Redis can't be reached, each process takes its share: the limit divided by
    ``fallback_processes``, the most that may run at a time. It begins when what Redis gave before
    is used up, and ends when Redis is back (it is probed several times a second); at both ends
    nobody sends anything for ``per`` seconds and half a second at most (longer below 8 requests in
    ``per``). A process that alone can't reach Redis does the same, beside others that may have all:
    only then is it more than the limit.

    It counts when requests leave. Those of processes that are farther from the service than others
    arrive later, which may make it one or two more in the service's count: a difference of tens of
    milliseconds wants a limit some per cent below the quota.

    A clock of Redis's that is put back, a restart, a failover to a replica: each holds all up as
    long. So does the very first use of a name. Redis needs not be durable.

    Raises ConfigError for a bad URL or name, and at the first call when Redis refuses the sign-in,
    or can't be used as it is set up. Nothing is sent before the first call.
    """

    redis: RedisPlace = field(
        validator=lambda _, __, value: check_place("redis", value), repr=False
    )
    name: str = field(default="default", validator=_name, kw_only=True)
    fallback_processes: int = field(default=8, validator=integer(1), kw_only=True)

    def connect(self, terms: Terms) -> BudgetConnection:
        """Return a connection for one limiter, in one event loop."""
        return RedisBudgetConnection(self.redis, self.name, terms)


class RedisBudgetConnection:
    """The budget as one limiter uses it (see ``BudgetConnection``)."""

    def __init__(self, redis: RedisPlace, name: str, terms: Terms) -> None:
        retry = Retry(NoBackoff(), 1)
        self._redis = RedisConnection("redis", redis, timeout=REPLY_TIMEOUT_SECONDS, retry=retry)
        self._keys = [f"aicc:budget:{{{name}}}:{part}" for part in ("slots", "bulk", "state")]
        spans = (terms.per, terms.per + terms.slack, terms.horizon, terms.hold)
        ceiling = terms.ceiling or NO_CEILING
        self._terms = [terms.limit, *map(_microseconds, spans), ceiling]
        self._token = uuid4().hex
        self._rounds = count()

    async def reserve(
        self, count: int, priority: RequestPriority, reports: SlotReports
    ) -> Reservation:
        """Store the reports, then reserve slots; a command that is sent twice wastes a few."""
        token = f"{self._token}:{next(self._rounds)}"
        state, retry_after, waits = await self._run(
            "reserve", priority, count, token, *_report_arguments(reports)
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

    async def rejoin(self) -> float:
        """Return in how many seconds slots may be reserved again."""
        left: int = await self._run("rejoin")
        return left / MICROSECONDS

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    async def _run(self, step: str, *values: str | int) -> Any:
        try:
            return await self._redis.run(SCRIPT, self._keys, [step, *self._terms, *values])
        except FAILURES as error:
            # The error's text may name the host, and who signs in there.
            raise BudgetUnreachable(type(error).__name__) from error


def _report_arguments(reports: SlotReports) -> list[str | int]:
    now = asyncio.get_running_loop().time()
    late = [part for name, sent_at in reports.late for part in (name, _microseconds(now - sent_at))]
    return [len(reports.unused), *reports.unused, *late]


def _read_state(row: list[Any]) -> BudgetState:
    time, sent, limit, pace = row
    return BudgetState(time=int(time) / MICROSECONDS, sent=sent, limit=limit, pace=to_text(pace))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
