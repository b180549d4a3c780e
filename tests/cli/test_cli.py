"""The commands, run in this process against a tenant in a thread."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from helpers.commands import all_commands
from helpers.shell import Call
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import CaseQuery, ConfigError
from aicc_async._protocol.names import wire_names
from aicc_async.cli.filters import FILTERS, query
from aicc_async.cli.options import Moment
from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.http.answer import Answer
from aicc_async.emulator.operations.service import CaseService

SAMPLES = Path(__file__).parents[1] / "samples"
COMMANDS = [
    *("export", "list", "get", "create", "modify", "enqueue", "emulator", "probe", "report"),
    "watch",
]
DEMO_CASE = "c6m8000001tSDqQAcMPR"
NEW = {"title": "t", "description": "d", "type": "y", "contactId": "o", "creatorId": "r"}


def last_list(tenant: Emulator) -> dict[str, Any]:
    """Read the body of the last request of a list."""
    bodies = [call.body for call in tenant.requests if call.operation == "list"]
    value: dict[str, Any] = json.loads(bodies[-1])
    return value


# ---- export, list, get ---------------------------------------------------------------------


def test_export_writes_the_file_and_ends_with_a_summary(
    tenant: Emulator, call: Call, tmp_path: Path
) -> None:
    """The file holds every row; the last line names file, rows and windows."""
    ended = call("export", "out.jsonl", "--since", "2025-01-01", "--until", "2025-03-31")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert {row["id"] for row in rows} == set(tenant.ids("2025-01-01", "2025-03-31 23:59:59"))
    assert ended.out.startswith(f"out.jsonl: {len(rows):,} cases in 3 windows (3 verified), ")
    assert (ended.code, ended.err) == (0, "")


def test_the_summary_of_a_table_counts_its_ids(tenant: Emulator, call: Call) -> None:
    """The last line says how many of the ids were in the table before it was committed."""
    ended = call("export", "out.db", "--since", "2025-01-01", "--until", "2025-03-31")
    rows = len(tenant.ids("2025-01-01", "2025-03-31 23:59:59"))
    assert f" bytes, {rows:,} ids counted in the table, " in ended.out


def test_an_error_of_a_format_names_the_command_for_another(
    empty_tenant: Emulator, call: Call, tmp_path: Path
) -> None:
    """What was read is written by it; standard output keeps nothing that it could use."""
    period = ("--since", "2025-01-01", "--until", "2025-03-31")
    empty_tenant.insert(createdDate="2025-01-20 00:00:00", isUpgraded="true")
    streamed = call("export", "-", *period, "--format", "parquet", "--strict-types")
    refused = call("export", "out.parquet", *period, "--strict-types")
    assert (streamed.code, refused.code) == (1, 1)
    assert "aicc-async export" not in streamed.err
    assert "without reading again: aicc-async export out.jsonl with" in refused.err
    requests = len(empty_tenant.requests)
    assert "resumes what was read of .out.parquet" in call("export", "out.jsonl", *period).err
    assert len(empty_tenant.requests) - requests < 4
    names = {"out.jsonl", "out.jsonl.manifest.json"}
    assert {entry.name for entry in tmp_path.iterdir()} == names


def test_a_dash_is_standard_output(tenant: Emulator, call: Call, tmp_path: Path) -> None:
    """The rows alone are on it; the summary is not, and the manifest is where it was asked for."""
    period = ("--since", "2025-01-01", "--until", "2025-03-31")
    ended = call("export", "-", *period, "--manifest", "m.json")
    assert (ended.code, [entry.name for entry in tmp_path.iterdir()]) == (0, ["m.json"])
    ids = {json.loads(line)["id"] for line in ended.out.splitlines()}
    assert len(ids) == len(ended.out.splitlines()) >= 300
    assert ids <= set(tenant.ids())
    assert ended.err.splitlines()[-1].startswith(
        f"-: {len(ids):,} cases in 3 windows (3 verified), "
    )
    written = json.loads((tmp_path / "m.json").read_bytes())
    size = len(ended.out.encode())
    assert (written["target"], written["rows"], written["size"]) == ("-", len(ids), size)
    ended = call("export", "-", *period, "--format", "csv")
    assert (ended.code, ended.out.partition(",")[0]) == (0, "id")
    assert {row["id"] for row in csv.DictReader(io.StringIO(ended.out, newline=""))} == ids


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "--format", "sqlite"), "--format must be one of jsonl, jsonl.gz, jsonl.zst, csv,"),
        (("-", "--partition-by", "day"), "--partition-by cannot be combined with OUT -"),
        (("-", "--since", "last"), "--since last cannot be combined with OUT -"),
        (("out.jsonl", "--manifest", "m.json"), "--manifest must be used with OUT -"),
        (("x.csv.gz", "--format", "csv"), "got one that ends in .gz"),
        (("x.jsonl.gz", "--format", "jsonl"), "got one that ends in .gz"),
        (("x.jsonl", "--format", "jsonl.gz"), "got one that ends in .jsonl"),
        (("x.csv", "--format", "parquet"), "suffix of the format parquet, got one that ends in .c"),
        (("x.DB", "--format", "csv"), "got one that ends in .db"),
        (("postgresql://me:hush@host/x", "--format", "csv"), "got a postgresql:// URL"),
    ],
)
def test_a_target_that_contradicts_its_options_is_refused(
    tenant: Emulator, call: Call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Nothing is asked for, nothing is written, and no password is shown."""
    ended = call("export", *arguments)
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert "hush" not in ended.err
    assert not tenant.requests
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize("name", ["x.txt", "cases", "x.csv"])
def test_a_format_names_what_a_suffix_does_not_say(call: Call, tmp_path: Path, name: str) -> None:
    """A suffix that is no format's, or the same one, is no contradiction."""
    assert call("export", name, "--format", "csv", "--filter", "priority=High").code == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith("id,")


