"""Access tokens: issued for client credentials, valid for their lifetime, refused afterwards."""

import secrets
import time
from urllib.parse import parse_qs

import attrs
import msgspec

from .answer import PLAIN_JSON, Answer

FORM = "application/x-www-form-urlencoded"


@attrs.define
class IssuedTokens:
    """Every token issued, with the time at which it expires."""

    lifetime: float
    _expiry: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)

    def issue(self) -> str:
        """Return a new valid token."""
        # The tokens in the documents' samples end in "=" too, which must survive every header.
        token = f"{secrets.token_urlsafe(32)}="
        self._expiry[token] = time.monotonic() + self.lifetime
        return token

    def is_valid(self, token: str | None) -> bool:
        """Return whether a token was issued and has not expired."""
        return token is not None and time.monotonic() < self._expiry.get(token, 0.0)

    def expire_all(self) -> None:
        """Refuse all tokens issued so far."""
        self._expiry.clear()


def sign_in(
    tokens: IssuedTokens,
    body: bytes,
    *,
    query: str,
    content_type: str,
    credentials: tuple[str, str],
    is_only: bool = False,
) -> Answer:
    """Answer a token request (client credentials, form-encoded); the only token ends all others."""
    form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
    # A query string is refused, whatever is in it: secrets in an address end up in access logs.
    if query or content_type.partition(";")[0].strip() != FORM:
        return _refuse("invalid_request", "credentials belong into a form-encoded body")
    if form.get("grant_type") != "client_credentials":
        return _refuse("unsupported_grant_type", "only client_credentials")
    if (form.get("client_id"), form.get("client_secret")) != credentials:
        return _refuse("invalid_client", "unknown client or wrong secret")
    if is_only:
        tokens.expire_all()
    lifetime = tokens.lifetime
    answer = {
        "access_token": tokens.issue(),
        # The platform sends whole seconds; fractions are for tests that cannot wait that long.
        "expires_in": int(lifetime) if lifetime == int(lifetime) else lifetime,
        "token_type": "Bearer",
    }
    return Answer(200, msgspec.json.encode(answer), PLAIN_JSON)


def _refuse(error: str, description: str) -> Answer:
    """Return an OAuth error; the platform sends HTTP 400 also for wrong credentials, not 401."""
    body = msgspec.json.encode({"error": error, "error_description": description})
    return Answer(400, body, PLAIN_JSON)
