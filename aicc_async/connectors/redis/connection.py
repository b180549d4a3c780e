"""The Redis library, and clients of a server made from a URL."""

from __future__ import annotations

from ...errors import ConfigError

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import FullJitterBackoff, NoBackoff
    from redis.exceptions import RedisError, ResponseError
except ModuleNotFoundError:
    raise ConfigError("redis is missing: pip install 'aicc-async[redis]'") from None

__all__ = [
    "FullJitterBackoff",
    "NoBackoff",
    "Redis",
    "RedisError",
    "ResponseError",
    "Retry",
    "open_redis",
]


def open_redis(name: str, url: object, *, timeout: float, retry: Retry) -> Redis:
    """Return a client that connects when it is first used.

    Raises ConfigError, for the argument ``name``, when ``url`` is not a URL of Redis.
    """
    try:
        return Redis.from_url(
            url,  # type: ignore[arg-type]  # what it must be is checked by trying
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=retry,
        )
    except (ValueError, AttributeError, TypeError):
        # A URL may hold a password: it is not shown.
        raise ConfigError(f"{name} must be a URL of Redis (redis://, rediss://, unix://)") from None
