"""Cases as record batches, without a file between."""

from __future__ import annotations

import sys
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.exports import QUARTER, SINCE, UNTIL, read_parquet
from helpers.tenants import pair

from aicc_async import CaseQuery, ConfigError, ExportError, export_cases
from aicc_async.emulator import Emulator
from aicc_async.export.record_batches import ROWS_PER_BATCH

pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")


async def test_batches_are_what_a_parquet_export_has(tmp_path: Path) -> None:
    """Rows, order, columns and zone are those of the file, in batches of bounded size."""
    target = tmp_path / "cases.parquet"
    async with pair(cases=4400, since=SINCE, until=UNTIL) as (tenant, aicc):
        tenant.insert(createdDate=str(SINCE), AICC__level__CST={"a": 1})
        await export_cases(aicc, QUARTER, target)
        batches = [batch async for batch in aicc.iter_batches(QUARTER)]
    assert len(batches) == 3
    assert all(batch.num_rows <= ROWS_PER_BATCH + 100 for batch in batches)
    table = pa.Table.from_batches(batches)
    assert table.schema.equals(pq.read_schema(target))
    assert table.to_pylist() == read_parquet(target)
    assert table.num_rows == 4401


async def test_nothing_is_a_batch_without_rows() -> None:
    """Where no case matches, its columns are there all the same."""
    async with pair(cases=3, since=SINCE, until=UNTIL) as (_, aicc):
        [empty] = [batch async for batch in aicc.iter_batches(CaseQuery(title="no such title"))]
        [full] = [batch async for batch in aicc.iter_batches(QUARTER)]
    assert (empty.num_rows, full.num_rows) == (0, 3)
    assert empty.schema.equals(full.schema)


async def test_rows_that_never_agree_end_in_an_error() -> None:
    """A window that is never as announced is an ExportError, or a warning on request."""

    def insert(tenant: Emulator, _page: int) -> None:
        tenant.insert(createdDate=str(SINCE))

    january = CaseQuery(start_time=SINCE, end_time=SINCE + timedelta(days=20))
    async with pair(cases=900, since=SINCE, until=UNTIL) as (tenant, aicc):
        tenant.on_page(insert)
        with pytest.raises(ExportError, match="2024-12-31 23:59:59 to"):
            _ = [batch async for batch in aicc.iter_batches(january)]
        with pytest.warns(RuntimeWarning, match="rows may be missing"):
            found = [batch async for batch in aicc.iter_batches(january, strict=False)]
    ids = [row_id for batch in found for row_id in batch["id"].to_pylist()]
    assert len(ids) == len(set(ids)) > 150


async def test_an_odd_value_moves_to_extra_with_a_warning() -> None:
    """The schema stays: the column is null, and the warning names the field."""
    async with pair(cases=0) as (tenant, aicc):
        tenant.insert(createdDate=str(SINCE), isUpgraded="yes")
        with pytest.warns(RuntimeWarning, match="iter_batches: values .* isUpgraded in 1 rows"):
            [batch] = [batch async for batch in aicc.iter_batches(QUARTER)]
    [row] = batch.to_pylist()
    assert row["is_upgraded"] is None
    assert dict(row["extra"])["isUpgraded"] == "yes"


async def test_what_cannot_be_read_is_an_error_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A range that is none, and a missing extra, are told before anything is sent."""
    async with pair(cases=3) as (tenant, aicc):
        with pytest.raises(ConfigError, match="end_time"):
            aicc.iter_batches(CaseQuery(start_time=UNTIL, end_time=SINCE))
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigError, match=r"aicc-async\[parquet\]"):
            aicc.iter_batches(QUARTER)
        assert not tenant.requests


async def test_leaving_early_ends_the_reading() -> None:
    """Who breaks out under aclosing gets no further page, but for those under way."""
    async with pair(cases=9000, since=SINCE, until=UNTIL) as (tenant, aicc):
        async with aclosing(aicc.iter_batches(QUARTER)) as batches:
            async for _ in batches:
                break
        assert len(tenant.requests) < 60
