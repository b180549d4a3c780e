"""Answers that are nearly JSON: every way of reading takes them, and all ways agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async import Case, CaseQuery, CaseTypeQuery, DecodeError, Dialect, NewCase, TaskQuery
from aicc_async._listing.pages import Page
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter, dumps
from aicc_async._protocol.envelope import MAX_TOTAL
from aicc_async._protocol.lenient import exact_number, normalize, read_json
from aicc_async._protocol.raw import dated_page, raw_detail, raw_page
from aicc_async.errors import AICCError

PROTOCOL = CaseProtocol(RecordConverter(ZoneInfo("UTC")), Dialect())
NEW = NewCase(title="t", description="d", type="y", contact_id="c", creator_id="u")
LONG = "7" * 4301
# A value as the service wrote it, and what is read of it.
ODD_VALUES = [
    (rb'"thanks \ud83d"', "thanks \ufffd"),
    (rb'"\udc00\ud83d\ude00\\ud83d"', "\ufffd\U0001f600\\ud83d"),
    (rb'"\ud83d\u0041"', "\ufffdA"),
    (b'"a\tb\nc\r\nd\x01"', "a\tb\nc\r\nd\x01"),
    (b"1e400", Decimal("1e400")),
    (b"-1e400", Decimal("-1e400")),
    (b"1e99999999999999999999", "1e99999999999999999999"),
    (LONG.encode(), Decimal(LONG)),
    (b"-" + LONG.encode(), Decimal(f"-{LONG}")),
]


def page(row: bytes, *, count: bytes = b"2", more: bytes = b"", end: bytes = b"") -> bytes:
    """Write a page of two rows, of which the first is the plain one."""
    return b'{"resCode":"0"%b,"result":[{"caseList":[{"id":"a"},%b],"count":%b}]%b}' % (
        *(more, row, count),
        end,
    )


def typed(body: bytes) -> Page[Case]:
    """Read a page as a client does that has seen no other."""
    protocol = CaseProtocol(RecordConverter(ZoneInfo("UTC")), Dialect())
    return protocol.cases(CaseQuery()).decode(body)


WAYS: list[Callable[[bytes], Page[Any]]] = [typed, raw_page, dated_page]


@pytest.mark.parametrize(("written", "read"), ODD_VALUES, ids=range(len(ODD_VALUES)))
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_a_row_with_an_odd_value_comes(written: bytes, read: object, bom: bytes) -> None:
    """In both formats; a line of the raw one is JSON for everybody, and has no line end."""
    body = bom + page(b'{"id":"b","x":%b}' % written)

    assert typed(body).rows[1].extra == {"x": read}
    assert [found.ids for found in (raw_page(body), dated_page(body))] == [["a", "b"]] * 2
    line = raw_page(body).rows[1]
    assert read_json(line) == {"id": "b", "x": read}
    assert b"\n" not in line
    assert b"\r" not in line


@pytest.mark.parametrize(("written", "read"), ODD_VALUES, ids=range(len(ODD_VALUES)))
def test_other_answers_with_an_odd_value_come(written: bytes, read: object) -> None:
    """A create's message, a detail's field, a task's: none of them hides an answer."""
    created = b'{"resCode":"0","resMsg":%b,"result":{"caseId":"i"}}' % written
    assert PROTOCOL.create(NEW).decode(created) == "i"
    answer = b'{"resCode":"0","result":[{"caseInfo":{"id":"i","x":%b}}]}' % written
    assert PROTOCOL.detail("i").decode(answer).case.extra == {"x": read}
    assert read_json(bytes(raw_detail(answer)["caseInfo"])) == {"id": "i", "x": read}
    tasks = b'{"resCode":"0","result":[{"id":"i","x":%b}]}' % written
    assert PROTOCOL.tasks(TaskQuery()).decode(tasks).rows[0].extra == {"x": read}


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(
    "body",
    [
        page(b'{"id":"b"}', more=b',"resMsg":"\xff"'),
        page(b'{"id":"b"}', more=b',"odd":"\xff"'),
        page(b'{"id":"b"}', end=b',"odd":["\xff"]'),
        page(b'{"id":"b"}', count=b'2,"odd":"\xff"'),
        page(b'{"id":"b","title":"\xff"}'),
    ],
    ids=["message", "before", "behind", "beside the total", "title"],
)
def test_all_ways_refuse_bytes_that_are_not_utf8(
    read: Callable[[bytes], Page[Any]], body: bytes
) -> None:
    """Wherever they are, also where nobody looks."""
    with pytest.raises(DecodeError, match=r" @ \$$"):
        read(body)
    assert read(body.replace(b"\xff", "工".encode())).ids == ["a", "b"]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("count", [b"-1", b"-5", b"%d" % (MAX_TOTAL + 1), LONG.encode()])
