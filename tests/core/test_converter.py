"""Records to wire values and back: the documents' samples, names, times, and what is refused."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async import AICCClient
from aicc_async._create.match import digest_record
from aicc_async._listing.zones import wall
from aicc_async._protocol import qflow
from aicc_async._protocol.converter import RecordConverter, dumps, loads
from aicc_async._protocol.names import wire_names
from aicc_async._protocol.rows import PageReader
from aicc_async._validators import kind_of
from aicc_async.emulator import Emulator
from aicc_async.errors import ConfigError, DecodeError
from aicc_async.models import (
    Address,
    Case,
    CaseCancel,
    CaseDetail,
    CaseEnqueue,
    CaseInfo,
    CaseProcess,
    CaseQuery,
    CaseStatistics,
    CaseTrace,
    CaseTransfer,
    CaseType,
    CaseTypeQuery,
    CaseUpdate,
    CurrentStatistics,
    Customer,
    EnqueuedCase,
    NewCase,
    NewTask,
    Organization,
    Origin,
    Priority,
    ProcessInfo,
    QueueCancel,
    QueuedCase,
    QueueStatus,
    StatisticsQuery,
    StatusUpdate,
    Task,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from aicc_async.settings.endpoint import AUTO_ASSIGN

Sample = Callable[[str], Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")
WIRE = RecordConverter(SHANGHAI)
NAMES = ["Africa/Casablanca", "America/Santiago", "Australia/Lord_Howe", "Europe/Berlin", "UTC"]
PATH = "$.result[0].caseList[3]"
NEW: dict[str, Any] = {
    "title": "test",
    "description": "testOpenApi",
    "type": "cvmC0000014Oc9jgT7ZI",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}
UPDATE: dict[str, Any] = {"id": "i", "title": "t", "description": "d", "creator_id": "u"}
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
NO_TIME = "must be a time as YYYY-MM-DD HH:mm:ss, got str"
CASE_NAMES = set(wire_names(Case).values())
RECEIVED = [
    *(Case, CaseInfo, CaseTrace, Customer, Address, Organization, Task, EnqueuedCase),
    *(CaseType, CurrentStatistics, CaseStatistics, QueuedCase),
]
SENT: list[Any] = [
    CaseCancel(id="i"),
    CaseProcess(case_id="i", process=ProcessInfo(type="Email")),
    CaseTransfer(id="i", owner_id="o", owner_type="user", creator_id="u", remark="r"),
    CaseTypeQuery(),
    NewTask(title="t"),
    ProcessInfo(type="Email"),
    QueueCancel(case_id=1),
    StatisticsQuery(),
    StatusUpdate(id="i", status="s"),
    TaskQuery(),
    TaskTransfer(id="i", owner_id="o"),
    TaskUpdate(id="i"),
]


def fast(zone: ZoneInfo, rows: list[Any]) -> list[Case] | None:
    """Read rows as a client does that has seen their extension fields before; None if it can't."""
    reader = PageReader(zone)
    extra = {key: None for row in rows if isinstance(row, dict) for key in row}
    reader.learn([Case(id="", extra={key: None for key in extra if key not in CASE_NAMES})])
    page = {"caseList": rows, "count": len(rows)}
    found = reader.read(dumps({"resCode": "0", "result": [page]}))
    return found and found[0]


def _in(body: dict[str, Any], *path: str | int, value: object) -> dict[str, Any]:
    """Copy a body with one value put in."""
    changed = copy.deepcopy(body)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


# The documents' samples


def test_the_create_request_is_the_printed_one(sample: Sample) -> None:
    """Field for field, plus the table's spelling of the auto-assign flag."""
    new = NewCase(
        **NEW,
        origin=Origin.VOICE,
        due_date=datetime(2023, 7, 30, tzinfo=SHANGHAI),
        is_auto_assigned=True,
        priority=Priority.LOW,
        state="Processing",
        contact_phone=sample("000_create_request")["caseInfo"]["contactPhone"],
    )

    printed = sample("000_create_request")["caseInfo"]
    assert WIRE.dump(new) == printed | {"isAtuoAssigned": True}


def test_the_sample_spelling_alone_is_the_printed_request(sample: Sample) -> None:
    """With one spelling chosen the request equals the sample exactly."""
    wire = RecordConverter(SHANGHAI, auto_assign=AUTO_ASSIGN[:1])
    printed = sample("000_create_request")["caseInfo"]

    assert wire.dump(wire.load(NewCase, printed)) == printed


