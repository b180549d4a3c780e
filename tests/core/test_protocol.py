"""The calls as values: envelopes, pages, errors, requests, and the form encoding."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec
import pytest
from helpers.raw import raw_batches
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, Dialect
from aicc_async._listing.pages import Page
from aicc_async._listing.windows import Window
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.envelope import (
    build_error,
    open_envelope,
    rows_and_total,
    single_object,
)
from aicc_async._protocol.operations import MODIFY, OPENAPI
from aicc_async._protocol.qflow import enqueue
from aicc_async._protocol.raw import raw_page
from aicc_async._protocol.requests import FORM, JSON, Request
from aicc_async.emulator import Emulator, Fault
from aicc_async.errors import (
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from aicc_async.models import CaseEnqueue, CaseQuery, CaseUpdate, EnqueuedCase, NewCase, Priority

Sample = Callable[[str], Any]
WIRE = RecordConverter(ZoneInfo("Asia/Shanghai"))
CALLS = CaseProtocol(WIRE, Dialect())
NEW = NewCase(title="t", description="d", type="y", contact_id="c", creator_id="u")
UPDATE = CaseUpdate(id="i", title="t", description="d", creator_id="u")
JANUARY = Window(datetime(2025, 1, 1), datetime(2025, 1, 31))  # noqa: DTZ001
OK = b'{"resCode":"0","resMsg":"ok","result":'
SIGN_IN = Request(
    operation="token",
    method="POST",
    path="/token",
    body=b"",
    decode=bytes,
    repeatable=True,
    signed=False,
    denied=frozenset({400, 401, 403}),
)


def _page(*rows: bytes, count: int | None = None, array: bool = True) -> bytes:
    total = len(rows) if count is None else count
    inner = b'{"caseList":[%b],"count":%d}' % (b",".join(rows), total)
    return OK + (b"[%b]" % inner if array else inner) + b"}"


def _typed(body: bytes) -> Page[Any]:
    return CALLS.cases(CaseQuery()).request(Window(), 0, 100).decode(body)


# The documents' samples


def test_the_create_request_is_the_printed_one(sample: Sample) -> None:
    """Method, path and body, with one spelling of the flag chosen."""
    wire = RecordConverter(ZoneInfo("Asia/Shanghai"), auto_assign=("isAutoAssigned",))
    new = wire.load(NewCase, sample("000_create_request")["caseInfo"])

    request = CaseProtocol(wire, Dialect()).create(new)

    assert (request.method, request.path) == ("POST", f"{OPENAPI}/case")
    assert json.loads(request.body) == sample("000_create_request")
    assert request.content_type == JSON
    assert request.signed
    assert not request.repeatable


def test_the_create_response_is_an_id(sample: Sample) -> None:
    """The result is an object here."""
    body = json.dumps(sample("000_create_response")).encode()

    assert CALLS.create(NEW).decode(body) == "coiO0000014hmYpZIqYq"


def test_the_list_request_is_the_printed_one(sample: Sample) -> None:
    """Without a filter nothing but the page is sent."""
    request = CALLS.cases(CaseQuery()).request(Window(), 0, 2)

    assert (request.method, request.path) == ("POST", f"{OPENAPI}/case/list")
    assert json.loads(request.body) == sample("001_list_request")
    assert request.repeatable


def test_the_list_response_is_a_page(sample: Sample) -> None:
    """The result is an array of one object here; typed and raw pages agree."""
    body = json.dumps(sample("001_list_response")).encode()

    page, raw = _typed(body), raw_page(body)

    printed = sample("001_list_response")["result"][0]
    assert [WIRE.dump(case) for case in page.rows] == [
        row | {"ownerType": None} for row in printed["caseList"]
    ]
    assert [json.loads(row) for row in raw.rows] == printed["caseList"]
    assert page.count == raw.count == 284
    assert page.size == raw.size == len(body)


def test_the_modify_request_and_response_are_the_printed_ones(sample: Sample) -> None:
    """There is no result to read here."""
    change = WIRE.load(CaseUpdate, sample("002_modify_request")["caseInfo"])

    request = CALLS.act(MODIFY, change)

    assert (request.method, request.path) == ("POST", f"{OPENAPI}/case/modify")
    assert json.loads(request.body) == sample("002_modify_request")
    assert request.repeatable
    request.decode(json.dumps(sample("002_modify_response")).encode())


def test_the_detail_request_and_response_are_the_printed_ones(sample: Sample) -> None:
    """The id stands in the path and in the body of the GET."""
    request = CALLS.detail("c6m800000149ndrHRVNQ")

    assert (request.method, request.path) == ("GET", f"{OPENAPI}/case/c6m800000149ndrHRVNQ")
    assert json.loads(request.body) == sample("004_detail_request")
    assert request.repeatable
    detail = request.decode(json.dumps(sample("004_detail_response")).encode())
    assert detail.case.id == "c6m800000149ndrHRVNQ"


def test_the_enqueue_request_and_response_are_the_printed_ones(sample: Sample) -> None:
    """There is no envelope around the other service's answers."""
    case = WIRE.load(CaseEnqueue, sample("003_enqueue_request"))

    request = enqueue(case, WIRE)

    assert (request.method, request.path, request.content_type) == ("POST", "/Cases", JSON)
    assert json.loads(request.body) == sample("003_enqueue_request")
    assert not request.repeatable
    answer = request.decode(json.dumps(sample("003_enqueue_response")).encode())
    assert WIRE.dump(answer) == sample("003_enqueue_response")


