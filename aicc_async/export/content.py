"""What is at a target, whether that is a file or a folder of them: size and digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .prefix_digest import file_sha256


def files_of(target: Path) -> Iterator[Path]:
    """Yield the file, or the files of a folder sorted by their paths, links within it left out."""
    if not target.is_dir():
        yield target
        return
    found = [Path(folder, name) for folder, _, names in os.walk(target) for name in names]
    yield from sorted(found, key=lambda file: file.relative_to(target).as_posix())


def content_size(target: Path) -> int:
    """Return how many bytes a file has, or all files of a folder."""
    return sum(file.stat().st_size for file in files_of(target))


def content_sha256(target: Path) -> str:
    """Return the digest of a file, or of the list of a folder's files; call it in a thread.

    That list is what ``sha256sum`` prints of all files, sorted by their paths.
    """
    if not target.is_dir():
        return file_sha256(target)
    lines = (
        f"{file_sha256(file)}  {file.relative_to(target).as_posix()}\n" for file in files_of(target)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def has_content(target: Path) -> bool:
    """Return whether there is a file that is not empty, or a folder with anything in it."""
    if target.is_dir():
        return any(target.iterdir())
    return target.exists() and target.stat().st_size > 0
