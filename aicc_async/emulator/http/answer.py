"""What the tenant says back, before it is a response of aiohttp's."""

from collections.abc import Mapping

import attrs
import msgspec

AICC_JSON = "application/json%3Bcharset=UTF-8"
"""The literal of every sample: a percent-encoded semicolon (documents 000 to 002 and 004)."""

PLAIN_JSON = "application/json; charset=utf-8"
HTML = "text/html"

NO_HEADERS: Mapping[str, str] = {}


@attrs.define
class Answer:
    """One whole answer; `applied` says that the store was changed for it."""

    status: int
    body: bytes
    content_type: str = AICC_JSON
    headers: Mapping[str, str] = NO_HEADERS
    applied: bool = False


class BusinessError(Exception):
    """A request that the tenant refuses with HTTP 200 and a `resCode` other than `"0"`.

    The documents name no codes for this, those used here are invented.
    """

    MALFORMED = "405230001"
    MISSING = "405230002"
    TOO_LONG = "405230003"
    SPAN = "405230004"
    TOO_DEEP = "405230005"
    NOT_FOUND = "405230404"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def platform_error(status: int, code: str, message: str) -> Answer:
    """Answer as the platform does on failure: `{"resCode", "resMsg"}`."""
    return Answer(status, msgspec.json.encode({"resCode": code, "resMsg": message}))
