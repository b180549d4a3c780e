"""Newline-delimited JSON: the service's own bytes, plain or compressed."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, ClassVar

import msgspec

from ..._files import replacing
from ..._optional import load
from ...errors import ConfigError
from .sink import in_batches

Batches = Iterable[Sequence[bytes]]
BUFFER = 2**20
GZIP_LEVEL = 6


class _Key(msgspec.Struct):
    id: str


_read_id = msgspec.json.Decoder(_Key).decode


class JSONLines:
    """A file of rows, one JSON object on each line; ``.gz`` and ``.zst`` are compressed.

    Going on appends a member (a frame) of its own, which every reader of these formats takes.
    """

    upserts: ClassVar[bool] = False

    def __init__(self, target: Path, *, compression: str = "") -> None:
        self._target = target
        self._compression = compression
        self._zstd = load("zstandard", "zstd") if compression == "zst" else None

    def write(self, batches: Batches, *, keep: bool) -> int:
        """Write rows into a new file; ``keep``: after those of the old one, new ids only."""
        with replacing(self._target) as part:
            if not keep or not self._target.exists():
                return self._write(part, batches)
            with TemporaryFile(dir=part.parent) as spill:
                new = self._spill(batches, spill)
                shutil.copyfile(self._target, part)
                if not new:
                    return 0
                lines = (row for row in spill if _id(row) in new)
                return self._write(part, in_batches(lines))

    def _write(self, part: Path, batches: Batches) -> int:
        added = 0
        with part.open("ab", buffering=BUFFER) as raw, self._compressed(raw) as file:
            for batch in batches:
                file.write(b"".join(batch))
                added += len(batch)
        return added

    def _spill(self, batches: Batches, spill: IO[bytes]) -> set[str]:
        """Put rows aside, and tell which ids the file has not: those of a night fit in memory."""
        new: set[str] = set()
        for batch in batches:
            spill.writelines(batch)
            new.update(map(_id, batch))
        spill.seek(0)
        try:
            with self._target.open("rb", buffering=BUFFER) as raw, self._plain(raw) as file:
                for row in file:
                    new.discard(_id(row))
        except (ValueError, EOFError, OSError) as error:
            kind = type(error).__name__
            raise ConfigError(f"path: {self._target} can't be gone on with ({kind})") from None
        return new

    def _compressed(self, raw: IO[bytes]) -> Any:
        if self._compression == "gz":
            # without a time in it, equal rows make equal bytes
            return gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0)
        if self._zstd:
            return self._zstd.ZstdCompressor().stream_writer(raw, closefd=False)
        return raw

    def _plain(self, raw: IO[bytes]) -> Any:
        if self._compression == "gz":
            return gzip.GzipFile("", "rb", fileobj=raw)
        if self._zstd:
            reader = self._zstd.ZstdDecompressor()
            return io.BufferedReader(reader.stream_reader(raw, read_across_frames=True), BUFFER)
        return raw


def _id(row: bytes) -> str:
    return _read_id(row).id
