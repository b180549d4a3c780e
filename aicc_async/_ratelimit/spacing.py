"""How far apart sends are, and how fast they are again after a refusal.

The idea: a service may count in another way than a sliding window. A leaky bucket (nginx's
``limit_req``) refuses the second of two requests that arrive together, however few there are in a
second: https://nginx.org/en/docs/http/ngx_http_limit_req_module.html. So what is known to go on for
long is sent evenly. After a refusal everything is, whatever the limit: one request first, the next
ones at half the rate that was seen, and then at a rate that follows a ``Pace``. The invariant: in
those times no two sends are closer than ``per`` divided by the rate, less a few per cent, counted
from when the first of them left. What it can't see: how long each is on its way.

A limit of the caller's own that was not refused is kept by its sliding window. Even sends cost 1 %
of it there. In return a turn of N sends doesn't repeat the bursts and the late timers of the one
before: each send has a time of its own at which it is due, and what was late is made up for, most
of it where the distance is too short for a timer to keep.
"""

from __future__ import annotations

from collections import deque

from .pace import Pace, assume_sent, initial_pace, lower_limit, raise_limit

# Sends that are remembered, to know the rate at which something was refused.
MAX_LOGGED = 1000
# The rate after the first refusal, where half of what was seen is less: a client that has just
# begun has seen next to nothing.
MIN_FIRST_LIMIT = 5
# Of the distance: so much closer sends may be, to make up for a timer that was late.
CATCH_UP_SHARE = 0.03
# Under a limit of the caller's own it is at least this, which a bucket of 20/s still lets through
# from a limit of 18/s.
CATCH_UP_SECONDS = 0.0025
# A busy machine's timers are late by as much as this: what is due then goes at once.
MIN_KEPT_INTERVAL = 0.03  # seconds
# So much may be made up for in all by those who wait: a busy machine's stalls.
MAX_DEBT_SECONDS = 0.25
# What is late by more than the first has rested, and makes up for no more than the second; or a
# rest would be followed by a rush.
MIN_REST_SECONDS = 0.5
REST_DEBT_SECONDS = 0.05
# For even sends T is that much longer. Slots are free a little before they are due, so what was
# late, or left in a burst, comes nearer to its due time with each turn, and is spread again.
RECOVERY_SECONDS = 0.01
# Without a limit the rate is not held back any more once it is that high again.
MAX_PACED_LIMIT = 500


class Spacing:
    """The distance between sends under a limit (None: there is none); all times are the loop's.

    ``burst`` is how many may go at once after a rest (None: as many as the limit lets through).
    """

    def __init__(self, limit: int | None, per: float, *, burst: int | None = None) -> None:
        self._limit = limit
        self._per = per
        self._burst = burst
        self._pace: Pace | None = None
        self._paced_since = 0.0
        self._sent: deque[float] = deque(maxlen=MAX_LOGGED)
        # A burst that was chosen is kept, and so is what refusals have shown.
        self._is_lenient = burst is None
        # When the next send is due if all are evenly spaced, and when it is far from the last one.
        self.due_at = 0.0
        self._apart_at = 0.0

    @property
    def is_free(self) -> bool:
        """Whether sends need no distance, limit or not."""
        return self._pace is None and self._limit is None

    def next_at(self, *, is_even: bool) -> float:
        """Return when the next send may leave at the earliest; ``is_even``: evenly in any case."""
        if self._pace or is_even:
            return max(self.due_at, self._apart_at)
        if self._burst is None:
            return 0.0
        return self.due_at - (self._burst - 1) * self._interval

    def begin(self, at: float) -> None:
        """Begin to be even then: nothing that was due before is made up for."""
        if self._is_lenient and self._pace is None:
            self.due_at = max(self.due_at, at)

    def resize(self, limit: int) -> None:
        """Change the limit, to one that was found by refusals."""
        self._limit = limit
        self._is_lenient = False

    def change_span(self, per: float) -> None:
        """Count in another span; what refusals have shown so far was about the old one."""
        self._per = per
        self._pace = None

    def add(self, now: float) -> None:
        """Note a send, and go faster if it is time."""
        self._sent.append(now)
        if self._pace:
            ceiling = self._limit or MAX_PACED_LIMIT
            sent, per = self._count(now), self._per
            pace = raise_limit(self._pace, now=now, sent=sent, per=per, ceiling=ceiling)
            self._pace = None if self._limit is None and pace.limit >= ceiling else pace
        is_own = self._is_lenient and not self._pace
        if is_own and now > self.due_at + MIN_REST_SECONDS:
            self.due_at = now - REST_DEBT_SECONDS
        self.due_at += self._interval
        self.mark_sent(now)

    def mark_sent(self, now: float) -> None:
        """Note that the latest send left only now: distances count from then."""
        catch_up, debt = self._tolerance()
        self.due_at = max(self.due_at, now + self._interval - debt)
        self._apart_at = max(self._apart_at, now + self._interval - catch_up)

    def slow_down(self, now: float, sent_at: float) -> None:
        """Note a refusal of what was sent then, and go slower.

        What was sent before the first refusal shows nothing about the rate that was chosen then.
        """
        if self._pace is None:
            first = max(self._count(now) // 2, MIN_FIRST_LIMIT)
            self._pace = initial_pace(min(first, self._limit or first))
            self._paced_since, self.due_at = now, now + self._interval
        elif sent_at > self._paced_since:
            sent, per = assume_sent(self._pace, self._count(now)), self._per
            self._pace = lower_limit(self._pace, now=now, sent=sent, seconds=0.0, per=per)

    def _tolerance(self) -> tuple[float, float]:
        """Return by how much one send may be closer than the interval, and how late all may be."""
        interval = self._interval
        share = CATCH_UP_SHARE * interval
        if self._pace or not self._is_lenient:
            return share, share
        is_kept = interval >= MIN_KEPT_INTERVAL
        catch_up = max(share, CATCH_UP_SECONDS) if is_kept else interval
        return catch_up, max(catch_up, MAX_DEBT_SECONDS)

    @property
    def _interval(self) -> float:
        if self._pace:
            return self._per / self._pace.limit
        recovery = RECOVERY_SECONDS if self._is_lenient else 0.0
        return (self._per + recovery) / self._limit if self._limit else 0.0

    def _count(self, now: float) -> int:
        """Count the sends of the last T."""
        while self._sent and self._sent[0] <= now - self._per:
            self._sent.popleft()
        return len(self._sent)
