"""An unfinished export of the same rows in another format: what it has read is taken over.

The idea: one format may refuse a value that another one takes, or its library may be missing. So
the targets ``cases.parquet`` and ``cases.jsonl`` share what was read, if it is of the same query,
zone and tenant. Nothing is renamed: the folder of the other target is used where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import ConfigError
from .checkpoint import Checkpoint
from .manifest import SUFFIX, parse_time
from .sinks.registry import SUFFIXES, Target, TargetOptions, resolve_target


def find_checkpoint(target: Target, described: Mapping[str, Any]) -> tuple[Path, str | None]:
    """Return the folder that an export goes on in: its target's own, unless only another has it.

    What is to be said of another one comes with it. Call it in a thread.
    ``described`` is its fingerprint. Another one that is in use or cannot be read is left alone.
    """
    own = target.checkpoint
    for folder in [] if own.exists() else _folders(target):
        # Opening a folder without a state would begin one in it.
        if not (folder / "state.db").is_file():
            continue
        end = _end_of(folder, described)
        if end is not None:
            return folder, f"{target.name}: resumes what was read of {folder.name} up to {end}"
    return own, None


def planned_start(target: str, format_name: str | None, options: TargetOptions) -> datetime | None:
    """Return where the query of an unfinished export of a target begins; None without one.

    It is a wall-clock time of the zone that the export had. What cannot be read is none: the export
    that goes on says why.
    """
    # The zone has no part in where a checkpoint is.
    found = resolve_target(target, ZoneInfo("UTC"), name=format_name, options=options)
    for folder in (found.checkpoint, *_folders(found)):
        if (folder / "state.db").is_file():
            with suppress(ConfigError), closing(Checkpoint.open(folder)) as checkpoint:
                return parse_time(checkpoint.values()["since"]) if checkpoint.is_planned else None
    return None


def remove_parts(checkpoint: Path) -> None:
    """Remove what a kill left of the file or folder that another format began to write.

    Its rows hold contact data, and nobody runs that export again. What cannot be removed stays.
    """
    name = checkpoint.name.removesuffix(".export")
    for part in (f"{name}.part", f"{name}{SUFFIX}.part"):
        path = checkpoint.with_name(part)
        with suppress(OSError):
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink()


def _folders(target: Target) -> list[Path]:
    """Return the folders that a target has in all formats."""
    name = name_without_suffix(target)
    return [target.checkpoint.with_name(f".{name}{suffix}.export") for suffix in ("", *SUFFIXES)]


def advise(target: Target, rows: int, *, detail: bool) -> str:
    """Return how what was read can be written in another format."""
    out = f"{name_without_suffix(target)}.jsonl" + " --detail" * detail
    return (
        f"All {rows:,} rows are read. To write them in another format without reading again:"
        f" aicc-async export {out} with the same range and filters"
    )


def name_without_suffix(target: Target) -> str:
    """Return what the names of one target in all formats have in common."""
    name = target.checkpoint.name.removeprefix(".").removesuffix(".export")
    found = (suffix for suffix in SUFFIXES if name.lower().endswith(suffix))
    return name[: -len(next(found, "")) or None]


def _end_of(folder: Path, described: Mapping[str, Any]) -> str | None:
    """Return where the range of an unfinished export ends; None when it is of something else."""
    try:
        with closing(Checkpoint.open(folder)) as checkpoint:
            if not checkpoint.is_planned:
                return None
            saved = checkpoint.values()
    except ConfigError:
        return None
    return str(saved["end"]) if saved["fingerprint"] == described else None
