"""Odd arguments to every constructor and call: a record, an answer, or an error of ours alone.

``AICC_FUZZ_RUNS`` is how many inputs are tried, ``AICC_FUZZ_SEED`` which ones: a failure shows it.
"""

from __future__ import annotations

import asyncio
import enum
import os
import random
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers import tenants

from aicc_async import (
    AICCClient,
    AICCError,
    ClientCredentials,
    ConfigError,
    Dialect,
    InvalidInput,
    NetworkSettings,
    QFlowClient,
    QFlowLogin,
    RateLimit,
    RetryPolicy,
    SQLiteJournal,
    StaticToken,
    Timeouts,
    export_cases,
    models,
    request_priority,
)
from aicc_async.emulator import Emulator
from aicc_async.settings.profile import Profile

SEED = os.environ.get("AICC_FUZZ_SEED", "12")
RUNS = int(os.environ.get("AICC_FUZZ_RUNS", "300"))
URL = "http://127.0.0.1:1"
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
FIRST, LAST = datetime.min, datetime.max  # noqa: DTZ901  (naive ones are inputs too)
EAST, WEST = timezone(timedelta(hours=23, minutes=59)), timezone(-timedelta(hours=23, minutes=59))


class Text(str):
    """A text of a template, which shows itself in another way."""

    __slots__ = ()

    def __str__(self) -> str:
        return "<shown>"


class Count(int):
    """A number of a user's own kind."""


class Share(float):
    """Another one."""


class Colour(enum.Enum):
    """A member of an enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """A member that is a number."""

    LOW = 1


class Missing:
    """As ``pandas.NA``: neither true nor false."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value is ambiguous")


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


CONSTANTS: list[Any] = [
    *(None, True, False, ..., NotImplemented, object, len, Colour.RED),
    *(0, 1, -1, 2**31, 2**63, -(2**64), 10**30, 10**5000, Count(5)),
    *(0.5, -0.0, float("nan"), float("inf"), 1e308, Share(2.5), 1j),
    *(Level.LOW, Decimal("NaN"), Decimal("1e9"), Fraction(1, 3)),
    *("", " ", ".", "..", "/", "\0", "a\nb", "\ud83d", "工" * 50, "%2e"),
    *("x" * 25_000, Text("safe"), Text(""), Text("\udc00"), "10/0", "é"),
    *(b"bytes", bytearray(b"b"), memoryview(b"m"), range(3), frozenset()),
    *(NOON, NOON.replace(tzinfo=None), date(2025, 1, 1), timedelta(1)),
    *(FIRST, LAST, date.min, date.max, NOON.timetz()),
    *(FIRST.replace(tzinfo=EAST), FIRST.replace(tzinfo=WEST)),
    *(LAST.replace(tzinfo=EAST), LAST.replace(tzinfo=WEST)),
    *((), (1,), {1: 2}, {"a": float("nan")}, {"a": b""}, {"a": NOON}),
    *(["a"], ["a"] * 6, [None], ["\ud83d"], {"a": "b"}, {"id": "x"}),
]
# Each is made anew: it may be used up, or changed.
MADE: list[Callable[[], Any]] = [
    Missing,
    object,
    dict,
    list,
    set,
    lambda: _nested(20),
    lambda: _nested(20_000),
    lambda: {"a": _nested(5000)},
    lambda: iter([1]),
    lambda: (each for each in "ab"),
    lambda: lambda: None,
    lambda: ValueError("an error"),
    lambda: Path("x"),
]
TEXTS = [each for each in CONSTANTS if isinstance(each, str)]
TEXTS += ["task_detail=x", "missing_codes=", "throttle_statuses=5", "1e999/1", "1/nan", "²"]
NEEDED: dict[type, dict[str, Any]] = {
    models.NewCase: {"title": "t", "description": "d", "type": "y", "contact_id": "c"}
    | {"creator_id": "u"},
    models.CaseUpdate: {"id": "i", "title": "t", "description": "d", "creator_id": "u"},
    models.CaseQuery: {},
    models.CaseTransfer: {"id": "i", "owner_id": "o", "owner_type": "user", "creator_id": "u"}
    | {"remark": "r"},
    models.ProcessInfo: {"type": "SMS"},
    models.CaseProcess: {"case_id": "i", "process": models.ProcessInfo(type="SMS")},
    models.CaseCancel: {"id": "i"},
    models.StatusUpdate: {"id": "i", "status": "s"},
    models.CaseTypeQuery: {},
    models.StatisticsQuery: {},
    models.NewTask: {"title": "t"},
    models.TaskUpdate: {"id": "i"},
    models.TaskQuery: {},
    models.TaskTransfer: {"id": "i", "owner_id": "o"},
    models.CaseEnqueue: {"service_id": 1},
    models.QueueCancel: {"case_id": 1},
}
SETTINGS: dict[Any, tuple[dict[str, Any], tuple[str, ...]]] = {
    RateLimit: ({"limit": 5}, ()),
    RateLimit.adaptive: ({}, ("start", "ceiling", "per", "shared", "priority")),
    RetryPolicy: ({}, ()),
    Timeouts: ({}, ()),
    Dialect: ({}, ()),
    NetworkSettings: ({}, ()),
    Profile: ({}, ()),
    StaticToken: ({"token": "t"}, ()),
    ClientCredentials: ({"client_id": "i", "client_secret": "s"}, ()),
    QFlowLogin: ({"user_name": "n", "password": "p"}, ()),
    AICCClient: (
        {"base_url": URL, "auth": StaticToken("t")},
        (
            *("rate_limit", "max_concurrency", "retry", "timeouts", "timezone", "session"),
            *(
                "allow_http",
                "network",
                "max_body",
                "dialect",
                "profile",
                "journal",
                "on_unknown",
                "list_lag",
            ),
        ),
    ),
    QFlowClient: (
        {"base_url": URL, "login": QFlowLogin("n", "p")},
        (
            *("token_header", "token_prefix", "headers", "rate_limit", "max_concurrency", "retry"),
            *("timeouts", "session", "allow_http", "network"),
        ),
    ),
    request_priority: ({"priority": "bulk"}, ()),
    SQLiteJournal: ({"path": "a.journal"}, ()),
}
# A fault of one of these may be told as that of another: they bound each other.
RELATED = [{"start_time", "end_time"}, {"limit", "ceiling", "burst", "strict", "shared", "start"}]
RELATED += [{"case_id", "process_id"}, {"token_header", "headers"}]
RELATED += [{"ids", "case_id"}, {"path", "journal"}]


