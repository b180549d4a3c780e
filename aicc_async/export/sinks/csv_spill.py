"""The lines of a CSV file before its columns are known.

The idea: rows are formatted as they come, with the extension fields that any row had so far. Nearly
all of these are known after the first thousand rows, so most lines have the final columns, and are
copied as they are. Only those before a new field are parsed and widened in the end.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import IO, Any

from attrs import define

from ..._protocol.lenient import read_json
from ..._protocol.names import wire_names
from ...errors import DecodeError
from ...models import Case
from ..stop import current_stop
from .columns import ColumnReader
from .csv_cells import encode_rows, quote, quote_column
from .defuse import defuse
from .sink import BUFFER_SIZE, LINES_PER_BATCH, Batch

_DOCUMENTED = tuple(wire_names(Case).values())


@define
class _Segment:
    """Lines with the same columns, one after the other."""

    names: Sequence[str]
    rows: int = 0
    size: int = 0


class Spill:
    """Takes rows into a file of lines, and copies them with all columns when these are known.

    ``names`` are the fields that have a column so far: the documented ones, then ``columns`` and
    those of any row, sorted. ``ids`` are those of the rows, defused, if they are wanted.
    """

    def __init__(
        self,
        file: IO[bytes],
        as_cell: Callable[[str], str],
        columns: Iterable[str],
        *,
        want_ids: bool,
    ) -> None:
        self._file = file
        self._as_cell = as_cell
        self._reader = ColumnReader(dict.fromkeys(_DOCUMENTED, Any) | {"id": str})
        self._want_ids = want_ids
        self._segments: list[_Segment] = []
        self._count = 0
        self.names: Sequence[str] = _DOCUMENTED
        self.ids: set[str] = set()
        self._add_columns(columns)

    def write(self, batch: Batch) -> None:
        """Append rows; raise DecodeError for one that is not a JSON object with an id."""
        columns = self._reader.read(batch)
        if not columns:
            rows = [_read_row(line, number) for number, line in enumerate(batch, self._count)]
            names = dict.fromkeys(chain.from_iterable(rows))
            self._add_columns(names)
            self._reader.learn(names)
            columns = {name: [row.get(name) for row in rows] for name in names}
        if self._want_ids:
            self.ids.update(map(defuse, columns["id"]))
        absent = [None] * len(batch)
        cells = [quote_column(columns.get(name, absent), self._as_cell) for name in self.names]
        lines = encode_rows(zip(*cells, strict=True))
        self._file.write(lines)
        if not self._segments or self._segments[-1].names != self.names:
            self._segments.append(_Segment(self.names))
        self._segments[-1].rows += len(batch)
        self._segments[-1].size += len(lines)
        self._count += len(batch)

    def copy_to(self, file: IO[bytes], names: Sequence[str], *, only_ids: bool) -> int:
        """Write the rows with a column for each name, and return how many these are.

        ``only_ids``: those whose id is still among ``ids``.
        """
        self._file.seek(0)
        rows, stop = 0, current_stop()
        for segment in self._segments:
            if segment.names == tuple(names) and not only_ids:
                left = segment.size
                while left > 0 and (piece := self._file.read(min(left, BUFFER_SIZE))):
                    stop.check()
                    file.write(piece)
                    left -= len(piece)
                rows += segment.rows
                continue
            widened = self._widen(segment, names)
            while batch := list(islice(widened, LINES_PER_BATCH)):
                stop.check()
                wanted = [row for key, row in batch if not only_ids or key in self.ids]
                file.write(encode_rows(wanted))
                rows += len(wanted)
        return rows

    def _widen(self, segment: _Segment, names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield each row's id, defused, and its cells in the columns of ``names``."""
        places = {name: place for place, name in enumerate(segment.names)}
        # The empty cell that is put behind each row.
        order = [places.get(name, len(places)) for name in names]
        lines = map(bytes.decode, self._file)
        for row in islice(csv.reader(lines, strict=True), segment.rows):
            row.append("")
            yield defuse(row[places["id"]]), [quote(row[place]) for place in order]

    def _add_columns(self, names: Iterable[str]) -> None:
        known = self.names[len(_DOCUMENTED) :]
        found = {*known, *names}.difference(_DOCUMENTED)
        if len(found) > len(known):
            self.names = (*_DOCUMENTED, *sorted(found))


def _read_row(line: bytes, number: int) -> dict[str, Any]:
    row: Any = None
    with suppress(DecodeError):
        row = read_json(line, keep_digits=True)
    if row.__class__ is not dict:
        raise DecodeError(f"must be a JSON object @ $[{number}]")
    if row.get("id").__class__ is not str:
        raise DecodeError(f"must be a string @ $[{number}].id")
    found: dict[str, Any] = row
    return found
