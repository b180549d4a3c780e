"""Credentials that share their token: in a Redis, or with all clients of a process."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from hashlib import sha256

from attrs import evolve, field, frozen

from ..credentials import ClientCredentials, Credentials, IssuedToken, TokenStore


def share_token(auth: Credentials, url: str | None) -> Credentials:
    """Return credentials that share their token; as they are without a URL, or a sign-in."""
    if not url or not isinstance(auth, ClientCredentials):
        return auth
    # An extra of its own.
    from .redis import RedisTokens  # noqa: PLC0415

    return evolve(auth, shared=RedisTokens(url))


@frozen
class KeptToken:
    """A token that a process keeps for its next client, and may hand to another process.

    ``key`` is a digest of domain, app and secret. ``ends_at`` is seconds since 1970, which other
    machines have too.
    """

    key: str
    token: str = field(repr=False)
    ends_at: float


# Of this process: a worker of Spark runs many tasks, one after the other, each with a client.
_KEPT: dict[str, KeptToken] = {}


def keep_in_process(auth: Credentials, base_url: str) -> Credentials:
    """Return credentials whose clients in this process use one token, one after the other."""
    if not isinstance(auth, ClientCredentials):
        return auth
    return evolve(auth, shared=_ProcessTokens(_key_of(auth, base_url)))


def kept_token(auth: Credentials, base_url: str) -> KeptToken | None:
    """Return the token that this process keeps for credentials; None where it has none."""
    if not isinstance(auth, ClientCredentials):
        return None
    return _KEPT.get(_key_of(auth, base_url))


def accept_token(handed: KeptToken | None) -> None:
    """Keep a token that another process handed over, unless there is one that ends later."""
    if handed:
        known = _KEPT.get(handed.key)
        _KEPT[handed.key] = max(handed, known or handed, key=lambda each: each.ends_at)


def _key_of(auth: ClientCredentials, base_url: str) -> str:
    # The secret too: a wrong one must not be taken for right.
    parts = (base_url, auth.client_id, auth.client_secret)
    return sha256("\0".join(parts).encode()).hexdigest()


@frozen
class _ProcessTokens:
    """Where a process keeps a token (see ``SharedTokens``)."""

    key: str

    def connect(self, client_id: str) -> TokenStore:  # noqa: ARG002  (it is in the key)
        """Return the store of one client."""
        return _ProcessTokenStore(self.key)


@frozen
class _ProcessTokenStore:
    """The token of one app in this process (see ``TokenStore``)."""

    key: str

    async def obtain(
        self, sign_in: Callable[[], Awaitable[IssuedToken]], *, refused: str | None
    ) -> IssuedToken:
        """Return the kept token; sign in where there is none, or it has ended or was refused."""
        known, now = _KEPT.get(self.key), time.time()
        if known and known.token != refused and known.ends_at > now:
            return IssuedToken(known.token, known.ends_at - now)
        issued = await sign_in()
        _KEPT[self.key] = KeptToken(self.key, issued.token, now + issued.seconds)
        return issued

    async def close(self) -> None:
        """Do nothing: the token is for the next client."""
