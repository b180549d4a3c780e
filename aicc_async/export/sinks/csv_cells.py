"""Columns of values as cells of a CSV file: RFC 4180, as ``csv.writer`` quotes them.

The idea: most columns have no character that could need quotes or an apostrophe, which a look at
all their texts at once tells. Only the texts of the others are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import filterfalse
from typing import Any

import msgspec

from .defuse import SIGNS

_TEXT_OR_ABSENT: set[type] = {str, type(None), msgspec.UnsetType}
_FLAG_OR_TEXT, _INTEGER_OR_TEXT = {bool, *_TEXT_OR_ABSENT}, {int, *_TEXT_OR_ABSENT}
# Nothing else is quoted, or makes an apostrophe needed (see ``defuse``).
_SPECIAL = '",\t\r\n\0' + SIGNS
_find_special = re.compile(f"[{re.escape(_SPECIAL)}]").search
_must_quote = re.compile(r'[",\r\n]').search
_encode = msgspec.json.Encoder(decimal_format="number").encode


def quote(cell: str) -> str:
    """Return a cell in quotes if it needs them."""
    if _must_quote(cell):
        cell = cell.replace('"', '""')
        return f'"{cell}"'
    return cell


def quote_column(values: Sequence[Any], as_cell: Callable[[str], str]) -> Sequence[str]:
    """Return the cells of a column, quoted; ``as_cell`` makes a text harmless."""
    texts = list(filter(None, values))
    kinds = {*map(type, filterfalse(None, values))} if len(texts) < len(values) else set()
    if kinds <= _TEXT_OR_ABSENT:
        # It refuses what is not a text, which takes less than a look at each type.
        with suppress(TypeError):
            return _quote_texts(values, "".join(texts), as_cell)
    kinds.update(map(type, texts))
    if kinds <= _FLAG_OR_TEXT or kinds <= _INTEGER_OR_TEXT:
        # Most of these columns have few values. Of other kinds, 1 and true and 1.0 are the same.
        cells = {value: quote(_cell(value, as_cell)) for value in {*values}}
        return [cells[value] for value in values]
    return [quote(_cell(value, as_cell)) for value in values]


def encode_rows(rows: Iterable[Iterable[str]]) -> bytes:
    """Return lines of cells that are quoted."""
    return "\r\n".join([*map(",".join, rows), ""]).encode()


def _quote_texts(values: Sequence[Any], whole: str, as_cell: Callable[[str], str]) -> Sequence[str]:
    """Return the cells of a column of texts, which are the ``whole`` one after the other."""
    if not whole:
        return [""] * len(values)
    texts = [value or "" for value in values]
    found = [sign for sign in _SPECIAL if sign in whole]
    # Within a text that begins with a digit, this sign of dates does no harm.
    is_date = found == ["-"] and ";" not in whole and whole.isprintable()
    if not found or (is_date and "".join([text[:1] for text in texts]).isalnum()):
        return texts
    cells = {text: quote(as_cell(text)) if _find_special(text) else text for text in {*texts}}
    return [cells[text] for text in texts]


def _cell(value: Any, as_cell: Callable[[str], str]) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if value.__class__ is str:
        return as_cell(value)
    if value.__class__ in (int, Decimal):
        return str(value)
    return as_cell(_encode(value).decode())
