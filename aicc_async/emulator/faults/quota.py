"""A strict quota: at most so many requests in any sliding second, counted on arrival.

A fixed window that starts anew every second would let twice the quota through around its boundary.
A client that keeps to this quota keeps to any other way of counting a second. Gateways count in
other ways as well: with a bucket of tokens, or in windows of a minute.
"""

from collections import deque

import attrs

from ..options import Bucket, FixedWindow

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
    _spent: float = attrs.field(default=0.0, init=False)
    _spent_at: float = attrs.field(default=0.0, init=False)

    def passed(self, now: float) -> int:
        """Count what passed in the second that ends now."""
        return self._passed.count(now)

    def admit(self, now: float, limit: int | Bucket | FixedWindow | None) -> bool:
        """Count an arrival; return whether it passes ``limit`` (None: all pass)."""
        self._arrived.add(now)
        self.peak = max(self.peak, self._arrived.count(now))
        if limit is None:
            return True
        # Refused requests use up nothing, so a client that retries at once is not locked out.
        if not self._has_room(now, limit):
            self.refused += 1
            return False
        self._passed.add(now)
        self._spent += 1
        return True

    def _has_room(self, now: float, limit: int | Bucket | FixedWindow) -> bool:
        if isinstance(limit, int):
            return self._passed.count(now) < limit
        before, self._spent_at = self._spent_at, now
        if isinstance(limit, Bucket):
            self._spent = max(self._spent - (now - before) * limit.per_second, 0.0)
            return self._spent + 1 <= limit.burst
        if now // limit.seconds > before // limit.seconds:
            self._spent = 0.0
        return self._spent < limit.requests