@pytest.mark.usefixtures("tenant")
def test_a_zone_that_a_profile_contradicts_is_one_line_of_an_export(
    call: Call, tmp_path: Path
) -> None:
    """The warning of the client's making is shown as any other of an export."""
    (tmp_path / "p.toml").write_text("utc_offset = 8.0\n")
    ended = call("export", "out.jsonl", "--timezone", "UTC", "--profile", "p.toml")
    assert "warning: timezone UTC is +0 h from UTC, but the profile's utc_offset" in ended.err


def test_export_in_detail_adds_the_contact(
    tenant: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row has its case's parts; the last line counts those that the service has none for."""
    gone, answer = tenant.ids("2025-03-01")[0], CaseService.get

    def get(service: CaseService, case_id: str) -> Answer:
        return answer(service, "nobody" if case_id == gone else case_id)

    monkeypatch.setattr(CaseService, "get", get)
    period = ("--since", "2025-03-01", "--until", "2025-03-03")
    ended = call("export", "out.jsonl", *period, "--detail")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert len(rows) > 1
    assert [row["id"] for row in rows if "customerInfo" not in row] == [gone]
    assert ended.out.endswith(" 0 throttles, 1 without details\n")
    assert (ended.code, ended.err) == (0, "")


def test_a_demo_in_detail_needs_no_settings(call: Call, tmp_path: Path) -> None:
    """Without any variable the demonstration's cases come with their history."""
    day = ("--since", "2025-01-01", "--until", "2025-01-01")
    ended = call("export", "out.jsonl", "--demo", "--detail", *day)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert len(rows) > 10
    assert all(row["caseTrace"] and row["caseInfo"]["id"] == row["id"] for row in rows)
    assert ended.out.startswith(f"out.jsonl: {len(rows)} cases in 1 windows (1 verified), ")
    assert "without" not in ended.out


def test_list_prints_one_case_a_line(tenant: Emulator, call: Call) -> None:
    """The page is what the service gives: its rows, from a row on, so many."""
    ended = call("list", "--start", 2, "--limit", 3)
    ids = tenant.ids()[::-1]
    assert [row["id"] for row in ended.rows] == ids[2:5]
    assert (ended.code, ended.err) == (0, f"3 of {len(ids):,} cases; next: --start 5\n")


def test_list_says_where_the_next_page_begins(tenant: Emulator, call: Call) -> None:
    """Following that is reading all; the last page, and one behind it, have no next."""
    following, ids = "0", []
    while following:
        ended = call("list", "--start", following)
        ids += [row["id"] for row in ended.rows]
        assert ended.err.startswith(f"{len(ended.rows)} of {tenant.count():,} cases")
        following = ended.err.rstrip("\n").partition("; next: --start ")[2]
    assert sorted(ids) == sorted(tenant.ids())
    ended = call("list", "--start", len(ids) + 1)
    assert (ended.code, ended.out, ended.err) == (0, "", f"0 of {len(ids):,} cases\n")


def test_get_prints_the_case_with_its_contact(tenant: Emulator, call: Call) -> None:
    """A case comes back in the wire's names, on one line."""
    case_id = tenant.ids()[0]
    ended = call("get", case_id)
    [case] = ended.rows
    assert case["caseInfo"]["id"] == case_id
    assert "customerInfo" in case


def test_a_terminal_gets_one_object_over_several_lines(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People read it there; rows stay on a line each."""
    case_id = tenant.ids()[0]
    line = call("get", case_id).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    ended = call("get", case_id)
    assert ended.out == json.dumps(json.loads(line), indent=2, ensure_ascii=False) + "\n"
    assert len(call("list", "--limit", 3).rows) == 3


def test_demo_needs_no_settings(call: Call) -> None:
    """With --demo a case is found without any variable."""
    ended = call("get", "--demo", DEMO_CASE)
    assert json.loads(ended.out)["caseInfo"]["id"] == DEMO_CASE
    assert ended.code == 0


@pytest.mark.parametrize("option", ["--base-url=http://127.0.0.1:1", "--client-id=x"])
def test_demo_beside_a_real_tenant_is_refused(call: Call, option: str) -> None:
    """An address means another tenant than the demonstration's."""
    ended = call("list", "--demo", option)
    assert (ended.code, ended.out) == (2, "")
    assert f"--demo cannot be combined with {option.partition('=')[0]}" in ended.err


# ---- filters and times ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("owner_id=x", {"ownerId": "x"}),
        ("ownerId=x", {"ownerId": "x"}),
        ("resume_type=newCases", {"resumenType": "newCases"}),
        ("resumenType=newCases", {"resumenType": "newCases"}),
        ("is_reopen=TRUE", {"isReopen": True}),
        ("isReopen=false", {"isReopen": False}),
        ("title=a=b", {"title": "a=b"}),
        ("AICC__region__CST=north", {"AICC__region__CST": "north"}),
        ("AICC__is_odd__CST=true", {"AICC__is_odd__CST": "true"}),
    ],
)
def test_a_filter_goes_out_by_its_wire_name(
    tenant: Emulator, call: Call, text: str, wire: dict[str, Any]
) -> None:
    """Names may be Python's or the wire's; only flags are not texts."""
    assert call("list", "--filter", text).code == 0
    assert last_list(tenant) == {**wire, "start": 0, "limit": 100}