@pytest.mark.parametrize("spelling", AUTO_ASSIGN)
@pytest.mark.parametrize("flag", [True, False])
def test_either_spelling_can_be_chosen_and_read(*, spelling: str, flag: bool) -> None:
    """A chosen spelling is the only one sent, and either is understood."""
    wire = RecordConverter(SHANGHAI, auto_assign=(spelling,))

    body = wire.dump(NewCase(**NEW, is_auto_assigned=flag))

    assert {name: body[name] for name in AUTO_ASSIGN if name in body} == {spelling: flag}
    back = wire.load(NewCase, body)
    assert (back.is_auto_assigned, dict(back.extra)) == (flag, {})


def test_the_modify_request_is_the_printed_one(sample: Sample) -> None:
    """Field for field."""
    printed = sample("002_modify_request")["caseInfo"]
    update = CaseUpdate(
        id="c6m800000142mS63Voa8",
        title="testOpenApi11",
        description="test111",
        due_date=datetime(2023, 6, 20, tzinfo=SHANGHAI),
        owner_id="10gg0000012IpiXMqxzk",
        contact_id="ciIy0000013w9aru7cDQ",
        creator_id="10gg0000013wljxK5XX6",
        contact_phone=printed["contactPhone"],
    )

    assert WIRE.dump(update) == printed
    assert WIRE.load(CaseUpdate, printed) == update


def test_the_enqueue_request_is_the_printed_one(sample: Sample) -> None:
    """Field for field."""
    case = CaseEnqueue(
        case_id=1,
        service_id=2,
        service_id_ext_ref="sample string 3",
        customer_id=4,
        ext_ref="sample string 5",
        notes="sample string 6",
        subject="sample string 7",
        classification_code="sample string 8",
        auto_close=True,
        custom_properties={
            "sample string 1": "sample string 2",
            "sample string 3": "sample string 4",
        },
        procedure_ext_ref="sample string 10",
        procedure_option_ext_ref="sample string 11",
    )

    assert WIRE.dump(case) == sample("003_enqueue_request")
    assert WIRE.load(CaseEnqueue, sample("003_enqueue_request")) == case


def test_the_enqueue_response_comes_back_whole(sample: Sample) -> None:
    """Every key of the sample has the same value, and none is left over."""
    printed = sample("003_enqueue_response")

    case = WIRE.load(EnqueuedCase, printed)

    assert WIRE.dump(case) == printed
    assert case.extra == {}


@pytest.mark.parametrize("number", [0, 1])
def test_a_listed_row_comes_back_whole(sample: Sample, number: int) -> None:
    """Every key has the same value; what the table names and the sample lacks is null."""
    printed = sample("001_list_response")["result"][0]["caseList"][number]

    [case] = WIRE.load_cases([printed])

    assert WIRE.dump(case) == printed | {"ownerType": None}
    assert set(case.extra) == {"type.__objectType", "type.name"}


def test_the_detail_comes_back_whole(sample: Sample) -> None:
    """Every key on every level has the same value; what only the tables name is null."""
    printed = sample("004_detail_response")["result"][0]

    back = WIRE.dump(WIRE.load(CaseDetail, printed))

    assert back["caseInfo"] == printed["caseInfo"]
    assert back["caseTrace"] == [step | {"attachment": None} for step in printed["caseTrace"]]
    assert back["customerInfo"]["customerInfo"] == printed["customerInfo"]["customerInfo"] | {
        "cellphone": None
    }
    assert (back["tasks"], back["isFollower"]) == ([], False)
    assert set(back) == set(printed)


def test_the_detail_has_the_samples_values(sample: Sample) -> None:
    """Typos on the wire are spelt right in the record."""
    detail = WIRE.load(CaseDetail, sample("004_detail_response")["result"][0])

    assert detail.case.created_date == datetime(2023, 6, 16, 16, 25, 22, tzinfo=SHANGHAI)
    assert detail.case.extra["AICC__Priority__CST.name"] == "Critical"
    assert detail.trace[0].type == "CreateCase"
    assert detail.customer is not None
    assert isinstance(detail.customer.address, Address)
    assert detail.customer.address.additional_address == "test"
    assert detail.customer.organization is not None
    assert detail.customer.organization.organization_name == "test"
    assert detail.customer.extra == {}


# Names


@pytest.mark.parametrize(
    "cls", [*RECEIVED, NewCase, CaseUpdate, CaseQuery, CaseEnqueue, *map(type, SENT)]
)
def test_wire_names_are_distinct(cls: type) -> None:
    """No two fields of a record share a name on the wire."""
    names = wire_names(cls)

    assert len(set(names.values())) == len(names)
    assert "extra" not in names


