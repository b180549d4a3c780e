"""Whether the platform below AICC answers this account on its own route.

That route could read cases in an order and by any field. It is documented for the platform
(https://support.huaweicloud.com/intl/pt-br/api-astrozero/astrozero_api_0026.html), not for AICC.
"""

from __future__ import annotations

from functools import partial

from .._api import CaseApi
from .._protocol.envelope import open_envelope
from .._protocol.operations import PLATFORM_COUNT
from .._protocol.requests import Request
from ..errors import ApiError, DecodeError, RateLimitError, UnknownOutcome

MAX_CODE_CHARACTERS = 80
# An empty condition counts all cases. What the result looks like does not matter.
_COUNT: Request[object] = Request(
    operation=PLATFORM_COUNT.name,
    method=PLATFORM_COUNT.method,
    path=PLATFORM_COUNT.path_of(),
    body=b'{"condition":{}}',
    decode=partial(open_envelope, operation=PLATFORM_COUNT.name),
    repeatable=PLATFORM_COUNT.repeatable,
    # HTTP 401 is an answer: a sign-in would not change it, and might end the token of others.
    denied=frozenset(),
)


async def ask_platform(api: CaseApi) -> str:
    """Ask for a count of cases, once, and return how that was met: ``answered``, or how not."""
    try:
        await api.send(_COUNT)
    except UnknownOutcome as error:
        return _describe(error.__cause__)
    except RateLimitError:
        raise
    except ApiError as error:
        return _describe(error)
    return "answered"


def describe_refusal(error: ApiError) -> str:
    """Return status and code of a refusal, without its message."""
    code = "".join(mark for mark in error.code or "" if mark.isprintable())[:MAX_CODE_CHARACTERS]
    return f"HTTP {error.status}" + (f", resCode {code}" if code else "")


def _describe(error: BaseException | None) -> str:
    if isinstance(error, ApiError):
        return f"refused: {describe_refusal(error)}"
    if isinstance(error, DecodeError):
        return "answered otherwise than documented"
    return "not answered"