@pytest.mark.parametrize(
    "text",
    ["nonsense=1", "priority", "=High", "is_reopen=yes", "start_time=2025-01-01", "extra=1"],
)
def test_a_filter_that_means_nothing_is_refused(tenant: Emulator, call: Call, text: str) -> None:
    """A wrong name or value is a usage error, never a filter that is silently left out."""
    ended = call("list", "--filter", text)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert ended.err.startswith("ConfigError: --filter ")


def test_two_values_of_a_filter_are_refused(tenant: Emulator, call: Call) -> None:
    """The service takes one value for each field, so a second one would be lost."""
    ended = call("list", "--filter", "priority=High", "--filter", "priority=Low")
    assert (ended.code, tenant.requests) == (2, [])
    assert "must have one value, got two" in ended.err


@pytest.mark.filterwarnings("ignore:.*is not among the documented values")
@given(st.sampled_from(sorted(FILTERS)), st.sampled_from(["true", "false"]))
def test_every_field_but_the_range_can_be_filtered(name: str, value: str) -> None:
    """Each Python name and each wire name sets its own field and no other."""
    made = query(None, None, (f"{name}={value}",))
    [field] = [field for field, wire in wire_names(CaseQuery).items() if name in (field, wire)]
    wanted: Any = value == "true" if field.startswith("is_") else value
    assert made == CaseQuery(**{field: wanted})


