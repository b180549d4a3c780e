"""Records: what is accepted, what a refusal says, and what a repr never shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import models
from aicc_async.credentials import QFlowLogin
from aicc_async.errors import ConfigError
from aicc_async.models import (
    CaseCancel,
    CaseEnqueue,
    CaseProcess,
    CaseQuery,
    CaseTransfer,
    CaseTypeQuery,
    CaseUpdate,
    NewCase,
    NewTask,
    ProcessInfo,
    QueueCancel,
    StatisticsQuery,
    StatusUpdate,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)

SECRET = "hush-0123"
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
NEEDED: dict[type, dict[str, Any]] = {
    NewCase: {"title": "t", "description": "d", "type": "t", "contact_id": "c", "creator_id": "u"},
    CaseUpdate: {"id": "i", "title": "t", "description": "d", "creator_id": "u"},
    CaseQuery: {},
    CaseEnqueue: {"service_id": 2},
    CaseTransfer: {"id": "i", "owner_id": "o", "owner_type": "user", "creator_id": "u"}
    | {"remark": "r"},
    CaseProcess: {"case_id": "i", "process": ProcessInfo(type="Email")},
    ProcessInfo: {"type": "Email"},
    CaseCancel: {"id": "i"},
    StatusUpdate: {"id": "i", "status": "s"},
    CaseTypeQuery: {},
    StatisticsQuery: {},
    NewTask: {"title": "t"},
    TaskUpdate: {"id": "i"},
    TaskQuery: {},
    TaskTransfer: {"id": "i", "owner_id": "o"},
    QueueCancel: {"case_id": 1},
}
LOGIN = {"user_name": "n", "password": "p"}
TASK = {
    "title": 128,
    "description": 20_000,
    "relate_id": 20,
    "contact_id": 20,
    "attachment": 255,
    "creator_id": 20,
}
BYTES = {  # the documents' "Length (Bytes)"
    NewCase: {
        "title": 128,
        "description": 20_000,
        "type": 20,
        "owner_id": 20,
        "contact_id": 20,
        "creator_id": 20,
        "contact_phone": 20,
        "be_id": 20,
    },
    CaseUpdate: {
        "id": 20,
        "title": 128,
        "description": 20_000,
        "contact_id": 20,
        "creator_id": 20,
        "contact_phone": 20,
    },
    CaseQuery: {
        "title": 128,
        "owner_id": 20,
        "type": 20,
        "contact_id": 20,
        "contact_phone": 20,
        "creator_id": 20,
    },
    CaseTransfer: {"id": 20, "creator_id": 20, "remark": 2000},
    CaseProcess: {"case_id": 20, "creator_id": 20},
    ProcessInfo: {
        "title": 128,
        "description": 20_000,
        "from_": 20,
        "from_name": 80,
        "to_address": 2000,
        "creator_id": 20,
    },
    CaseCancel: {"id": 20, "creator_id": 20, "remark": 2000},
    StatusUpdate: {"creator_id": 20},
    StatisticsQuery: {"case_type_id": 20},
    NewTask: TASK,
    TaskUpdate: TASK,
    TaskTransfer: {"creator_id": 20},
}
UNITS = [
    (CaseEnqueue, "ext_ref", 200),
    (CaseEnqueue, "notes", 4000),
    (CaseEnqueue, "subject", 100),
    (QueueCancel, "notes", 4000),
    (QFlowLogin, "user_name", 254),
    (QFlowLogin, "password", 250),
]
BOUNDS = [(cls, name, bound) for cls, fields in BYTES.items() for name, bound in fields.items()]
CHARACTERS = {1: "a", 2: "é", 3: "工", 4: "😀"}  # by their bytes in UTF-8
RECORDS = [kind for kind in vars(models).values() if isinstance(kind, type) and attrs.has(kind)]
RECORDS.append(QFlowLogin)
SENT = list(NEEDED)
SHOWN = {  # ids, codes, times and flags; all else is contact data, free text, or unknown
    *("id", "case_id", "case_no", "external_no", "parent_id", "related_id", "relate_id", "be_id"),
    *("contact_id", "creator_id", "owner_id", "owner_type", "queue_id", "user_id", "customer_id"),
    *("organization_id", "subject_id", "service_id", "service_id_ext_ref", "procedure_ext_ref"),
    *("procedure_option_ext_ref", "type", "type_name", "priority", "origin", "state", "status"),
    *("reason", "classification", "classification_code", "resume_type", "level", "channel"),
    *("industry", "scale", "local", "count", "suspend_accumulated_time", "start_time", "end_time"),
    *("due_date", "created_date", "closed_date", "stay_date", "suspend_date"),
    *("last_modified_date", "auto_close", "default_billing_address", "default_shipping_address"),
    *("case_type", "case_type_id", "case_type_name", "case_status", "template_id"),
    *("template_name", "content_template_id", "process_id", "process_guid", "ticket", "date"),
    *("new_cases", "finished_cases", "unfinished_cases", "overdue_cases", "average_duration"),
    *("case_date_created",),
    *("case", "cases", "trace", "customer", "tasks"),  # records with reprs of their own
    *("case_types", "rows", "process"),
}
texts = st.one_of(st.text(max_size=200), st.text("工é😀a", max_size=200))


def _make(cls: type, **fields: Any) -> Any:
    return cls(**(LOGIN if cls is QFlowLogin else NEEDED[cls]) | fields)


def _utf8(text: str) -> int:
    return sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)


@pytest.mark.parametrize("width", CHARACTERS)
@pytest.mark.parametrize(("cls", "name", "bound"), BOUNDS)
def test_a_text_may_be_as_long_as_documented(cls: type, name: str, bound: int, width: int) -> None:
    """A text of exactly the bound in UTF-8 bytes is accepted as it is, in any script."""
    text = CHARACTERS[width] * (bound // width) + "a" * (bound % width)

    assert getattr(_make(cls, **{name: text}), name) == text


@pytest.mark.parametrize("width", CHARACTERS)
@pytest.mark.parametrize(("cls", "name", "bound"), BOUNDS)
def test_one_byte_more_is_refused(cls: type, name: str, bound: int, width: int) -> None:
    """The refusal says field, bound and size, and nothing of the text."""
    text = CHARACTERS[width] * (bound // width) + "a" * (bound % width + 1)

    with pytest.raises(ConfigError) as caught:
        _make(cls, **{name: text})

    assert str(caught.value) == f"{name} must be at most {bound} bytes in UTF-8, got {bound + 1}"


@given(texts)
def test_a_title_is_measured_in_bytes(text: str) -> None:
    """Any text but none is accepted if, and only if, its UTF-8 bytes fit."""
    if not text:
        with pytest.raises(ConfigError, match=r"^title must not be empty$"):
            _make(NewCase, title=text)
    elif _utf8(text) <= 128:
        assert _make(NewCase, title=text).title == text
    else:
        with pytest.raises(
            ConfigError, match=f"^title must be at most 128 bytes in UTF-8, got {_utf8(text)}$"
        ):
            _make(NewCase, title=text)


@pytest.mark.parametrize(("character", "units"), [("a", 1), ("工", 1), ("😀", 2)])
@pytest.mark.parametrize(("cls", "name", "bound"), UNITS)
def test_q_flow_counts_utf16_units(
    cls: type, name: str, bound: int, character: str, units: int
) -> None:
    """An emoji counts twice there, a Chinese character once; the bound itself is allowed."""
    text = character * (bound // units)

    assert getattr(_make(cls, **{name: text}), name) == text
    with pytest.raises(ConfigError) as caught:
        _make(cls, **{name: text + "a"})
    wanted = f"{name} must be at most {bound} UTF-16 units, got {bound + 1}"
    assert str(caught.value) == wanted


@given(texts)
def test_a_subject_is_measured_in_units(text: str) -> None:
    """Any text is accepted if, and only if, its UTF-16 units fit."""
    if len(text) + sum(ord(c) > 0xFFFF for c in text) <= 100:
        assert _make(CaseEnqueue, subject=text).subject == text
    else:
        with pytest.raises(
            ConfigError, match=r"^subject must be at most 100 UTF-16 units, got \d+$"
        ):
            _make(CaseEnqueue, subject=text)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *((NewCase, name) for name in ("title", "description", "type", "contact_id", "creator_id")),
        *((CaseUpdate, name) for name in ("id", "title", "description", "creator_id")),
        (CaseTransfer, "remark"),
        *((CaseTransfer, name) for name in ("id", "owner_id", "owner_type", "creator_id")),
        (CaseProcess, "case_id"),
        (ProcessInfo, "type"),
        (CaseCancel, "id"),
        (StatusUpdate, "id"),
        (StatusUpdate, "status"),
        (NewTask, "title"),
        (TaskUpdate, "id"),
        (TaskTransfer, "id"),
        (TaskTransfer, "owner_id"),
        (QFlowLogin, "user_name"),
        (QFlowLogin, "password"),
    ],
)
def test_mandatory_texts_must_not_be_empty(cls: type, name: str) -> None:
    """An empty id or text is refused before it is sent."""
    with pytest.raises(ConfigError) as caught:
        _make(cls, **{name: ""})

    assert str(caught.value) == f"{name} must not be empty"


SOME = "a string or at most 5 of them"


@pytest.mark.parametrize(
    ("cls", "name", "value", "wanted"),
    [
        (NewCase, "title", 5, "be a string, got int"),
        (NewCase, "title", None, "be a string, got NoneType"),
        (NewCase, "priority", b"High", "be a string, got bytes"),
        (NewCase, "due_date", "2025-01-01 00:00:00", "be a datetime, got str"),
        (NewCase, "due_date", date(2025, 1, 1), "be a datetime, got date"),
        (NewCase, "is_auto_assigned", 1, "be a bool, got int"),
        (NewCase, "is_auto_assigned", None, "be a bool, got NoneType"),
        (NewCase, "attachment", 5, f"be {SOME}, got int"),
        (NewCase, "attachment", b"", f"be {SOME}, got bytes"),
        (NewCase, "attachment", ["a", None], f"be {SOME}, got NoneType"),
        (NewCase, "attachment", list("abcdef"), "be at most 5 attachments, got 6"),
        (NewCase, "extra", [], "be a Mapping, got list"),
        (CaseUpdate, "id", 5, "be a string, got int"),
        (CaseQuery, "is_reopen", "true", "be a bool, got str"),
        (CaseQuery, "local", 5, "be a str or bool, got int"),
        (CaseEnqueue, "service_id", True, "be an int, got bool"),
        (CaseEnqueue, "service_id", "2", "be an int, got str"),
        (CaseEnqueue, "customer_id", 2.0, "be an int, got float"),
        (CaseEnqueue, "custom_properties", [], "be a Mapping, got list"),
        (CaseEnqueue, "custom_properties", {"a": 1}, "map strings to strings, got int"),
        (CaseEnqueue, "custom_properties", {1: "a"}, "map strings to strings, got int"),
        (CaseTransfer, "remark", None, "be a string, got NoneType"),
        (CaseProcess, "process", {"type": "Email"}, "be a ProcessInfo, got dict"),
        (StatusUpdate, "status", 5, "be a string, got int"),
        (StatisticsQuery, "start_time", "2025-01-01", "be a date, got str"),
        (StatisticsQuery, "end_time", NOON, "be a date, got datetime"),
        (NewTask, "due_date", date(2025, 1, 1), "be a datetime, got date"),
        (NewTask, "attachment", ["a"], "be a string, got list"),
        (QueueCancel, "case_id", "1", "be an int, got str"),
        (QueueCancel, "status", "Complete", "be an int, got str"),
        (QueueCancel, "status", True, "be an int, got bool"),
        (QueueCancel, "custom_properties", {"a": 1}, "map strings to strings, got int"),
        (QFlowLogin, "password", None, "be a string, got NoneType"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    cls: type, name: str, value: object, wanted: str
) -> None:
    """The refusal says the field, the kind that is needed and the kind that was given."""
    with pytest.raises(ConfigError) as caught:
        _make(cls, **{name: value})

    assert str(caught.value) == f"{name} must {wanted}"


@pytest.mark.parametrize(
    "fields",
    [
        {"attachment": None},
        {"attachment": "a,b,c,d,e,f"},
        {"attachment": list("abcde")},
        {"attachment": ("a",)},
        {"attachment": []},
        {"due_date": datetime(2025, 1, 1, tzinfo=UTC)},
        {"extra": {"AICC__region__CST": ["a", {"b": None}]}},
        {"extra": MappingProxyType({"a": 1})},
    ],
)
def test_what_is_documented_is_accepted(fields: dict[str, Any]) -> None:
    """Values are kept as they were given."""
    record = _make(NewCase, **fields)

    assert {name: getattr(record, name) for name in fields} == fields


NOT_JSON = "extra must hold values of JSON, not NaN or dates"


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ({1: "a"}, "extra must have string keys"),
        ({"a": float("nan")}, f"{NOT_JSON} (ValueError)"),
        ({"a": float("inf")}, f"{NOT_JSON} (ValueError)"),
        ({"a": datetime(2025, 1, 1, tzinfo=UTC)}, f"{NOT_JSON} (TypeError)"),
        ({"a": {SECRET}}, f"{NOT_JSON} (TypeError)"),
        ({"a": SECRET.encode()}, f"{NOT_JSON} (TypeError)"),
        ({"a": SECRET + "\ud83d"}, f"{NOT_JSON} (UnicodeEncodeError)"),
    ],
    ids=ascii,
)
def test_extra_must_be_json(extra: Mapping[Any, Any], wanted: str) -> None:
    """What would not arrive as it was given is refused when the record is made."""
    with pytest.raises(ConfigError) as caught:
        _make(NewCase, extra=extra)

    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("cls", "name"), [(NewCase, "title"), (NewCase, "priority"), (CaseEnqueue, "notes")]
)
def test_half_a_character_is_refused(cls: type, name: str) -> None:
    """A lone surrogate can't be sent, and the refusal does not quote the text around it."""
    with pytest.raises(ConfigError) as caught:
        _make(cls, **{name: SECRET + "\ud83d"})

    assert str(caught.value) == f"{name} must be valid Unicode, got half a surrogate pair"


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({}, True),
        ({"owner_id": ""}, True),
        ({"owner_id": "o"}, False),
        ({"owner_id": "o", "is_auto_assigned": True}, True),
        ({"is_auto_assigned": False}, False),
    ],
)
def test_a_case_without_an_owner_is_assigned_automatically(
    fields: dict[str, Any], flag: bool
) -> None:
    """The mandatory flag follows from the owner unless it is given."""
    assert _make(NewCase, **fields).is_auto_assigned is flag


