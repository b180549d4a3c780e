"""At most as many in any T as the service accepts, which is found out on the way.

The idea: a sliding window whose size follows a ``Search``. The invariant: the window is never
larger than its limit, and the last tenth of it is handed out one by one; so a limit that is a
little too high is refused once or twice, not by the whole window at once. The first refusal may be
that of a burst, which says nothing about the limit: it makes all sends even, and those after it
count. What it can't see: other processes, each of which finds a limit of its own (see ``shared``).
"""

from __future__ import annotations

import asyncio
from math import inf

from .search import Search, keep_to, lower_limit, raise_limit, start_search, wait_out
from .sliding_window import AcquiredSlot, Limiter, Slot

# Of an even distance between sends: closer than that, so that the time of a pause is made up for.
MIN_SPACING_SHARE = 0.5
# Of the limit: so much may go at once.
BURST_SHARE = 0.9


class AdaptiveLimiter:
    """A limiter whose limit follows what the service accepts, up to a ceiling."""

    def __init__(self, start: int, ceiling: int, *, per: float = 1.0) -> None:
        self._per = per
        self._ceiling = ceiling
        self._search = start_search(start)
        self._limiter = Limiter(start, per=per)
        self._lock = asyncio.Lock()
        self._next_at = 0.0
        # From the first refusal, or the first even send, on all sends are even.
        self._even_since: float | None = None

    @property
    def limit(self) -> int:
        """The limit at this moment."""
        return self._search.limit

    async def acquire(self, *, is_even: bool = False) -> Slot | None:
        """Wait for a slot and take it."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            if is_even and self._even_since is None:
                self._even_since = loop.time()
            slot = await self._limiter.acquire(is_even=self._even_since is not None)
            sent = self._limiter.count_sent()
            if sent > self._search.limit * BURST_SHARE and self._next_at > loop.time():
                try:
                    await asyncio.sleep(self._next_at - loop.time())
                except BaseException:
                    self._limiter.put_back(slot)
                    raise
            now, per, ceiling = loop.time(), self._per, self._ceiling
            self._apply(raise_limit(self._search, now=now, sent=sent, per=per, ceiling=ceiling))
            self._next_at = now + MIN_SPACING_SHARE * per / self._search.limit
            return slot

    def note_answer(self, slot: AcquiredSlot | None) -> None:
        """Do nothing, as ``release``."""

    def release(self) -> None:
        """Do nothing: this limit counts from the send, not from the answer."""

    def least_wait(self, *, is_even: bool = False) -> float:
        """Return for how many seconds whoever comes next waits at the least.

        How long those behind it wait is not known: the limit may rise meanwhile.
        """
        return self._limiter.least_wait(is_even=is_even or self._even_since is not None)

    def pause(self, seconds: float, *, sent_at: float = inf) -> None:
        """Hold everybody back after a 429 to what was sent then, and lower the limit."""
        now, sent = asyncio.get_running_loop().time(), self._limiter.count_sent()
        is_first, shows_limit = self._even_since is None, sent > self._search.proven_limit + 1
        if is_first:
            self._even_since = now
        if shows_limit or (not is_first and sent_at > (self._even_since or now)):
            self._apply(
                lower_limit(
                    self._search,
                    now=now,
                    sent_at=sent_at,
                    sent=sent,
                    seconds=seconds,
                    per=self._per,
                )
            )
            seconds = self._search.held_until - now
        elif is_first:
            self._apply(wait_out(self._search, now=now, seconds=seconds, per=self._per))
        self._limiter.hold(seconds)

    def note_quota(self, limit: int, period: float) -> None:
        """Go no higher from now on than the quota that the service names, one at least."""
        self._ceiling = min(self._ceiling, max(int(limit * self._per / period), 1))
        self._apply(keep_to(self._search, self._ceiling))

    async def close(self) -> None:
        """Do nothing: nothing is open here."""

    def _apply(self, search: Search) -> None:
        if search.limit != self._search.limit:
            self._limiter.resize(search.limit)
        self._search = search
