"""A strict quota: at most so many requests in any sliding second, counted on arrival.

A fixed window that starts anew every second would let twice the quota through around its boundary.
A client that keeps to this quota keeps to any other way of counting.
"""

from collections import deque

import attrs

WINDOW = 1.0  # seconds


@attrs.define
class LastSecond:
    """The requests of the last second."""

    _times: deque[float] = attrs.field(factory=deque, init=False)

    def add(self, now: float) -> None:
        """Note a request."""
        self._times.append(now)

    def count(self, now: float) -> int:
        """Count the requests of the second that ends now."""
        # A request that is exactly one second old no longer counts: the window is half-open.
        while self._times and now - self._times[0] >= WINDOW:
            self._times.popleft()
        return len(self._times)


@attrs.define
class Quota:
    """The gate that every request passes or is refused at.

    ``peak`` is the highest number of requests that arrived in any second, refused ones included.
    """

    peak: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    _arrived: LastSecond = attrs.field(factory=LastSecond, init=False)
    _passed: LastSecond = attrs.field(factory=LastSecond, init=False)

    def passed(self, now: float) -> int:
        """Count what passed in the second that ends now."""
        return self._passed.count(now)

    def admit(self, now: float, limit: int | None) -> bool:
        """Count an arrival; return whether it passes ``limit`` a second (None: all pass)."""
        self._arrived.add(now)
        self.peak = max(self.peak, self._arrived.count(now))
        if limit is None:
            return True
        # Refused requests use up nothing, so a client that retries at once is not locked out.
        if self._passed.count(now) >= limit:
            self.refused += 1
            return False
        self._passed.add(now)
        return True
