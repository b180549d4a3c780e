"""Folders that appear when they are whole: written under another name beside the target.

The idea: the new folder is written and synced as ``.NAME.part``; then the old one is renamed to
``.NAME.prev``, the new one takes its name, and the old one is removed. No system call exchanges two
folders everywhere, so there is an instant with neither.

The invariant: after a kill at any instant the target is the old folder or the new one, or the old
one is whole beside it; the next writer puts it back.

What it cannot do: a program that lists the folder at the instant of the exchange finds none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .._files import check_name, real_path, sync_folder, write_errors
from ..errors import ConfigError
from .content import files_of
from .stop import current_stop


def check_folder(path: Path) -> None:
    """Raise ConfigError when a folder cannot be made at ``path``, or take another one's place."""
    try:
        is_file = path.exists() and not path.is_dir()
        target = real_path(path)
        is_mounted = os.path.ismount(target)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use target: {error}") from None
    if is_file:
        raise ConfigError(f"target must be a folder with partition_by, got a file: {path}")
    if is_mounted:
        raise ConfigError(f"target must not be a mount point, got {path}")
    check_name(target)


@contextmanager
def replacing_folder(path: Path, *, seal: Callable[[Path], object]) -> Iterator[Path]:
    """Yield an empty hidden folder that becomes ``path`` when the block ends well.

    ``seal`` is called with it when it is whole and synced, before it is renamed. When anything
    fails, nothing has changed. The caller ensures one writer of a target at a time.

    Raises ConfigError when no folder can be made there, ExportError when it cannot be written.
    """
    target = real_path(path)
    part, old = (target.with_name(f".{target.name}.{ending}") for ending in ("part", "prev"))
    try:
        _restore(target, old)
        _remove(part)
        part.mkdir()
        if target.exists():
            shutil.copymode(target, part)
    except OSError as error:
        raise ConfigError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        with write_errors(path):
            yield part
            _sync(part)
            seal(part)
            if target.exists():
                target.rename(old)
            part.rename(target)
            sync_folder(target.parent)
    finally:
        with suppress(OSError):
            _restore(target, old)
            _remove(part)


def _restore(target: Path, old: Path) -> None:
    """Put back what a killed run has renamed, or remove it where the new folder is there."""
    if old.exists() and not target.exists():
        old.rename(target)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sync(folder: Path) -> None:
    # Days of some years are a thousand files, at milliseconds each.
    stop = current_stop()
    for file in files_of(folder):
        stop.check()
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())
    for inner, _, _ in os.walk(folder):
        stop.check()
        sync_folder(Path(inner))
