"""The digest of the beginning of a file that grows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from errno import EIO
from pathlib import Path
from zlib import crc32

from .stop import current_stop

# Larger pieces keep the loop waiting for its turn.
DIGEST_PIECE = 2**21  # bytes


def file_sha256(file: Path) -> str:
    """Return the digest of a whole file; call it in a thread."""
    digest = hashlib.sha256()
    for piece in _read_pieces(file, 0, file.stat().st_size):
        digest.update(piece)
    return digest.hexdigest()


class PrefixDigest:
    """The SHA-256 of the beginning of a file that grows; each byte is read once for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._crc = 0
        self._size = 0

    def extend_to(self, size: int) -> None:
        """Digest up to the first ``size`` bytes, which are no fewer than before."""
        for piece in _read_pieces(self._path, self._size, size):
            self._digest.update(piece)
            self._crc = crc32(piece, self._crc)
            self._size += len(piece)

    def hexdigest(self) -> str:
        """Return the digest of what was read so far."""
        return self._digest.hexdigest()

    def is_unchanged(self) -> bool:
        """Return whether the whole file is what was read so far; call it in a thread.

        By its CRC-32, which takes half the time: this is against accidents.
        """
        if self._path.stat().st_size != self._size:
            return False
        crc = 0
        for piece in _read_pieces(self._path, 0, self._size):
            crc = crc32(piece, crc)
        return crc == self._crc


def _read_pieces(path: Path, start: int, stop: int) -> Iterator[memoryview]:
    """Yield the bytes of a file from one to another; each piece is good until the next one."""
    if start == stop:
        return
    should_stop = current_stop()
    # One buffer, used again: new memory costs more than reading.
    buffer = memoryview(bytearray(DIGEST_PIECE))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < stop:
            should_stop.check()
            count = file.readinto(buffer[: stop - start])
            if not count:
                raise OSError(EIO, "the file of the rows was cut by somebody else")
            yield buffer[:count]
            start += count
