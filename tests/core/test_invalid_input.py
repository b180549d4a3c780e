"""Bad input: all faults are told at once, by field, and odd values are warned of."""

from __future__ import annotations

import warnings
from datetime import date
from typing import Any

import attrs
import pytest

from aicc_async import CaseQuery, FieldFault, InvalidInput, NewCase, RateLimit
from aicc_async.models import (
    CaseEnqueue,
    CaseProcess,
    CaseTransfer,
    CaseUpdate,
    ProcessInfo,
    QueueCancel,
    StatisticsQuery,
)

SECRET = "Ada-0170"
NEW: dict[str, Any] = {"title": "t", "description": "d", "type": "y"}
NEW |= {"contact_id": "c", "creator_id": "u"}


def _faults(error: InvalidInput) -> list[tuple[str, str, str]]:
    return [attrs.astuple(fault) for fault in error.errors]


def test_a_record_tells_all_its_faults() -> None:
    """The second fault needs no second try, and neither shows what was given."""
    with pytest.raises(InvalidInput) as caught:
        NewCase(**NEW | {"title": SECRET * 20, "contact_phone": 170, "is_auto_assigned": SECRET})

    assert _faults(caught.value) == [
        ("title", "must be at most 128 bytes in UTF-8", "160"),
        ("is_auto_assigned", "must be a bool", "str"),
        ("contact_phone", "must be a string", "int"),
    ]
    assert str(caught.value) == (
        "title must be at most 128 bytes in UTF-8, got 160; is_auto_assigned must be a bool,"
        " got str; contact_phone must be a string, got int"
    )
    assert not caught.value.retryable


def test_a_fault_can_not_be_changed() -> None:
    """Errors are values: a handler may keep them."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FieldFault("a", "must be set").field = "b"  # type: ignore[misc]  # the test


def test_an_argument_is_a_field_too() -> None:
    """A setting's error names field, bound and what was given."""
    with pytest.raises(InvalidInput) as caught:
        RateLimit(0)

    assert _faults(caught.value) == [("limit", "must be an integer >= 1", "0")]


def test_a_range_of_days_tells_both_faults() -> None:
    """A day is not compared with what is none."""
    with pytest.raises(InvalidInput) as caught:
        StatisticsQuery(start_time="x", end_time=date(2025, 1, 1), case_type_id=1)  # type: ignore[arg-type]

    assert [fault.field for fault in caught.value.errors] == ["case_type_id", "start_time"]


def test_a_dict_becomes_a_record() -> None:
    """Names are the fields'; a template's go into ``extra`` beside what is there."""
    fields = NEW | {"AICC__a__CST": 1, "extra": {"b": 2}, "owner_id": None}

    assert NewCase.from_dict(fields) == NewCase(**NEW, extra={"b": 2, "AICC__a__CST": 1})
    assert CaseQuery.from_dict({}) == CaseQuery()
    process = ProcessInfo.from_dict({"type": "SMS"})
    assert CaseProcess.from_dict({"case_id": "i", "process": process}).process == process


def test_a_dict_tells_all_its_faults() -> None:
    """Strange names, missing fields and values out of bounds come together."""
    fields: dict[Any, Any] = {"titel": "t", "description": "", "contactId": "c", "type": None}
    with pytest.raises(InvalidInput) as caught:
        NewCase.from_dict(fields | {"colour": 1, "creator_id": "u" * 21, 5: "x"})

    assert str(caught.value).split("; ") == [
        "unknown field 'titel'. Did you mean 'title'?",
        "unknown field 'contactId'. Did you mean 'contact_id'?",
        "unknown field 'colour'",
        "unknown field 5",
        "title must be set, got nothing",
        "type must be set, got None",
        "contact_id must be set, got nothing",
        "description must not be empty",
        "creator_id must be at most 20 bytes in UTF-8, got 21",
    ]
    assert caught.value.errors[0].field == "titel"


@pytest.mark.parametrize("values", [None, [], "title", 5])
def test_what_is_not_a_dict(values: Any) -> None:
    """It is refused by name."""
    with pytest.raises(InvalidInput, match="values must be a Mapping, got"):
        CaseUpdate.from_dict(values)


def test_an_extra_beside_a_template_s_field_is_checked() -> None:
    """What is not a mapping is refused as ``extra``."""
    with pytest.raises(InvalidInput, match=r"^extra must be a Mapping, got int$"):
        NewCase.from_dict(NEW | {"extra": 5, "a__b": 1})


def test_a_whole_number_is_missed_by_name() -> None:
    """Records of Q-Flow are made in the same way."""
    with pytest.raises(InvalidInput, match=r"^service_id must be set, got nothing$"):
        CaseEnqueue.from_dict({})
    with pytest.raises(InvalidInput, match=r"^case_id or process_id must be set$"):
        QueueCancel.from_dict({})


@pytest.mark.parametrize(
    ("cls", "fields", "odd", "words"),
    [
        (CaseQuery, {}, {"priority": "Hgh"}, "Critical, High, Medium, Low"),
        (CaseQuery, {}, {"resume_type": "new"}, "newCases, finishedCases"),
        (ProcessInfo, {}, {"type": "Internal"}, "Iternal, Email, SMS"),
        (QueueCancel, {"case_id": 1}, {"status": 5}, "-1, 3, 4, 8, 15, 17"),
        (
            CaseTransfer,
            {"id": "i", "owner_id": "o", "creator_id": "u", "remark": "r"},
            {"owner_type": "User"},
            "user, queue",
        ),
    ],
)
def test_a_value_outside_its_list_warns_once(
    cls: Any, fields: dict[str, Any], odd: dict[str, Any], words: str
) -> None:
    """It is kept, the documented ones are named, and the warning points at the caller."""
    ((name, value),) = odd.items()
    with pytest.warns(RuntimeWarning, match=f"{name} {value!r} is not among .*: {words}") as caught:
        record = cls(**fields, **odd)

    assert getattr(record, name) == value
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as again:
        warnings.simplefilter("always")
        assert cls(**fields, **odd) == record
    assert again == []


def test_a_text_in_the_wrong_field_is_not_shown() -> None:
    """What is longer than such a word may be contact data."""
    with pytest.warns(RuntimeWarning, match="origin of 80 characters is not among") as caught:
        CaseQuery(origin=SECRET * 10)
    assert SECRET not in str(caught[0].message)


def test_what_is_documented_does_not_warn() -> None:
    """Each list, its other spelling, and nothing at all are no surprise."""
    for origin in ("Voice", "Whatsapp", "Whatapp", "", None):
        assert CaseQuery(origin=origin).origin == origin
