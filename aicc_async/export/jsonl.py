"""Newline-delimited JSON: written under another name beside the target, renamed when whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from ..errors import ConfigError, ExportError

BUFFER = 2**20


class JSONLines:
    """A file of rows, one JSON object on each line."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.size = 0

    def write(self, rows: Sequence[bytes]) -> None:
        """Append rows, each JSON on one line."""
        with _writing(self._path):
            self.size += self._file.write(b"\n".join(rows))
            self.size += self._file.write(b"\n")


@contextmanager
def json_lines(path: Path) -> Iterator[JSONLines]:
    """Open a file that appears at ``path`` when the block ends well, and not at all when it fails.

    Raises ConfigError when it can't be made, ExportError when it can't be written.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    part, file = _begin(path, target)
    try:
        yield JSONLines(file, path)
        with _writing(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.replace(target)
    finally:
        with suppress(OSError):  # what is left in the buffer is not wanted any more
            file.close()
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _begin(path: Path, target: Path) -> tuple[Path, BinaryIO]:
    """Make an empty file beside the target; a name of its own lets two exports run at once."""
    try:
        if path.exists() and not path.is_file():  # a device, say: it must not be replaced
            raise ConfigError(f"path: {path} is no file")
        part = target.with_name(f".{target.name}.{token_hex(4)}.part")
        return part, part.open("xb", buffering=BUFFER)
    except OSError as error:
        raise ConfigError(f"path: {path.parent} can't be written to: {error.strerror}") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{path}: it can't be written: {error.strerror}") from error
