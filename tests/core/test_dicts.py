"""Records as dictionaries and back: nothing is lost, by either kind of names."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

import attrs
import pytest
from helpers.tenants import NEW
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    Case,
    CaseDetail,
    CaseEnqueue,
    CasePage,
    CaseProcess,
    CaseQuery,
    CaseStatistics,
    CaseType,
    CaseUpdate,
    ConfigError,
    Customer,
    EnqueuedCase,
    FieldFault,
    InvalidInput,
    NewCase,
    Priority,
    ProcessInfo,
    QueuedCase,
    StatisticsQuery,
    Task,
    from_dict,
    to_dict,
    to_json,
)
from aicc_async.emulator import Emulator
from aicc_async.models import Address, CaseInfo, CaseTrace, Organization

ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/Santiago", "UTC"]
RECEIVED = [Case, CaseDetail, Task, CaseType, CaseStatistics, EnqueuedCase, QueuedCase, Customer]
PARTS = [Address, Organization, CaseInfo, CaseTrace, Task, Customer]

texts = st.text(max_size=8)
json_values = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2)
extras = st.dictionaries(st.sampled_from(["AICC__a__CST", "odd"]), json_values, max_size=2)


@cache
def values_of(zone: ZoneInfo, *, whole_seconds: bool) -> dict[Any, st.SearchStrategy[Any]]:
    """Return what makes values of a field's type."""
    # A time that the zone's clock skips names another one.
    times = st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001  (in the zone that is drawn)
        datetime(2100, 1, 1),  # noqa: DTZ001  (in the zone that is drawn)
        timezones=st.just(zone),
        allow_imaginary=False,
    )
    if whole_seconds:
        # What the zone's clock shows twice has no offset on the wire that would tell, and Python
        # calls it unequal to the same moment in another zone.
        times = times.map(lambda time: time.replace(microsecond=0, fold=0)).filter(
            lambda time: time.utcoffset() == time.replace(fold=1).utcoffset()
        )
    integers, words = st.integers(-(2**53), 2**53), st.dictionaries(texts, texts, max_size=2)
    values: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: integers,
        Any: json_values,
        datetime | None: st.none() | times,
        str | None: st.none() | texts,
        bool | None: st.none() | st.booleans(),
        int | None: st.none() | integers,
        int | float | None: st.none() | integers | st.floats(-9, 9),
        str | int | None: st.none() | texts | integers,
        list[Any] | str | None: st.none() | texts | st.lists(json_values, max_size=2),
        dict[str, str | None] | None: st.none() | words,
        dict[str, Any]: extras,
    }
    for part in PARTS:
        values[part] = values[list[part]] = st.builds(part, **fields_of(part, values))  # type: ignore[valid-type]
        values[list[part]] = st.lists(values[part], max_size=2)  # type: ignore[valid-type]
        values[part | None] = st.none() | values[part]
        values[part | str | None] = st.none() | values[part] | texts
    return values


