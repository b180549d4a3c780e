"""A page has no more rows than were asked for: no answer may fill the memory with others.

The idea: a body of the usual size cannot have many, and is decoded at once. A row is an object, so
a larger one has no more rows than braces, which are quickly counted. Only where these are very
many, rows are counted as such, into objects that hold nothing: a text may have braces as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from .._listing.pages import Page
from ..errors import DecodeError

R = TypeVar("R")
# A page of 100 rows has a third of it. As records, what fits into it takes some 40 MB.
MAX_UNCOUNTED_BYTES = 2**18
# These take some 75 MB.
MAX_UNCOUNTED_ROWS = 50_000


class _Row(msgspec.Struct, gc=False):
    """An object of which nothing is kept."""


class _Page(msgspec.Struct, gc=False, rename="camel"):
    """The names that rows are under in one listing or another."""

    case_list: list[_Row] | None = None
    case_types: list[_Row] | None = None
    case_statistics_list: list[_Row] | None = None
    task_list: list[_Row] | None = None
    tasks: list[_Row] | None = None


class _Answer(msgspec.Struct, gc=False):
    # A list is of pages, or of rows: these are under no name.
    result: list[_Page] | _Page | None = None


_read = msgspec.json.Decoder(_Answer).decode


def bound_rows(decode: Callable[[bytes], Page[R]], limit: int) -> Callable[[bytes], Page[R]]:
    """Return the same decoding of a page, with a DecodeError for more than ``limit`` rows."""

    def decode_bounded(body: bytes) -> Page[R]:
        if len(body) > MAX_UNCOUNTED_BYTES and body.count(b"{") > MAX_UNCOUNTED_ROWS:
            _check_count(_count_rows(body), limit)
        page = decode(body)
        _check_count(len(page.rows), limit)
        return page

    return decode_bounded


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise DecodeError(f"must have at most {limit} rows, as asked for, got {count} @ $.result")


def _count_rows(body: bytes) -> int:
    try:
        found = _read(body).result
    except (ValueError, RecursionError):
        # It may be odd JSON that is read leniently elsewhere, which takes a lot of memory.
        raise DecodeError("must be JSON of the documented shape @ $") from None
    if isinstance(found, list) and len(found) != 1:
        return len(found)
    page = found[0] if isinstance(found, list) else found or _Page()
    return max(len(getattr(page, name) or ()) for name in page.__struct_fields__)
