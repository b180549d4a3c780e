"""Huawei's API gateway before the tenant, as far as its headers go.

It marks every answer, and tells its quotas to a request with ``X-Apig-Mode: debug``.
"""

from collections.abc import Mapping
from uuid import uuid4

# The gateway's own ceiling for an API.
CEILING = 200


def gateway_headers(
    headers: Mapping[str, str], *, quota: int | None, passed: int
) -> dict[str, str]:
    """Return what the gateway adds to the answer of a request with these headers.

    ``quota`` is that of any second, of which ``passed`` requests have used up so many.
    """
    added = {"X-Request-Id": uuid4().hex}
    if headers.get("X-Apig-Mode") == "debug":
        added["X-Apig-RateLimit-api-allenv"] = _describe(CEILING, passed)
        if quota is not None:
            added["X-Apig-RateLimit-api"] = _describe(quota, passed)
    return added


def _describe(limit: int, passed: int) -> str:
    return f"remain:{max(limit - passed, 0)},limit:{limit},time:1 second"
