"""The commands for the rest of Case 2.0 and for Q-Flow, against a tenant in a thread."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import frozen
from helpers.commands import all_commands
from helpers.processes import COMMAND, SECONDS
from helpers.shell import Call, Start

from aicc_async.cli.commands.tasks import DEMO_TASKS
from aicc_async.cli.group import group
from aicc_async.cli.help import SECTIONS
from aicc_async.emulator import Emulator, Fault, Readings
from aicc_async.emulator.dispatch import FAMILY
from aicc_async.emulator.http.answer import Answer, BusinessError
from aicc_async.emulator.http.routes import QFLOW
from aicc_async.emulator.operations.request import OperationRequest
from aicc_async.emulator.operations.statistics import report

CASE = "c6m8000001tSDqQAcMPR"
TASK = "cTsk000001Ki9iv91wUA"  # the first one of every tenant
TYPE = "cvmC00000149NzxF1ePA"
USER = Emulator.qflow_user
PASSWORD = Emulator.qflow_password
NOTE = {"type": "Iternal", "title": "t", "description": "d"}
CHANGE = {"id": CASE, "creatorId": "u"}


@frozen
class Command:
    """A command, what it reads, and the operation that it asks for."""

    line: str
    operation: str
    stdin: dict[str, Any] | None = None


TRANSFER = CHANGE | {"ownerId": "q", "ownerType": "queue", "remark": "r"}
COMMANDS = [
    Command("transfer", "transfer", TRANSFER),
    Command("process", "process", {"caseId": CASE, "creatorId": "u", "processInfo": NOTE}),
    Command("cancel", "cancel", CHANGE | {"remark": "r"}),
    Command("status", "status", CHANGE | {"status": "New"}),
    Command("case-type list", "type_list"),
    Command(f"case-type get {TYPE}", "type_get"),
    Command("statistics current", "statistics"),
    Command("statistics report", "statistics_report"),
    Command("task create", "task_create", {"title": "t", "relateId": CASE}),
    Command("task modify", "task_modify", {"id": TASK, "priority": "High"}),
    Command("task list", "task_list"),
    Command(f"task get {TASK}", "task_get"),
    Command("task transfer", "task_transfer", {"id": TASK, "ownerId": "o"}),
    Command("task status", "task_status", {"id": TASK, "status": "Done"}),
    Command("enqueue", "enqueue", {"ServiceId": 2}),
    Command("qflow case 1", "qflow_case"),
    Command("qflow process 70002", "qflow_process"),
    Command("qflow cancel", "qflow_cancel", {"CaseId": 1}),
]
READING = [each for each in COMMANDS if each.stdin is None]
WRITING = [each for each in COMMANDS if each.stdin is not None]
ONCE = {"process", "task_create", "enqueue"}  # never sent twice
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.operation)
each_writing = pytest.mark.parametrize("command", WRITING, ids=lambda each: each.operation)


@pytest.fixture(scope="module")
def shared(shared: Emulator) -> Emulator:
    """Give the tenant of this file a case that commands change."""
    shared.insert(id=CASE)
    return shared


@pytest.fixture
def tenant(tenant: Emulator, call: Call) -> Emulator:
    """Give that tenant a task and a queued case too."""
    if not tenant.tasks():
        assert call("task", "create", stdin={"title": "the first"}).rows == [{"taskId": TASK}]
    if not tenant.enqueued:
        assert call("enqueue", stdin={"ServiceId": 2}).code == 0
    tenant.requests.clear()
    return tenant


def operations(tenant: Emulator) -> list[str]:
    """Name the operations that were asked for, sign-ins left out."""
    names = [request.operation for request in tenant.requests]
    return [name for name in names if name not in {"token", "qflow_token"}]


def body(tenant: Emulator, operation: str) -> dict[str, Any]:
    """Read the body of the first request of an operation."""
    bodies = [request.body for request in tenant.requests if request.operation == operation]
    value: dict[str, Any] = json.loads(bodies[0])
    return value


def values(text: str) -> Iterator[Any]:
    """Read JSON values that follow each other."""
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:].lstrip()


def row(tenant: Emulator) -> dict[str, Any]:
    """Find the case that commands change."""
    [found] = [row for row in tenant.rows() if row["id"] == CASE]
    return found


# ---- all of them ---------------------------------------------------------------------------


def test_every_operation_has_a_command() -> None:
    """Nothing of the family, nor of Q-Flow, is left to those who write Python."""
    # The platform's own count is asked by probe alone.
    others = {"qflow_token", "platform_count"}
    assert {each.operation for each in COMMANDS} == {*FAMILY, *QFLOW} - others


@each_command
def test_each_command_asks_once_and_prints_json(
    tenant: Emulator, call: Call, command: Command
) -> None:
    """The request is the one that is meant, what is read goes out as it is, JSON comes back."""
    ended = call(*command.line.split(), stdin=command.stdin or b"")
    assert (ended.code, ended.err) == (0, "")
    assert set(operations(tenant)) == {command.operation}
    printed = list(values(ended.out))
    assert printed
    assert all(printed)
    if command.stdin:
        sent = body(tenant, command.operation)
        assert command.stdin.items() <= (sent.get("taskInfo") or sent).items()


@each_command
def test_what_the_service_refuses_is_one_line(
    tenant: Emulator, call: Call, command: Command
) -> None:
    """Exit code 1, the error's kind and text on one line, and nothing on standard output."""
    tenant.retry_after = "86400"  # too long to be waited for
    tenant.fail(command.operation, Fault.THROTTLED, times=None)
    ended = call(*command.line.split(), stdin=command.stdin or b"")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"RateLimitError: {command.operation}: HTTP 429")
    assert ended.err.count("\n") == 1


