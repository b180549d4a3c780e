"""A CSV file: the wire's own names and values, harmless in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, ClassVar

import msgspec

from ..._files import replacing
from ..._protocol.lenient import exact_number, normalize
from ..._protocol.names import wire_names
from ...errors import ConfigError, DecodeError
from ...models import Case
from ..stop import current_stop
from .defuse import defuse
from .sink import BUFFER_SIZE, Batch, Seal, Written, ignore

# The csv module reads 128 Ki by default, and writes any.
MAX_CELL_LENGTH = 2**31 - 1  # characters
BYTE_ORDER_MARK = "\ufeff"
# After so many it is looked whether the user interrupted, and the loop has its turn.
ROWS_PER_LOOK = 50
_DOCUMENTED = list(wire_names(Case).values())
# A Decimal keeps all digits of a number.
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=exact_number).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


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
    So the rows go to a nameless temporary file in the same folder first, and are formatted in a
    second pass: for a while the disk holds them twice. Memory holds the ids of the new rows, and
    these only when an old file is kept.
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
            closing(self._old_rows(keep=keep)) as old,
            TemporaryFile(dir=part.parent, buffering=BUFFER_SIZE) as spill,
            part.open("w", encoding="utf-8", newline="", buffering=BUFFER_SIZE) as file,
        ):
            header = next(old)
            if self._has_mark() if header else self._bom:
                file.write(BYTE_ORDER_MARK)
            fields, ids = _spill(batches, spill, want_ids=bool(header))
            # The old columns keep their places and what they hold.
            extensions = sorted((fields | self._columns).difference(_DOCUMENTED))
            ours = {self._as_cell(name): name for name in (*_DOCUMENTED, *extensions)}
            columns = {name: ours.get(name, name) for name in header} | ours
            out = csv.writer(file)
            out.writerow(columns)
            for old_row in _widen(old, header, width=len(columns), ids=ids):
                out.writerow(old_row)
                done.total += 1
            rows: Iterable[dict[str, Any]] = map(_read, spill)
            if header:
                rows = (row for row in rows if defuse(row["id"]) in ids)
            names = list(columns.values())
            stop = current_stop()
            for done.added, row in enumerate(rows, 1):
                if not done.added % ROWS_PER_LOOK:
                    stop.check()
                out.writerow([self._cell(row.get(name)) for name in names])
            done.total += done.added
        return done.added

    def _has_mark(self) -> bool:
        with self._target.open(encoding="utf-8") as file:
            return file.read(1) == BYTE_ORDER_MARK

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if value.__class__ is str:
            return self._as_cell(value)
        if value.__class__ in (int, Decimal):
            return str(value)
        return self._as_cell(_encode(value).decode())

    def _old_rows(self, *, keep: bool) -> Generator[list[str]]:
        """Yield the header of the old file, then its rows; an empty header when none is kept."""
        if not (keep and self._target.exists()):
            yield []
            return
        with self._target.open(encoding="utf-8-sig", newline="", buffering=BUFFER_SIZE) as file:
            rows = csv.reader(file, strict=True)
            limit = csv.field_size_limit(MAX_CELL_LENGTH)
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
            finally:
                csv.field_size_limit(limit)

    def _refusal(self, why: str) -> ConfigError:
        return ConfigError(
            f"cannot append to {self._target}: {why}."
            " Re-run without since_last, or choose another file"
        )


def _read(line: bytes) -> dict[str, Any]:
    try:
        return _decode(line)
    except ValueError:
        # A number may be too long for Python.
        return _decode(normalize(line))


def _spill(
    batches: Iterable[Batch], file: IO[bytes], *, want_ids: bool
) -> tuple[set[str], set[str]]:
    """Set the rows aside; return the fields that they have, and their ids if these are wanted."""
    fields: set[str] = set()
    ids: set[str] = set()
    numbers = count()
    for batch in batches:
        for line, number in zip(batch, numbers, strict=False):
            try:
                row = _read(line)
            except (ValueError, RecursionError):
                raise DecodeError(f"must be a JSON object @ $[{number}]") from None
            if row.get("id").__class__ is not str:
                raise DecodeError(f"must be a string @ $[{number}].id")
            fields |= row.keys()
            if want_ids:
                ids.add(defuse(row["id"]))
        file.writelines(batch)
    file.seek(0)
    return fields, ids


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