@given(st.text())
def test_any_text_as_a_filter_is_taken_or_refused(text: str) -> None:
    """Any text becomes one value or a ConfigError."""
    try:
        made = query(None, None, (text,))
    except ConfigError:
        return
    assert made != CaseQuery()


@pytest.mark.parametrize(
    ("option", "text", "wire"),
    [
        ("--since", "2025-01-31", "2025-01-31 00:00:00"),
        ("--since", "2025-01-31T18:00:01", "2025-01-31 18:00:01"),
        ("--since", "2025-01-31 18:00:01", "2025-01-31 18:00:01"),
        ("--since", "2025-01-31T18:00:01+00:00", "2025-02-01 02:00:01"),
        ("--since", "2025-01-31T18:00:01Z", "2025-02-01 02:00:01"),
        ("--until", "2025-01-31", "2025-01-31 23:59:59"),
        ("--until", "20250131", "2025-01-31 23:59:59"),
        ("--until", "2025-01-31T00:00:00", "2025-01-31 00:00:00"),
    ],
)
def test_times_are_read_in_the_tenant_s_zone(
    tenant: Emulator, call: Call, option: str, text: str, wire: str
) -> None:
    """A time without an offset is the tenant's; a day alone is meant from beginning to end."""
    assert call("list", option, text).code == 0
    assert last_list(tenant)["startTime" if option == "--since" else "endTime"] == wire


@pytest.mark.parametrize("text", ["yesterday", "2025-02-30", "31.01.2025", ""])
def test_what_is_not_a_time_is_refused(call: Call, text: str) -> None:
    """The message shows what a time looks like."""
    ended = call("list", "--demo", "--since", text)
    assert ended.code == 2
    assert "must be a time such as 2025-01-31" in ended.err


@given(st.datetimes(), st.booleans())
def test_a_moment_reads_what_python_writes(moment: datetime, is_end: bool) -> None:
    """Every ISO 8601 time comes back as it was."""
    assert Moment(is_end=is_end).convert(moment.isoformat(), None, None) == moment


@given(st.text())
def test_a_moment_of_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    """No other error comes out of a time that a user may type."""
    try:
        moment = Moment(is_end=True).convert(text, None, None)
    except click.BadParameter:
        return
    assert moment.year >= 1


# ---- settings and secrets ------------------------------------------------------------------


def test_without_settings_the_message_names_the_variable(call: Call) -> None:
    """It is a usage error."""
    ended = call("list")
    assert (ended.code, ended.err) == (2, "ConfigError: AICC_BASE_URL must be set\n")


def test_options_go_before_variables(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, zone and rate of the command line win."""
    monkeypatch.setenv("AICC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AICC_TIMEZONE", "Europe/Berlin")
    options = ("--base-url", tenant.url, "--timezone", "UTC", "--rate", "100/2")
    assert call("list", *options, "--since", "2025-01-01T00:00:00Z").code == 0
    assert last_list(tenant)["startTime"] == "2025-01-01 00:00:00"


def test_variables_are_read(tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without options the zone is the variable's."""
    monkeypatch.setenv("AICC_TIMEZONE", "Europe/Berlin")
    assert call("list", "--since", "2025-01-01T00:00:00Z").code == 0
    assert last_list(tenant)["startTime"] == "2025-01-01 01:00:00"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--rate", "many"), "rate_limit must be like '10' or '600/60', got 'many'"),
        (("--rate", "0"), "limit"),
        (("--timezone", "Nowhere/Land"), "timezone"),
        (("--base-url", "http://service.example"), "base_url"),
        (("--start", "-1"), "start"),
        (("--limit", "101"), "limit"),
        (("--since", "2025-01-01", "--until", "2025-03-01"), "31 days"),
        (("--since", "2025-02-01", "--until", "2025-01-01"), "end_time"),
        (("--filter", f"title={'x' * 129}"), "title"),
        (("--nonsense",), "No such option"),
        (("--key-file", "missing.csv"), "does not exist"),
    ],
)
def test_a_wrong_setting_is_a_usage_error(
    tenant: Emulator, call: Call, options: tuple[str, ...], word: str
) -> None:
    """Exit code 2, a message that names it, and no request."""
    ended = call("list", *options)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert word in ended.err


