"""What all runs of an export did together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from .._transport.session import Stats


@frozen
class Seen:
    """Requests, retries and throttles of all runs so far, and their seconds of work."""

    requests: int
    retries: int
    throttled: int
    seconds: float


class Totals:
    """Adds what a client does from now on to what earlier runs noted."""

    def __init__(self, stats: Stats, notes: Mapping[str, Any]) -> None:
        self._stats = stats
        self._began = time.monotonic()
        names = ("requests", "retries", "throttled")
        self._before = {name: notes.get(name, 0) - getattr(stats, name) for name in names}
        self._seconds = notes.get("seconds", 0.0)

    def now(self) -> Seen:
        """Sum up."""
        stats, before = self._stats, self._before
        return Seen(
            stats.requests + before["requests"],
            stats.retries + before["retries"],
            stats.throttled + before["throttled"],
            time.monotonic() - self._began + self._seconds,
        )

    def notes(self) -> dict[str, Any]:
        """Sum up, to be noted for a run to come."""
        seen = self.now()
        return {
            "requests": seen.requests,
            "retries": seen.retries,
            "throttled": seen.throttled,
            "seconds": seen.seconds,
        }
