"""What a watch computes without asking: rows, bounds, pace, shapes, and what comes of a reading."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from aicc_async._listing.windows import Window
from aicc_async._protocol.converter import RecordConverter
from aicc_async.watch.absorb import ListedRow, Outcome
from aicc_async.watch.bounds import (
    cut,
    find_bound,
    find_leaf,
    find_quiet,
    is_in,
    is_quiet,
    span_of,
    split,
    subtract,
    window_of,
)
from aicc_async.watch.event import Body, CaseEvent, read_event
from aicc_async.watch.meta import Meta, write_meta
from aicc_async.watch.pace import pages_due, rounds_per_period
from aicc_async.watch.rows import (
    digest_of,
    drop_nulls,
    find_differences,
    load_case,
    pack,
    parse_date,
    read_row,
    shape_of,
    to_seconds,
    to_time,
    unpack,
    value_of,
)
from aicc_async.watch.shape import Shape, find_gone_fields, find_new_fields
from aicc_async.watch.state import KnownCase

NAMES = st.sampled_from(["title", "priority", "closedDate", "AICC__a__CST", "b", "ü"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
ROWS = st.dictionaries(NAMES, VALUES, max_size=6).map(lambda row: {"id": "i1", **row})
SECONDS = st.lists(st.integers(100, 400), max_size=60).map(sorted)
CONVERTER = RecordConverter(ZoneInfo("Asia/Shanghai"))


async def ignore(_: Any) -> None:
    """Acknowledge nothing."""


@define
class KnownSeconds:
    """What bounds ask of a state."""

    created: list[int]

    async def count(self, begin: int, end: int) -> int:
        """Count cases."""
        return sum(begin <= each < end for each in self.created)

    async def seconds(self, begin: int, end: int, *, limit: int) -> list[int]:
        """Return when the first of them were created."""
        return [each for each in self.created if begin <= each < end][:limit]


@given(ROWS, st.integers(0, 0xFFFF))
def test_rows_come_out_as_they_were_packed(row: dict[str, Any], shape: int) -> None:
    """Whole, with the shape that they were seen in."""
    packed = pack(drop_nulls(row), shape)
    assert unpack(packed) == drop_nulls(row)
    assert shape_of(packed) == shape


@given(ROWS, ROWS)
def test_digests_differ_where_rows_do(first: dict[str, Any], second: dict[str, Any]) -> None:
    """And only there: null is as good as absent, and the order of fields is none."""
    one, two = drop_nulls(first), drop_nulls(second)
    is_same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (digest_of(one) == digest_of(two)) == is_same
    assert (find_differences(one, two) == []) == is_same
    shuffled = dict(reversed([*first.items(), ("other", None)]))
    assert digest_of(drop_nulls(shuffled)) == digest_of(one)


def test_what_python_takes_for_equal_differs() -> None:
    """True is not 1, and a number with a point is not one without."""
    assert find_differences({"a": 1, "b": 1}, {"a": True, "b": 1.0}) == ["a", "b"]
    assert drop_nulls({"closedDate": "", "title": ""}) == {"title": ""}


@given(ROWS)
def test_any_row_is_a_case(row: dict[str, Any]) -> None:
    """A value of another type than documented stays in ``extra``, by its wire name."""
    case = load_case(CONVERTER, row)
    for name, value in row.items():
        python_name, found = value_of(case, name)
        assert found == value or isinstance(found, datetime) or not value
        assert python_name in {name, "closed_date"}


def test_rows_are_small() -> None:
    """A row as the documents' sample has it takes some 200 bytes."""
    row = {
        "caseNo": "000000000000000000000000004711",
        "contactId": "ciIy0000013y7cC8T2rA",
        "createdDate": "2025-11-03 09:14:59",
        "creatorId": "10gg00000148PCjKVDAu",
        "id": "c6m8000001qvVJ7XEnHr",
        "isCanced": False,
        "isSuspend": False,
        "isUpgraded": False,
        "ownerId": "10gg00000148PCjKVDAu",
        "ownerType": "user",
        "priority": "Medium",
        "state": "Processing",
        "status": "In progress",
        "title": "Parcel lost",
        "type": "cvmC0000014Oc9jgT7ZI",
        "typeName": "Complaint",
    }
    assert len(json.dumps(row)) > 400
    assert len(pack(row)) < 250


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))  # noqa: DTZ001
def test_seconds_are_times(moment: datetime) -> None:
    """Of the wall clock, without a zone."""
    whole = moment.replace(microsecond=0)
    assert to_time(to_seconds(moment)) == whole
    assert parse_date(str(whole)) == to_seconds(whole)
    assert parse_date("soon") is None
    assert read_row(b'{"id": "a"}') == {"id": "a"}


