"""A Parquet file: typed columns, for programs that scan a history by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from ..._files import replacing
from ..._optional import load
from ...errors import ConfigError, ExportError
from .arrow import ArrowRows
from .typed import TypedRows

EXTRA = "parquet"
ROWS = 50_000  # of a row group: one per page takes nine times as long
BYTES = 2**26  # of a row group in memory, should rows be that large
BUFFER = 2**20


class Parquet:
    """The file ``target``: a column per field of ``Case``, by its Python name, and ``extra``.

    Times are timestamps in microseconds with ``zone``, which is also that of the times on the wire;
    ``suspend_accumulated_time`` is a double. Row groups have about 50,000 rows, packed with zstd.

    The extension fields are a map from wire name to text, ``extra``: texts as they are, null as
    null, all else as compact JSON (so that 5 and "5" look the same). They are no columns, because
    rows are written as they come and a file can't get a column after its first row group; and so
    that the files of all exports have the same schema, whichever fields their rows happened to
    have.

    Raises ConfigError when pyarrow is not installed.
    """

    upserts: ClassVar[bool] = False

    def __init__(self, target: Path, zone: ZoneInfo) -> None:
        self._target = target
        self._zone = zone
        self._arrow = load("pyarrow", EXTRA)
        self._compute = load("pyarrow.compute", EXTRA)
        self._parquet = load("pyarrow.parquet", EXTRA)
        self._rows = ArrowRows(zone.key, EXTRA)
        self._schema = self._rows.schema

    def write(self, batches: Iterable[Sequence[bytes]], *, keep: bool) -> int:
        """Make the file anew, or ``keep`` its rows and add new ids; return how many were added.

        The file is replaced when all is written; when anything fails, the iterable too, nothing has
        changed. Memory holds a few row groups at a time, whatever the sizes of old and new.

        Raises ConfigError when the old file is none of ours, or has another zone; ExportError when
        a value doesn't fit its column or writing fails; DecodeError for a row that is not as
        documented.
        """
        kept = self._opened() if keep and self._target.exists() else nullcontext()
        with replacing(self._target) as part, kept as old, part.open("wb", BUFFER) as file:
            tables = self._gathered(self._typed(batches))
            if old:
                new = (self._unknown(table, old).to_batches() for table in tables)
                tables = self._gathered(chain(self._old(old), chain.from_iterable(new)))
            writer = self._parquet.ParquetWriter(file, self._schema, compression="zstd")
            with writer:
                written = sum(self._write(table, writer) for table in tables)
            return written - (old.metadata.num_rows if old else 0)

    def _typed(self, batches: Iterable[Sequence[bytes]]) -> Iterator[Any]:
        """Turn rows into Arrow's record batches."""
        rows = TypedRows(self._zone)
        for batch in batches:
            cases = rows.read(batch)
            try:
                yield self._rows.record(cases)
            except ExportError as error:
                raise ExportError(f"{self._target}: {error}") from None

    def _gathered(self, records: Iterable[Any]) -> Iterator[Any]:
        """Gather record batches to tables that make a row group each."""
        held, rows, size = [], 0, 0
        for record in records:
            held.append(record)
            rows += record.num_rows
            size += record.nbytes
            if rows >= ROWS or size >= BYTES:
                yield self._arrow.Table.from_batches(held)
                held, rows, size = [], 0, 0
        if rows:
            yield self._arrow.Table.from_batches(held)

    @staticmethod
    def _write(table: Any, writer: Any) -> int:
        writer.write_table(table)
        return int(table.num_rows)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self._target.open("rb") as file:
            try:
                old = self._parquet.ParquetFile(file)
            except (self._arrow.ArrowException, OSError):
                raise ConfigError(f"path: {self._target} is no Parquet file") from None
            self._check(old.schema_arrow)
            yield old

    def _check(self, found: Any) -> None:
        if not found.equals(self._schema):
            raise ConfigError(
                f"path: {self._target} has other columns, it can't be added to: "
                f"{_beyond(self._schema, found) or 'another order'} needed, "
                f"{_beyond(found, self._schema) or 'nothing else'} found"
            )

    def _old(self, old: Any, columns: Sequence[str] | None = None) -> Iterator[Any]:
        try:
            yield from old.iter_batches(ROWS, columns=columns)
        except (self._arrow.ArrowException, OSError):
            raise ExportError(f"{self._target}: its rows can't be read, it is damaged") from None

    def _unknown(self, table: Any, old: Any) -> Any:
        """Drop rows that the old file has: its ids are read again for each table, never held."""
        for record in self._old(old, ["id"]):
            known = self._compute.is_in(table["id"], value_set=record["id"])
            if self._compute.any(known).as_py():
                table = table.filter(self._compute.invert(known))
        return table


def _beyond(fields: Iterable[Any], others: Iterable[Any]) -> str:
    known = list(others)
    return ", ".join(f"{each.name} {each.type}" for each in fields if each not in known)
