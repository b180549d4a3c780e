"""tenacity's loop around a call that failed; few calls do, and only those load it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from ..errors import AICCError

T = TypeVar("T")


async def attempt_again(
    attempt: Callable[[], Awaitable[T]],
    failure: AICCError,
    *,
    choose_base: Callable[[], float],
    cap: float,
    may_resend: Callable[[BaseException], bool],
    choose_wait: Callable[[float], float],
    should_stop: Callable[[int, float], bool],
    note_retry: Callable[[float], None],
) -> T:
    """Attempt it after a first ``failure``, and again until it succeeds or should not be.

    ``choose_base`` is asked for the seconds from which the back-off of the last failure is doubled.
    ``choose_wait`` is given the seconds of full jitter and returns those to wait, ``should_stop``
    the number of attempts and the seconds to wait, ``note_retry`` is told them before the wait.
    """
    failed = [failure]

    async def again() -> T:
        if failed:
            raise failed.pop()
        return await attempt()

    def full_jitter(state: RetryCallState) -> float:
        return wait_random_exponential(multiplier=choose_base(), max=cap)(state)

    # One for this call alone: tasks that share one mix their states.
    retrying = AsyncRetrying(
        retry=retry_if_exception(may_resend),
        wait=lambda state: choose_wait(full_jitter(state)),
        stop=lambda state: should_stop(state.attempt_number, state.upcoming_sleep),
        before_sleep=lambda state: note_retry(state.upcoming_sleep),
        sleep=asyncio.sleep,
        reraise=True,
    )
    answer: T = await retrying(again)
    return answer
