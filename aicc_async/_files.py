"""Files that appear when they are whole: written under another name beside the target."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import AICCError, ConfigError, ExportError

# Of what only this package reads; and of any other new file, less what the umask takes away.
PRIVATE_MODE, NEW_FILE_MODE = 0o600, 0o666


@contextmanager
def replacing(path: Path, *, seal: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Yield the name of a hidden file that becomes ``path`` when the block ends well.

    ``seal`` is called with the hidden file when that is whole and synced, before it is renamed.
    When anything fails, nothing has changed. A file that was there keeps its mode. The caller
    ensures one writer of a target at a time: the hidden name is always the same, so that what a
    killed process left is written over.

    Raises ConfigError when no file can be made there, ExportError when it cannot be written.
    """
    target = _real(path)
    with _part(path, target) as part:
        yield part
        _sync(part)
        if seal:
            seal(part)
        part.chmod(_final_mode(part, target))
        part.replace(target)
        sync_folder(target.parent)


def replace(path: Path, whole: Path) -> None:
    """Make ``path`` the same file as another one, which stays and is synced; a copy if need be.

    It gets the mode that ``path`` had, or that of a new file. That is durable once the folder is
    synced.
    """
    target = _real(path)
    with _part(path, target) as part:
        mode = _final_mode(part, target)
        part.unlink()
        try:
            os.link(whole, part)
        except OSError:
            # There are file systems without links, and folders on another one.
            shutil.copyfile(whole, part)
            _sync(part)
        part.chmod(mode)
        part.replace(target)


def create_private(path: Path) -> None:
    """Create an empty file for its owner alone, unless there is one.

    What prevents that is reported by whoever opens the file then.
    """
    with suppress(OSError):
        path.touch(PRIVATE_MODE, exist_ok=False)


def _final_mode(part: Path, target: Path) -> int:
    """Return the mode that a target has, or that a new file got from the umask."""
    return stat.S_IMODE((target if target.exists() else part).stat().st_mode)


def _real(path: Path) -> Path:
    # A link stays a link: its target is replaced.
    return Path(os.path.realpath(path))


@contextmanager
def _part(path: Path, target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.part")
    check_target(path)
    try:
        # Not truncated: it may be another name of what was linked here.
        part.unlink(missing_ok=True)
        # While it is written, nobody else reads what may take the place of a private file.
        part.touch(PRIVATE_MODE if target.exists() else NEW_FILE_MODE)
    except OSError as error:
        raise ConfigError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        yield part
    except AICCError:
        # One of ours may be an OSError too.
        raise
    except OSError as error:
        raise ExportError(
            f"cannot write {path}: {error.strerror or type(error).__name__}",
            resume="fix that, and run the same again",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a name durable, since a rename is kept in the folder, where folders can be synced."""
    # Windows opens no folder.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_target(path: Path) -> None:
    """Raise ConfigError when there is something else than a file: a device must not be replaced."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"path must be a file, got {path}")
    except OSError as error:
        raise ConfigError(f"cannot use {path}: {error.strerror}") from error


def _sync(part: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
