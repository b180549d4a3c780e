"""Both names of every field: the table of the documentation, and what commands take."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from helpers.shell import Call
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import Case, CaseInfo, CaseQuery, CaseUpdate, ConfigError, NewCase, models
from aicc_async._protocol.names import wire_names
from aicc_async.cli.spelling import spellings, to_wire_names
from aicc_async.emulator import Emulator
from aicc_async.export.sinks.typed import COLUMNS

RECORDS = [
    each
    for each in vars(models).values()
    if isinstance(each, type) and attrs.has(each) and not each.__name__.endswith("Page")
]
# What the table has a column for.
CASES = {
    "list": Case,
    "get": CaseInfo,
    "create": NewCase,
    "change": CaseUpdate,
    "filter": CaseQuery,
}


def table() -> str:
    """Return the table of the documentation, made from the records."""
    names = {name: wire for cls in CASES.values() for name, wire in wire_names(cls).items()}
    rows = [("Python", "wire", *CASES)]
    for name, wire in sorted(names.items()):
        marks = ("x" if name in wire_names(cls) else "" for cls in CASES.values())
        rows.append((name, wire, *marks))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def camel_case(name: str) -> str:
    """Return a name as most fields have it on the wire."""
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def test_the_documentation_has_the_table(call: Call) -> None:
    """A field that is new is a row, and its names are those of the wire and of the record."""
    assert f"\n\n{table()}\n\n" in call("docs", "models").out


def test_the_documentation_has_all_odd_names(call: Call) -> None:
    """Those of the other records that are not camelCase of the Python name, queues' aside."""
    in_table = {name for cls in CASES.values() for name in wire_names(cls)}
    odd = {
        (name, wire)
        for cls in RECORDS
        for name, wire in wire_names(cls).items()
        if name not in in_table and wire[0].islower() and wire != camel_case(name)
    }
    text = " ".join(call("docs", "models").out.split())
    assert len(odd) > 5
    assert [each for each in sorted(odd) if f"``{each[0]}`` is ``{each[1]}``" not in text] == []


def test_columns_of_tables_are_python_s_names() -> None:
    """As the documentation says."""
    assert (*wire_names(Case), "extra") == COLUMNS


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_no_name_means_two_fields(cls: type) -> None:
    """Whichever name is taken, it is the same field's."""
    names = wire_names(cls)
    for wire, name in {wire: name for name, wire in names.items()}.items():
        assert spellings(cls)[wire] == spellings(cls)[name] == name
        assert names.get(wire, wire) == wire


@given(st.sampled_from(RECORDS), st.data())
def test_any_mix_of_names_is_the_wire_s(cls: type, data: st.DataObject) -> None:
    """Each field by one of its names, and others as they are."""
    chosen = {
        data.draw(st.sampled_from(pair)): number
        for number, pair in enumerate(wire_names(cls).items())
    }
    wanted = {wire: number for number, wire in enumerate(wire_names(cls).values())}
    assert to_wire_names(cls, chosen | {"AICC__x__CST": 1}) == wanted | {"AICC__x__CST": 1}


def test_two_names_of_one_field_are_refused() -> None:
    """One of the values would be lost."""
    with pytest.raises(ConfigError, match="contactId must be set by one name, got two"):
        to_wire_names(NewCase, {"contact_id": "a", "contactId": "a"})


def last_body(tenant: Emulator) -> Any:
    """Return what was sent last."""
    return json.loads(tenant.requests[-1].body)


def test_records_may_have_python_s_names(tenant: Emulator, call: Call) -> None:
    """Those within a record as well; a wrapper is the documents'."""
    new = {"title": "t", "description": "d", "type": "y", "contact_id": "o", "creator_id": "r"}
    assert call("create", stdin={"caseInfo": new | {"is_auto_assigned": False}}).code == 0
    sent = last_body(tenant)["caseInfo"]
    assert (sent["contactId"], sent["creatorId"], sent["isAutoAssigned"]) == ("o", "r", False)
    assert not sent.keys() & {"contact_id", "creator_id", "is_auto_assigned"}
    note = {"type": "Iternal", "to_address": "x"}
    process = {"case_id": tenant.ids()[0], "creator_id": "r", "process": note}
    assert call("process", stdin=process).code == 0
    assert last_body(tenant)["processInfo"] == {"type": "Iternal", "toAddress": "x"}