def fields_of(cls: type, values: Mapping[Any, Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Return what makes the fields of a record."""
    return {name: values[kind] for name, kind in get_type_hints(cls).items()}


@st.composite
def records(draw: st.DrawFn, *, whole_seconds: bool) -> tuple[Any, str]:
    """Draw a record as it comes back from a tenant, and the tenant's zone."""
    name, cls = draw(st.sampled_from(ZONES)), draw(st.sampled_from(RECEIVED))
    values = values_of(ZoneInfo(name), whole_seconds=whole_seconds)
    return draw(st.builds(cls, **fields_of(cls, values))), name


@settings(max_examples=40)
@given(records(whole_seconds=False))
def test_python_names_there_and_back(drawn: tuple[Any, str]) -> None:
    """Any record comes back from its JSON by Python names, in its zone, ``extra`` included."""
    record, zone = drawn
    written = json.loads(json.dumps(to_dict(record)))

    assert written.keys() == attrs.fields_dict(type(record)).keys()
    assert from_dict(type(record), written, timezone=zone) == record


@settings(max_examples=40)
@given(records(whole_seconds=True))
def test_wire_names_there_and_back(drawn: tuple[Any, str]) -> None:
    """Any record comes back from its JSON by wire names, as the tenant would have sent it."""
    record, zone = drawn
    written = json.loads(json.dumps(to_dict(record, names="wire", timezone=zone)))

    assert from_dict(type(record), written, names="wire", timezone=zone) == record


SENT = [
    attrs.evolve(NEW, extra={"AICC__x__CST": 5}, due_date=datetime(2025, 1, 1, 8, tzinfo=UTC)),
    CaseUpdate(id="1", title="t", description="d", creator_id="u", priority=Priority.HIGH),
    CaseProcess(case_id="1", process=ProcessInfo(type="Email", description="d")),
    CaseEnqueue(service_id=2, custom_properties={"a": "b"}),
    CaseQuery(start_time=datetime(2025, 1, 1, tzinfo=UTC), extra={"more": ["x"]}),
    StatisticsQuery(start_time=date(2025, 1, 2)),
]


@pytest.mark.parametrize("names", ["python", "wire"])
@pytest.mark.parametrize("record", SENT, ids=lambda record: type(record).__name__)
def test_what_is_sent_there_and_back(record: Any, names: Any) -> None:
    """A record that is sent comes back too, by either kind of names."""
    written = json.loads(json.dumps(to_dict(record, names=names, timezone="UTC")))
    assert from_dict(type(record), written, names=names, timezone="UTC") == record


async def test_a_detail_of_a_tenant(tenant: Emulator, aicc: AICCClient) -> None:
    """What a tenant answers is what ``to_dict`` writes by wire names, and times have offsets."""
    detail = await aicc.get_case(tenant.ids()[0])
    python = to_dict(detail)
    wire = to_dict(detail, names="wire", timezone=aicc.timezone)

    assert python["case"]["created_date"].endswith("+08:00")
    assert wire["caseInfo"]["createdDate"] == python["case"]["created_date"][:19].replace("T", " ")
    assert from_dict(CaseDetail, python, timezone=aicc.timezone) == detail
    assert from_dict(CaseDetail, wire, names="wire", timezone=aicc.timezone) == detail


async def test_a_page(tenant: Emulator, aicc: AICCClient) -> None:
    """A page has Python names, and no wire names of its own."""
    page = await aicc.list_cases(limit=3)

    assert from_dict(CasePage, to_dict(page), timezone=aicc.timezone) == page
    assert len(tenant.requests) == 2
    with pytest.raises(ConfigError, match="names must be 'python' for CasePage"):
        to_dict(page, names="wire", timezone="UTC")


@settings(max_examples=40)
@given(records(whole_seconds=False))
def test_json_there_and_back(drawn: tuple[Any, str]) -> None:
    """Any record comes back from what ``to_json`` writes, and it is what ``to_dict`` returns."""
    record, zone = drawn
    written = json.loads(to_json(record))

    assert written.keys() == to_dict(record).keys()
    assert from_dict(type(record), written, timezone=zone) == record
    assert json.loads(to_json(record, timezone=zone)) == to_dict(record, timezone=zone)


def test_odd_values_in_json() -> None:
    """What only a look at its type writes is written as ``to_dict`` has it, or refused."""
    enum = attrs.evolve(NEW, priority=Priority.HIGH, extra={"AICC__x__CST": [1]})
    assert json.loads(to_json(enum)) == to_dict(enum)
    assert json.loads(to_json(enum, names="wire", timezone="UTC"))["priority"] == "High"
    with pytest.raises(ConfigError, match="must hold values of JSON"):
        to_json(Case(id="1", extra={"a": object()}))


def test_a_time_is_written_in_the_zone() -> None:
    """With a zone, all times are written and read in it; a naive one is taken there."""
    aware = attrs.evolve(NEW, due_date=datetime(2025, 1, 1, 0, tzinfo=UTC))
    naive = attrs.evolve(NEW, due_date=datetime(2025, 1, 1, 8))  # noqa: DTZ001  (taken in a zone)

    assert to_dict(aware, timezone="Asia/Shanghai") == to_dict(naive, timezone="Asia/Shanghai")
    assert to_dict(aware)["due_date"] == "2025-01-01T00:00:00+00:00"
    assert to_dict(naive)["due_date"] == "2025-01-01T08:00:00"
    assert from_dict(NewCase, to_dict(naive), timezone="Asia/Shanghai") == aware


def test_only_what_is_set_is_needed() -> None:
    """Defaults are those of the record, and a template's field may lie beside the others."""
    values = {"title": "t", "description": "d", "type": "T", "contact_id": "c", "creator_id": "u"}
    assert from_dict(NewCase, values) == NEW
    given = from_dict(NewCase, {**values, "AICC__x__CST": 1, "extra": {"y": 2}})
    assert given.extra == {"AICC__x__CST": 1, "y": 2}


ODD: Any = [1]
LAST_DAY = attrs.evolve(NEW, due_date=datetime.max.replace(tzinfo=UTC))
FAULTS: list[tuple[type, dict[str, Any], list[str]]] = [
    (Case, {"id": 5}, ["id must be a str, got int"]),
    (Case, {}, ["id must be set, got nothing"]),
    (Case, {"id": "1", "due_date": "soon"}, ["due_date must be a time in ISO 8601, got str"]),
    (Case, {"id": "1", "titel": ""}, ["unknown field 'titel'. Did you mean 'title'?"]),
    (
        CaseDetail,
        {"case": {"id": "1"}, "trace": [{"type": 1}, {"titel": "x", "related_id": 2}]},
        [
            "trace[0].type must be a str, got int",
            "trace[1]: unknown field 'titel'. Did you mean 'title'?",
            "trace[1].related_id must be a str, got int",
        ],
    ),
    (StatisticsQuery, {"start_time": "x"}, ["start_time must be a date as YYYY-MM-DD, got str"]),
]


@pytest.mark.parametrize(("cls", "values", "told"), FAULTS, ids=str)
def test_each_fault_is_named(cls: type, values: dict[str, Any], told: list[str]) -> None:
    """What is unknown, missing or of another kind is named by its path, without its value."""
    with pytest.raises(InvalidInput) as caught:
        from_dict(cls, values)
    assert [str(fault) for fault in caught.value.errors] == told


@given(st.data(), st.sampled_from([*RECEIVED, NewCase, CaseProcess, StatisticsQuery]))
def test_odd_values_are_refused_as_such(data: st.DataObject, cls: type) -> None:
    """Whatever lies in the fields: a record comes out, or an InvalidInput that names fields."""
    odd = json_values | st.sampled_from(["9999-12-31T23:59:59-12:00", "0001-01-01", [{}], {"a": 1}])
    names = st.sampled_from([*attrs.fields_dict(cls), "odd", "AICC__x__CST"])
    values = data.draw(st.dictionaries(names, odd, max_size=4))
    faults: tuple[FieldFault, ...] = ()
    record: object = None
    try:
        with warnings.catch_warnings():
            # A value that is not among the documented ones is kept.
            warnings.simplefilter("ignore", RuntimeWarning)
            record = from_dict(cls, values, timezone="Asia/Shanghai")
    except InvalidInput as error:
        faults = error.errors
    assert isinstance(record, cls) != bool(faults)
    assert all(fault.field for fault in faults)


def test_bounds_are_checked_as_ever() -> None:
    """A record that may not be sent is none, and nothing of it is in the error."""
    values = to_dict(NEW) | {"title": "secret" * 30, "description": ""}
    with pytest.raises(InvalidInput, match="title must be at most 128 bytes") as caught:
        from_dict(NewCase, values)
    assert caught.value.__context__ is None
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: to_dict("1"), "record must be one of"),
        (lambda: from_dict(dict, {}), "record must be one of"),
        (lambda: from_dict(Case, ODD), "values must be a Mapping"),
        (lambda: to_dict(NEW, names=ODD), "names must be one of python, wire"),
        (lambda: to_dict(NEW, names="wire"), "timezone must be the tenant's zone"),
        (lambda: to_dict(NEW, timezone="Nowhere"), "timezone must be an IANA name"),
        (lambda: to_dict(Case(id="1", extra={"a": float("nan")})), "must hold values of JSON"),
        (lambda: from_dict(Case, {"id": 1}, names="wire", timezone="UTC"), "must be a str, got"),
        (lambda: to_dict(LAST_DAY, timezone="Asia/Shanghai"), "near the first or the last day"),
    ],
)
def test_what_cannot_be_written_or_read(call: Any, told: str) -> None:
    """Bad arguments are a ConfigError that names them."""
    with pytest.raises(ConfigError, match=told):
        call()