def _odd_value(draw: random.Random) -> Any:
    number = draw.randrange(len(CONSTANTS) + len(MADE))
    return CONSTANTS[number] if number < len(CONSTANTS) else MADE[number - len(CONSTANTS)]()


def _spoil(
    draw: random.Random, base: dict[str, Any], names: list[str]
) -> tuple[dict[str, Any], set[str]]:
    """Return arguments of which one to three are odd, and the names of these."""
    odd = set(draw.sample(names, min(draw.choice([1, 1, 1, 2, 3]), len(names))))
    return base | {name: _odd_value(draw) for name in sorted(odd)}, odd


def _check_names(error: ConfigError, odd: set[str]) -> None:
    """Fail unless the error is about what was odd, and only that."""
    allowed = odd.union(*(group for group in RELATED if group & odd))
    if isinstance(error, InvalidInput):
        assert error.errors
        for fault in error.errors:
            assert fault.field in allowed or " or " in fault.field, (fault, odd)
    assert any(name in str(error) for name in allowed), (str(error)[:300], odd)
    assert "Traceback" not in str(error)
    # A path is shown whole.
    assert len(str(error)) < 2000 or "profile" in odd


def _records(draw: random.Random) -> Iterator[tuple[Any, set[str]]]:
    """Yield a record with odd fields, unless an error of ours refuses them."""
    cls = draw.choice(list(NEEDED))
    names = [field.name for field in attrs.fields(cls)]
    values, odd = _spoil(draw, NEEDED[cls], names)
    make: Any = draw.choice([lambda fields: cls(**fields), cls.from_dict])  # type: ignore[attr-defined]
    try:
        yield make(values), odd
    except ConfigError as error:
        _check_names(error, odd)


