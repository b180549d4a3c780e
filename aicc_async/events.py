"""What a client does, as events: for your log, your metrics and your tests, without any library.

``on_event`` is called with a small frozen record for each call, attempt, retry and so on::

    import asyncio

    from aicc_async import AICCClient
    from aicc_async.events import AttemptEnded, Event, RetryScheduled


    def note(event: Event) -> None:
        match event:
            case AttemptEnded(operation=operation, number=number, status=status):
                print(f"{operation}: attempt {number}, HTTP {status}")
            case RetryScheduled(operation=operation, seconds=seconds):
                print(f"{operation}: again in {seconds:.1f} s")


    async def main() -> None:
        async with AICCClient.from_env(on_event=note) as aicc:
            await aicc.list_cases(limit=1)


    asyncio.run(main())

It prints::

    token: attempt 1, HTTP 200
    list: attempt 1, HTTP 200

It is called in the event loop, between two steps of a request: it must be quick, and must not wait.
Put what takes long on a queue. What it raises is logged once (``aicc_async``, with the traceback),
and never ends a call; what it raises beside an ``Exception``, such as ``KeyboardInterrupt``, does.

A call is from ``CallStarted`` to ``CallEnded``: with its waits, attempts and retries. All events of
a call have the same ``call``, a number that no other call of the process has, and come in the task
that made it. A sign-in is a call of its own. Seconds are those of the loop's clock. ``error`` is
the name of a class, such as ``ServerError`` or ``CancelledError``, and None when all went well.

No event holds a title, a name, a phone number, a token or an id. New kinds of events and new fields
may come with any release: ignore what you do not know.

For spans and metrics see ``aicc_async.connectors.otel``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "CallEnded",
    "CallStarted",
    "Event",
    "JournalOutcome",
    "JournalStatus",
    "LimiterWaited",
    "OnEvent",
    "RetryScheduled",
    "Throttled",
    "TokenRenewed",
    "WindowJudged",
]

JournalStatus = Literal["created", "already", "rejected", "unknown", "failed"]


@frozen(kw_only=True)
class CallStarted:
    """A call of an operation begins; ``operation`` is its name in ``aicc_async.client``'s table."""

    call: int
    operation: str
    method: str
    server_address: str
    server_port: int


@frozen(kw_only=True)
class CallEnded:
    """A call ends, after so many attempts and seconds, all waits included."""

    call: int
    operation: str
    attempts: int
    seconds: float
    error: str | None


@frozen(kw_only=True)
class AttemptStarted:
    """A request leaves, after its wait for the limiter; ``number`` counts from 1."""

    call: int
    operation: str
    number: int


@frozen(kw_only=True)
class AttemptEnded:
    """A request is answered, or will not be.

    ``status`` is the HTTP status, None without an answer; ``code`` the ``resCode`` of a refusal.
    """

    call: int
    operation: str
    number: int
    status: int | None
    code: str | None
    seconds: float
    error: str | None


@frozen(kw_only=True)
class RetryScheduled:
    """A request is sent again after so many seconds; ``reason`` is the class of the error."""

    call: int
    operation: str
    seconds: float
    reason: str


@frozen(kw_only=True)
class Throttled:
    """The service refused for haste; ``retry_after`` is what it asks for, in seconds."""

    call: int
    operation: str
    retry_after: float | None


@frozen(kw_only=True)
class LimiterWaited:
    """A request waited for the rate limit, for a millisecond at least.

    Also when it does not leave after that, as its deadline ends or it is cancelled.
    """

    call: int
    operation: str
    seconds: float


@frozen(kw_only=True)
class TokenRenewed:
    """A sign-in gave a token that is good for so many seconds, inf where its end is not told.

    A token that your own function returns, or that another process shares, is no sign-in.
    """

    lifetime: float


@frozen(kw_only=True)
class WindowJudged:
    """A window of a listing is read to its end.

    ``operation`` is the listing's. ``start`` and ``end`` are wall-clock times of the tenant, as the
    window was asked for (a second wider than the range), None where it is open. ``verdict`` is that
    of a manifest (``verified``, ``repaired``, ``open``, ``unverified``), ``rows`` counts the
    different ids that came.
    """

    operation: str
    start: datetime | None
    end: datetime | None
    verdict: str
    rows: int


@frozen(kw_only=True)
class JournalOutcome:
    """A create with a key ended.

    ``status`` is as in ``CreateOutcome``, or ``failed``: it ended with another error, such as no
    connection, or was cancelled.
    """

    status: JournalStatus


Event: TypeAlias = (
    CallStarted
    | CallEnded
    | AttemptStarted
    | AttemptEnded
    | RetryScheduled
    | Throttled
    | LimiterWaited
    | TokenRenewed
    | WindowJudged
    | JournalOutcome
)
OnEvent: TypeAlias = Callable[[Event], object]
