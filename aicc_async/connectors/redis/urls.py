"""Clients from URLs: one server, a service that Sentinels watch, or a cluster.

redis-py parses the URLs of one server. The spelling of the other two is that of docket and Prefect
(https://docs.prefect.io/integrations/prefect-redis/api-ref/prefect_redis-connection), which for
Sentinel is also LangChain's and RedisVL's.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisClusterException, RedisError

from ...errors import ConfigError

FORMS = (
    "redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://host:port/service; valkey"
    " for redis is the same"
)
SCHEME = re.compile(
    r"(?:redis|valkey)(s?)(\+cluster|\+sentinel)?://(.*)", re.IGNORECASE | re.DOTALL
)
# A name or an address, an IPv6 one in brackets, and a port.
SENTINEL = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(?::(\d{1,5}))?")
SENTINEL_PORT = 26379


class UnknownService(RedisError):  # noqa: N818  (a state that the connection handles)
    """The Sentinels answer, and none of them watches the service."""


def open_url(name: str, url: str, *, timeout: float, retry: Retry) -> Redis | RedisCluster:
    """Return a client that connects when it is first used.

    Raises ConfigError, for the argument ``name``, when ``url`` is not a URL of Redis.
    """
    options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    options["retry"] = retry
    try:
        found = SCHEME.fullmatch(url)
        if found is None:
            return Redis.from_url(url, **options)
        tls, kind, rest = found.groups()
        plain = f"redis{tls.lower()}://{rest}"
        if not kind:
            return Redis.from_url(plain, **options)
        if kind.lower() == "+cluster":
            return RedisCluster.from_url(plain, **options)
        return _open_sentinel(rest, has_tls=bool(tls), options=options)
    except (ValueError, AttributeError, TypeError, RedisClusterException):
        # A URL may hold a password: it is not shown, nor is the error that may quote it.
        pass
    raise ConfigError(f"{name} must be a URL of Redis ({FORMS})")


def _open_sentinel(rest: str, *, has_tls: bool, options: dict[str, Any]) -> Redis:
    """Return a client of the master that Sentinels name, anew whenever it connects."""
    authority, _, tail = rest.partition("/")
    path, _, query = tail.partition("?")
    user, _, hosts = authority.rpartition("@")
    service, _, database = path.partition("/")
    members = [SENTINEL.fullmatch(each) for each in hosts.split(",")]
    if not service or None in members:
        raise ValueError(FORMS)
    server = {**parse_url(f"redis://{user}@localhost/{database}?{query}"), **options}
    del server["host"]
    watcher = {name: server.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    # One authority signs for all of them, as it does in Prefect's reading of these URLs.
    secure = {key: value for key, value in server.items() if key.startswith("ssl_")}
    if has_tls:
        server["ssl"] = secure["ssl"] = True
    sentinel = WatchedSentinel(  # type: ignore[no-untyped-call]  # redis-py types it by half
        [
            (found[1].strip("[]"), int(found[2] or SENTINEL_PORT))
            for found in members
            if found is not None
        ],
        sentinel_kwargs={**options, **watcher, **secure},
        **server,
    )
    client: Redis = sentinel.master_for(unquote(service))
    return client


class WatchedSentinel(Sentinel):
    """Sentinels whose refusals are kept apart from a master that is down."""

    async def discover_master(self, service_name: str) -> Any:
        """Return the address of a service's master.

        Raises UnknownService where no Sentinel watches it, and the refusal where one refuses:
        redis-py says of both that there is no master.
        """
        try:
            return await super().discover_master(service_name)
        except MasterNotFoundError as error:
            refusals: list[Exception] = []
            for sentinel in self.sentinels:
                try:
                    watched = await sentinel.sentinel_masters()
                except (RedisError, OSError) as refusal:
                    refusals.append(refusal)
                    continue
                if service_name in watched:
                    raise
                refusals.insert(0, UnknownService())
            # The master may only be down where no Sentinel can be asked.
            raise next(iter(refusals), error) from None
