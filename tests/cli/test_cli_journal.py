"""The commands for an operator: what a journal knows of creates, and what he decides."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import wait_until
from helpers.shell import Call, Start

from aicc_async.connectors.postgres import PostgresJournal
from aicc_async.connectors.redis import RedisJournal
from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.data.seed import wall_clock
from aicc_async.journal import STATES

pytest_plugins = ["helpers.postgres_server", "helpers.redis_server"]
GOOD = {"description": "d", "type": "y", "contactId": "o", "creatorId": "r"}
BULK = (
    *("create", "--from", "c.jsonl", "--key-field", "ref", "--results", "r.jsonl"),
    *("--list-lag", "0s", "--journal", "j"),
)
# Beside a stranger that equals it, nobody knows which of them it created.
LOST = Fault.HTTP_500_AFTER


@pytest.fixture
def tenant(empty_tenant: Emulator) -> Emulator:
    """Give a tenant without cases."""
    return empty_tenant


@pytest.fixture
def filled(tenant: Emulator, call: Call) -> dict[str, dict[str, Any]]:
    """Fill the journal ``j``: a confirmed create, a rejected one, and an unknown one."""
    for key, fault in {"made": None, "refused": Fault.BUSINESS_ERROR, "doubtful": LOST}.items():
        write(key)
        if fault is LOST:
            tenant.insert(title=key, **GOOD, createdDate=wall_clock())
        if fault:
            tenant.fail("create", fault)
        assert call(*BULK).code == (3 if fault else 0)
    return {entry["key"]: entry for entry in listed(call)}


def write(*keys: str) -> None:
    """Write the file of creates."""
    rows = [{"ref": key, "title": key, **GOOD} for key in keys]
    Path("c.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows))


def listed(call: Call, *options: str) -> list[dict[str, Any]]:
    """List the journal."""
    ended = call("journal", "list", "--journal", "j", *options)
    assert (ended.code, ended.err) == (0, "")
    return ended.rows


def change(sql: str) -> None:
    """Change the journal behind its back: what only time or a crash could do."""
    with closing(sqlite3.connect("j")) as db, db:
        db.execute(sql)


# ---- list and show -------------------------------------------------------------------------


def test_list_prints_what_is_known_oldest_first(filled: dict[str, dict[str, Any]]) -> None:
    """Key, state, times, case and candidates on a line each; none of what was sent."""
    states = {key: entry["state"] for key, entry in filled.items()}
    assert list(states.items()) == [
        ("made", "confirmed"),
        ("refused", "rejected"),
        ("doubtful", "unknown"),
    ]
    assert filled["made"]["case_id"]
    assert filled["refused"]["case_id"] is None
    assert len(filled["doubtful"]["candidates"]) == 2
    assert filled["doubtful"]["note"] == "2 cases look like it"
    for entry in filled.values():
        assert {"created_at", "updated_at", "match_digest"} < entry.keys()
        assert not {"title", "held", *GOOD} & entry.keys()


@pytest.mark.parametrize("state", STATES)
def test_list_takes_a_state(filled: dict[str, dict[str, Any]], call: Call, state: str) -> None:
    """Only those are printed."""
    expected = [entry for entry in filled.values() if entry["state"] == state]
    assert listed(call, "--state", state) == expected


def test_an_unknown_state_is_refused(filled: dict[str, dict[str, Any]], call: Call) -> None:
    """The message names the known ones."""
    ended = call("journal", "list", "--journal", "j", "--state", "lost")
    assert (ended.code, ended.out) == (2, "")
    assert all(state in ended.err for state in STATES)
    assert filled


def test_show_prints_one(filled: dict[str, dict[str, Any]], call: Call) -> None:
    """As the list does."""
    ended = call("journal", "show", "doubtful", "--journal", "j")
    assert (ended.code, ended.rows) == (0, [filled["doubtful"]])


def test_a_key_that_isn_t_there_is_named(filled: dict[str, dict[str, Any]], call: Call) -> None:
    """It is a usage error."""
    ended = call("journal", "show", "nobody", "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "ConfigError: key must be in the journal, got 'nobody'\n"
    assert filled


def test_the_variable_says_where_it_is(
    filled: dict[str, dict[str, Any]], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AICC_JOURNAL is read by every command, and by a bulk create."""
    monkeypatch.setenv("AICC_JOURNAL", "j")
    assert call("journal", "list").rows == list(filled.values())
    write("made")
    ended = call("create", "--from", "c.jsonl", "--key-field", "ref", "--results", "r.jsonl")
    assert ended.out == "r.jsonl: 0 created, 1 already, 0 rejected, 0 unknown\n"
    assert not Path("c.jsonl.journal").exists()


