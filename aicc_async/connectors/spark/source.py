"""Cases in Spark: ``spark.read.format("aicc_cases")`` and ``readStream`` (extra ``spark``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from ..._api import CaseApi
from .filters import narrow_source
from .loop import iterate
from .options import Source, check_hidden, source_from_options
from .plan import Part, plan_listing
from .rows import DDL, record_batches
from .stream import CaseStream

NAME = "aicc_cases"
# Off by default; Spark 4.1, which added ``pushFilters``, then refuses a source that has it:
# https://github.com/apache/spark/pull/50684
PUSHDOWN_SETTING = "spark.sql.python.filterPushdown.enabled"


class AICCCases(DataSource):
    """The cases of a tenant, as the format ``aicc_cases``.

    Columns are those of the Parquet sink; times are instants, which Spark shows in its session's
    zone. The options say what a job reads: ``base_url``, ``timezone``, ``since``, ``until`` (both a
    day or a time; a listing's open end is now, for all tasks), filters by their names as
    ``priority`` or ``contactId``, those by extension fields as a JSON object ``extra``, ``rate``,
    ``concurrency``, ``profile``; what is left out is taken from the driver's ``AICC_*`` variables.

    **Tasks.** The driver counts, and cuts the range into parts of up to ``rows_per_task`` rows
    (10000). Each is one task, that reads with a client of its own and fails when its rows do not
    agree with what the service announces; with ``strict=false`` it warns and takes what there is. A
    task that is run again begins anew, and Spark drops what the failed one brought. Where a case's
    row changes between two tasks that list it, it may come twice or never (see ``plan.py``). Spark
    tells no source of a ``limit``: planning takes a few requests and one or two for each part, and
    Spark then runs the first task alone.

    **The quota.** ``rate`` (``10``, or ``600/60``) and ``concurrency`` are those of one task: with
    several at a time, and one after the other, the tenant sees more, and what it refuses with a 429
    is sent again. With ``redis_url`` the rate is that of all tasks together, and of all other
    clients that share the ``budget`` of that name (the domain unless set), which go first;
    ``fallback_processes`` is how many tasks and clients there are at a time, at most.

    **Credentials** are the variables ``AICC_CLIENT_ID`` and ``AICC_CLIENT_SECRET``,
    ``AICC_KEY_FILE`` or ``AICC_ACCESS_TOKEN`` of driver and executors, or options with such names
    (``client_id``, ``client_secret``, ``key_file``, ``access_token``). A key file is read on each
    machine. The driver signs in and hands its token to the tasks; a worker process signs in when
    that has ended or is refused, once for all tasks that it runs. ``AICC_TOKEN_REDIS_URL`` names a
    Redis where all of them share one instead.

    **What shows.** Options and the token travel with the tasks. Plans and event log show the values
    of options in ``CREATE VIEW … OPTIONS`` and perhaps elsewhere, but hide those whose names hold
    ``secret``, ``token``, ``password`` or ``url``. So secrets have such names; ``client_id``, and
    filters that are options, may show. Filters by ``title`` and ``contact_phone`` are refused as
    options of their own: they are entries of ``secret_filters``, a JSON object of filters by their
    names or by extension fields. What Spark's own ``filter`` or ``WHERE`` compares with is a part
    of the plan and of the event log, whatever the source does: keep contact data out of it.

    **Filters** on ``priority``, ``origin``, ``owner_id`` and other texts, and on ``created_date``,
    narrow what is asked for (Spark from 4.1 on); Spark filters again. ``IN`` with up to 20 texts is
    asked text by text where that takes fewer requests. With a profile whose ``date_field`` is
    another date, ``created_date`` is left to Spark alone.

    **A stream** reads each case once, by time: from ``since``, or from now on, up to ``settle``
    (``5m``) before now, at most ``max_days`` (31) and ``max_rows`` (100000) in a batch; before
    Spark 4.2 all that is settled is one batch. More rows than that may share two seconds, and come
    together all the same. A case that the list shows later than ``settle`` is missed. Each batch
    costs a few requests, also with nothing new: use a trigger of a minute or more.

    Raises ConfigError on the driver for options that can't be right.
    """

    @classmethod
    def name(cls) -> str:
        """Return the format's name."""
        return NAME

    def schema(self) -> str:
        """Return the columns, the same whatever there is; nothing is asked of the service.

        This is where options come first: none of their values is in a plan yet.
        """
        check_hidden(self.options)
        return DDL

    def reader(self, schema: StructType) -> PageReader:  # noqa: ARG002  (Spark's signature)
        """Return what reads a range once."""
        return PageReader(source_from_options(self.options))

    def streamReader(self, schema: StructType) -> CaseStream:  # noqa: ARG002, N802
        """Return what reads new cases."""
        return CaseStream(source_from_options(self.options))


class PageReader(DataSourceReader):
    """Plans on the driver, reads on the executors: Spark pickles it for them."""

    def __init__(self, source: Source) -> None:
        # None: the filters leave no row to read.
        self._source: Source | None = source

    def partitions(self) -> list[InputPartition]:
        """Count and cut."""
        source = self._source
        if source is None:
            return []

        async def plan(api: CaseApi) -> list[Part]:
            return await plan_listing(
                api, source.query, rows_per_task=source.rows_per_task, any_of=source.any_of
            )

        return [InputPartition(part) for part in source.plan(plan)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Read one part as record batches, on an executor."""
        # Spark reads a partition without a value where the list of them was empty.
        part: Part | None = partition.value
        if self._source is None or part is None:
            return iter(())
        return iterate(record_batches(self._source, part))


class FilteringReader(PageReader):
    """Takes filters too. Spark refuses a reader that can where it is told to push none down."""

    def pushFilters(self, filters: list[Any]) -> list[Any]:  # noqa: N802  (Spark's name)
        """Narrow the query; all filters go back to Spark, which filters again."""
        if self._source is not None and filters:
            self._source = self._source.run(partial(narrow_source, self._source, filters))
        return filters


class FilteredCases(AICCCases):
    """The same format, for a session that pushes filters down."""

    def reader(self, schema: StructType) -> FilteringReader:  # noqa: ARG002  (Spark's signature)
        """Return what reads a range once, narrowed by filters."""
        return FilteringReader(source_from_options(self.options))


def register(spark: SparkSession) -> None:
    """Make the format ``aicc_cases`` known to a session, and let it take filters.

    That sets ``spark.sql.python.filterPushdown.enabled`` for the session: without it Spark refuses
    every Python source that takes filters. Where the setting is locked and off, as it may be with
    Spark Connect and on serverless compute, the format takes none: then all rows of the options'
    range are read, and Spark alone filters. The package must be installed on the executors too.
    """
    has_pushdown = False
    with suppress(PySparkException):
        # A locked setting may be on, or may not even be shown.
        with suppress(PySparkException):
            spark.conf.set(PUSHDOWN_SETTING, "true")
        has_pushdown = spark.conf.get(PUSHDOWN_SETTING, "false") == "true"
    spark.dataSource.register(FilteredCases if has_pushdown else AICCCases)