def test_a_cancel_of_a_queue_needs_one_of_two_ids() -> None:
    """Either id will do, and the refusal names both."""
    assert QueueCancel(process_id=0).case_id is None
    with pytest.raises(ConfigError) as caught:
        QueueCancel(notes=SECRET)

    assert str(caught.value) == "case_id or process_id must be set"


@given(st.dates(), st.dates())
def test_the_last_day_is_not_before_the_first(first: date, last: date) -> None:
    """A range of days is accepted if, and only if, it goes forward; either end may be open."""
    assert StatisticsQuery(end_time=first).start_time is None
    if last < first:
        with pytest.raises(
            ConfigError, match=f"^end_time must not be before start_time {first}, got {last}$"
        ):
            StatisticsQuery(start_time=first, end_time=last)
    else:
        assert StatisticsQuery(start_time=first, end_time=last).end_time == last


@pytest.mark.filterwarnings("ignore:.* is not among the documented values:RuntimeWarning")
@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (CaseTransfer, {"owner_type": "robot"}),
        (ProcessInfo, {"type": "Pigeon"}),
        (CaseTypeQuery, {"status": "Asleep"}),
        (QueueCancel, {"status": 99}),
    ],
)
def test_a_value_outside_its_list_is_kept(cls: type, fields: dict[str, Any]) -> None:
    """Lists of values may be longer on a tenant than in the documents."""
    record = _make(cls, **fields)

    assert {name: getattr(record, name) for name in fields} == fields


