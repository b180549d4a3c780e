"""Many creates from a file: its problems, the outcome of each line, and how a run resumes."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import random
import re
import signal
import sqlite3
import sys
import time
import tracemalloc
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import SECONDS, wait_until
from helpers.shell import Call, Start
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aicc_async._protocol.converter import RecordConverter
from aicc_async.cli.bulk import run as bulk
from aicc_async.cli.bulk.records import Records
from aicc_async.cli.bulk.rows import Problem
from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.data.seed import wall_clock
from aicc_async.settings.endpoint import find_zone

GOOD = {"title": "t", "description": "d", "type": "y", "contactId": "o", "creatorId": "r"}
COLUMNS = ["ref", *GOOD, "dueDate", "priority", "isAutoAssigned", "ownerId"]
FULL = {
    "dueDate": "2025-03-01 12:00:00",
    "priority": "High",
    "isAutoAssigned": "false",
    "ownerId": "owner",
}
TO_RESULTS = ("--results", "r.jsonl", "--list-lag", "0s")


@pytest.fixture
def tenant(empty_tenant: Emulator) -> Emulator:
    """Give a tenant without cases."""
    return empty_tenant


@pytest.fixture
def create(call: Call) -> Call:
    """Run a bulk create of a file with the key ``ref``."""
    return lambda source, *more: call(
        "create", "--from", str(source), "--key-field", "ref", *TO_RESULTS, *more
    )


@pytest.fixture
def start_create(start: Start) -> Start:
    """Start the same as a process."""
    return lambda source, *more: start(
        "create", "--from", source, "--key-field", "ref", *TO_RESULTS, *more
    )


def row(number: int, **fields: Any) -> dict[str, Any]:
    """Make a case with a key, a title and a contact of its own."""
    own = {"ref": f"order-{number}", "title": f"t {number}", "contactId": f"o{number}"}
    return GOOD | own | fields


def write_json(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write JSON lines."""
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    return path.name


def write_csv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Write CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path.name


def results() -> list[dict[str, Any]]:
    """Read the results."""
    return [json.loads(line) for line in Path("r.jsonl").read_bytes().splitlines()]


def there() -> list[str]:
    """Name the files of the folder."""
    return sorted(path.name for path in Path().iterdir())


def sent(tenant: Emulator) -> list[dict[str, Any]]:
    """Read the cases that creates asked for."""
    bodies = [request.body for request in tenant.requests if request.operation == "create"]
    return [json.loads(body)["caseInfo"] for body in bodies]


def problems_of(path: Path, content: bytes, key: str = "ref") -> list[str]:
    """Check a file with this content."""
    path.write_bytes(content)
    return list(map(str, Records(path, key, RecordConverter(find_zone("UTC"))).check()[1]))


# ---- problems ------------------------------------------------------------------------------

TOO_LONG = "must be at most {} bytes in UTF-8, got {}"
NOT_A_KEY = "ref must be a printable string of 1 to 500 characters"
NOT_A_TIME = "must be a time as YYYY-MM-DD HH:mm:ss, got"
JSON_PROBLEMS: list[tuple[dict[str, Any] | bytes, str]] = [
    ({"title": None}, "title must be set, got null"),
    ({"title": 5}, "title must be a str, got int"),
    ({"title": "单" * 43}, f"title {TOO_LONG.format(128, 129)}"),
    ({"description": "d" * 20_001}, f"description {TOO_LONG.format(20_000, 20_001)}"),
    ({"contactId": "x" * 21}, f"contactId {TOO_LONG.format(20, 21)}"),
    ({"type": ""}, "type must not be empty"),
    ({"dueDate": "tomorrow"}, f"dueDate {NOT_A_TIME} str"),
    ({"dueDate": "2025-03-01T12:00:00+08:00"}, f"dueDate {NOT_A_TIME} str"),
    ({"dueDate": 1740000000}, f"dueDate {NOT_A_TIME} int"),
    ({"isAutoAssigned": "true"}, "isAutoAssigned must be true or false"),
    ({"isAtuoAssigned": 1}, "isAtuoAssigned must be true or false"),
    (
        {"isAutoAssigned": True, "isAtuoAssigned": False},
        "isAutoAssigned and isAtuoAssigned must be equal",
    ),
    ({"contact phone": "000"}, "unknown field 'contact phone'. Did you mean 'contactPhone'?"),
    ({"contact_id": "x"}, "contact_id must not be beside contactId: they are one field"),
    ({"contact_phone": "0" * 21}, f"contact_phone {TOO_LONG.format(20, 21)}"),
    ({"is_auto_assigned": "true"}, "is_auto_assigned must be true or false"),
    ({"colour": "red"}, "unknown field 'colour'"),
    ({"attachment": list("abcdef")}, "attachment must be at most 5 attachments, got 6"),
    ({"ref": "order-1"}, "ref must be unique, got that of line 1"),
    ({"ref": ""}, f"{NOT_A_KEY}, got 0 characters"),
    ({"ref": "x" * 501}, f"{NOT_A_KEY}, got 501 characters"),
    ({"ref": 1.5}, f"{NOT_A_KEY}, got float"),
    ({"ref": None}, f"{NOT_A_KEY}, got nothing"),
    ({"ref": "a\nb"}, f"{NOT_A_KEY}, got 3 characters"),
    (
        b'{"ref": "x", "title": NaN}',
        "not JSON: NaN, Infinity and halves of surrogate pairs are not allowed",
    ),
    (b'{"ref": "x", "title": "t"', "not JSON: Expecting ',' delimiter, at character 26"),
    (b'{"ref": "x", "title": "\xff"}', "not JSON: byte 24 is not UTF-8"),
    (b'["x"]', "must be an object, got list"),
    (b'{"caseInfo": 5}', "caseInfo must be an object, got int"),
    (b'{"ref": 1, "caseInfo": {"ref": 2}}', "'ref' must not be both within caseInfo and beside it"),
    (
        {"title": "t" * 129, "ownerId": "x" * 21},
        f"title {TOO_LONG.format(128, 129)}; ownerId {TOO_LONG.format(20, 21)}",
    ),
]


