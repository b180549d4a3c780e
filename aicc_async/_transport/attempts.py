"""The loop of attempts, which is tenacity's: a file of its own, loaded at the first retry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tenacity import AsyncRetrying, RetryCallState


def attempts(
    *,
    again: Callable[[Any], bool],
    pause: Callable[[Any, int], float],
    enough: Callable[[Any, int, float], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncRetrying:
    """Make the loop of one send, since its state is not for sharing.

    Each is told what the last attempt ended with, and its number; ``enough`` the pause as well.
    """
    return AsyncRetrying(
        retry=lambda state: again(_error(state)),
        wait=lambda state: pause(_error(state), state.attempt_number),
        stop=lambda state: enough(_error(state), state.attempt_number, state.upcoming_sleep),
        sleep=sleep,
        reraise=True,
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
