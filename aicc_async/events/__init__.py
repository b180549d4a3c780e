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

from .records import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    JournalOutcome,
    JournalStatus,
    LimiterWaited,
    OnEvent,
    RetryScheduled,
    Throttled,
    TokenRenewed,
    WindowJudged,
)

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