@pytest.mark.parametrize(
    ("cls", "field", "name"),
    [
        (Case, "external_no", "extternalNo"),
        (Case, "is_cancelled", "isCanced"),
        (Case, "case_no", "caseNo"),
        (CaseTrace, "from_", "from"),
        (Customer, "custom_field", "customFied"),
        (Customer, "cell_phone1", "cellPhone1"),
        (Address, "additional_address", "addtionalAddress"),
        (Address, "address_line1", "addressLine1"),
        (CaseQuery, "resume_type", "resumenType"),
        (NewCase, "is_auto_assigned", "isAutoAssigned"),
        (CaseEnqueue, "service_id_ext_ref", "ServiceIdExtRef"),
        (QueuedCase, "case_date_created", "CaseDateCreated"),
        (CurrentStatistics, "overdue_cases", "overCases"),
        (CaseProcess, "process", "processInfo"),
        (ProcessInfo, "from_", "from"),
    ],
)
def test_typos_on_the_wire_stay(cls: type, field: str, name: str) -> None:
    """The documented names are the contract, as they are."""
    assert wire_names(cls)[field] == name


# Extra


@pytest.mark.parametrize(
    "record", [NewCase(**NEW), CaseUpdate(**UPDATE), CaseQuery(), *SENT], ids=type
)
def test_extra_stands_beside_the_fields(record: Any) -> None:
    """Fields of a template are sent at the same level, untouched, and read back."""
    extra = {"AICC__a__CST": {"b": [1, None]}, "extra": "", "type.name": None}

    body = WIRE.dump(attrs.evolve(record, extra=extra))

    assert body == WIRE.dump(record) | extra
    assert WIRE.load(type(record), body).extra == extra


@pytest.mark.parametrize(
    ("cls", "fields", "name"),
    [
        (NewCase, NEW, "title"),
        (NewCase, NEW, "isAutoAssigned"),
        (NewCase, NEW, "isAtuoAssigned"),
        (NewCase, NEW, "beId"),
        (CaseUpdate, UPDATE, "id"),
        (CaseQuery, {}, "startTime"),
        (CaseQuery, {}, "start"),
        (CaseQuery, {}, "limit"),
        (CaseEnqueue, {"service_id": 1}, "ServiceId"),
        (QueueCancel, {"case_id": 1}, "CaseId"),
        (CaseTypeQuery, {}, "limit"),
        (StatisticsQuery, {}, "start"),
        (TaskQuery, {}, "limit"),
        (CaseCancel, {"id": "i"}, "remark"),
        (ProcessInfo, {"type": "SMS"}, "from"),
    ],
)
def test_extra_must_not_hold_a_named_field(cls: type, fields: dict[str, Any], name: str) -> None:
    """A clash is refused instead of letting one of two values win."""
    with pytest.raises(ConfigError) as caught:
        WIRE.dump(cls(**fields, extra={name: 1}))

    assert str(caught.value) == f"extra must not hold {name!r}, which is a field of {cls.__name__}"


@pytest.mark.parametrize("cls", RECEIVED)
def test_unknown_fields_are_kept(cls: type[Any]) -> None:
    """What a record does not name comes through it, null or not."""
    body = {"id": "i", "CaseId": 1, "a.b": None, "extra": {"c": [1.5]}, "resCode": "x"}

    record = WIRE.load(cls, body)

    assert body.items() <= WIRE.dump(record).items()


def test_unknown_fields_around_the_customer_are_kept(sample: Sample) -> None:
    """On every level of the detail, nulls too."""
    body = sample("004_detail_response")["result"][0]
    body |= {"new": None}
    body["customerInfo"] |= {"vip": None}

    detail = WIRE.load(CaseDetail, body)

    assert detail.extra == {"new": None}
    assert detail.customer is not None
    assert detail.customer.extra == {"vip": None}


@pytest.mark.filterwarnings("ignore:.* is not among the documented values:RuntimeWarning")
@pytest.mark.parametrize("priority", ["", "Blocker", "紧急"])
def test_unknown_values_are_kept(priority: str) -> None:
    """A value outside its list is no error, either way."""
    [case] = WIRE.load_cases([{"id": "i", "priority": priority}])

    assert case.priority == priority
    assert WIRE.dump(NewCase(**NEW, priority=priority))["priority"] == priority


# Shapes


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"customerInfo": None, "caseTrace": None, "tasks": None, "isFollower": None},
        {"customerInfo": {"customerInfo": None}, "caseTrace": [], "tasks": []},
    ],
)
def test_parts_of_a_detail_may_be_missing(shape: dict[str, Any]) -> None:
    """Nothing but the case itself is sure to be there."""
    detail = WIRE.load(CaseDetail, {"caseInfo": {"id": "i"}} | shape)

    assert detail == CaseDetail(case=CaseInfo(id="i"))


