"""A week in the life of a watch: the world goes on whenever the watcher waits, and kills it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen, mutable

from helpers.processes import wait_until
from helpers.week_world import START, World

WATCHER = Path(__file__).with_name("week_watcher.py")
# Real seconds: no step takes so long, however many cases are read in it.
MAX_SILENCE = 120.0
MAX_PAGES_BEFORE_KILL = 12
MAX_DELAY_OF_KILL = 0.008  # seconds


@frozen(kw_only=True)
class Watch:
    """How the watcher watches: seconds."""

    every: float
    lookback: float
    period: float


@mutable(kw_only=True, eq=False)
class Life:
    """Runs a watcher through a world's time, killing it so many times."""

    world: World
    watch: Watch
    folder: Path
    kills: int
    is_naive: bool = False
    killed: list[float] = field(factory=list, init=False)
    _draw: random.Random = field(init=False)
    _pages: int = field(default=0, init=False)
    _pid: int | None = field(default=None, init=False)
    _is_doomed: bool = field(default=False, init=False)
    # Timers kill in threads of their own: only who is alive may be killed.
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self._draw = random.Random(f"{self.world.seed}/kills")  # noqa: S311  (repeatable)
        self.world.tenant.on_page(lambda _tenant, _number: self._on_page())

    @property
    def log(self) -> Path:
        """Where the watcher writes what it was told."""
        return self.folder / "events.jsonl"

    def run(self) -> None:
        """Live until the world's end."""
        times = sorted(self._draw.uniform(0, self.world.end) for _ in range(self.kills))
        with _listener(self.folder / "time") as listener, _nursery() as nursery:
            while self.world.now < self.world.end:
                pid = self._pid = self._start(nursery)
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(MAX_SILENCE)
                    self._carry(connection, times)
                self._bury(pid)

    def _start(self, nursery: subprocess.Popen[str]) -> int:
        assert nursery.stdin
        assert nursery.stdout
        tenant = self.world.tenant
        settings: dict[str, Any] = {
            "socket": str(self.folder / "time"),
            "log": str(self.log),
            "start": START.timestamp(),
            "url": tenant.url,
            "credentials": [tenant.client_id, tenant.client_secret],
            "missing_code": tenant.missing_code,
            "is_naive": self.is_naive,
            # Events are acknowledged one by one, or beside each other.
            "is_manual": self._draw.random() < 1 / 2,
            "seed": self._draw.getrandbits(32),
            "watch": {
                "state": str(self.folder / "watch.db"),
                "every": self.watch.every,
                "lookback": f"{self.watch.lookback:.0f}s",
                "period": self.watch.period,
            },
        }
        nursery.stdin.write(json.dumps(settings) + "\n")
        nursery.stdin.flush()
        return int(nursery.stdout.readline())

    def _carry(self, connection: socket.socket, times: list[float]) -> None:
        """Move the time on as the watcher asks for it, until it is dead."""
        try:
            self._answer(connection)
            while wanted := connection.recv(8, socket.MSG_WAITALL):
                [to] = struct.unpack("d", wanted)
                self.world.advance(min(to, self.world.end))
                if self.world.now >= self.world.end:
                    self._kill(self._pid)
                elif times and times[0] <= self.world.now and not self._is_doomed:
                    times.pop(0)
                    self._kill_soon()
                self._answer(connection)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _answer(self, connection: socket.socket) -> None:
        connection.sendall(struct.pack("dd", self.world.now, self.world.watcher_ahead))

    def _kill_soon(self) -> None:
        """Kill while it waits, after so many pages, or in a moment."""
        self._is_doomed = True
        how = self._draw.randrange(3)
        if how == 0:
            self._kill(self._pid)
        elif how == 1:
            self._pages = self._draw.randint(1, MAX_PAGES_BEFORE_KILL)
        else:
            self._kill_in_a_moment()

    def _on_page(self) -> None:
        self.world.on_page()
        self._pages -= 1
        if self._pages == 0:
            self._kill_in_a_moment()

    def _kill_in_a_moment(self) -> None:
        # What it does then is a matter of luck: it reads, commits, hands out or acknowledges.
        pid, delay = self._pid, self._draw.uniform(0, MAX_DELAY_OF_KILL)
        threading.Timer(delay, lambda: self._kill(pid)).start()

    def _kill(self, pid: int | None) -> None:
        with self._lock:
            if pid and pid == self._pid:
                self.killed.append(self.world.now)
                os.kill(pid, signal.SIGKILL)
                self._pid = None

    def _bury(self, pid: int) -> None:
        with self._lock:
            is_ours, self._pid, self._pages = self._pid is None, None, 0
            self._is_doomed = False
        # Its file is free when it is gone, not when its socket is closed.
        wait_until(lambda: not _exists(pid))
        assert is_ours, self.log.read_text(encoding="utf-8").splitlines()[-1]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(MAX_SILENCE)
        yield listener


@contextmanager
def _nursery() -> Iterator[subprocess.Popen[str]]:
    folders = [str(WATCHER.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    nursery = subprocess.Popen(  # noqa: S603
        [sys.executable, str(WATCHER)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield nursery
    finally:
        nursery.communicate()
