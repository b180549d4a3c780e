"""``create --key``: one case for a key, whatever happens between two runs of the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shell import Call, Ended

from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.data.seed import wall_clock

pytest_plugins = ["helpers.redis_server"]

NEW = {"title": "Kim's parcel", "description": "d", "type": "y", "contactId": "o", "creatorId": "r"}
AGAIN = "run the same command again: it looks for the case before it sends another"


def create(call: Call, *more: str, **changes: str) -> Ended:
    """Run the command with a key; the list shows a new case at once."""
    return call("create", "--key", "order 1", "--list-lag", "0s", *more, stdin=NEW | changes)


def test_a_key_is_one_case(empty_tenant: Emulator, call: Call, tmp_path: Path) -> None:
    """The second run asks for nothing, says so, and prints the same id."""
    first, requests = create(call), len(empty_tenant.requests)
    second = create(call)
    [case_id] = empty_tenant.ids()
    assert first.rows == [{"key": "order 1", "outcome": "created", "caseId": case_id}]
    assert second.rows == [{"key": "order 1", "outcome": "already", "caseId": case_id}]
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert len(empty_tenant.requests) == requests
    assert [each.name for each in tmp_path.iterdir()] == ["aicc-creates.journal"]


def test_the_journal_is_that_of_a_file(empty_tenant: Emulator, call: Call, tmp_path: Path) -> None:
    """A line with this key makes no second case; --journal and its variable name another."""
    create(call, "--journal", "j")
    names = ["ref", *NEW]
    (tmp_path / "c.csv").write_text(",".join(names) + "\n" + ",".join(["order 1", *NEW.values()]))
    many = ("create", "--from", "c.csv", "--key-field", "ref", "--results", "r", "--journal", "j")
    ended = call(*many)
    assert (ended.code, ended.out) == (0, "r: 0 created, 1 already, 0 rejected, 0 unknown\n")
    assert empty_tenant.count() == 1


def test_a_lost_answer_is_looked_for(empty_tenant: Emulator, call: Call) -> None:
    """What was made is found, and is created; nothing is sent twice."""
    empty_tenant.fail("create", Fault.DROP_AFTER)
    ended = create(call)
    [case_id] = empty_tenant.ids()
    assert ended.rows == [{"key": "order 1", "outcome": "created", "caseId": case_id}]
    assert [each.operation for each in empty_tenant.requests].count("create") == 1


def test_another_record_under_the_key_is_refused(empty_tenant: Emulator, call: Call) -> None:
    """It is a usage error, and no text of either record is shown."""
    create(call)
    ended = create(call, description="other")
    assert (ended.code, ended.out, empty_tenant.count()) == (2, "", 1)
    assert ended.err == "ConfigError: key must be new or of the same record, got 'order 1'\n"


def test_a_refusal_is_the_service_s(empty_tenant: Emulator, call: Call) -> None:
    """As without a key; the next run sends it again."""
    empty_tenant.fail("create", Fault.BUSINESS_ERROR)
    ended = create(call)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("ApiError: create: ")
    assert create(call).rows[0]["outcome"] == "created"


def test_where_it_cannot_be_looked_for_the_next_run_does(
    empty_tenant: Emulator, call: Call
) -> None:
    """The last line says what to do, and doing it makes no second case."""
    empty_tenant.fail("create", Fault.DROP_AFTER)
    empty_tenant.fail("list", Fault.HTTP_503, times=None)
    ended = create(call)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == AGAIN
    empty_tenant.clear_faults()
    [case_id] = empty_tenant.ids()
    assert create(call).rows == [{"key": "order 1", "outcome": "created", "caseId": case_id}]
    assert empty_tenant.ids() == [case_id]


def test_an_operator_decides_between_equal_cases(empty_tenant: Emulator, call: Call) -> None:
    """The message has the candidates, and the command that settles the key."""
    empty_tenant.fail("create", Fault.HTTP_500_AFTER)
    for _ in range(2):
        empty_tenant.insert(**NEW, createdDate=wall_clock())
    ended = create(call)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("UnknownOutcome: create: it may have happened")
    command = "aicc-async journal resolve 'order 1' --journal aicc-creates.journal --case-id ID\n"
    assert ended.err.endswith(f", then: {command}")
    ids = empty_tenant.ids()
    assert all(case_id in ended.err for case_id in ids)
    settled = ("--journal", "aicc-creates.journal", "--case-id", ids[0])
    assert call("journal", "resolve", "order 1", *settled).code == 0
    assert create(call).rows == [{"key": "order 1", "outcome": "already", "caseId": ids[0]}]


def test_a_zone_should_be_set(
    empty_tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning is one line, as an export's is."""
    monkeypatch.delenv("AICC_TIMEZONE")
    ended = create(call)
    assert (ended.code, empty_tenant.count()) == (0, 1)
    assert ended.err.startswith("warning: timezone should be set where keys are used: ")
    assert len(ended.err.splitlines()) == 1


def test_a_key_and_a_file_of_keys_contradict_each_other(
    empty_tenant: Emulator, call: Call, tmp_path: Path
) -> None:
    """It is a usage error before anything is read."""
    (tmp_path / "c.csv").write_text("ref\n")
    ended = create(call, "--from", "c.csv")
    assert (ended.code, ended.out, empty_tenant.requests) == (2, "", [])
    assert ended.err.startswith("ConfigError: --key cannot be combined with --from")


def test_machines_share_the_journal_of_a_redis(
    empty_tenant: Emulator, call: Call, redis_url: str, tmp_path: Path
) -> None:
    """The same variable is that of ``create`` with a key or a file, and of ``journal``."""
    journal = ("--journal", redis_url)
    [first] = create(call, *journal).rows
    assert create(call, *journal).rows == [first | {"outcome": "already"}]
    assert [each["key"] for each in call("journal", "list", *journal).rows] == ["order 1"]
    (tmp_path / "c.csv").write_text("ref," + ",".join(NEW) + "\n2," + ",".join(NEW.values()))
    many = ("create", "--from", "c.csv", "--key-field", "ref", "--results", "r", *journal)
    assert call(*many).code == 0
    assert (empty_tenant.count(), [each.name for each in tmp_path.iterdir()]) == (2, ["c.csv", "r"])