# Requests


def test_a_listing_sends_filters_window_and_page() -> None:
    """The window's times replace the query's, at the same level as the filters."""
    query = CaseQuery(
        priority=Priority.HIGH,
        start_time=datetime(2020, 1, 1),  # noqa: DTZ001
        extra={"AICC__a__CST": 1},
    )

    body = CALLS.raw_cases(query).request(JANUARY, 100, 50).body

    assert json.loads(body) == {
        "priority": "High",
        "AICC__a__CST": 1,
        "startTime": "2025-01-01 00:00:00",
        "endTime": "2025-01-31 00:00:00",
        "start": 100,
        "limit": 50,
    }


@pytest.mark.parametrize(
    ("case_id", "path"), [("a/b?c#d", "a%2Fb%3Fc%23d"), ("a b%", "a%20b%25"), ("工", "%E5%B7%A5")]
)
def test_an_id_in_a_path_is_encoded(case_id: str, path: str) -> None:
    """No id can reach another path."""
    request = CALLS.detail(case_id)

    assert request.path == f"{OPENAPI}/case/{path}"
    assert json.loads(request.body) == {"id": case_id}


def test_a_request_shows_no_content() -> None:
    """Bodies stay out of the repr."""
    assert "hush" not in repr(CALLS.create(NewCase(**_fields("hush"))))


def _fields(text: str) -> dict[str, Any]:
    return dict.fromkeys(("title", "description", "type", "contact_id", "creator_id"), text)


# The envelope


@pytest.mark.parametrize("code", [b'"0"', b"0"])
def test_code_zero_is_success(code: bytes) -> None:
    """The code alone decides, as a text or a number."""
    body = b'{"resCode":%b,"resMsg":{"odd":1},"result":[7]}' % code

    assert open_envelope(body, operation="get") == [7]


@pytest.mark.parametrize("read", [_typed, raw_page], ids=["typed", "raw"])
@pytest.mark.parametrize("shape", [b"null", b"[]", b'{"caseList":[],"count":0}', b'"odd"'])
@pytest.mark.parametrize(
    ("code", "kind"), [("1", ApiError), ("405230602", AuthError), ("405230603", AuthError)]
)
def test_other_codes_are_errors(
    read: Callable[[bytes], Any], shape: bytes, code: str, kind: type[ApiError]
) -> None:
    """Whatever the result is, the code and the service's words come through."""
    body = b'{"resCode":"%b","resMsg":"no such thing","result":%b}' % (code.encode(), shape)

    with pytest.raises(ApiError) as caught:
        read(body)

    error = caught.value
    assert type(error) is kind
    assert (error.code, error.message, error.status) == (code, "no such thing", 200)
    assert str(error) == f"list: resCode {code}: no such thing"


def test_long_words_of_the_service_are_cut() -> None:
    """An error stays readable."""
    with pytest.raises(ApiError) as caught:
        open_envelope(b'{"resCode":7,"resMsg":"%b"}' % (b"a" * 9999), operation="get")

    assert caught.value.message == "a" * 500


