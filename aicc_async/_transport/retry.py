"""One answer to "may this be sent again, and when?".

By operation, never by HTTP verb (see the table of operations). Whatever it is, it is sent again
when it is certain that it never left, or that it was refused with HTTP 429; after HTTP 5xx, a
time-out or a lost connection only if it is repeatable. The back-off is AWS's "full jitter"
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), the retry budget that
of botocore's standard mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from ..errors import AICCError, DecodeError, RateLimitError, ServerError, TransportError
from ..settings import RetryPolicy

T = TypeVar("T")
# Those of botocore's standard mode: how much retries may cost before a storm is stopped.
RETRY_BUDGET = 500
RETRY_COST = 5
# An attempt that has no time left still ends as a timeout.
MIN_TIMEOUT = 0.001  # seconds


def may_resend(error: BaseException | None, *, repeatable: bool) -> bool:
    """Return whether a request that failed like this may be sent again."""
    if isinstance(error, RateLimitError):
        return True
    if isinstance(error, TransportError):
        return repeatable or not error.sent
    return repeatable and isinstance(error, ServerError)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return ``Retry-After`` (seconds, or a date) in seconds; None without a valid one."""
    text = headers.get("Retry-After", "").strip()
    with suppress(ValueError):
        seconds = float(text)
        return max(seconds, 0.0) if isfinite(seconds) else None
    with suppress(ValueError, TypeError, IndexError):
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max((aware - (now or datetime.now(UTC))).total_seconds(), 0.0)
    return None


def may_have_happened(error: BaseException | None) -> bool:
    """Return whether the service may have acted: not if it refused with less than HTTP 500."""
    if isinstance(error, TransportError):
        return error.sent
    return isinstance(error, ServerError | DecodeError)


class RetryBudget:
    """Stops a storm when the service is down: retries cost, successes give back."""

    def __init__(self, size: int = RETRY_BUDGET) -> None:
        self._size = size
        self._left = size

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        if self._left < RETRY_COST:
            return False
        self._left -= RETRY_COST
        return True

    def give_back(self, retries: int) -> None:
        """Note a success: what its retries cost comes back, and a little for a first one."""
        self._left = min(self._size, self._left + max(retries * RETRY_COST, 1))


class Call:
    """One call and its attempts: when the next one goes, and when to give up.

    ``spent`` is the time that counts against the deadline: attempts and waits between them, not the
    waits for the rate limit. ``failure`` is what the last attempt ended with: an error from
    anywhere else, such as a failed sign-in, was retried there already and says nothing about this
    request. ``pause_all`` holds back every call for so many seconds; ``on_departure`` as
    ``Session.send`` has it.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        budget: RetryBudget,
        *,
        repeatable: bool,
        pause_all: Callable[[float], None],
        on_departure: Callable[[bool], None] | None = None,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._repeatable = repeatable
        self._pause_all = pause_all
        self.on_departure = on_departure
        self.spent = 0.0
        self.retries = 0
        self.failure: AICCError | None = None

    @property
    def left(self) -> float:
        """Seconds that an attempt may still take."""
        return max(self._policy.deadline - self.spent, MIN_TIMEOUT)

    @property
    def is_in_doubt(self) -> bool:
        """Whether something may have happened that must not happen twice."""
        return not self._repeatable and may_have_happened(self.failure)

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt it, and again while that is safe and promises anything.

        tenacity's loop costs a third of a request: the first attempt is made before it, and only
        its failure is handed in.
        """
        try:
            return await attempt()
        except AICCError as error:
            failed = [error]

        async def again() -> T:
            if failed:
                raise failed.pop()
            return await attempt()

        # One for this call alone: tasks that share one mix their states.
        retrying = AsyncRetrying(
            retry=retry_if_exception(
                lambda error: (
                    error is self.failure and may_resend(error, repeatable=self._repeatable)
                )
            ),
            wait=self._wait,
            stop=self._should_stop,
            before_sleep=self._note_retry,
            sleep=asyncio.sleep,
            reraise=True,
        )
        answer: T = await retrying(again)
        return answer

    def _wait(self, state: RetryCallState) -> float:
        """Honour ``Retry-After`` over the back-off; a 429 holds everybody back."""
        full_jitter = wait_random_exponential(multiplier=self._policy.base, max=self._policy.cap)
        error = self.failure
        asked = error.retry_after if isinstance(error, RateLimitError | ServerError) else None
        pause = max(full_jitter(state), min(asked or 0.0, self._policy.max_retry_after))
        if isinstance(error, RateLimitError):
            self._pause_all(pause)
        return pause

    def _should_stop(self, state: RetryCallState) -> bool:
        is_too_late = self.spent + state.upcoming_sleep >= self._policy.deadline
        if is_too_late or stop_after_attempt(self._policy.attempts)(state):
            return True
        # A 429 pauses everybody: that is no storm.
        return not isinstance(self.failure, RateLimitError) and not self._budget.take()

    def _note_retry(self, state: RetryCallState) -> None:
        self.retries += 1
        self.spent += state.upcoming_sleep
