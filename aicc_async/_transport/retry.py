"""One answer to "may this be sent again, and when?".

By operation, never by HTTP verb (see the table of operations). Whatever it is, it is sent again
when it is certain that it never left, or that it was refused with HTTP 429; after HTTP 5xx, a
time-out, a lost connection, HTTP 408 or 425, or an answer that is empty or HTML, only if it is
repeatable. A refusal ends a call by its deadline, and what belongs to a long reading goes on
through an outage; anything else has its attempts.

The back-off is AWS's "full jitter"
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); its bases and the retry
budget are those of AWS's standard mode as revised in 2026: 50 ms, but 1 s after a refusal, which
costs less of the budget (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf, isfinite
from typing import Protocol, TypeVar

from ..errors import (
    AICCError,
    ApiError,
    DecodeError,
    RateLimitError,
    ServerError,
    TransportError,
)
from ..events.observer import CallObserver
from ..settings import RetryPolicy
from .deadline import earliest_end

T = TypeVar("T")
# How much retries may cost before a storm is stopped.
RETRY_BUDGET = 500
RETRY_COST = 14
REFUSAL_COST = 5
# Times the base of the back-off, after a refusal.
REFUSAL_BASE_FACTOR = 20
# Refused before they were acted on, and worth another try: the request came too late or too early.
RESENDABLE_STATUSES = frozenset({408, 425})
# An attempt that has no time left still ends as a timeout.
MIN_TIMEOUT = 0.001  # seconds


def may_resend(error: BaseException | None, *, repeatable: bool) -> bool:
    """Return whether a request that failed like this may be sent again."""
    if isinstance(error, RateLimitError):
        return True
    if isinstance(error, TransportError):
        return repeatable or not error.sent
    if isinstance(error, DecodeError):
        return repeatable and error.transient
    if isinstance(error, ApiError) and error.status in RESENDABLE_STATUSES:
        return repeatable
    return repeatable and isinstance(error, ServerError)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return ``Retry-After`` (seconds, or a date) in seconds; None without a valid one.

    A date is one of the service's clock, which the answer's own ``Date`` shows.
    """
    text = headers.get("Retry-After", "").strip()
    with suppress(ValueError):
        seconds = float(text)
        return max(seconds, 0.0) if isfinite(seconds) else None
    date = parse_http_date(text)
    now = parse_http_date(headers.get("Date", "")) or datetime.now(UTC)
    return max((date - now).total_seconds(), 0.0) if date else None