@pytest.mark.parametrize("read", [_typed, raw_page], ids=["typed", "raw"])
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "must be JSON, got 0 other bytes @ $"),
        (b"<html></html>", "must be JSON, got 13 other bytes @ $"),
        (_page()[:-1], "must be JSON, got 65 other bytes @ $"),
        (b"[]", "must be an object, got list @ $"),
        (b"{}", "must be a str, got NoneType @ $.resCode"),
        (b'{"resCode":null}', "must be a str, got NoneType @ $.resCode"),
        (b'{"resCode":false,"result":[]}', "must be a str, got bool @ $.resCode"),
        (b'{"resCode":"0"}', "must be an object or an array of one, got NoneType @ $.result"),
        (OK + b"null}", "must be an object or an array of one, got NoneType @ $.result"),
        (OK + b"[{},{}]}", None),
        (OK + b"[5]}", None),
        (OK + b"[null]}", None),
        (OK + b"{}}", None),
        (OK + b'{"caseList":[]}}', None),
        (OK + b'{"caseList":[],"count":null}}', None),
        (OK + b'{"caseList":[],"count":1.0}}', None),
        (OK + b'{"caseList":[],"count":"1"}}', None),
        (OK + b'{"caseList":{},"count":1}}', None),
        (OK + b'{"caseList":null,"count":1}}', None),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_no_page_is_a_decode_error(
    read: Callable[[bytes], Any], body: bytes, what: str | None
) -> None:
    """What is not as documented is refused, with the path, typed and raw alike."""
    with pytest.raises(DecodeError, match=r" @ \$") as caught:
        read(body)

    assert what in {None, str(caught.value)}


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}]], ids=["object", "array"])
def test_the_one_object_is_found(value: object) -> None:
    """Wrapped in an array or not."""
    assert single_object(value)[0] == {"a": 1}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "NoneType @ $.result"),
        ([], "0 items @ $.result"),
        ([5], "int @ $.result[0]"),
        ([{}, {}, {}], "3 items @ $.result"),
    ],
)
def test_no_object_is_a_decode_error(value: object, what: str) -> None:
    """None, many, or another kind is refused with the path."""
    with pytest.raises(DecodeError) as caught:
        single_object(value)

    assert str(caught.value) == f"must be an object or an array of one, got {what}"


@pytest.mark.parametrize("name", ["taskList", "tasks"])
@pytest.mark.parametrize("array", [True, False])
def test_the_rows_of_a_listing_are_found(name: str, array: bool) -> None:
    """Under either name, in an object or in an array of one."""
    answer = {name: [{"id": "i"}], "count": 7}

    rows, count, path = rows_and_total([answer] if array else answer, "taskList", "tasks")

    assert (rows, count) == ([{"id": "i"}], 7)
    assert path == ("$.result[0]." if array else "$.result.") + name


@pytest.mark.parametrize("rows", [[], [{"id": "i"}], [{"id": "i"}, {"id": "j"}], [5], [[]]])
def test_a_bare_list_holds_the_rows_itself(rows: list[Any]) -> None:
    """It has no total, unless it is empty."""
    assert rows_and_total(rows, "tasks") == (rows, None if rows else 0, "$.result")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, "$.result"),
        (5, "$.result"),
        ({}, "$.result.tasks"),
        ({"tasks": None, "count": 0}, "$.result.tasks"),
        ([{"tasks": {}, "count": 0}], "$.result[0].tasks"),
    ],
)
def test_no_listing_is_a_decode_error(value: object, path: str) -> None:
    """What holds no rows is refused where they should stand."""
    with pytest.raises(DecodeError) as caught:
        rows_and_total(value, "tasks")

    assert str(caught.value).endswith(f" @ {path}")


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (b"{}", "NoneType"),
        (b'{"caseId":""}', "''"),
        (b'{"caseId":5}', "int"),
        (b'{"caseId":null}', "NoneType"),
    ],
)
def test_a_create_without_an_id_is_a_decode_error(answer: bytes, got: str) -> None:
    """An empty or odd id is never handed out."""
    with pytest.raises(DecodeError) as caught:
        CALLS.create(NEW).decode(OK + b"[%b]}" % answer)

    assert str(caught.value) == f"must be a case id, got {got} @ $.result[0].caseId"


# Pages


@pytest.mark.parametrize("read", [_typed, raw_page], ids=["typed", "raw"])
def test_an_empty_result_is_an_empty_page(read: Callable[[bytes], Page[Any]]) -> None:
    """An array of none has no rows."""
    body = OK + b"[]}"

    assert read(body) == Page([], [], 0, len(body))


