"""The token that requests are signed with: the caller's own, or renewed by signing in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from attrs import frozen

from .._deadline import context_without_deadline
from .._protocol.requests import Request
from .._protocol.sign_in import Grant, sign_in
from ..credentials import Credentials, StaticToken
from ..errors import ConfigError
from ..events import OnEvent, TokenRenewed

# Before its end a token is renewed: so much, or a tenth of its life.
RENEWAL_MARGIN = 60.0  # seconds


@frozen
class Signing:
    """How requests are signed: with a token, or with what a sign-in gives; and in which header."""

    source: StaticToken | Request[Grant]
    header: str = "access-token"
    prefix: str = ""

    @classmethod
    def from_credentials(cls, credentials: Credentials) -> Self:
        """Return how AICC wants requests signed."""
        return cls(credentials if isinstance(credentials, StaticToken) else sign_in(credentials))


class Tokens:
    """The token in use; renewed once, however many callers need it at the same time."""

    def __init__(
        self,
        source: StaticToken | Request[Grant],
        send: Callable[[Request[Grant]], Awaitable[Grant]],
        *,
        on_event: OnEvent | None = None,
    ) -> None:
        self._source = source
        self._send = send
        self._on_event = on_event
        self._token: str | None = None
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
            self._token = None
        return not isinstance(self._source, StaticToken)

    async def close(self) -> None:
        """End a sign-in that nobody waits for any more."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def _renew(self, sign_in: Request[Grant]) -> str:
        grant = await self._send(sign_in)
        margin = min(RENEWAL_MARGIN, grant.lifetime / 10)
        self._renew_at = asyncio.get_running_loop().time() + grant.lifetime - margin
        self._token = grant.token
        if self._on_event:
            self._on_event(TokenRenewed(lifetime=grant.lifetime))
        return grant.token
