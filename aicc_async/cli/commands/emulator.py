"""The command that runs a tenant on this machine."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from ...errors import ConfigError
from ..console import echo, terminable
from ..options import DEMO_CASES, DEMO_YEAR, Since, ago

# More cases than that fit into no memory.
COUNT, PORT = click.IntRange(0, 10**9), click.IntRange(0, 65535)
# Of the times that it shows.
ZONE = "Asia/Shanghai"
# What a shell can read, and the other commands then.
VARIABLES = """\
AICC_BASE_URL={0.url}
AICC_CLIENT_ID={0.client_id}
AICC_CLIENT_SECRET={0.client_secret}
AICC_QFLOW_URL={0.qflow_url}
AICC_TIMEZONE={1}
AICC_DIALECT=missing_codes={0.missing_code}"""


@click.command()
@click.option("--cases", type=COUNT, default=DEMO_CASES, show_default=True, help="Invented cases.")
@click.option(
    "--since",
    type=Since(click.DateTime()),
    default=DEMO_YEAR[0],
    show_default=True,
    help="When the first case was created; 90d: so long before now.",
)
@click.option(
    "--until",
    type=click.DateTime(),
    metavar="TIME",
    help="When the last one was.  [default: 2026-01-01, or now after --since 90d]",
)
@click.option("--seed", default=1, show_default=True, help="Another one invents other cases.")
@click.option("--port", type=PORT, default=8080, show_default=True, help="0 takes a free one.")
@click.option("--quota", type=click.IntRange(1), help="At most so many requests in any second.")
@click.option("--latency", type=click.FloatRange(0), help="Seconds before every answer.")
@click.option("--database", default=":memory:", show_default=True, help="A file that is kept.")
def emulator(latency: float | None, **options: Any) -> None:
    """Run a tenant on this machine until it is interrupted.

    That is its normal end, with exit code 0. Prints the variables that the other commands read.

    \b
    Example:
      aicc-async emulator --cases 100000 --quota 50
    """
    import asyncio
    import sqlite3

    from ...emulator import Emulator, Latency

    freeze_range(options)
    if options["since"] >= options["until"]:
        raise ConfigError("--until must be after --since")
    tenant = Emulator(**options, latency=Latency(latency) if latency else None, record=False)

    async def serve() -> None:
        try:
            await tenant.start()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cannot start the emulator: {error}") from error
        try:
            echo(VARIABLES.format(tenant, ZONE))
            await asyncio.Event().wait()
        finally:
            await tenant.close()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(terminable(serve()))


def freeze_range(options: dict[str, Any]) -> None:
    """Set both ends to times of the tenant's clock."""
    until = DEMO_YEAR[1]
    if isinstance(options["since"], timedelta):
        now, since = (
            ago(span).astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
            for span in (timedelta(0), options["since"])
        )
        until, options["since"] = now, since
    options["until"] = options["until"] or until
