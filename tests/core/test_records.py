"""The quick reader of a detail: what it makes and refuses is what the slow one does."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cattrs.errors import BaseValidationError
from hypothesis import given
from hypothesis import strategies as st

from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.hooks import build_converter
from aicc_async._protocol.records import MISFITS, record_reader
from aicc_async.errors import DecodeError
from aicc_async.models import CaseDetail

ZONE = ZoneInfo("Asia/Shanghai")
WIRE = RecordConverter(ZONE)
SLOW = build_converter(ZONE)
SAMPLE = Path(__file__).parent.parent / "samples" / "004_detail_response.json"
odd_values = st.sampled_from(
    [None, "", "x", 5, 1.5, True, [], [None], {}, {"id": "1"}, {"customerInfo": None}, [{"a": 1}]]
)
times = st.sampled_from(["2025-01-01 08:00:00", "2025-01-01T08:00:00.5", "2025-01-01", "soon"])


def read_fast(value: Any) -> CaseDetail | None:
    """Return what the quick reader makes; None for what it leaves to the slow one."""
    try:
        detail: CaseDetail = record_reader(CaseDetail, ZONE)(value)
    except MISFITS:
        return None
    return detail


def test_the_sample_is_read_fast() -> None:
    """Document 004's sample is read as the slow reader does, and stays as it was."""
    [value] = json.loads(SAMPLE.read_bytes())["result"]
    before = copy.deepcopy(value)

    assert read_fast(value) == SLOW.structure(value, CaseDetail)
    assert value == before


@given(st.data())
def test_odd_values_are_read_alike(data: st.DataObject) -> None:
    """Whatever lies anywhere in it: the same detail, or the same misfit named by its path."""
    [value] = json.loads(SAMPLE.read_bytes())["result"]
    for _ in range(data.draw(st.integers(1, 2))):
        place = value
        while inner := [each for each in place.values() if isinstance(each, dict)]:
            if data.draw(st.booleans()):
                break
            place = data.draw(st.sampled_from(inner))
        key = data.draw(st.sampled_from([*place, "tasks", "caseTrace", "more"]))
        # A copy: the second round may write into it.
        place[key] = copy.deepcopy(data.draw(odd_values | times))
    fast = read_fast(value)
    slow = refusal = None
    try:
        slow = SLOW.structure(value, CaseDetail)
    except (BaseValidationError, TypeError) as error:
        refusal = error

    assert fast is None or fast == slow
    if refusal is None:
        assert WIRE.load(CaseDetail, value) == slow
    else:
        with pytest.raises(DecodeError, match=r" @ \$\."):
            WIRE.load(CaseDetail, value)
