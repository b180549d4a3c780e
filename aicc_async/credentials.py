"""Who is asking: a token of the caller's own, or what it takes to sign in for one.

``AICCClient.from_env()`` takes the first that is set: ``AICC_ACCESS_TOKEN``, ``AICC_KEY_FILE``,
``AICC_CLIENT_ID`` with ``AICC_CLIENT_SECRET``. In code it is the argument ``auth``::

    import asyncio
    import os

    from aicc_async import AICCClient, ClientCredentials


    async def main() -> None:
        # The CSV file that an administrator downloads, with client_id and client_secret.
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
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from attrs import field, frozen

from ._validators import UTF16, kind_of, required, secret, text
from .errors import ConfigError


@frozen
class StaticToken:
    """An access token that somebody else renews."""

    token: str = field(repr=False, validator=secret)


@frozen
class ClientCredentials:
    """A client id and secret; they sign in for a token, renewed before it runs out."""

    client_id: str = field(validator=secret)
    client_secret: str = field(repr=False, validator=secret)

    @classmethod
    def from_key_file(cls, path: str | PathLike[str]) -> ClientCredentials:
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
        return cls((row["client_id"] or "").strip(), (row["client_secret"] or "").strip())


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
        "credentials must be set: AICC_ACCESS_TOKEN, or AICC_KEY_FILE, or AICC_CLIENT_ID and"
        " AICC_CLIENT_SECRET"
    )
