"""The commands."""

from __future__ import annotations

import asyncio
import sqlite3
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import click
from rich.console import Console

from ..._protocol.converter import RecordConverter
from ...client import AICCClient
from ...emulator import Emulator, Latency
from ...errors import AICCError, ConfigError, ExportError, UnknownOutcome
from ...export import FORMATS, ExportReport, export_cases
from ...models import CaseUpdate
from ..calls import print_one, send
from ..console import (
    INCOMPLETE,
    INTERRUPTED,
    SERVICE,
    USAGE,
    echo,
    json_file,
    print_json,
    run_async,
    say,
    terminable,
)
from ..help import Sections
from ..options import (
    DEMO_CASES,
    DEMO_YEAR,
    LAST,
    Span,
    connection,
    demo,
    query,
    reader,
    selection,
    selection_or_last,
)
from ..progress import display
from ..summary import doubts, summary

COUNT, PORT = click.IntRange(0), click.IntRange(0, 65535)


def run() -> int:
    """Run a command and return its exit code; errors go to standard error, as one line."""
    try:
        return group(prog_name="aicc-async", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return USAGE
    except click.Abort:  # at a prompt
        say("interrupted")
        return INTERRUPTED
    except AICCError as error:
        say(f"{type(error).__name__}: {error}{_advice(error)}")
        return _exit_code(error)


def _exit_code(error: AICCError) -> int:
    if isinstance(error, ConfigError):
        return USAGE
    return INCOMPLETE if isinstance(error, ExportError) else SERVICE


def _advice(error: AICCError) -> str:
    if isinstance(error, UnknownOutcome):
        return "; look for it before you send it again"
    return f"; {error.resume}" if isinstance(error, ExportError) and error.resume else ""


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aicc-async")
def group() -> None:
    """Huawei AICC's cases from the shell.

    Settings come from options or from AICC_BASE_URL, AICC_KEY_FILE, AICC_CLIENT_ID with
    AICC_CLIENT_SECRET, AICC_ACCESS_TOKEN, AICC_TIMEZONE and AICC_RATE_LIMIT. Exit codes: 0 well,
    1 service, 2 usage, 3 incomplete or unverified, 130 interrupted.
    """


@group.command()
@click.argument("out")
@selection_or_last
@click.option(
    "--lookback",
    type=Span(),
    default="1d",
    show_default=True,
    metavar="SPAN",
    help="With --since last: how much of what was read before is read again.",
)
@click.option("--format", "name", type=click.Choice(FORMATS), help="What OUT's suffix doesn't say.")
@click.option("--raw-cells", is_flag=True, help="CSV: leave cells that a spreadsheet would run.")
@click.option(
    "--detail",
    is_flag=True,
    help="Add history, contact and tasks to each case: a request each.",
)
@click.option(
    "--settle",
    type=Span(),
    default="5m",
    show_default=True,
    metavar="SPAN",
    help="What ended less than that ago is read again by a later run.",
)
@click.option(
    "--strict/--no-strict",
    default=True,
    show_default=True,
    help="Exit with 3 when anything is unverified.",
)
@click.option("--restart", is_flag=True, help="Throw away what an unfinished run has read.")
@connection
@demo
@click.option("--concurrency", default=8, show_default=True, help="Requests at the same time.")
def export(
    *,
    out: str,
    since: datetime | None,
    until: datetime | None,
    filters: tuple[str, ...],
    lookback: timedelta,
    name: str | None,
    raw_cells: bool,
    detail: bool,
    settle: timedelta,
    strict: bool,
    restart: bool,
    **options: Any,
) -> None:
    """Write all cases that match into OUT, verified; run it again to go on after any end.

    OUT is a file (.jsonl, .jsonl.gz, .jsonl.zst, .csv, .parquet, .sqlite, .db) or a
    postgresql:// URL; its manifest is written beside it. Every night: --since last --lookback 7d.

    \b
    Example:
      aicc-async export cases.jsonl --demo --since 2025-01-01 --until 2025-12-31
    """  # noqa: D301  (click reads the \b)
    wanted, source = query(None if since is LAST else since, until, filters), reader(**options)

    async def go() -> ExportReport:
        async with source as aicc:
            with display(Console(stderr=True), aicc.stats) as show:
                return await export_cases(
                    aicc,
                    wanted,
                    out,
                    format=name,
                    raw_cells=raw_cells,
                    detail=detail,
                    since_last=lookback if since is LAST else None,
                    settle=settle,
                    restart=restart,
                    on_progress=show,
                )

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RuntimeWarning)
        report = run_async(go(), advice="run the same again to go on")
    for warning in told:
        say(f"warning: {warning.message}")
    echo(summary(report))
    for line in doubts(report):
        say(line)
    if strict and not report.verified:
        raise click.exceptions.Exit(INCOMPLETE)