@each_command
def test_a_lost_answer_is_retried_or_reported(
    tenant: Emulator, call: Call, command: Command
) -> None:
    """What makes something new each time goes out once; the message names what to do."""
    tenant.fail(command.operation, Fault.DROP_AFTER)
    ended = call(*command.line.split(), stdin=command.stdin or b"")
    if command.operation in ONCE:
        assert (ended.code, ended.out, len(operations(tenant))) == (1, "", 1)
        assert ended.err.startswith(f"UnknownOutcome: {command.operation}: ")
        assert ended.err.endswith("look for it before you send it again\n")
    else:
        assert (ended.code, ended.err) == (0, "")
        assert None in [request.status for request in tenant.requests]


@each_writing
@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"5", b'"\xff"', b"{}", b"[" * 100_000])
def test_json_that_is_no_record_is_a_usage_error(
    tenant: Emulator, call: Call, command: Command, stdin: bytes
) -> None:
    """Exit code 2, one line that names the input, and no request."""
    ended = call(*command.line.split(), stdin=stdin)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert ended.err.startswith("ConfigError: <stdin>: ")
    assert ended.err.count("\n") == 1


@each_writing
def test_json_comes_from_a_file_too(
    tenant: Emulator, call: Call, tmp_path: Path, command: Command
) -> None:
    """A file's name in the place of standard input is read, and named when it is wrong."""
    file = tmp_path / "record.json"
    file.write_text(json.dumps(command.stdin))
    assert call(*command.line.split(), "record.json").code == 0
    assert operations(tenant) == [command.operation]
    file.write_text("{}")
    assert call(*command.line.split(), "record.json").err.startswith("ConfigError: record.json: ")


