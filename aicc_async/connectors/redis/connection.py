"""One connection to a Redis, however that is laid out, and what its failures mean.

The idea: a server that is away comes back, a wrong password never does. The invariant: as long as
the other end has not run one script, each failure is judged, and one that no waiting ends is a
ConfigError that names what to change. Once it has, every failure is an outage: a password that is
changed, or a cluster that moves keys, ends no program. What it can't see: a wrong host or port
where nothing listens, which looks as a server that is down.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from ..._validators import kind_of
from ...errors import ConfigError

try:
    from redis.asyncio import Redis, RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import FullJitterBackoff, NoBackoff
    from redis.exceptions import (
        AskError,
        AuthenticationError,
        AuthenticationWrongNumberOfArgsError,
        AuthorizationError,
        ClusterCrossSlotError,
        InvalidResponse,
        NoPermissionError,
        OutOfMemoryError,
        RedisClusterException,
        RedisError,
        ResponseError,
    )
except ModuleNotFoundError:
    raise ConfigError("redis is missing: pip install 'aicc-async[redis]'") from None

from .urls import UnknownService, open_url

__all__ = [
    "FAILURES",
    "FullJitterBackoff",
    "NoBackoff",
    "OutOfMemoryError",
    "RedisClient",
    "RedisConnection",
    "RedisPlace",
    "ResponseError",
    "Retry",
    "Value",
    "check_place",
    "to_text",
]

RedisClient = Redis | RedisCluster
# A URL, a client of the caller's, or a function that returns a new one.
RedisPlace = str | RedisClient | Callable[[], RedisClient]
# What a script takes.
Value = str | int | bytes
# Those of a cluster are no RedisError.
FAILURES = (RedisError, RedisClusterException, OSError)
# A pool of connections refuses what is more than it has (100, unless its owner says otherwise).
MAX_RUNS_AT_ONCE = 50
# What no waiting ends, and what the caller can do.
SETUP_FAULTS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (AuthenticationError, AuthorizationError, AuthenticationWrongNumberOfArgsError),
        "must have the right user and password: Redis refused the sign-in",
    ),
    ((NoPermissionError,), "must have a user that may run EVALSHA, SCRIPT LOAD, INFO and TIME"),
    ((AskError,), "must be a redis+cluster:// URL: the server is a node of a cluster"),
    ((ClusterCrossSlotError,), "must keep all keys in one slot of the cluster"),
    (
        (ssl.SSLCertVerificationError,),
        "must have a certificate that is trusted (?ssl_ca_certs=ca.pem names an authority)",
    ),
    ((InvalidResponse,), "must be a Redis: something else answered"),
    ((UnknownService,), "must name a service that the Sentinels watch"),
)
# Where the type says too little: what the text of Redis holds.
SETUP_TEXTS = (
    ("Cluster mode is not enabled", "must be a redis:// URL: the server is no node of a cluster"),
    ("ACL failure in script", "must have a user that may run what the scripts call"),
    ("unknown command", "must be a Redis that runs scripts: a Sentinel or a proxy answered"),
    ("DB index is out of range", "must name a database that the server has"),
    ("SELECT is not allowed in cluster mode", "must name no database: a cluster has only one"),
    ("running in protected mode", "must be a Redis that takes calls from other machines"),
)


class RedisConnection:
    """Runs scripts in a Redis; opens again when it is used after it was closed.

    ``name`` is that of the argument that ``place`` was, for errors. A client of the caller's is
    never closed; one that a URL or a function gave is.
    """

    def __init__(self, name: str, place: RedisPlace, *, timeout: float, retry: Retry) -> None:
        check_place(name, place)
        self._name = name
        self._place = place
        self._timeout = timeout
        self._retry = retry
        self._client: RedisClient | None = None
        self._turns: asyncio.Semaphore | None = None
        self._first = asyncio.Lock()
        self._scripts: dict[str, Callable[..., Any]] = {}
        self._has_answered = False

    async def run(self, script: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        """Run a script, and return what it returns.

        Raises one of ``FAILURES``, and ConfigError where the other end never ran one and none can
        be run before something is changed.
        """
        task = asyncio.current_task()
        cancels = task.cancelling() if task else 0
        try:
            answer = await self._run(script, keys, args)
            # Before Python 3.12, asyncio.wait_for, by which redis-py sends, loses a cancellation
            # that comes when it is done: https://github.com/python/cpython/issues/86296.
            if task and task.cancelling() > cancels:
                raise asyncio.CancelledError
        except FAILURES as error:
            fault = None if self._has_answered else find_setup_fault(error)
            if fault is None:
                raise
        else:
            self._has_answered = True
            return answer
        # Outside the block above: the error underneath may hold the command, and with it a token.
        raise ConfigError(f"{self._name} {fault}")

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over servers by their hash tags."""
        return isinstance(self._open(), RedisCluster)

    async def close(self) -> None:
        """Close the connections, unless they are the caller's; a server that is slow is left."""
        client, self._client = self._client, None
        # They may have been of another event loop.
        self._turns, self._first = None, asyncio.Lock()
        self._scripts.clear()
        if client is None or isinstance(self._place, RedisClient):
            return
        for close in (client.aclose, *_closers_beside(client)):
            # It is closed on this side by then.
            with suppress(*FAILURES):
                await close()

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        client = self._open()
        if isinstance(client, RedisCluster):
            # Alone: calls that look for the nodes at once take one another's connections away.
            async with self._first:
                await client.initialize()
        run = self._scripts.get(script)
        if run is None:
            run = self._scripts[script] = client.register_script(script)
        self._turns = self._turns or asyncio.Semaphore(min(MAX_RUNS_AT_ONCE, _count_places(client)))
        async with self._turns:
            return await run(keys=keys, args=args)

    def _open(self) -> RedisClient:
        if self._client is None:
            place = self._place
            if isinstance(place, str):
                place = open_url(self._name, place, timeout=self._timeout, retry=self._retry)
            client = place if isinstance(place, RedisClient) else place()
            if not isinstance(client, RedisClient):
                condition = "return a redis.asyncio.Redis or RedisCluster"
                raise ConfigError(f"{self._name} must {condition}, got {kind_of(client)}")
            self._client = client
        return self._client


