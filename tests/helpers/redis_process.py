"""A Redis server as a process: on a unix socket in a folder, durable as the journal needs it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

OPTIONS = ("--port", "0", "--appendonly", "yes", "--appendfsync", "always", "--save", "")
START_TIMEOUT = 10.0  # seconds that it may take to listen


class RedisServer:
    """A server that may be killed and started again, with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL at which it listens."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Run it, and wait until it has read its log and answers."""
        paths = ("--dir", str(self._folder), "--unixsocket", str(self._socket))
        program = shutil.which("redis-server") or ""
        self._process = subprocess.Popen(  # noqa: S603  (Redis itself)
            [program, *paths, *OPTIONS], stdout=subprocess.DEVNULL
        )
        last = time.monotonic() + START_TIMEOUT
        while not self._answers():
            assert self._process.poll() is None, "Redis ended at once"
            assert time.monotonic() < last, "Redis does not answer"
            time.sleep(0.01)

    def write_log(self) -> None:
        """Have it write its append-only file again, and wait until a crash loses nothing."""
        with redis.Redis.from_url(self.url) as client:
            client.config_set("appendonly", "yes")
            while _is_rewriting(client.info("persistence")):
                time.sleep(0.01)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float) -> None:
        """Have it stand still for so long, its connections open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False


def _is_rewriting(found: dict[str, int]) -> bool:
    return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])
