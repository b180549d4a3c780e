"""The calls as values: what to send, how to read the answer, what an error is. No I/O.

AICC answers in an envelope ``{"resCode", "resMsg", "result"}``. ``resCode`` alone says whether it
went well, and ``result`` has no one shape: an object, an array of one object, or nothing.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from attrs import field, frozen

from .._listing.pages import Page
from .._listing.windows import Window
from ..errors import (
    ApiError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from .converter import loads

T = TypeVar("T")
R = TypeVar("R")
OPENAPI = "/service/AICC__Case/1.0.0/openapi"
TOKEN_REFUSED = frozenset({"405230602", "405230603"})  # observed, with any HTTP status
PIECE = 2**14  # bytes
_LONGEST = 500  # characters of the service's own words in an error
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@frozen(kw_only=True)
class Request(Generic[T]):
    """One call; ``repeatable`` when it may go out again though the service may have acted."""

    operation: str
    method: str
    path: str
    body: bytes = field(repr=False)
    decode: Callable[[bytes], T] = field(repr=False)
    repeatable: bool
    content_type: str = JSON
    signed: bool = True  # with an access token; only a sign-in is not
    denied: frozenset[int] = frozenset({401, 403})  # statuses that mean: not with these credentials


Lister = Callable[[Window, int, int], Request[Page[R]]]  # window, start, limit
RawParts = dict[str, msgspec.Raw]  # of a case's detail, by their wire names
DatedRow = tuple[str, Any]  # createdDate as it stands; the row as written, bytes or a view


def result(body: bytes, *, operation: str) -> Any:
    """Open the envelope; a ``resCode`` other than "0" is an ApiError."""
    envelope = loads(body)
    if envelope.__class__ is not dict:
        raise DecodeError("an object is needed @ $")
    if envelope.get("resCode").__class__ not in (str, int):
        raise DecodeError("a text is needed @ $.resCode")
    _check_code(operation, envelope["resCode"], envelope.get("resMsg"))
    return envelope.get("result")


def only(value: Any) -> tuple[dict[str, Any], str]:
    """Take the one object out of a result, wrapped in an array or not; and tell its path."""
    path = "$.result"
    if value.__class__ is list and len(value) == 1:
        value, path = value[0], "$.result[0]"
    if value.__class__ is not dict:
        raise DecodeError(f"an object or an array of one is needed @ {path}")
    return value, path


def listed(value: Any, *names: str) -> tuple[list[Any], Any, str]:
    """Take rows and total out of a result, and tell the rows' path.

    The rows stand under one of the names, in an object or an array of one; or are the result
    itself, which has no total then. An empty array is an empty page.
    """
    if value == []:
        return [], 0, "$.result"
    wrapped = value.__class__ is list and len(value) == 1 and _holds(value[0], names)
    if value.__class__ is list and not wrapped:
        return value, None, "$.result"
    answer, path = only(value)
    name = next((name for name in names if name in answer), names[0])
    rows = answer.get(name)
    if rows.__class__ is not list:
        raise DecodeError(f"a list is needed @ {path}.{name}")
    return rows, answer.get("count"), f"{path}.{name}"


def _holds(value: Any, names: tuple[str, ...]) -> bool:
    return value.__class__ is dict and not value.keys().isdisjoint(names)


def refusal(
    request: Request[Any], status: int, headers: Mapping[str, str], body: bytes
) -> ApiError:
    """Make an error out of an answer that is not HTTP 2xx."""
    code, message = _code_and_message(body)
    kind = _error_class(request, status, code)
    text = f"{request.operation}: HTTP {status}" + (f", resCode {code}" if code else "")
    return kind(
        f"{text}: {message}" if message else text,
        status=status,
        code=code,
        message=message,
        request_id=headers.get("X-Request-Id"),
    )


def _error_class(request: Request[Any], status: int, code: str | None) -> type[ApiError]:
    if status in request.denied or (request.signed and code in TOKEN_REFUSED):
        return AuthError
    if status >= 500:  # noqa: PLR2004
        return ServerError
    return {404: NotFoundError, 429: RateLimitError}.get(status, ApiError)


def _code_and_message(body: bytes) -> tuple[str | None, str]:
    """Find code and text in the error bodies of AICC, of its sign-in, and of Q-Flow."""
    try:
        value = loads(body)
    except DecodeError:
        return None, ""
    if not isinstance(value, dict):
        return None, ""
    code = value.get("resCode", value.get("error"))
    message = value.get("resMsg", value.get("error_description", value.get("Message")))
    fields = value.get("ModelState")
    named = f" ({', '.join(fields)})" if isinstance(fields, dict) else ""
    return str(code) if isinstance(code, str | int) else None, f"{message or ''}{named}"[:_LONGEST]


def _check_code(operation: str, code: object, message: object) -> None:
    if str(code) == "0":
        return
    kind = AuthError if str(code) in TOKEN_REFUSED else ApiError
    text = f"{message or ''}"[:_LONGEST]
    raise kind(f"{operation}: resCode {code}: {text}", status=200, code=str(code), message=text)


class _Key(msgspec.Struct, gc=False):
    id: str
    createdDate: Any = None  # noqa: N815


class _Keys(msgspec.Struct):
    caseList: list[_Key]  # noqa: N815
    count: int


class _Envelope(msgspec.Struct):
    resCode: str | int  # noqa: N815
    resMsg: Any = None  # noqa: N815  (a word for people; resCode decides)
    result: list[_Keys] | _Keys | None = None


class _Rows(msgspec.Struct):
    caseList: list[msgspec.Raw]  # noqa: N815


class _RawEnvelope(msgspec.Struct):
    result: list[_Rows] | _Rows


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
    # copies, so that a row that is kept does not keep its page (14 µs a page)
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
    body = _clean(body)
    try:
        answer = _read_detail(body)
    except (ValueError, RecursionError) as error:
        result(body, operation="get")  # an error's result may be anything
        raise DecodeError(_at_path(error)) from None
    _check_code("get", answer.resCode, answer.resMsg)
    found = answer.result
    if isinstance(found, list):
        if len(found) > 1:
            raise DecodeError("an object or an array of one is needed @ $.result")
        found = found[0] if found else None
    return found or {}


def _split(body: bytes) -> tuple[list[_Key], list[msgspec.Raw], int]:
    body = _clean(body)
    try:
        keys = _read_keys(body)
    except (ValueError, RecursionError) as error:
        result(body, operation="list")  # an error's result may be anything
        raise DecodeError(_at_path(error)) from None
    _check_code("list", keys.resCode, keys.resMsg)
    if keys.result == []:
        return [], [], 0
    if keys.result is None or (isinstance(keys.result, list) and len(keys.result) != 1):
        raise DecodeError("an object or an array of one is needed @ $.result")
    found = keys.result[0] if isinstance(keys.result, list) else keys.result
    rows = _read_rows(body).result
    raw = rows[0].caseList if isinstance(rows, list) else rows.caseList
    return found.caseList, raw, found.count


def _clean(body: bytes) -> bytes:
    """Check an answer whose parts are passed on, and put it on one line."""
    if not body.isascii():
        _check_utf8(body)  # a skipped text is not looked into
    if b"\n" in body or b"\r" in body:
        return _on_one_line(body)
    return body


def _at_path(error: Exception) -> str:
    what, mark, path = str(error).partition(" - at `")
    return f"{what} @ {path.rstrip('`')}" if mark else "no JSON of the documented shape @ $"


def _check_utf8(body: bytes) -> None:
    """Decode it in pieces: as one text it takes six times as long, most of it to get memory."""
    view, start = memoryview(body), 0
    try:
        while start < len(body):
            piece = view[start : start + PIECE]
            start += utf_8_decode(piece, "strict", len(piece) < PIECE)[1]  # what is whole of it
    except UnicodeDecodeError:
        raise DecodeError(f"no UTF-8 at byte {_first_bad_byte(body)} @ $") from None


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _on_one_line(body: bytes) -> bytes:
    try:
        return msgspec.json.format(body, indent=-1)
    except (ValueError, RecursionError):
        raise DecodeError(f"{len(body)} bytes that are no JSON @ $") from None