def test_what_is_not_a_total_is_refused(read: Callable[[bytes], Page[Any]], count: bytes) -> None:
    """Negative, or more than any database holds: it is no count of rows."""
    with pytest.raises(DecodeError, match=r"^must .* @ \$"):
        read(page(b'{"id":"b"}', count=count))
    answer = b'{"resCode":"0","result":{"%b":[],"count":%b}}'
    with pytest.raises(DecodeError, match="total"):
        PROTOCOL.tasks(TaskQuery()).decode(answer % (b"tasks", count))
    with pytest.raises(DecodeError, match="total"):
        PROTOCOL.case_types(CaseTypeQuery()).decode(answer % (b"caseTypes", count))


@pytest.mark.parametrize("read", WAYS)
def test_a_key_that_comes_twice_counts_once(read: Callable[[bytes], Page[Any]]) -> None:
    """The last one counts, whatever the first one is."""
    assert read(page(b'{"id":"b"}', more=b',"result":null')).ids == ["a", "b"]
    with pytest.raises(DecodeError):
        read(page(b'{"id":"b"}', end=b',"result":null'))


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=9))
def test_json_stays_as_it_is(value: object) -> None:
    """What strict parsers take is not changed, in either way of writing text."""
    for body in (dumps(value), json.dumps(value).encode()):
        assert normalize(body) == body


@given(st.text(st.characters(codec=None, max_codepoint=0x10FFFF), max_size=20))
@example("\ud83d\ude00")
@example("\\\ud83d")
def test_only_half_pairs_are_replaced(text: str) -> None:
    """Whatever stands around them, escaped or not."""
    halves = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert read_json(json.dumps(text).encode()) == halves


alphabet = [b'"', b"\\", b"\\ud83d", b"\n", b"[", b"]", b"{", b"}", b":", b",", b"0", b"1e999"]
alphabet += [b'"id":"a"', b'"count":', b"null", b"-", b".", b"9" * 4301, b"\xff", b"\xef\xbb\xbf"]


@given(st.lists(st.sampled_from(alphabet), max_size=12).map(b"".join))
def test_any_pieces_are_a_page_or_our_error(body: bytes) -> None:
    """No error of a library leaves any way of reading."""
    for read in (*WAYS, raw_detail, read_json):
        for whole in (body, page(body), page(b'{"id":"b","x":%b}' % body), page(b"", end=body)):
            with suppress(AICCError):
                read(whole)


def test_a_body_of_quotes_is_read_in_one_pass() -> None:
    """A megabyte of garbage would take hours if each quote were looked at as a beginning."""
    for body in (b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b"9" * 1_000_000 + b"."):
        with pytest.raises(DecodeError):
            read_json(body)


def test_a_number_keeps_its_digits() -> None:
    """Unless its exponent is beyond what decimal numbers have."""
    assert str(exact_number("1.10")) == "1.10"
    assert exact_number("1e-99999999999999999999") == "1e-99999999999999999999"
