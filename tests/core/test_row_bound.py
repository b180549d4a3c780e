"""A page with more rows than were asked for: refused, before it fills the memory."""

from __future__ import annotations

import tracemalloc
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aicc_async import CaseQuery, CaseTypeQuery, DecodeError, Dialect, TaskQuery
from aicc_async._listing.windows import Window
from aicc_async._protocol.aicc import CaseProtocol, Listing
from aicc_async._protocol.converter import RecordConverter

PROTOCOL = CaseProtocol(RecordConverter(ZoneInfo("UTC")), Dialect())
LISTINGS: dict[str, Listing[Any]] = {
    "caseList": PROTOCOL.cases(CaseQuery()),
    "caseTypes": PROTOCOL.case_types(CaseTypeQuery()),
    "tasks": PROTOCOL.tasks(TaskQuery()),
}
RAW_LISTINGS = [PROTOCOL.raw_cases(CaseQuery()), PROTOCOL.dated_cases(CaseQuery())]
ROWS = 200_000


def page(name: str, *rows: bytes, end: bytes = b"}]}") -> bytes:
    """Write a page."""
    return b'{"resCode":"0","result":[{"%b":[%b],"count":1%b' % (
        name.encode(),
        b",".join(rows),
        end,
    )


def read(listing: Listing[Any], body: bytes, limit: int = 1) -> list[str]:
    """Read a page for which so many rows were asked."""
    return list(listing.request(Window(), 0, limit).decode(body).ids)


@pytest.mark.parametrize(
    ("name", "listing"),
    [*LISTINGS.items(), *(("caseList", each) for each in RAW_LISTINGS)],
    ids=[*LISTINGS, "raw", "dated"],
)
@pytest.mark.parametrize("end", [b"}]}", b"}]", b',"x":"\x01"}]}'], ids=["whole", "cut", "odd"])
def test_a_huge_page_is_refused_before_it_is_built(
    name: str, listing: Listing[Any], end: bytes
) -> None:
    """As records its rows would take hundreds of megabytes."""
    body = page(name, *[b'{"id":"1"}'] * ROWS, end=end)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=r" @ \$") as caught:
            read(listing, body)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()
    assert end != b"}]}" or str(caught.value).startswith("must have at most 1 rows, as asked for")


def test_rows_without_a_name_are_counted() -> None:
    """A list of tasks may be the result itself."""
    body = b'{"resCode":"0","result":[%b]}'
    with pytest.raises(DecodeError, match=f"at most 1 rows, as asked for, got {ROWS} @"):
        read(LISTINGS["tasks"], body % b",".join([b'{"id":"1"}'] * ROWS))
    assert read(LISTINGS["tasks"], body % b'{"id":"1"},{"id":"2"}', 2) == ["1", "2"]


@pytest.mark.parametrize(("name", "listing"), LISTINGS.items(), ids=LISTINGS)
def test_a_text_may_have_braces(name: str, listing: Listing[Any]) -> None:
    """What is counted in the end are rows."""
    body = page(name, b'{"id":"a","x":"%b"}' % (b"{" * 300_000))
    assert read(listing, body) == ["a"]


@pytest.mark.parametrize(("name", "listing"), LISTINGS.items(), ids=LISTINGS)
def test_one_row_too_many_is_refused(name: str, listing: Listing[Any]) -> None:
    """Also on a small page; as many as were asked for pass."""
    body = page(name, b'{"id":"a"}', b'{"id":"b"}')
    with pytest.raises(DecodeError, match=r"^must have at most 1 rows, as asked for, got 2 @ \$"):
        read(listing, body, 1)
    assert read(listing, body, 2) == ["a", "b"]
