"""What all commands do with the console: print, report, ask for a secret, end on a signal."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from .._validators import hide_passwords
from ..errors import AICCError, ConfigError

T = TypeVar("T")
SERVICE, USAGE, INCOMPLETE, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 130, 141
RESUME = "run the same command again to resume"


def say(text: str) -> None:
    """Write a message as one line on standard error, without the password of a URL in it."""
    click.echo(hide_passwords(printable(text)), err=True)


def printable(text: str) -> str:
    """Return a text on one line: the service's own may hold what a terminal obeys."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def echo(text: str | bytes, *, nl: bool = True) -> None:
    """Print, and end quietly when nobody reads any more."""
    try:
        click.echo(text, nl=nl)
    except OSError as error:
        # Python writes what is left in its buffer when it ends, and would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        raise AICCError(f"cannot write to standard output: {error.strerror}") from None


def print_row(value: Any) -> None:
    """Print one of many values as JSON, on a line of its own."""
    from .._protocol.converter import dumps

    echo(dumps(value))


def print_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, elsewhere on one line, as programs read it."""
    import msgspec

    from .._protocol.converter import dumps

    line = dumps(value)
    echo(msgspec.json.format(line) if sys.stdout.isatty() else line)


@contextmanager
def showing_warnings() -> Iterator[None]:
    """Print what was warned of when the block has ended: within a live bar it would be erased."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for warning in caught:
        say(f"warning: {warning.message}")


def run_async(work: Coroutine[Any, Any, T], advice: str = "") -> T:
    """Run a coroutine to its end, or exit with 130 when a signal ends it."""
    import asyncio

    try:
        return asyncio.run(terminable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Of SIGINT and of SIGTERM.
        say(f"interrupted; {advice}" if advice else "interrupted")
        raise click.exceptions.Exit(INTERRUPTED) from None


async def terminable(work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine that SIGTERM cancels, as SIGINT does: it tidies up behind itself."""
    import asyncio

    task = asyncio.current_task()
    if task and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def ask_secret(what: str, variable: str) -> str:
    """Ask for a secret on the terminal; without one, raise ConfigError.

    Call it before an event loop runs: within one, a prompt could not be interrupted.
    """
    from getpass import GetPassWarning

    try:
        with warnings.catch_warnings():
            # Without a terminal, getpass would warn and read standard input, which holds a record.
            warnings.simplefilter("error", GetPassWarning)
            return str(click.prompt(what, hide_input=True, err=True))
    except GetPassWarning:
        raise ConfigError(f"{variable} must be set: there is no terminal to ask for it") from None
