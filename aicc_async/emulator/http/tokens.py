"""Access tokens: issued for client credentials, valid for a while, refused afterwards."""

import secrets
import time
from urllib.parse import parse_qs

import attrs
import msgspec

from .answer import PLAIN_JSON, Answer

FORM = "application/x-www-form-urlencoded"


@attrs.define
class IssuedTokens:
    """Every token issued and when it expires."""

    lifetime: float
    _expiry: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)

    def issue(self) -> str:
        """Make a new valid token."""
        token = f"{secrets.token_urlsafe(32)}="
        self._expiry[token] = time.monotonic() + self.lifetime
        return token

    def is_valid(self, token: str | None) -> bool:
        """Say whether a token was issued and has not expired."""
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
) -> Answer:
    """Answer the token request (client credentials, form-encoded, nothing in the query string)."""
    form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if query or content_type.partition(";")[0].strip() != FORM:
        return _refusal("invalid_request", "credentials belong into a form-encoded body")
    if form.get("grant_type") != "client_credentials":
        return _refusal("unsupported_grant_type", "only client_credentials")
    if (form.get("client_id"), form.get("client_secret")) != credentials:
        return _refusal("invalid_client", "unknown client or wrong secret")
    return _issued(tokens)


def _issued(tokens: IssuedTokens) -> Answer:
    lifetime = tokens.lifetime
    answer = {
        "access_token": tokens.issue(),
        "expires_in": int(lifetime) if lifetime == int(lifetime) else lifetime,
        "token_type": "Bearer",
    }
    return Answer(200, msgspec.json.encode(answer), PLAIN_JSON)


def _refusal(error: str, description: str) -> Answer:
    body = msgspec.json.encode({"error": error, "error_description": description})
    return Answer(400, body, PLAIN_JSON)
