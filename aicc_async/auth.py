"""Who is asking: a token that is given, or a sign-in that gets one and renews it."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from attrs import Attribute, field, frozen

from .errors import ConfigError, DecodeError
from .protocol import FORM, Request
from .wire import loads

SIGN_IN = "/baas/auth/v1.0/oauth2/token"
SHORTEST_LIFETIME = 600.0  # seconds: the shortest seen on any deployment, where none is said
MARGIN = 60.0  # seconds before the end at which a token is renewed, or a tenth of its life


def _text(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{attribute.name}: a text is needed")
    if not value.isprintable():
        raise ConfigError(f"{attribute.name}: no line breaks or control characters may stand in it")


@frozen
class StaticToken:
    """An access token that somebody else renews."""

    token: str = field(repr=False, validator=_text)


@frozen
class ClientCredentials:
    """A client id and secret; they sign in for a token, renewed before it runs out."""

    client_id: str = field(validator=_text)
    client_secret: str = field(repr=False, validator=_text)

    @classmethod
    def from_key_file(cls, path: str | PathLike[str]) -> ClientCredentials:
        """Read the CSV file that an administrator downloads (username, client_id, client_secret).

        Raises ConfigError when it can't be read, lacks a column, or has not exactly one row.
        """
        rows = _rows(Path(path))
        if len(rows) != 1:
            raise ConfigError(f"key file: one row is needed, {len(rows)} were found")
        row = {(name or "").strip(): text for name, text in rows[0].items()}
        missing = {"client_id", "client_secret"} - row.keys()
        if missing:
            raise ConfigError(f"key file: column {min(missing)} is missing")
        return cls((row["client_id"] or "").strip(), (row["client_secret"] or "").strip())


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            return [row for row in reader if any(row.values())]
    except (OSError, ValueError, csv.Error) as error:
        kind = type(error).__name__
    # outside the block above: the error underneath may hold a piece of the file
    raise ConfigError(f"key file: it can't be read: {kind}")


Credentials = StaticToken | ClientCredentials


def credentials_from(environ: Mapping[str, str]) -> Credentials:
    """Take the first that is set: ``AICC_ACCESS_TOKEN``, ``AICC_KEY_FILE``, ``AICC_CLIENT_ID``."""
    if environ.get("AICC_ACCESS_TOKEN"):
        return StaticToken(environ["AICC_ACCESS_TOKEN"])
    if environ.get("AICC_KEY_FILE"):
        return ClientCredentials.from_key_file(environ["AICC_KEY_FILE"])
    if environ.get("AICC_CLIENT_ID") and environ.get("AICC_CLIENT_SECRET"):
        return ClientCredentials(environ["AICC_CLIENT_ID"], environ["AICC_CLIENT_SECRET"])
    raise ConfigError(
        "set AICC_ACCESS_TOKEN, or AICC_KEY_FILE, or AICC_CLIENT_ID and AICC_CLIENT_SECRET"
    )


@frozen
class Grant:
    """What a sign-in gave: a token, and for how many seconds."""

    token: str = field(repr=False)
    lifetime: float


def sign_in(credentials: ClientCredentials) -> Request[Grant]:
    """Ask for a token; the secret goes in the body, never in the address."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    return Request(
        operation="token",
        method="POST",
        path=SIGN_IN,
        body=urlencode(form).encode(),
        decode=_grant,
        repeatable=True,
        content_type=FORM,
        signed=False,
        denied=frozenset({400, 401, 403}),
    )


def token_in(value: Any, name: str) -> str:
    """Take a token out of a sign-in's answer; it must be fit to stand in a header."""
    token = value.get(name) if isinstance(value, dict) else None
    if not isinstance(token, str) or not token or not token.isprintable():
        raise DecodeError(f"a token is needed @ $.{name}")
    return token


def _grant(body: bytes) -> Grant:
    value = loads(body)
    token = token_in(value, "access_token")
    try:
        lifetime = float(value.get("expires_in") or SHORTEST_LIFETIME)
    except (TypeError, ValueError, OverflowError):
        raise DecodeError("a number of seconds is needed @ $.expires_in") from None
    # a lifetime that makes no sense must not make every call sign in
    return Grant(token, lifetime if 0 < lifetime < inf else SHORTEST_LIFETIME)


@frozen
class Signing:
    """How requests are signed: with a token, or with what a sign-in gives; and in which header."""

    source: StaticToken | Request[Grant]
    header: str = "access-token"
    prefix: str = ""


def signing(credentials: Credentials) -> Signing:
    """Sign as AICC wants it."""
    return Signing(credentials if isinstance(credentials, StaticToken) else sign_in(credentials))


class Tokens:
    """The token in use; renewed once, however many callers need it at the same time."""

    def __init__(
        self,
        source: StaticToken | Request[Grant],
        send: Callable[[Request[Grant]], Awaitable[Grant]],
    ) -> None:
        self._source = source
        self._send = send
        self._token: str | None = None
        self._renew_at = 0.0
        self._renewal: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Return a token that is good for a while, signing in when there is none."""
        if isinstance(self._source, StaticToken):
            return self._source.token
        if self._token is not None and asyncio.get_running_loop().time() < self._renew_at:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(self._source))
            self._renewal.add_done_callback(self._settle)
        return await self._wait_for(self._renewal)

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

    async def _wait_for(self, renewal: asyncio.Task[str]) -> str:
        try:
            # shielded: a caller that is cancelled must not take the others' sign-in with it
            return await asyncio.shield(renewal)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if renewal.cancelled() and caller and not caller.cancelling():
                raise ConfigError("the client was closed during sign-in") from None
            raise

    async def _renew(self, sign_in: Request[Grant]) -> str:
        grant = await self._send(sign_in)
        margin = min(MARGIN, grant.lifetime / 10)
        self._renew_at = asyncio.get_running_loop().time() + grant.lifetime - margin
        self._token = grant.token
        return grant.token

    def _settle(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # seen: whoever waited has it
