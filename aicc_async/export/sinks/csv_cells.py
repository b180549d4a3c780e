"""Columns of values as cells of a CSV file: RFC 4180, as ``csv.writer`` quotes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

_ABSENT: set[type] = {type(None), msgspec.UnsetType}
_TEXT_OR_ABSENT = {str, *_ABSENT}
_find_special = re.compile(r'[",\r\n]').search
_encode = msgspec.json.Encoder(decimal_format="number").encode


def quote(cell: str) -> str:
    """Return a cell in quotes if it needs them."""
    if _find_special(cell):
        cell = cell.replace('"', '""')
        return f'"{cell}"'
    return cell


def quote_column(values: Sequence[Any], as_cell: Callable[[str], str]) -> Sequence[str]:
    """Return the cells of a column, quoted; ``as_cell`` makes a text harmless."""
    kinds = {*map(type, values)}
    if kinds <= _ABSENT:
        return [""] * len(values)
    if kinds <= _TEXT_OR_ABSENT and _is_plain(list(filter(None, values))):
        return values if kinds == {str} else [value or "" for value in values]
    return [quote(_cell(value, as_cell)) for value in values]


def encode_rows(rows: Iterable[Iterable[str]]) -> bytes:
    """Return lines of cells that are quoted."""
    return "".join([f"{','.join(row)}\r\n" for row in rows]).encode()


def _is_plain(texts: list[str]) -> bool:
    """Return whether no text needs quotes or an apostrophe (see ``defuse``), all at once."""
    whole = "".join(texts)
    if not whole.isprintable() or any(sign in whole for sign in ',;"'):
        return False
    return not texts or "".join([text[0] for text in texts]).isalnum()


def _cell(value: Any, as_cell: Callable[[str], str]) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if value.__class__ is str:
        return as_cell(value)
    if value.__class__ in (int, Decimal):
        return str(value)
    return as_cell(_encode(value).decode())
