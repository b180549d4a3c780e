"""Which sink a target means, by its suffix or by a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import frozen

from ..._files import check_target
from ...errors import ConfigError
from ..manifest import manifest_path
from .jsonl import JSONLines

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "sqlite", "postgres")
SUFFIXES = {f".{name}": name for name in FORMATS[:6]} | {
    ".ndjson": "jsonl",
    ".db": "sqlite",
    ".sqlite3": "sqlite",
}


class Sink(Protocol):
    """Where rows go: it has them all when ``write`` ends, or is as it was."""

    @property
    def upserts(self) -> bool:
        """Whether a row that is there already is brought up to date."""
        ...

    def write(self, batches: Iterable[Sequence[bytes]], *, keep: bool) -> int:
        """Write lines of JSON, and tell how many are new; ``keep`` what is there already."""
        ...


@frozen
class Target:
    """A target: its name (no password in it), its format, its sink, and what stands beside it.

    ``file`` is None for a database server; ``last`` tells the newest case of a table.
    """

    name: str
    format: str
    sink: Sink
    file: Path | None
    manifest: Path
    spool: Path
    last: Callable[[], datetime | None] | None = None


def target_of(
    target: str, zone: ZoneInfo, *, name: str | None = None, raw_cells: bool = False
) -> Target:
    """Find out what a path or ``postgresql://`` URL means, or the name of a format with it.

    Raises ConfigError when it means nothing.
    """
    chosen = name or _format(target)
    if chosen not in FORMATS:
        raise ConfigError(f"format: one of {', '.join(FORMATS)} is needed, {chosen!r} was given")
    if raw_cells and chosen != "csv":
        raise ConfigError(f"raw_cells: only CSV has cells that could be run, this is {chosen}")
    if chosen == "postgres":
        return _server(target, zone)
    # each is imported when it is wanted, and asks for its library now, not when all is read
    path = Path(target)
    check_target(path)
    spool = path.with_name(f".{path.name}.export")
    make = partial(Target, path.name, chosen, file=path, manifest=manifest_path(path), spool=spool)
    if chosen == "sqlite":
        from .sqlite import SQLite  # noqa: PLC0415

        table = SQLite(path, zone)
        return make(table, last=table.last)
    if chosen == "parquet":
        from .parquet import Parquet  # noqa: PLC0415

        return make(Parquet(path, zone))
    if chosen == "csv":
        from .csv import CSV  # noqa: PLC0415

        return make(CSV(path, raw_cells=raw_cells))
    return make(JSONLines(path, compression=chosen.removeprefix("jsonl").lstrip(".")))


def _format(target: str) -> str:
    if target.startswith(("postgresql://", "postgres://")):
        return "postgres"
    for suffix, name in SUFFIXES.items():
        if target.lower().endswith(suffix):
            return name
    raise ConfigError(
        f"path: its suffix says no format; {', '.join(SUFFIXES)} are known, or name a format"
    )


def _server(url: str, zone: ZoneInfo) -> Target:
    """Keep what belongs to a table of a server in the working directory."""
    from .postgres import Postgres  # noqa: PLC0415

    table = Postgres(url, zone)
    name = re.sub(r"[^\w.-]+", "_", table.name.partition("://")[2]) + ".aicc_cases"
    folder = Path(f".{name}.export")
    return Target(
        table.name, "postgres", table, None, manifest_path(Path(name)), folder, table.last
    )