@pytest.mark.parametrize("cls", SENT)
def test_what_is_sent_is_frozen(cls: type) -> None:
    """A checked record can't be changed behind the check."""
    record = _make(cls)

    with pytest.raises(FrozenInstanceError):
        record.extra = {}


@pytest.mark.parametrize("cls", RECORDS)
def test_records_have_slots(cls: type) -> None:
    """A misspelt attribute is an error, and a row takes little memory."""
    assert "__slots__" in vars(cls)


@pytest.mark.filterwarnings("ignore:.* is not among the documented values:RuntimeWarning")
@pytest.mark.parametrize("cls", SENT)
@given(data=st.data())
def test_a_refusal_never_quotes_a_text(cls: type, data: st.DataObject) -> None:
    """Whatever is wrong with a record, its texts do not stand in the error."""
    names = [field.name for field in attrs.fields(cls)]
    wrong = st.sampled_from([SECRET * 2000, [SECRET] * 6, SECRET.encode(), {SECRET: {SECRET}}])
    fields = data.draw(st.dictionaries(st.sampled_from(names), wrong, min_size=1))

    try:
        _make(cls, **fields)
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
    assert SECRET not in message


def _filled(cls: type) -> Any:
    """Make a record with the secret in every field, without asking its validators."""
    record: Any = object.__new__(cls)
    for field in attrs.fields(cls):
        object.__setattr__(record, field.name, f"{SECRET}-{field.name}.")
    return record