def test_every_problem_of_json_lines_is_listed_with_its_line(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """All at once: line, field by its name in the file, bound, and size; and nothing is sent."""
    lines = [json.dumps(row(1)).encode(), b"  "]
    for number, (change, _) in enumerate(JSON_PROBLEMS, 3):
        lines.append(
            change if isinstance(change, bytes) else json.dumps(row(number, **change)).encode()
        )
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(lines))
    ended = create("c.jsonl")
    expected = [f"line {n}: {text}" for n, (_, text) in enumerate(JSON_PROBLEMS, 3)]
    assert (ended.code, ended.out, ended.problems) == (2, "", expected)
    last = f"ConfigError: c.jsonl: {len(JSON_PROBLEMS)} lines have problems; nothing was sent"
    assert ended.err.splitlines()[-1] == last
    assert len(JSON_PROBLEMS) >= 20
    assert (tenant.requests, there()) == ([], ["c.jsonl"])


CSV_PROBLEMS: list[tuple[str | dict[str, str], str]] = [
    ({"title": ""}, "title must be set, got nothing"),
    ({"title": "单" * 43}, f"title {TOO_LONG.format(128, 129)}"),
    ({"description": "d" * 20_001}, f"description {TOO_LONG.format(20_000, 20_001)}"),
    ({"type": "x" * 21}, f"type {TOO_LONG.format(20, 21)}"),
    ({"contactId": "x" * 21}, f"contactId {TOO_LONG.format(20, 21)}"),
    ({"contactId": ""}, "contactId must be set, got nothing"),
    ({"creatorId": "x" * 21}, f"creatorId {TOO_LONG.format(20, 21)}"),
    ({"creatorId": "单" * 7}, f"creatorId {TOO_LONG.format(20, 21)}"),
    ({"ownerId": "x" * 21}, f"ownerId {TOO_LONG.format(20, 21)}"),
    ({"dueDate": "01.03.2025"}, f"dueDate {NOT_A_TIME} str"),
    ({"dueDate": "2025-02-30 12:00:00"}, f"dueDate {NOT_A_TIME} str"),
    ({"dueDate": "2025-03-01 12:00:00Z"}, f"dueDate {NOT_A_TIME} str"),
    ({"dueDate": "2025-03-01"}, f"dueDate {NOT_A_TIME} str"),
    ({"isAutoAssigned": "yes"}, "isAutoAssigned must be true or false"),
    ({"isAutoAssigned": "1"}, "isAutoAssigned must be true or false"),
    ({"ref": "order-1"}, "ref must be unique, got that of line 2"),
    ({"ref": ""}, f"{NOT_A_KEY}, got nothing"),
    ({"ref": "x" * 501}, f"{NOT_A_KEY}, got 501 characters"),
    ("one,two", "must have 10 cells, got 2"),
    (",".join("abcdefghijk"), "must have 10 cells, got 11"),
    ('a,"b"c', "not CSV: ',' expected after '\"'"),
    ("caf\udce9" + "," * 9, "ref must be UTF-8"),
]


