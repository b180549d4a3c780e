"""A CSV file: the wire's own names and values, harmless in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

from ..._files import replacing
from ...errors import ConfigError
from ..stop import current_stop
from .csv_cells import encode_rows, quote
from .csv_spill import Spill
from .defuse import defuse
from .sink import BUFFER_SIZE, Batch, Seal, Written, ignore

# The csv module reads 128 Ki by default, and writes any.
MAX_CELL_LENGTH = 2**31 - 1  # characters
BYTE_ORDER_MARK = "\ufeff"
# After so many it is looked whether the user interrupted, and the loop has its turn.
ROWS_PER_LOOK = 50


class CSV:
    """The file ``target``: UTF-8 and RFC 4180, a header, then one line per row.

    Columns are the documented fields by their wire names, in the documents' order, then the
    extension fields that any row has, sorted. Null and missing are both empty; a nested value is
    compact JSON; all others are as the service wrote them, times too.

    A cell that a spreadsheet would run as a formula (``=``, ``+``, ``-``, ``@``, a tab or a line
    break at its beginning: a phone "+1202…" too) gets an apostrophe in front of that sign. So does
    such a sign behind a semicolon, tab or line break within a text: where the list separator is a
    semicolon, a spreadsheet begins a cell there. ``raw_cells`` writes all texts as they are.

    ``bom`` begins a new file with the mark by which Excel knows UTF-8; a file that is kept keeps
    its own beginning. ``columns`` are template fields that have a column even if no row has them.

    Which extension fields there are is known after the last row only, and no tenant declares them.
    So the lines go to a nameless temporary file in the same folder first, with the columns that are
    known by then, and get those that are missing when all are known: for a while the disk holds
    them twice. Memory holds the ids of the new rows, and these only when an old file is kept.
    """

    upserts: ClassVar[bool] = False

    def __init__(
        self,
        target: Path,
        *,
        raw_cells: bool = False,
        bom: bool = False,
        columns: Iterable[str] = (),
    ) -> None:
        self._target = target
        self._columns = set(columns)
        self._bom = bom
        self._as_cell: Callable[[str], str] = str if raw_cells else defuse

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write the file anew, or ``keep`` its cells and add new ids; return how many were added.

        When it is kept, new columns come after the old ones, and are empty in old rows. The file is
        replaced when all is written; when anything fails, the iterable too, nothing has changed.

        Raises ConfigError when the old file is not one of cases, ExportError when writing fails,
        DecodeError for a row that is not a JSON object with an id.
        """
        done = Written()
        with (
            replacing(self._target, seal=lambda part: seal(part, done)) as part,
            _cells_of_any_length(),
            closing(self._old_rows(keep=keep)) as old,
            TemporaryFile(dir=part.parent, buffering=BUFFER_SIZE) as spill,
            part.open("wb", buffering=BUFFER_SIZE) as file,
        ):
            header = next(old)
            if self._has_mark() if header else self._bom:
                file.write(BYTE_ORDER_MARK.encode())
            rows = Spill(spill, self._as_cell, self._columns, want_ids=bool(header))
            for batch in batches:
                rows.write(batch)
            # The old columns keep their places and what they hold.
            ours = {self._as_cell(name): name for name in rows.names}
            columns = {name: ours.get(name, name) for name in header} | ours
            file.write(encode_rows([map(quote, columns)]))
            for old_row in _widen(old, header, width=len(columns), ids=rows.ids):
                file.write(encode_rows([map(quote, old_row)]))
                done.total += 1
            done.added = rows.copy_to(file, list(columns.values()), only_ids=bool(header))
            done.total += done.added
        return done.added

    def _has_mark(self) -> bool:
        with self._target.open(encoding="utf-8") as file:
            return file.read(1) == BYTE_ORDER_MARK

    def _old_rows(self, *, keep: bool) -> Generator[list[str]]:
        """Yield the header of the old file, then its rows; an empty header when none is kept."""
        if not (keep and self._target.exists()):
            yield []
            return
        with self._target.open(encoding="utf-8-sig", newline="", buffering=BUFFER_SIZE) as file:
            rows = csv.reader(file, strict=True)
            try:
                header = next(rows, [])
                if "id" not in header or len(set(header)) < len(header):
                    raise self._refusal("line 1 must name a column 'id', and no column twice")
                yield header
                stop = current_stop()
                for number, row in enumerate(rows, 1):
                    if not number % ROWS_PER_LOOK:
                        stop.check()
                    if len(row) != len(header):
                        raise self._refusal(
                            f"row {number} must have {len(header)} cells, got {len(row)}"
                        )
                    yield row
            except (csv.Error, UnicodeDecodeError):
                raise self._refusal(
                    f"it is not a CSV file in UTF-8 after line {rows.line_num}"
                ) from None

    def _refusal(self, why: str) -> ConfigError:
        return ConfigError(
            f"cannot append to {self._target}: {why}."
            " Re-run without since_last, or choose another file"
        )


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    limit = csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _widen(
    rows: Iterable[list[str]], header: Sequence[str], *, width: int, ids: set[str]
) -> Iterator[list[str]]:
    """Fill old rows up to the new width, and remove their ids from the new ones."""
    blank = [""] * (width - len(header))
    column = header.index("id") if header else 0
    for row in rows:
        # Defused as the new ones are, however the file was written.
        ids.discard(defuse(row[column]))
        yield row + blank
