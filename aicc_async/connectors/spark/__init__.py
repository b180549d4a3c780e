"""Cases in Spark: ``spark.read.format("aicc_cases")`` and ``readStream`` (extra ``spark``).

Take it when a cluster that you have is to work on the rows. It does not read faster than one
process: the tenant's quota is the bound. ``pip install 'aicc-async[spark]'`` on driver and
executors, and Java 17. Driver and executors read the ``AICC_*`` variables; what differs is an
option.

A range
-------

The driver counts, and cuts the range into parts of like size. Each is a task, which fails when its
rows do not agree with what the service announces::

    # spark_cases.py
    from pyspark.sql import SparkSession

    from aicc_async.connectors.spark import register

    spark = SparkSession.builder.getOrCreate()
    register(spark)
    year = (
        spark.read.format("aicc_cases")
        .options(since="2025-01-01", until="2025-12-31")
        .load()
    )
    year.filter("priority = 'High'").groupBy("origin").count().show()

Filters on texts and on ``created_date`` narrow what is asked for, with Spark 4.1 or newer. Options
are ``since``, ``until``, ``rate``, ``concurrency``, ``strict``, ``profile``, the filters of
``CaseQuery`` and more: a name that is not known is refused with a list of all. ``rate`` is that of
one task. With ``redis_url`` and ``budget`` it is that of all tasks and clients together (extra
``redis``). ``proxy_url``, ``ca_file``, ``client_cert``, ``client_key`` (paths that driver and
executors have) and ``secret_headers`` (``Name: value`` lines) lead through a company's network;
Spark hides the values of options with such names.

A stream
--------

Each case once, by the time of its creation, up to ``settle`` (5 minutes) before now::

    # spark_stream.py
    from pyspark.sql import SparkSession

    from aicc_async.connectors.spark import register

    spark = SparkSession.builder.getOrCreate()
    register(spark)
    cases = (
        spark.readStream.format("aicc_cases")
        .options(since="2025-01-01", max_days="366")
        .load()
    )
    query = (
        cases.writeStream.format("parquet")
        .option("path", "cases")
        .option("checkpointLocation", "checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()

``trigger(processingTime="1 minute")`` keeps it running. ``max_days`` and ``max_rows`` bound a
batch, with Spark 4.2 or newer. A case that the list shows later than ``settle`` is missed, and no
change of a case is seen.
"""

from typing import TYPE_CHECKING

from ..._optional import load

if TYPE_CHECKING:
    from .source import register

__all__ = ["register"]


def __getattr__(name: str) -> object:
    # Loaded when it is asked for: what needs no Spark is tested without it.
    if name != "register":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load("pyspark", "spark")
    from .source import register  # noqa: PLC0415

    return register