def _try_dict(draw: random.Random) -> None:
    """Make a record of odd names as well."""
    cls: Any = draw.choice(list(NEEDED))
    odd = _odd_value(draw)
    try:
        hash(odd)
    except TypeError:
        odd = "titel"
    values: Any = draw.choice([odd, NEEDED[cls] | {odd: 1}, {odd: odd}])
    try:
        cls.from_dict(values)
    except InvalidInput as error:
        known = {"values", "case_id or process_id", *(field.name for field in attrs.fields(cls))}
        others = [fault for fault in error.errors if fault.field not in known]
        assert len(others) <= (isinstance(values, dict) and odd not in known)
        assert all(fault.bound.startswith("unknown field ") for fault in others)


def _try_environment(draw: random.Random) -> None:
    """Make a client of odd variables."""
    names = ["AICC_BASE_URL", "AICC_ACCESS_TOKEN", "AICC_KEY_FILE", "AICC_CLIENT_ID"]
    names += ["AICC_TIMEZONE", "AICC_RATE_LIMIT", "AICC_DIALECT", "AICC_PROFILE"]
    odd = {name: draw.choice(TEXTS) for name in draw.sample(names, 2)}
    good = {"AICC_BASE_URL": URL, "AICC_ACCESS_TOKEN": "t"}
    with suppress(ConfigError):
        assert AICCClient.from_env(good | odd).base_url


def _try_setting(draw: random.Random) -> None:
    """Make settings, credentials and clients with odd arguments."""
    make = draw.choice(list(SETTINGS))
    base, others = SETTINGS[make]
    names = [*base, *others]
    if attrs.has(make):
        names = [field.alias or field.name for field in attrs.fields(make)]
    values, odd = _spoil(draw, base, names)
    try:
        made = make(**values)
    except ConfigError as error:
        _check_names(error, odd)
    else:
        assert made is not None


Call = tuple[Callable[..., Any], dict[str, Any], list[str]]


def _calls(aicc: AICCClient) -> list[Call]:
    """Return the calls that take more than a record, with good arguments and all names."""
    new = models.NewCase(**NEEDED[models.NewCase])
    query, page = models.StatisticsQuery(), ["query", "start", "limit"]
    change = {"case_id": "i", "creator_id": "u", "priority": "High"}
    changes = ["title", "description", "owner_id", "due_date", "contact_id", "contact_phone"]
    return [
        (aicc.list_cases, {}, page),
        (aicc.iter_cases, {}, ["query"]),
        (aicc.iter_batches, {}, ["query"]),
        (aicc.get_case, {"case_id": "i"}, ["case_id"]),
        (aicc.get_cases, {"ids": ["i"]}, ["ids", "concurrency"]),
        (aicc.create_case, {"new": new}, ["new", "key", "on_unknown", "max_wait"]),
        (aicc.create_cases, {"items": [("k", new)]}, ["items", "on_unknown"]),
        (aicc.modify_case, {}, ["change"]),
        (aicc.change_case, change, [*change, *changes, "attachment", "extra", "if_unchanged"]),
        (aicc.transfer_case, {}, ["transfer"]),
        (aicc.process_case, {}, ["process"]),
        (aicc.cancel_case, {}, ["cancel"]),
        (aicc.update_case_status, {}, ["update"]),
        (aicc.list_case_types, {}, page),
        (aicc.iter_case_types, {}, ["query"]),
        (aicc.get_case_type, {"type_id": "i"}, ["type_id"]),
        (aicc.list_statistics, {"query": query}, page),
        (aicc.iter_statistics, {"query": query}, ["query"]),
        (aicc.create_task, {}, ["new"]),
        (aicc.modify_task, {}, ["change"]),
        (aicc.list_tasks, {}, page),
        (aicc.iter_tasks, {}, ["query"]),
        (aicc.get_task, {"task_id": "i"}, ["task_id"]),
        (aicc.transfer_task, {}, ["transfer"]),
        (aicc.update_task_status, {}, ["update"]),
        (
            partial(export_cases, aicc),
            {"query": None, "target": "a.jsonl"},
            ["query", "target", "format", "since_last", "settle"],
        ),
    ]


