"""Connect your tenant: what an account needs, the variables, and who signs in.

What you need
-------------

- **The domain** of your tenant, such as ``https://service.besclouds.com``: ``AICC_BASE_URL``.
- **The key file**: a CSV file with the columns ``username``, ``client_id`` and ``client_secret``,
  which an administrator of the tenant makes for an account of the open interface, and downloads
  once. ``AICC_KEY_FILE`` is its path. A file with ``app_key`` and ``app_secret`` belongs to other
  interfaces of AICC, and is refused.
- **The right** to read, and to create or change where you do so, the case object
  ``AICC__CASE__CST`` by API: the administrator gives it to that account. An account may be bound
  to a range of IP addresses: then it must have the one that you come from.
- **The zone** of the times on the wire, which no document names: ``AICC_TIMEZONE``,
  ``Asia/Shanghai`` unless set.

Then look whether it works, in about ten requests that only read::

    $ aicc-async check
    sign-in: http… gave a token
    cases:   12,000 in all
    zone:    no row contradicts Asia/Shanghai: …
    rights:  may read the list of cases, one case, one case type, statistics, tasks
    gateway: …
    probe:   would ask for start_inclusive, …

Its exit code is 0 when the list can be read, 1 when the service refuses it, cannot be reached, or
has rows that contradict the zone, 2 when a setting is missing or wrong. An error says what to do.
``aicc-async probe`` finds out how the tenant behaves: see ``aicc_async.probe``.

The variables
-------------

``AICCClient.from_env()``, the commands, Spark and dlt read these. Of those that sign in, the first
that is set is taken:

- ``AICC_BASE_URL``: the domain.
- ``AICC_ACCESS_TOKEN``: a token that somebody else renews.
- ``AICC_KEY_FILE``: the key file.
- ``AICC_CLIENT_ID`` with ``AICC_CLIENT_SECRET``: the same as two values.
- ``AICC_TIMEZONE``: the zone of the times on the wire.
- ``AICC_RATE_LIMIT``: ``10`` requests in any second, or ``600/60``: 600 in any 60 seconds.
- ``AICC_PROFILE``: the file that ``aicc-async probe -o`` wrote.
- ``AICC_DIALECT``: where the documents contradict each other, as ``task_detail=POST``.
- ``AICC_TELEMETRY``: ``otel``, for spans and metrics (``aicc_async.connectors.otel``).

Those of the network are in ``aicc_async.settings``. The commands alone read ``AICC_REDIS_URL``, a
Redis where processes share that limit, and, as Spark does, ``AICC_BUDGET``, the name under which
they do (the domain unless it is set); they, Spark and dlt read ``AICC_TOKEN_REDIS_URL``, one where
they share the token. In code both are arguments: see ``aicc_async.connectors.redis``.

In Python
---------

Credentials are the argument ``auth``::

    import asyncio
    import os

    from aicc_async import AICCClient, ClientCredentials


    async def main() -> None:
        auth = ClientCredentials.from_key_file("key.csv")
        async with AICCClient(os.environ["AICC_BASE_URL"], auth=auth) as aicc:
            print((await aicc.list_cases(limit=1)).count)
        print(auth)


    asyncio.run(main())

It prints::

    12000
    ClientCredentials(client_id='emulated-client')

One sign-in serves all calls, however many begin together. The token is renewed before it ends, and
once when the service refuses it. A ``StaticToken`` is one that somebody else renews. No secret is
in any repr, log or error.

A token from elsewhere
----------------------

Where a vault or a service of your own gives the token, ``auth`` is a coroutine function. It is
called for the first request, and once more when the service refuses the token; all calls share
what it returns. What it raises reaches the caller as it is::

    import asyncio

    from aicc_async import AICCClient
    from aicc_async.emulator import Emulator


    async def main() -> None:
        async with Emulator(cases=300) as tenant:

            async def fetch_token() -> str:
                print("asked")
                return tenant.token()

            async with AICCClient(tenant.url, auth=fetch_token) as aicc:
                pages = await asyncio.gather(*(aicc.list_cases() for _ in range(5)))
        print(len(pages), "pages")


    asyncio.run(main())

It prints::

    asked
    5 pages

Some tenants keep one token per app: a second sign-in ends the token of the first. Processes share
one then: ``ClientCredentials(…, shared=RedisTokens(url))``, see ``aicc_async.connectors.redis``.
"""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from attrs import Attribute, field, frozen

from ._validators import UTF16, kind_of, required, secret, text
from .errors import ConfigError


