"""A Redis server for the tests: a plugin (``pytest_plugins = ["helpers.redis_server"]``).

It runs in a temporary folder, and is stopped at the end. Without the program (Debian: redis-server)
the tests that want it are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import pytest
import redis

from helpers.redis_process import RedisServer

_numbers = count(1)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Run a server for this session; a test that kills it starts it again."""
    if not shutil.which("redis-server"):
        pytest.skip("no Redis server is installed (Debian: apt-get install redis-server)")
    folder = Path(mkdtemp(prefix="aicc-redis-"))  # short: a socket's path has at most 107 bytes
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of a server without the data of other tests."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def prefix() -> str:
    """Return a prefix that no other test has."""
    return f"test-{next(_numbers)}:"
