"""``-v``: a line on standard error for every attempt of every request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

LOGGER = "aicc_async"


def _show_attempts(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the log of attempts until the command ends."""
    if not value:
        return
    # Neither is loaded for a command that prints its help.
    import logging

    from .console import say

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    logger, handler = logging.getLogger(LOGGER), Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    @context.call_on_close
    def undo() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)


verbose = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_show_attempts,
    help="Show each request on standard error: path, status and time, no data.",
)


def has_bar(console: Console) -> bool:
    """Return whether a live bar can be shown: lines of attempts would be written into it."""
    import logging

    return console.is_terminal and not logging.getLogger(LOGGER).isEnabledFor(logging.DEBUG)
