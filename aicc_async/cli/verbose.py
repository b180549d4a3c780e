"""``-v``: a line on standard error for every attempt of every request."""

from __future__ import annotations

import click

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


def is_verbose() -> bool:
    """Return whether attempts are shown: their lines would be written into a live bar."""
    import logging

    return logging.getLogger(LOGGER).isEnabledFor(logging.DEBUG)
