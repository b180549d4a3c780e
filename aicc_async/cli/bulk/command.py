"""``aicc-async create --from``: check the whole file, create every line, report the outcomes."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..._protocol.converter import RecordConverter
from ...errors import ConfigError
from ...settings.endpoint import find_zone
from ..console import INCOMPLETE, RESUME, echo, run_async, say, showing_warnings
from ..keyed import DEFAULT_JOURNAL, journal_client
from .records import Records
from .run import create_all, format_counts

# A file that is wrong throughout must not fill the screen.
MAX_SHOWN_PROBLEMS = 100


def check_file(source: Path, key_field: str) -> None:
    """List the problems of a file (``--dry-run``)."""
    total = _check(Records(source, key_field, RecordConverter(find_zone("UTC"))))
    echo(f"{source}: {total:,} cases, no problems")


def create_from(
    source: Path,
    *,
    key_field: str,
    results: Path,
    journal: Path | str | None,
    **options: Any,
) -> None:
    """Create the case of every line, once."""
    place = journal or DEFAULT_JOURNAL
    files = {"--from": source, "--results": results}
    if isinstance(place, Path):
        files["--journal"] = place
    for (name, one), (other, two) in combinations(files.items(), 2):
        exist = one.exists() and two.exists()
        # The results would replace the cases, or the journal.
        if one.samefile(two) if exist else one.resolve() == two.resolve():
            raise ConfigError(f"{other} must not be the file of {name}, got {two}")
    aicc = journal_client(place, **options)
    records = Records(source, key_field, RecordConverter(aicc.timezone))
    total = _check(records)

    async def go() -> Counter[str]:
        async with aicc:
            console = Console(stderr=True)
            return await create_all(aicc, records, results, total=total, console=console)

    with showing_warnings():
        counts = run_async(go(), advice=RESUME)
    echo(f"{results}: {format_counts(counts)}")
    if counts["rejected"] or counts["unknown"]:
        raise click.exceptions.Exit(INCOMPLETE)


def _check(records: Records) -> int:
    """Return the number of cases; with any problem, print all and raise ConfigError."""
    total, problems = records.check()
    for problem in problems[:MAX_SHOWN_PROBLEMS]:
        say(f"{records.path}: {problem}")
    if problems:
        lines = len({problem.number for problem in problems})
        have = "1 line has problems" if lines == 1 else f"{lines:,} lines have problems"
        raise ConfigError(f"{records.path}: {have}; nothing was sent")
    return total
