"""``change ID NAME=VALUE …``: single fields, by either name, with the types of the record."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from helpers.shell import Call
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import CaseUpdate, ConfigError
from aicc_async.cli.changes import parse_changes
from aicc_async.emulator import Emulator

# Fields of a change that stay as they are in the case.
KEPT = {"id", "title", "description"}


@pytest.fixture
def case_id(tenant: Emulator) -> str:
    """Insert a case that nobody else changes."""
    return tenant.insert(title="Kim's parcel", priority="Low")


def test_single_fields_are_changed(tenant: Emulator, call: Call, case_id: str) -> None:
    """By the wire's names and by Python's, template fields too; all others stay."""
    before = json.loads(call("get", case_id).out)["caseInfo"]
    changes = ("creatorId=someone", "priority=High", "due_date=2025-03-01T18:00:00")
    ended = call("change", case_id, *changes, "AICC__region__CST=a=b")
    assert (ended.code, ended.rows, ended.err) == (0, [{"id": case_id}], "")
    sent = json.loads(tenant.requests[-1].body)["caseInfo"]
    assert sent == {
        "id": case_id,
        "title": before["title"],
        "description": before["description"],
        "creatorId": "someone",
        "priority": "High",
        "dueDate": "2025-03-01 18:00:00",
        "AICC__region__CST": "a=b",
    }
    after = json.loads(call("get", case_id).out)["caseInfo"]
    changed = {name for name in before if after[name] != before[name]}
    # What the service shows of the priority has a field of its own.
    assert changed - {"AICC__Priority__CST.name"} == (sent.keys() & before.keys()) - KEPT


def test_a_case_that_somebody_changed_is_refused(
    tenant: Emulator, call: Call, case_id: str, tmp_path: Path
) -> None:
    """With what get has printed: once it is taken, then the case is another one."""
    (tmp_path / "seen.json").write_text(call("get", case_id).out)
    change = ("change", case_id, "creator_id=someone", "priority=High")
    assert call(*change, "--if-unchanged", "seen.json").code == 0
    requests = len(tenant.requests)
    ended = call(*change, "--if-unchanged", "seen.json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"CaseChanged: case {case_id}: changed since it was read: ")
    assert "priority" in ended.err
    assert "modify" not in [each.operation for each in tenant.requests[requests:]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("priority=High",), "creatorId must be set: who makes the change"),
        (("creatorId=x",), "changes must name at least one field"),
        (("creatorId=x", "priority"), "a change must be NAME=VALUE, NAME one of attachment, "),
        (("creatorId=x", "colour=red"), "title, got 'colour'"),
        (("creatorId=x", "id=y"), "title, got 'id'"),
        (("creatorId=x", "dueDate=soon"), "due_date must be a time such as 2025-01-31T18:00:00"),
        (
            ("creatorId=x", "dueDate=2025-01-01", "due_date=2025-01-02"),
            "a change due_date must have one value, got two",
        ),
        (("creatorId=x", "title=" + "t" * 129), "title must be at most 128 bytes in UTF-8"),
    ],
)
def test_a_wrong_change_is_refused_before_anything_is_asked(
    tenant: Emulator, call: Call, changes: tuple[str, ...], message: str
) -> None:
    """One line says what is wrong with it, and what would be right."""
    ended = call("change", "c6m8000001tSDqQAcMPR", *changes)
    assert (ended.code, ended.out, tenant.requests) == (2, "", [])
    assert ended.err.startswith(("ConfigError: ", "InvalidInput: "))
    assert message in ended.err


@given(st.lists(st.text()))
def test_any_texts_are_a_change_or_refused(texts: list[str]) -> None:
    """No other error comes out of what a user may type; what is taken has the record's types."""
    try:
        found: dict[str, Any] = parse_changes(texts)
    except ConfigError:
        return
    assert sum(len(value) if name == "extra" else 1 for name, value in found.items()) == len(texts)


@given(st.datetimes())
def test_a_time_is_read_as_python_writes_it(moment: datetime) -> None:
    """Under both names of its field."""
    for name in ("dueDate", "due_date"):
        assert parse_changes([f"{name}={moment.isoformat()}"]) == {"due_date": moment}


def test_every_field_of_the_record_can_be_changed() -> None:
    """All but the id, which is an argument."""
    for name in [each.name for each in CaseUpdate.__attrs_attrs__]:
        if name not in {"id", "extra", "due_date"}:
            assert parse_changes([f"{name}=x"]) == {name: "x"}
