"""The command that finds out how a tenant behaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ...errors import ConfigError
from ..options import OUTPUT_FILE, connection, demo

QUESTIONS = {
    "start_inclusive": "startTime is inclusive",
    "end_inclusive": "endTime is inclusive",
    "date_field": "The date that a range is of",
    "hours_ahead": "Hours shown ahead of it",
    "utc_offset": "Rows' clock, hours from UTC",
    "order": "Order of rows, by creation",
    "order_stable": "The order stays the same",
    "ties_stable": "The same within a second",
    "page_size": "Most rows in a page",
    "over_limit": "A larger limit is",
    "count_stable": "count stays the same",
    "count_true": "count is true",
    "max_count": "Most rows of a query",
    "deepest_start": "Deepest offset allowed",
    "offset_reached": "Deepest offset reached",
    "span": "31 days are counted in",
    "content_type": "Content-Type of answers",
    "missing_codes": "resCode of no such case",
    "quota": "Quota, as the gateway tells",
    "rate": "Requests a second passed",
    "rate_refused": "Requests a second refused",
    "platform": "The platform's own route",
}
# Bounds, and how far the probe went without meeting them.
UNMET = {"deepest_start": "offset_reached", "rate_refused": "rate"}
UNKNOWN = "unknown"


@click.command()
@click.option("-o", "--output", type=OUTPUT_FILE, help="Where the profile is written, as TOML.")
@click.option(
    "--find-rate",
    is_flag=True,
    help="Where no quota is told: ask faster and faster, to the first HTTP 429.",
)
@click.option(
    "--platform", is_flag=True, help="Ask once whether the platform's own route counts cases."
)
@connection
@demo
def probe(output: Path | None, *, find_rate: bool, platform: bool, **options: Any) -> None:
    """Find out how a tenant behaves, and write its profile.

    The documents leave much of that open. Reads in at most 40 requests, and writes nothing to the
    tenant. One of them asks the gateway for its quota. Where none is told, --find-rate takes up to
    250 requests more, at 1 to 50 a second, and stops when one is refused. --platform is one more.

    \b
    Example:
      aicc-async probe --demo -o profile.toml
    """
    import os

    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from ..._optional import load
    from ...probe import probe as probe_tenant
    from ..calls import call
    from ..connect import reader

    if output:
        # Before the tenant is asked, not after.
        load("tomli_w", "cli")
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise ConfigError(f"--output must be a file that can be written, got {output}")
    wanted = {"find_rate": find_rate, "platform": platform}
    profile = call(reader(**options), lambda aicc: probe_tenant(aicc, **wanted))
    table = Table("Question", Column("Answer", overflow="fold"), "Field")
    for name, answer in _answers(profile):
        # A text: what the service says of itself is no markup.
        table.add_row(QUESTIONS[name], Text(answer, "dim" if answer == UNKNOWN else ""), name)
    Console().print(table)
    if output:
        profile.save(output)
        click.echo(click.format_filename(output))


def _answers(profile: object) -> Iterator[tuple[str, str]]:
    for name in QUESTIONS:
        value, other = getattr(profile, name), UNMET.get(name)
        if value is None:
            is_unmet = other and getattr(profile, other) is not None
            yield name, "none met" if is_unmet else UNKNOWN
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif isinstance(value, tuple):
            yield name, ", ".join(value)
        else:
            yield name, f"{value:,g}" if isinstance(value, float) else str(value)
