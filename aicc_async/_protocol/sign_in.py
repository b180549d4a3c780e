"""Signing in: a token for credentials, and for how long it is good."""

from __future__ import annotations

from math import inf
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen

from ..credentials import ClientCredentials
from ..errors import DecodeError
from .converter import loads
from .operations import TOKEN
from .requests import FORM, Request

SHORTEST_LIFETIME = 600.0  # seconds: the shortest seen on any deployment, where none is said


@frozen
class Grant:
    """What a sign-in gave: a token, and for how many seconds."""

    token: str = field(repr=False)
    lifetime: float


def sign_in(credentials: ClientCredentials) -> Request[Grant]:
    """Ask for a token; the secret goes in the body, never in the address."""
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
    """Take a token out of a sign-in's answer; it must be fit to stand in a header."""
    token = value.get(name) if isinstance(value, dict) else None
    if not isinstance(token, str) or not token or not token.isprintable():
        raise DecodeError(f"a token is needed @ $.{name}")
    return token


def _grant(body: bytes) -> Grant:
    value = loads(body)
    token = token_in(value, "access_token")
    try:
        lifetime = float(value.get("expires_in") or SHORTEST_LIFETIME)
    except (TypeError, ValueError, OverflowError):
        raise DecodeError("a number of seconds is needed @ $.expires_in") from None
    # a lifetime that makes no sense must not make every call sign in
    return Grant(token, lifetime if 0 < lifetime < inf else SHORTEST_LIFETIME)
