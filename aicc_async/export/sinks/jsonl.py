"""Newline-delimited JSON: the service's own bytes, plain or compressed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, ClassVar, Literal

import msgspec

from ..._files import replacing
from ..._optional import load
from ...errors import ConfigError
from .sink import BUFFER_SIZE, Batch, Seal, Written, batch_lines, copy_file, ignore

GZIP_LEVEL = 6


class _Key(msgspec.Struct):
    id: str


_read_key = msgspec.json.Decoder(_Key).decode


class JSONLines:
    """A file of rows, one JSON object on each line; ``.gz`` and ``.zst`` are compressed.

    Rows that are added to a compressed file are a member (a frame) of its own, which every reader
    of these formats takes.
    """

    upserts: ClassVar[bool] = False

    def __init__(self, target: Path, *, compression: str = "") -> None:
        self._target = target
        self._compression = compression
        self._zstd = load("zstandard", "zstd") if compression == "zst" else None
        self._zstd_errors = (self._zstd.ZstdError,) if self._zstd else ()

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write rows into a new file; ``keep``: after those of the old one, new ids only."""
        done = Written()
        with replacing(self._target, seal=lambda part: seal(part, done)) as part:
            if not keep or not self._target.exists():
                self._append(part, batches, done)
                return done.added
            with TemporaryFile(dir=part.parent) as spill:
                new_ids = self._spill(batches, spill, done)
                copy_file(self._target, part)
                if new_ids:
                    rows = (row for row in spill if _read_key(row).id in new_ids)
                    self._append(part, batch_lines(rows), done)
        return done.added

    def _append(self, part: Path, batches: Iterable[Batch], done: Written) -> None:
        with part.open("ab", buffering=BUFFER_SIZE) as raw, self._stream(raw, "wb") as file:
            for batch in batches:
                file.write(b"".join(batch))
                done.added += len(batch)
        done.total += done.added

    def _spill(self, batches: Iterable[Batch], spill: IO[bytes], done: Written) -> set[str]:
        """Put rows aside, and return the ids that the file has not: a night's fit in memory."""
        new_ids: set[str] = set()
        for batch in batches:
            spill.writelines(batch)
            new_ids.update(_read_key(row).id for row in batch)
        spill.seek(0)
        try:
            with (
                self._target.open("rb", buffering=BUFFER_SIZE) as raw,
                self._stream(raw, "rb") as file,
            ):
                for lines in batch_lines(file):
                    new_ids.difference_update([_read_key(row).id for row in lines])
                    done.total += len(lines)
        except (
            ValueError,
            RecursionError,
            EOFError,
            OSError,
            zlib.error,
            *self._zstd_errors,
        ) as error:
            raise ConfigError(
                f"cannot append to {self._target}: it has lines that are not cases"
                f" ({type(error).__name__}). Re-run without since_last, or choose another file"
            ) from None
        return new_ids

    def _stream(self, raw: IO[bytes], mode: Literal["rb", "wb"]) -> Any:
        """Return the rows behind the file's compression."""
        if self._compression == "gz":
            # Without a time in it, equal rows make equal bytes.
            return gzip.GzipFile("", mode, GZIP_LEVEL, raw, mtime=0)
        if self._zstd is None:
            return raw
        if mode == "wb":
            return self._zstd.ZstdCompressor().stream_writer(raw, closefd=False)
        stream = self._zstd.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return io.BufferedReader(stream, BUFFER_SIZE)