def test_every_problem_of_csv_is_listed_with_its_line(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """Columns once, in line 1; lines count as an editor counts them, with breaks within cells."""
    columns = [*COLUMNS[:6], "due date", *COLUMNS[6:]]
    rows = [row(1, description="two\nlines")]
    texts = [text for text in CSV_PROBLEMS if isinstance(text[0], dict)]
    for number, (change, _) in enumerate(texts, 4):
        rows.append(row(number, **change))  # type: ignore[arg-type]
    write_csv(tmp_path / "c.csv", rows, COLUMNS)
    raw = [text for text in CSV_PROBLEMS if isinstance(text[0], str)]
    with (tmp_path / "c.csv").open("ab") as file:
        for text, _ in raw:
            file.write(f"{text}\n".encode("utf-8", "surrogateescape"))
    ended = create("c.csv")
    expected = [f"line {n}: {text}" for n, (_, text) in enumerate([*texts, *raw], 4)]
    assert (ended.code, ended.out, ended.problems) == (2, "", expected)
    assert (tenant.requests, there()) == ([], ["c.csv"])
    assert len(CSV_PROBLEMS) >= 20
    header = "line 1: unknown field 'due date'. Did you mean 'dueDate'?"
    content = ",".join(columns).encode() + b"\n1,t,d,y,o,r,x,,,,\n"
    assert problems_of(tmp_path / "d.csv", content) == [header]


def test_a_header_of_python_s_names_is_the_same(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """What is sent has the wire's names, and flags are read as under them."""
    names = {"contactId": "contact_id", "creatorId": "creator_id", "ownerId": "owner_id"}
    names |= {"dueDate": "due_date", "isAutoAssigned": "is_auto_assigned"}
    fields = row(1, **FULL)
    own_names = {names.get(name, name): value for name, value in fields.items()}
    write_csv(tmp_path / "c.csv", [own_names], list(own_names))
    assert create("c.csv").code == 0
    sent = json.loads(tenant.requests[-1].body)["caseInfo"]
    del fields["ref"]
    assert sent == fields | {"isAutoAssigned": False, "isAtuoAssigned": False}


HEAD = ",".join(["ref", *GOOD])


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("c.csv", HEAD.encode("utf-16"), "the file must be UTF-8, got UTF-16"),
        ("c.jsonl", "{}".encode("utf-16"), "the file must be UTF-8, got UTF-16"),
        (
            "c.csv",
            HEAD.replace(",", ";").encode(),
            "--key-field must name a column, got 'ref'. Separate the cells with commas",
        ),
        ("c.csv", b"title,type\n1,2\n3,4\n", "--key-field must name a column, got 'ref'"),
        ("c.csv", f"{HEAD},title\n".encode(), "columns must differ, got 'title' twice"),
        ("c.csv", "ré,ref\n".encode("latin-1"), "the names of columns must be UTF-8"),
        ("c.csv", b"", "the file must have a case"),
        ("c.csv", f"{HEAD}\n\n".encode(), "the file must have a case"),
        ("c.jsonl", b"\n \n", "the file must have a case"),
        ("c.csv", b'ref,"a\n', "not CSV: unexpected end of data"),
    ],
)
def test_a_problem_of_the_whole_file_is_listed_once(
    tmp_path: Path, name: str, content: bytes, text: str
) -> None:
    """One message, in line 1, instead of one for each line."""
    assert problems_of(tmp_path / name, content) == [f"line 1: {text}"]


def test_a_cell_in_another_encoding_is_named_by_its_column(tmp_path: Path) -> None:
    """What is in it isn't shown."""
    content = f"{HEAD}\n1,é,d,y,o,r\n2,t,é,y,o,r\n".encode("latin-1")
    assert problems_of(tmp_path / "c.csv", content) == [
        "line 2: title must be UTF-8",
        "line 3: description must be UTF-8",
    ]


SECRET = "jane.doe@example"


@pytest.mark.parametrize("field", [*GOOD, "dueDate", "attachment", "contactPhone", "ownerId"])
def test_no_message_shows_what_a_field_holds(tmp_path: Path, field: str) -> None:
    """A message has sizes and kinds: contact data may be anywhere."""
    for value in ([SECRET] * 6, {SECRET: SECRET}, [[SECRET]], SECRET * 2000):
        problems = problems_of(tmp_path / "c.jsonl", json.dumps(row(1, **{field: value})).encode())
        assert SECRET not in "".join(problems)
        assert all(re.match(f"line 1: {field}(:| must) ", problem) for problem in problems)
        # An attachment has no bound.
        assert problems or (field, value) == ("attachment", SECRET * 2000)


