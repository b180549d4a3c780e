"""How many rows a window may have, as far as that is known, and what exceeds it."""

from __future__ import annotations

from http import HTTPStatus

from attrs import Factory, define

from ..errors import ApiError, ExportError
from .pages import MAX_ROWS_PER_PAGE
from .windows import Window, bisect


@define
class Limits:
    """What the readers of one run share: each learns for all.

    A window of ``max_rows`` rows can be read by offset, and its total is no cap; None is unknown.
    From ``cap`` rows on a total may be one that the service never exceeds. ``indivisible`` are
    windows that are read as they are, since totals say nothing about their parts.
    """

    max_rows: int | None = None
    cap: int | None = None
    indivisible: set[Window] = Factory(set)
    # Of any window that was read.
    deepest_row: int = 0

    def learn_depth(self, rows: int) -> None:
        """Take it that no window of more rows can be read."""
        self.max_rows = rows if self.max_rows is None else min(self.max_rows, rows)

    def learn_cap(self, total: int) -> None:
        """Take it that a total of so many rows may hide others."""
        self.cap = total if self.cap is None else min(self.cap, total)
        self.learn_depth(max(total - 1, 1))

    def ends_at_depth(self, stop: int) -> bool:
        """Return whether no window was read deeper than one that ended at this row, too early.

        Where another one was, its total is wrong, and halves would do no better.
        """
        self.deepest_row = max(self.deepest_row, stop)
        return stop + MAX_ROWS_PER_PAGE > self.deepest_row

    def is_too_large(self, window: Window, rows: int) -> bool:
        """Return whether a window should be read in halves instead."""
        if self.max_rows is None or rows <= self.max_rows:
            return False
        return bisect(window) is not None and window not in self.indivisible

    def may_be_capped(self, total: int) -> bool:
        """Return whether a total is as high as any that the service announces."""
        return self.cap is not None and total >= self.cap


class TooDeepError(Exception):
    """The service refuses a page that begins at row ``start``, as ``error`` says."""

    def __init__(self, start: int, error: ApiError) -> None:
        super().__init__(str(error))
        self.start = start
        self.error = error


def is_refused_depth(start: int, error: ApiError) -> bool:
    """Return whether a page may have been refused for its offset.

    Some services answer HTTP 500 to it. If the reason was another one, the first page of the half
    that is read instead fails as well, and its error is raised.
    """
    return start > 0 and (
        type(error) is ApiError or error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    )


def too_deep(window: Window, refused: ApiError) -> ExportError:
    """Return the error for a window that is as short as it gets, and has too many rows."""
    what = f"the offsets of its rows are refused ({refused})"
    if window.end and window.start:
        what += ", and it cannot be halved"
    return ExportError(
        f"{window}: {what}",
        window=str(window),
        resume="narrow the query by other filters, such as a type or an owner",
    )


def describe_cap(total: int) -> str:
    """Return the reason why a window with this total is not proven."""
    return f"the total may be capped at {total}"
