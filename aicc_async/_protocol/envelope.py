"""The envelope of answers: what is a result, and what is an error. No I/O.

AICC answers in an envelope ``{"resCode", "resMsg", "result"}``. ``resCode`` alone says whether it
went well, and ``result`` has no one shape: an object, an array of one object, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    ApiError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from .converter import loads
from .requests import Request

# Observed in third-party clients, with any HTTP status: the token is invalid or has expired.
TOKEN_REFUSED = frozenset({"405230602", "405230603"})
MAX_MESSAGE = 500  # characters


def result(body: bytes, *, operation: str) -> Any:
    """Open the envelope; a ``resCode`` other than "0" is an ApiError."""
    envelope = loads(body)
    if envelope.__class__ is not dict:
        raise DecodeError("an object is needed @ $")
    if envelope.get("resCode").__class__ not in (str, int):
        raise DecodeError("a text is needed @ $.resCode")
    check_code(operation, envelope["resCode"], envelope.get("resMsg"))
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
    return str(code) if isinstance(code, str | int) else None, f"{message or ''}{named}"[
        :MAX_MESSAGE
    ]


def check_code(operation: str, code: object, message: object) -> None:
    """Raise ApiError for a ``resCode`` other than "0", AuthError for one that refuses the token."""
    if str(code) == "0":
        return
    kind = AuthError if str(code) in TOKEN_REFUSED else ApiError
    text = f"{message or ''}"[:MAX_MESSAGE]
    raise kind(f"{operation}: resCode {code}: {text}", status=200, code=str(code), message=text)
