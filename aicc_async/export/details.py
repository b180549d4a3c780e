"""Rows with the details of their cases: a request each, spliced in as the service wrote them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import msgspec

from .._listing.ordered_map import ordered_map
from .._protocol.raw import RawParts
from ..errors import ApiError, DecodeError, NotFoundError

ReadDetail = Callable[[str], Awaitable[RawParts]]
UNKNOWN = frozenset({200, 404})  # statuses that come with the refusal of an id

_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


def with_details(
    rows: Iterable[tuple[str, bytes]], read: ReadDetail, *, concurrency: int
) -> AsyncGenerator[tuple[bytes, bool]]:
    """Add to each row, given with its id, what the service tells of its case; in their order.

    Where it knows no such case any more, the row comes as it was, and False with it.
    """

    async def one(row: tuple[str, bytes]) -> tuple[bytes, bool]:
        row_id, line = row
        parts = await _parts(read, row_id)
        return spliced(line, parts), bool(parts)

    return ordered_map(rows, one, concurrency=concurrency)


def spliced(row: bytes, parts: RawParts) -> bytes:
    """Add parts to a row; a field that it has already stays."""
    try:
        own = _read_fields(row)
    except (ValueError, RecursionError):  # it is JSON, but nobody has read its keys yet
        raise DecodeError("an object is needed @ $") from None
    added = [_write(name) + b":" + bytes(raw) for name, raw in parts.items() if name not in own]
    if not added:
        return row
    return b",".join([row.rstrip()[:-1], *added]) + b"}"


async def _parts(read: ReadDetail, case_id: str) -> RawParts:
    try:
        return await read(case_id)
    except ApiError as error:
        if not _is_unknown(error):
            raise
        return {}  # it was deleted meanwhile


def _is_unknown(error: ApiError) -> bool:
    """Tell whether the service knows no such case: there is no one code that says so."""
    # others of these statuses are about credentials or haste
    return type(error) in (ApiError, NotFoundError) and error.status in UNKNOWN
