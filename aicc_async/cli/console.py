"""What commands do alike: read a record, run to the end, print, say, ask for a secret."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import warnings
from collections.abc import Coroutine
from getpass import GetPassWarning
from typing import Any, BinaryIO, TypeVar

import click
import msgspec

from .._protocol.converter import RecordConverter, dumps, loads
from ..errors import AICCError, ConfigError

T = TypeVar("T")
SERVICE, USAGE, INCOMPLETE, INTERRUPTED, CUT_OFF = 1, 2, 3, 130, 141

json_file = click.argument("file", type=click.File("rb"), default="-")


def say(text: str) -> None:
    """Write a message as one line; the service's own words may hold anything."""
    click.echo("".join(mark if mark.isprintable() else " " for mark in text), err=True)


def run_async(work: Coroutine[Any, Any, T], advice: str = "") -> T:
    """Run it to its end, or end in order when a signal stops it."""
    try:
        return asyncio.run(terminable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):  # SIGINT, SIGTERM
        say(f"interrupted; {advice}" if advice else "interrupted")
        raise click.exceptions.Exit(INTERRUPTED) from None


async def terminable(work: Coroutine[Any, Any, T]) -> T:
    """Let SIGTERM cancel the work as SIGINT does, so that nothing is left behind."""
    task = asyncio.current_task()
    if task and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def load(cls: type[Any], file: BinaryIO, wire: RecordConverter, *, within: str = "caseInfo") -> Any:
    """Read a record from JSON by wire names; what is wrong with it is the user's to mend.

    ``within`` is the name that the documents put around it; it may be left out.
    """
    try:
        value = loads(file.read())
        inner = value.get(within, value) if isinstance(value, dict) else value
        return wire.load(cls, inner)
    except AICCError as error:
        raise ConfigError(f"{file.name}: {error}") from None


def print_json(value: Any, *, indent: int = 2) -> None:
    """Print a value as JSON; with an ``indent`` of -1 on one line."""
    echo(msgspec.json.format(dumps(value), indent=indent))


def echo(text: str | bytes) -> None:
    """Print, and end quietly when nobody reads any more."""
    try:
        click.echo(text)
    except OSError as error:
        # Python writes what is left in its buffer when it ends, and would complain once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(CUT_OFF) from None
        raise AICCError(f"standard output: {error.strerror}") from None


def ask_secret(what: str, variable: str) -> str:
    """Ask on the terminal; without one, standard input must not be taken for a secret.

    That is done before an event loop runs: within one a prompt could not be interrupted.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)
            return str(click.prompt(what, hide_input=True, err=True))
    except GetPassWarning:
        raise ConfigError(
            f"{variable} is not set, and there is no terminal to ask for it"
        ) from None
