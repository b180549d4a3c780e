"""What a refusal says, in each form that one may have, and which error it means. No I/O.

The platform's ``{"resCode", "resMsg"}``; the gateway's before it, ``{"error_code", "error_msg",
"request_id"}`` (its codes begin with ``APIG``); the sign-in's ``{"error", "error_description"}``;
Q-Flow's ``{"Message", "ModelState"}``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ..errors import ApiError, AuthError, NotFoundError, RateLimitError

MAX_MESSAGE_CHARACTERS = 500
# The gateway's, with whatever status: "The throttling threshold has been reached".
GATEWAY_THROTTLE = "APIG.0308"
# As in: policy user over ratelimit,limit:60,time:1 minute.
_QUOTA = re.compile(r"limit:\s*(\d{1,9})\s*,\s*time:\s*(\d{1,9})\s*(second|minute|hour|day)")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_CODES = "resCode", "error_code", "errorCode", "error"
_MESSAGES = "resMsg", "error_msg", "errorMsg", "error_description", "Message"
_REQUEST_IDS = "request_id", "requestId"
# Some gateways put all of it into an object.
_NESTED = {"code": "error_code", "message": "error_msg"}
IP_HINT = "an account may be bound to a range of IP addresses"


def read_refusal(value: Any) -> tuple[str | None, str, str | None]:
    """Return code, message and request id of an error's body; None and "" for what is not there."""
    if not isinstance(value, dict):
        return None, "", None
    if isinstance(nested := value.get("error"), dict):
        value = value | {_NESTED.get(name, name): part for name, part in nested.items()}
    code, message, request_id = (
        next((value[name] for name in names if isinstance(value.get(name), str | int)), None)
        for names in (_CODES, _MESSAGES, _REQUEST_IDS)
    )
    # ASP.NET's default, with the texts of each field.
    fields = value.get("ModelState")
    named = f" ({', '.join(fields)})" if isinstance(fields, dict) else ""
    text = f"{message or ''}{named}"[:MAX_MESSAGE_CHARACTERS]
    return (
        None if code is None else str(code),
        text,
        None if request_id is None else str(request_id)[:MAX_MESSAGE_CHARACTERS],
    )


def classify(
    error: ApiError,
    *,
    throttle_statuses: Collection[int] = (),
    throttle_codes: Collection[str] = (),
    missing_codes: Collection[str] = (),
) -> ApiError:
    """Return a refusal as the error that its code or status means to this tenant."""
    kind = type(error)
    if error.status in throttle_statuses or error.code in {GATEWAY_THROTTLE, *throttle_codes}:
        kind = RateLimitError
    elif error.code in missing_codes:
        kind = NotFoundError
    if kind is not type(error):
        error = kind(
            str(error),
            status=error.status,
            code=error.code,
            message=error.message,
            request_id=error.request_id,
        )
    if isinstance(error, RateLimitError) and (quota := parse_quota(error.message)):
        error.limit, error.period = quota
    return error


def parse_quota(text: str) -> tuple[int, float] | None:
    """Return so many requests in so many seconds, as the gateway writes them; None for neither.

    It writes ``limit:10,time:10 second`` in refusals, and in headers after ``remain:9,``.
    """
    if not (quota := _QUOTA.search(text)):
        return None
    limit, count, unit = quota.groups()
    return int(limit), int(count) * _SECONDS[unit]


def refuse_sign_in(value: Any) -> None:
    """Raise AuthError for a sign-in that was refused inside HTTP 200."""
    code, message, request_id = read_refusal(value)
    if code not in {None, "0"}:
        raise AuthError(
            f"sign-in: resCode {code}: {message} ({IP_HINT})",
            status=200,
            code=code,
            message=message,
            request_id=request_id,
        )
