"""The command that creates a case, or one for every line of a file."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console

from ..._protocol.converter import RecordConverter
from ...client import AICCClient
from ...errors import ConfigError
from ...journal import SQLiteJournal
from ...models import NewCase
from ...settings import find_zone
from ..bulk.lines import Fault
from ..bulk.records import Records
from ..bulk.run import create_all, told
from ..calls import send
from ..console import INCOMPLETE, echo, json_file, print_json, run_async, say
from ..options import Span, client, connection
from .export import group

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
MOST = 100  # faults that are told one by one


@group.command()
@json_file
@click.option("--from", "source", type=FILE, help="Create a case for every line: JSONL or CSV.")
@click.option("--key-field", help="With --from: which field is the key, made once each.")
@click.option("--results", type=OUT, help="With --from: a line of JSON for each line of it.")
@click.option("--journal", type=OUT, envvar="AICC_JOURNAL", help="With --from.  [FROM.journal]")
@click.option("--dry-run", is_flag=True, help="With --from: only say what is wrong with it.")
@click.option(
    "--list-lag",
    type=Span(),
    default="3m",
    show_default=True,
    metavar="SPAN",
    help="With --from: until when a case that may have been made shows in the list.",
)
@connection
@click.option("--concurrency", default=8, show_default=True, help="Requests at the same time.")
def create(file: BinaryIO, *, source: Path | None, concurrency: int, **options: Any) -> None:
    """Create a case from JSON (a file, or standard input), and print its id.

    With --from cases.csv --key-field ref --results results.jsonl, create one for every line, each
    once: the journal beside the file knows what was sent, so that the same command can be run
    again after any end. All lines are checked before the first is sent. Exit code 3: some are
    rejected or unknown, see the results.

    \b
    Example:
      echo '{"title": "…", "description": "…", "type": "…", "contactId": "…", "creatorId": "…"}' \\
        | aicc-async create
    """  # noqa: D301  (click reads the \b)
    bulk = {name: options.pop(name) for name in ("key_field", "results", "journal", "dry_run")}
    list_lag = options.pop("list_lag")
    if source is None:
        if any(bulk[name] for name in ("key_field", "results", "dry_run")):
            raise ConfigError("--key-field, --results and --dry-run go with --from")
        _, case_id = send(
            AICCClient.create_case, NewCase, file=file, concurrency=concurrency, **options
        )
        print_json({"caseId": case_id}, indent=-1)
    else:
        _create_many(source, **bulk, list_lag=list_lag, concurrency=concurrency, **options)


def _create_many(
    source: Path,
    *,
    key_field: str | None,
    results: Path | None,
    journal: Path | None,
    dry_run: bool,
    list_lag: timedelta,
    **options: Any,
) -> None:
    if key_field is None:
        raise ConfigError("--key-field: it is needed with --from")
    if dry_run:
        total = _checked(Records(source, key_field, RecordConverter(find_zone("UTC"))))
        echo(f"{source}: {total:,} cases, nothing is wrong with them")
        return
    if results is None:
        raise ConfigError("--results: it is needed with --from")
    path = journal or source.with_name(f"{source.name}.journal")
    _check_apart({"--from": source, "--results": results, "--journal": path})
    writing = {
        "journal": SQLiteJournal(path),
        "on_unknown": "reconcile",
        "list_lag": list_lag.total_seconds(),
    }
    aicc = client(**options, writing=writing)
    records = Records(source, key_field, RecordConverter(aicc.timezone))
    total = _checked(records)

    async def go() -> Counter[str]:
        async with aicc:
            return await create_all(
                aicc, records, results, total=total, console=Console(stderr=True)
            )

    counts = run_async(go(), advice="run the same again to go on")
    echo(f"{results}: {told(counts)}")
    if counts["rejected"] or counts["unknown"]:
        raise click.exceptions.Exit(INCOMPLETE)


def _check_apart(files: dict[str, Path]) -> None:
    """Raise ConfigError when two are one: the results would take its place."""
    for (name, path), (other, its) in combinations(files.items(), 2):
        there = path.exists() and its.exists()
        if path.samefile(its) if there else path.resolve() == its.resolve():
            raise ConfigError(f"{other}: {its} is the file of {name}")


def _checked(records: Records) -> int:
    """Count the lines; with a fault anywhere nothing is sent."""
    total, faults = records.check()
    for fault in faults[:MOST]:
        say(f"{records.path}: {fault}")
    if faults:
        raise ConfigError(f"{records.path}: {_several(faults)}; nothing was sent")
    return total


def _several(faults: list[Fault]) -> str:
    lines = len({fault.number for fault in faults})
    return "1 line is at fault" if lines == 1 else f"{lines:,} lines are at fault"
