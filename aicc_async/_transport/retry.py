"""One answer to "may this be sent again, and when?".

By operation, never by HTTP verb: ``case/list`` is a POST that is safe, ``case`` a POST that is not.

    operation              not sent, or 429     5xx, timed out, connection lost after sending
    token, qflow_token     again                again
    list, get              again                again
    type_list, type_get    again                again
    statistics             again                again
    statistics_report      again                again
    task_list, task_get    again                again
    qflow_case             again                again
    qflow_process          again                again
    modify                 again                again (same values, same outcome)
    transfer               again                again (likewise)
    cancel                 again                again (likewise)
    status                 again                again (likewise)
    task_modify            again                again (likewise)
    task_transfer          again                again (likewise)
    task_status            again                again (likewise)
    qflow_cancel           again                again (likewise)
    create                 again                never
    process                again                never
    task_create            again                never
    enqueue                again                never
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, ParamSpec, TypeVar

from ..errors import AICCError, DecodeError, RateLimitError, ServerError, TransportError
from ..settings import RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")
BUDGET = 500  # botocore's standard mode: what a storm of retries may cost before it is stopped
RETRY_COST = 5
MOST_DOUBLINGS = 60  # further on a float overflows, and any cap is reached long before


def may_resend(error: BaseException | None, *, repeatable: bool) -> bool:
    """Tell whether a request that failed like this may be sent again."""
    if isinstance(error, RateLimitError):
        return True
    if isinstance(error, TransportError):
        return repeatable or not error.sent
    return repeatable and isinstance(error, ServerError)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` (seconds, or a date) as seconds from now; None when it says nothing."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now or datetime.now(UTC))
    return max(seconds, 0.0) if isfinite(seconds) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)


def may_have_happened(error: BaseException | None) -> bool:
    """Tell whether the service may have acted; a definite answer below HTTP 500 says no."""
    if isinstance(error, TransportError):
        return error.sent
    return isinstance(error, ServerError | DecodeError)


class RetryBudget:
    """Stops a storm when the service is down: retries cost, successes give back."""

    def __init__(self, size: int = BUDGET) -> None:
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


class Resending:
    """The attempts at one request: when the next one goes, and when to give up.

    ``spent`` is the time that counts against the deadline: attempts and waits between them, not the
    waits for the rate limit. ``failure`` is what the last attempt ended with: an error from
    anywhere else, such as a failed sign-in, was retried there already and says nothing about this
    request.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        budget: RetryBudget,
        *,
        repeatable: bool,
        throttled: Callable[[float], None],
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._repeatable = repeatable
        self._throttled = throttled
        self.spent = 0.0
        self.retries = 0
        self.failure: AICCError | None = None

    @property
    def left(self) -> float:
        """Seconds that an attempt may still take."""
        return max(self._policy.deadline - self.spent, 0.001)

    @property
    def in_doubt(self) -> bool:
        """Tell whether something may have happened that must not happen twice."""
        return not self._repeatable and may_have_happened(self.failure)

    async def run(self, attempt: Callable[P, Awaitable[T]], *args: P.args, **kw: P.kwargs) -> T:
        """Attempt it, and again while that is safe and promises anything.

        The loop is made when the first attempt has failed: it costs as much as a third of a
        request.
        """
        try:
            return await attempt(*args, **kw)
        except AICCError as error:
            failed = [error]

        async def again() -> T:
            if failed:
                raise failed.pop()
            return await attempt(*args, **kw)

        from .attempts import attempts  # noqa: PLC0415  (a tenth of the time that the import takes)

        loop = attempts(
            again=self._again, pause=self._pause, enough=self._enough, sleep=self._sleep
        )
        answer: T = await loop(again)
        return answer

    def _again(self, error: Any) -> bool:
        return error is self.failure and may_resend(error, repeatable=self._repeatable)

    def _pause(self, error: Any, number: int) -> float:
        policy = self._policy
        ceiling = min(policy.cap, policy.base * 2 ** min(number - 1, MOST_DOUBLINGS))
        pause = random.uniform(0, ceiling)  # noqa: S311  (spread, not secrecy)
        asked = error.retry_after if isinstance(error, RateLimitError | ServerError) else None
        pause = max(pause, min(asked or 0.0, policy.max_retry_after))
        if isinstance(error, RateLimitError):
            self._throttled(pause)
        return pause

    def _enough(self, error: Any, number: int, pause: float) -> bool:
        if number >= self._policy.attempts or self.spent + pause >= self._policy.deadline:
            return True
        # a 429 pauses everybody: that is no storm
        return not isinstance(error, RateLimitError) and not self._budget.take()

    async def _sleep(self, seconds: float) -> None:
        self.retries += 1
        self.spent += seconds
        await asyncio.sleep(seconds)
