"""Handing out events until a signal comes: printed, or given to a command."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from .._protocol.dicts import to_json
from ..errors import AICCError
from ..watch import CaseEvent, CaseWatch, WatchPlan
from .console import echo

Deliver = Callable[[bytes], Awaitable[None]]


def describe(plan: WatchPlan) -> str:
    """Return what a watch costs, and how soon it tells what, as lines."""
    windows = "1 window" if plan.windows == 1 else f"{plan.windows} windows"
    return (
        f"cases within the look-back: {plan.rows:,}, counted in {windows}\n"
        f"{plan.requests:,} requests an hour while nothing happens: {plan.counts:,} counts,"
        f" {plan.newest:,} pages of the newest cases, {plan.rereading:,} to read all again\n"
        f"a new case is told within {plan.new_within:g} s of when the list shows it,"
        f" a change or a deletion within {plan.changed_within:g} s"
    )


async def follow(changes: CaseWatch, deliver: Deliver) -> None:
    """Deliver each event as JSON, then acknowledge it; end on a signal, after the one at hand."""
    stopped = asyncio.Event()
    with _stopped_by_signals(stopped):
        async with changes:
            async for event in _until(changes, stopped):
                await deliver(to_json(event))
                await event.ack()


async def print_line(line: bytes) -> None:
    """Print an event; the pipe has it when this returns."""
    echo(line)


async def run_command(words: Sequence[str], line: bytes) -> None:
    """Run a command with an event on its standard input; raise AICCError unless it ends with 0."""
    # In a session of its own: ^C is for us, who let it handle the event to its end.
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        # One that does not read its input is no failure; asyncio ignores the broken pipe.
        await process.communicate(line + b"\n")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code := process.returncode:
        how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
        raise AICCError(f"--exec ended with {how}; its event was not acknowledged")


async def _until(changes: CaseWatch, stopped: asyncio.Event) -> AsyncIterator[CaseEvent]:
    """Yield events until it is stopped: at once while there is none."""
    events, stop = aiter(changes), asyncio.create_task(stopped.wait())
    try:
        while not stopped.is_set():
            event = asyncio.ensure_future(anext(events))
            try:
                await asyncio.wait({event, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not event.done():
                    event.cancel()
                    await asyncio.wait({event})
            # One that came with the signal is told by the next run.
            if stopped.is_set():
                break
            try:
                yield event.result()
            except StopAsyncIteration:
                break
    finally:
        stop.cancel()


@contextmanager
def _stopped_by_signals(stopped: asyncio.Event) -> Iterator[None]:
    """Stop at the first signal, and cancel what is under way at a second one."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if task and stopped.is_set():
            task.cancel()
        stopped.set()

    numbers = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