def check_place(name: str, place: object) -> None:
    """Raise ConfigError, for the argument ``name``, unless a Redis can be had from it."""
    if isinstance(place, RedisClient):
        return
    if isinstance(place, str):
        open_url(name, place, timeout=1.0, retry=Retry(NoBackoff(), 0))
    elif not callable(place):
        forms = "a redis.asyncio client, or a function that returns one"
        raise ConfigError(f"{name} must be a URL of Redis, {forms}, got {kind_of(place)}")


def find_setup_fault(error: BaseException) -> str | None:
    """Return what must be changed before this end well; None: it may by itself."""
    each: BaseException | None = error
    while each:
        for kinds, fault in SETUP_FAULTS:
            if isinstance(each, kinds):
                return fault
        # A Redis without TLS answers the greeting in its own words.
        if isinstance(each, ssl.SSLError) and each.reason == "WRONG_VERSION_NUMBER":
            return "must be a URL without TLS (redis://): the server has none"
        if isinstance(each, FAILURES):
            for text, fault in SETUP_TEXTS:
                if text in str(each):
                    return fault
        each = each.__cause__ or each.__context__
    return None


def to_text(value: bytes | str) -> str:
    """Return a value as a client with or without ``decode_responses`` reads it."""
    return value.decode() if isinstance(value, bytes) else value


def _count_places(client: RedisClient) -> int:
    """Return how many connections a client may have to one server."""
    if isinstance(client, RedisCluster):
        return min(node.max_connections for node in client.nodes_manager.startup_nodes.values())
    count: int = client.connection_pool.max_connections
    return count


def _closers_beside(client: RedisClient) -> list[Callable[[], Awaitable[None]]]:
    """Return what closes the connections that ``aclose`` leaves open."""
    if isinstance(client, RedisCluster):
        # Those of a client that never saw its cluster.
        return [node.disconnect for node in client.nodes_manager.startup_nodes.values()]
    # The pool of a service closes its own, not those to the Sentinels.
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    return [sentinel.aclose for sentinel in manager.sentinels] if manager else []
