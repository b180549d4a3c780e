"""How late a request may have arrived, as seen from its answer.

The idea: each request is on its way for the least possible time, and some more. What it took until
the answer, less the shortest such time of all, is a bound for that "some more", wherever on the way
it was lost. The invariant: two requests that leave T and that bound apart don't arrive closer than
T. What it can't see: whether the time was lost on the way, or in the service after it had counted;
and a way that has become shorter than it ever was.
"""

from __future__ import annotations

from math import inf

# Until so many answers are in, any of their time may have been lost.
MIN_ANSWERS = 8
# The shortest time that was seen is not quite the shortest possible.
MARGIN_SECONDS = 0.003


class Arrivals:
    """What the answers so far took, in seconds."""

    def __init__(self, per: float) -> None:
        self._per = per
        self._shortest = inf
        self._count = 0
        # The first ones, in a burst, wait for each other: they show nothing until T is over.
        self._known_at = 0.0
        self._known = 0.0

    def add(self, now: float, seconds: float) -> None:
        """Note what an answer took that begins now."""
        self._known_at = self._known_at or now + self._per
        self._count += 1
        self._shortest = min(self._shortest, seconds)
        if now >= self._known_at and self._count >= MIN_ANSWERS:
            self._known = self._shortest

    def max_delay(self, seconds: float) -> float:
        """Return how much later than the quickest it may have arrived, if its answer took this."""
        return max(seconds - self._known, 0.0) + MARGIN_SECONDS
