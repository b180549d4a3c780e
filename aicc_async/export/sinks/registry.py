"""Which sink a target means, by its suffix or by the name of a format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

from attrs import Factory, evolve, frozen

from ..._files import check_name, check_replaceable, check_target
from ..._validators import check, one_of, shown
from ...errors import ConfigError
from ..folder import check_folder
from ..manifest import SUFFIX, manifest_path
from .jsonl import JSONLines
from .partition_names import PartitionBy
from .sink import Sink, Table

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "sqlite", "postgres")
TYPED_FORMATS = FORMATS[4:]
TABLE_FORMATS = FORMATS[5:]
SCHEMES = ("postgresql://", "postgres://")
OBJECT_SCHEME = "s3://"
SUFFIXES = {f".{name}": name for name in FORMATS[:6]} | {
    ".ndjson": "jsonl",
    ".db": "sqlite",
    ".sqlite3": "sqlite",
}

# Of files that other programs unpack by their name.
PACKED_SUFFIXES = {".gz", ".zst", ".bz2", ".xz", ".zip"}


@frozen
class Target:
    """A target: its name without a password, its format, its sink, and the paths beside it.

    ``file`` is None for a database server; ``table`` is the sink, if that is a table. Of an object
    in a bucket ``find_foreign`` returns its name if no export has written it, and ``publish``
    uploads the manifest. ``columns`` are template fields that have a column of their own, with
    their types; ``partition_by`` is set where ``file`` is a folder.
    """

    name: str
    format: str
    sink: Sink
    file: Path | None
    manifest: Path
    checkpoint: Path
    find_foreign: Callable[[], str | None] | None = None
    publish: Callable[[], None] | None = None
    table: Table | None = None
    columns: Mapping[str, str] = Factory(dict)
    partition_by: PartitionBy | None = None


@frozen(kw_only=True)
class TargetOptions:
    """What is said of how a target is written (see ``export_cases``)."""

    raw_cells: bool = False
    bom: bool = False
    strict_types: bool = False
    partition_by: PartitionBy | None = None
    replace: bool = False
    columns: Mapping[str, str] = Factory(dict)
    detail: bool = False
    mark_deleted: bool = False

    def typed(self) -> dict[str, Any]:
        """Return the options of formats with types."""
        names = ("strict_types", "columns", "detail")
        return {name: getattr(self, name) for name in names}


# The formats that each option is for.
OPTION_FORMATS = {
    "raw_cells": ("csv",),
    "bom": ("csv",),
    "strict_types": TYPED_FORMATS,
    "partition_by": ("parquet",),
    "replace": TABLE_FORMATS,
    "mark_deleted": TABLE_FORMATS,
    "columns": ("csv", *TYPED_FORMATS),
}


def resolve_target(
    target: str,
    zone: ZoneInfo,
    *,
    name: str | None = None,
    options: TargetOptions = TargetOptions(),
) -> Target:
    """Return what a path or ``postgresql://`` URL means; ``name`` is that of a format.

    Raises ConfigError when it means nothing, when its suffix or an option contradicts the format,
    or when what its format needs is not installed.
    """
    if options.partition_by:
        check("partition_by", options.partition_by, one_of("month", "day"))
        target = target.rstrip("/")
    chosen = _choose_format(target, name)
    for option, formats in OPTION_FORMATS.items():
        if getattr(options, option) and chosen not in formats:
            raise ConfigError(
                f"{option} cannot be combined with the format {chosen}: it is for"
                f" {', '.join(formats)}"
            )
    if chosen == "postgres":
        found = server_target(target, zone, options)
    elif target.startswith(OBJECT_SCHEME):
        found = object_target(target, zone, name=chosen, options=options)
    else:
        found = file_target(target, zone, name=chosen, options=options)
    return evolve(found, columns=options.columns, partition_by=options.partition_by)


def _choose_format(target: str, name: str | None) -> str:
    is_url = target.startswith(SCHEMES)
    by_suffix = (known for suffix, known in SUFFIXES.items() if target.lower().endswith(suffix))
    meant = "postgres" if is_url else next(by_suffix, None)
    chosen = name or meant
    if chosen is None:
        # The target is not shown: it may be a URL with a password.
        raise ConfigError(f"target must end in one of {', '.join(SUFFIXES)}, or format must be set")
    if chosen not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {shown(chosen)}")
    suffix = PurePath(target).suffix.lower()
    is_packed = suffix in PACKED_SUFFIXES and not chosen.endswith(suffix)
    # A target that is not a URL gets the error of the format.
    if is_packed or (meant or chosen) != chosen:
        given = "a postgresql:// URL" if is_url else f"one that ends in {suffix}"
        raise ConfigError(f"target must have a suffix of the format {chosen}, got {given}")
    return chosen


def file_target(target: str, zone: ZoneInfo, *, name: str, options: TargetOptions) -> Target:
    """Return a file and what is beside it; ``name`` is that of its format.

    Its sink is imported now, so that a missing library is an error at once.
    """
    path = Path(target)
    by = options.partition_by
    can_write = check_target if name == "sqlite" else check_replaceable
    _check_file(path, can_write=check_folder if by else can_write)
    checkpoint = path.with_name(f".{path.name}.export")
    make = partial(
        Target, path.name, name, file=path, manifest=manifest_path(path), checkpoint=checkpoint
    )
    if name == "sqlite":
        from .sqlite import SQLite  # noqa: PLC0415

        table = SQLite(path, zone, replace=options.replace, **options.typed())
        return make(table, table=table)
    if by:
        from .partitions import PartitionedParquet  # noqa: PLC0415

        return make(PartitionedParquet(path, zone, by=by, **options.typed()))
    return make(_file_sink(path, zone, name=name, options=options))


def _file_sink(
    path: Path, zone: ZoneInfo, *, name: str, options: TargetOptions, label: str | None = None
) -> Sink:
    """Return what writes one file in a format; ``label`` is what a warning calls it."""
    if name == "parquet":
        from .parquet import Parquet  # noqa: PLC0415

        return Parquet(path, zone, label=label, **options.typed())
    if name == "csv":
        from .csv import CSV  # noqa: PLC0415

        return CSV(path, raw_cells=options.raw_cells, bom=options.bom, columns=options.columns)
    return JSONLines(path, compression=name.removeprefix("jsonl").lstrip("."))


def _check_file(path: Path, *, can_write: Callable[[Path], None]) -> None:
    """Raise ConfigError for what would prevent writing a file and its manifest in the end."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        # The manifest holds it.
        raise ConfigError(f"target must have a name in UTF-8, got {shown(path.name)}") from None
    can_write(path)
    check_name(path, SUFFIX)
    check_replaceable(manifest_path(path))


