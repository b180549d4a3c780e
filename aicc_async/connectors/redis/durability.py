"""Whether a Redis keeps what is written to it."""

from __future__ import annotations

from ...errors import ConfigError


def check_keeps(info: str, *, must_be_durable: bool, lost: str, user: str) -> None:
    """Raise ConfigError where Redis would forget keys, by what INFO says of memory and persistence.

    Of the policies, only "allkeys" evict keys without a time to live:
    https://redis.io/docs/latest/develop/reference/eviction/. ``lost`` is what a restart would
    forget, ``user`` the class that can be told to do without.
    """
    found = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    policy = found.get("maxmemory_policy", "")
    if policy.startswith("allkeys"):
        raise ConfigError(f"maxmemory-policy must be noeviction, got {policy}")
    log = found.get("aof_enabled", "")
    if must_be_durable and log != "1":
        raise ConfigError(
            f"appendonly must be yes, got aof_enabled {log!r}: a restart would forget what {lost}."
            f" {user}(…, durable=False) takes such a Redis"
        )