@pytest.mark.parametrize("array", [True, False])
def test_rows_are_the_bytes_of_the_page(*, array: bool) -> None:
    """Numbers, escapes, spaces and repeated keys stay as the service wrote them."""
    rows = [
        b'{"id":"a","n":1.50,"e":1E+5,"big":123456789012345678901234567890}',
        b'{ "id" : "\\u0062" , "s":"\\/\\n" }',
        b'{"x":{"id":5},"id":"c","id":"d"}',
        '{"id":"工😀"}'.encode(),
    ]
    body = _page(*rows, count=9, array=array)

    page = raw_page(body)

    assert page == Page(["a", "b", "d", "工😀"], rows, 9, len(body))
    assert all(type(row) is bytes for row in page.rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
case_rows = st.builds(
    lambda row, case_id: {f"x{key}": item for key, item in row.items()} | {"id": case_id},
    st.dictionaries(st.text(max_size=4), json_values, max_size=4),
    st.text(max_size=5),
)
pages = st.lists(case_rows, max_size=4)


@given(pages, st.booleans())
def test_raw_rows_are_the_bytes_that_came(cases: list[dict[str, Any]], ascii_: bool) -> None:
    """Whatever stands in a row, it comes out byte for byte, with its id."""
    rows = [json.dumps(case, ensure_ascii=ascii_).encode() for case in cases]

    page = raw_page(_page(*rows))

    assert page.rows == rows
    assert page.ids == [case["id"] for case in cases]


@given(pages, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_printed_rows_come_on_one_line(cases: list[dict[str, Any]], line: bytes) -> None:
    """A page printed over many lines gives rows of one line with the same values."""
    text = json.dumps(json.loads(_page()) | {"result": {"caseList": cases, "count": 7}}, indent=1)

    page = raw_page(text.encode().replace(b"\n", line))

    assert [json.loads(row) for row in page.rows] == cases
    assert not any(b"\n" in row or b"\r" in row for row in page.rows)
    assert (page.ids, page.count) == ([case["id"] for case in cases], 7)


@given(pages, st.booleans())
def test_raw_and_typed_pages_agree(cases: list[dict[str, Any]], array: bool) -> None:
    """Both find the same ids and the same total."""
    body = _page(*map(msgspec.json.encode, cases), array=array)

    raw, typed = raw_page(body), _typed(body)

    assert (raw.ids, raw.count, raw.size) == (typed.ids, typed.count, typed.size)
    assert [json.loads(row)["id"] for row in raw.rows] == [case.id for case in typed.rows]


@pytest.mark.parametrize("read", [_typed, raw_page], ids=["typed", "raw"])
@pytest.mark.parametrize(
    ("row", "place"),
    [
        (b'{"id":5}', "caseList[1].id"),
        (b'{"id":null}', "caseList[1].id"),
        (b'{"id":{}}', "caseList[1].id"),
        (b"{}", "caseList[1]"),
        (b"5", "caseList[1]"),
        (b"null", "caseList[1]"),
        (b'"text"', "caseList[1]"),
        (b"[]", "caseList[1]"),
    ],
)
def test_a_row_without_an_id_is_named(read: Callable[[bytes], Any], row: bytes, place: str) -> None:
    """The error tells the path of the row, typed and raw alike."""
    with pytest.raises(DecodeError) as caught:
        read(_page(b'{"id":"a"}', row))

    assert str(caught.value).partition(" @ ")[2].startswith(f"$.result[0].{place}")


def test_a_misfit_of_a_typed_row_is_named() -> None:
    """The slow reading says what the fast one refused, by wire names."""
    with pytest.raises(DecodeError) as caught:
        _typed(_page(b'{"id":"a"}', b'{"id":"b","isCanced":"no"}', array=False))

    assert str(caught.value) == "must be a bool, got str @ $.result.caseList[1].isCanced"


DEEP = b'{"id":"a","x":%b%b}' % (b"[" * 100_000, b"]" * 100_000)


@pytest.mark.parametrize("read", [_typed, raw_page], ids=["typed", "raw"])
@pytest.mark.parametrize("tail", [b"", b"\n"])
@pytest.mark.parametrize(
    "row",
    [
        b'{"id":"a","x":"\xff"}',
        b'{"id":"a","x":"\xed\xa0\xbd"}',
        b'{"id":"a","x":"\\q"}',
        b'{"id":"a","x":01}',
        b'{"id":"a","x":tru}',
        b'{"id":"a","x":NaN}',
        b'{"id":"a"',
        b'{"id":"a",}',
        DEEP,
    ],
    ids=lambda value: repr(value[:16]),
)
def test_a_row_that_is_no_json_is_refused(
    read: Callable[[bytes], Any], row: bytes, tail: bytes
) -> None:
    """Half a page, wrong bytes or endless nesting is an error, never a row."""
    with pytest.raises(DecodeError, match=r" @ \$$"):
        read(_page(row) + tail)


@given(st.data())
def test_no_cut_page_is_a_page(data: st.DataObject) -> None:
    """However much of a body is missing, it is not taken for a whole one."""
    body = _page(b'{"id":"a","title":"\xe5\xb7\xa5"}', b'{"id":"b"}')
    cut = body[: data.draw(st.integers(0, len(body) - 1))]

    for read in (_typed, raw_page):
        with pytest.raises(DecodeError):
            read(cut)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_page_or_our_error(body: bytes) -> None:
    """No error of a library leaves the reading of a page."""
    for whole in (body, OK + body + b"}"):
        for read in (_typed, raw_page):
            try:
                page = read(whole)
            except (DecodeError, ApiError):
                continue
            assert len(page.ids) == len(page.rows)


# Refusals

PLATFORM = b'{"resCode":"1001","resMsg":"no"}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ApiError),
        (400, ApiError),
        (401, AuthError),
        (403, AuthError),
        (404, NotFoundError),
        (409, ApiError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_a_status_has_one_class(status: int, kind: type[ApiError]) -> None:
    """Every field of the error is filled from the answer."""
    error = build_error(CALLS.create(NEW), status, {"X-Request-Id": "r1"}, PLATFORM)

    assert type(error) is kind
    assert str(error) == f"create: HTTP {status}, resCode 1001: no"
    assert (error.status, error.code, error.message) == (status, "1001", "no")
    assert error.request_id == "r1"


@pytest.mark.parametrize("status", [400, 404, 429, 500])
@pytest.mark.parametrize("code", ['"405230602"', '"405230603"', "405230602"])
def test_a_refused_token_is_known_by_its_code(status: int, code: str) -> None:
    """With any status, but not of a request that carries no token."""
    body = b'{"resCode":%b}' % code.encode()

    assert type(build_error(CALLS.create(NEW), status, {}, body)) is AuthError
    if status == 500:
        assert type(build_error(SIGN_IN, status, {}, body)) is ServerError


@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_credentials_are_an_auth_error(status: int) -> None:
    """A sign-in is refused with 400 too, in words of its own."""
    body = b'{"error":"invalid_client","error_description":"who is that"}'

    error = build_error(SIGN_IN, status, {}, body)

    assert type(error) is AuthError
    assert (error.code, error.message) == ("invalid_client", "who is that")
    assert str(error) == (
        f"token: HTTP {status}, resCode invalid_client: who is that"
        " (an account may be bound to a range of IP addresses)"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"Message":"The request is invalid."}', "The request is invalid."),
        (
            b'{"Message":"Invalid.","ModelState":{"c.ServiceId":["hush"],"c.Notes":["hush"]}}',
            "Invalid. (c.ServiceId, c.Notes)",
        ),
        (b'{"Message":"Invalid.","ModelState":["odd"]}', "Invalid."),
    ],
)
def test_q_flow_names_the_wrong_fields(body: bytes, message: str) -> None:
    """The fields' names are told, the texts about them may quote values."""
    error = build_error(enqueue(CaseEnqueue(service_id=1), WIRE), 400, {}, body)

    assert (type(error), error.code, error.message) == (ApiError, None, message)
    assert str(error) == f"enqueue: HTTP 400: {message}"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>502</html>", b"\xff", b"null", b"5", b'"text"', b"[]", b"{}", b"[" * 99_999],
    ids=lambda body: repr(body[:8]),
)
def test_a_body_of_another_kind_leaves_the_status(body: bytes) -> None:
    """A gateway's page is not quoted."""
    error = build_error(CALLS.create(NEW), 502, {}, body)

    assert type(error) is ServerError
    assert (error.code, error.message, error.request_id) == (None, "", None)
    assert str(error) == "create: HTTP 502"


@given(st.dictionaries(st.sampled_from(["resCode", "resMsg", "error", "ModelState"]), json_values))
def test_any_error_body_makes_an_error(value: dict[str, Any]) -> None:
    """Odd types in an error's body do not hide the error, nor swell it."""
    error = build_error(CALLS.create(NEW), 500, {}, msgspec.json.encode(value))

    assert type(error) in {ServerError, AuthError}
    assert len(error.message) <= 500


# The form encoding of Q-Flow


def test_a_form_is_what_asp_net_binds(sample: Sample) -> None:
    """Flat names and values; the dictionary is numbered pairs."""
    case = WIRE.load(CaseEnqueue, sample("003_enqueue_request"))

    request = enqueue(case, WIRE, form=True)

    printed = sample("003_enqueue_request")
    pairs = printed.pop("CustomProperties")
    wanted = {name: str(value) for name, value in printed.items()} | {"AutoClose": "true"}
    for i, (key, value) in enumerate(pairs.items()):
        wanted[f"CustomProperties[{i}].Key"] = key
        wanted[f"CustomProperties[{i}].Value"] = value
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == wanted
    assert (request.content_type, request.repeatable) == (FORM, False)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), st.text(max_size=9))
