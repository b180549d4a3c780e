"""Thousands of creates while everything fails that may: one case each, and none of them lost."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from helpers import keyed_creates
from helpers.keyed_creates import REF, key_of, record_of
from helpers.new_cases import new_case

from aicc_async import (
    AICCClient,
    AICCError,
    ClientCredentials,
    RetryPolicy,
    SQLiteJournal,
    StaticToken,
    Timeouts,
    UnknownOutcome,
)
from aicc_async.emulator import Emulator, Fault, Quirks, run_in_thread
from aicc_async.emulator.options import TITLE_FORMS

MESSAGES = 2000
PROCESSES = 3
KILLS = 2  # of each process
MOST_DELIVERIES = 3  # of a message, beside those that a kill calls for
FAULTS = {
    Fault.DROP_BEFORE: 0.02,
    Fault.DROP_AFTER: 0.02,
    Fault.HANG: 0.01,
    Fault.HANG_AFTER: 0.01,
    Fault.CUT_BODY: 0.02,
    Fault.HTTP_500: 0.02,
    Fault.HTTP_500_AFTER: 0.02,
    Fault.HTTP_502: 0.01,
    Fault.HTTP_503: 0.01,
    Fault.HTTP_504: 0.01,
    # Each makes a client slow down: more would take minutes.
    Fault.THROTTLED: 0.002,
    Fault.TOKEN_EXPIRED_401: 0.02,
}
DEFINITE = {401, 429}  # after these answers a create may be sent again


def fail_often(tenant: Emulator, *operations: str) -> None:
    """Make requests fail in every way."""
    for operation in operations:
        for fault, share in FAULTS.items():
            tenant.fail(operation, fault, share=share)


class Process:
    """A worker's process: started with the messages that wait for it, killed, started again."""

    def __init__(self, tenant: Emulator, journal: Path, numbers: list[int]) -> None:
        self._arguments = keyed_creates.__file__, tenant.url, str(journal)
        self._waiting = numbers
        self.outcomes: list[tuple[int, str]] = []
        self.complaints = ""

    async def run(self, kills: Iterable[int]) -> None:
        """Run to the end, after it was killed when it had so many outcomes more, each time."""
        for more in kills:
            await self._run_until(len(self.outcomes) + more)
        await self._run_until(None)

    async def _run_until(self, outcomes: int | None) -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("".join(f"{number}\n" for number in self._waiting).encode())
        process.stdin.close()
        async for line in process.stdout:
            number, case_id = line.decode().split()
            self.outcomes.append((int(number), case_id))
            self._waiting.remove(int(number))
            if len(self.outcomes) == outcomes:
                process.send_signal(signal.SIGKILL)
                break
        _, complaints = await process.communicate()
        self.complaints += complaints.decode()


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_every_key_has_one_case_whatever_fails(tmp_path: Path) -> None:
    """Three processes that are killed and started again make one case for each message."""
    seed = random.randrange(10**6)  # noqa: S311  (to be repeated)
    draw = random.Random(seed)  # noqa: S311  (same)
    journal = tmp_path / "journal.db"
    with run_in_thread(cases=0, seed=seed, list_lag=0.1, retry_after=None) as tenant:
        fail_often(tenant, "create", "list", "get")
        processes = [Process(tenant, journal, numbers) for numbers in _deliveries(draw, PROCESSES)]
        async with asyncio.TaskGroup() as tasks:
            for process in processes:
                kills = [draw.randrange(50, 300) for _ in range(KILLS)]
                tasks.create_task(process.run(kills))
        complaints = [process.complaints for process in processes]
        entries = await _settled(journal)
        told = {outcome for process in processes for outcome in process.outcomes}
        assert told == set(entries.items()), (seed, complaints)
        assert sorted(entries.values()) == sorted(tenant.ids()), (seed, complaints)
        tenant.clear_faults()
        assert await _wrong(tenant, entries) == [], (seed, complaints)


def _deliveries(draw: random.Random, processes: int) -> list[list[int]]:
    """Deal every message out up to three times, to any process, in any order."""
    dealt = [each for each in range(MESSAGES) for _ in range(draw.randint(1, MOST_DELIVERIES))]
    draw.shuffle(dealt)
    piles: list[list[int]] = [[] for _ in range(processes)]
    for number in dealt:
        draw.choice(piles).append(number)
    return piles


async def _settled(path: Path) -> dict[int, str]:
    """Read the outcome of every key; none may be in doubt."""
    async with SQLiteJournal(path) as journal:
        entries = await journal.entries()
    assert {entry.state for entry in entries} <= {"confirmed", "reconciled"}
    ids = {entry.key: entry.case_id for entry in entries}
    return {number: ids[key_of(number)] or "" for number in range(MESSAGES)}


async def _wrong(tenant: Emulator, ids: dict[int, str]) -> list[int]:
    """List the messages whose case is another record's."""
    rows = {row["id"]: row for row in tenant.rows()}
    wrong = []
    for number, case_id in ids.items():
        new, row = record_of(number), rows[case_id]
        found = row["title"], row["contactId"], row.get(REF)
        if found != (new.title, new.contact_id, new.extra.get(REF)):
            wrong.append(number)
    told_apart = {
        number: case_id
        for number, case_id in ids.items()
        if record_of(number).description != "text"
    }
    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
        details = [detail.case async for detail in aicc.get_cases(told_apart.values())]
    pairs = zip(told_apart, details, strict=True)
    return wrong + [each for each, case in pairs if case.description != record_of(each).description]


