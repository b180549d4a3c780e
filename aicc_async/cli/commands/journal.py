"""The commands for an operator who looks at a journal, and decides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from ...errors import ConfigError
from ..console import echo, print_json, print_row
from ..options import INPUT_FILE, JournalPlace, Span

# Those of ``aicc_async.journal.STATES``, which takes a database to import.
STATES = ("sent", "confirmed", "rejected", "unknown", "reconciled", "planned")
MAX_AGE = timedelta(days=36_500)


where = click.option(
    "--journal",
    "place",
    type=JournalPlace(INPUT_FILE),
    envvar="AICC_JOURNAL",
    required=True,
    help="The journal of create.  [AICC_JOURNAL]",
)


@click.group()
def journal() -> None:
    """Look at the creates that a journal holds, and settle them.

    An operator settles those that are unknown: nobody else can.
    """


@journal.command("list")
@where
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
def list_(place: Path | str, state: str | None) -> None:
    """Print the creates, oldest first, one JSON object on each line.

    \b
    Example:
      aicc-async journal list --journal aicc-creates.journal --state unknown
    """
    from ..operator import entry_fields, use_journal

    for entry in use_journal(place, lambda opened: opened.entries(state)):
        print_row(entry_fields(entry))


@journal.command()
@click.argument("key")
@where
def show(key: str, place: Path | str) -> None:
    """Print one create.

    \b
    Example:
      aicc-async journal show order-4711 --journal aicc-creates.journal
    """
    from ..operator import entry_fields, use_journal

    entry = use_journal(place, lambda opened: opened.entry(key))
    if entry is None:
        raise ConfigError(f"key must be in the journal, got {key!r}")
    print_json(entry_fields(entry))


@journal.command()
@click.argument("key")
@where
@click.option("--case-id", help="The case that it created.")
@click.option("--not-created", is_flag=True, help="It created none, and may be sent again.")
def resolve(key: str, place: Path | str, case_id: str | None, *, not_created: bool) -> None:
    """Settle a create that is sent or unknown, once you know what became of it.

    \b
    Example:
      aicc-async journal resolve order-4711 --case-id coiO0000014hmYpZIqYq \\
        --journal aicc-creates.journal
    """
    from ..operator import entry_fields, use_journal

    if bool(case_id) == not_created:
        raise ConfigError("exactly one of --case-id and --not-created must be set")
    entry = use_journal(place, lambda opened: opened.resolve(key, case_id))
    print_json(entry_fields(entry))


@journal.command()
@where
@click.option(
    "--older-than", type=Span(), required=True, metavar="SPAN", help="How long, at least: 90d."
)
def prune(place: Path | str, older_than: timedelta) -> None:
    """Remove what was settled so long ago; a key that comes after that creates a second case.

    \b
    Example:
      aicc-async journal prune --older-than 90d --journal aicc-creates.journal
    """
    from ..operator import use_journal

    if older_than > MAX_AGE:
        raise ConfigError(f"--older-than must be at most {MAX_AGE.days}d, got {older_than.days}d")
    count = use_journal(place, lambda opened: opened.prune(older_than=older_than))
    echo(f"{count:,} removed")
