"""A token that processes on several machines share, in a Redis.

The idea: the token is a key that ends when it should be renewed. Who finds none, or the one that
the service has just refused, takes a turn: a key that others cannot set, which ends by itself. Only
the holder of the turn signs in; the others look for the new token meanwhile. The invariant: a token
is stored only while its turn is held, so an older sign-in that comes late never replaces a newer
one. What it can't see: a sign-in by somebody who does not use this Redis. The service refuses the
shared token then, and it is renewed once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any
from uuid import uuid4

from attrs import field, frozen

from ...credentials import IssuedToken, TokenStore
from ...errors import TransportError
from .connection import (
    FAILURES,
    FullJitterBackoff,
    RedisConnection,
    RedisPlace,
    Retry,
    check_place,
    to_text,
)

# Longer than a sign-in takes. One that takes longer is repeated by the next process.
TURN_SECONDS = 30
POLL_INTERVAL = 0.05  # seconds
REPLY_TIMEOUT_SECONDS = 2.0
MAX_RETRIES = 3
# KEYS: token, turn. In one step: else a turn could be taken just after another one has ended with a
# new token. A command that is sent twice finds the turn that the first one took.
LOOK = """
local token = redis.call('GET', KEYS[1])
if token and token ~= ARGV[2] then return {token, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[3])
return redis.call('GET', KEYS[2]) == ARGV[1]
"""
# Only while the turn is ours: it may have ended, and be another's.
STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
END_TURN = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
"""


@frozen
class RedisTokens:
    """Where the token is that credentials share: ``ClientCredentials(…, shared=RedisTokens(url))``.

    All who pass the same ``redis`` and have the same client id use one token. ``redis`` is a URL, a
    client or a function (see ``aicc_async.connectors.redis``); it may hold a password, and is in no
    repr. Keys are ``aicc:token:{digest of the client id}:…``, and end with the token.

    While Redis can't be reached, the token at hand is used until it ends or is refused. Then calls
    raise TransportError (not sent): a sign-in would take the token from all others.

    Raises ConfigError for a bad URL, and at the first call when Redis refuses the sign-in, or can't
    be used as it is set up. Nothing is sent before the first call.
    """

    redis: RedisPlace = field(
        validator=lambda _, __, value: check_place("redis", value), repr=False
    )

    def connect(self, client_id: str) -> TokenStore:
        """Return the store of an app's token, for one client."""
        return RedisTokenStore(self.redis, client_id)


class RedisTokenStore:
    """The token of one app, as one client uses it (see ``TokenStore``)."""

    def __init__(self, redis: RedisPlace, client_id: str) -> None:
        retry = Retry(FullJitterBackoff(cap=1.0, base=0.05), MAX_RETRIES)
        self._redis = RedisConnection("redis", redis, timeout=REPLY_TIMEOUT_SECONDS, retry=retry)
        app = sha256(client_id.encode()).hexdigest()[:16]
        self._keys = [f"aicc:token:{{{app}}}:{part}" for part in ("value", "turn")]

    async def obtain(
        self, sign_in: Callable[[], Awaitable[IssuedToken]], *, refused: str | None
    ) -> IssuedToken:
        """Return the shared token; sign in where there is none, or where it is the refused one."""
        mine = uuid4().hex
        while True:
            found = await self._run(LOOK, mine, refused or "", TURN_SECONDS)
            if isinstance(found, list):
                token, milliseconds = found
                return IssuedToken(to_text(token), milliseconds / 1000)
            if not found:
                await asyncio.sleep(POLL_INTERVAL)
            elif issued := await self._sign_in(mine, sign_in):
                return issued

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    async def _sign_in(
        self, mine: str, sign_in: Callable[[], Awaitable[IssuedToken]]
    ) -> IssuedToken | None:
        """Sign in and store the token; None when the turn ended meanwhile."""
        try:
            issued = await sign_in()
            milliseconds = max(round(issued.seconds * 1000), 1)
            is_stored = await self._run(STORE, mine, issued.token, milliseconds)
            return issued if is_stored else None
        finally:
            # It ends by itself as well: how the sign-in ended says more.
            with suppress(TransportError):
                await self._run(END_TURN, mine)

    async def _run(self, script: str, *values: str | int) -> Any:
        try:
            return await self._redis.run(script, self._keys, values)
        except FAILURES as error:
            kind = type(error).__name__
        # Outside the block above: the error underneath may hold the command, and with it the token.
        raise TransportError(f"cannot reach the Redis that holds the token: {kind}", sent=False)