def test_a_customer_may_stand_as_the_table_says() -> None:
    """Wrapped once, with texts where the sample has an object and a list."""
    customer = {"id": "c", "address": "somewhere", "bindAccount": "b", "age": "42"}

    detail = WIRE.load(CaseDetail, {"caseInfo": {"id": "i"}, "customerInfo": customer})

    assert detail.customer == Customer(id="c", address="somewhere", bind_account="b", age="42")


@pytest.mark.parametrize(
    ("attachment", "sent"), [("a,b", "a,b"), (["a", "b"], "a,b"), (("a",), "a"), ([], "")]
)
def test_attachments_are_sent_as_one_text(attachment: Any, sent: str) -> None:
    """Several are joined with commas, one is sent as it is."""
    assert WIRE.dump(NewCase(**NEW, attachment=attachment))["attachment"] == sent


def test_what_was_not_given_is_not_sent() -> None:
    """None is left out of a request; an empty text, False and zero are not."""
    assert WIRE.dump(CaseQuery()) == {}
    assert WIRE.dump(CaseQuery(status="", is_reopen=False)) == {"status": "", "isReopen": False}
    assert WIRE.dump(CaseEnqueue(service_id=0)) == {"ServiceId": 0}


RECORDS: list[Any] = [*SENT, NewCase(**NEW), CaseUpdate(**UPDATE), CaseQuery(title="t")]
RECORDS += [CaseEnqueue(service_id=1, ext_ref="r"), CaseDetail(case=CaseInfo(id="i"))]


@pytest.mark.parametrize("record", RECORDS, ids=kind_of)
def test_a_subclass_is_sent_as_its_base(record: Any) -> None:
    """A user's own class, with attrs' decorator or without, leaves out what is not set too."""
    base = type(record)
    fields = {name: getattr(record, name) for name in wire_names(base)}
    for own in (type("Own", (base,), {}), attrs.frozen(type("Own", (base,), {"mine": 1}))):
        assert WIRE.dump(own(**fields)) == WIRE.dump(record)
        assert wire_names(own) == wire_names(base)


@pytest.mark.parametrize("cls", RECEIVED)
def test_a_subclass_is_read_as_its_base(cls: Any) -> None:
    """Q-Flow's capitals and times, and the other spellings, hold for a user's own class too."""
    body = {"contentTempalteId": "t", "CaseDateCreated": "2025-01-02T03:04:05+10:00"}
    body |= {"id": "i", "CaseId": 1}  # type: ignore[dict-item]  # one of them is the record's
    own: Any = type("Own", (cls,), {})

    assert WIRE.dump(WIRE.load(own, body)) == WIRE.dump(WIRE.load(cls, body))


def test_a_subclass_has_defaults_of_its_own() -> None:
    """They are sent, where the base leaves out what is not set."""

    @attrs.frozen(kw_only=True)
    class Mail(NewCase):
        origin: str = "Email"

    class Flagged(CaseQuery):
        """Has no decorator."""

    assert WIRE.dump(Mail(**NEW))["origin"] == "Email"
    with pytest.raises(ConfigError, match="'limit', which is a field of Flagged"):
        WIRE.dump(Flagged(extra={"limit": 1}))


class SafeText(str):
    """A text of a user's own kind, as templates and numpy have them."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return something else, as such a type may."""
        return "<safe>"


class OwnFloat(float):
    """A number as numpy has them."""


class OwnInt(int):
    """A number of a user's own kind."""


def test_a_text_of_any_kind_is_a_text() -> None:
    """As a field, a name, a value, an attachment or in a form: what it holds is sent."""
    plain = NEW | {"attachment": ["a", "b"], "extra": {"x": ["y", {"z": 1.5}], "n": 7}}
    own: dict[str, Any] = {name: SafeText(value) for name, value in NEW.items()}
    own |= {"attachment": [SafeText("a"), SafeText("b")]}
    own["extra"] = {
        SafeText("x"): [SafeText("y"), {SafeText("z"): OwnFloat(1.5)}],
        "n": OwnInt(7),
    }

    body, wanted = WIRE.dump(NewCase(**own)), WIRE.dump(NewCase(**plain))
    assert dumps(body) == dumps(wanted)
    assert digest_record("t", body) == digest_record("t", wanted)
    assert dumps({SafeText("id"): SafeText("i")}) == b'{"id":"i"}'
    case = CaseEnqueue(service_id=1, custom_properties={SafeText("k"): SafeText("v")})
    assert WIRE.dump(case)["CustomProperties"] == {"k": "v"}
    form = qflow.enqueue(CaseEnqueue(service_id=1, notes=SafeText("n")), WIRE, form=True)
    assert form.body == b"ServiceId=1&Notes=n"