@pytest.mark.parametrize(
    ("line", "stdin", "words"),
    [
        ("transfer", CHANGE | {"ownerId": "q"}, "$.ownerType"),
        (
            "transfer",
            TRANSFER | {"remark": "x" * 2001},
            "remark must be at most 2000 bytes in UTF-8, got 2001",
        ),
        ("transfer", TRANSFER | {"id": "x" * 21}, "id must be at most 20 bytes in UTF-8, got 21"),
        ("process", {"caseId": CASE}, "$.processInfo"),
        ("process", {"caseId": CASE, "processInfo": {}}, "$.processInfo.type"),
        (
            "process",
            {"caseId": CASE, "processInfo": NOTE | {"title": "单" * 43}},
            "title must be at most 128 bytes in UTF-8, got 129",
        ),
        ("cancel", CHANGE | {"remark": 5}, "$.remark"),
        ("status", CHANGE, "$.status"),
        ("status", CHANGE | {"status": ""}, "status must not be empty"),
        ("task create", {"title": ""}, "title must not be empty"),
        ("task create", {"title": "t", "dueDate": "tomorrow"}, "$.dueDate"),
        (
            "task create",
            {"title": "t", "attachment": "x" * 256},
            "attachment must be at most 255 bytes in UTF-8, got 256",
        ),
        ("task modify", {"priority": "High"}, "$.id"),
        ("task transfer", {"id": TASK}, "$.ownerId"),
        ("task status", {"id": TASK}, "$.status"),
        ("qflow cancel", {"Status": 4}, "case_id or process_id must be set"),
        ("qflow cancel", {"CaseId": "1"}, "$.CaseId"),
        (
            "qflow cancel",
            {"CaseId": 1, "Notes": "x" * 4001},
            "notes must be at most 4000 UTF-16 units, got 4001",
        ),
    ],
)
def test_a_broken_bound_is_named(
    tenant: Emulator, call: Call, line: str, stdin: dict[str, Any], words: str
) -> None:
    """The message names field and bound before anything is sent, and not the text itself."""
    ended = call(*line.split(), stdin=stdin)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert words in ended.err
    assert "单单" not in ended.err
    assert "xx" not in ended.err


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (f"case-type get {'x' * 21}", "type_id"),
        ("case-type get .", "type_id"),
        ("task get ..", "task_id"),
        ("case-type", "Commands:"),
        ("task", "Commands:"),
        ("task get", "Missing argument"),
        ("statistics", "Commands:"),
        ("statistics report --since yesterday", "does not match"),
        ("statistics report --until 2025-01-01T00:00:00", "does not match"),
        ("statistics report --since 2025-02-01 --until 2025-01-01", "end_time"),
        (
            f"statistics report --case-type {'x' * 21}",
            "case_type_id must be at most 20 bytes in UTF-8, got 21",
        ),
        ("task list --nonsense", "No such option"),
        ("qflow", "Commands:"),
        ("qflow case x", "not a valid integer"),
        ("qflow process 1.5", "not a valid integer"),
        ("qflow case -- -1", "not in the range"),
        ("qflow case 1 --base-url http://service.example", "base_url"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    tenant: Emulator, call: Call, line: str, word: str
) -> None:
    """Exit code 2, a message that names it, and no request."""
    ended = call(*line.split())
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert word in ended.err


@each_command
def test_without_settings_the_message_names_the_variable(call: Call, command: Command) -> None:
    """It is a usage error."""
    ended = call(*command.line.split(), stdin=command.stdin or b"")
    assert (ended.code, ended.out) == (2, "")
    assert ("AICC_QFLOW_URL" if command.operation in QFLOW else "AICC_BASE_URL") in ended.err


# ---- cases ---------------------------------------------------------------------------------


def test_a_case_changes_hands(tenant: Emulator, call: Call) -> None:
    """The new owner is the one of the record."""
    assert call("transfer", stdin=TRANSFER | {"ownerId": "q7"}).rows == [{"id": CASE}]
    assert row(tenant)["ownerId"] == "q7"


def test_a_note_is_kept(tenant: Emulator, call: Call) -> None:
    """What is sent about a case is in its history."""
    before = len(tenant.traces(CASE))
    sent = {"caseId": CASE, "processInfo": NOTE | {"from": "f", "title": "seen"}}
    assert call("process", stdin=sent).rows == [{"id": CASE}]
    [*_, last] = tenant.traces(CASE)
    assert (len(tenant.traces(CASE)), last["title"], last["from"]) == (before + 1, "seen", "f")


def test_a_case_is_cancelled(tenant: Emulator, call: Call) -> None:
    """It is closed then."""
    case_id = tenant.insert(state="Processing")
    assert call("cancel", stdin={"id": case_id}).rows == [{"id": case_id}]
    [found] = [row for row in tenant.rows() if row["id"] == case_id]
    assert (found["isCanced"], found["state"]) == (True, "Completed")


def test_a_case_moves_on(tenant: Emulator, call: Call) -> None:
    """The flow node may be any text, such as the tenant's own."""
    assert call("status", stdin=CHANGE | {"status": "二线处理"}).rows == [{"id": CASE}]
    assert row(tenant)["status"] == "二线处理"


def test_a_case_that_nobody_knows_is_refused(tenant: Emulator, call: Call) -> None:
    """The service's own words come through, in one line."""
    ended = call("cancel", stdin={"id": "nobody"})
    assert (ended.code, ended.out, operations(tenant)) == (1, "", ["cancel"])
    assert ended.err == "ApiError: cancel: resCode 405230404: no case 'nobody'\n"