@frozen
class StaticToken:
    """An access token that somebody else renews."""

    token: str = field(repr=False, validator=secret)


@frozen
class IssuedToken:
    """A token, and for how many seconds it is used before another one is asked for."""

    token: str = field(repr=False)
    seconds: float


class TokenStore(Protocol):
    """A token that processes share, as the client of one of them uses it."""

    async def obtain(
        self, sign_in: Callable[[], Awaitable[IssuedToken]], *, refused: str | None
    ) -> IssuedToken:
        """Return the shared token; sign in where there is none, or where it is the refused one.

        Of all processes one signs in at a time. Raises TransportError when the store is away.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class SharedTokens(Protocol):
    """Where processes share a token: ``aicc_async.connectors.redis.RedisTokens`` is one."""

    def connect(self, client_id: str) -> TokenStore:
        """Return the store of an app's token."""
        ...


def _has_store(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not callable(getattr(value, "connect", None)):
        raise ConfigError(f"{attribute.name} must be RedisTokens or None, got {kind_of(value)}")


@frozen
class ClientCredentials:
    """A client id and secret; they sign in for a token, renewed before it runs out.

    With ``shared`` all processes that have the same one use one token: see ``RedisTokens``.
    """

    client_id: str = field(validator=secret)
    client_secret: str = field(repr=False, validator=secret)
    shared: SharedTokens | None = field(
        default=None, kw_only=True, repr=False, validator=_has_store
    )

    @classmethod
    def from_key_file(
        cls, path: str | PathLike[str], *, shared: SharedTokens | None = None
    ) -> ClientCredentials:
        """Read the CSV file that an administrator downloads (username, client_id, client_secret).

        Raises ConfigError when it can't be read, lacks a column, or has not exactly one row.
        """
        rows = _rows(Path(path))
        if len(rows) != 1:
            raise ConfigError(f"key file must have one row, got {len(rows)}")
        row = {(name or "").strip(): text for name, text in rows[0].items()}
        missing = {"client_id", "client_secret"} - row.keys()
        if missing:
            raise ConfigError(f"key file must have a column {min(missing)}")
        client_id, client_secret = (
            (row[name] or "").strip() for name in ("client_id", "client_secret")
        )
        return cls(client_id, client_secret, shared=shared)


@frozen
class QFlowLogin:
    """Who signs in to Q-Flow (``POST Users/Token``); neither part is in its repr.

    Lengths are UTF-16 units: 254 for the name, 250 for the password.
    """

    user_name: str = required(text(254, empty=False, unit=UTF16), show=False)
    password: str = required(text(250, empty=False, unit=UTF16), show=False)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            return [row for row in reader if any(row.values())]
    except (OSError, ValueError, csv.Error) as error:
        what = kind_of(error)
    # Outside the block above: the error underneath may hold a piece of the file.
    raise ConfigError(f"key file cannot be read: {what}")


# Called for a token, and again when the service refuses it.
TokenFunction = Callable[[], Awaitable[str]]
Credentials = StaticToken | ClientCredentials | TokenFunction


def check_credentials(auth: object) -> None:
    """Raise ConfigError for what cannot give a token."""
    is_function = iscoroutinefunction(auth) or iscoroutinefunction(getattr(auth, "__call__", None))  # noqa: B004  (asks whether it is a coroutine)
    # Of a class, ``__call__`` is that of its instances.
    if isinstance(auth, type) or not (
        isinstance(auth, StaticToken | ClientCredentials) or is_function
    ):
        raise ConfigError(
            "auth must be a StaticToken, ClientCredentials or a coroutine function that returns a"
            f" token, got {kind_of(auth)}"
        )


def credentials_from(environ: Mapping[str, str]) -> Credentials:
    """Take the first that is set: ``AICC_ACCESS_TOKEN``, ``AICC_KEY_FILE``, ``AICC_CLIENT_ID``."""
    if environ.get("AICC_ACCESS_TOKEN"):
        return StaticToken(environ["AICC_ACCESS_TOKEN"])
    if environ.get("AICC_KEY_FILE"):
        return ClientCredentials.from_key_file(environ["AICC_KEY_FILE"])
    if environ.get("AICC_CLIENT_ID") and environ.get("AICC_CLIENT_SECRET"):
        return ClientCredentials(environ["AICC_CLIENT_ID"], environ["AICC_CLIENT_SECRET"])
    raise ConfigError(
        "credentials must be set: AICC_ACCESS_TOKEN, or AICC_KEY_FILE, or AICC_CLIENT_ID and"
        " AICC_CLIENT_SECRET"
    )