async def test_a_text_of_any_kind_is_an_id(tenant: Emulator, aicc: AICCClient) -> None:
    """Over a socket: an id in a path and in a body, and a filter."""
    case_id = await aicc.create_case(NewCase(**NEW))

    assert (await aicc.get_case(SafeText(case_id))).case.id == case_id
    query = CaseQuery(creator_id=SafeText(NEW["creator_id"]))
    assert [case.id async for case in aicc.iter_cases(query)] == [case_id]
    assert [request.operation for request in tenant.requests].count("get") == 1


def test_several_attachments_can_be_read() -> None:
    """A request written as JSON may list them."""
    new = WIRE.load(NewCase, WIRE.dump(NewCase(**NEW)) | {"attachment": ["a", "b"]})

    assert new.attachment == ["a", "b"]


def test_a_bound_broken_in_a_file_is_named() -> None:
    """A request that is read from JSON is checked as any other."""
    with pytest.raises(
        DecodeError, match=r"^title must be at most 128 bytes in UTF-8, got 129 @ \$"
    ):
        WIRE.load(NewCase, WIRE.dump(NewCase(**NEW)) | {"title": "a" * 129})


# Times


@pytest.mark.parametrize("row", [{}, {"createdDate": None}, {"createdDate": ""}])
def test_no_time_is_none(row: dict[str, Any]) -> None:
    """Missing, null and empty all mean that there is none."""
    assert WIRE.load_cases([{"id": "i"} | row])[0].created_date is None
    assert WIRE.load(Case, {"id": "i"} | row).created_date is None