@group.command("list")
@selection
@connection
@demo
@click.option("--start", default=0, show_default=True, help="First row.")
@click.option("--limit", default=100, show_default=True, help="Rows, 1 to 100.")
def list_(
    *,
    since: datetime | None,
    until: datetime | None,
    filters: tuple[str, ...],
    start: int,
    limit: int,
    **options: Any,
) -> None:
    """Print one page of cases, one JSON object on each line.

    \b
    Example:
      aicc-async list --demo --limit 2 --filter priority=High
    """  # noqa: D301
    wanted, source = query(since, until, filters), reader(**options)

    async def go() -> list[dict[str, Any]]:
        async with source as aicc:
            page = await aicc.list_cases(wanted, start=start, limit=limit)
            return list(map(RecordConverter(aicc.timezone).dump, page.cases))

    for case in run_async(go()):
        print_json(case, indent=-1)


@group.command()
@click.argument("case_id")
@connection
@demo
def get(case_id: str, **options: Any) -> None:
    """Print a case with its history, contact and tasks.

    \b
    Example:
      aicc-async get --demo c6m8000001tSDqQAcMPR
    """  # noqa: D301
    print_one(reader(**options), lambda aicc: aicc.get_case(case_id))


@group.command()
@json_file
@connection
def modify(file: BinaryIO, **options: Any) -> None:
    """Change a case by JSON (a file, or standard input), and print its id.

    \b
    Example:
      echo '{"id": "c6m8000001tSDqQAcMPR", "title": "…", "description": "…", "creatorId": "…"}' \\
        | aicc-async modify
    """  # noqa: D301
    change, _ = send(AICCClient.modify_case, CaseUpdate, file=file, **options)
    print_json({"id": change.id}, indent=-1)


@group.command()
@click.option("--cases", type=COUNT, default=DEMO_CASES, show_default=True, help="Invented cases.")
@click.option("--since", type=click.DateTime(), default=DEMO_YEAR[0], show_default=True)
@click.option("--until", type=click.DateTime(), default=DEMO_YEAR[1], show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--port", type=PORT, default=8080, show_default=True, help="0 takes a free one.")
@click.option("--quota", type=click.IntRange(1), help="At most so many requests in any second.")
@click.option("--latency", type=click.FloatRange(0), help="Seconds before every answer.")
@click.option("--database", default=":memory:", show_default=True, help="A file that is kept.")
def emulator(latency: float | None, **options: Any) -> None:
    """Run a tenant on this machine until it is interrupted, which is its normal end (0).

    Prints the variables that the other commands read.

    \b
    Example:
      aicc-async emulator --cases 100000 --quota 50
    """  # noqa: D301
    if options["since"] >= options["until"]:
        raise ConfigError("--until: a time after --since is needed")
    tenant = Emulator(**options, latency=Latency(latency) if latency else None, record=False)

    async def go() -> None:
        async with _running(tenant):
            echo(
                f"AICC_BASE_URL={tenant.url}\n"
                f"AICC_CLIENT_ID={tenant.client_id}\n"
                f"AICC_CLIENT_SECRET={tenant.client_secret}\n"
                f"AICC_QFLOW_URL={tenant.qflow_url}"
            )
            await asyncio.Event().wait()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(terminable(go()))


@asynccontextmanager
async def _running(tenant: Emulator) -> AsyncIterator[None]:
    try:
        await tenant.start()
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"the emulator can't start: {error}") from error
    try:
        yield
    finally:
        await tenant.close()
