"""A strict quota: at most so many requests in any sliding second, counted on arrival."""

from collections import deque

import attrs

WINDOW = 1.0


@attrs.define
class LastSecond:
    """The times of one last second."""

    _arrivals: deque[float] = attrs.field(factory=deque, init=False)

    def add(self, now: float) -> None:
        """Note a request."""
        self._arrivals.append(now)

    def count(self, now: float) -> int:
        """Count the requests of the second that ends now."""
        times = self._arrivals
        while times and now - times[0] >= WINDOW:
            times.popleft()
        return len(times)


@attrs.define
class Quota:
    """The gate.

    `peak` is the most that arrived in any second, passed or not; `refused` counts the rest.
    """

    peak: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    _arrived: LastSecond = attrs.field(factory=LastSecond, init=False)
    _passed: LastSecond = attrs.field(factory=LastSecond, init=False)

    def admit(self, now: float, limit: int | None) -> bool:
        """Count an arrival: `limit` a second pass, None lets all; refused ones use up nothing."""
        self._arrived.add(now)
        self.peak = max(self.peak, self._arrived.count(now))
        if limit is None:
            return True
        if self._passed.count(now) >= limit:
            self.refused += 1
            return False
        self._passed.add(now)
        return True
