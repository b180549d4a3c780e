"""The command that writes a tenant's case history into a file or a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..._validators import shown
from ...errors import AICCError, ConfigError
from ..console import INCOMPLETE, RESUME, echo, run_async, say, showing_warnings
from ..options import (
    FORMATS,
    LAST,
    OUTPUT_FILE,
    Span,
    concurrency,
    connection,
    demo,
    selection_or_last,
)

# Settings of ``export_cases`` that are options of the same name.
PASSED_ON = (
    "format",
    "raw_cells",
    "bom",
    "strict_types",
    "partition_by",
    "detail",
    "settle",
    "restart",
    "replace",
    "overwrite",
    "mark_deleted",
)
STANDARD_OUTPUT = "-"
STREAMED_FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet")
PIECE_SIZE = 2**20  # bytes


@click.command()
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
@click.option("--format", type=click.Choice(FORMATS), help="What OUT's suffix doesn't say.")
@click.option("--manifest", type=OUTPUT_FILE, help="With OUT -: where its manifest is written.")
@click.option("--raw-cells", is_flag=True, help="CSV: leave cells that a spreadsheet would run.")
@click.option(
    "--strict-types",
    is_flag=True,
    help="Stop at a value of another type than documented, instead of moving it to extra.",
)
@click.option(
    "--partition-by",
    type=click.Choice(["month", "day"]),
    help="Parquet: OUT is a folder with files by date of creation, month=2025-01/part-0.parquet.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME:TYPE",
    help="A template field as a column of its own: AICC__score__CST:int. Types: str, int, float,"
    " bool, time, decimal. May be repeated.",
)
@click.option(
    "--bom",
    is_flag=True,
    help="CSV: begin with the mark by which Excel knows UTF-8. Excel eats the zeros of a 30-digit"
    " caseNo unless that column is imported as text.",
)
@click.option(
    "--detail",
    is_flag=True,
    help="Add history, contact and tasks to each case: a request each. Typed columns in Parquet,"
    " tables such as aicc_case_trace beside a table.",
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
@click.option("--replace", is_flag=True, help="Tables: remove the rows that are there.")
@click.option(
    "--mark-deleted",
    is_flag=True,
    help="Tables: set deleted_at of cases that are gone. A request for each case that is missing"
    " from windows that this run and an earlier one verified, and two more.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that no export has written.")
@click.option("--dry-run", is_flag=True, help="Tell requests, time and size; write nothing.")
@click.option("--restart", is_flag=True, help="Discard what an unfinished run has read.")
@connection
@demo
@concurrency
def export(
    *,
    out: str,
    since: datetime | timedelta | None,
    until: datetime | None,
    filters: tuple[str, ...],
    lookback: timedelta,
    strict: bool,
    manifest: Path | None,
    dry_run: bool,
    columns: tuple[str, ...],
    **options: Any,
) -> None:
    """Write all cases that match into OUT, and verify them.

    OUT is a file (.jsonl, .jsonl.gz, .jsonl.zst, .csv, .parquet, .sqlite, .db), an
    s3://bucket/key or a postgresql:// URL; its manifest is written beside it. After any end, run
    the same command again to resume; with another suffix, what one format refused is written in
    another without reading again. Every night: --since last --lookback 7d. OUT - is standard
    output, with the manifest in --manifest; it gets all rows when they are verified, and cannot be
    resumed.

    \b
    Example:
      aicc-async export cases.jsonl --demo --since 2025-01-01 --until 2025-12-31
    """
    from attrs import evolve
    from rich.console import Console

    from ...export import ExportReport, export_cases
    from ...export.manifest import save
    from ...export.unfinished import planned_start
    from ..connect import Reader, reader
    from ..dry_run import plan_only, target_options
    from ..filters import query
    from ..progress import display, print_report

    settings = {name: options.pop(name) for name in PASSED_ON}
    settings["columns"] = _read_columns(columns)
    settings["since_last"] = lookback if since is LAST else None
    chosen = target_options(settings)
    is_streamed = out == STANDARD_OUTPUT
    if is_streamed:
        _check_streamed(settings)
    elif manifest:
        raise ConfigError("--manifest must be used with OUT -: other manifests are beside OUT")
    if isinstance(since, timedelta) and not (is_streamed or settings["restart"]):
        # A moment later, what is so long ago is another query.
        since = planned_start(out, settings["format"], chosen) or since
    wanted = query(None if since is LAST else since, until, filters)
    if dry_run:
        if since is LAST:
            raise ConfigError("--dry-run cannot be combined with --since last: say the time")
        with _written_to(out, settings["format"]) as target:
            name = STANDARD_OUTPUT if is_streamed else None
            plan_only(target, wanted, reader(**options), settings, chosen=chosen, name=name)
        return

    async def go(source: Reader, target: str) -> ExportReport:
        async with source as aicc:
            with display(Console(stderr=True), aicc.stats) as show:
                return await export_cases(aicc, wanted, target, on_progress=show, **settings)

    with _written_to(out, settings["format"]) as target:
        with showing_warnings():
            advice = "" if is_streamed else RESUME
            report = run_async(go(reader(**options), target), advice=advice)
        if is_streamed:
            _stream(Path(target))
            report = evolve(report, target=STANDARD_OUTPUT)
    if manifest:
        save(report, manifest)
    print_report(report, say if is_streamed else echo)
    if strict and not report.verified:
        raise click.exceptions.Exit(INCOMPLETE)


def _read_columns(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return the types of template fields; what the names and types may be is checked later."""
    columns: dict[str, str] = {}
    for pair in pairs:
        name, _, column_type = pair.rpartition(":")
        if not name or name in columns:
            raise ConfigError(f"--column must be NAME:TYPE, each name once, got {shown(pair)}")
        columns[name] = column_type
    return columns


def _check_streamed(settings: dict[str, Any]) -> None:
    """Set jsonl where no format is; raise ConfigError for what standard output cannot be."""
    settings["format"] = settings["format"] or STREAMED_FORMATS[0]
    if settings["format"] not in STREAMED_FORMATS:
        raise ConfigError(
            f"--format must be one of {', '.join(STREAMED_FORMATS)} with OUT -,"
            f" got {settings['format']}"
        )
    if settings["partition_by"]:
        raise ConfigError("--partition-by cannot be combined with OUT -: it is a folder")
    if settings["since_last"] is not None:
        raise ConfigError("--since last cannot be combined with OUT -: it has no last run")


@contextmanager
def _written_to(out: str, format_name: str | None) -> Iterator[str]:
    """Yield the target that is written: for standard output a file that is removed afterwards.

    What is not verified yet must not be passed on, and a row may have to be taken back.
    """
    if out != STANDARD_OUTPUT:
        yield out
        return
    with TemporaryDirectory(prefix="aicc-") as folder:
        try:
            yield str(Path(folder) / f"cases.{format_name}")
        except AICCError as error:
            # They would say how to use what is removed here.
            error.__notes__ = []
            raise


def _stream(file: Path) -> None:
    with file.open("rb") as whole:
        while piece := whole.read(PIECE_SIZE):
            echo(piece, nl=False)