def test_a_hundred_problems_are_listed_and_all_are_counted(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """A file that is wrong throughout doesn't fill the screen."""
    ended = create(write_json(tmp_path / "c.jsonl", [row(n, title=n) for n in range(1500)]))
    assert len(ended.problems) == 100
    assert ended.err.endswith("c.jsonl: 1,500 lines have problems; nothing was sent\n")
    assert tenant.requests == []


# ---- what is taken -------------------------------------------------------------------------


def lines_of(path: Path) -> list[Any]:
    """Read a file that has no problems."""
    records = Records(path, "ref", RecordConverter(find_zone("Asia/Shanghai")))
    assert records.check()[1] == []
    return list(records)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(st.lists(st.tuples(texts, texts, st.booleans()), min_size=1, max_size=5))
def test_csv_and_json_lines_are_the_same_cases(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, bool]]
) -> None:
    """Quotes, commas, line ends, NUL and every script come through alike."""
    folder = tmp_path_factory.mktemp("same")
    rows = [
        row(number, **FULL | {"title": title, "description": text, "isAutoAssigned": flag})
        for number, (title, text, flag) in enumerate(cells)
    ]
    write_json(folder / "c.jsonl", rows)
    write_csv(folder / "c.csv", rows, COLUMNS)
    first, second = lines_of(folder / "c.jsonl"), lines_of(folder / "c.csv")
    assert [(line.key, line.new) for line in first] == [(line.key, line.new) for line in second]


@given(st.binary(max_size=200), st.sampled_from(["c.csv", "c.jsonl"]))
def test_any_bytes_are_cases_or_problems(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    """Nothing else is raised, and every problem has a line."""
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    cases, problems = Records(path, "ref", RecordConverter(find_zone("UTC"))).check()
    assert bool(cases) != bool(problems) or (cases and problems)
    assert all(isinstance(problem, Problem) and problem.number >= 1 for problem in problems)


def test_what_excel_leaves_at_the_edges_is_no_content(tmp_path: Path) -> None:
    """Rows of bare commas are no rows, and empty columns without a name are no columns."""
    texts = [",,,,,,,", f"{HEAD},,", "1,t,d,y,o,r,,", ",,,,,,,", "2,t,d,y,o,r,,", ",,,,,,,"]
    (tmp_path / "c.csv").write_text("\r\n".join(texts))
    assert [line.number for line in lines_of(tmp_path / "c.csv")] == [3, 5]
    content = f"{HEAD},,\n1,t,d,y,o,r,,x\n".encode()
    problem = "line 2: cells without a name of their column must be empty: 8"
    assert problems_of(tmp_path / "d.csv", content) == [problem]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "C.CSV"])
def test_a_byte_order_mark_and_blank_lines_are_no_content(
    tmp_path: Path, name: str, mark: bytes, newline: str
) -> None:
    """Line numbers count them all the same."""
    is_csv = name.lower().endswith(".csv")
    texts = [HEAD, "", "1,t,d,y,o,r", "", "2,t,d,y,o,r"]
    if not is_csv:
        texts = ["", "", json.dumps(row(1)), " ", json.dumps(row(2))]
    (tmp_path / name).write_bytes(mark + newline.join(texts).encode())
    assert [line.number for line in lines_of(tmp_path / name)] == [3, 5]


