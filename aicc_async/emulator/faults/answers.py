"""The answers that a client reads when a scripted fault strikes.

They imitate what the platform, its gateway and foreign servers send, byte for byte.
"""

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec

from ..http.answer import HTML, Answer, platform_error
from .script import Fault

# What BAD_TYPE puts in place of a value, one key for each kind of record. No client can take these
# for the documented kind: a title must be a string, and a number of cases an integer.
MISTYPED_VALUES = {"title": 5, "typeName": 5, "newCases": "five", "Ticket": 5}

# Third-party clients report these two codes for a bad token, with any HTTP status.
INVALID_TOKEN = "405230602"  # noqa: S105  (a result code)
EXPIRED_TOKEN = "405230603"  # noqa: S105  (a result code)

BOMB_CHUNK = b" " * 1_000_000
BOMB_CHUNKS = 200


def throttled_answer(retry_after: str | None) -> Answer:
    """Return a 429 with this literal ``Retry-After`` header; None leaves the header out."""
    answer = platform_error(429, "429", "too many requests")
    if retry_after is not None:
        answer.headers = {"Retry-After": retry_after}
    return answer


def unauthorized_answer() -> Answer:
    """Return the answer to a token that is missing, wrong or expired."""
    return platform_error(401, INVALID_TOKEN, "access token invalid or expired")


def spoil(answer: Answer, fault: Fault) -> Answer:
    """Return what the fault makes of a good answer, after the work."""
    if fault is Fault.HTTP_500_AFTER:
        return attrs.evolve(replacement_answer(Fault.HTTP_500), applied=answer.applied)
    if fault is Fault.NOT_JSON:
        return attrs.evolve(answer, body=answer.body[: len(answer.body) // 2])
    if fault is Fault.BAD_TYPE:
        return attrs.evolve(answer, body=_mistype_first_value(answer.body))
    return answer


def replacement_answer(fault: Fault) -> Answer:
    """Return the answer that comes instead of any work."""
    return _REPLACEMENT_ANSWERS[fault]()


def _web_page(status: int, title: str) -> Answer:
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    page = f"{head}<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
    return Answer(status, f"{page}</body>\r\n</html>\r\n".encode(), HTML)


@functools.cache
def _gzip_of_spaces() -> bytes:
    """Return 200 MB of spaces as gzip, compressed from a single chunk."""
    # After a full flush the compressor has forgotten what came before, so every chunk of spaces
    # compresses to the same bytes. One is compressed and then repeated, which takes milliseconds.
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = deflate.compress(BOMB_CHUNK) + deflate.flush(zlib.Z_FULL_FLUSH)
    # Checksum and size must be right: a client may reject a stream with a wrong trailer, and would
    # pass the test for that reason.
    check = 0
    for _ in range(BOMB_CHUNKS):
        check = zlib.crc32(BOMB_CHUNK, check)
    size = len(BOMB_CHUNK) * BOMB_CHUNKS
    trailer = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return header + chunk * BOMB_CHUNKS + b"\x03\x00" + trailer


def _mistype_first_value(body: bytes) -> bytes:
    """Give the first title, or its equivalent in other records, another kind of value."""
    whole = msgspec.json.decode(body)
    for record in _walk_records(whole):
        for key, value in MISTYPED_VALUES.items():
            if key in record:
                record[key] = value
                return msgspec.json.encode(whole)
    return body


def _walk_records(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of an answer from the outside in; of a list, only the first."""
    if isinstance(value, list):
        for first in value[:1]:
            yield from _walk_records(first)
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _walk_records(part)


_REPLACEMENT_ANSWERS: dict[Fault, Callable[[], Answer]] = {
    Fault.HTTP_500: lambda: platform_error(500, "405230500", "internal error"),
    Fault.HTTP_502: lambda: _web_page(502, "502 Bad Gateway"),
    Fault.HTTP_503: lambda: platform_error(503, "405230503", "service unavailable"),
    Fault.HTTP_504: lambda: _web_page(504, "504 Gateway Time-out"),
    Fault.HTML_200: lambda: _web_page(200, "Please sign in"),
    Fault.BUSINESS_ERROR: lambda: platform_error(200, "405230099", "the flow refused the case"),
    Fault.TOKEN_EXPIRED_401: unauthorized_answer,
    Fault.TOKEN_EXPIRED_200: lambda: platform_error(200, INVALID_TOKEN, "token invalid"),
    Fault.TOKEN_EXPIRED_500: lambda: platform_error(500, EXPIRED_TOKEN, "token expired"),
    # A name under ``.invalid`` never resolves (RFC 2606), so a client that follows the redirect
    # cannot leak its token.
    Fault.REDIRECT: lambda: Answer(
        302, b"", HTML, headers={"Location": "http://elsewhere.invalid/login"}
    ),
    Fault.GZIP_BOMB: lambda: Answer(200, _gzip_of_spaces(), headers={"Content-Encoding": "gzip"}),
}
