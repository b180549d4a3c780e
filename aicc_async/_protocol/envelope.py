"""The envelope of answers: what is a result, and what is an error. No I/O.

AICC answers in an envelope ``{"resCode", "resMsg", "result"}``. ``resCode`` alone says whether it
went well, and ``result`` has no one shape: an object, an array of one object, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from .._validators import shown
from ..errors import (
    ApiError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from .lenient import read_json
from .operations import TOKEN
from .refusals import IP_HINT, MAX_MESSAGE_CHARACTERS, read_refusal
from .requests import Request

# Observed in third-party clients, with any HTTP status: the token is invalid or has expired.
TOKEN_REFUSED_CODES = frozenset({"405230602", "405230603"})
# What a database holds; no service has so many rows.
MAX_TOTAL = 2**63 - 1


def open_envelope(body: bytes, *, operation: str) -> Any:
    """Return the result; a ``resCode`` other than "0" is an ApiError."""
    envelope = read_json(body)
    if envelope.__class__ is not dict:
        raise DecodeError(f"must be an object, got {type(envelope).__name__} @ $")
    code = envelope.get("resCode")
    if code.__class__ not in (str, int):
        raise DecodeError(f"must be a str, got {type(code).__name__} @ $.resCode")
    check_code(operation, code, envelope.get("resMsg"))
    return envelope.get("result")


def single_object(value: Any) -> tuple[dict[str, Any], str]:
    """Return the one object of a result, wrapped in an array or not, and its path."""
    path = "$.result"
    if value.__class__ is list and len(value) == 1:
        value, path = value[0], "$.result[0]"
    if value.__class__ is not dict:
        raise not_one_object(value, path)
    return value, path


def not_one_object(value: Any, path: str) -> DecodeError:
    """Return the error for a result that holds no object, or several."""
    found = f"{len(value)} items" if isinstance(value, list) else type(value).__name__
    return DecodeError(f"must be an object or an array of one, got {found} @ {path}")


def check_total(count: int, path: str) -> None:
    """Raise DecodeError for a total that cannot be one."""
    if not 0 <= count <= MAX_TOTAL:
        condition = f"must be a total from 0 to {MAX_TOTAL}"
        raise DecodeError(f"{condition}, got {shown(count)} @ {path}.count")


def rows_and_total(value: Any, *names: str) -> tuple[list[Any], Any, str]:
    """Return the rows of a result, their total, and the rows' path.

    The rows are under one of the names, in an object or an array of one; or are the result itself,
    which has no total then. An empty array is an empty page.
    """
    if value == []:
        return [], 0, "$.result"
    if value.__class__ is list:
        first = value[0]
        is_wrapped = first.__class__ is dict and not first.keys().isdisjoint(names)
        if len(value) > 1 or not is_wrapped:
            return value, None, "$.result"
    answer, path = single_object(value)
    name = next((name for name in names if name in answer), names[0])
    rows = answer.get(name)
    if rows.__class__ is not list:
        raise DecodeError(f"must be a list, got {type(rows).__name__} @ {path}.{name}")
    return rows, answer.get("count"), f"{path}.{name}"


def build_error(
    request: Request[Any], status: int, headers: Mapping[str, str], body: bytes
) -> ApiError:
    """Return the error that an answer other than HTTP 2xx means."""
    try:
        code, message, request_id = read_refusal(read_json(body))
    except DecodeError:
        code, message, request_id = None, "", None
    if status in request.denied or (request.signed and code in TOKEN_REFUSED_CODES):
        kind: type[ApiError] = AuthError
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = ServerError
    else:
        kind = {404: NotFoundError, 429: RateLimitError}.get(status, ApiError)
    text = f"{request.operation}: HTTP {status}" + (f", resCode {code}" if code else "")
    text = f"{text}: {message}" if message else text
    is_sign_in = kind is AuthError and request.operation == TOKEN.name
    return kind(
        f"{text} ({IP_HINT})" if is_sign_in else text,
        status=status,
        code=code,
        message=message,
        request_id=headers.get("X-Request-Id") or request_id,
    )


def check_code(operation: str, code: object, message: object) -> None:
    """Raise ApiError for a ``resCode`` other than "0", AuthError for one that refuses the token."""
    if str(code) == "0":
        return
    kind = AuthError if str(code) in TOKEN_REFUSED_CODES else ApiError
    text = f"{message or ''}"[:MAX_MESSAGE_CHARACTERS]
    raise kind(f"{operation}: resCode {code}: {text}", status=200, code=str(code), message=text)
