"""What a checkpoint's state holds, to tell one that was damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from .manifest import WindowReport, parse_time
from .manifest_json import load_record


@frozen(kw_only=True)
class SavedPlan:
    """The named values of an export that is planned: its range, its totals, and how far it came.

    Times are wall-clock texts; ``began`` is UTC. ``since`` is where the query began, ``start`` and
    ``end`` are the frozen range. ``cap``, ``sha256`` and ``writing`` are only there once they are
    known.
    """

    fingerprint: Mapping[str, Any]
    start: str | None
    end: str
    since: str | None
    began: str
    announced: int | None
    highest: int
    rows_after: int
    planned: int
    runs: int
    requests: int
    retries: int
    throttled: int
    seconds: float
    cap: int | None = None
    sha256: str | None = None
    writing: bool = False


@frozen(kw_only=True)
class SavedWindow:
    """What is saved of a window besides its times; None until it is finished, but for ``count``."""

    count: int
    report: WindowReport | None
    size: int | None
    days: Mapping[str, int] | None


def check_plan(values: Mapping[str, Any]) -> None:
    """Raise MisfitError or ValueError unless the named values are those of a plan."""
    saved = load_record(values, SavedPlan)
    for text in (saved.start, saved.end, saved.since):
        _check_time(text)


def check_window(start: str | None, end: str | None, values: Mapping[str, Any]) -> None:
    """Raise MisfitError, TypeError or ValueError unless the values are those of a window."""
    saved = load_record(values, SavedWindow)
    if len({saved.report is None, saved.size is None, saved.days is None}) > 1:
        raise ValueError("a window must be finished or not")
    _check_time(start)
    _check_time(end)


def _check_time(text: str | None) -> None:
    """Raise TypeError or ValueError unless a text is a wall-clock time, or None."""
    moment = parse_time(text)
    if moment and moment.tzinfo:
        raise ValueError("a wall-clock time has no offset")
