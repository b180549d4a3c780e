"""The watcher of a simulated week: forks a process for each line of its input, and prints its id.

Importing takes most of a start; here it is done once. A watcher asks whoever simulates for the time
that it waits for, and gets it when all has happened that does until then.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
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
from aicc_async.watch import CaseEvent
from helpers.naive_watch import naive_events
from helpers.simulated_loop import SimulatedLoop, SimulatedSelector, replace_clocks

# The time, and by how much the watcher's own clock is ahead.
ANSWER = struct.Struct("dd")
# For how long a consumer may work on an event, beside others.
MAX_WORK = 90.0  # seconds
# Of events: how often somebody else has heard of their case, too.
LOOK_AT_SHARE = 0.1


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


class Consumer:
    """Writes down each event before it is acknowledged, and that it was after it."""

    def __init__(self, settings: dict[str, Any], selector: SimulatedSelector) -> None:
        self._settings = settings
        self._selector = selector
        self._draw = random.Random(settings["seed"])  # noqa: S311  (repeatable)
        self._log = Path(settings["log"]).open("ab", buffering=0)  # noqa: SIM115  (it ends with us)
        # Whoever was killed may have left half of a line.
        self._log.write(b"\n")

    async def run(self) -> None:
        """Consume events until killed."""
        settings = self._settings
        auth = ClientCredentials(*settings["credentials"])
        dialect = Dialect(missing_codes=settings["missing_code"])
        note = self._selector.note
        self._write({"begun": os.getpid()})
        try:
            async with AICCClient(
                settings["url"], auth=auth, dialect=dialect, on_event=note
            ) as aicc:
                if settings["is_naive"]:
                    async for event in naive_events(aicc, **settings["watch"]):
                        self._write({"event": event})
                else:
                    await self._follow(aicc)
        except BaseException:
            self._write({"error": traceback.format_exc()})
            raise

    async def _follow(self, aicc: AICCClient) -> None:
        is_manual = self._settings["is_manual"]
        watching = aicc.watch_cases(manual_ack=is_manual, **self._settings["watch"])
        async with watching as watch, asyncio.TaskGroup() as tasks:
            async for event in watch:
                self._write({"event": to_dict(event)})
                if is_manual:
                    tasks.create_task(self._acknowledge_later(event))
                else:
                    await self._acknowledge(event)
                if self._draw.random() < LOOK_AT_SHARE:
                    watch.look_at(event.case_id or "unknown")

    async def _acknowledge_later(self, event: CaseEvent) -> None:
        await asyncio.sleep(self._draw.uniform(0, MAX_WORK))
        await self._acknowledge(event)

    async def _acknowledge(self, event: CaseEvent) -> None:
        await event.ack()
        self._write({"ack": event.id})

    def _write(self, record: dict[str, Any]) -> None:
        record |= {"at": self._selector.now}
        self._log.write(json.dumps(record, default=str).encode() + b"\n")


def live(settings: dict[str, Any]) -> None:
    """Be a watcher until killed."""
    clock = Clock(settings["socket"])
    selector = SimulatedSelector(clock.advance, now=clock.read())
    start = datetime.fromtimestamp(settings["start"], UTC)
    replace_clocks(lambda: start + timedelta(seconds=selector.now + clock.ahead))
    # That a clock is off is told by warnings, and is the point.
    warnings.simplefilter("ignore", RuntimeWarning)
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(selector)) as runner:
        runner.run(Consumer(settings, selector).run())


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
