"""The digest of the beginning of a file that grows."""

from __future__ import annotations

import hashlib
from errno import EIO
from pathlib import Path

from .stop import current_stop

# Larger pieces keep the loop waiting for its turn.
DIGEST_PIECE = 2**21  # bytes


def file_sha256(file: Path) -> str:
    """Return the digest of a whole file; call it in a thread."""
    digest = PrefixDigest(file)
    digest.extend_to(file.stat().st_size)
    return digest.hexdigest()


class PrefixDigest:
    """The SHA-256 of the beginning of a file that grows; each byte is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._size = 0

    def extend_to(self, size: int) -> None:
        """Digest up to the first ``size`` bytes, which are no fewer than before."""
        if size == self._size:
            return
        # One buffer, used again: new memory costs more than reading.
        stop = current_stop()
        piece = memoryview(bytearray(DIGEST_PIECE))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._size)
            while self._size < size:
                stop.check()
                count = file.readinto(piece[: size - self._size])
                if not count:
                    raise OSError(EIO, "the file of the rows was cut by somebody else")
                self._digest.update(piece[:count])
                self._size += count

    def hexdigest(self) -> str:
        """Return the digest of what was read so far."""
        return self._digest.hexdigest()