def test_a_token_file_is_read(tenant: Emulator, call: Call, tmp_path: Path) -> None:
    """The token goes out without the file's line end, and nobody signs in."""
    (tmp_path / "token").write_text(f"{tenant.token()}\n")
    assert call("list", "--token-file", "token").code == 0
    assert [request.operation for request in tenant.requests] == ["list"]


def test_a_token_file_that_is_no_text_is_refused(call: Call, tmp_path: Path) -> None:
    """The message says what is wrong without a piece of the file."""
    (tmp_path / "token").write_bytes(b"invented-\xff-token")
    ended = call("list", "--base-url", "http://127.0.0.1:1", "--token-file", "token")
    assert ended.code == 2
    assert "invented" not in ended.err
    assert "--token-file" in ended.err


def test_a_key_file_is_read(
    tenant: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator's CSV signs in, and goes before the variables."""
    monkeypatch.setenv("AICC_ACCESS_TOKEN", "invented-and-wrong")
    row = f"someone,{tenant.client_id},{tenant.client_secret}\n"
    (tmp_path / "key.csv").write_text(f"username,client_id,client_secret\n{row}")
    assert call("list", "--key-file", "key.csv").code == 0


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_secret_is_asked_for_and_never_shown(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It is asked for once, hidden, and standard output stays data."""
    prompts: list[str] = []

    def type_secret(prompt: str, **_: Any) -> str:
        prompts.append(prompt)
        return tenant.client_secret

    monkeypatch.setattr("click.termui.hidden_prompt_func", type_secret)
    monkeypatch.delenv("AICC_CLIENT_SECRET")
    if by == "option":
        monkeypatch.delenv("AICC_CLIENT_ID")
    options = ("--client-id", tenant.client_id) if by == "option" else ()
    ended = call("list", "--limit", 1, *options)
    assert (ended.code, len(ended.rows)) == (0, 1)
    assert [prompt.strip() for prompt in prompts] == ["Client secret:"]
    assert tenant.client_secret not in ended.err + ended.out


@pytest.mark.parametrize("variable", ["AICC_ACCESS_TOKEN", "AICC_KEY_FILE"])
def test_no_secret_is_asked_for_where_a_variable_signs_in(
    tenant: Emulator,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """A client id alone does not ask for a secret where a token or a key file is set."""
    row = f"{tenant.client_id},{tenant.client_secret}\n"
    (tmp_path / "key.csv").write_text(f"client_id,client_secret\n{row}")
    monkeypatch.delenv("AICC_CLIENT_SECRET")
    value = tenant.token() if variable == "AICC_ACCESS_TOKEN" else "key.csv"
    monkeypatch.setenv(variable, value)
    ended = call("case-type", "list")
    assert (ended.code, ended.err) == (0, "")


def test_an_interrupted_prompt_ends_quietly(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """^C at the question is exit code 130 and no request."""

    def interrupt(prompt: str, **_: Any) -> str:
        raise KeyboardInterrupt(prompt)

    monkeypatch.setattr("click.termui.hidden_prompt_func", interrupt)
    monkeypatch.delenv("AICC_CLIENT_SECRET")
    ended = call("list", "--client-id", "someone")
    assert (ended.code, ended.out, tenant.requests) == (130, "", [])
    assert ended.err.splitlines()[-1] == "interrupted"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_takes_a_secret(command: str) -> None:
    """A secret on a command line would be seen by every user of the machine."""
    names = {option for each in all_commands()[command].params for option in each.opts}
    assert not [name for name in names if re.search("secret|password|token$", name)]


# ---- writing -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
def test_create_reads_standard_input(tenant: Emulator, call: Call, wrapped: bool) -> None:
    """JSON comes in with or without caseInfo around it; the id goes out."""
    body = {"caseInfo": NEW | {"AICC__region__CST": "north"}} if wrapped else NEW
    ended = call("create", stdin=json.dumps(body).encode())
    [row] = [row for row in tenant.rows() if row["id"] == ended.rows[0]["caseId"]]
    assert row["title"] == "t"
    assert row.get("AICC__region__CST") == ("north" if wrapped else None)


def test_the_documents_samples_are_taken(tenant: Emulator, call: Call) -> None:
    """What the documents print as a body can be sent as it is, from a file."""
    created = call("create", SAMPLES / "000_create_request.json")
    assert created.code == 0
    change = json.loads((SAMPLES / "002_modify_request.json").read_bytes())
    change["caseInfo"]["id"] = created.rows[0]["caseId"]
    changed = call("modify", "-", stdin=json.dumps(change).encode())
    assert changed.rows == [{"id": created.rows[0]["caseId"]}]
    title = change["caseInfo"]["title"]
    assert title in [row["title"] for row in tenant.rows()]


@pytest.mark.parametrize("options", [(), ("--form",)])
def test_enqueue_prints_the_ticket(tenant: Emulator, call: Call, options: tuple[str, ...]) -> None:
    """The record comes back with its CaseId, sent as JSON or as a form."""
    body = b'{"ServiceId": 2, "Subject": "x", "CustomProperties": {"a": "b"}}'
    ended = call("enqueue", *options, stdin=body)
    assert json.loads(ended.out)["CaseId"] == tenant.enqueued[-1]["CaseId"]
    assert tenant.enqueued[-1]["CustomProperties"] == {"a": "b"}


def test_enqueue_sends_the_variable_s_headers(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which header carries the token is the server's choice, and never an option."""
    monkeypatch.setenv("AICC_QFLOW_HEADERS", "X-Api-Token: invented:1\n\nX-Site: 7\n")
    assert call("enqueue", stdin=b'{"ServiceId": 2}').code == 0
    headers = tenant.requests[-1].headers
    assert (headers["X-Api-Token"], headers["X-Site"]) == ("invented:1", "7")


def test_a_header_without_a_colon_is_refused_unseen(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message shows the form, not what may be a secret."""
    monkeypatch.setenv("AICC_QFLOW_HEADERS", "invented-secret")
    ended = call("enqueue", stdin=b'{"ServiceId": 2}')
    assert (ended.code, tenant.requests) == (2, [])
    assert "invented-secret" not in ended.err


@pytest.mark.parametrize("command", ["create", "modify", "enqueue"])
@pytest.mark.parametrize(
    "stdin", [b"", b"{", b"[]", b"5", b'"\xff"', b"{}", b'{"caseInfo": 5}', b"[" * 100_000]
)
def test_json_that_is_no_record_is_a_usage_error(
    tenant: Emulator, call: Call, command: str, stdin: bytes
) -> None:
    """Exit code 2, one line that names the input, and no request."""
    ended = call(command, stdin=stdin)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert ended.err.startswith("ConfigError: <stdin>: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "body", "words"),
    [
        ("create", NEW | {"title": "单" * 43}, "title must be at most 128 bytes in UTF-8, got 129"),
        ("create", NEW | {"title": 5}, "$.title"),
        ("create", NEW | {"dueDate": "tomorrow"}, "$.dueDate"),
        ("modify", {"id": "x", "title": "t", "description": "d"}, "creatorId"),
        (
            "enqueue",
            {"ServiceId": 2, "Subject": "x" * 101},
            "subject must be at most 100 UTF-16 units, got 101",
        ),
        ("enqueue", {"Subject": "x"}, "ServiceId"),
    ],
)
def test_a_broken_bound_is_named(
    tenant: Emulator, call: Call, command: str, body: dict[str, Any], words: str
) -> None:
    """The documents' bounds are checked before anything is sent."""
    ended = call(command, stdin=json.dumps(body).encode())
    assert (ended.code, tenant.requests) == (2, [])
    assert words in ended.err


def test_a_lost_answer_asks_to_look_first(tenant: Emulator, call: Call) -> None:
    """The message of an unknown outcome names what to do."""
    tenant.fail("create", Fault.DROP_AFTER)
    ended = call("create", stdin=json.dumps(NEW).encode())
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("UnknownOutcome: create: it may or may not have happened")
    assert ended.err.endswith("look for it before you send it again\n")


# ---- failures of the service ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.HTTP_503, "ServerError: list: HTTP 503, resCode 405230503: service unavailable"),
        (Fault.BUSINESS_ERROR, "ApiError: list: resCode 405230099: the flow refused the case"),
        (Fault.DROP_BEFORE, "TransportError: list: no complete answer"),
        (Fault.NOT_JSON, "DecodeError: "),
        (Fault.THROTTLED, "RateLimitError: list: HTTP 429"),
        (Fault.TOKEN_EXPIRED_401, "AuthError: list: HTTP 401"),
    ],
)
@pytest.mark.parametrize("command", ["list", "export"])
def test_a_failure_of_the_service_is_one_line(
    tenant: Emulator, call: Call, fault: Fault, error: str, command: str
) -> None:
    """Exit code 1, the error's kind and text, and no file."""
    tenant.retry_after = "86400"  # too long to be waited for
    tenant.fail("list", fault, times=None)
    ended = call(command, *(["out.jsonl"] if command == "export" else []))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(error)
    assert ended.err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_nobody_there_is_one_line(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that can't be reached is exit code 1."""
    monkeypatch.setenv("AICC_BASE_URL", "http://127.0.0.1:1")
    ended = call("list")
    assert (ended.code, ended.out, tenant.requests) == (1, "", [])
    assert ended.err.startswith("TransportError: ")


def test_the_service_s_words_cannot_break_the_line(
    tenant: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line ends and control characters in a resMsg do not reach the terminal."""
    answer = {"resCode": "9", "resMsg": "first\nsecond\x1b[2Jthird\x07"}
    body = json.dumps(answer).encode()
    monkeypatch.setattr(CaseService, "list", lambda *_: Answer(200, body))
    ended = call("list")
    assert ended.code == 1
    assert ended.err == "ApiError: list: resCode 9: first second [2Jthird \n"
    assert tenant.requests[-1].status == 200


MARCH = ("--since", "2025-03-01", "--until", "2025-03-31")


@pytest.fixture
def restless(tenant: Emulator) -> Emulator:
    """Crowd one second, and let more rows come into it for ever."""
    tenant.insert_many([{"createdDate": "2025-03-30 12:00:00"}] * 150)
    tenant.on_page(lambda emulator, _: emulator.insert(createdDate="2025-03-30 12:00:00"))
    return tenant


@pytest.mark.slow
def test_what_is_unverified_is_exit_code_3(restless: Emulator, call: Call, tmp_path: Path) -> None:
    """The file is there, and a line for each window says why it should not be relied on."""
    ended = call("export", "out.jsonl", *MARCH)
    assert ended.code == 3
    assert "unverified" in ended.out
    assert "unverified: 2025-03-30 11:59:5" in ended.err
    assert "the total went from" in ended.err
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) > 150
    assert restless.requests


def test_no_strict_only_reports_it(restless: Emulator, call: Call) -> None:
    """The same with --no-strict is a success, with the same lines."""
    ended = call("export", "out.jsonl", *MARCH, "--no-strict")
    assert (ended.code, "unverified: " in ended.err) == (0, True)
    assert restless.requests


def test_an_unfinished_export_is_resumed_or_in_the_way(
    tenant: Emulator, call: Call, tmp_path: Path
) -> None:
    """The same command ends it; another one is refused, unless it restarts."""
    tenant.insert_many([{"createdDate": "2025-03-20 12:00:00"}] * 300)

    def fail(emulator: Emulator, page: int) -> None:
        if page == 5:
            emulator.fail("list", Fault.BUSINESS_ERROR, times=None)

    tenant.on_page(fail)
    assert call("export", "out.jsonl", *MARCH).code == 1
    tenant.on_page(None)
    tenant.clear_faults()
    refused = call("export", "out.jsonl")
    assert refused.code == 2
    assert "unfinished export of another query" in refused.err
    assert "--restart" in refused.err
    assert call("export", "out.jsonl", *MARCH).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.jsonl",
        "out.jsonl.manifest.json",
    ]


def test_a_night_s_run_adds_what_is_new_and_warns_of_the_rest(tenant: Emulator, call: Call) -> None:
    """--since last goes on; for a file a warning says that changes are not seen."""
    nightly = ("export", "out.jsonl", "--since", "last", "--lookback", "7d", "--until")
    first, second = call(*nightly, "2025-03-15"), call(*nightly, "2025-03-31")
    assert (first.code, first.err, second.code) == (0, "", 0)
    assert second.err == (
        "warning: out.jsonl: new cases are added; changes of older ones are not seen\n"
    )
    rows = [json.loads(line)["id"] for line in Path("out.jsonl").read_bytes().splitlines()]
    assert sorted(rows) == sorted(tenant.ids(None, "2025-03-31 23:59:59"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("out.txt",),
        ("out.jsonl", "--raw-cells"),
        ("out.jsonl", "--strict-types"),
        ("out.jsonl", "--lookback", "7"),
        ("out.jsonl", "--settle", "soon"),
        ("out.jsonl", "--format", "xml"),
        ("postgresql://host/db?port=x",),
    ],
)
def test_what_cannot_be_exported_is_a_usage_error(
    tenant: Emulator, call: Call, arguments: tuple[str, ...]
) -> None:
    """The error comes before the first request, and nothing is left."""
    ended = call("export", *arguments)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert ended.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("target", ["missing/out.jsonl", ".", "/dev/null"])
def test_a_target_that_cannot_be_written_is_a_usage_error(
    tenant: Emulator, call: Call, target: str
) -> None:
    """The error comes before the first request."""
    ended = call("export", target)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])


# ---- help ----------------------------------------------------------------------------------


def example(command: str, call: Call) -> tuple[str, list[str]]:
    """Take the example out of a command's help: what is piped in, and the arguments."""
    text = call(command, "--help").out
    [shown] = re.findall(r"Example:\n(.*?)\n\n", text, re.DOTALL)
    piped, _, line = shown.replace("\\\n", "").rpartition("|")
    program, *arguments = shlex.split(line)
    assert program == "aicc-async"
    return " ".join(shlex.split(piped)[1:]), arguments


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "emulator"])
def test_every_help_s_example_works(tenant: Emulator, call: Call, command: str) -> None:
    """What --help shows runs as it is, with --demo or an emulator's variables."""
    stdin, arguments = example(command, call)
    if command == "modify" and DEMO_CASE not in tenant.ids():
        tenant.insert(id=DEMO_CASE)  # the emulator's command has it
    if command == "report":
        assert call(*example("export", call)[1]).code == 0
    ended = call(*arguments, stdin=stdin.encode())
    assert ended.code == 0
    # How many there are is no part of the rows.
    told = r"2 of [\d,]+ cases; next: --start 2\n" if command == "list" else ""
    assert re.fullmatch(told, ended.err)
    assert ended.out


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_goes_to_standard_output_and_shows_no_secret(
    tenant: Emulator, call: Call, command: list[str]
) -> None:
    """Help never prints what the variables hold."""
    ended = call(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert tenant.client_secret not in ended.out
    assert tenant.url not in ended.out


def test_the_version_is_the_package_s(call: Call) -> None:
    """--version prints the number of the metadata."""
    assert re.fullmatch(r"aicc-async, version \d+\.\d+\.\d+\n", call("--version").out)


def test_no_command_is_a_usage_error(call: Call) -> None:
    """Without a command the help is shown, on standard error."""
    ended = call()
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


# ---- the emulator's settings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "99999"),
        ("--cases", "-1"),
        ("--quota", "0"),
        ("--latency", "-1"),
        ("--since", "2026-01-01"),
        ("--since", "2025-01-01T00:00:00+08:00"),
        ("--database", "missing/folder.sqlite"),
    ],
)
def test_an_emulator_that_cannot_be_is_a_usage_error(call: Call, options: tuple[str, ...]) -> None:
    """Nothing is started, and the message says why."""
    ended = call("emulator", "--port", "0", *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_a_port_that_is_taken_is_a_usage_error(tenant: Emulator, call: Call) -> None:
    """Another port must be chosen, and the message says so."""
    ended = call("emulator", "--cases", "0", "--port", tenant.port)
    assert (ended.code, ended.out) == (2, "")
    assert "address already in use" in ended.err
