"""A budget of requests that processes on several machines share, in a Redis."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from itertools import count
from typing import Any
from uuid import uuid4

from attrs import Attribute, field, frozen

from ..._ratelimit.budget import BudgetLost, Granted, Ledger, Reports, RequestPriority, Seen, Terms
from ...errors import ConfigError

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ModuleNotFoundError:
    raise ConfigError("redis is missing: pip install 'aicc-async[redis]'") from None

SCRIPT = files(__package__).joinpath("budget.lua").read_text(encoding="utf-8")
PATIENCE = 0.25  # seconds for Redis to answer; then once more: the loop itself may have stood still
MICRO = 1e6


def _url(_: object, __: Attribute[Any], value: object) -> None:
    try:
        Redis.from_url(value)  # type: ignore[arg-type]  # that is what is found out
    except (ValueError, AttributeError, TypeError):
        # a URL may hold a password: it is not repeated
        raise ConfigError("url: a URL (redis://, rediss://, unix://) is needed") from None


def _name(_: object, __: Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.isprintable() or not value.strip("{}"):
        raise ConfigError(f"name: a printable text is needed, {value!r} was given")
    if "{" in value or "}" in value:  # they would end the hash tag
        raise ConfigError(f"name: a text without braces is needed, {value!r} was given")


def _processes(_: object, __: Attribute[Any], value: object) -> None:
    if value.__class__ is not int or value < 1:
        raise ConfigError(
            f"fallback_processes: a whole number of at least 1 is needed, {value!r} was given"
        )


@frozen
class RedisBudget:
    """Where the budget is that a RateLimit shares: ``RateLimit(50, shared=RedisBudget(url))``.

    All who give the same ``url``, ``name`` and limit have one budget together, told by Redis's own
    clock. ``url`` is ``redis://``, ``rediss://`` or ``unix://``; it may hold a password, and is in
    no repr. ``name`` is that of the tenant: all keys are ``aicc:budget:{name}:…``, which is one
    slot of a Redis Cluster. Limits that differ must have names that differ.

    While Redis can't be reached, each process takes its share: the limit divided by
    ``fallback_processes``, the most that may run at a time. It begins when what Redis gave before
    is used up, and ends when Redis is back (it is asked several times a second); at both ends
    nobody sends anything for ``per`` seconds and half a second at most (longer below 8 requests in
    ``per``). A process that alone can't reach Redis does the same, beside others that may have all:
    only then is it more than the limit.

    It counts when requests leave. Those of processes that are farther from the service than others
    arrive later, which may make it one or two more in the service's count: a difference of tens of
    milliseconds wants a limit some per cent below the quota.

    A clock of Redis's that is put back, a restart, a failover to a replica: each holds all up as
    long. So does the very first use of a name. Redis needs not be durable.

    Raises ConfigError for a URL or a name that is none. Nothing is sent before the first call.
    """

    url: str = field(validator=_url, repr=False)
    name: str = field(default="default", validator=_name, kw_only=True)
    fallback_processes: int = field(default=8, validator=_processes, kw_only=True)

    def connect(self, terms: Terms) -> Ledger:
        """Make what one limiter uses, in one event loop."""
        return RedisLedger(self.url, self.name, terms)


class RedisLedger:
    """The budget as one limiter uses it (see ``Ledger``)."""

    def __init__(self, url: str, name: str, terms: Terms) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 1),
        )
        self._script = self._redis.register_script(SCRIPT)
        self._keys = [f"aicc:budget:{{{name}}}:{part}" for part in ("slots", "bulk", "state")]
        spans = (terms.per, terms.per + terms.slack, terms.reach, terms.hold)
        self._terms = [terms.limit, *map(_micro, spans)]
        self._token = uuid4().hex
        self._rounds = count()

    async def reserve(self, count: int, priority: RequestPriority, reports: Reports) -> Granted:
        """Hear the reports, then give slots; a round that is sent twice wastes a few."""
        token = f"{self._token}:{next(self._rounds)}"
        seen, again, waits = await self._run("reserve", priority, count, token, *_heard(reports))
        slots = [(f"{token}:{i}", wait / MICRO) for i, wait in enumerate(waits, 1)]
        return Granted(slots=slots, again=again / MICRO, seen=_seen(seen))

    async def tell(self, reports: Reports) -> Seen:
        """Hear the reports."""
        return _seen(await self._run("tell", *_heard(reports)))

    async def pause(self, seconds: float) -> Seen:
        """Give no slot to anybody for so long."""
        return _seen(await self._run("pause", _micro(seconds)))

    async def adapt(self, old: str, new: str) -> bool:
        """Change the limit's state, unless somebody did meanwhile."""
        return bool(await self._run("adapt", old, new))

    async def rejoin(self) -> float:
        """Come back, and tell how long nobody may have a slot."""
        left: int = await self._run("rejoin")
        return left / MICRO

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _run(self, step: str, *values: str | int) -> Any:
        try:
            return await self._script(keys=self._keys, args=[step, *self._terms, *values])
        except (RedisError, OSError) as error:
            # not its text: that may name the host, and who signs in there
            raise BudgetLost(type(error).__name__) from error


def _heard(reports: Reports) -> list[str | int]:
    now = asyncio.get_running_loop().time()
    late = [part for name, left in reports.moved for part in (name, _micro(now - left))]
    return [len(reports.unused), *reports.unused, *late]


def _seen(row: list[Any]) -> Seen:
    time, sent, limit, pace = row
    return Seen(time=int(time) / MICRO, sent=sent, limit=limit, pace=pace.decode())


def _micro(seconds: float) -> int:
    return round(seconds * MICRO)
