"""Answers that are passed on as the service wrote them: split into rows or parts, not decoded.

msgspec's ``Raw`` keeps a value's bytes and skips what is in it; splitting a page of 100 rows costs
a quarter of parsing it. What is skipped is not looked into, so UTF-8 is checked here, and line ends
between values are taken out: each row must be one line of a file.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from .._listing.pages import Page
from ..errors import DecodeError
from .envelope import check_code, check_total, not_one_object, open_envelope
from .lenient import normalize

T = TypeVar("T")
# A piece that stays in the processor's cache: as one text, decoding takes six times as long.
PIECE_BYTES = 2**14
# The parts of a case's detail by their wire names; a part is a view of the answer.
RawParts = dict[str, msgspec.Raw]
# ``createdDate`` as it is written, and the row: bytes or a view of the page.
DatedRow = tuple[str, Any]


class _RowKey(msgspec.Struct, gc=False):
    id: str
    createdDate: Any = None  # noqa: N815


class _PageKeys(msgspec.Struct):
    caseList: list[_RowKey]  # noqa: N815
    count: int


class _Envelope(msgspec.Struct):
    resCode: str | int  # noqa: N815
    resMsg: Any = None  # noqa: N815
    result: list[_PageKeys] | _PageKeys | None = None


class _Rows(msgspec.Struct):
    caseList: list[msgspec.Raw]  # noqa: N815


class _RawEnvelope(msgspec.Struct):
    # A key may come twice, and the last one counts: null may be one before it.
    result: list[_Rows] | _Rows | None = None


class _Detail(msgspec.Struct):
    resCode: str | int  # noqa: N815
    resMsg: Any = None  # noqa: N815
    result: list[RawParts] | RawParts | None = None


_read_detail = msgspec.json.Decoder(_Detail).decode
_read_keys = msgspec.json.Decoder(_Envelope).decode
_read_rows = msgspec.json.Decoder(_RawEnvelope).decode


def raw_page(body: bytes) -> Page[bytes]:
    """Split a page of the list into rows as the service wrote them, each on one line.

    Nothing but the ids and the total is read; what a row holds is not checked.
    """
    keys, rows, count = _split(body)
    # Copies, so that a row that is kept does not keep its page; they cost 14 µs a page.
    return Page([row.id for row in keys], list(map(bytes, rows)), count, len(body))


def dated_page(body: bytes) -> Page[DatedRow]:
    """Split a page likewise, each row with the text of its creation date ("": it has none).

    Rows are views of the page: they are for who passes them on.
    """
    keys, rows, count = _split(body)
    dates = [row.createdDate if row.createdDate.__class__ is str else "" for row in keys]
    return Page([row.id for row in keys], list(zip(dates, rows, strict=True)), count, len(body))


def raw_detail(body: bytes) -> RawParts:
    """Split a case's detail into its parts as the service wrote them, each on one line.

    Nothing of a part is checked. There are none where the result is empty. Parts are views of the
    answer: they are for who passes them on.
    """
    answer = _read(_read_detail, body, operation="get")
    check_code("get", answer.resCode, answer.resMsg)
    found = answer.result
    if isinstance(found, list):
        if len(found) > 1:
            raise not_one_object(found, "$.result")
        found = found[0] if found else None
    return found or {}


def _split(body: bytes) -> tuple[list[_RowKey], list[msgspec.Raw], int]:
    keys, rows = _read(lambda text: (_read_keys(text), _read_rows(text)), body, operation="list")
    check_code("list", keys.resCode, keys.resMsg)
    if keys.result == []:
        return [], [], 0
    if keys.result is None or (isinstance(keys.result, list) and len(keys.result) != 1):
        raise not_one_object(keys.result, "$.result")
    found = keys.result[0] if isinstance(keys.result, list) else keys.result
    check_total(found.count, "$.result")
    raw: Any = rows.result
    return found.caseList, (raw[0] if isinstance(raw, list) else raw).caseList, found.count


def _read(read: Callable[[bytes], T], body: bytes, *, operation: str) -> T:
    """Read an answer whose parts are passed on, leniently if it is not quite JSON."""
    if not body.isascii():
        # A text that is skipped is not looked into.
        check_utf8(body)
    with suppress(ValueError, RecursionError):
        return read(_on_one_line(body))
    try:
        return read(_on_one_line(normalize(body)))
    except (ValueError, RecursionError) as error:
        # The result of a refusal may be anything.
        open_envelope(body, operation=operation)
        raise DecodeError(_at_path(error)) from None


def _on_one_line(body: bytes) -> bytes:
    has_line_ends = b"\n" in body or b"\r" in body
    return msgspec.json.format(body, indent=-1) if has_line_ends else body


def _at_path(error: Exception) -> str:
    """Return msgspec's message in our words; it quotes types and names of fields, no values."""
    what, mark, path = str(error).partition(" - at `")
    if not mark:
        return "must be JSON of the documented shape @ $"
    what = what.replace("Expected ", "must be ").replace("`", "")
    what = what.replace("Number out of range", "must be a number in range")
    return f"{what} @ {path.rstrip('`')}"


def check_utf8(body: bytes) -> None:
    """Raise DecodeError unless the whole body is UTF-8."""
    view, start = memoryview(body), 0
    try:
        while start < len(body):
            piece = view[start : start + PIECE_BYTES]
            is_last = len(piece) < PIECE_BYTES
            # A character that the piece cuts through begins the next one.
            start += utf_8_decode(piece, "strict", is_last)[1]
    except UnicodeDecodeError as error:
        place = start + error.start
    else:
        return
    # Outside the block above: the error underneath holds a piece of the body.
    raise DecodeError(f"must be UTF-8, got another byte at {place} @ $")
