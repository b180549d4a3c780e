"""A request as a value: what to send, and how to read the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from attrs import field, frozen

T = TypeVar("T")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@frozen(kw_only=True)
class Request(Generic[T]):
    """One call; ``repeatable`` when it may go out again though the service may have acted.

    ``signed`` requests carry an access token: all but a sign-in. ``denied`` are the statuses that
    mean: not with these credentials. ``headers`` go beside those of every request. An ``is_short``
    answer has a few kilobytes: the time for silence is all that it has.
    """

    operation: str
    method: str
    path: str
    body: bytes = field(repr=False)
    decode: Callable[[bytes], T] = field(repr=False)
    repeatable: bool
    content_type: str = JSON
    signed: bool = True
    denied: frozenset[int] = frozenset({401, 403})
    headers: Mapping[str, str] = field(default=MappingProxyType({}), repr=False)
    is_short: bool = False