def test_wrapped_cases_numbers_as_keys_and_either_flag_are_taken(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """The key may be within ``caseInfo`` or beside it; a number is taken as text."""
    write_json(
        tmp_path / "c.jsonl",
        [
            {"caseInfo": row(1, ref=1)},
            {"ref": 2**70, "caseInfo": GOOD | {"isAtuoAssigned": False}},
            row(3, isAutoAssigned=False, isAtuoAssigned=False, AICC__x__CST=["any"]),
        ],
    )
    assert create("c.jsonl").code == 0
    assert [result["key"] for result in results()] == ["1", str(2**70), "order-3"]
    [first] = [each for each in sent(tenant) if each["title"] == "t 1"]
    [second] = [each for each in sent(tenant) if each["title"] == "t"]
    [third] = [each for each in sent(tenant) if each["title"] == "t 3"]
    assert first["isAutoAssigned"] is True
    assert second["isAutoAssigned"] is second["isAtuoAssigned"] is False
    assert third["AICC__x__CST"] == ["any"]
    assert not any("ref" in each for each in (first, second, third))


def test_a_key_that_is_a_field_is_sent(tenant: Emulator, call: Call, tmp_path: Path) -> None:
    """``--key-field contactId`` makes one case for each contact."""
    write_csv(tmp_path / "c.csv", [GOOD], list(GOOD))
    ended = call("create", "--from", "c.csv", "--key-field", "contactId", *TO_RESULTS)
    assert ended.code == 0
    assert [each["contactId"] for each in sent(tenant)] == ["o"]


@pytest.mark.parametrize("given_time", ["2025-03-01 12:00:00", "2025-03-01T12:00:00.9"])
def test_times_are_taken_as_the_client_takes_them(
    tenant: Emulator, create: Call, tmp_path: Path, given_time: str
) -> None:
    """With a T or a space, cut to seconds; an empty one is none."""
    rows = [row(1, dueDate=given_time), row(2, dueDate="")]
    create(write_csv(tmp_path / "c.csv", rows, COLUMNS))
    times = {each["title"]: each.get("dueDate") for each in sent(tenant)}
    assert times == {"t 1": "2025-03-01 12:00:00", "t 2": None}


def test_a_large_file_is_not_held(tmp_path: Path) -> None:
    """Neither by the check, which keeps the keys alone, nor by the reading."""
    write_json(tmp_path / "c.jsonl", [row(n, description="d" * 10_000) for n in range(3000)])
    records = Records(tmp_path / "c.jsonl", "ref", RecordConverter(find_zone("UTC")))
    tracemalloc.start()
    try:
        assert records.check() == (3000, [])
        assert sum(1 for _ in records) == 3000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000  # of 30 MB


# ---- outcomes ------------------------------------------------------------------------------


def test_results_have_a_line_for_each_in_their_order(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """Line, key, outcome and case; the summary counts, and a second run makes none."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(300)])
    first = create(source)
    assert (first.code, first.err) == (0, "")
    assert first.out == "r.jsonl: 300 created, 0 already, 0 rejected, 0 unknown\n"
    made = {each["title"]: each["id"] for each in tenant.rows()}
    expected = [
        {"line": n + 1, "key": f"order-{n}", "outcome": "created", "caseId": made[f"t {n}"]}
        for n in range(300)
    ]
    assert results() == expected
    second = create(source)
    assert second.out == "r.jsonl: 0 created, 300 already, 0 rejected, 0 unknown\n"
    assert results() == [each | {"outcome": "already"} for each in expected]
    assert tenant.count() == 300


def test_a_rejected_line_is_corrected_and_run_again(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """It is the service's word that counts; the others stay as they are."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    write_json(tmp_path / "c.jsonl", [row(1)])
    first = create("c.jsonl")
    assert (first.code, first.out) == (3, "r.jsonl: 0 created, 0 already, 1 rejected, 0 unknown\n")
    [result] = results()
    assert result["outcome"] == "rejected"
    assert "resCode" in result["reason"] or "refused" in result["reason"]
    write_json(tmp_path / "c.jsonl", [row(1, title="corrected"), row(2)])
    assert create("c.jsonl").code == 0
    assert sorted(each["title"] for each in tenant.rows()) == ["corrected", "t 2"]


def test_an_unknown_one_shows_its_candidates(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """Two others equal it: neither is chosen, nothing is sent again, the next line is created."""
    tenant.fail("create", Fault.HTTP_500_AFTER)
    strangers = [tenant.insert(**row(1), createdDate=wall_clock()) for _ in range(2)]
    source = write_json(tmp_path / "c.jsonl", [row(1), row(2)])
    ended = create(source, "--concurrency", "1")
    assert (ended.code, ended.out) == (3, "r.jsonl: 1 created, 0 already, 0 rejected, 1 unknown\n")
    first, second = results()
    assert (first["outcome"], second["outcome"]) == ("unknown", "created")
    assert set(strangers) < set(first["candidates"])
    assert "caseId" not in first


def test_a_lost_answer_is_looked_for(tenant: Emulator, create: Call, tmp_path: Path) -> None:
    """What was made is found, what wasn't is sent again: one case for each line."""
    for fault in (Fault.DROP_AFTER, Fault.HTTP_503, Fault.CUT_BODY):
        tenant.fail("create", fault, times=3)
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(20)])
    ended = create(source)
    assert (ended.code, ended.out) == (0, "r.jsonl: 20 created, 0 already, 0 rejected, 0 unknown\n")
    assert sorted(each["title"] for each in tenant.rows()) == sorted(f"t {n}" for n in range(20))


def test_the_same_keys_in_another_file(tenant: Emulator, create: Call, tmp_path: Path) -> None:
    """With one journal: the same record is there already, another one is rejected."""
    write_json(tmp_path / "a.jsonl", [row(1), row(2)])
    write_json(tmp_path / "b.jsonl", [row(1), row(2, title="other")])
    assert create("a.jsonl", "--journal", "j").code == 0
    assert create("b.jsonl", "--journal", "j").code == 3
    assert [each["outcome"] for each in results()] == ["already", "rejected"]
    assert results()[1]["reason"] == "key must be new or of the same record, got 'order-2'"
    assert tenant.count() == 2


def test_the_same_file_under_another_name_makes_no_case_again(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """All files of a working directory share one journal."""
    first = write_json(tmp_path / "monday.jsonl", [row(1), row(2)])
    assert create(first).code == 0
    (tmp_path / first).rename("tuesday.jsonl")
    ended = create("tuesday.jsonl")
    assert (ended.code, ended.out) == (0, "r.jsonl: 0 created, 2 already, 0 rejected, 0 unknown\n")
    assert tenant.count() == 2
    assert "aicc-creates.journal" in there()


def test_a_variable_names_the_journal(
    tenant: Emulator, create: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves all working directories."""
    monkeypatch.setenv("AICC_JOURNAL", str(tmp_path / "shared.journal"))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        assert create(write_json(Path("c.jsonl"), [row(1)])).code == 0
    assert tenant.count() == 1
    assert there() == ["c.jsonl", "r.jsonl"]


def test_a_zone_that_was_never_set_is_a_warning(
    tenant: Emulator, create: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says so on a line of its own, and goes on."""
    monkeypatch.delenv("AICC_TIMEZONE")
    ended = create(write_json(tmp_path / "c.jsonl", [row(1), row(2)]))
    assert ended.code == 0
    assert ended.err.startswith("warning: timezone should be set where keys are used")
    assert tenant.count() == 2


# ---- what ends it --------------------------------------------------------------------------


def test_refused_credentials_end_it(
    tenant: Emulator, create: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error, no results; with good ones the same command makes all."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(30)])
    with monkeypatch.context() as wrong:
        wrong.setenv("AICC_ACCESS_TOKEN", "invented")
        ended = create(source)
    assert (ended.code, ended.out, Path("r.jsonl").exists()) == (1, "", False)
    assert ended.err.startswith("AuthError: ")
    assert create(source).code == 0
    assert (len(results()), tenant.count()) == (30, 30)


def test_a_service_that_is_down_ends_it(tenant: Emulator, create: Call, tmp_path: Path) -> None:
    """Not every line after it becomes unknown; run again when it is up, it goes on."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(300)])
    tenant.fail("*", Fault.HTTP_503, times=None)
    ended = create(source)
    assert (ended.code, ended.out, Path("r.jsonl").exists()) == (1, "", False)
    assert ended.err.startswith("ServerError: ")
    assert len(sent(tenant)) < 100
    tenant.clear_faults()
    assert create(source).code == 0
    assert (len(results()), tenant.count()) == (300, 300)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--results", "c.jsonl"), "--results must not be the file of --from, got c.jsonl"),
        (("--results", "link"), "--results must not be the file of --from, got link"),
        (("--journal", "r.jsonl"), "--journal must not be the file of --results, got r.jsonl"),
        (("--journal", "c.jsonl"), "--journal must not be the file of --from, got c.jsonl"),
        (("--results", "no/r.jsonl"), "--results: cannot write no/r.jsonl"),
        (("--results", "c.jsonl/r"), "--results: cannot write c.jsonl/r"),
        (("--journal", "no/j"), "journal must be a file in an existing folder, got {folder}/no/j"),
    ],
)
def test_files_that_are_one_or_nowhere_are_refused(
    tenant: Emulator, create: Call, tmp_path: Path, options: tuple[str, str], text: str
) -> None:
    """Before anything is sent, and the file of the cases stays as it was."""
    write_json(tmp_path / "c.jsonl", [row(1)])
    (tmp_path / "link").hardlink_to(tmp_path / "c.jsonl")
    before = (tmp_path / "c.jsonl").read_bytes()
    ended = create("c.jsonl", *options)
    assert (ended.code, ended.out, ended.err) == (
        2,
        "",
        f"ConfigError: {text.format(folder=tmp_path)}\n",
    )
    assert (tenant.requests, (tmp_path / "c.jsonl").read_bytes()) == ([], before)


def test_a_journal_that_is_none_ends_it(tenant: Emulator, create: Call, tmp_path: Path) -> None:
    """Nothing is sent when it can't be remembered."""
    write_json(tmp_path / "c.jsonl", [row(1)])
    with closing(sqlite3.connect("other.db")) as db:
        db.execute("CREATE TABLE t (x)")
    ended = create("c.jsonl", "--journal", "other.db")
    assert (ended.code, ended.out, tenant.requests) == (1, "", [])
    assert ended.err.startswith("JournalError: ")
    assert not Path("r.jsonl").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that root can't write to")
def test_a_journal_where_none_can_be_ends_it(
    tenant: Emulator, create: Call, tmp_path: Path
) -> None:
    """As beside a file in a folder that is read-only: an error before anything is sent."""
    ended = create(write_json(tmp_path / "c.jsonl", [row(1)]), "--journal", "/proc/invented")
    assert (ended.code, ended.out, tenant.requests) == (1, "", [])
    assert re.match("JournalError: cannot use the journal ", ended.err)
    assert there() == ["c.jsonl"]


def test_a_pipe_is_refused(tenant: Emulator, create: Call, tmp_path: Path) -> None:
    """It would be empty when it is read the second time, and nothing created."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    ended = create("pipe.jsonl")
    assert (ended.code, tenant.requests) == (2, [])
    assert "must be a regular file: it is read twice" in ended.err


@pytest.mark.parametrize("option", ["--key-field", "--results"])
def test_a_missing_option_of_a_file_is_named(
    tenant: Emulator, call: Call, tmp_path: Path, option: str
) -> None:
    """Before anything is read or sent."""
    write_json(tmp_path / "c.jsonl", [row(1)])
    options = {"--key-field": "ref", "--results": "r.jsonl"}
    del options[option]
    ended = call(
        "create", "--from", "c.jsonl", *[text for pair in options.items() for text in pair]
    )
    assert (ended.code, ended.err, tenant.requests) == (
        2,
        f"ConfigError: {option} must be set with --from\n",
        [],
    )


@pytest.mark.parametrize("options", [("--key-field", "ref"), ("--results", "r"), ("--dry-run",)])
def test_options_of_a_file_need_one(tenant: Emulator, call: Call, options: tuple[str, ...]) -> None:
    """They would silently do nothing."""
    ended = call("create", *options)
    assert (ended.code, tenant.requests) == (2, [])
    assert "must come with --from" in ended.err


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl"])
def test_a_file_that_is_read_in_part_is_closed(tmp_path: Path, name: str) -> None:
    """As when a signal ends the run: nothing is left open, and nothing complains."""
    content = f"{HEAD}\n1,t,d,y,o,r\n2,t,d,y,o,r"
    if name == "c.jsonl":
        content = f"{json.dumps(row(1))}\n{json.dumps(row(2))}"
    (tmp_path / name).write_text(content)
    with closing(
        iter(Records(tmp_path / name, "ref", RecordConverter(find_zone("UTC"))))
    ) as reading:
        assert next(reading).new.title
    assert list(reading) == []


@pytest.mark.parametrize("is_longer", [True, False])
def test_a_file_that_changes_ends_it(tmp_path: Path, is_longer: bool) -> None:
    """Lines that nobody checked aren't sent, and missing ones aren't passed over."""
    path = tmp_path / "c.jsonl"
    write_json(path, [row(n) for n in range(500)])
    records = Records(path, "ref", RecordConverter(find_zone("UTC")))
    records.check()
    reading = iter(records)
    next(reading)
    if is_longer:
        with path.open("a") as file:
            file.write(json.dumps(row(500)))
    else:
        os.truncate(path, 200)
    with pytest.raises(ValueError, match="it has changed since it was checked"):
        list(reading)


# ---- dry run, progress ---------------------------------------------------------------------


def test_a_dry_run_needs_no_account(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lists the problems, if any, and leaves no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICC_BASE_URL", raising=False)
    monkeypatch.delenv("AICC_ACCESS_TOKEN", raising=False)
    arguments = ("create", "--from", "c.jsonl", "--key-field", "ref", "--dry-run")
    write_json(tmp_path / "c.jsonl", [row(1), row(2)])
    well = call(*arguments)
    assert (well.code, well.err) == (0, "")
    assert well.out == "c.jsonl: 2 cases, no problems\n"
    write_json(tmp_path / "c.jsonl", [row(1), row(1)])
    ended = call(*arguments)
    assert (ended.code, ended.problems) == (2, ["line 2: ref must be unique, got that of line 1"])
    assert there() == ["c.jsonl"]


def test_plain_progress_comes_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal: a line every half minute, none in the first."""
    clock, file = [100.0], io.StringIO()
    monkeypatch.setattr("aicc_async.cli.bulk.run.time.monotonic", lambda: clock[0])
    with bulk._display(Console(file=file, force_terminal=False, width=20), 5000) as show:
        for done in range(1000):
            clock[0] = 100 + done / 10
            show(Counter(created=done))
    assert file.getvalue().splitlines() == [
        f"{done} of 5,000: {done} created, 0 already, 0 rejected, 0 unknown"
        for done in (300, 600, 900)
    ]


def test_a_terminal_shows_a_bar() -> None:
    """How many of how many, and what became of them; nothing of it stays."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120)
    with bulk._display(console, 5000) as show:
        show(Counter(created=2000, rejected=1))
    assert "2001/5000" in file.getvalue()
    assert "2,000 created, 0 already, 1 rejected, 0 unknown" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")


# ---- processes -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(
    tenant: Emulator, start_create: Start, create: Call, tmp_path: Path, how: signal.Signals
) -> None:
    """Soon: one line that names how to resume, and no results yet."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(1000)])
    process = start_create(source)
    wait_until(lambda: tenant.count() > 50)
    process.send_signal(how)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted; run the same command again to resume\n"
    assert there() == ["aicc-creates.journal", "c.jsonl"]
    assert tenant.count() < 1000
    assert create(source).code == 0
    assert (len(results()), tenant.count()) == (1000, 1000)


def test_two_runs_of_one_file_make_one_case_a_line(
    tenant: Emulator, start_create: Start, tmp_path: Path
) -> None:
    """They share the journal, and each has results of its own, all lines in order."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(500)])
    both = [start_create(source, "--results", name) for name in ("a.jsonl", "b.jsonl")]
    ended = [process.communicate(timeout=SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert tenant.count() == 500
    for name in ("a.jsonl", "b.jsonl"):
        found = [json.loads(line) for line in Path(name).read_bytes().splitlines()]
        assert [each["key"] for each in found] == [f"order-{n}" for n in range(500)]
        assert {each["outcome"] for each in found} <= {"created", "already"}


def test_two_runs_with_the_same_results_are_one_too_many(
    tenant: Emulator, start_create: Start, create: Call, tmp_path: Path
) -> None:
    """The second is refused, the first doesn't notice."""
    source = write_json(tmp_path / "c.jsonl", [row(n) for n in range(1000)])
    first = start_create(source)
    wait_until(tenant.count)
    ended = create(source)
    assert (ended.code, ended.err) == (
        2,
        "ConfigError: --results: another run is writing r.jsonl\n",
    )
    assert first.wait(SECONDS) == 0
    assert (len(results()), tenant.count()) == (1000, 1000)
    assert there() == ["aicc-creates.journal", "c.jsonl", "r.jsonl"]


LINES = 10_000


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kills_at_any_time_leave_one_case_a_line(
    tenant: Emulator, start_create: Start, tmp_path: Path
) -> None:
    """10,000 lines, ten kills at random instants, each run again: no case twice, none lost."""
    tenant.record = False
    rows = [row(n) for n in range(LINES)]
    source = write_csv(tmp_path / "c.csv", rows, ["ref", *GOOD])
    kills = sorted(random.randrange(LINES) for _ in range(10))  # noqa: S311  (not for secrets)
    for made in kills:
        process = start_create(source)
        wait_until(lambda made=made: tenant.count() >= made, seconds=100)  # type: ignore[misc]
        time.sleep(random.random() / 50)  # noqa: S311  (same; the instant is the point)
        process.kill()
        process.communicate()
        assert not Path("r.jsonl").exists()
    last = start_create(source)
    out, err = last.communicate()
    assert (last.returncode, err) == (0, "")
    assert out.endswith(" 0 rejected, 0 unknown\n")
    assert Counter(each["title"] for each in tenant.rows()) == Counter(r["title"] for r in rows)
    assert [each["key"] for each in results()] == [each["ref"] for each in rows]
    assert {each["caseId"] for each in results()} == set(tenant.ids())