def test_any_text_survives_a_form(properties: dict[str, str], subject: str) -> None:
    """Separators, spaces, Chinese and empty texts arrive as they were."""
    case = CaseEnqueue(service_id=2, subject=subject, custom_properties=properties)

    body = enqueue(case, WIRE, form=True).body

    pairs = dict(parse_qsl(body.decode(), keep_blank_values=True))
    numbers = range(len(properties))
    assert pairs["Subject"] == subject
    assert {
        pairs[f"CustomProperties[{i}].Key"]: pairs[f"CustomProperties[{i}].Value"] for i in numbers
    } == properties
    assert len(pairs) == 2 + 2 * len(properties)


def test_a_form_has_no_word_for_null_or_lists() -> None:
    """Null is left out, and what can't be flattened is refused by name."""
    null = CaseEnqueue(service_id=2, extra={"A": None, "B": 1.5, "C": False, "D": {"k": 1}})

    body = enqueue(null, WIRE, form=True).body.decode()

    assert dict(parse_qsl(body)) == {
        "ServiceId": "2",
        "B": "1.5",
        "C": "false",
        "D[0].Key": "k",
        "D[0].Value": "1",
    }
    wanted = r"^extra must hold strings and numbers to be sent as a form, got \w+ as 'A'$"
    for value in ([1], {"k": [1]}, {"k": None}):
        with pytest.raises(ConfigError, match=wanted):
            enqueue(CaseEnqueue(service_id=2, extra={"A": value}), WIRE, form=True)


