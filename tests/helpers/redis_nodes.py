"""Redis servers on ports of their own, with options of their own: as nodes, or with users.

Without the program (Debian: redis-server) the tests that want one are skipped.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
import redis
from attrs import frozen

SERVICE = "cases"


@frozen
class Node:
    """A server of a layout, as a test asks and stops it."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def ask(self, *command: object) -> object:
        """Run a command."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def answers(self) -> bool:
        """Return whether it runs."""
        assert self.process.poll() is None, "Redis ended at once"
        try:
            return bool(self.ask("PING"))
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False


@frozen
class Watched:
    """A service: a Sentinel, its master and a replica."""

    sentinel: Node
    master: Node
    replica: Node


def find_free_port() -> int:
    """Return a port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*options: str, port: int = 0, first: str = "") -> Iterator[Node]:
    """Run a server on a port of its own; ``first`` is what its file of settings holds."""
    if not shutil.which("redis-server"):
        pytest.skip("no Redis server is installed (Debian: apt-get install redis-server)")
    port, folder = port or find_free_port(), Path(mkdtemp(prefix="aicc-redis-"))
    (folder / "redis.conf").write_text(first)
    program = [shutil.which("redis-server") or "", str(folder / "redis.conf")]
    place = ("--bind", "127.0.0.1", "--dir", str(folder), "--loglevel", "warning")
    ports = () if "--port" in options else ("--port", str(port))
    process = subprocess.Popen(  # noqa: S603  (Redis itself)
        [*program, *place, *ports, *options], stdout=subprocess.DEVNULL
    )
    try:
        yield Node(port, process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def is_whole(node: Node) -> bool:
    """Return whether a node sees all of the cluster."""
    info = str(node.ask("CLUSTER", "INFO"))
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info


def knows_replica(sentinel: Node) -> bool:
    """Return whether a Sentinel could fail over."""
    with redis.Redis(port=sentinel.port) as client:
        return any(not each["is_sdown"] for each in client.sentinel_slaves(SERVICE))
