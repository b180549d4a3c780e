"""A change of single fields: what is read, what is sent, and when it is refused."""

from __future__ import annotations

import json
import pickle
from datetime import datetime
from typing import Any

import attrs
import pytest

from aicc_async import AICCClient, ApiError, CaseChanged, ConfigError
from aicc_async.emulator import Emulator, Fault
from aicc_async.models import CaseUpdate
from aicc_async.models.changing import Changes

ME = "10gg00000148PCjKVDAu"
DUE = datetime(2025, 5, 1, 12)  # noqa: DTZ001  (a naive time is taken in the client's zone)


@pytest.fixture
def case_id(tenant: Emulator) -> str:
    """Put a case with a title and a description there."""
    return tenant.insert(title="before", description="as it was", priority="Low", ownerId="o1")


def sent(tenant: Emulator) -> list[dict[str, Any]]:
    """Read the changes that were sent."""
    bodies = [request.body for request in tenant.requests if request.operation == "modify"]
    return [json.loads(body)["caseInfo"] for body in bodies]


async def test_one_field_goes_out_with_what_the_service_wants(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """Title and description are read and sent as they are, and nothing else."""
    await aicc.change_case(case_id, creator_id=ME, priority="High")
    assert sent(tenant) == [
        {
            "id": case_id,
            "creatorId": ME,
            "title": "before",
            "description": "as it was",
            "priority": "High",
        }
    ]
    case = (await aicc.get_case(case_id)).case
    assert (case.title, case.description, case.priority) == ("before", "as it was", "High")
    assert case.owner_id == "o1"


async def test_every_field_of_a_change_can_be_given(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """By its Python name; a template's field by its wire name in ``extra``."""
    given: Changes = {
        "title": "after",
        "description": "as it is",
        "owner_id": "o2",
        "priority": "High",
        "due_date": DUE,
        "contact_id": "c2",
        "contact_phone": "000",
        "attachment": ["a", "b"],
        "extra": {"AICC__test1__CST": "5"},
    }
    await aicc.change_case(case_id, creator_id=ME, **given)
    assert sent(tenant) == [
        {
            "id": case_id,
            "creatorId": ME,
            "title": "after",
            "description": "as it is",
            "ownerId": "o2",
            "priority": "High",
            "dueDate": "2025-05-01 12:00:00",
            "contactId": "c2",
            "contactPhone": "000",
            "attachment": "a,b",
            "AICC__test1__CST": "5",
        }
    ]


def test_changes_are_the_fields_of_a_case_update() -> None:
    """A field that is new there can be changed here: none is forgotten."""
    fields = {field.name for field in attrs.fields(CaseUpdate)}
    assert Changes.__annotations__.keys() == fields - {"id", "creator_id"}


async def test_a_title_alone_keeps_the_description(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """And the other way round."""
    await aicc.change_case(case_id, creator_id=ME, title="after")
    await aicc.change_case(case_id, creator_id=ME, description="as it is")
    assert [(each["title"], each["description"]) for each in sent(tenant)] == [
        ("after", "as it was"),
        ("after", "as it is"),
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "changes must name at least one field"),
    ({"colour": "red"}, "changes must name only title, description, owner_id, .*, got colour"),
    ({"ownerId": "x"}, "changes must name only title, .*, got ownerId"),
    ({"id": "x"}, "changes must name only title, .*, got id"),
    ({"title": "单" * 43}, "title must be at most 128 bytes in UTF-8, got 129"),
    ({"priority": None}, "changes must name at least one field"),
    ({"title": None, "priority": "High"}, "title must be a string, got NoneType"),
    ({"contact_id": "x" * 21}, "contact_id must be at most 20 bytes in UTF-8, got 21"),
    ({"due_date": "2025-05-01"}, "due_date must be a datetime, got str"),
    ({"attachment": list("abcdef")}, "attachment must be at most 5 attachments, got 6"),
    ({"extra": {"title": "x"}}, "extra must not hold 'title', which is a field of CaseUpdate"),
    ({"extra": {"AICC__x__CST": float("nan")}}, "extra must hold values of JSON, not NaN .*"),
    ({"priority": "High", "if_unchanged": "x"}, "if_unchanged must be a CaseDetail, got str"),
    ({"priority": "High", "creator_id": ""}, "creator_id must not be empty"),
    (
        {"priority": "High", "creator_id": "x" * 21},
        "creator_id must be at most 20 bytes in UTF-8, got 21",
    ),
]


@pytest.mark.parametrize(("given", "text"), REFUSED)
async def test_what_is_wrong_is_said_before_anything_is_asked(
    tenant: Emulator, aicc: AICCClient, case_id: str, given: dict[str, Any], text: str
) -> None:
    """A name that is no field, nothing at all, a broken bound: no request is made."""
    with pytest.raises(ConfigError, match=f"^{text}$"):
        await aicc.change_case(case_id, **{"creator_id": ME} | given)
    assert tenant.requests == []


@pytest.mark.parametrize(
    ("case_id", "text"),
    [
        ("", "case_id must not be empty"),
        ("x" * 21, "case_id must be at most 20 bytes in UTF-8, got 21"),
        ("..", r"case_id must not be dots alone, got '\.\.'"),
        (5, "case_id must be a string, got int"),
    ],
)
async def test_an_id_that_is_none_is_refused(
    tenant: Emulator, aicc: AICCClient, case_id: Any, text: str
) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigError, match=f"^{text}$"):
        await aicc.change_case(case_id, creator_id=ME, priority="High")
    assert tenant.requests == []


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("name", ["title", "description"])
async def test_a_case_without_a_mandatory_field_needs_it_given(
    tenant: Emulator, aicc: AICCClient, name: str, value: str | None
) -> None:
    """There is none that could be kept; given, it is taken, and the other one kept."""
    fields = {"title": "t", "description": "d"} | {name: value}
    case_id = tenant.insert(**fields)
    with pytest.raises(
        ConfigError, match=f"^{name} must be set: the case has none that could be kept$"
    ):
        await aicc.change_case(case_id, creator_id=ME, priority="High")
    assert sent(tenant) == []
    whole: list[Changes] = [
        {"title": "new", "priority": "High"},
        {"description": "new", "priority": "High"},
    ]
    [given] = [each for each in whole if name in each]
    await aicc.change_case(case_id, creator_id=ME, **given)
    kept = {"title": "t", "description": "d"} | {name: "new"}
    assert sent(tenant) == [{"id": case_id, "creatorId": ME, "priority": "High", **kept}]


async def test_texts_that_are_longer_than_the_service_takes_are_named(
    tenant: Emulator, aicc: AICCClient
) -> None:
    """A title that came another way can't be sent back; it isn't cut, and nothing is sent."""
    case_id = tenant.insert(title="t" * 129, description="d")
    with pytest.raises(ConfigError, match=r"^title must be at most 128 bytes in UTF-8, got 129$"):
        await aicc.change_case(case_id, creator_id=ME, priority="High")
    assert sent(tenant) == []


async def test_a_case_that_isn_t_there_is_the_service_s_no(
    tenant: Emulator, aicc: AICCClient
) -> None:
    """Nothing is sent."""
    with pytest.raises(ApiError):
        await aicc.change_case("nobody", creator_id=ME, priority="High")
    assert sent(tenant) == []


# ---- if unchanged --------------------------------------------------------------------------


async def test_an_unchanged_case_is_changed(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """What was read earlier is as it was."""
    detail = await aicc.get_case(case_id)
    await aicc.change_case(case_id, creator_id=ME, if_unchanged=detail, priority="High")
    assert len(sent(tenant)) == 1


async def test_a_changed_case_is_left_as_it_is(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """The fields are named, what is in them isn't: somebody's words may be."""
    detail = await aicc.get_case(case_id)
    await aicc.change_case(case_id, creator_id=ME, title="invented secret", owner_id="o9")
    before = len(sent(tenant))
    with pytest.raises(CaseChanged) as raised:
        await aicc.change_case(case_id, creator_id=ME, if_unchanged=detail, priority="High")
    assert {"title", "owner_id"} <= set(raised.value.fields)
    assert str(raised.value).startswith(f"case {case_id}: changed since it was read: ")
    assert "secret" not in str(raised.value) + repr(raised.value)
    assert len(sent(tenant)) == before


async def test_a_changed_extension_field_is_a_change(aicc: AICCClient, case_id: str) -> None:
    """Every field that the service shows counts."""
    detail = await aicc.get_case(case_id)
    extra = {"AICC__test1__CST": "other"}
    await aicc.change_case(case_id, creator_id=ME, extra=extra)
    with pytest.raises(CaseChanged) as raised:
        await aicc.change_case(case_id, creator_id=ME, if_unchanged=detail, priority="High")
    assert "extra" in raised.value.fields


async def test_the_detail_of_another_case_is_refused(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """It would always differ: a mistake of the caller's, told before anything is asked."""
    detail = await aicc.get_case(tenant.ids()[0])
    tenant.requests.clear()
    text = f"^if_unchanged must be of case '{case_id}', got '{detail.case.id}'$"
    with pytest.raises(ConfigError, match=text):
        await aicc.change_case(case_id, creator_id=ME, if_unchanged=detail, priority="High")
    assert tenant.requests == []


async def test_a_change_of_ours_that_was_done_isn_t_taken_for_another_s(
    tenant: Emulator, aicc: AICCClient, case_id: str
) -> None:
    """A lost answer is sent again without reading again."""
    detail = await aicc.get_case(case_id)
    tenant.fail("modify", Fault.DROP_AFTER)
    await aicc.change_case(case_id, creator_id=ME, if_unchanged=detail, priority="High")
    assert [each["priority"] for each in sent(tenant)] == ["High", "High"]


def test_case_changed_pickles() -> None:
    """Into another process and back: text and fields."""
    error = CaseChanged("case x: changed", fields=["title", "owner_id"])
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
    assert (str(back), back.fields) == ("case x: changed", ("title", "owner_id"))
    assert isinstance(back, CaseChanged)
