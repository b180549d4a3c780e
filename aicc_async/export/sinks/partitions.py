"""A folder of Parquet files by month or day, as Hive, Spark, DuckDB and polars read them.

The idea: rows are gathered to row groups as for one file, and each group is split by the value that
its rows' creation dates have in the tenant's zone. A value's first file is
``month=2025-01/part-0.parquet``. As rows come in the order of time, few values are open at once: of
more than ``MAX_OPEN_FILES`` the one that was used least recently is closed, and gets a further file
if more of its rows come. So memory and open files are bounded, whatever order the rows have.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..content import files_of
from ..folder import replacing_folder
from ..stop import current_stop
from .parquet import Parquet, group_records
from .partition_names import DATE_FORMATS, WITHOUT_DATE, PartitionBy, check_partitions
from .sink import Batch, Seal, Written, copy_file, ignore
from .typed import TypedRows

# A window has 31 days, and its neighbours a few more.
MAX_OPEN_FILES = 64


class PartitionedParquet(Parquet):
    """The folder ``target``: files with the columns of ``Parquet``, by month or day of creation.

    Cases without a date are in ``month=__HIVE_DEFAULT_PARTITION__``; so is a file without rows
    where there is no case, for its columns.
    """

    def __init__(self, target: Path, zone: ZoneInfo, *, by: PartitionBy, **options: Any) -> None:
        super().__init__(target, zone, **options)
        self._by = by

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write the folder anew, or ``keep`` its files and add others with the new ids.

        It is replaced when all is written; when anything fails, nothing has changed. Raises as
        ``Parquet`` does, and ConfigError when files to keep are not partitions of this kind.
        """
        typed = TypedRows(self._zone, strict=self._strict_types)
        done = Written(misfits=typed.misfits)
        with replacing_folder(self._target, seal=lambda part: seal(part, done)) as part:
            records = self._records(typed, batches)
            if keep and self._target.exists():
                old = self._link_old(part)
                done.total = old.rows
                new = self._only_new(group_records(self._arrow, records), old)
                records = chain.from_iterable(new)
            schema = self._rows.schema
            with closing(_PartFiles(part, self._by, self._parquet, schema)) as files:
                for table in group_records(self._arrow, records):
                    done.added += table.num_rows
                    for value, rows in self._split(table):
                        files.write(value, rows)
                done.total += done.added
                if not done.total:
                    files.write(WITHOUT_DATE, schema.empty_table())
            typed.warn(self._label)
        return done.added

    def _split(self, table: Any) -> Iterator[tuple[str, Any]]:
        """Yield each value with its rows, in the order of the first ones."""
        compute = self._compute
        # Arrow takes the clock of the column's zone.
        dates = compute.strftime(table["created_date"], format=DATE_FORMATS[self._by])
        values = compute.fill_null(dates, WITHOUT_DATE)
        for value in compute.unique(values).to_pylist():
            yield value, table.filter(compute.equal(values, value))

    def _link_old(self, part: Path) -> _OldFiles:
        """Give the new folder all files of the old one, and return these."""
        check_partitions(self._target, self._by)
        files, rows, stop = list(files_of(self._target)), 0, current_stop()
        for file in files:
            stop.check()
            with self._open_old(file) as old:
                rows += old.metadata.num_rows
            link = part / file.relative_to(self._target)
            link.parent.mkdir(exist_ok=True)
            try:
                os.link(file, link)
            except OSError:
                # There are file systems without links.
                copy_file(file, link)
        return _OldFiles(files, rows, self._parquet)


class _OldFiles:
    """The rows of some files, read as ``pyarrow.parquet.ParquetFile`` reads those of one."""

    def __init__(self, files: Sequence[Path], rows: int, parquet: Any) -> None:
        self.rows = rows
        self._files = files
        self._parquet = parquet

    def iter_batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Yield the record batches of one file after the other."""
        for file in self._files:
            with file.open("rb") as handle:
                yield from self._parquet.ParquetFile(handle).iter_batches(size, columns=columns)


class _PartFiles:
    """The files of a folder that are being written, the one that was used last at the end."""

    def __init__(self, folder: Path, by: str, parquet: Any, schema: Any) -> None:
        self._folder = folder
        self._by = by
        self._parquet = parquet
        self._schema = schema
        self._open: dict[str, Any] = {}

    def write(self, value: str, table: Any) -> None:
        """Write a row group of a partition."""
        writer = self._open.pop(value, None)
        if writer is None:
            folder = self._folder / f"{self._by}={value}"
            folder.mkdir(exist_ok=True)
            # A number that is taken may be that of a link to an old file, which must stay as it is.
            names = (folder / f"part-{number}.parquet" for number in count())
            file = next(each for each in names if not each.exists())
            writer = self._parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._open[value] = writer
        writer.write_table(table)
        if len(self._open) > MAX_OPEN_FILES:
            self._open.pop(next(iter(self._open))).close()

    def close(self) -> None:
        """Close all, so that they are whole."""
        while self._open:
            self._open.popitem()[1].close()