def object_target(url: str, zone: ZoneInfo, *, name: str, options: TargetOptions) -> Target:
    """Return an object of a bucket; what is beside it is in the working directory, hidden."""
    if name in TABLE_FORMATS or options.partition_by:
        what = "partition_by" if options.partition_by else f"the format {name}"
        raise ConfigError(f"{what} cannot be combined with an s3:// target: it is one file")
    from .objects import S3Object, Uploaded  # noqa: PLC0415

    target = S3Object(url)
    local = Path(f".{target.local_name}")
    staged, manifest = local.with_name(f"{local.name}.upload"), manifest_path(local)
    _check_file(staged, can_write=check_replaceable)
    sink = _file_sink(staged, zone, name=name, options=options, label=target.name)
    return Target(
        target.name,
        name,
        Uploaded(sink, staged, target),
        file=None,
        manifest=manifest,
        checkpoint=local.with_name(f"{local.name}.export"),
        find_foreign=target.find_foreign,
        publish=partial(target.publish, manifest),
    )


def server_target(url: str, zone: ZoneInfo, options: TargetOptions) -> Target:
    """Return a table of a server; what is beside it is in the working directory."""
    from .postgres import Postgres  # noqa: PLC0415

    table = Postgres(url, zone, replace=options.replace, **options.typed())
    name = re.sub(r"[^\w.-]+", "_", table.name.partition("://")[2]) + ".aicc_cases"
    return Target(
        table.name,
        "postgres",
        table,
        file=None,
        manifest=manifest_path(Path(name)),
        checkpoint=Path(f".{name}.export"),
        table=table,
    )
