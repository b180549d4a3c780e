"""Requests that violate the documents' tables are refused by every operation of the family."""

import pytest
from emulator.bare_client import (
    OPENAPI,
    STATUS_PATH,
    BareClient,
    Wire,
    note,
    transfer,
)
from hypothesis import given
from hypothesis import strategies as st

from aicc_async.emulator.http.answer import BusinessError
from aicc_async.emulator.operations.bounds import Bounds

MISSING, TOO_LONG, MALFORMED, NOT_FOUND = "405230002", "405230003", "405230001", "405230404"


REFUSED: list[tuple[str, Wire, str]] = [
    *(
        ("/case/transfer", transfer("c", **{key: None}), MISSING)
        for key in ("id", "ownerId", "ownerType", "creatorId", "remark")
    ),
    ("/case/transfer", transfer("c", remark="ä" * 1001), TOO_LONG),
    ("/case/transfer", transfer("c", ownerId=5), MALFORMED),
    ("/case/process", {"creatorId": "c", "processInfo": {"type": "SMS"}}, MISSING),
    ("/case/process", {"caseId": "c"}, MISSING),
    ("/case/process", {"caseId": "c", "processInfo": "SMS"}, MISSING),
    ("/case/process", note("c", type=None), MISSING),
    *(
        ("/case/process", note("c", **{key: "ä" * (maximum // 2) + "a"}), TOO_LONG)
        for key, maximum in {
            "title": 128,
            "description": 20_000,
            "from": 20,
            "fromName": 80,
            "toAddress": 2000,
            "creatorId": 20,
        }.items()
    ),
    ("/case/process", note("c", attachment=["x"]), MALFORMED),
    ("/case/cancel", {}, MISSING),
    ("/case/cancel", {"id": "c", "remark": "ä" * 1001}, TOO_LONG),
    (STATUS_PATH, {"id": "c"}, MISSING),
    (STATUS_PATH, {"status": "s"}, MISSING),
    (STATUS_PATH, {"id": "c", "status": 5}, MALFORMED),
    ("/caseType/list", {"limit": 1}, MISSING),
    ("/caseType/list", {"start": 0}, MISSING),
    ("/caseType/list", {"start": 0, "limit": 101}, MALFORMED),
    ("/caseType/list", {"start": 0, "limit": 0}, MALFORMED),
    ("/caseType/list", {"start": 0, "limit": 1, "typeName": 5}, MALFORMED),
    ("/statistics/case/report", {"start": 0, "limit": 101}, MALFORMED),
    ("/statistics/case/report", {"start": 0, "limit": 1, "caseTypeId": "x" * 21}, TOO_LONG),
    *(
        ("/statistics/case/report", {"start": 0, "limit": 1, key: value}, MALFORMED)
        for key in ("startTime", "endTime")
        for value in ("2025-01-01 00:00:00", "20250101", "2025-02-30", 5)
    ),
    ("/task", {}, MISSING),
    ("/task", {"taskInfo": {}}, MISSING),
    *(
        ("/task", {"taskInfo": {"title": "t", key: "ä" * (maximum // 2) + "ab"}}, TOO_LONG)
        for key, maximum in {
            "title": 128,
            "description": 20_000,
            "relateId": 20,
            "contactId": 20,
            "attachment": 255,
            "creatorId": 20,
        }.items()
    ),
    ("/task", {"taskInfo": {"title": "t", "dueDate": "tomorrow"}}, MALFORMED),
    ("/task", {"taskInfo": {"title": "t", "priority": 1}}, MALFORMED),
    ("/task/modify", {"taskInfo": {"title": "t"}}, MISSING),
    ("/task/modify", {"taskInfo": {"id": "c", "title": "x" * 129}}, TOO_LONG),
    ("/task/list", {"start": 0, "limit": 101}, MALFORMED),
    ("/task/list", {"start": -1, "limit": 1}, MALFORMED),
    ("/task/list", {"start": 0, "limit": 1, "handler": 5}, MALFORMED),
    ("/task/transfer", {"id": "c"}, MISSING),
    ("/task/status/update", {"id": "c"}, MISSING),
]


@pytest.mark.parametrize(("path", "body", "code"), REFUSED)
async def test_records_out_of_bounds_are_refused(
    client: BareClient, path: str, body: Wire, code: str
) -> None:
    """A record with a field missing, too long or of another kind is refused and changes nothing."""
    assert (await client.post(path, body))["resCode"] == code
    assert client.tenant.tasks() == []
    assert [one.applied for one in client.tenant.requests] == [False]


async def test_the_longest_texts_are_accepted(client: BareClient) -> None:
    """A text of exactly as many bytes as its bound is accepted."""
    [case_id, *_] = client.tenant.ids()
    info = {"title": "ä" * 64, "toAddress": "ä" * 1000, "from": "x" * 20, "fromName": "x" * 80}
    task = {"title": "ä" * 64, "description": "ä" * 10_000, "attachment": "x" * 255}
    for path, body in (
        ("/case/transfer", transfer(case_id, remark="ä" * 1000)),
        ("/case/process", note(case_id, **info)),
        ("/case/cancel", {"id": case_id, "remark": "ä" * 1000}),
        ("/task", {"taskInfo": task}),
    ):
        assert (await client.post(path, body))["resCode"] == "0"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/case/transfer", transfer("none")),
        ("/case/process", note("none")),
        ("/case/cancel", {"id": "none"}),
        (STATUS_PATH, {"id": "none", "status": "s"}),
        ("/task/modify", {"taskInfo": {"id": "none"}}),
        ("/task/transfer", {"id": "none", "ownerId": "o"}),
        ("/task/status/update", {"id": "none", "status": "s"}),
    ],
)
async def test_an_unknown_id_cannot_be_changed(client: BareClient, path: str, body: Wire) -> None:
    """An unknown id is a business error, and no trace is added."""
    assert (await client.post(path, body))["resCode"] == NOT_FOUND
    assert client.tenant.traces("none") == []


@pytest.mark.parametrize("path", ["/task/none", "/caseType/no%2Fsuch%20type"])
async def test_an_unknown_id_cannot_be_shown(client: BareClient, path: str) -> None:
    """An unknown id is a business error; ids are percent-decoded."""
    answer = await client.get(path)
    assert answer["resCode"] == NOT_FOUND
    assert answer["resMsg"].endswith(("'none'", "'no/such type'"))


@pytest.mark.parametrize("path", sorted({path for path, _, _ in REFUSED}))
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"id":"\xff"}'])
async def test_malformed_bodies_are_refused(client: BareClient, path: str, body: bytes) -> None:
    """A body that is not a JSON object is a business error, never a crash."""
    assert (await client.post(path, body))["resCode"] == MALFORMED


async def test_content_types_and_tokens_are_required(client: BareClient) -> None:
    """The content type is required where a body is read, and the token everywhere."""
    cancel = f"{OPENAPI}/case/cancel"
    current = f"{OPENAPI}/statistics/case/current"
    plain = {"Content-Type": "text/plain"}
    assert (await client.send("POST", cancel, {}, headers=plain)).status == 415
    assert (await client.send("GET", current, headers=plain)).status == 200
    client.tenant.expire_tokens()
    for method, path in (("POST", cancel), ("GET", current), ("GET", f"{OPENAPI}/caseType/x")):
        assert (await client.send(method, path, b"{}")).status == 401


keys = st.sampled_from(["a", "b", "c"])


values = st.one_of(st.none(), st.text(max_size=12), st.integers())


@given(
    wire=st.dictionaries(keys, values),
    mandatory=st.sets(keys),
    optional=st.sets(keys),
    lengths=st.dictionaries(keys, st.integers(0, 12)),
)
def test_bounds(
    wire: Wire, mandatory: set[str], optional: set[str], lengths: dict[str, int]
) -> None:
    """A record passes exactly when nothing is missing, mistyped or too long in bytes."""
    texts = mandatory | optional | set(lengths)
    good = all(wire.get(key) for key in mandatory) and all(
        isinstance(wire[key], str) and len(wire[key].encode()) <= lengths.get(key, 99)
        for key in texts
        if wire.get(key) is not None
    )
    bounds = Bounds(mandatory=(*mandatory,), optional=(*optional,), lengths=lengths)
    try:
        present = bounds.check(wire)
    except BusinessError:
        assert not good
    else:
        assert good
        assert present == {key: value for key, value in wire.items() if value is not None}
