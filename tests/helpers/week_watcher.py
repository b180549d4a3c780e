"""The watcher of a simulated week: forks a process for each line of its input, and prints its id.

Importing takes most of a start; here it is done once. A watcher asks whoever simulates for the time
that it waits for, and gets it when all has happened that does until then.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aicc_async import AICCClient, ClientCredentials, Dialect, to_dict
from helpers.naive_watch import naive_events
from helpers.simulated_loop import SimulatedLoop, SimulatedSelector, replace_clocks

# The time, and by how much the watcher's own clock is ahead.
ANSWER = struct.Struct("dd")


class Clock:
    """The time as whoever simulates has it, over a connection to them."""

    def __init__(self, path: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(path)
        self.ahead = 0.0

    def read(self) -> float:
        """Wait for the time, and return it; end with whoever simulates."""
        answer = self._connection.recv(ANSWER.size, socket.MSG_WAITALL)
        if len(answer) < ANSWER.size:
            os._exit(0)
        now, self.ahead = ANSWER.unpack(answer)
        return float(now)

    def advance(self, to: float) -> float:
        """Wait until it is later."""
        self._connection.sendall(struct.pack("d", to))
        return self.read()


async def follow(settings: dict[str, Any], selector: SimulatedSelector) -> None:
    """Watch, and write down each event before it is acknowledged, and that it was after it."""
    log = Path(settings["log"]).open("ab", buffering=0)  # noqa: ASYNC230, SIM115  (it ends with us)
    # Whoever was killed may have left half of a line.
    log.write(b"\n")

    def write(record: dict[str, Any]) -> None:
        log.write(json.dumps(record | {"at": selector.now}, default=str).encode() + b"\n")

    auth = ClientCredentials(*settings["credentials"])
    dialect = Dialect(missing_codes=settings["missing_code"])
    try:
        async with AICCClient(
            settings["url"], auth=auth, dialect=dialect, on_event=selector.note
        ) as aicc:
            if settings["is_naive"]:
                async for naive in naive_events(aicc, **settings["watch"]):
                    write({"event": naive})
                return
            async with aicc.watch_cases(**settings["watch"]) as changes:
                async for event in changes:
                    write({"event": to_dict(event)})
                    await event.ack()
                    write({"ack": event.id})
    except BaseException:
        write({"error": traceback.format_exc()})
        raise


def live(settings: dict[str, Any]) -> None:
    """Be a watcher until killed."""
    clock = Clock(settings["socket"])
    selector = SimulatedSelector(clock.advance, now=clock.read())
    start = datetime.fromtimestamp(settings["start"], UTC)
    replace_clocks(lambda: start + timedelta(seconds=selector.now + clock.ahead))
    # That a clock is off is told by warnings, and is the point.
    warnings.simplefilter("ignore", RuntimeWarning)
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(selector)) as runner:
        runner.run(follow(settings, selector))


def fork(task: Callable[[], None]) -> int:
    """Run a task in a process of its own, and return its id."""
    if pid := os.fork():
        return pid
    try:
        task()
    except BaseException:  # noqa: BLE001  (it is in the log)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child leaves a zombie
    for line in sys.stdin:
        print(fork(lambda line=line: live(json.loads(line))), flush=True)  # type: ignore[misc]  # noqa: T201