@given(st.datetimes(timezones=st.sampled_from(NAMES).map(ZoneInfo)), st.sampled_from(NAMES))
@example(datetime(2024, 10, 27, 2, 30, fold=0, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
@example(datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
@example(datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
def test_times_come_back(moment: datetime, name: str) -> None:
    """An aware time is written as wall-clock time of the zone and read back as that, aware."""
    zone = ZoneInfo(name)
    try:
        written = WIRE_IN[name].dump(CaseUpdate(**UPDATE, due_date=moment))["dueDate"]
    except ConfigError:
        with pytest.raises(OverflowError):
            moment.astimezone(zone)
        return
    [case] = WIRE_IN[name].load_cases([{"id": "i", "dueDate": written}])

    assert TIME.fullmatch(written)
    assert case.due_date is not None
    assert case.due_date.tzinfo is zone
    assert wall(case.due_date, zone) == wall(moment, zone)
    there = moment.astimezone(zone)
    if there.fold == 0:
        assert case.due_date == there.replace(microsecond=0)


WIRE_IN = {name: RecordConverter(ZoneInfo(name)) for name in NAMES}


@given(st.datetimes())
def test_naive_times_are_wall_clock_times(moment: datetime) -> None:
    """A naive time is sent as it stands, gap or not, without its fraction."""
    written = WIRE_IN["Europe/Berlin"].dump(CaseUpdate(**UPDATE, due_date=moment))["dueDate"]

    assert datetime.strptime(written, "%Y-%m-%d %H:%M:%S") == moment.replace(  # noqa: DTZ007
        microsecond=0
    )


def test_a_time_outside_the_calendar_is_a_config_error() -> None:
    """No OverflowError leaves the package."""
    with pytest.raises(ConfigError):
        WIRE.dump(CaseUpdate(**UPDATE, due_date=datetime.max.replace(tzinfo=UTC)))


@pytest.mark.parametrize("text", ["2023-06-16T16:25:22", "2023-06-16 16:25:22.000"])
def test_isos_own_form_of_a_time_is_read_too(text: str) -> None:
    """A T and a fraction change nothing in what is meant."""
    assert WIRE.load(Case, {"id": "i", "createdDate": text}, path="$").created_date == datetime(
        2023, 6, 16, 16, 25, 22, tzinfo=SHANGHAI
    )


NEAR_MISSES: list[object] = [
    "2023-06-16 16:25:22Z",
    "2023-06-16 16:25:22+08:00",
    "2023-06-16 16:25+08",
    "2023-06-16 16:25-08",
    "2023-06-16 16:25.22",
    "2023-06-16 16:25,22",
    "2023-06-16 16:25",
    "2023-06-16 16",
    "2023-06-16",
    "20230616 162522",
    "2023-06-16 162522.0",
    "2023-W24-5 16:25:22",
    "2023-W24 16:25:22",
    "2023-167 16:25:22",
    "2023-02-29 00:00:00",
    "2023-04-31 00:00:00",
    "2023-13-01 00:00:00",
    "2023-00-01 00:00:00",
    "0000-01-01 00:00:00",
    "2023-06-16 23:59:60",
    "2023-06-16 23:60:00",
    "2023-06-16 25:00:00",
    "\uff12\uff10\uff12\uff13-06-16 16:25:22",
    "2023-06-16 16:25:2٢",
    "2023-06-16 16:25:\x00" + "2",
    "2023-06-16 16:25:+2",
    "2023-06-16 16:25: 2",
    " 2023-06-16 16:25:2",
    "2023-06-16  6:25:22",
    "2023-6-16 16:25:22 ",
    "-023-06-16 16:25:22",
    "2023-06-16\u00a016:25:22",
    "2023/06/16 16:25:22",
    "0",
    " ",
]


@pytest.mark.parametrize("text", NEAR_MISSES, ids=ascii)
def test_what_is_no_such_time_is_refused(text: str) -> None:
    """The refusal names the place, not the text; fast and slow reading agree."""
    row = {"id": "i", "createdDate": text}

    with pytest.raises(DecodeError) as caught:
        WIRE.load(Case, row, path=PATH)
    assert fast(SHANGHAI, [row]) is None

    assert str(caught.value) == f"{NO_TIME} @ {PATH}.createdDate"


@given(st.from_regex(TIME, fullmatch=True) | st.text("0123456789-: T+.Z", max_size=25))
def test_only_one_form_of_time_is_read(text: str) -> None:
    """A text is read if, and only if, it is a date that exists, in the one documented form."""
    try:
        [case] = WIRE.load_cases([{"id": "i", "dueDate": text}])
    except DecodeError:
        assert not _is_time(text)
        return
    if text:
        assert _is_time(text)
        assert str(case.due_date)[:19] == text


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return False
    return TIME.fullmatch(text) is not None


def test_days_are_sent_as_dates() -> None:
    """A day has no time on the wire, and what was not given is not there."""
    query = StatisticsQuery(start_time=date(2025, 1, 2))

    assert WIRE.dump(query) == {"startTime": "2025-01-02"}


@pytest.mark.parametrize("offset", ["+10:00", "-03:30", "Z"])
def test_q_flows_times_have_an_offset(offset: str) -> None:
    """Seven digits after the second are rounded to six, the offset stays, and it is written so."""
    text = f"2025-09-13T08:23:54.1695359{offset}"

    case = WIRE.load(QueuedCase, {"CaseId": 1, "CaseDateCreated": text})

    zone = datetime.fromisoformat(f"2025-01-01T00:00:00{offset}").tzinfo
    moment = datetime(2025, 9, 13, 8, 23, 54, 169536, tzinfo=zone)
    assert case.case_date_created == moment
    assert case.case_date_created.utcoffset() == moment.utcoffset()
    assert WIRE.dump(case)["CaseDateCreated"] == moment.isoformat()


@given(
    st.datetimes(
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    )
)
def test_any_moment_comes_back(moment: datetime) -> None:
    """A time with its offset is read as the moment that it names."""
    body = {"CaseId": 1, "CaseDateCreated": moment.isoformat()}

    assert WIRE.load(QueuedCase, body).case_date_created == moment


@pytest.mark.parametrize("value", ["2025-09-13T08:23:54", "soon", "", 5, []], ids=repr)
def test_a_moment_without_an_offset_is_refused(value: object) -> None:
    """Nobody knows the zone of Q-Flow's server; the refusal names the place, not the text."""
    with pytest.raises(DecodeError) as caught:
        WIRE.load(QueuedCase, {"CaseId": 1, "CaseDateCreated": value})

    wanted = "must be a time with an offset as YYYY-MM-DDTHH:mm:ss+HH:mm"
    assert str(caught.value) == f"{wanted}, got {type(value).__name__} @ $.CaseDateCreated"


@pytest.mark.parametrize("body", [{}, {"CaseDateCreated": None}])
def test_a_queued_case_may_lack_its_time(body: dict[str, Any]) -> None:
    """Missing and null are None, both ways."""
    case = WIRE.load(QueuedCase, {"CaseId": 1} | body)

    assert case.case_date_created is None
    assert WIRE.dump(case)["CaseDateCreated"] is None


@pytest.mark.parametrize("content", ["contentTemplateId", "contentTempalteId"])
@pytest.mark.parametrize("strict", ["isStrictOrder", "isStrctOrder"])
def test_a_case_type_is_read_in_either_spelling(content: str, strict: str) -> None:
    """Table and sample spell two names differently; neither is left over."""
    found = WIRE.load(CaseType, {"id": "i", content: "c", strict: True})

    assert (found.content_template_id, found.is_strict_order, found.extra) == ("c", True, {})


def test_a_process_holds_its_note() -> None:
    """The note stands within, its own extra fields beside its own."""
    info = ProcessInfo(type="SMS", from_="f", from_name="n", extra={"b": 2})
    process = CaseProcess(case_id="i", process=info, extra={"a": 1})

    body = WIRE.dump(process)

    note = {"type": "SMS", "from": "f", "fromName": "n", "b": 2}
    assert body == {"caseId": "i", "processInfo": note, "a": 1}
    assert WIRE.load(CaseProcess, body) == process


def test_a_queue_status_is_a_number() -> None:
    """The name of a status is ours, its number the wire's."""
    body = WIRE.dump(QueueCancel(process_id=7, status=QueueStatus.NO_SHOW))

    assert dumps(body) == b'{"ProcessId":7,"Status":17}'


# Wrong types


@pytest.mark.parametrize(
    ("value", "name", "what"),
    [
        (5, "title", "must be a str, got int"),
        (["a"], "title", "must be a str, got list"),
        ("true", "isCanced", "must be a bool, got str"),
        (0, "isUpgraded", "must be a bool, got int"),
        ("5", "suspendAccumulatedTime", "must be an int or float, got str"),
        (True, "suspendAccumulatedTime", "must be an int or float, got bool"),
        (20230616, "createdDate", "must be a time as YYYY-MM-DD HH:mm:ss, got int"),
        (False, "createdDate", "must be a time as YYYY-MM-DD HH:mm:ss, got bool"),
        ({}, "extternalNo", "must be a str, got dict"),
        (None, "id", "must be a str, got NoneType"),
        (5, "id", "must be a str, got int"),
    ],
)
def test_a_wrong_type_in_a_row_is_named(value: object, name: str, what: str) -> None:
    """The error says what is wrong and where, by the wire's names."""
    rows = [{"id": "a"}, {"id": "b", name: value}]

    with pytest.raises(DecodeError) as caught:
        WIRE.load_cases(rows, path="$.result[0].caseList")
    assert fast(SHANGHAI, rows) is None

    assert str(caught.value) == f"{what} @ $.result[0].caseList[1].{name}"


@pytest.mark.parametrize("row", [None, 5, "text", [], ["id"], True], ids=repr)
def test_a_row_that_is_no_object_is_named(row: object) -> None:
    """Fast and slow reading refuse it, and the slow one says where it stands."""
    assert fast(SHANGHAI, [row]) is None
    with pytest.raises(DecodeError, match=r"^must be an object, got .* @ \$\[0\]$"):
        WIRE.load_cases([row])


def test_every_misfit_of_a_row_is_named() -> None:
    """One error tells all that is wrong."""
    with pytest.raises(DecodeError) as caught:
        WIRE.load(Case, {"title": 5, "dueDate": "soon"}, path=PATH)

    assert set(str(caught.value).split("; ")) == {
        f"must be present @ {PATH}.id",
        f"must be a str, got int @ {PATH}.title",
        f"{NO_TIME} @ {PATH}.dueDate",
    }


CUSTOMER = ("customerInfo", "customerInfo")


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("caseInfo",), None, "must be an object, got NoneType @ $.caseInfo"),
        (("caseInfo", "id"), None, "must be a str, got NoneType @ $.caseInfo.id"),
        (("caseInfo", "dueDate"), "soon", f"{NO_TIME} @ $.caseInfo.dueDate"),
        (("caseTrace",), {}, "must be a list, got dict @ $.caseTrace"),
        (("caseTrace",), "", "must be a list, got str @ $.caseTrace"),
        (("caseTrace", 0), [], "must be an object, got list @ $.caseTrace[0]"),
        (("caseTrace", 0, "from"), 5, "must be a str, got int @ $.caseTrace[0].from"),
        (("tasks",), 5, "must be a list, got int @ $.tasks"),
        (("customerInfo",), [], "must be an object, got list @ $.customerInfo"),
        (CUSTOMER, 5, "must be an object, got int @ $.customerInfo.customerInfo"),
        (
            (*CUSTOMER, "age"),
            [],
            "must be a str or int, got list @ $.customerInfo.customerInfo.age",
        ),
        (
            (*CUSTOMER, "address", "zip"),
            5,
            "must be a str, got int @ $.customerInfo.customerInfo.address.zip",
        ),
        (
            (*CUSTOMER, "address"),
            5,
            "must be an object, got int @ $.customerInfo.customerInfo.address",
        ),
        (
            (*CUSTOMER, "bindAccount"),
            {},
            "must be a list or str, got dict @ $.customerInfo.customerInfo.bindAccount",
        ),
        (("isFollower",), "no", "must be a bool, got str @ $.isFollower"),
    ],
)
def test_a_wrong_type_in_a_detail_is_named(
    sample: Sample, path: tuple[str | int, ...], value: object, what: str
) -> None:
    """However deep it stands, its path is the one in the body."""
    body = sample("004_detail_response")["result"][0]

    with pytest.raises(DecodeError) as caught:
        WIRE.load(CaseDetail, _in(body, *path, value=value))

    assert str(caught.value) == what


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("text", "must be an object, got str @ $"),
        ({}, "must be present @ $.CaseId"),
        ({"CaseId": True}, "must be an int, got bool @ $.CaseId"),
        ({"CaseId": 1.0}, "must be an int, got float @ $.CaseId"),
        (
            {"CaseId": 1, "CustomProperties": []},
            "must be a dict, got list @ $.CustomProperties",
        ),
        (
            {"CaseId": 1, "CustomProperties": {"a": 1}},
            "must be a str, got int @ $.CustomProperties['a']",
        ),
    ],
)
def test_a_wrong_type_from_q_flow_is_named(body: object, what: str) -> None:
    """The same strictness for the other service."""
    with pytest.raises(DecodeError) as caught:
        WIRE.load(EnqueuedCase, body)

    assert str(caught.value) == what


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["2023-06-16 16:25:22", "2023-06-31 16:25:22", "2023-06-16 16:25+08"]),
    st.lists(st.none(), max_size=1),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)
