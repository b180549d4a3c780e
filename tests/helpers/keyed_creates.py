"""A worker that creates a case for each message of its broker, and what the messages ask for.

Run as a script: `keyed_creates.py URL JOURNAL`, numbers of messages on stdin, a line for each
outcome on stdout.
"""

from __future__ import annotations

import asyncio
import sys

from aicc_async import (
    AICCClient,
    AICCError,
    ClientCredentials,
    NewCase,
    RetryPolicy,
    SQLiteJournal,
    Timeouts,
)
from aicc_async.emulator import Emulator

REF = "AICC__ref__CST"
LIST_LAG = 1.0  # seconds: ten times the tenant's, since a busy machine answers late
MAX_CONCURRENCY = 60
# Of a message to one process, as long as it is not acknowledged: a busy machine times out often.
DELIVERIES = 20


def key_of(number: int) -> str:
    """Name a message."""
    return f"message-{number}"


def record_of(number: int) -> NewCase:
    """Return what a message asks for: most have their own, some are equal or alike in fours."""
    group, kind = divmod(number, 40)
    four = kind // 4  # of each forty: four equal, four that a description tells apart, four a field
    title = f"group {group}, {four}" if four < 3 else key_of(number)
    return NewCase(
        title=title,
        description=f"text of {number}" if four == 1 else "text",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id=f"contact-{number // 4}",
        creator_id="worker",
        extra={REF: key_of(number)} if four == 2 else {},
    )


async def work(url: str, journal: str, numbers: list[int]) -> None:
    """Handle messages, many at once; what fails comes again."""
    places = asyncio.Semaphore(MAX_CONCURRENCY)
    client = AICCClient(
        url,
        auth=ClientCredentials(Emulator.client_id, Emulator.client_secret),
        retry=RetryPolicy(base=0.001),
        timeouts=Timeouts(read=0.5),
        max_concurrency=MAX_CONCURRENCY,
        journal=SQLiteJournal(journal),
        timezone="Asia/Shanghai",
        on_unknown="reconcile",
        list_lag=LIST_LAG,
    )
    async with client as aicc, asyncio.TaskGroup() as tasks:
        for number in numbers:
            tasks.create_task(handle(aicc, number, places))


async def handle(aicc: AICCClient, number: int, places: asyncio.Semaphore) -> None:
    """Create a case, and acknowledge the message when it is there."""
    for _ in range(DELIVERIES):
        async with places:
            try:
                case_id = await aicc.create_case(record_of(number), key=key_of(number))
            except AICCError as error:
                sys.stderr.write(f"{key_of(number)}: {error}\n")
            else:
                sys.stdout.write(f"{number} {case_id}\n")
                sys.stdout.flush()
                return


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], [int(line) for line in sys.stdin]))
