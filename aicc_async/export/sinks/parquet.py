"""A Parquet file: typed columns, for programs that scan a history by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from ..._files import replacing
from ..._optional import load
from ...errors import ConfigError, ExportError
from ..stop import current_stop
from .arrow import ArrowRows
from .layout import Layout
from .sink import BUFFER_SIZE, Batch, Seal, Written, ignore
from .typed import TypedRows

EXTRA = "parquet"
# A row group for each page would take nine times as long.
ROWS_PER_GROUP = 50_000
# Should rows be so large that fewer of them fill the memory.
MAX_GROUP_SIZE = 2**26  # bytes


class Parquet:
    """The file ``target``: a column per field of ``Case``, by its Python name, and ``extra``.

    Times are timestamps in microseconds with ``zone``, which is also that of the times on the wire;
    ``suspend_accumulated_time`` is a double. Row groups have about 50,000 rows, packed with zstd.

    The extension fields are a map from wire name to text, ``extra``: texts as they are, null as
    null, all else as compact JSON (so that 5 and "5" look the same). They are no columns, because
    rows are written as they come and a file can't get a column after its first row group; and so
    that the files of all exports have the same schema, whichever fields their rows happened to
    have.

    A value of another type than documented is null in its column and goes into ``extra``, with a
    warning; ``strict_types`` makes it a DecodeError.

    ``columns`` are template fields of a known type: a column each, by the wire name. With
    ``detail`` there are ``is_follower``, the structs ``case_info`` and ``customer``, and the lists
    of structs ``case_trace`` and ``tasks``, each struct with an ``extra`` of JSON.

    ``label`` is what a warning calls the target.

    Raises ConfigError when pyarrow is not installed.
    """

    upserts: ClassVar[bool] = False

    def __init__(
        self,
        target: Path,
        zone: ZoneInfo,
        *,
        strict_types: bool = False,
        columns: Mapping[str, str] = MappingProxyType({}),
        detail: bool = False,
        label: str | None = None,
    ) -> None:
        self._target = target
        self._label = label or target.name
        self._zone = zone
        self._strict_types = strict_types
        self._arrow = load("pyarrow", EXTRA)
        self._compute = load("pyarrow.compute", EXTRA)
        self._parquet = load("pyarrow.parquet", EXTRA)
        layout = Layout(zone, columns=columns, has_detail=detail, strict=strict_types)
        self._rows = ArrowRows(zone.key, EXTRA, layout if layout.types else None)

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write the file anew, or ``keep`` its rows and add new ids; return how many were added.

        The file is replaced when all is written; when anything fails, the iterable too, nothing has
        changed. Memory holds a few row groups at a time, whatever the sizes of old and new.

        Raises ConfigError when the old file is not one of cases, or has another zone; ExportError
        when a value does not fit its column or writing fails; DecodeError for a row that is not as
        documented.
        """
        kept = self._open_old(self._target) if keep and self._target.exists() else nullcontext()
        typed = TypedRows(self._zone, strict=self._strict_types)
        done = Written(misfits=typed.misfits)
        with (
            replacing(self._target, seal=lambda part: seal(part, done)) as part,
            kept as old,
            part.open("wb", BUFFER_SIZE) as file,
        ):
            tables = group_records(self._arrow, self._records(typed, batches))
            if old:
                new = chain.from_iterable(self._only_new(tables, old))
                tables = group_records(self._arrow, chain(self._old_records(old), new))
            schema = self._rows.schema
            with self._parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for table in tables:
                    writer.write_table(table)
                    done.total += int(table.num_rows)
            done.added = done.total - (old.metadata.num_rows if old else 0)
            typed.warn(self._label)
        return done.added

    def _records(self, typed: TypedRows, batches: Iterable[Batch]) -> Iterator[Any]:
        """Yield rows as Arrow's record batches."""
        for batch in batches:
            try:
                yield self._rows.read(typed, batch)
            except ExportError as error:
                raise ExportError(f"cannot write {self._target}: {error}") from None

    @contextmanager
    def _open_old(self, path: Path) -> Iterator[Any]:
        with path.open("rb") as file:
            try:
                old = self._parquet.ParquetFile(file)
                found = old.schema_arrow
            except (self._arrow.ArrowException, OSError, ValueError):
                raise ConfigError(
                    f"cannot append to {path}: it is not a Parquet file."
                    " Re-run without since_last, or choose another file"
                ) from None
            ours = self._rows.schema
            if not found.equals(ours):
                raise ConfigError(
                    f"cannot append to {path}: its columns must be this export's, got"
                    f" {_only_in(found, ours) or 'nothing else'} instead of"
                    f" {_only_in(ours, found) or 'another order'}. Choose another file"
                )
            yield old

    def _old_records(self, old: Any, columns: Sequence[str] | None = None) -> Iterator[Any]:
        try:
            yield from old.iter_batches(ROWS_PER_GROUP, columns=columns)
        except (self._arrow.ArrowException, OSError, ValueError):
            raise ExportError(
                f"cannot read the rows of {self._target}: the file is damaged"
            ) from None

    def _only_new(self, tables: Iterable[Any], old: Any) -> Iterator[Any]:
        """Yield the records of tables without rows that the old file has.

        Its ids are read again for each table, and never held.
        """
        for table in tables:
            new = table
            for record in self._old_records(old, ["id"]):
                known = self._compute.is_in(new["id"], value_set=record["id"])
                if self._compute.any(known).as_py():
                    new = new.filter(self._compute.invert(known))
            yield new.to_batches()


def _only_in(fields: Iterable[Any], others: Iterable[Any]) -> str:
    known = list(others)
    return ", ".join(f"{each.name} {each.type}" for each in fields if each not in known)


def group_records(arrow: Any, records: Iterable[Any]) -> Iterator[Any]:
    """Gather record batches to tables of about 50,000 rows; ``arrow`` is the module ``pyarrow``."""
    held, rows, size = [], 0, 0
    stop = current_stop()
    for record in records:
        stop.check()
        held.append(record)
        rows += record.num_rows
        size += record.nbytes
        if rows >= ROWS_PER_GROUP or size >= MAX_GROUP_SIZE:
            yield arrow.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if rows:
        yield arrow.Table.from_batches(held)
