"""Rows with the details of their cases: a request each, spliced in as the service wrote them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial

import msgspec

from .._api import CaseApi
from .._listing.ordered_map import ordered_map
from .._protocol.raw import RawParts
from ..errors import ApiError, DecodeError, NotFoundError
from .concurrency import call_in_thread, entered_in_thread
from .progress import ProgressReporter
from .row_file import RowFile

ReadDetail = Callable[[str], Awaitable[RawParts]]
# Statuses that come with the refusal of an id: no one code of the service says so.
UNKNOWN_CASE_STATUSES = frozenset({200, 404})

_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


async def add_details(api: CaseApi, rows: RowFile, progress: ProgressReporter) -> int:
    """Write the settled window's rows anew, with details; return how many cases have none."""
    without = 0
    async with entered_in_thread(rows.rewriting()) as plain:
        detailed = with_details(plain, api.raw_detail, concurrency=api.concurrency)
        async with aclosing(detailed):
            async for row, is_known in detailed:
                if rows.needs_disk():
                    await call_in_thread(partial(rows.rewrite, row))
                else:
                    rows.rewrite(row)
                without += not is_known
                progress.advance(rows=1)
    return without


def with_details(
    rows: Iterable[tuple[str, bytes]], read: ReadDetail, *, concurrency: int
) -> AsyncGenerator[tuple[bytes, bool]]:
    """Yield each row, which comes with its id, with the parts of its case's detail; in order.

    If the service no longer knows the case, the row comes as it was, and False with it.
    """

    async def add(row: tuple[str, bytes]) -> tuple[bytes, bool]:
        row_id, line = row
        try:
            parts = await read(row_id)
        except ApiError as error:
            # Other subclasses with one of these statuses are about credentials or haste.
            is_of_case = type(error) in (ApiError, NotFoundError)
            if not (is_of_case and error.status in UNKNOWN_CASE_STATUSES):
                raise
            # It was deleted after its row was read.
            parts = {}
        return splice_parts(line, parts), bool(parts)

    return ordered_map(rows, add, concurrency=concurrency)


def splice_parts(row: bytes, parts: RawParts) -> bytes:
    """Return a row with parts behind its fields; a field that it has already stays."""
    try:
        own = _read_fields(row)
    except (ValueError, RecursionError):
        # It is JSON, but nobody has read its keys before.
        raise DecodeError("must be an object @ $") from None
    added = [_write(name) + b":" + bytes(raw) for name, raw in parts.items() if name not in own]
    if not added:
        return row
    return b",".join([row.rstrip()[:-1], *added]) + b"}"
