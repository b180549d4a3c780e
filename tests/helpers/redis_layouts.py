"""Redis as a cluster, and behind a Sentinel: a plugin (``"helpers.redis_layouts"``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from helpers.processes import wait_until
from helpers.redis_nodes import (
    SERVICE,
    Node,
    Watched,
    find_free_port,
    is_whole,
    knows_replica,
    running,
)

SLOTS = 16_384
KEEPS = (
    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    # A replica is not waited for five seconds in case others come.
    *("--repl-diskless-sync-delay", "0"),
)
SENTINEL_CONF = """
sentinel monitor {service} 127.0.0.1 {port} 1
sentinel down-after-milliseconds {service} 60000
sentinel failover-timeout {service} 3000
"""


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[list[Node]]:
    """Run a cluster of three masters."""
    with ExitStack() as stack:
        buses = [find_free_port() for _ in range(3)]
        nodes = [
            stack.enter_context(
                running("--cluster-enabled", "yes", "--cluster-port", str(bus), *KEEPS)
            )
            for bus in buses
        ]
        for number, node in enumerate(nodes):
            wait_until(node.answers)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            first, last = (SLOTS * each // 3 for each in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        for node in nodes:
            wait_until(lambda node=node: is_whole(node))  # type: ignore[misc]
        yield nodes


@pytest.fixture
def redis_watched() -> Iterator[Watched]:
    """Run a master, its replica, and a Sentinel that watches them."""
    with running(*KEEPS) as master:
        wait_until(master.answers)
        with running("--replicaof", "127.0.0.1", str(master.port), *KEEPS) as replica:
            wait_until(replica.answers)
            wait_until(lambda: "online" in str(master.ask("INFO", "replication")))
            conf = SENTINEL_CONF.format(service=SERVICE, port=master.port)
            with running("--sentinel", first=conf) as sentinel:
                wait_until(sentinel.answers)
                wait_until(lambda: knows_replica(sentinel))
                yield Watched(sentinel, master, replica)