@given(SECONDS, st.integers(100, 400))
def test_quiet_seconds_have_no_case_beside_them(seconds: list[int], target: int) -> None:
    """And none that is nearer is as quiet."""
    inside = [each for each in seconds if 100 <= each < 400]
    taken = {second for each in inside for second in (each - 1, each, each + 1)}
    quiet = set(range(101, 399)) - taken
    found = find_quiet(inside, target, begin=100, end=400)
    assert (found is None) == (not quiet)
    if found is not None:
        assert found in quiet
        assert abs(found - target) == min(abs(each - target) for each in quiet)


@given(SECONDS, st.integers(1, 20), st.integers(8, 400))
def test_parts_cover_a_span(created: list[int], rows: int, seconds: int) -> None:
    """Without a gap, and with so many cases at most, unless they are as short as it gets."""
    state: Any = KnownSeconds(created)
    parts = asyncio.run(cut(state, (100, 401), rows=rows, seconds=seconds))
    assert [begin for begin, _ in parts] == [100, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == 401
    for begin, end in parts:
        count = asyncio.run(state.count(begin, end))
        assert (count <= rows and end - begin <= seconds) or end - begin < 200


@given(SECONDS, st.integers(1, 20), st.integers(1, 300))
def test_leaves_lead_through_a_span(created: list[int], rows: int, seconds: int) -> None:
    """Each goes on where the one before ended, and holds about so many cases."""
    state: Any = KnownSeconds(created)
    begin = 100
    while begin < 401:
        leaf = asyncio.run(find_leaf(state, begin, 401, rows=rows, span=seconds))
        assert leaf[0] == begin < leaf[1] <= 401
        assert leaf[1] - begin <= seconds
        last = [each for each in created if begin <= each < leaf[1]]
        # Those of its last second come on top.
        assert len(last) <= rows + created.count(leaf[1] - 1)
        begin = leaf[1]


@given(SECONDS, st.integers(101, 400))
def test_bounds_are_quiet_where_a_second_is(created: list[int], target: int) -> None:
    """Else it is the second that was asked for."""
    state: Any = KnownSeconds(created)
    bound = asyncio.run(find_bound(state, target, begin=100, end=401))
    assert bound == target or asyncio.run(is_quiet(state, bound))


@given(st.integers(0, 2**33), st.integers(1, 10**7))
def test_windows_hold_their_span(begin: int, length: int) -> None:
    """Whatever their bounds mean."""
    span = begin, begin + length
    found = span_of(window_of(span))
    assert found[0] <= span[0]
    assert found[1] >= span[1]
    assert span_of(Window()) == (0, 0)


SPANS = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted).map(tuple)


@given(st.lists(SPANS, max_size=4), SPANS, st.integers(1, 9))
def test_spans_are_sets_of_seconds(spans: Any, taken: Any, seconds: int) -> None:
    """What is taken from them is not in them, and all else is."""
    rest = subtract(spans, taken)
    for second in range(51):
        expected = is_in(spans, second) and not is_in([taken], second)
        assert is_in(rest, second) == expected
    parts = split(taken, seconds)
    assert [second for part in parts for second in range(*part)] == list(range(*taken))
    assert all(end - begin <= seconds for begin, end in parts)