fields = st.sampled_from([*wire_names(Case).values(), "extra", "type.name"])
rows = st.fixed_dictionaries({"id": st.text()}, optional={}).flatmap(
    lambda row: st.dictionaries(fields, values, max_size=3).map(row.__or__)
)


def _outcome(read: Callable[[], list[Case]]) -> list[Case] | None:
    try:
        return read()
    except DecodeError:
        return None


@given(rows)
def test_fast_and_slow_reading_agree(row: dict[str, Any]) -> None:
    """Both make the same record of a row, or both refuse it."""
    assert fast(SHANGHAI, [row]) == _outcome(lambda: WIRE.load_cases([row]))


@given(rows)
def test_a_row_that_is_read_is_written_back(row: dict[str, Any]) -> None:
    """Nothing of a row is lost: every key comes back, an empty time as null."""
    if case := _outcome(lambda: WIRE.load_cases([row])):
        body = WIRE.dump(case[0])
        dates = {name for name in row if name.endswith("Date") and row[name] == ""}

        assert row | dict.fromkeys(dates) == {name: body[name] for name in row}


# JSON


@pytest.mark.parametrize(
    "value", [{"a": {1, 2}, "b": object()}, {"a": "\ud800"}], ids=["kind", "text"]
)
def test_what_json_can_not_hold_is_a_config_error(value: object) -> None:
    """No error of a JSON library leaves the package."""
    with pytest.raises(ConfigError, match=r"^extra must hold values of JSON \(\w+Error\)$"):
        dumps({"x": object(), "y": value} if isinstance(value, str) else value)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": tru}', b"<html>", b"NaN", b'"\xff"', b"[" * 100_000, b"1 2"],
    ids=lambda body: repr(body[:9]),
)
def test_what_is_no_json_is_a_decode_error(body: bytes) -> None:
    """The error tells the size and nothing of the content."""
    with pytest.raises(DecodeError) as caught:
        loads(body)

    assert str(caught.value) == f"must be JSON, got {len(body)} other bytes @ $"


async def test_a_new_case_arrives_as_it_was_sent(tenant: Emulator, aicc: AICCClient) -> None:
    """Over a socket: all fields, both spellings, template fields, Chinese text, and back."""
    due = datetime(2025, 7, 30, 12, tzinfo=UTC)
    new = NewCase(
        **NEW | {"title": "工单😀"}, due_date=due, priority="High", extra={"AICC__a__CST": "甲"}
    )

    detail = await aicc.get_case(await aicc.create_case(new))

    [arrived] = [request for request in tenant.requests if request.operation == "create"]
    sent = loads(arrived.body)["caseInfo"]
    assert sent == WIRE.dump(new)
    assert (sent["isAutoAssigned"], sent["isAtuoAssigned"]) == (True, True)
    assert (detail.case.title, detail.case.due_date) == ("工单😀", due)
    assert detail.case.extra["AICC__a__CST"] == "甲"
