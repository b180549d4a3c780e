"""Listings whose total the service does not tell: they are read to their end, which tells it."""

from __future__ import annotations

from typing import TypeVar

from ..errors import ExportError
from .pages import UNTOLD, Page
from .paging import Fetch
from .windows import Window

R = TypeVar("R")


def counted(fetch: Fetch[R]) -> Fetch[R]:
    """Make of a function that fetches a page one whose pages always have a total.

    Where none is told, a page holds all rows from ``start`` on: it is read on until nothing new
    comes, since a page shorter than asked may be all that the service gives at once. A full page
    that comes again and again raises ExportError: what stands behind it can't be had.
    """

    async def fetch_on(window: Window, start: int, limit: int) -> Page[R]:
        page = await fetch(window, start, limit)
        if page.count != UNTOLD:
            return page
        rows: dict[str, R] = {}
        size = 0
        while not rows.keys() >= set(page.ids):
            rows |= zip(page.ids, page.rows, strict=True)
            size += page.size
            page = await fetch(window, start + len(rows), limit)
        if len(page.ids) >= limit:
            raise ExportError(f"the service gives the same {limit} rows again: it ignores start")
        return Page(list(rows), list(rows.values()), start + len(rows), size)

    return fetch_on
