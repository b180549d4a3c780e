"""The program ``aicc-async``: what its help begins with, and how an error ends it."""

from __future__ import annotations

import io

import click

from .._optional import installed_version
from .._validators import hide_passwords
from ..errors import AICCError, ConfigError, ExportError, UnknownOutcome
from .console import INCOMPLETE, INTERRUPTED, SERVICE, USAGE, say
from .help import LazyGroup


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"aicc-async, version {installed_version('aicc-async')}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def group() -> None:
    """Read, export and change Huawei AICC's cases from the shell.

    Settings are options of the commands, or variables (below). Records are JSON, one object on
    each line; on a terminal a single one is indented. Fields have the names of the wire; those of
    Python are taken too (see docs names). Exit codes: 0 success, 1 failure of the service, 2 wrong
    usage, 3 incomplete or unverified, 130 interrupted.
    """


def run() -> int:
    """Run a command and return its exit code; an error is one line on standard error."""
    try:
        return group(prog_name="aicc-async", standalone_mode=False) or 0
    except click.ClickException as error:
        # Click shows a value that is no file: it may be a URL.
        text = io.StringIO()
        error.show(text)
        click.echo(hide_passwords(text.getvalue()), nl=False, err=True)
        return USAGE
    except click.Abort:
        # ^C at a prompt.
        say("interrupted")
        return INTERRUPTED
    except AICCError as error:
        code, advice = SERVICE, ""
        if isinstance(error, ConfigError):
            code = USAGE
        elif isinstance(error, ExportError):
            code, advice = INCOMPLETE, error.resume
        elif isinstance(error, UnknownOutcome):
            advice = "look for it before you send it again"
        say(f"{type(error).__name__}: {error}" + (f"; {advice}" if advice else ""))
        for note in getattr(error, "__notes__", ()):
            say(note)
        return code
