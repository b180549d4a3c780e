"""What the fuzzing tests share: seeds that a failure shows, and damage.

``AICC_FUZZ_SEED`` chooses other runs than the usual ones, ``AICC_FUZZ_RUNS`` how many there are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from random import Random
from typing import Any

from aicc_async import AICCError

# Read now: the tests of commands begin without variables.
SEED, RUNS = os.environ.get("AICC_FUZZ_SEED", "0"), os.environ.get("AICC_FUZZ_RUNS")
PIECES = (b"\xff\xfe\xff\xff", b"null", b"9999", b"0000", b"-1.5", b'"x":', b"[[[[", b"\0\0\0\0")
# What JSON may hold in place of a value.
ODD: tuple[Any, ...] = (
    *("0001-01-01 00:00:00", "9999-12-31 23:59:59", "2025-01-01T00:00:00+08:00", "2025-02-30"),
    *("0000-00-00 00:00:00", "x", "", "\ud800", "1e400", "true", "0", "\r\n\x1b[2J", "x" * 3000),
    *(None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, 1e300),
    *([], {}, [[]], [{}], [None], {"": None}, {"id": {}}, [1, "x"], [[[[[[[[]]]]]]]]),
)
KEYS = ("extra", "id", "count", "result", "\udfff", "")


def runs(usual: int) -> int:
    """Return how many runs a test makes."""
    return int(RUNS or usual)


@contextmanager
def fuzzed(number: object) -> Iterator[Random]:
    """Yield the chance of one run, which may end with an error of ours; any other says its seed."""
    try:
        yield Random(f"{SEED} {number}")  # noqa: S311  (a seed is a help here)
    except AICCError:
        pass
    except BaseException as error:
        error.add_note(f"AICC_FUZZ_SEED={SEED}, run {number}")
        raise


def damage(rng: Random, content: bytes) -> bytes:
    """Change, cut, move or add some bytes."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at : at + 1] = rng.randbytes(1)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(8)
        elif kind == 3:
            del data[at : at + rng.randrange(200)]
        elif kind == 4:
            data[at : at + 4] = rng.choice(PIECES)
        else:
            data[at : at + 16] = data[other : other + 16]
    return bytes(data)


def change_json(rng: Random, content: bytes) -> bytes:
    """Put odd values into JSON, take some away, and write some keys twice."""
    value = json.loads(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        places = [*_places(value)]
        if not places:
            return json.dumps(rng.choice(ODD)).encode()
        inner, key = rng.choice(places)
        kind = rng.randrange(5)
        if kind == 0:
            del inner[key]
        elif kind == 1 and isinstance(inner, dict):
            inner[rng.choice(KEYS)] = deepcopy(rng.choice(ODD))
        elif kind == 2 and isinstance(inner, list):
            inner.append(deepcopy(inner[key]))
        else:
            inner[key] = deepcopy(rng.choice(ODD))
    body = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        body = body.replace(b"{", b'{"%b": null, ' % rng.choice([b"id", b"result", b"count"]), 1)
    return body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all that holds something in JSON, and under which key or number."""
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield value, key
        yield from _places(value[key])
