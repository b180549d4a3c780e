"""Cases in Spark: ``spark.read.format("aicc_cases")`` and ``readStream`` (extra ``spark``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ...errors import ConfigError

try:
    from pyspark.sql import SparkSession
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
    from pyspark.sql.types import StructType
except ModuleNotFoundError:
    raise ConfigError("pyspark is missing: pip install 'aicc-async[spark]'") from None

from .filters import is_empty, narrowed
from .loop import stepped
from .options import Source, source_of
from .plan import Part, plan_listing
from .rows import DDL, record_batches
from .stream import CaseStream

NAME = "aicc_cases"
PUSHDOWN = "spark.sql.python.filterPushdown.enabled"  # else Spark 4.1 refuses a source that filters


class AICCCases(DataSource):
    """The cases of a tenant, as the format ``aicc_cases``.

    Columns are those of the Parquet sink; times are instants, which Spark shows in its session's
    zone. A job reads what the options say: ``base_url``, ``timezone``, ``since``, ``until`` (both a
    day or a time; a listing's open end is now, for all tasks), filters by their names as
    ``priority`` or ``contactId``, those by extension fields as a JSON object ``extra``, ``rate``,
    ``concurrency``, ``profile``; what is left out is taken from the driver's ``AICC_*`` variables.

    **Tasks.** The driver counts, and cuts the range into parts of like size. Each is one task, that
    reads with a client of its own and fails when its rows don't agree with what the service
    announces; with ``strict=false`` it warns and takes what there is. A task that is run again
    begins anew, and Spark drops what the failed one brought. Where a case's row changes between two
    tasks that list it, see ``spark_plan``.

    **The quota.** ``rate`` (``10``, or ``600/60``) and ``concurrency`` are those of one task: with
    several at a time, and one after the other, the tenant sees more, and what it refuses with a 429
    is asked again. ``redis_url`` makes the rate that of all tasks, and of all others that share the
    ``budget`` of that name (extra ``redis``), who go before these; ``fallback_processes`` is the
    most that there are at a time.

    **Credentials** are the variables ``AICC_CLIENT_ID`` and ``AICC_CLIENT_SECRET``,
    ``AICC_KEY_FILE`` or ``AICC_ACCESS_TOKEN`` of driver and executors, or options with such names
    (``client_id``, ``client_secret``, ``key_file``, ``access_token``). A key file is read on each
    machine. Options travel with the tasks, but show in no plan and no event log.

    **Filters** on ``priority``, ``origin``, ``owner_id`` and other texts, and on ``created_date``,
    narrow what is asked for (Spark from 4.1 on); Spark filters again. A profile whose
    ``date_field`` is another date keeps ``created_date`` out of that.

    **A stream** reads each case once, by time: from ``since``, or from now on, up to ``settle``
    (``5m``) before now, at most ``max_days`` (31) and ``max_rows`` (100000) in a batch; before
    Spark 4.2 all that is settled is one batch. More rows than that may share two seconds, and come
    together all the same. What shows in the list later than ``settle`` is missed. Each batch costs
    a few requests, with nothing new too: use a trigger of a minute or more.

    Raises ConfigError for options that can't be right, on the driver.
    """

    @classmethod
    def name(cls) -> str:
        """Tell the format's name."""
        return NAME

    def schema(self) -> str:
        """Tell the columns, the same whatever there is."""
        return DDL

    def reader(self, schema: StructType) -> CaseReader:  # noqa: ARG002  (Spark's signature)
        """Read a range once."""
        return CaseReader(source_of(self.options))

    def streamReader(self, schema: StructType) -> CaseStream:  # noqa: ARG002, N802
        """Read what comes."""
        return CaseStream(source_of(self.options))


class CaseReader(DataSourceReader):
    """Plans on the driver, reads on the executors."""

    def __init__(self, source: Source) -> None:
        self._source: Source | None = source

    def pushFilters(self, filters: list[Any]) -> list[Any]:  # noqa: N802
        """Narrow the query; all filters go back to Spark, which makes sure of them."""
        if self._source is not None and filters:
            self._source = asyncio.run(_narrowed(self._source, filters))
        return filters

    def partitions(self) -> list[InputPartition]:
        """Count and cut."""
        source = self._source
        return [] if source is None else list(map(InputPartition, asyncio.run(_plan(source))))

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Read one part as record batches, on an executor."""
        part: Part | None = partition.value  # None: Spark makes one where there are none
        if self._source is None or part is None:
            return iter(())
        return stepped(record_batches(self._source, part))


def register(spark: SparkSession) -> None:
    """Make the format ``aicc_cases`` known to a session, and let it take filters.

    That sets ``spark.sql.python.filterPushdown.enabled`` for the session: without it Spark refuses
    every Python source that takes filters. The package must be installed on the executors too.
    """
    spark.conf.set(PUSHDOWN, "true")
    spark.dataSource.register(AICCCases)


async def _plan(source: Source) -> list[Part]:
    async with source.client() as aicc:
        return await plan_listing(aicc.api, source.query)


async def _narrowed(source: Source, filters: list[Any]) -> Source | None:
    async with source.client() as aicc:
        zone, by_date = aicc.timezone, aicc.profile.date_field in {None, "createdDate"}
    query, before = narrowed(source.query, filters, zone, by_date=by_date), source.query
    if (query.start_time, query.end_time) == (before.start_time, before.end_time):
        return evolve(source, query=query)
    return None if is_empty(query, zone) else evolve(source, query=query, by_date=True)
