"""Files that appear when they are whole: written under another name beside the target."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ._validators import hide_passwords, shown
from .errors import AICCError, ConfigError, ExportError

# Of a name, where the file system does not say.
MAX_NAME_BYTES = 255
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
    target = real_path(path)
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
    target = real_path(path)
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


def real_path(path: Path) -> Path:
    """Return what is replaced: a link stays a link, and its target is another one then."""
    return Path(os.path.realpath(path))


@contextmanager
def _part(path: Path, target: Path) -> Iterator[Path]:
    check_replaceable(path)
    part = _part_path(target)
    try:
        # Not truncated: it may be another name of what was linked here.
        part.unlink(missing_ok=True)
        # While it is written, nobody else reads what may take the place of a private file.
        part.touch(PRIVATE_MODE if target.exists() else NEW_FILE_MODE)
    except OSError as error:
        raise ConfigError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        with write_errors(path):
            yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise an ExportError for what the disk refuses."""
    try:
        yield
    except AICCError:
        # One of ours may be an OSError too.
        raise
    except OSError as error:
        raise ExportError(
            f"cannot write {hide_passwords(str(path))}: {error.strerror or type(error).__name__}",
            resume="fix that, and run the same again",
        ) from error


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
    if "\0" in str(path):
        raise ConfigError(f"path must be a file, got {shown(str(path))}")
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"path must be a file, got {hide_passwords(str(path))}")
    except OSError as error:
        raise ConfigError(f"cannot use {hide_passwords(str(path))}: {error.strerror}") from error


def check_replaceable(path: Path) -> None:
    """Raise ConfigError when no other file can be made beside ``path`` and take its place."""
    check_target(path)
    target = real_path(path)
    if is_mount_point(target):
        raise ConfigError(f"path must not be a mount point, got {path}. Mount its folder instead")
    check_name(target)
    # That of the name itself is tried by whoever makes a file there.
    if path.is_symlink() and not os.access(target.parent, os.W_OK):
        raise ConfigError(f"cannot write to {target.parent}, where {path} leads")


def check_name(path: Path, suffix: str = "") -> None:
    """Raise ConfigError when a name is too long for the hidden files that are made beside it.

    ``suffix`` is the longest one that files beside it have.
    """
    try:
        limit = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError):
        # Windows has no such call, and a folder may be missing: whoever makes a file says so.
        limit = MAX_NAME_BYTES
    size, added = len(os.fsencode(path.name)), len(_part_path(Path(suffix or "x")).name)
    most = limit - added + (not suffix)
    if size > most:
        raise ConfigError(
            f"path must have a name of at most {most} bytes, got {size}: {shown(str(path))}"
        )


def is_mount_point(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Return whether something is mounted over a file; ``path`` must be resolved."""
    if os.path.ismount(path):
        return True
    # Python does not see a mount from the same disk; Linux lists it, in the fifth field, with
    # spaces as octal numbers (https://www.man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html).
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    escaped = str(path).replace("\\", r"\134").replace(" ", r"\040").replace("\t", r"\011")
    return any(line.split(" ")[4:5] == [escaped] for line in lines)


def _part_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _sync(part: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
