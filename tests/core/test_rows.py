"""Pages from bytes to cases: the fast way, and when it hands over to the slow one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aicc_async import Case, CaseQuery, DecodeError, Dialect
from aicc_async._listing.pages import Page
from aicc_async._listing.paging import Batch
from aicc_async._listing.windows import Window
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter, dumps
from aicc_async._protocol.names import wire_names
from aicc_async._protocol.raw import raw_page
from aicc_async._protocol.rows import MAX_LEARNED_FIELDS, PageReader

SHANGHAI = ZoneInfo("Asia/Shanghai")
PLAIN = dict.fromkeys(wire_names(Case).values()) | {"id": "i"}


def page(*rows: Any) -> bytes:
    """Write a page as the service does."""
    return dumps({"resCode": "0", "result": [{"caseList": list(rows), "count": len(rows)}]})


@pytest.fixture
def reader() -> PageReader:
    """Make a reader that has seen nothing yet."""
    return PageReader(SHANGHAI)


@pytest.fixture
def decode() -> Callable[[bytes], Page[Case]]:
    """Decode pages as one client does, one after the other."""
    return CaseProtocol(RecordConverter(SHANGHAI), Dialect()).cases(CaseQuery()).decode


def test_documented_rows_are_read_fast(reader: PageReader) -> None:
    """Rows without extension fields need nothing to be learned, and times are aware."""
    found = reader.read(page(PLAIN | {"createdDate": "2025-01-02 03:04:05"}, {"id": "j"}))
    assert found is not None
    assert [case.id for case in found[0]] == ["i", "j"]
    assert str(found[0][0].created_date) == "2025-01-02 03:04:05+08:00"
    assert (found[0][1], found[1]) == (Case(id="j"), 2)


@pytest.mark.parametrize("first", ["2025-01-02 03:04:05", ""])
def test_empty_times_are_read_fast(reader: PageReader, first: str) -> None:
    """A service that writes "" for a time that isn't costs no second look, whenever it begins."""
    for text in (first, "", "2025-01-02 03:04:05"):
        found = reader.read(page(PLAIN | {"closedDate": text}))
        assert found is not None
        expected = "2025-01-02 03:04:05+08:00" if text else "None"
        assert str(found[0][0].closed_date) == expected


def test_extension_fields_are_learned(reader: PageReader) -> None:
    """A field that was seen once is read fast ever after; null and missing stay apart."""
    body = page(PLAIN | {"AICC__a__CST": 1, "type.name": ""}, PLAIN | {"AICC__a__CST": None}, PLAIN)
    assert reader.read(body) is None
    reader.learn([Case(id="", extra={"AICC__a__CST": 0, "type.name": ""})])
    found = reader.read(body)
    assert found is not None
    extras = [case.extra for case in found[0]]
    assert extras == [{"AICC__a__CST": 1, "type.name": ""}, {"AICC__a__CST": None}, {}]


def test_a_client_learns_as_it_reads(decode: Callable[[bytes], Page[Case]]) -> None:
    """The first page with a new field and the pages after it give the same cases."""
    body = page(PLAIN | {"AICC__a__CST": {"deep": [1]}}, PLAIN | {"extra": "x", "x'y": 2})
    first, second = decode(body), decode(body)
    assert first == second
    assert [case.extra for case in second.rows] == [
        {"AICC__a__CST": {"deep": [1]}},
        {"extra": "x", "x'y": 2},
    ]


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\nb", "\u2028"])
def test_odd_names_are_read_all_the_same(decode: Callable[[bytes], Page[Case]], key: str) -> None:
    """A name that can't be learned takes the slow way every time, and is not lost."""
    for _ in range(2):
        assert decode(page(PLAIN | {key: 1})).rows[0].extra == {key: 1}


def test_learning_has_an_end(decode: Callable[[bytes], Page[Case]], reader: PageReader) -> None:
    """A service that makes up names fills no memory, and nothing is lost."""
    many = {f"f{i}": i for i in range(MAX_LEARNED_FIELDS + 1)}
    assert decode(page(PLAIN | many)).rows[0].extra == many
    reader.learn([Case(id="", extra=dict(many))])
    assert reader.read(page(PLAIN | many)) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"resCode":"405230099","resMsg":"no"}',
        b'{"resCode":"0"}',
        b'{"resCode":"0","result":[]}',
        b'{"resCode":"0","result":[{"caseList":[],"count":0},{"caseList":[],"count":0}]}',
        b'{"resCode":"0","result":[{"caseList":[{"id":"' + b"[" * 100_000,
        b"",
    ],
)
def test_what_is_no_plain_page_is_left_to_the_slow_way(reader: PageReader, body: bytes) -> None:
    """Errors and oddities are not for the fast way to judge."""
    assert reader.read(body) is None


def test_an_object_for_a_result_is_read_fast(reader: PageReader) -> None:
    """The result may stand in an array or not."""
    found = reader.read(b'{"resCode":0,"result":{"caseList":[{"id":"i"}],"count":7}}')
    assert found == ([Case(id="i")], 7)


def test_a_misfit_is_named_after_learning(decode: Callable[[bytes], Page[Case]]) -> None:
    """A wrong type among fields that are known is refused with its path."""
    decode(page(PLAIN | {"new": 1}))
    with pytest.raises(DecodeError, match=r"@ \$\.result\[0\]\.caseList\[1\]\.title$"):
        decode(page(PLAIN | {"new": 1}, PLAIN | {"title": 5}))


def test_no_row_is_shown(decode: Callable[[bytes], Page[Case]]) -> None:
    """Neither a page nor a batch of raw rows shows what stands in the rows."""
    raw = raw_page(page(PLAIN | {"contactPhone": "0700-5550"}))
    batch = Batch(raw.ids, raw.rows, Window(), 1, 0)
    assert b"0700-5550" in batch.rows[0]
    assert "0700" not in f"{raw} {batch} {decode(page(PLAIN | {'contactPhone': '0700-5550'}))}"