# ---- case types and statistics -------------------------------------------------------------


def test_case_types_are_found_by_name_and_status(tenant: Emulator, call: Call) -> None:
    """A part of a name is enough; all that match are printed, one a line."""
    names = [row["typeName"] for row in call("case-type", "list").rows]
    assert names == ["Complaint", "Delivery", "Repair", "账单", "Auskunft"]
    assert body(tenant, "type_list").keys() == {"start", "limit"}
    tenant.requests.clear()
    ended = call("case-type", "list", "--name", "e", "--status", "Active")
    assert [row["typeName"] for row in ended.rows] == ["Delivery", "Repair"]
    sent = {"typeName": "e", "status": "Active", "start": 0, "limit": 100}
    assert body(tenant, "type_list") == sent


def test_a_case_type_is_printed_by_the_wire_s_names(tenant: Emulator, call: Call) -> None:
    """Name and flow nodes are there."""
    found = json.loads(call("case-type", "get", TYPE).out)
    assert (found["id"], found["typeName"]) == (TYPE, "Complaint")
    assert "二线处理" in found["caseStatus"].split(",")
    assert operations(tenant) == ["type_get"]


def test_the_counts_of_this_moment(tenant: Emulator, call: Call) -> None:
    """They are those of the tenant's cases."""
    counts = json.loads(call("statistics", "current").out)
    finished = sum(row["state"] == "Completed" for row in tenant.rows())
    assert counts["finishedCases"] == finished
    assert counts["unfinishedCases"] == tenant.count() - finished


def test_the_report_has_all_rows_over_any_number_of_pages(tenant: Emulator, call: Call) -> None:
    """A row for each day and case type of the tenant, with its number of cases."""
    rows = call("statistics", "report").rows
    counted = {(row["date"], row["caseType"]): row["newCases"] for row in rows}
    wanted = Counter((row["createdDate"][:10], row["type"]) for row in tenant.rows())
    assert len(rows) == len(wanted) > 150
    assert counted == wanted
    assert len(operations(tenant)) > 2


def test_the_report_is_of_one_type_and_some_days(tenant: Emulator, call: Call) -> None:
    """Both days count, and go out without a time."""
    days = ("--since", "2025-01-10", "--until", "2025-01-31")
    rows = call("statistics", "report", "--case-type", TYPE, *days).rows
    wanted = {
        row["createdDate"][:10]
        for row in tenant.rows()
        if row["type"] == TYPE and "2025-01-10" <= row["createdDate"] < "2025-02"
    }
    assert [row["date"] for row in rows] == sorted(wanted, reverse=True)
    page = {"start": 0, "limit": 100}
    sent = {"caseTypeId": TYPE, "startTime": "2025-01-10", "endTime": "2025-01-31"}
    assert body(tenant, "statistics_report") == sent | page