@pytest.mark.parametrize(
    "command",
    [("list",), ("show", "k"), ("resolve", "k", "--not-created"), ("prune", "--older-than", "1d")],
)
def test_a_file_that_is_no_journal_or_not_there_is_refused(
    tenant: Emulator, call: Call, command: tuple[str, ...]
) -> None:
    """None is created, and another database or text stays as it is."""
    with closing(sqlite3.connect("other.db")) as db:
        db.execute("CREATE TABLE t (x)")
    Path("text").write_text("invented\n" * 1000)
    before = {name: Path(name).read_bytes() for name in ("other.db", "text")}
    for name in before:
        ended = call("journal", *command, "--journal", name)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("JournalError: ")
    ended = call("journal", *command, "--journal", "nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "'nowhere' does not exist" in ended.err
    ended = call("journal", *command)
    assert ended.code == 2
    assert "Missing option '--journal'" in ended.err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
    assert tenant.requests == []


# ---- resolve -------------------------------------------------------------------------------


def test_resolve_settles_with_a_case(filled: dict[str, dict[str, Any]], call: Call) -> None:
    """From then on the key is that case's, without a request."""
    case_id = filled["doubtful"]["candidates"][0]
    ended = call("journal", "resolve", "doubtful", "--case-id", case_id, "--journal", "j")
    assert ended.code == 0
    shown = json.loads(ended.out)
    assert (shown["state"], shown["case_id"], shown["candidates"]) == ("reconciled", case_id, [])
    assert call(*BULK).out == "r.jsonl: 0 created, 1 already, 0 rejected, 0 unknown\n"
    assert json.loads(Path("r.jsonl").read_bytes())["caseId"] == case_id


def test_resolve_allows_another_send(
    tenant: Emulator, filled: dict[str, dict[str, Any]], call: Call
) -> None:
    """None was created: the next run creates it."""
    before = tenant.count()
    ended = call("journal", "resolve", "doubtful", "--not-created", "--journal", "j")
    assert (ended.code, json.loads(ended.out)["state"]) == (0, "rejected")
    assert call(*BULK).out == "r.jsonl: 1 created, 0 already, 0 rejected, 0 unknown\n"
    assert tenant.count() == before + 1
    assert filled


@pytest.mark.parametrize("way", [("--not-created",), ("--case-id", "c6m8000001tSDqQAcMPR")])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("made", "its state is confirmed"),
        ("refused", "its state is rejected"),
        ("nobody", "it is not in the journal"),
    ],
)
def test_resolve_refuses_what_is_settled_or_missing(
    filled: dict[str, dict[str, Any]], call: Call, key: str, why: str, way: tuple[str, ...]
) -> None:
    """Nothing changes."""
    ended = call("journal", "resolve", key, *way, "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"ConfigError: cannot resolve the key {key!r}: {why}\n"
    assert listed(call) == list(filled.values())


def test_resolve_refuses_another_key_s_case(filled: dict[str, dict[str, Any]], call: Call) -> None:
    """One case can't be that of two keys."""
    case_id = filled["made"]["case_id"]
    ended = call("journal", "resolve", "doubtful", "--case-id", case_id, "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(f"{case_id} is another key's case\n")


@pytest.mark.parametrize("way", [(), ("--not-created", "--case-id", "c")])
def test_resolve_needs_one_decision(
    filled: dict[str, dict[str, Any]], call: Call, way: tuple[str, ...]
) -> None:
    """Neither none nor both."""
    ended = call("journal", "resolve", "doubtful", *way, "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "ConfigError: exactly one of --case-id and --not-created must be set\n"
    assert listed(call) == list(filled.values())


def test_resolve_waits_for_no_process_that_is_at_work(
    tenant: Emulator, call: Call, start: Start
) -> None:
    """While it may still send, the outcome is open; once it is dead, it is not."""
    write("k")
    tenant.fail("create", Fault.HANG)
    process = start(*BULK)
    wait_until(lambda: [each for each in tenant.requests if each.operation == "create"])
    ended = call("journal", "resolve", "k", "--not-created", "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith("cannot resolve the key 'k': a process is at work on it\n")
    assert [entry["state"] for entry in listed(call)] == ["sent"]
    process.kill()
    process.wait()
    ended = call("journal", "resolve", "k", "--not-created", "--journal", "j")
    assert (ended.code, json.loads(ended.out)["state"]) == (0, "rejected")


# ---- prune ---------------------------------------------------------------------------------


def test_prune_removes_what_was_settled_long_ago(
    filled: dict[str, dict[str, Any]], call: Call
) -> None:
    """What is in doubt stays, however old; what is young stays too."""
    ended = call("journal", "prune", "--older-than", "90d", "--journal", "j")
    assert (ended.code, ended.out) == (0, "0 removed\n")
    assert listed(call) == list(filled.values())
    change(
        "UPDATE creates SET updated_at = updated_at - 91 * 86400,"
        " updated_steady = updated_steady - 91 * 86400"
    )
    ended = call("journal", "prune", "--older-than", "90d", "--journal", "j")
    assert (ended.code, ended.out) == (0, "2 removed\n")
    assert [entry["key"] for entry in listed(call)] == ["doubtful"]


@pytest.mark.parametrize("span", ["0d", "-1d", "90", "d", "\u0663d\u0663", "36501d"])
def test_prune_needs_a_length_of_time(
    filled: dict[str, dict[str, Any]], call: Call, span: str
) -> None:
    """A usage error, and nothing is removed."""
    ended = call("journal", "prune", "--older-than", span, "--journal", "j")
    assert (ended.code, ended.out) == (2, "")
    assert listed(call) == list(filled.values())


async def _keep(journal: PostgresJournal | RedisJournal) -> None:
    async with journal:
        await journal.claim("k", digest="d", match_digest="l")
        await journal.doubt("k", "TransportError", ["c1", "c2"])


@pytest.mark.parametrize(
    ("server", "kind"), [("redis_url", RedisJournal), ("postgres_url", PostgresJournal)]
)
def test_a_journal_may_be_a_server(
    call: Call,
    request: pytest.FixtureRequest,
    server: str,
    kind: type[PostgresJournal | RedisJournal],
) -> None:
    """The same commands look at the journal of replicas, and settle what it holds."""
    url: str = request.getfixturevalue(server)
    asyncio.run(_keep(kind(url)))
    place = ("--journal", url)
    [row] = call("journal", "list", "--state", "unknown", *place).rows
    assert (row["key"], row["candidates"]) == ("k", ["c1", "c2"])
    assert call("journal", "resolve", "k", "--case-id", "c2", *place).code == 0
    assert json.loads(call("journal", "show", "k", *place).out)["state"] == "reconciled"


@pytest.mark.parametrize("url", ["redis://:hush@127.0.0.1:1/0", "postgres://a:hush@127.0.0.1:1/d"])
def test_a_server_that_is_away_is_reported_without_its_password(call: Call, url: str) -> None:
    """The error names no more of the URL than the host."""
    ended = call("journal", "list", "--journal", url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("JournalError: ")
    assert "hush" not in ended.err


@pytest.mark.parametrize(
    "place",
    [
        "redis://:hush@127.0.0.1:1/0",
        "valkeys+sentinel://u:hush@127.0.0.1:1/cases",
        "redis:/:hush@host",
        "Redis:hush@host",
        "rediss//:hush@host",
        "postgres:hush@host",
        "http://u:hush@host/x",
        "//u:hush@host/x",
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("journal", "list"),
        ("create", "--key", "k", "c.jsonl"),
        ("create", "--from", "c.jsonl", "--key-field", "ref", "--results", "r.jsonl"),
        ("create", "--from", "c.jsonl", "--key-field", "ref", "--results"),
    ],
)
def test_no_command_shows_the_password_of_a_journal(
    call: Call, monkeypatch: pytest.MonkeyPatch, place: str, command: tuple[str, ...]
) -> None:
    """Whatever is wrong with a URL, or where it lands: it is an error without what is secret."""
    write("k")
    monkeypatch.setenv("AICC_JOURNAL", place)
    given = (*command, place) if command[-1] == "--results" else command
    ended = call(*given)
    assert ended.code in {1, 2, 3}
    assert ended.err
    assert "hush" not in ended.err + ended.out
