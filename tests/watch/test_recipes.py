"""The recipes for events of cases: on a broker, in an outbox, and for a worker of its own cases.

They run as programs that are killed, on real servers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from faststream.redis import RedisBroker, StreamSub
from helpers.processes import wait_until
from helpers.recipes import recipe

from aicc_async.emulator import Emulator, Fault, run_in_thread

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

STATE = "{aicc:watch:cases}:state"
EVENTS = "{aicc:watch:cases}:events"
WATCH = "watch_cases(state=state)"
# Where recipes die, in tests.
PUBLISH = 'await broker.publish(to_dict(event), stream="case-events")\n'
ACK = "await event.ack(within=connection)\n"
DIE = f"{' ' * 20}os.kill(os.getpid(), 9)\n"
Start = Callable[[str], "subprocess.Popen[str]"]
# Imports of many programs at once take long.
wait = partial(wait_until, seconds=40)


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run an empty tenant."""
    with run_in_thread(cases=0) as emulator:
        yield emulator


@pytest.fixture
def start(tenant: Emulator, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Return a function that runs a recipe, which looks each second; all are killed at the end."""
    environ = {
        **os.environ,
        "AICC_BASE_URL": tenant.url,
        "AICC_CLIENT_ID": tenant.client_id,
        "AICC_CLIENT_SECRET": tenant.client_secret,
        "AICC_TIMEZONE": "Asia/Shanghai",
    }
    with ExitStack() as stack:

        def run(code: str) -> subprocess.Popen[str]:
            for name, fixture in (("REDIS_URL", "redis_url"), ("DATABASE_URL", "postgres_url")):
                if name in code:
                    environ[name] = request.getfixturevalue(fixture)
            assert WATCH in code
            script = tmp_path / "recipe.py"
            script.write_text(code.replace(WATCH, "watch_cases(state=state, every=1)"))
            process = subprocess.Popen(  # noqa: S603  (the page's)
                [sys.executable, "-W", "error", script], env=environ, stdout=subprocess.PIPE,
                text=True, cwd=tmp_path,
            )  # fmt: skip
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield run


# ---- on a broker -----------------------------------------------------------------------------


class Stream:
    """What was published, and who leads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def leader(self) -> bytes | None:
        """Return the token of who leads."""
        return self._redis.hget(STATE, "holder")  # type: ignore[return-value]  # not awaited

    def has_begun(self) -> bool:
        """Return whether a watch has looked."""
        return bool(self._redis.hexists(STATE, "meta"))

    def expire(self) -> None:
        """Have the leader's lease run out."""
        self._redis.hset(STATE, "held_until", 0)

    def count(self) -> int:
        """Count what was published."""
        return int(self._redis.xlen("case-events"))

    def is_done(self) -> bool:
        """Return whether all events are acknowledged."""
        return not self._redis.zcard(EVENTS)


@pytest.fixture
def stream(redis_url: str) -> Iterator[Stream]:
    """Look into the broker."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield Stream(client)


async def read_stream(url: str, count: int) -> list[dict[str, Any]]:
    """Return what a consumer of FastStream's reads."""
    broker = RedisBroker(url)
    found: list[dict[str, Any]] = []
    subscriber = broker.subscriber(stream=StreamSub("case-events", last_id="0"), persistent=False)
    async with broker:
        await subscriber.start()
        while len(found) < count:
            message = await subscriber.get_one()
            if message:
                event = await message.decode()
                assert isinstance(event, dict)
                found.append(event)
    return found


async def test_replicas_publish_over_kills(
    start: Start, stream: Stream, tenant: Emulator, redis_url: str
) -> None:
    """A leader dies when it has published one: the other goes on, and only that comes twice."""
    code = recipe("case_events.py")
    # Whoever leads, but one of them only.
    is_first = "event.case.title == '2' and not os.path.exists('died') and open('died', 'x')"
    dying = code.replace(PUBLISH, f"{PUBLISH}{' ' * 12}if {is_first}:\n{DIE}")
    assert dying != code
    replicas = [start(dying), start(dying)]
    wait(stream.has_begun)
    ids = [tenant.insert(title=f"{number}") for number in range(5)]
    wait(lambda: any(each.poll() == -signal.SIGKILL for each in replicas))
    ids += [tenant.insert(title=f"{number}") for number in range(5, 9)]
    wait(lambda: stream.count() >= 10 and stream.is_done())

    told = await read_stream(redis_url, stream.count())
    assert Counter(event["case_id"] for event in told) == Counter([*ids, ids[2]])
    assert len({event["id"] for event in told}) == 9


async def test_a_replica_that_was_stopped_waits_for_its_turn(
    start: Start, stream: Stream, tenant: Emulator, redis_url: str
) -> None:
    """One that lost its lease while it was stopped publishes nothing but what it had in hand."""
    code = recipe("case_events.py")
    first = start(code)
    wait(stream.has_begun)
    token = stream.leader()
    second = start(code)
    ids = [tenant.insert(title=f"t{number}") for number in range(5)]
    wait(lambda: stream.count() >= 1)
    first.send_signal(signal.SIGSTOP)
    stream.expire()
    wait(lambda: stream.leader() not in {None, token})
    wait(stream.is_done)
    first.send_signal(signal.SIGCONT)
    assert first.stdout
    assert "its lease is lost, another process watches now" in first.stdout.readline()
    second.kill()
    stream.expire()
    ids += [tenant.insert(title=f"t{number}") for number in range(5, 9)]
    wait(lambda: stream.count() >= 9 and stream.is_done())

    told = await read_stream(redis_url, stream.count())
    assert {event["case_id"] for event in told} == set(ids)
    # Two leaders lost their turn.
    assert len(told) <= 9 + 2


# ---- in Postgres -----------------------------------------------------------------------------


def fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return rows; none while there is no such table."""
    with psycopg.connect(url) as connection:
        try:
            return connection.execute(sql.encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def has_begun(url: str) -> bool:
    """Return whether a watch has looked."""
    return fetch(url, "SELECT meta IS NOT NULL FROM aicc_watch") == [(True,)]


def is_done(url: str, known: int) -> bool:
    """Return whether so many cases are known, and all events are acknowledged."""
    cases, events = "SELECT * FROM aicc_watch_case", "SELECT * FROM aicc_watch_event"
    return len(fetch(url, cases)) == known and not fetch(url, events)


def expire(url: str) -> None:
    """Have the leader's lease run out."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE aicc_watch SET held_until = 'epoch'")


def test_an_outbox_has_each_event_once(start: Start, tenant: Emulator, postgres_url: str) -> None:
    """A process that dies before its transaction commits leaves nothing, one after it a row."""
    code = recipe("case_outbox.py")
    assert code.count(ACK) == 1
    dying = code.replace(ACK, f"{ACK}{' ' * 16}if event.case.title == 'b':\n{DIE}")
    process = start(dying)
    wait(lambda: has_begun(postgres_url))
    ids = [tenant.insert(title=title) for title in "abc"]
    assert process.wait() == -signal.SIGKILL
    assert len(fetch(postgres_url, "SELECT * FROM case_events")) < 3
    expire(postgres_url)
    start(code)
    wait(lambda: is_done(postgres_url, 3))

    rows = fetch(postgres_url, "SELECT id, event FROM case_events ORDER BY number")
    assert sorted(event["case_id"] for _, event in rows) == sorted(ids)
    assert all((event["id"], event["kind"]) == (each, "created") for each, event in rows)


def test_a_worker_does_not_answer_itself(start: Start, tenant: Emulator, postgres_url: str) -> None:
    """Each case of somebody else's has one follow-up, though the worker dies after a create."""
    code = recipe("follow_ups.py")
    printing = "print(await aicc.create_case(new, key=event.id), flush=True)\n"
    assert code.count(printing) == 1
    dying = code.replace(printing, f"await aicc.create_case(new, key=event.id)\n{DIE[8:]}")
    process = start(dying)
    wait(lambda: has_begun(postgres_url))
    tenant.insert(title="theirs 1")
    assert process.wait() == -signal.SIGKILL
    expire(postgres_url)
    # What was made for the first one is known. For the second one the answer is lost.
    tenant.fail("create", Fault.DROP_AFTER)
    tenant.insert(title="theirs 2")
    process = start(code.replace("from_env(", "from_env(list_lag=0.1, "))
    assert process.stdout
    own = {process.stdout.readline().strip() for _ in range(2)}
    wait(lambda: is_done(postgres_url, 4))

    titles = {row["id"]: row["title"] for row in tenant.rows()}
    assert {titles[each][:10] for each in own} == {"Call back "}
    assert len(titles) == 4
