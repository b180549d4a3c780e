"""Scripted misfortunes: what they are, when they strike, and what the client then reads."""

import enum
import functools
import random
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec

from ..http.answer import HTML, Answer, platform_error


class Fault(enum.Enum):
    """What may happen to a request; "done" means that the store was changed all the same."""

    DROP_BEFORE = "connection reset, nothing done"
    DROP_AFTER = "done, then the connection is closed without an answer"
    HANG = "no answer ever, nothing done"
    HANG_AFTER = "done, no answer ever"
    CUT_BODY = "done, then half of the body and the end of the connection"
    HTTP_500 = "500 with the platform's JSON, nothing done"
    HTTP_502 = "502 with a gateway's HTML, nothing done"
    HTTP_503 = "503 with the platform's JSON, nothing done"
    HTTP_504 = "504 with a gateway's HTML, nothing done"
    HTTP_500_AFTER = "done, then 500"
    HTML_200 = "200 with an HTML page, nothing done"
    BUSINESS_ERROR = "200 with a resCode other than 0, nothing done"
    THROTTLED = "429, nothing done"
    TOKEN_EXPIRED_401 = "401, nothing done"  # noqa: S105 -- a description
    TOKEN_EXPIRED_200 = "200 with resCode 405230602, nothing done"  # noqa: S105 -- a description
    TOKEN_EXPIRED_500 = "500 with resCode 405230603, nothing done"  # noqa: S105 -- a description
    REDIRECT = "302 to another host, nothing done"
    NOT_JSON = "done, then 200 with half of the JSON"
    BAD_TYPE = "done, then one value of the first record is of another kind"
    GZIP_BOMB = "200 with a body that swells to 200 MB, nothing done"


DONE = frozenset(
    {
        Fault.DROP_AFTER,
        Fault.HANG_AFTER,
        Fault.CUT_BODY,
        Fault.HTTP_500_AFTER,
        Fault.NOT_JSON,
        Fault.BAD_TYPE,
    }
)
"""The faults that strike after the work."""

WRONG = {"title": 5, "typeName": 5, "newCases": "five", "Ticket": 5}
"""What BAD_TYPE puts in the place of a value."""

INVALID_TOKEN = "405230602"  # noqa: S105 -- a result code
EXPIRED_TOKEN = "405230603"  # noqa: S105 -- a result code

BOMB_CHUNK = b" " * 1_000_000
BOMB_CHUNKS = 200


@attrs.define
class Scripted:
    """A fault that the next `times` requests of an operation suffer; None: all of them.

    With a `share`, each request suffers it with that probability.
    """

    operation: str
    fault: Fault
    times: int | None
    share: float | None


@attrs.define
class Script:
    """The faults to come, first come first served, filled by any thread.

    One number is drawn for a request, and the shares lie side by side: each strikes as often as
    it says, whatever others there are, as long as their sum is at most 1.
    """

    _draw: random.Random
    _queue: list[Scripted] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(
        self, operation: str, fault: Fault, times: int | None, share: float | None = None
    ) -> None:
        """Append a fault."""
        with self._lock:
            self._queue.append(Scripted(operation, fault, times, share))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._queue.clear()

    def take(self, operation: str) -> Fault | None:
        """Take the fault that this request suffers, if any."""
        if not self._queue:
            return None
        with self._lock:
            self._queue = [one for one in self._queue if one.times != 0]
            mine = [one for one in self._queue if one.operation in {operation, "*"}]
            return next((_use(one) for one in self._striking(mine)), None)

    def _striking(self, scripts: list[Scripted]) -> Iterator[Scripted]:
        left = self._draw.random() if any(one.share for one in scripts) else 0.0
        for one in scripts:
            left -= one.share or 0.0
            if one.share is None or left < 0:
                yield one


def _use(scripted: Scripted) -> Fault:
    if scripted.times is not None:
        scripted.times -= 1
    return scripted.fault


def throttled(retry_after: str | None) -> Answer:
    """Answer 429, with the literal header value given."""
    answer = platform_error(429, "429", "too many requests")
    if retry_after is not None:
        answer.headers = {"Retry-After": retry_after}
    return answer


def unauthorized() -> Answer:
    """Answer a token that is missing, wrong or expired."""
    return platform_error(401, INVALID_TOKEN, "access token invalid or expired")


def spoil(answer: Answer, fault: Fault) -> Answer:
    """Spoil a good answer, after the work."""
    if fault is Fault.HTTP_500_AFTER:
        return attrs.evolve(replacement(Fault.HTTP_500), applied=answer.applied)
    if fault is Fault.NOT_JSON:
        return attrs.evolve(answer, body=answer.body[: len(answer.body) // 2])
    if fault is Fault.BAD_TYPE:
        return attrs.evolve(answer, body=_bad_type(answer.body))
    return answer


def replacement(fault: Fault) -> Answer:
    """Give the answer that comes instead of any work."""
    return _REPLACEMENTS[fault]()


def _web_page(status: int, title: str) -> Answer:
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    page = f"{head}<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
    return Answer(status, f"{page}</body>\r\n</html>\r\n".encode(), HTML)


def _redirect() -> Answer:
    elsewhere = {"Location": "http://elsewhere.invalid/login"}
    return Answer(302, b"", HTML, headers=elsewhere)


def _bomb() -> Answer:
    return Answer(200, _swelling_spaces(), headers={"Content-Encoding": "gzip"})


@functools.cache
def _swelling_spaces() -> bytes:
    """Make 200 MB of spaces out of one compressed chunk: after a full flush each is the same."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = deflate.compress(BOMB_CHUNK) + deflate.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(BOMB_CHUNKS):
        check = zlib.crc32(BOMB_CHUNK, check)
    size = len(BOMB_CHUNK) * BOMB_CHUNKS
    trailer = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return header + chunk * BOMB_CHUNKS + b"\x03\x00" + trailer


def _bad_type(body: bytes) -> bytes:
    """Give the first title, or what stands for it, another kind; leave alone what has none."""
    whole = msgspec.json.decode(body)
    found = ((record, key) for record in _records(whole) for key in WRONG if key in record)
    for record, key in found:
        record[key] = WRONG[key]
        return msgspec.json.encode(whole)
    return body


def _records(value: Any) -> Iterator[dict[str, Any]]:
    """Walk through an answer from the outside in; of a list only the first counts."""
    if isinstance(value, list):
        for first in value[:1]:
            yield from _records(first)
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _records(part)


_REPLACEMENTS = {
    Fault.HTTP_500: lambda: platform_error(500, "405230500", "internal error"),
    Fault.HTTP_502: lambda: _web_page(502, "502 Bad Gateway"),
    Fault.HTTP_503: lambda: platform_error(503, "405230503", "service unavailable"),
    Fault.HTTP_504: lambda: _web_page(504, "504 Gateway Time-out"),
    Fault.HTML_200: lambda: _web_page(200, "Please sign in"),
    Fault.BUSINESS_ERROR: lambda: platform_error(200, "405230099", "the flow refused the case"),
    Fault.TOKEN_EXPIRED_401: unauthorized,
    Fault.TOKEN_EXPIRED_200: lambda: platform_error(200, INVALID_TOKEN, "token invalid"),
    Fault.TOKEN_EXPIRED_500: lambda: platform_error(500, EXPIRED_TOKEN, "token expired"),
    Fault.REDIRECT: _redirect,
    Fault.GZIP_BOMB: _bomb,
}
