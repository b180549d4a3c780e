"""Cases as a stream: what is listed from one time up to another, settled for a while.

An offset is a time: all before it is read. It stays ``settle`` behind the clock, so that what the
list shows late comes too, and never goes back. Where clocks are put back it waits until no time
comes again. What it can't see: cases that the list shows later than ``settle``, and changes of
cases that were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pyspark.sql.datasource import DataSourceStreamReader, InputPartition

from ..._api import CaseApi
from ..._listing.zones import shown_from
from ...errors import ConfigError
from .loop import iterate
from .options import Source
from .plan import Part, batch_end, plan_range
from .rows import record_batches

try:
    from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow
except ModuleNotFoundError:
    # Spark 4.2 added it, with read limits: https://issues.apache.org/jira/browse/SPARK-55304
    SupportsTriggerAvailableNow = object  # type: ignore[assignment, misc]

# ``time``: all before it was read (wall-clock). ``goes_on``: something was read before it. Spark
# writes it into the checkpoint of the query.
Offset = dict[str, Any]


class CaseStream(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads cases by the time that the list filters them by, which is likely their creation."""

    def __init__(self, source: Source) -> None:
        if source.query.end_time is not None:
            raise ConfigError("until must not be set for a stream, which has no end")
        self._source = source
        # Wall-clock time: how far to go.
        self._target = datetime.max  # noqa: DTZ901  (no zone has it)

    def initialOffset(self) -> Offset:  # noqa: N802  (Spark's name, as all here)
        """Return ``since``; without it a stream begins with what is new from now on."""

        async def begin(api: CaseApi) -> Offset:
            return self._offset(self._since(api.zone) or self._settled(api.zone), api.zone)

        return self._source.run(begin)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Go as far as is settled now, and no further."""
        self._target = datetime.fromisoformat(self.latestOffset()["time"])

    def latestOffset(self, start: Offset | None = None, limit: object = None) -> Offset:  # noqa: N802
        """Return how far a batch goes: as far as is settled, and as its bounds allow.

        Before Spark 4.2 there is no ``start``: then all that is settled is one batch.
        """
        # By name: pyspark has the class from 4.2 on. Spark may ask for all whatever our default is.
        is_bounded = type(limit).__name__ != "ReadAllAvailable"

        async def latest(api: CaseApi) -> Offset:
            source, end = self._source, min(self._settled(api.zone), self._target)
            if start is None:
                return self._offset(end, api.zone)
            begun = datetime.fromisoformat(start["time"])
            if end <= begun:
                return start
            if is_bounded:
                bounds = {"max_days": source.max_days, "max_rows": source.max_rows}
                end = await batch_end(api, source.query, begun, end, **bounds)
            return self._offset(end, api.zone)

        return self._source.run(latest)

    def getDefaultReadLimit(self) -> Any:  # noqa: N802
        """Return ``max_rows`` as a batch's limit (Spark from 4.2 on)."""
        from pyspark.sql.streaming.datasource import ReadMaxRows  # noqa: PLC0415  (not in 4.0)

        return ReadMaxRows(self._source.max_rows)

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        """Cut a batch into parts; the same rows again when Spark begins it anew."""
        if start["time"] >= end["time"]:
            return []

        async def plan(api: CaseApi) -> list[Part]:
            first, last = (datetime.fromisoformat(offset["time"]) for offset in (start, end))
            return await plan_range(
                api,
                self._source.query,
                first,
                last,
                goes_on=start["goes_on"],
                rows_per_task=self._source.rows_per_task,
            )

        return [InputPartition(part) for part in self._source.plan(plan)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Read one part as record batches, on an executor."""
        part: Part = partition.value
        return iterate(record_batches(self._source, part))

    def _offset(self, time: datetime, zone: ZoneInfo) -> Offset:
        since = self._since(zone)
        return {"time": time.isoformat(), "goes_on": since is None or time > since}

    def _since(self, zone: ZoneInfo) -> datetime | None:
        since = self._source.query.start_time
        return since and shown_from(since, zone)

    def _settled(self, zone: ZoneInfo) -> datetime:
        """Return up to which time cases no longer come late; not before ``since``."""
        settled = shown_from(datetime.now(UTC) - self._source.settle, zone)
        return max(settled, self._since(zone) or settled)
