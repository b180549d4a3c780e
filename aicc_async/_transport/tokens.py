"""The token that requests are signed with: the caller's own, or renewed by signing in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Self

from attrs import field, frozen

from .._protocol.requests import Request
from .._protocol.sign_in import Grant, sign_in
from .._validators import check, secret
from ..credentials import (
    ClientCredentials,
    Credentials,
    IssuedToken,
    StaticToken,
    TokenFunction,
    TokenStore,
)
from ..errors import ConfigError
from ..events import OnEvent, TokenRenewed
from .deadline import context_without_deadline

Source = StaticToken | Request[Grant] | TokenFunction
# Before its end a token is renewed: so much, or a tenth of its life.
RENEWAL_MARGIN = 60.0  # seconds


@frozen
class Signing:
    """How requests are signed: with a token, or with what a sign-in gives; and in which header.

    ``store`` is where other processes have the token too.
    """

    source: Source = field(repr=False)
    header: str = "access-token"
    prefix: str = ""
    store: TokenStore | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def from_credentials(cls, credentials: Credentials) -> Self:
        """Return how AICC wants requests signed."""
        if not isinstance(credentials, ClientCredentials):
            return cls(credentials)
        shared = credentials.shared
        store = shared.connect(credentials.client_id) if shared else None
        return cls(sign_in(credentials), store=store)


class Tokens:
    """The token in use; renewed once, however many callers need it at the same time."""

    def __init__(
        self,
        source: Source,
        send: Callable[[Request[Grant]], Awaitable[Grant]],
        *,
        store: TokenStore | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self._source = source
        self._send = send
        self._store = store
        self._on_event = on_event
        self._token: str | None = None
        # The last one that the service refused: a store may not know that yet.
        self._refused: str | None = None
        self._renew_at = 0.0
        self._renewal: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Return a token that is good for a while, signing in when there is none."""
        if isinstance(self._source, StaticToken):
            return self._source.token
        if self._token is not None and asyncio.get_running_loop().time() < self._renew_at:
            return self._token
        renewal = self._renewal
        if renewal is None or renewal.done():
            # It is everybody's: the deadline of the call that begins it must not end it.
            self._renewal = renewal = asyncio.create_task(
                self._renew(self._source), context=context_without_deadline()
            )
            # Looked at, so that asyncio does not report an error that whoever waited has already.
            renewal.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            # Shielded: a caller that is cancelled must not take the others' sign-in with it.
            return await asyncio.shield(renewal)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if renewal.cancelled() and caller and not caller.cancelling():
                raise ConfigError("the client was closed during sign-in") from None
            raise

    def refuse(self, token: str) -> bool:
        """Forget a token that the service refused; False when there can be no other."""
        if token == self._token:
            self._token, self._refused = None, token
        return not isinstance(self._source, StaticToken)

    async def close(self) -> None:
        """End a sign-in that nobody waits for any more."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        if self._store is not None:
            await self._store.close()

    async def _renew(self, source: Request[Grant] | TokenFunction) -> str:
        get_token = partial(self._sign_in, source)
        if self._store:
            issued = await self._store.obtain(get_token, refused=self._refused)
        else:
            issued = await get_token()
        self._renew_at = asyncio.get_running_loop().time() + issued.seconds
        self._token = issued.token
        return issued.token

    async def _sign_in(self, source: Request[Grant] | TokenFunction) -> IssuedToken:
        if not isinstance(source, Request):
            # Whoever returns it knows when it ends: it is good until the service refuses it.
            return IssuedToken(check("the token that auth returns", await source(), secret), inf)
        grant = await self._send(source)
        margin = min(RENEWAL_MARGIN, grant.lifetime / 10)
        if self._on_event:
            self._on_event(TokenRenewed(lifetime=grant.lifetime))
        return IssuedToken(grant.token, grant.lifetime - margin)
