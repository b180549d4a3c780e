"""Cases as a stream: what is listed from one time up to another, settled for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from pyspark.sql.datasource import DataSourceStreamReader, InputPartition

from ..._api import CaseApi
from ..._listing.zones import shown_from
from ...errors import ConfigError
from ...export.plan import plan_windows
from .loop import stepped
from .options import Source
from .plan import Part, counted, plan_range
from .rows import record_batches

try:
    from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow
except ModuleNotFoundError:  # before Spark 4.2
    SupportsTriggerAvailableNow = object  # type: ignore[assignment, misc]

Offset = dict[str, Any]  # time: all before it was read (wall-clock); goes_on: something was


class CaseStream(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads cases by the time that the list filters them by, which is likely their creation.

    An offset is a time: all before it is read. It stays ``settle`` behind the clock, so that what
    the list shows late comes too, and never goes back. Where clocks are put back it waits until no
    time comes again.
    """

    def __init__(self, source: Source) -> None:
        if source.query.end_time is not None:
            raise ConfigError("until: a stream has no end; leave it out")
        self._source = source
        self._target = datetime.max  # noqa: DTZ901  (wall-clock time: how far to go)

    def initialOffset(self) -> Offset:  # noqa: N802  (Spark's name, as all here)
        """Begin at ``since``; without it with what is new from now on."""
        return asyncio.run(self._initial())

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Go as far as is settled now, and no further."""
        self._target = datetime.fromisoformat(self.latestOffset()["time"])

    def latestOffset(self, start: Offset | None = None, limit: object = None) -> Offset:  # noqa: N802
        """Tell how far a batch goes: as far as is settled, and no further than its bounds allow.

        Before Spark 4.2 no start is told: then all that is settled is one batch.
        """
        bounded = type(limit).__name__ != "ReadAllAvailable"
        return asyncio.run(self._latest(start, bounded=bounded))

    def getDefaultReadLimit(self) -> Any:  # noqa: N802
        """Ask for ``max_rows`` in a batch (Spark from 4.2 on)."""
        from pyspark.sql.streaming.datasource import ReadMaxRows  # noqa: PLC0415  (not in 4.0)

        return ReadMaxRows(self._source.max_rows)

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        """Cut a batch into parts; the same rows again when Spark begins it anew."""
        if start["time"] >= end["time"]:
            return []
        return [InputPartition(part) for part in asyncio.run(self._parts(start, end))]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Read one part as record batches, on an executor."""
        part: Part = partition.value
        return stepped(record_batches(self._source, part))

    async def _initial(self) -> Offset:
        async with self._source.client() as aicc:
            api = aicc.api
            return self._offset(self._begin(api.zone) or self._settled(api.zone), api)

    async def _latest(self, start: Offset | None, *, bounded: bool) -> Offset:
        async with self._source.client() as aicc:
            api = aicc.api
            end = min(self._settled(api.zone), self._target)
            if start is None:
                return self._offset(end, api)
            begun = datetime.fromisoformat(start["time"])
            if end <= begun:
                return start
            return self._offset(await self._bounded(api, begun, end) if bounded else end, api)

    async def _bounded(self, api: CaseApi, start: datetime, end: datetime) -> datetime:
        """Tell the latest time up to which there are not too many days and rows."""
        days, most = timedelta(days=self._source.max_days), self._source.max_rows
        windows = api.split(start, min(end, start + days))
        count = counted(api, self._source.query)
        planned = await plan_windows(windows, count, api.zone, max_rows=most, span=api.span)
        fitting = sum(rows <= most for rows in accumulate(piece.count for piece in planned))
        return planned[max(fitting, 1) - 1].window.end or end

    async def _parts(self, start: Offset, end: Offset) -> list[Part]:
        first, last = (datetime.fromisoformat(each["time"]) for each in (start, end))
        async with self._source.client() as aicc:
            api = aicc.api
            return await plan_range(api, self._source.query, first, last, goes_on=start["goes_on"])

    def _offset(self, time: datetime, api: CaseApi) -> Offset:
        begin = self._begin(api.zone)
        return {"time": time.isoformat(), "goes_on": begin is None or time > begin}

    def _begin(self, zone: ZoneInfo) -> datetime | None:
        since = self._source.query.start_time
        return since and shown_from(since, zone)

    def _settled(self, zone: ZoneInfo) -> datetime:
        found = shown_from(datetime.now(UTC) - self._source.settle, zone)
        return max(found, self._begin(zone) or found)
