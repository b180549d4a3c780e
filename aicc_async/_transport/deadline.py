"""The deadline of the calls made within a block: set once, and seen by everything below it.

The idea: the end is a time of the event loop's clock, in a context variable. The invariant: a
deadline within another one never ends later than that. What others use too (a sign-in that several
calls wait for) must be started without it, or it would end with the call that began it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context

from .._validators import check, number
from ..errors import ConfigError

_end: ContextVar[float | None] = ContextVar("aicc_async_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound the calls made within: all of them together end so many seconds from now.

    It counts all that a call waits for: a place among ``max_concurrency``, the rate limit, the
    sign-in (which goes on for others), attempts, the waits between them, and the search for a case
    that may have been made. ``RetryPolicy.deadline`` counts attempts and the waits between them
    alone, for each call anew; ``Timeouts`` bound a single attempt.

    A call that can't go on raises RequestTimeout, also a TimeoutError, whose ``sent`` is False when
    nothing left; it is raised at once where the rate limit is known to have no room in time, and
    ``retry_after`` is then when it has. After a failed attempt that attempt's error is raised: the
    deadline ends the retries. A create that may have been made is an UnknownOutcome, as ever, and a
    key that another call is at work on a KeyInUse. A call within its deadline raises what it raises
    without one.

    Not counted: reading and writing the journal and the files of an export, which end first.

    Around an iterator, put the whole loop within: what is fetched ahead has the deadline of the
    step that started it. Tasks started within have it too. Of two, one within the other, the
    earlier end counts. An async generator must not yield within: set it in the loop that consumes
    the generator instead. Raises ConfigError for what is not a number of seconds from 0 on, and
    outside of an event loop, whose clock it is.
    """
    check("seconds", seconds, number(0))
    token = _end.set(earliest_end(seconds))
    try:
        yield
    finally:
        _end.reset(token)


def earliest_end(seconds: float | None = None) -> float | None:
    """Return when the deadline ends, or so many seconds from now if that is earlier.

    It is a time of the event loop's clock; None: there is no end.
    """
    end = _end.get()
    if seconds is None:
        return end
    try:
        own = asyncio.get_running_loop().time() + seconds
    except RuntimeError:
        raise ConfigError("deadline must be set within a running event loop") from None
    return own if end is None else min(own, end)


def context_without_deadline() -> Context:
    """Return a copy of the context for a task that goes on for others when this call ends."""
    context = copy_context()
    context.run(_end.set, None)
    return context