def test_an_enqueue_needs_a_case_id() -> None:
    """An answer without the one thing that is needed is refused."""
    decode: Callable[[bytes], EnqueuedCase] = enqueue(CaseEnqueue(service_id=2), WIRE).decode

    assert decode(b'{"CaseId":7}').case_id == 7
    with pytest.raises(DecodeError, match=r"^must be present @ \$\.CaseId$"):
        decode(b'{"ServiceId":2}')


# Over a socket


async def test_raw_and_typed_rows_of_a_tenant_agree(aicc: AICCClient) -> None:
    """The same cases, whether read as records or as bytes."""
    typed = [case.id async for case in aicc.iter_cases()]
    raw = [bytes(row) async for batch in raw_batches(aicc) for _, row in batch.rows]

    assert [json.loads(row)["id"] for row in raw] == typed
    assert len(typed) == 300
    assert {type(row) for row in raw} == {bytes}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.BUSINESS_ERROR, ApiError),
        (Fault.REDIRECT, ApiError),
        (Fault.HTML_200, DecodeError),
        (Fault.BAD_TYPE, DecodeError),
    ],
)
async def test_a_fault_of_the_tenant_has_its_class(
    tenant: Emulator, aicc: AICCClient, fault: Fault, kind: type[Exception]
) -> None:
    """What the service does wrong arrives as the error that says so."""
    tenant.fail("list", fault, times=None)

    with pytest.raises(kind) as caught:
        await aicc.list_cases()

    assert type(caught.value) is kind
