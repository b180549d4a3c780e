"""Signing in: a token for credentials, and for how long it is good."""

from __future__ import annotations

from math import inf
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen

from ..credentials import ClientCredentials
from ..errors import DecodeError
from .lenient import read_json
from .operations import TOKEN
from .refusals import refuse_sign_in
from .requests import FORM, Request

# The shortest seen on any deployment, for where none is announced.
DEFAULT_LIFETIME = 600.0  # seconds


@frozen
class Grant:
    """What a sign-in gave: a token, and how many seconds it is good for."""

    token: str = field(repr=False)
    lifetime: float


def sign_in(credentials: ClientCredentials) -> Request[Grant]:
    """Return the request for a token; the secret goes in the body, never in the address."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    return Request(
        operation=TOKEN.name,
        method=TOKEN.method,
        path=TOKEN.path_of(),
        body=urlencode(form).encode(),
        decode=_grant,
        repeatable=TOKEN.repeatable,
        content_type=FORM,
        signed=False,
        denied=frozenset({400, 401, 403}),
    )


def token_in(value: Any, name: str) -> str:
    """Return the token of a sign-in's answer, which must be fit for a header."""
    token = value.get(name) if isinstance(value, dict) else None
    if not isinstance(token, str) or not token or not token.isprintable():
        if name == "access_token":
            refuse_sign_in(value)
        # Never the token itself.
        raise DecodeError(f"must be a printable str, got {type(token).__name__} @ $.{name}")
    return token


def _grant(body: bytes) -> Grant:
    value = read_json(body)
    token = token_in(value, "access_token")
    try:
        lifetime = float(value.get("expires_in") or DEFAULT_LIFETIME)
    except (TypeError, ValueError, OverflowError):
        found = type(value["expires_in"]).__name__
        raise DecodeError(f"must be a number of seconds, got {found} @ $.expires_in") from None
    # A lifetime that makes no sense must not make every call sign in.
    return Grant(token, lifetime if 0 < lifetime < inf else DEFAULT_LIFETIME)
