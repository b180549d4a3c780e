"""Options and arguments that commands share. No secret is an option: everybody could read it.

Nothing here may import what runs a command: ``aicc-async COMMAND --help`` needs the options alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from .verbose import verbose

F = TypeVar("F", bound=Callable[..., Any])

# What --demo and the emulator invent.
DEMO_CASES = 12_000
DEMO_YEAR = (datetime(2025, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001  (wall-clock times)
# What --since makes of the word "last".
LAST = datetime.min  # noqa: DTZ901  (no case is that old)
# Those of ``aicc_async.export.FORMATS``: importing it would take ten times as long as the help.
FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "sqlite", "postgres")

REDIS_URL = re.compile(r"(?i)(redis|valkey)s?([+][a-z]+)?:|unix:")
INPUT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)


class Span(click.ParamType[timedelta]):
    """A length of time: 7d, 12h, 5m, 30s."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse a number and a unit."""
        from ..settings.environment import parse_span

        if isinstance(value, timedelta):
            return value
        try:
            found = parse_span(value)
        except OverflowError:
            self.fail(f"must be a shorter length of time, got {value[:20]}…{value[-1]}", param, ctx)
        if found is None:
            self.fail(
                f"must be a length of time such as 7d, 12h, 5m or 30s, got {value!r}", param, ctx
            )
        return found


class JournalPlace(click.ParamType[Path | str]):
    """A journal: a file, or the URL of a Redis."""

    name = "file or redis://…"

    def __init__(self, file: click.ParamType[Path]) -> None:
        self._file = file

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Check a file; a URL is checked when it is used."""
        # A misspelt URL is no file either: its password would be shown as a name.
        if isinstance(value, str) and ("://" in value or REDIS_URL.match(value)):
            return value
        return self._file.convert(value, param, ctx)


class Since(click.ParamType[datetime | timedelta]):
    """What another type takes, or a length of time before now: 7d, 12h."""

    name = "time"

    def __init__(self, other: click.ParamType[datetime]) -> None:
        self._other = other

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """Return a timedelta for a length of time; how it is rounded is the command's."""
        if not (isinstance(value, str) and re.fullmatch(r"[0-9]+[dhms]", value)):
            return self._other.convert(value, param, ctx)
        span = Span().convert(value, param, ctx)
        try:
            ago(span)
        except OverflowError:
            self.fail(f"must be after the year 1, got {value}", param, ctx)
        return span


def ago(span: timedelta) -> datetime:
    """Return the second that was so long ago."""
    return datetime.now(UTC).replace(microsecond=0) - span


class Moment(click.ParamType[datetime]):
    """A date or a time; a date alone is its first second, or its last one."""

    name = "time"

    def __init__(self, *, is_end: bool = False, takes_last: bool = False) -> None:
        self._is_end = is_end
        self._takes_last = takes_last

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse ISO 8601; without an offset it is a time of the client's zone."""
        if self._takes_last and value == "last":
            return LAST
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"must be a time such as 2025-01-31 or 2025-01-31T18:00:00, got {value!r}",
                param,
                ctx,
            )
        is_whole_day = self._is_end and len(value) <= len("2025-01-31")
        return moment + timedelta(days=1, seconds=-1) if is_whole_day else moment


json_file = click.argument("file", type=click.File("rb"), default="-")
concurrency = click.option(
    "--concurrency", default=8, show_default=True, help="Requests at the same time."
)
demo = click.option(
    "--demo",
    is_flag=True,
    help=f"Use a tenant of {DEMO_CASES:,} invented cases of 2025, on this machine.",
)


def connection(command: F) -> F:
    """Add the options that say where the service is and who signs in."""
    return _with(
        command,
        click.option("--base-url", help="The domain, as https://…  [AICC_BASE_URL]"),
        click.option("--client-id", help="Who signs in; asks for the secret.  [AICC_CLIENT_ID]"),
        click.option(
            "--key-file", type=INPUT_FILE, help="The administrator's CSV file.  [AICC_KEY_FILE]"
        ),
        click.option("--token-file", type=INPUT_FILE, help="A file that holds an access token."),
        click.option("--timezone", help="The tenant's zone.  [AICC_TIMEZONE, Asia/Shanghai]"),
        click.option(
            "--rate",
            help="At most so many requests in any second: 10, 600/60.  [AICC_RATE_LIMIT;"
            " AICC_REDIS_URL shares it]",
        ),
        click.option("--profile", type=INPUT_FILE, help="What probe found.  [AICC_PROFILE]"),
        *_NETWORK,
        verbose,
    )


_NETWORK = (
    click.option(
        "--proxy",
        help="As http://proxy:3128; a password only in the variable.  [AICC_PROXY, HTTPS_PROXY]",
    ),
    click.option(
        "--ca-file", type=INPUT_FILE, help="Authorities to trust, in PEM.  [AICC_CA_FILE]"
    ),
    click.option(
        "--client-cert", type=INPUT_FILE, help="Your certificate, in PEM.  [AICC_CLIENT_CERT]"
    ),
    click.option("--client-key", type=INPUT_FILE, help="Its key, in PEM.  [AICC_CLIENT_KEY]"),
    click.option(
        "--header",
        multiple=True,
        metavar="NAME:VALUE",
        help="For every request; secret ones only in the variable.  [AICC_HEADERS]",
    ),
    click.option(
        "--allow-http", is_flag=True, help="Take a base URL without TLS.  [AICC_ALLOW_HTTP]"
    ),
)


def selection(command: F) -> F:
    """Add the options that select cases."""
    since = click.option(
        "--since",
        type=Since(Moment()),
        help="First second, or day: 2025-01-01; or so long before now: 7d, 12h.",
    )
    return _with(command, since, *_UNTIL_AND_FILTER)


def selection_or_last(command: F) -> F:
    """Add the options that select cases, of which --since also takes the word ``last``."""
    since = click.option(
        "--since",
        type=Since(Moment(takes_last=True)),
        help="First second, or day: 2025-01-01; or so long before now: 7d, 12h; last: where the"
        " previous run ended.",
    )
    return _with(command, since, *_UNTIL_AND_FILTER)


_UNTIL_AND_FILTER = (
    click.option(
        "--until", type=Moment(is_end=True), help="Last second, or day: 2025-01-31T18:00:00."
    ),
    click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="NAME=VALUE",
        help="As priority=High; ownerId=… or owner_id=…; AICC__region__CST=… of a template.",
    ),
)


def _with(command: F, *options: Callable[[F], F]) -> F:
    # Decorators apply from the last one up; the help lists the first one first.
    for option in reversed(options):
        command = option(command)
    return command