@pytest.mark.parametrize("cls", RECORDS)
def test_a_repr_shows_no_contact_data(cls: type) -> None:
    """Only what is known to be harmless is in a repr."""
    record = _filled(cls)

    shown = {
        field.name for field in attrs.fields(cls) if getattr(record, field.name) in repr(record)
    }
    assert {name for name in shown if not name.startswith("is_")} <= SHOWN
    assert bool(shown) is (cls is not QFlowLogin)


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.CasePage([_filled(models.Case)], 1),
        lambda: models.CaseDetail(
            case=models.CaseInfo(id="i", title=SECRET, creator_name=SECRET),
            trace=[models.CaseTrace(description=SECRET, to_address=SECRET, extra={"a": SECRET})],
            customer=models.Customer(name=SECRET, address=models.Address(street=SECRET)),
            tasks=[models.Task(title=SECRET, attachment=SECRET)],
            extra={"a": SECRET},
        ),
    ],
    ids=["page", "detail"],
)
def test_the_repr_of_a_whole_shows_nothing_of_its_parts(make: Callable[[], object]) -> None:
    """A record within a record keeps its own discretion."""
    text = repr(make())

    assert f"{SECRET}-title." not in text
    assert f"{SECRET}-contact_phone." not in text
    assert f"'{SECRET}'" not in text


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (models.Priority, "Critical High Medium Low"),
        (models.Origin, "Voice Whatsapp webchat Email"),
        (models.State, "Processing Pending Completed"),
        (models.Classification, "Todo Follow Created Processed"),
        (models.ResumeType, "newCases finishedCases unfinishedCases overCases"),
        (models.OwnerType, "user queue"),
        (models.CaseTypeStatus, "Active Inactive"),
        (models.ProcessType, "Iternal Email SMS"),
    ],
)
def test_enums_hold_the_documented_values(kind: type[Any], values: str) -> None:
    """The members are texts, and spelt as the wire spells them."""
    assert [str(member) for member in kind] == values.split()
    assert all(isinstance(member, str) for member in kind)


def test_queue_statuses_are_the_documented_numbers() -> None:
    """Q-Flow takes the number, and minus one changes nothing."""
    assert sorted(models.QueueStatus) == [-1, 3, 4, 8, 15, 17]


def test_every_record_that_is_sent_is_tested() -> None:
    """A frozen record without a place among these tests is noticed."""
    frozen = {kind for kind in RECORDS if kind.__setattr__ is not object.__setattr__}

    assert frozen - {QFlowLogin} == {*SENT}