def parse_http_date(text: str) -> datetime | None:
    """Parse a date of a header; None for what is not one, or is beyond the calendar."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        date = parsedate_to_datetime(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
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

    def take(self, cost: int) -> bool:
        """Pay for one retry; False when there is not that much left."""
        if self._left < cost:
            return False
        self._left -= cost
        return True

    def give_back(self, paid: int) -> None:
        """Note a success: what its retries cost comes back, and a little for a first one."""
        self._left = min(self._size, self._left + max(paid, 1))


class PauseAll(Protocol):
    """Holds back every call for so many seconds, after a refusal of what was sent then."""

    def __call__(self, seconds: float, *, sent_at: float) -> None: ...


class Call:
    """One call and its attempts: when the next one goes, and when to give up.

    ``spent`` is the time that counts against the deadline: attempts and waits between them, not the
    waits for the rate limit. ``failure`` is what the last attempt ended with: an error from
    anywhere else, such as a failed sign-in, was retried there already and says nothing about this
    request. ``is_throttled`` says that it was a refusal though it doesn't look like one.
    ``sent_at`` is when the last attempt left. An ``is_patient`` call, which must be repeatable,
    goes on for the policy's patience. ``on_departure`` is as ``Session.send`` has it.
    ``ends_at`` is when the caller's ``deadline`` ends, a time of the loop's clock (None: never).
    """

    def __init__(
        self,
        policy: RetryPolicy,
        budget: RetryBudget,
        *,
        repeatable: bool,
        pause_all: PauseAll,
        is_patient: bool = False,
        on_departure: Callable[[bool], None] | None = None,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._repeatable = repeatable
        self._pause_all = pause_all
        self.is_patient = is_patient
        self.on_departure = on_departure
        self.ends_at = earliest_end()
        # None where nobody listens to events.
        self.observer: CallObserver | None = None
        self.spent = 0.0
        self.retries = 0
        self.sent_at = 0.0
        self.failure: AICCError | None = None
        self.is_throttled = False
        self.paid = 0
        self._failing_since = 0.0

    @property
    def left(self) -> float:
        """Seconds that an attempt may still take."""
        return max(min(self._policy.deadline - self.spent, self._until_end()), MIN_TIMEOUT)

    @property
    def is_refused(self) -> bool:
        """Whether the last attempt was one too many for the service."""
        return self.is_throttled or isinstance(self.failure, RateLimitError)

    @property
    def may_be_late(self) -> bool:
        """Whether a wait for its turn may have to end."""
        return self.ends_at is not None or self.failure is not None

    @property
    def turn_left(self) -> float | None:
        """Seconds that a call may wait for its turn; None: as long as it takes."""
        left = self._until_end()
        if self.is_refused and not self._waits_out(0.0):
            failing = asyncio.get_running_loop().time() - self._failing_since
            left = min(left, self._policy.deadline - failing)
        return None if left == inf else max(left, 0.0)

    @property
    def is_in_doubt(self) -> bool:
        """Whether something may have happened that must not happen twice."""
        return not self._repeatable and may_have_happened(self.failure)

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt it, and again while that is safe and promises anything.

        tenacity's loop costs a third of a request: the first attempt is made before it.
        """
        try:
            return await attempt()
        except AICCError as error:
            failure = error
            self._failing_since = asyncio.get_running_loop().time()
        # Importing tenacity costs as much as a dozen files of ours.
        from .retrying import attempt_again  # noqa: PLC0415

        return await attempt_again(
            attempt,
            failure,
            choose_base=lambda: self._policy.base * (REFUSAL_BASE_FACTOR if self.is_refused else 1),
            cap=self._policy.cap,
            may_resend=lambda error: (
                error is self.failure
                and may_resend(error, repeatable=self._repeatable)
                and not self._asks_for_too_long()
            ),
            choose_wait=self._choose_wait,
            should_stop=self._should_stop,
            note_retry=self._note_retry,
        )

    def _until_end(self) -> float:
        """Return the seconds until the caller's deadline ends, whatever the policy says."""
        if self.ends_at is None:
            return inf
        return self.ends_at - asyncio.get_running_loop().time()

    def _asks_for_too_long(self) -> bool:
        """Whether the service asks for a wait that would end after the call has given up."""
        error, policy = self.failure, self._policy
        asked = error.retry_after if isinstance(error, RateLimitError | ServerError) else None
        if asked is None:
            return False
        is_waited_out = self._waits_out(asked)
        is_too_late = self.spent + asked >= policy.deadline and not is_waited_out
        # An outage may last as long as the patience; a refusal holds everybody back.
        is_outage = is_waited_out and isinstance(error, ServerError)
        return is_too_late or (asked > policy.max_retry_after and not is_outage)

    def _pay(self) -> bool:
        cost = REFUSAL_COST if self.is_refused else RETRY_COST
        is_paid = self._budget.take(cost)
        self.paid += cost if is_paid else 0
        return is_paid

    def _choose_wait(self, jitter: float) -> float:
        """Honour ``Retry-After`` over the back-off; a refusal holds everybody back.

        Not by the back-off, which is drawn for this call alone.
        """
        error = self.failure
        asked = error.retry_after if isinstance(error, RateLimitError | ServerError) else None
        pause = min(asked or 0.0, self._policy.max_retry_after)
        if self.is_refused:
            self._pause_all(pause, sent_at=self.sent_at)
        elif self._waits_out(0.0) and not self._pay():
            # It goes on, but slowly.
            pause = max(pause, self._policy.cap)
        return max(jitter, pause)

    def _should_stop(self, attempts: int, wait: float) -> bool:
        if self._policy.attempts == 1 or wait >= self._until_end():
            return True
        if self._waits_out(wait):
            return False
        is_too_late = self.spent + wait >= self._policy.deadline
        if self.is_refused:
            # Others are refused meanwhile, and this one waits for its turn: all of that counts.
            failing = asyncio.get_running_loop().time() - self._failing_since
            return is_too_late or failing + wait >= self._policy.deadline
        if is_too_late or attempts >= self._policy.attempts:
            return True
        return not self._pay()

    def _waits_out(self, seconds: float) -> bool:
        """Whether an outage is still waited out so many seconds from now."""
        failing = asyncio.get_running_loop().time() - self._failing_since
        # A page instead of an answer is no outage: the address may be wrong.
        is_patient = self.is_patient and not isinstance(self.failure, DecodeError)
        return is_patient and failing + seconds < self._policy.patience

    def _note_retry(self, wait: float) -> None:
        self.retries += 1
        if self.observer:
            self.observer.note_retry(wait, self.failure)
        # Patience is about the outage; each attempt in it may take as long as any.
        is_waiting = self._waits_out(wait)
        self.spent = 0.0 if is_waiting else self.spent + wait
