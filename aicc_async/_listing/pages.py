"""A page of a listing, however it was asked for."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import field, frozen

R = TypeVar("R")
UNTOLD = -1  # the total of a page whose total the service does not tell


@frozen
class Page(Generic[R]):
    """A page of a listing: rows, their ids, the total that the service announced, and bytes."""

    ids: list[str]
    rows: list[R] = field(repr=False)  # people stand in them
    count: int
    size: int