def test_what_came_before_a_failure_is_printed(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing goes out as it comes; the exit code says that it isn't whole."""

    def first_page(asked: OperationRequest) -> Answer:
        if json.loads(asked.body)["start"]:
            raise BusinessError(BusinessError.MALFORMED, "no more")
        return report(asked)

    monkeypatch.setitem(FAMILY, "statistics_report", first_page)
    ended = call("statistics", "report")
    assert (ended.code, len(ended.rows)) == (1, 100)
    assert re.fullmatch(r"ApiError: statistics_report: resCode \d+: no more\n", ended.err)
    assert len(operations(tenant)) > 1


def test_a_reader_that_goes_away_ends_a_listing_quietly(tenant: Emulator, start: Start) -> None:
    """As with other tools: no words about the pipe, and the exit code of a broken one."""
    process = start("statistics", "report")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert (process.wait(SECONDS), process.stderr.read()) == (141, "")
    assert "statistics_report" in operations(tenant)


# ---- tasks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_task_s_life(tenant: Emulator, call: Call, wrapped: bool) -> None:
    """What is created can be read, changed, handed over, put on, and found by what it became."""

    def dress(fields: dict[str, Any]) -> dict[str, Any]:
        return {"taskInfo": fields} if wrapped else fields

    new = {"title": f"call back {wrapped}", "relateId": CASE, "dueDate": "2025-07-30 12:00:00"}
    task = call("task", "create", stdin=dress(new)).rows[0]["taskId"]
    assert call("task", "modify", stdin=dress({"id": task, "priority": "High"})).rows == [
        {"id": task}
    ]
    owner = f"owner-{wrapped}"
    assert call("task", "transfer", stdin={"id": task, "ownerId": owner}).rows == [{"id": task}]
    assert call("task", "status", stdin={"id": task, "status": "Half"}).rows == [{"id": task}]
    found = json.loads(call("task", "get", task).out)
    assert new.items() <= found.items()
    assert (found["priority"], found["ownerId"], found["status"]) == ("High", owner, "Half")
    filters = {"name": "call back", "status": "Half", "level": "High", "handler": owner}
    options = [text for name, value in filters.items() for text in (f"--{name}", value)]
    assert call("task", "list", *options).rows == [found]
    assert body(tenant, "task_list") == filters | {"start": 0, "limit": 100}


def test_a_task_s_id_may_be_missing(tenant: Emulator, call: Call) -> None:
    """Where the service doesn't give it, the task is created all the same."""
    tenant.readings = Readings(task_created="none")
    before = len(tenant.tasks())
    assert call("task", "create", stdin={"title": "t"}).rows == [{"taskId": None}]
    assert len(tenant.tasks()) == before + 1


@pytest.mark.parametrize("reading", ["taskList", "tasks", "bare"])
def test_all_tasks_are_listed(tenant: Emulator, call: Call, reading: str) -> None:
    """Each once, under whatever name the tenant has them, with a total or without."""
    tenant.readings = Readings(task_rows=reading)
    assert sorted(row["id"] for row in call("task", "list").rows) == sorted(
        task["id"] for task in tenant.tasks()
    )


# ---- Q-Flow --------------------------------------------------------------------------------


def test_a_queued_case_is_shown_by_either_number(tenant: Emulator, call: Call) -> None:
    """A case's number and its process's lead to the same record."""
    number = json.loads(call("enqueue", stdin={"ServiceId": 5, "Subject": "s"}).out)["CaseId"]
    by_case = json.loads(call("qflow", "case", number).out)
    by_process = json.loads(call("qflow", "process", by_case["ProcessId"]).out)
    assert by_case == by_process
    assert (by_case["CaseId"], by_case["ServiceId"], by_case["Subject"]) == (number, 5, "s")
    assert datetime.fromisoformat(by_case["CaseDateCreated"]).utcoffset() is not None
    assert operations(tenant) == ["enqueue", "qflow_case", "qflow_process"]


def test_a_queued_case_is_taken_out(tenant: Emulator, call: Call) -> None:
    """What the server says is printed, and the case has the status that was wanted."""
    number = json.loads(call("enqueue", stdin={"ServiceId": 5}).out)["CaseId"]
    ended = call("qflow", "cancel", stdin={"CaseId": number, "Status": 17})
    assert (ended.code, ended.out, ended.err) == (0, '"OK"\n', "")
    assert json.loads(call("qflow", "case", number).out)["Status"] == 17
    assert tenant.enqueued[-1]["CaseId"] == number


@pytest.mark.parametrize("option", [[], ["--form"]])
def test_a_case_is_queued_in_either_encoding(
    tenant: Emulator, call: Call, option: list[str]
) -> None:
    """With --form a form goes out, and the same case comes in."""
    ended = call("enqueue", *option, stdin={"ServiceId": 5, "CustomProperties": {"a": "b"}})
    assert json.loads(ended.out) == tenant.enqueued[-1]
    assert tenant.enqueued[-1]["CustomProperties"] == {"a": "b"}
    kind = "application/x-www-form-urlencoded" if option else "application/json"
    assert tenant.requests[-1].headers["Content-Type"] == kind


def test_an_unknown_queued_case_is_refused(tenant: Emulator, call: Call) -> None:
    """Exit code 1, and the server's words."""
    ended = call("qflow", "case", 999_999)
    assert (ended.code, ended.out, operations(tenant)) == (1, "", ["qflow_case"])
    assert ended.err == "NotFoundError: qflow_case: HTTP 404: No such case.\n"


QFLOW_COMMANDS = [each for each in COMMANDS if each.operation in QFLOW]


@pytest.mark.parametrize("command", QFLOW_COMMANDS, ids=lambda each: each.operation)
def test_q_flow_commands_sign_in(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """User and password of the variables get a token, which goes with the request."""
    tenant.readings = Readings(qflow_login=True)
    refused = call(*command.line.split(), stdin=command.stdin or b"")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"AuthError: {command.operation}: HTTP 401")
    monkeypatch.setenv("AICC_QFLOW_USER", USER)
    monkeypatch.setenv("AICC_QFLOW_PASSWORD", PASSWORD)
    tenant.requests.clear()
    ended = call(*command.line.split(), stdin=command.stdin or b"")
    assert (ended.code, ended.err) == (0, "")
    assert [request.operation for request in tenant.requests] == ["qflow_token", command.operation]
    assert PASSWORD not in ended.out


@pytest.mark.parametrize(
    ("variables", "readings"),
    [
        ({}, Readings(qflow_login=True)),
        (
            {"TOKEN_HEADER": "", "TOKEN_PREFIX": "Token ", "HEADERS": "X-Site: 7"},
            Readings(qflow_login=True, qflow_prefix="Token "),
        ),
        (
            {"TOKEN_HEADER": "X-Api-Token", "TOKEN_PREFIX": ""},
            Readings(qflow_login=True, qflow_header="X-Api-Token", qflow_prefix=""),
        ),
    ],
)
def test_the_token_goes_where_the_variables_say(
    tenant: Emulator,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    readings: Readings,
) -> None:
    """Header and prefix are the server's choice; a prefix may be empty."""
    tenant.readings = readings
    for name, value in ({"USER": USER, "PASSWORD": PASSWORD} | variables).items():
        monkeypatch.setenv(f"AICC_QFLOW_{name}", value)
    assert call("qflow", "case", 1).code == 0
    headers = tenant.requests[-1].headers
    assert headers.get("X-Site") == ("7" if "HEADERS" in variables else None)


def test_a_wrong_password_is_refused_unseen(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and neither user nor password in the message."""
    monkeypatch.setenv("AICC_QFLOW_USER", "invented-user")
    monkeypatch.setenv("AICC_QFLOW_PASSWORD", "invented-password")
    ended = call("qflow", "case", 1)
    assert (ended.code, ended.out, operations(tenant)) == (1, "", [])
    assert ended.err.startswith("AuthError: qflow_token: HTTP 401")
    assert "invented" not in ended.err


def test_a_password_is_asked_for_and_never_shown(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once, hidden, and standard output stays data."""
    prompts: list[str] = []

    def type_password(prompt: str, **_: Any) -> str:
        prompts.append(prompt)
        return PASSWORD

    tenant.readings = Readings(qflow_login=True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", type_password)
    monkeypatch.setenv("AICC_QFLOW_USER", USER)
    ended = call("qflow", "case", 1)
    assert (ended.code, json.loads(ended.out)["CaseId"]) == (0, 1)
    assert [prompt.strip() for prompt in prompts] == ["Q-Flow password:"]
    assert PASSWORD not in ended.err + ended.out


def test_without_a_terminal_no_password_is_read(tenant: Emulator) -> None:
    """The message names the variable; standard input is the record's, not the password's."""
    ended = subprocess.run(  # noqa: S603
        (*COMMAND, "enqueue", "--base-url", tenant.qflow_url),
        input="invented-password\n",
        env=os.environ | {"AICC_QFLOW_USER": USER},
        start_new_session=True,  # away from the terminal
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, tenant.requests) == (2, "", [])
    wanted = "AICC_QFLOW_PASSWORD must be set: there is no terminal to ask for it"
    assert ended.stderr == f"ConfigError: {wanted}\n"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PASSWORD": "invented"}, "AICC_QFLOW_USER must be set"),
        (
            {"USER": "u" * 255, "PASSWORD": "invented"},
            "user_name must be at most 254 UTF-16 units, got 255",
        ),
        (
            {"USER": "u", "PASSWORD": "invented" * 40},
            "password must be at most 250 UTF-16 units, got 320",
        ),
        ({"USER": "u", "PASSWORD": "invented", "TOKEN_HEADER": "a b"}, "token_header"),
        ({"USER": "u", "PASSWORD": "invented", "TOKEN_PREFIX": "\n"}, "token_prefix"),
        ({"HEADERS": "invented"}, "AICC_QFLOW_HEADERS must be 'Name: value' lines"),
        (
            {"USER": "u", "PASSWORD": "p", "HEADERS": "Authorization: invented"},
            "headers must not hold 'Authorization', which carries the token",
        ),
    ],
)
def test_wrong_sign_in_settings_are_usage_errors(
    tenant: Emulator,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: str,
) -> None:
    """Exit code 2, what is wrong, no secret, and no request."""
    for name, value in variables.items():
        monkeypatch.setenv(f"AICC_QFLOW_{name}", value)
    ended = call("qflow", "case", 1)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert words in ended.err
    assert "invented" not in ended.err


# ---- the demonstration, and help -----------------------------------------------------------


DEMOS = [each for each in READING if each.operation not in QFLOW]


@pytest.mark.parametrize("command", DEMOS, ids=lambda each: each.operation)
def test_demo_needs_no_settings(call: Call, command: Command) -> None:
    """With --demo there is something to see without any variable, and nothing to wait for."""
    ended = call(*command.line.split(), "--demo", *_days(command))
    assert (ended.code, ended.err) == (0, "")
    assert list(values(ended.out))


def _days(command: Command) -> tuple[str, ...]:
    if command.operation != "statistics_report":
        return ()
    return ("--since", "2025-01-10", "--until", "2025-01-11")


def test_the_demo_s_tasks(call: Call) -> None:
    """A tenant begins without tasks: the demonstration has some, whose ids stay the same."""
    rows = call("task", "list", "--demo").rows
    assert sorted(row["title"] for row in rows) == sorted(DEMO_TASKS)
    assert TASK in {row["id"] for row in rows}


@pytest.mark.parametrize("line", ["task list", f"case-type get {TYPE}", "statistics report"])
def test_demo_beside_a_real_tenant_is_refused(call: Call, line: str) -> None:
    """An address means another tenant than the demonstration's."""
    ended = call(*line.split(), "--demo", "--base-url", "http://127.0.0.1:1")
    assert (ended.code, ended.out) == (2, "")
    assert "--demo cannot be combined with --base-url" in ended.err


def without_arguments(command: Command) -> list[str]:
    """Take ids off a command's line."""
    return [word for word in command.line.split() if re.fullmatch("[a-z-]+", word)]


@each_command
def test_every_help_s_example_works(tenant: Emulator, call: Call, command: Command) -> None:
    """What --help shows runs as it is, with --demo or an emulator's variables."""
    text = call(*without_arguments(command), "--help").out
    [shown] = re.findall(r"Example:\n(.*?)\n\n", text, re.DOTALL)
    piped, _, line = shown.replace("\\\n", "").rpartition("|")
    program, *arguments = shlex.split(line)
    ended = call(*arguments, stdin=" ".join(shlex.split(piped)[1:]).encode())
    assert (program, ended.code, ended.err) == ("aicc-async", 0, "")
    assert ended.out
    assert operations(tenant) == ([] if "--demo" in arguments else [command.operation])


@pytest.mark.parametrize(
    "line", ["", "task", "qflow", "case-type", "statistics", *(each.line for each in COMMANDS)]
)
def test_help_shows_no_secret(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Help goes to standard output, without what the variables hold."""
    monkeypatch.setenv("AICC_QFLOW_USER", USER)
    monkeypatch.setenv("AICC_QFLOW_PASSWORD", PASSWORD)
    ended = call(*line.split(), "--help")
    assert (ended.code, ended.err, tenant.requests) == (0, "", [])
    assert not [text for text in (tenant.url, USER, PASSWORD) if text in ended.out]
    assert tenant.client_secret not in ended.out


def test_no_option_takes_a_secret() -> None:
    """A secret on a command line would be seen by every user of the machine."""
    found = all_commands()
    assert {" ".join(without_arguments(each)) for each in COMMANDS} <= found.keys()
    options = {option for each in found.values() for one in each.params for option in one.opts}
    assert not [name for name in options if re.search("secret|password|token$", name)]


def test_the_help_of_the_whole_names_every_command_once(call: Call) -> None:
    """Commands stand in sections by what they are for, and none is forgotten."""
    text = call("--help").out
    shown = re.findall(r"^  ([a-z][a-z-]*) {2,}\S", text, re.MULTILINE)
    assert sorted(shown) == sorted(group.list_commands(click.Context(group)))
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == ["Options", *SECTIONS, "Variables"]
