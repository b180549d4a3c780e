"""A CSV file: the wire's own names and values, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, ClassVar

import msgspec

from ..._files import replacing
from ..._protocol.names import wire_names
from ...errors import ConfigError, DecodeError
from ...models import Case

BUFFER = 2**20
WIDEST = 2**31 - 1  # characters of a cell: the csv module reads 128 Ki by default, and writes any
_DOCUMENTED = list(wire_names(Case).values())
# Where some program begins a cell: at the beginning, or, if it splits at semicolons or tabs and
# heeds no quotes then, behind these and line breaks. Then what it may trim, then the sign.
_BEGINS = re.compile(
    r"""(?:\A[\s\0",;|]*|[;\t\r\n][\s\0";]*)"""
    r"([=+@\uff1d\uff0b\uff0d\uff20-])?"  # the wide ones count in East Asian settings
)
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode  # keeps all digits
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

    Which extension fields there are is known after the last row only, and no tenant declares them.
    So the rows go to a nameless temporary file in the same folder first, and are formatted in a
    second pass: for a while the disk holds them twice. Memory holds the ids of the new rows, and
    these only when an old file is kept.
    """

    upserts: ClassVar[bool] = False

    def __init__(self, target: Path, *, raw_cells: bool = False) -> None:
        self._target = target
        self._finish: Callable[[str], str] = str if raw_cells else _defuse

    def write(self, batches: Iterable[Sequence[bytes]], *, keep: bool) -> int:
        """Make the file anew, or ``keep`` its cells and add new ids; return how many were added.

        When it is kept, new columns come after the old ones, and are empty in old rows. The file is
        replaced when all is written; when anything fails, the iterable too, nothing has changed.

        Raises ConfigError when the old file is none of ours, ExportError when writing fails,
        DecodeError for a row that is no JSON object with an id.
        """
        with (
            replacing(self._target) as part,
            closing(self._read(keep=keep)) as old,
            TemporaryFile(dir=part.parent, buffering=BUFFER) as spill,
            part.open("w", encoding="utf-8", newline="", buffering=BUFFER) as file,
        ):
            header = next(old)
            found, ids = _spill(batches, spill, want_ids=bool(header))
            columns = self._columns(header, found)
            out = csv.writer(file)
            out.writerow(columns)
            out.writerows(_copied(old, header, len(columns), ids))
            rows = _unknown(spill, ids) if header else map(_decode, spill)
            return self._append(out.writerow, rows, list(columns.values()))

    def _append(
        self, write: Callable[[list[str]], object], rows: Iterable[Any], names: Sequence[str]
    ) -> int:
        added = 0
        for row in rows:
            write([self._cell(row.get(name)) for name in names])
            added += 1
        return added

    def _columns(self, header: Sequence[str], found: set[str]) -> dict[str, str]:
        """Map the header's cells to wire names: the old ones first."""
        extensions = sorted(found.difference(_DOCUMENTED))
        ours = {self._finish(name): name for name in (*_DOCUMENTED, *extensions)}
        return {name: ours.get(name, name) for name in header} | ours

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if value.__class__ is str:
            return self._finish(value)
        if value.__class__ in (int, Decimal):
            return str(value)
        return self._finish(_encode(value).decode())

    def _read(self, *, keep: bool) -> Generator[list[str]]:
        """Yield the header of the old file, then its rows; an empty header when none is kept."""
        if not (keep and self._target.exists()):
            yield []
            return
        with self._target.open(encoding="utf-8-sig", newline="", buffering=BUFFER) as file:
            rows = csv.reader(file, strict=True)
            limit = csv.field_size_limit(WIDEST)
            try:
                yield from self._checked(rows)
            except (csv.Error, UnicodeDecodeError):
                raise ConfigError(
                    f"path: {self._target}: it is no CSV in UTF-8, after line {rows.line_num}"
                ) from None
            finally:
                csv.field_size_limit(limit)

    def _checked(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        header = next(rows, [])
        if "id" not in header or len(set(header)) < len(header):
            raise ConfigError(
                f"path: {self._target} is no CSV of cases: no 'id' in line 1, or a name twice"
            )
        yield header
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise ConfigError(
                    f"path: {self._target}, row {number}: {len(header)} cells are needed, "
                    f"{len(row)} were found"
                )
            yield row


def _defuse(text: str) -> str:
    """Put an apostrophe before what would be run; a second time changes nothing."""
    if text[:1].isalnum() and text.isprintable() and ";" not in text:
        return text  # as most are: seen at a third of the cost
    safe = _BEGINS.sub(_mark, text)
    return f"'{safe}" if text.startswith(("\t", "\r", "\n", "\0")) else safe


def _mark(begin: re.Match[str]) -> str:
    whole = begin[0]
    return f"{whole[:-1]}'{whole[-1]}" if begin[1] else whole


def _spill(
    batches: Iterable[Sequence[bytes]], file: IO[bytes], *, want_ids: bool
) -> tuple[set[str], set[str]]:
    """Set the rows aside; tell which fields they have, and which ids if that is wanted."""
    fields: set[str] = set()
    ids: set[str] = set()
    numbers = count()
    for batch in batches:
        for line in batch:
            row = _checked_row(line, next(numbers))
            fields |= row.keys()
            if want_ids:
                ids.add(_defuse(row["id"]))
        file.writelines(batch)
    file.seek(0)
    return fields, ids


def _checked_row(line: bytes, number: int) -> dict[str, Any]:
    try:
        row = _decode(line)
    except (ValueError, RecursionError):
        raise DecodeError(f"a JSON object is needed @ $[{number}]") from None
    if row.get("id").__class__ is not str:
        raise DecodeError(f"a text is needed @ $[{number}].id")
    return row


def _copied(
    rows: Iterable[list[str]], header: Sequence[str], width: int, ids: set[str]
) -> Iterator[list[str]]:
    """Fill old rows up to the new width, and cross their ids off."""
    blank = [""] * (width - len(header))
    place = header.index("id") if header else 0
    for row in rows:
        ids.discard(_defuse(row[place]))  # as the new ones are, however the file was written
        yield row + blank


def _unknown(spill: Iterable[bytes], ids: set[str]) -> Iterator[dict[str, Any]]:
    return (row for row in map(_decode, spill) if _defuse(row["id"]) in ids)
