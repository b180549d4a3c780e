"""The journal page's worker: killed over and over, on a real broker, one case per message."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from helpers.processes import SECONDS, wait_until
from helpers.recipes import SAMPLE_FILES, recipe

from aicc_async.emulator import Emulator, Latency, run_in_thread

pytest_plugins = ["helpers.redis_server"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

NURSERY = Path(__file__).parents[1] / "helpers/nursery.py"
RECONCILE = 'on_unknown="reconcile"'
SQLITE = 'SQLiteJournal("cases.journal")'
REDIS = (
    '__import__("aicc_async.connectors.redis").connectors.redis'
    '.RedisJournal(os.environ["REDIS_URL"], lease=1)'
)
FIELDS = {
    "description": "d",
    "type": "cvmC0000014Oc9jgT7ZI",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}


class Orders:
    """The stream, and who has what of it."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)
        self._redis.xgroup_create("orders", "cases", id="0", mkstream=True)
        self.titles: list[str] = []

    def add(self, *, times: int = 1) -> None:
        """Deliver an order with a title of its own, so many times."""
        number = len(self.titles)
        title = f"Parcel {number}"
        self.titles.append(title)
        data = json.dumps({"number": str(number), "case": FIELDS | {"title": title}})
        for _ in range(times):
            self.send(data)

    def send(self, data: str) -> None:
        """Deliver an order as it is."""
        self._redis.xadd("orders", {"data": data})

    def pending(self, pid: int) -> int:
        """Count what a worker has received and not acknowledged."""
        consumers = self._redis.xinfo_consumers("orders", "cases")
        return sum(one["pending"] for one in consumers if one["name"].endswith(f"-{pid}"))

    def done(self) -> bool:
        """Tell whether all is delivered and acknowledged."""
        [group] = self._redis.xinfo_groups("orders")
        return bool(group["pending"] == group["lag"] == 0)

    def dead(self) -> int:
        """Count the orders that were put aside."""
        return int(self._redis.xlen("orders-dead"))

    def close(self) -> None:
        """Let go of the server."""
        self._redis.close()


@pytest.fixture
def orders(redis_url: str) -> Iterator[Orders]:
    """Make the stream and its group."""
    stream = Orders(redis_url)
    yield stream
    stream.close()


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run an empty tenant that takes its time, so that workers die while they wait for it."""
    with run_in_thread(cases=0, latency=Latency(0.02), record=False) as emulator:
        yield emulator


@pytest.fixture
def environ(tenant: Emulator, redis_url: str) -> dict[str, str]:
    """Name what the worker reads."""
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "AICC_BASE_URL": tenant.url,
        "AICC_CLIENT_ID": tenant.client_id,
        "AICC_CLIENT_SECRET": tenant.client_secret,
        "AICC_TIMEZONE": "Asia/Shanghai",
    }


def write_worker(folder: Path, *, journal: str = SQLITE) -> Path:
    """Write the page's worker, with waits that suit a test, and its journal."""
    code = recipe("worker.py")
    changes = {
        "MAX_IDLE = 300_000": "MAX_IDLE = 200",
        RECONCILE: f"{RECONCILE}, list_lag=0.3",
        SQLITE: journal,
    }
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    path = folder / "worker.py"
    path.write_text(code)
    return path


