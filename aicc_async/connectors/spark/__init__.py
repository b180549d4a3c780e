"""Cases in Spark: ``spark.read.format("aicc_cases")`` and ``readStream`` (extra ``spark``).

It does not read faster than one process: the tenant's quota is the bound, however many workers
share it. The ordinary way into Spark is an export into Parquet on storage that the cluster reads
(``aicc-async export s3://bucket/cases.parquet``), and ``spark.read.parquet``: read once, and as
often as you like. Take this source for streams, and for pipelines that must not touch a disk.

For 100,000 rows of a year an export sends 1,020 requests, and Spark with four workers 1,043; each
signs in once. On two cores the export took 1.3 s, and Spark 9.6 s, most of it for its start; with
a budget of 50 requests a second 22.9 s, and 24.5 s (``python benchmarks/bench_spark.py``).

What must be installed
----------------------

``pip install 'aicc-async[spark]'`` on the driver and in the Python of each executor, with the extra
``redis`` for a shared budget, and Java 17. Driver and executors read the ``AICC_*`` variables; what
differs is an option.

Where nothing may be installed, ``spark.sparkContext.addPyFile("aicc-async.zip")`` brings this
package to driver and executors. That file is the wheel, copied to a name that ends in ``.zip``:
Spark puts only ``.zip``, ``.egg`` and ``.jar`` on a worker's path, and a ``.whl`` fails there with
``ModuleNotFoundError``; so it is with ``spark.addArtifacts(…, pyfile=True)``. The dependencies must
be installed all the same, since some are compiled. Tried on a cluster of two executors, Spark 4.3.

A range
-------

The driver counts, and cuts the range into parts of about 10,000 rows (``rows_per_task``). Each is
a task, which fails when its rows do not agree with what the service announces::

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

Filters on texts (``=``, ``IN``) and on ``created_date`` narrow what is asked for, with Spark 4.1 or
newer. ``register`` switches push-down on; where a session is locked, as on serverless compute, the
source reads the whole range, and Spark alone filters. Options are ``since``, ``until``, ``rate``,
``concurrency``, ``strict``, ``profile``, ``rows_per_task``, the filters of ``CaseQuery`` and more:
a name that is not known is refused with a list of all. Filters by ``title`` and ``contact_phone``
are entries of ``secret_filters`` (``{"contactPhone": "…"}``), whose value Spark hides; what Spark's
own ``filter`` compares with is in its event log.

``rate`` is that of one task. With ``redis_url`` and ``budget`` it is that of all tasks and clients
together (extra ``redis``). ``proxy_url``, ``ca_file``, ``client_cert``, ``client_key`` (paths that
driver and executors have) and ``secret_headers`` (``Name: value`` lines) lead through a company's
network; Spark hides the values of ``proxy_url`` and ``secret_headers``.

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
