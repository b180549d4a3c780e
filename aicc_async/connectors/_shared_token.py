"""Credentials that share their token in a Redis, where a URL of one is set."""

from __future__ import annotations

from attrs import evolve

from ..credentials import ClientCredentials, Credentials


def share_token(auth: Credentials, url: str | None) -> Credentials:
    """Return credentials that share their token; as they are without a URL, or a sign-in."""
    if not url or not isinstance(auth, ClientCredentials):
        return auth
    # An extra of its own.
    from .redis import RedisTokens  # noqa: PLC0415

    return evolve(auth, shared=RedisTokens(url))