class Workers:
    """Processes of the page's worker, started and killed at will."""

    def __init__(self, nursery: subprocess.Popen[str]) -> None:
        self._nursery = nursery
        self.alive: list[int] = []

    def start(self) -> None:
        """Start one."""
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        self.alive.append(int(self._nursery.stdout.readline()))

    def kill(self, pid: int) -> None:
        """Kill one, and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists())
        self.alive.remove(pid)


@contextmanager
def workers(script: Path, environ: dict[str, str], count: int) -> Iterator[Workers]:
    """Run so many workers; those that are left are killed at the end."""
    with (script.parent / "log").open("w") as log:
        nursery = subprocess.Popen(  # noqa: S603  (ours)
            [sys.executable, NURSERY, script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            cwd=script.parent, env=environ, text=True,
        )  # fmt: skip
        found = Workers(nursery)
        try:
            for _ in range(count):
                found.start()
            yield found
        finally:
            for pid in list(found.alive):
                found.kill(pid)
            nursery.kill()
            nursery.communicate()


def busy(orders: Orders, crowd: Workers, draw: random.Random) -> int:
    """Find a worker that has received what it has not acknowledged."""
    while not (found := [pid for pid in crowd.alive if orders.pending(pid)]):
        orders.add()  # they were quick
        time.sleep(0.05)
    return draw.choice(found)


def kill_many(orders: Orders, crowd: Workers, *, kills: int, fresh: int) -> None:
    """Kill workers between receiving and acknowledging, while so many orders come for each."""
    draw = random.Random(4711)  # noqa: S311  (repeatable)
    while kills:
        for _ in range(fresh):
            orders.add(times=draw.choice((1, 1, 1, 2)))
        pid = busy(orders, crowd, draw)
        time.sleep(draw.uniform(0, 0.05))
        crowd.kill(pid)
        kills -= orders.pending(pid) > 0  # one that had nothing is no such kill
        crowd.start()


@pytest.mark.timeout(120)
def test_fifty_kills_and_one_case_for_each_message(
    orders: Orders, tenant: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """Workers are killed 50 times with messages in hand, some come twice: one case for each."""
    with workers(write_worker(tmp_path), environ, 4) as crowd:
        kill_many(orders, crowd, kills=50, fresh=4)
        wait_until(orders.done)

    assert len(orders.titles) >= 200
    assert sorted(row["title"] for row in tenant.rows()) == sorted(orders.titles)


def test_a_journal_in_redis_holds_as_well(
    orders: Orders, tenant: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """With the journal of several machines, too, killed workers make one case for each message."""
    with workers(write_worker(tmp_path, journal=REDIS), environ, 3) as crowd:
        kill_many(orders, crowd, kills=8, fresh=4)
        wait_until(orders.done)

    assert sorted(row["title"] for row in tenant.rows()) == sorted(orders.titles)


def test_an_order_that_can_be_no_case_is_put_aside(
    orders: Orders, tenant: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """What breaks a bound, has an unknown field or no key comes once, and holds up nobody."""
    too_long = FIELDS | {"title": "x" * 129}
    for number, case in enumerate([too_long, FIELDS | {"title": "a", "no_such_field": 1}]):
        orders.send(json.dumps({"number": f"bad {number}", "case": case}))
    orders.send(json.dumps({"case": FIELDS | {"title": "a"}}))
    orders.add()
    with workers(write_worker(tmp_path), environ, 1):
        wait_until(lambda: orders.done() and orders.dead() == 3)
    assert tenant.count() == 1


def test_sigterm_lets_it_finish(
    orders: Orders, tenant: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """A worker that is told to end acknowledges what it is at, and nothing is left in hand."""
    for _ in range(7):
        orders.add()
    sample = SAMPLE_FILES["order.json"]
    orders.send(sample)
    orders.titles.append(json.loads(sample)["case"]["title"])
    tenant.latency = Latency(0.3)
    worker = subprocess.Popen(  # noqa: S603  (the page's)
        [sys.executable, write_worker(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=tmp_path, env=environ, text=True,
    )  # fmt: skip
    try:
        # Each is begun, and none is answered; what Redis has given may not be begun yet.
        wait_until(lambda: tenant.count() == len(orders.titles))
        worker.send_signal(signal.SIGTERM)
        printed, _ = worker.communicate(timeout=SECONDS)
    finally:
        worker.kill()
        worker.wait()

    assert worker.returncode == 0
    assert orders.done()
    assert {row["id"] for row in tenant.rows()} <= set(printed.split())
    assert tenant.count() == len(orders.titles)
    assert not list(tmp_path.glob("cases.journal-owner-*"))  # the client was closed
