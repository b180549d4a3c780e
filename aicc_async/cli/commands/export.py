"""The command that writes a tenant's case history into a file or a database."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import Any

import click

from ..console import INCOMPLETE, RESUME, run_async, say
from ..options import FORMATS, LAST, Span, concurrency, connection, demo, selection_or_last

# Settings of ``export_cases`` that are options of the same name.
PASSED_ON = ("format", "raw_cells", "strict_types", "detail", "settle", "restart")


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
@click.option("--raw-cells", is_flag=True, help="CSV: leave cells that a spreadsheet would run.")
@click.option(
    "--strict-types",
    is_flag=True,
    help="Stop at a value of another type than documented, instead of moving it to extra.",
)
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
@click.option("--restart", is_flag=True, help="Discard what an unfinished run has read.")
@connection
@demo
@concurrency
def export(
    *,
    out: str,
    since: datetime | None,
    until: datetime | None,
    filters: tuple[str, ...],
    lookback: timedelta,
    strict: bool,
    **options: Any,
) -> None:
    """Write all cases that match into OUT, and verify them.

    OUT is a file (.jsonl, .jsonl.gz, .jsonl.zst, .csv, .parquet, .sqlite, .db) or a
    postgresql:// URL; its manifest is written beside it. After any end, run the same command again
    to resume. Every night: --since last --lookback 7d.

    \b
    Example:
      aicc-async export cases.jsonl --demo --since 2025-01-01 --until 2025-12-31
    """
    from rich.console import Console

    from ...export import ExportReport, export_cases
    from ..connect import Reader, reader
    from ..filters import query
    from ..progress import display, print_report

    settings = {name: options.pop(name) for name in PASSED_ON}
    settings["since_last"] = lookback if since is LAST else None
    wanted = query(None if since is LAST else since, until, filters)

    async def go(source: Reader) -> ExportReport:
        async with source as aicc:
            with display(Console(stderr=True), aicc.stats) as show:
                return await export_cases(aicc, wanted, out, on_progress=show, **settings)

    # Printed when it has ended: within a live bar they would be erased.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        report = run_async(go(reader(**options)), advice=RESUME)
    for warning in caught:
        say(f"warning: {warning.message}")
    print_report(report)
    if strict and not report.verified:
        raise click.exceptions.Exit(INCOMPLETE)
