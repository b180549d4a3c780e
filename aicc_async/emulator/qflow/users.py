"""Q-Flow's sign-in: a user and a password for an APIToken."""

from collections.abc import Mapping

import attrs
import msgspec

from ..http.answer import PLAIN_JSON, Answer
from ..http.tokens import IssuedTokens
from ..options import Readings
from .aspnet import ACCESS_DENIED, RefusedError, RequestModel

SIGN_IN = RequestModel(
    required=("UserName", "Password"),
    lengths={"UserName": 254, "Password": 250},
)


@attrs.define
class Users:
    """The only user of the invented Q-Flow, and the tokens issued to it."""

    tokens: IssuedTokens
    credentials: tuple[str, str] = attrs.field(repr=False)

    def sign_in(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer with the user's detail, which has its token."""
        try:
            wire = SIGN_IN.bind(body, headers)
        except RefusedError as refusal:
            return refusal.to_answer()
        if (wire["UserName"], wire["Password"]) != self.credentials:
            return denied_answer()
        # Of the detail only ``APIToken`` is documented.
        user = {"UserId": 1, "UserName": wire["UserName"], "APIToken": self.tokens.issue()}
        return Answer(200, msgspec.json.encode(user), PLAIN_JSON)

    def is_signed_in(self, headers: Mapping[str, str], readings: Readings) -> bool:
        """Return whether the tenant's header has a valid token after the tenant's prefix."""
        # No document says which header carries the token, so both are settings.
        value, prefix = headers.get(readings.qflow_header, ""), readings.qflow_prefix
        return value.startswith(prefix) and self.tokens.is_valid(value.removeprefix(prefix))


def denied_answer() -> Answer:
    """Return the answer to a caller who is not signed in."""
    return RefusedError(401, ACCESS_DENIED).to_answer()