async def _finish(answer: Awaitable[Any] | AsyncGenerator[Any]) -> None:
    """Wait for an answer, or for the first of many."""
    async with asyncio.timeout(20):
        if isinstance(answer, AsyncGenerator):
            async with aclosing(answer) as rows:
                await anext(rows, None)
        else:
            await answer


async def _try_call(draw: random.Random, aicc: AICCClient) -> None:
    """Call with odd arguments."""
    call, base, names = draw.choice(_calls(aicc))
    values, odd = _spoil(draw, base, names)
    try:
        await _finish(call(**values))
    except ConfigError as error:
        _check_names(error, odd | ({"changes"} if call == aicc.change_case else set()))
    except AICCError:
        pass


async def _try_queue(draw: random.Random, queue: QFlowClient) -> None:
    """Call Q-Flow, where nobody listens."""
    case = models.CaseEnqueue(**NEEDED[models.CaseEnqueue])
    calls: list[Call] = [
        (queue.get_case, {"case_id": 1}, ["case_id"]),
        (queue.get_process, {"process_id": 1}, ["process_id"]),
        (queue.enqueue_case, {"case": case}, ["case"]),
        (queue.cancel_case, {}, ["cancel"]),
    ]
    call, base, names = draw.choice(calls)
    values, odd = _spoil(draw, base, names)
    try:
        await _finish(call(**values))
    except ConfigError as error:
        _check_names(error, odd)
    except AICCError:
        pass


async def _try_record(draw: random.Random, aicc: AICCClient, queue: QFlowClient) -> None:
    """Send a record of odd fields."""
    senders: dict[type, list[Callable[[Any], Any]]] = {
        models.NewCase: [aicc.create_case],
        models.CaseUpdate: [aicc.modify_case],
        models.CaseQuery: [aicc.list_cases, aicc.iter_cases, aicc.iter_batches],
        models.CaseTransfer: [aicc.transfer_case],
        models.CaseProcess: [aicc.process_case],
        models.CaseCancel: [aicc.cancel_case],
        models.StatusUpdate: [aicc.update_case_status],
        models.CaseTypeQuery: [aicc.list_case_types, aicc.iter_case_types],
        models.StatisticsQuery: [aicc.list_statistics, aicc.iter_statistics],
        models.NewTask: [aicc.create_task],
        models.TaskUpdate: [aicc.modify_task],
        models.TaskQuery: [aicc.list_tasks, aicc.iter_tasks],
        models.TaskTransfer: [aicc.transfer_task],
        models.CaseEnqueue: [queue.enqueue_case, lambda case: queue.enqueue_case(case, form=True)],
        models.QueueCancel: [queue.cancel_case],
    }
    for record, odd in _records(draw):
        for send in senders.get(type(record), []):
            try:
                await _finish(send(record))
            except ConfigError as error:
                _check_names(error, odd)
            except AICCError:
                pass


@asynccontextmanager
async def _clients(folder: Path) -> AsyncIterator[tuple[AICCClient, QFlowClient]]:
    queue = QFlowClient(URL, retry=tenants.QUICK)
    async with Emulator(cases=5, record=False) as tenant, queue:
        journal = SQLiteJournal(folder / "a.journal")
        async with tenants.client_of(tenant, journal=journal, timezone="Asia/Shanghai") as aicc:
            yield aicc, queue


@pytest.mark.timeout(20 + RUNS // 100)
async def test_odd_inputs_end_in_records_or_errors_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is passed, nothing else is raised, and a refusal names what was odd."""
    # Names of files among the inputs stay within.
    monkeypatch.chdir(tmp_path)
    async with _clients(tmp_path) as (aicc, queue):
        for number in range(RUNS):
            draw = random.Random(f"{SEED}:{number}")  # noqa: S311  (it invents inputs)
            kind = number % 4
            try:
                with warnings.catch_warnings():
                    # Of values that no document lists.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    if kind == 0:
                        _try_dict(draw)
                        _try_environment(draw)
                    elif kind == 1:
                        _try_setting(draw)
                    elif kind == 2:
                        await _try_call(draw, aicc)
                        await _try_queue(draw, queue)
                    else:
                        await _try_record(draw, aicc, queue)
            except Exception as error:
                error.add_note(f"AICC_FUZZ_SEED={SEED}, input {number}")
                raise
