"""The command that prints changes of cases as they happen, or runs a command for each."""

from __future__ import annotations

import shlex
import shutil
from datetime import timedelta
from functools import partial
from typing import Any

import click

from ..._validators import shown
from ...errors import ConfigError
from ..console import echo, run_async
from ..options import Span, connection


@click.command()
@click.option(
    "--state",
    # As text: in a Path the two slashes of a URL, which is refused, are one.
    type=click.Path(dir_okay=False),
    default="aicc-watch.db",
    show_default=True,
    help="The file of what is known and was not acknowledged. Contact data is in it.",
)
@click.option(
    "--every",
    type=Span(),
    default="30s",
    show_default=True,
    metavar="SPAN",
    help="How often to look: a new case is told within that.",
)
@click.option(
    "--lookback",
    type=Span(),
    default="7d",
    show_default=True,
    metavar="SPAN",
    help="How old the cases may be that are watched, by their creation.",
)
@click.option(
    "--period",
    type=Span(),
    default="1h",
    show_default=True,
    metavar="SPAN",
    help="Within what time all of them are read again: any change is told within that.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="As priority=High; ownerId=… or owner_id=…; AICC__region__CST=… of a template.",
)
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help="Run this for each event, with its JSON on standard input, instead of printing it.",
)
@click.option("--plan", is_flag=True, help="Tell what it costs, and how soon it tells; then end.")
@connection
def watch(
    *,
    state: str,
    every: timedelta,
    lookback: timedelta,
    period: timedelta,
    filters: tuple[str, ...],
    command: str | None,
    plan: bool,
    **options: Any,
) -> None:
    """Print changes of cases as they happen, as JSON lines.

    Each is created, changed (with the old and the new values), deleted, or the shape of all: a
    field that every case has from now on. Fields have Python's names. An event is acknowledged when
    it is printed, or when COMMAND has ended with exit code 0. What was not acknowledged is told
    again by the next run with the same --state: at least once, in the order of each case. Cases
    that are there at the first run are not told. See docs watch.

    SIGTERM and SIGINT end it with exit code 0, after the event at hand. A COMMAND that fails ends
    it with exit code 1: let systemd start it again (Restart=on-failure, and KillMode=mixed, which
    lets COMMAND end). COMMAND is split into words as a shell does, but run without one; sh -c '…'
    takes the rest.

    \b
    Example:
      aicc-async watch --plan --every 1m --lookback 30d
    """
    from ..connect import client
    from ..filters import query
    from ..following import describe, follow, print_line, run_command

    words = _split_command(command)
    settings: dict[str, Any] = {
        "query": query(None, None, filters),
        "state": state,
        "every": every.total_seconds(),
        "lookback": lookback,
        "period": period.total_seconds(),
    }
    source = client(**options)

    async def go() -> None:
        async with source as aicc:
            if plan:
                echo(describe(await aicc.watch_cases(**settings).plan()))
                return
            changes = aicc.watch_cases(**settings, manual_ack=True)
            await follow(changes, partial(run_command, words) if words else print_line)

    run_async(go())


def _split_command(command: str | None) -> list[str]:
    """Return the words of a command; raise ConfigError for what cannot be run."""
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--exec must be a command, got {shown(command)}: {error}") from None
    if not words or not shutil.which(words[0]):
        raise ConfigError(f"--exec must begin with a program that can be run, got {shown(command)}")
    return words
