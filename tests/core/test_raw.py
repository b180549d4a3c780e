"""A case's detail as bytes: split into parts, spliced into rows, or there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCError,
    ApiError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
)
from aicc_async._protocol.raw import RawParts, raw_detail
from aicc_async.export.details import splice_parts, with_details

Row = dict[str, Any]


def refusing(error: AICCError) -> Callable[[str], Any]:
    """Make a reader of details that knows no case."""

    async def read(_: str) -> RawParts:
        raise error

    return read


async def all_of(rows: Iterable[tuple[str, bytes]], read: Any) -> list[tuple[bytes, bool]]:
    """Read details until the end."""
    return [each async for each in with_details(rows, read, concurrency=2)]


@pytest.mark.parametrize(
    "error",
    [ApiError("gone", status=200, code="405230404"), NotFoundError("gone", status=404)],
    ids=["code", "404"],
)
async def test_an_unknown_case_is_no_error(error: ApiError) -> None:
    """What is documented nowhere comes as a code, or as HTTP 404."""
    assert await all_of([("a", b'{"id":"a"}')], refusing(error)) == [(b'{"id":"a"}', False)]


@pytest.mark.parametrize(
    "error",
    [
        AuthError("token", status=200, code="405230602"),
        AuthError("rights", status=403),
        ApiError("malformed", status=400),
        RateLimitError("haste", status=429),
        ServerError("down", status=503),
        TransportError("cut"),
        DecodeError("odd @ $"),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'status', '')}",
)
async def test_any_other_refusal_is_an_error(error: AICCError) -> None:
    """It is never taken for a case that is gone."""
    with pytest.raises(type(error)) as caught:
        await all_of([("a", b'{"id":"a"}')], refusing(error))
    assert caught.value is error


@pytest.mark.parametrize("result", [b"[]", b"[{}]", b"{}", b"null"])
def test_an_empty_result_has_no_parts(result: bytes) -> None:
    """A service that tells nothing knows no such case."""
    assert raw_detail(b'{"resCode":"0","resMsg":"","result":%b}' % result) == {}
    assert raw_detail(b'{"resCode":"0"}') == {}


@pytest.mark.parametrize("wrap", [b"[%b]", b"%b"], ids=["array", "object"])
def test_a_detail_comes_wrapped_or_not(wrap: bytes) -> None:
    """Both are taken, as everywhere."""
    body = b'{"resCode":"0","result":' + wrap % b'{"caseInfo":{"id":"a"},"tasks":[]}' + b"}"
    assert {name: bytes(raw) for name, raw in raw_detail(body).items()} == {
        "caseInfo": b'{"id":"a"}',
        "tasks": b"[]",
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", r"@ \$"),
        (b"<html>", r"@ \$"),
        (b'{"resCode":"0","result":[{},{}]}', r"@ \$\.result"),
        (b'{"resCode":"0","result":"text"}', r"@ \$\.result"),
        (
            b'{"resCode":"0","result":[{"caseInfo":"\xff"}]}',
            r"^must be UTF-8, got another byte at 38 @ \$$",
        ),
        (b'{"result":[]}', r"@ \$"),
    ],
    ids=["empty", "page", "two", "text", "bytes", "no code"],
)
def test_what_is_no_detail_is_an_error(body: bytes, path: str) -> None:
    """The error says where it is wrong."""
    with pytest.raises(DecodeError, match=path):
        raw_detail(body)


def test_a_code_is_the_service_s_refusal() -> None:
    """Whatever stands in the result beside it."""
    with pytest.raises(ApiError, match="resCode 7: no") as caught:
        raw_detail(b'{"resCode":"7","resMsg":"no","result":"text"}')
    assert (caught.value.status, caught.value.code) == (200, "7")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(st.text(), values, max_size=5)


@given(objects, objects)
def test_a_row_keeps_its_own_fields(row: Row, parts: Row) -> None:
    """A spliced row is one line of JSON: the row's fields, then the others, no name twice."""
    row = {"id": "a"} | row
    line = splice_parts(
        msgspec.json.encode(row),
        raw_detail(msgspec.json.encode({"resCode": "0", "result": [parts]})),
    )
    pairs = json.loads(line, object_pairs_hook=lambda found: found)
    assert [name for name, _ in pairs] == list(row | parts)
    assert json.loads(line) == parts | row
    assert b"\n" not in line


@pytest.mark.parametrize("row", [b"[]", b'{"\\ud800":1}'], ids=["array", "half a sign"])
def test_a_row_that_takes_no_parts_is_an_error(row: bytes) -> None:
    """One of ours, without the row in it."""
    with pytest.raises(DecodeError, match=r"^must be an object @ \$$"):
        splice_parts(row, {"tasks": msgspec.Raw(b"[]")})
