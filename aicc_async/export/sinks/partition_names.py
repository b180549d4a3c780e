"""The names of the files in a folder of Parquet files: Hive's, ``month=2025-01/part-0.parquet``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ...errors import ConfigError
from ..content import files_of

PartitionBy = Literal["month", "day"]
DATE_FORMATS: dict[PartitionBy, str] = {"month": "%Y-%m", "day": "%Y-%m-%d"}
# Hive's name for null, which readers know.
WITHOUT_DATE = "__HIVE_DEFAULT_PARTITION__"
_FILE = re.compile(rf"(month|day)=([\d-]+|{WITHOUT_DATE})/part-\d+\.parquet", re.ASCII)


def find_stranger(folder: Path, by: str = "") -> Path | None:
    """Return a file that is no partition of ours (``by`` month or day); None: there is none."""
    for file in files_of(folder):
        name = file.relative_to(folder).as_posix()
        if not (name.startswith(by) and _FILE.fullmatch(name)):
            return file
    return None


def check_partitions(folder: Path, by: PartitionBy) -> None:
    """Raise ConfigError when a folder has files that are no partitions of this kind."""
    stranger = find_stranger(folder, f"{by}=")
    if stranger:
        raise ConfigError(
            f"cannot append to {folder}: its files must be partitions by {by}, got"
            f" {stranger.relative_to(folder)}. Choose another target"
        )