@given(st.integers(0, 500), st.integers(1, 300))
def test_all_pages_are_read_in_a_period(pages: int, rounds: int) -> None:
    """Evenly: no round reads more than its share, and the last one leaves none."""
    left, share = pages, -(-pages // rounds)
    for rounds_left in range(rounds, 0, -1):
        due = pages_due(left, rounds_left)
        assert 0 <= due <= share
        left -= due
    assert left <= 0
    assert rounds_per_period(30, 30) == 1
    assert rounds_per_period(30, 3600) == 120


def test_shapes() -> None:
    """A field is new for all rows or for single ones; those of the documents are never new."""
    shape = Shape().add(["title", "a"])
    assert shape.names == {"a"}
    assert find_new_fields(shape, [{"a", "b", "reason"}, {"b", "reason"}], known=2) == ["b"]
    assert find_new_fields(shape, [{"b"}, {"b"}], known=1) == []
    assert find_gone_fields([{"c"}, {"d"}], [{"a", "title"}, {"a", "title"}]) == ["a"]
    assert find_gone_fields([{"c"}, {"a"}], [{"a"}, {"a"}]) == []
    assert find_gone_fields([{"c"}], [{"a"}]) == []
    changed = shape.change(["b"])
    assert changed.number == 1
    assert changed.silent(0) == {"b"}
    assert changed.silent(1) == set()


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_events_lead_from_row_to_row(rows: list[dict[str, Any]]) -> None:
    """Each change is one event with its own id; old values and new ones are those of the rows."""
    meta = Meta(target={}, began=0, covered=0, unproven=[])
    known: dict[str, KnownCase] = {}
    told: list[CaseEvent] = []
    expected = 0
    for number, row in enumerate(rows):
        listed = ListedRow("i1", 5, frozenset(row), drop_nulls(row))
        outcome = Outcome.begin(meta, 0.0)
        outcome.absorb([listed], known)
        is_change = not number or bool(find_differences(drop_nulls(rows[number - 1]), listed.row))
        expected += is_change
        assert len(outcome.events) == is_change
        told += [read_event(body, CONVERTER, ignore) for _, body in outcome.events]
        known |= {each.id: each for each in outcome.known}
        meta = outcome.meta
        assert write_meta(meta)
        assert unpack(known["i1"].row) == listed.row
        if is_change:
            assert told[-1].case == load_case(CONVERTER, listed.row)
    assert len({event.id for event in told}) == expected
    assert [event.kind for event in told] == ["created", *["changed"] * (expected - 1)]


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_was_there_is_known_silently(created: int, began: int, proven: int) -> None:
    """Only before the watch began, and where no verified reading was yet."""
    meta = Meta(target={}, began=began, covered=0, unproven=[(proven, 30)])
    outcome = Outcome.begin(meta, 0.0)
    outcome.absorb([ListedRow("i1", created, frozenset(), {"id": "i1"})], {})
    assert bool(outcome.events) == (created >= began or created < proven)
    assert len(outcome.known) == 1
    # What is older than all that is watched is nothing at all.
    outcome = Outcome.begin(Meta(target={}, began=0, covered=21, unproven=[]), 0.0)
    outcome.absorb([ListedRow("i1", created, frozenset(), {"id": "i1"})], {})
    assert not outcome.events + outcome.known


def test_no_repr_shows_a_row() -> None:
    """A traceback with local variables must not show contact data."""
    row = {"id": "i1", "title": "Ms Secret"}
    listed = ListedRow("i1", 5, frozenset(row), row)
    outcome = Outcome.begin(Meta(target={}, began=0, covered=0, unproven=[]), 0.0)
    outcome.absorb([listed], {})
    body = Body(id="a:b", kind="created", seen_at=0.0, row=row)
    assert "Secret" not in repr([listed, outcome, body])
    assert body.id in repr(body)