# ---- with clocks, zones and titles that nobody can rely on ---------------------------------

KEYS = 60
ROUNDS = 6
JUMPS = [timedelta(minutes=each) for each in (0, 0, -180, -60, -3, 3, 10, 61, 1440)]
ZONES = [0, 0, -8 * 3600, 20_700]
DATES = [0.0, 0.0, None, 300.0, -3600.0]


class Machine(Protocol):
    """The clocks of this machine, set as a test wants."""

    def set_ahead(self, ahead: timedelta) -> None:
        """Set the wall clock."""

    def restart(self) -> None:
        """Start the machine again."""


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:the tenant dates cases:RuntimeWarning")
@pytest.mark.parametrize("attempt", range(4))
async def test_no_clock_zone_or_title_makes_a_second_case(
    attempt: int, machine: Machine, tmp_path: Path
) -> None:
    """Clocks jump, dates are missing or wrong, titles are rewritten: one case, or nobody knows."""
    seed = random.randrange(10**6)  # noqa: S311  (to be repeated)
    draw = random.Random(seed)  # noqa: S311  (same)
    zone = draw.choice(ZONES)
    told: dict[int, set[str]] = defaultdict(set)
    async with Emulator(cases=0, seed=seed, list_lag=0.02, retry_after=None) as tenant:
        for fault in (Fault.DROP_AFTER, Fault.DROP_BEFORE, Fault.HTTP_500_AFTER, Fault.HTTP_503):
            tenant.fail("create", fault, share=0.15)
        for _ in range(ROUNDS):
            forms = draw.choice(list(TITLE_FORMS)), "kept"
            tenant.quirks = Quirks(
                created_ahead=zone, date_ahead=draw.choice(DATES), title_form=draw.choice(forms)
            )
            machine.set_ahead(draw.choice(JUMPS))
            if draw.random() < 0.3:
                machine.restart()
            async with AICCClient(
                tenant.url,
                auth=StaticToken(tenant.token()),
                retry=RetryPolicy(base=0.001),
                timezone="Asia/Shanghai",
                journal=SQLiteJournal(tmp_path / "journal.db"),
                on_unknown=draw.choice(["raise", "reconcile"]),
                list_lag=0.2,
            ) as aicc:
                numbers = draw.sample(range(KEYS), KEYS // 2)
                results = await asyncio.gather(*(_deliver(aicc, number) for number in numbers))
            for number, case_id in zip(numbers, results, strict=True):
                if case_id:
                    told[number].add(case_id)
        machine.set_ahead(timedelta(0))
        rows = {row["id"] for row in tenant.rows()}
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            cases = [detail.case async for detail in aicc.get_cases(rows)]
    made = Counter(case.description for case in cases)
    where = seed, attempt
    assert made.total() == len(made), where
    assert all(len(ids) == 1 for ids in told.values()), where
    texts = {case.id: case.description for case in cases}
    assert all(texts[case_id] == f"text {number}" for number, [case_id] in told.items()), where
    assert told, where


async def _deliver(aicc: AICCClient, number: int) -> str | None:
    new = new_case(title=f"Hinz & K\u00fcnz {number}", description=f"text {number}")
    try:
        return await aicc.create_case(new, key=f"{number}")
    except AICCError:
        return None


# ---- without a journal ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_without_a_journal_nothing_is_sent_again_in_doubt() -> None:
    """Each create is confirmed and there, or UnknownOutcome, or refused and not there."""
    seed = random.randrange(10**6)  # noqa: S311  (to be repeated)
    async with (
        Emulator(cases=0, seed=seed, retry_after=None) as tenant,
        AICCClient(
            tenant.url,
            auth=ClientCredentials(tenant.client_id, tenant.client_secret),
            retry=RetryPolicy(base=0.001),
            timeouts=Timeouts(read=0.5),
            max_concurrency=100,
        ) as aicc,
    ):
        fail_often(tenant, "create")
        outcomes = await asyncio.gather(*(_create(aicc, number) for number in range(MESSAGES)))
        ids = {outcome for outcome in outcomes if isinstance(outcome, str)}
        rows = {row["id"]: int(row["title"]) for row in tenant.rows()}
        made = Counter(rows.values())
        assert made.total() == len(made), seed
        assert all(outcomes[rows[case_id]] == case_id for case_id in ids), seed
        for number, outcome in enumerate(outcomes):
            is_unknown = isinstance(outcome, UnknownOutcome)
            assert is_unknown or made[number] == isinstance(outcome, str), (seed, outcome)
        assert ids
        assert {type(outcome) for outcome in outcomes} >= {str, UnknownOutcome}
        assert not _sent_in_doubt(tenant), seed


async def _create(aicc: AICCClient, number: int) -> str | AICCError:
    try:
        return await aicc.create_case(new_case(title=f"{number}"))
    except AICCError as error:
        return error


def _sent_in_doubt(tenant: Emulator) -> list[list[int | None]]:
    """List the answers to creates that were sent again after another answer than a refusal."""
    answers = defaultdict(list)
    for call in tenant.requests:
        if call.operation == "create":
            answers[msgspec.json.decode(call.body)["caseInfo"]["title"]].append(call.status)
    return [each for each in answers.values() if not DEFINITE.issuperset(each[:-1])]
