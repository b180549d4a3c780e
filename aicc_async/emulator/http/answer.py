"""Answers of the tenant as values, before aiohttp makes responses of them."""

from collections.abc import Mapping

import attrs
import msgspec

# Every sample of documents 000 to 002 and 004 prints this literal, with a percent-encoded
# semicolon. It is not a valid media type: a client that parses it strictly refuses the answer.
AICC_JSON = "application/json%3Bcharset=UTF-8"

PLAIN_JSON = "application/json; charset=utf-8"
HTML = "text/html"

NO_HEADERS: Mapping[str, str] = {}


@attrs.define
class Answer:
    """A whole answer; ``applied`` is true if the store was changed for it."""

    status: int
    body: bytes
    content_type: str = AICC_JSON
    headers: Mapping[str, str] = NO_HEADERS
    applied: bool = False


class BusinessError(Exception):
    """A request that the tenant refuses with a ``resCode`` other than ``"0"``, and HTTP 200."""

    # The documents name no codes for these refusals. The numbers are invented, in the range of the
    # two codes that were observed (405230602 and 405230603).
    MALFORMED = "405230001"
    MISSING = "405230002"
    TOO_LONG = "405230003"
    SPAN = "405230004"
    TOO_DEEP = "405230005"
    DENIED = "405230403"
    NOT_FOUND = "405230404"

    def __init__(self, code: str, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def to_answer(self) -> Answer:
        """Return the answer that reports this error."""
        return platform_error(self.status, self.code, self.message)


def platform_error(status: int, code: str, message: str) -> Answer:
    """Return what the platform answers on failure: ``{"resCode", "resMsg"}``."""
    return Answer(status, msgspec.json.encode({"resCode": code, "resMsg": message}))
