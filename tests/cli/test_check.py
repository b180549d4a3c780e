"""``aicc-async check``: a line for each thing, few requests, and an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shell import Call

from aicc_async.emulator import Emulator, Fault, Quirks

READ_ONLY = {"token", "list", "get", "type_list", "statistics", "task_list"}


def lines(out: str) -> dict[str, str]:
    """Map each line's heading to what it says."""
    parts = (line.partition(":") for line in out.splitlines())
    return {what: finding.strip() for what, _, finding in parts}


def test_an_account_that_works(call: Call, tenant: Emulator) -> None:
    """Six lines, about ten requests, all of which only read."""
    ended = call("check")
    assert (ended.code, ended.err) == (0, "")
    found = lines(ended.out)
    assert list(found) == ["sign-in", "cases", "zone", "rights", "gateway", "probe"]
    assert found["sign-in"] == f"{tenant.url} gave a token"
    assert found["cases"] == "300 in all"
    assert found["zone"].startswith("no row contradicts Asia/Shanghai: none is after its now, 20")
    assert found["zone"].endswith(f"; newest seen: {tenant.rows()[-1]['createdDate']}")
    assert (
        found["rights"] == "may read the list of cases, one case, one case type, statistics, tasks"
    )
    assert found["gateway"].startswith("tells no quota; headers: Server: ")
    assert found["probe"].startswith("would ask for start_inclusive, end_inclusive, date_field, ")
    assert {request.operation for request in tenant.requests} == READ_ONLY
    assert len(tenant.requests) <= 10
    assert not any(request.applied for request in tenant.requests)


def test_rights_name_what_is_refused(call: Call, tenant: Emulator) -> None:
    """What an account may not read is told beside what it may; the exit code stays 0."""
    tenant.fail("statistics", Fault.TOKEN_EXPIRED_401, times=None)
    tenant.fail("task_list", Fault.BUSINESS_ERROR, times=None)
    ended = call("check")
    assert ended.code == 0
    may, _, refused = lines(ended.out)["rights"].partition("; refused: ")
    assert may == "may read the list of cases, one case, one case type"
    assert refused.startswith("statistics (HTTP 401")
    assert "tasks (HTTP 200, resCode " in refused


def test_an_empty_tenant(call: Call, empty_tenant: Emulator) -> None:
    """Without rows the zone cannot be compared, and no case be read; a set token is not asked."""
    ended = call("check")
    assert ended.code == 0
    found = lines(ended.out)
    assert found["sign-in"].endswith("not asked: a token is set; cases tell if it is good")
    assert found["cases"] == "0 in all"
    assert found["zone"] == "Asia/Shanghai cannot be compared: there are no rows"
    assert "one case," not in found["rights"]
    assert {request.operation for request in empty_tenant.requests} <= READ_ONLY


def test_a_gateway_that_tells_its_quota(call: Call, empty_tenant: Emulator) -> None:
    """The line names the quota, and the headers that were seen."""
    empty_tenant.quirks, empty_tenant.quota = Quirks(gateway=True), 50
    gateway = lines(call("check").out)["gateway"]
    assert gateway.startswith("tells a quota of 50 requests in 1 seconds; headers: X-Request-Id: ")


def test_calls_that_answer_otherwise(call: Call, tenant: Emulator) -> None:
    """What is not as documented is told; a throttle ends the command with what to do."""
    tenant.fail("statistics", Fault.BAD_TYPE, times=None)
    refused = lines(call("check").out)["rights"].partition("; refused: ")[2]
    assert refused == "statistics (answered otherwise than documented)"
    tenant.retry_after = "86400"  # too long to be waited for
    tenant.fail("type_list", Fault.THROTTLED, times=None)
    ended = call("check")
    assert ended.code == 1
    assert "set AICC_RATE_LIMIT to less than the quota" in ended.err


def test_rows_that_contradict_the_zone(call: Call, empty_tenant: Emulator) -> None:
    """A row that is dated after now says that the zone is wrong: exit code 1."""
    empty_tenant.quirks = Quirks(created_ahead=5 * 3600)
    case = {"title": "t", "description": "d", "type": "T", "contactId": "c", "creatorId": "u"}
    assert call("create", stdin=case).code == 0
    ended = call("check")
    assert ended.code == 1
    assert lines(ended.out)["zone"].startswith("Asia/Shanghai is wrong: rows are dated 13 hours")


@pytest.mark.parametrize(
    ("operation", "fault", "advice"),
    [
        ("token", Fault.TOKEN_EXPIRED_401, "check the key file (client_id, client_secret)"),
        ("list", Fault.TOKEN_EXPIRED_401, "the right to read the case object AICC__CASE__CST"),
        ("list", Fault.HTTP_503, "try again later: the domain is right"),
        ("list", Fault.HTML_200, "check the domain in AICC_BASE_URL, and the proxy"),
        ("*", Fault.DROP_BEFORE, "whether this machine needs a proxy"),
    ],
)
def test_an_error_says_what_to_do(
    call: Call, tenant: Emulator, operation: str, fault: Fault, advice: str
) -> None:
    """It ends the command with exit code 1: what failed, and below it the next step."""
    tenant.fail(operation, fault, times=None)
    ended = call("check")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 2
    assert advice in ended.err.splitlines()[1]


def test_a_wrong_secret(call: Call, tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before any line is printed, and not shown."""
    monkeypatch.setenv("AICC_CLIENT_SECRET", "hush-hush")
    ended = call("check")
    assert (ended.code, ended.out) == (1, "")
    assert "check the key file" in ended.err
    assert "hush" not in ended.err
    assert len(tenant.requests) == 1


def test_wrong_settings_are_exit_code_2(
    call: Call, tenant: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is sent without a domain, or with a file that is no key file."""
    (tmp_path / "key.csv").write_text("app_key,app_secret\na,b\n")
    assert call("check", "--key-file", tmp_path / "key.csv").code == 2
    monkeypatch.delenv("AICC_BASE_URL")
    ended = call("check")
    assert (ended.code, ended.err) == (2, "ConfigError: AICC_BASE_URL must be set\n")
    assert not tenant.requests
