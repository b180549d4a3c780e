"""A simulated week: cases live, everything goes wrong once, the watcher is killed again and again.

``AICC_WATCH_DAYS=7 AICC_WATCH_CASES=20000 AICC_WATCH_KILLS=100`` is the long form, of some twenty
minutes; ``AICC_WATCH_SEED`` chooses a life, and repeats it as far as kills hit the same instant.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from helpers.week_life import Life, Watch
from helpers.week_oracle import judge
from helpers.week_world import DAY, HOUR, WALL_START, World

from aicc_async.emulator import run_in_thread

DAYS = float(os.environ.get("AICC_WATCH_DAYS") or 0.75)
CASES = int(os.environ.get("AICC_WATCH_CASES") or 300)
KILLS = int(os.environ.get("AICC_WATCH_KILLS") or 8)
SEED = int(os.environ.get("AICC_WATCH_SEED") or 0)
LOOKBACK = 7 * DAY
IS_LONG = DAYS > 1
# Whichever test is the first runs the watcher for all.
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
    pytest.mark.slow,
    pytest.mark.timeout(7200 if IS_LONG else 120),
]
WATCH = Watch(every=60.0 if IS_LONG else 300.0, lookback=LOOKBACK, period=HOUR)


def live(
    folder: Path, *, days: float, kills: int, seed: int, cases: int, is_naive: bool = False
) -> Life:
    """Run a watcher for so many days."""
    print(f"AICC_WATCH_SEED={seed}")  # noqa: T201  (shown when it fails)
    since = WALL_START - timedelta(seconds=LOOKBACK)
    with run_in_thread(cases=cases, since=since, until=WALL_START, seed=seed) as tenant:
        tenant.record = False
        world = World(
            tenant=tenant,
            seed=seed,
            end=days * DAY,
            calm=3 * HOUR,
            incident_gap=2 * HOUR,
            rate=0.2 if IS_LONG else 0.7,
            lookback=LOOKBACK,
        )
        life = Life(world=world, watch=WATCH, folder=folder, kills=kills, is_naive=is_naive)
        life.run()
        return life


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder in memory: a kill loses nothing that was written, be it on a disk or not."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:  # noqa: S108
        yield Path(name)


@pytest.fixture(scope="module")
def life(folder: Path) -> Life:
    """Run a watcher, once for all tests."""
    return live(folder, days=DAYS, kills=KILLS, seed=SEED, cases=CASES)


def test_a_week_is_told_as_it_was(life: Life) -> None:
    """Every change is told, nothing else is, and no deletion that was none."""
    found = judge(life)
    print(found, dict(life.world.happened), f"killed {len(life.killed)} times")  # noqa: T201
    assert not found.faults, str(found)
    assert found.checked > CASES
    assert len(life.killed) >= KILLS


def without_some(records: list[dict[str, Any]]) -> None:
    """Lose every tenth event, and that it was acknowledged."""
    ids = dict.fromkeys(each["event"]["id"] for each in records if "event" in each)
    lost = set(list(ids)[::10])
    records[:] = [
        each
        for each in records
        if each.get("event", {}).get("id") not in lost and each.get("ack") not in lost
    ]


def with_one_again(records: list[dict[str, Any]]) -> None:
    """Repeat an event that was acknowledged."""
    records.append(next(each for each in records if "event" in each))


def with_a_deletion(records: list[dict[str, Any]]) -> None:
    """Add a deletion that was none, of the case that was told last."""
    last = [each for each in records if each.get("event", {}).get("kind") == "created"][-1]
    gone = {**last["event"], "id": "x", "kind": "deleted"}
    records.append({"event": gone, "at": records[-1]["at"]})


def with_another_row(records: list[dict[str, Any]]) -> None:
    """Replace a title by one that the case never had."""
    record = next(each for each in records if each.get("event", {}).get("kind") == "changed")
    record["event"]["case"]["title"] = "never"


def in_another_order(records: list[dict[str, Any]]) -> None:
    """Swap two events of one case."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        if event := record.get("event"):
            places[event["case_id"]].append(number)
    first, second = next(
        (one, two)
        for numbers in places.values()
        for one, two in itertools.pairwise(numbers)
        if records[one]["event"]["id"] != records[two]["event"]["id"]
    )
    one, two = records[first]["event"], records[second]["event"]
    records[first]["event"], records[second]["event"] = two, one


@pytest.mark.parametrize(
    "spoil",
    [without_some, with_one_again, with_a_deletion, with_another_row, in_another_order],
)
def test_the_judge_is_not_blind(
    life: Life, spoil: Callable[[list[dict[str, Any]]], None], tmp_path: Path
) -> None:
    """It finds what is wrong in an otherwise true log."""
    records = [json.loads(line) for line in life.log.read_bytes().splitlines() if line]
    spoil(records)
    spoilt = tmp_path / "events.jsonl"
    spoilt.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert judge(life, spoilt).faults


@pytest.mark.timeout(60)
def test_a_naive_watch_is_found_out(tmp_path: Path) -> None:
    """Whoever takes what does not come for deleted is found out."""
    found = judge(live(tmp_path, days=0.25, kills=3, seed=1, cases=300, is_naive=True))
    assert any("deleted as" in each for each in found.faults)
