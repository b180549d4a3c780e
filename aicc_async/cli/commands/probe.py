"""The command that finds out how a tenant behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ..._optional import load
from ...probe import probe as ask
from ...profile import Profile
from ..console import run_async
from ..options import connection, demo, reader
from .export import group

QUESTIONS = {
    "start_inclusive": "startTime is inclusive",
    "end_inclusive": "endTime is inclusive",
    "date_field": "The date that a range is of",
    "order": "Order of rows, by creation",
    "order_stable": "The order stays the same",
    "ties_stable": "The same within a second",
    "page_size": "Most rows in a page",
    "over_limit": "A larger limit is",
    "count_stable": "count stays the same",
    "count_true": "count is true",
    "deepest_start": "Deepest offset allowed",
    "offset_reached": "Deepest offset reached",
    "span": "31 days are counted in",
    "content_type": "Content-Type of answers",
    "rate": "Requests a second passed",
    "rate_refused": "Requests a second refused",
}
UNMET = {"deepest_start": "offset_reached", "rate_refused": "rate"}
"""Bounds, and how far was asked without meeting them."""


@group.command()
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The TOML file."
)
@click.option("--find-rate", is_flag=True, help="Ask faster and faster, to the first HTTP 429.")
@connection
@demo
def probe(output: Path | None, *, find_rate: bool, **options: Any) -> None:
    """Find out what the documents leave open about a tenant, and write its profile.

    Reads pages of cases in at most 40 requests, and writes nothing to the tenant. --find-rate takes
    up to 250 requests more, at 1 to 50 a second, and stops when one is refused.

    \b
    Example:
      aicc-async probe --demo -o profile.toml
    """  # noqa: D301  (click reads the \b)
    if output:
        load("tomli_w", "cli")  # before the tenant is asked, not after
    source = reader(**options)

    async def go() -> Profile:
        async with source as aicc:
            return await ask(aicc, find_rate=find_rate)

    profile = run_async(go())
    Console().print(_table(profile))
    if output:
        profile.save(output)
        click.echo(click.format_filename(output))


def _table(profile: Profile) -> Table:
    table = Table("Question", Column("Answer", overflow="fold"), "Field")
    for name, question in QUESTIONS.items():
        value = getattr(profile, name)
        other = UNMET.get(name)
        unmet = value is None and other and getattr(profile, other) is not None
        table.add_row(question, Text("none met") if unmet else _answer(value), name)
    return table


def _answer(value: object) -> Text:
    """Write an answer as text: what the service says of itself is no markup."""
    if value is None:
        return Text("unknown", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(f"{value:,g}" if isinstance(value, float) else str(value))
