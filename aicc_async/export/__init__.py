"""A tenant's case history into a file or a database, with a proof that it is complete.

In Python
---------

``export_cases`` writes all cases that match, and returns what it did::

    import asyncio
    from datetime import datetime

    from aicc_async import AICCClient, CaseQuery, export_cases

    YEAR = CaseQuery(
        start_time=datetime(2025, 1, 1), end_time=datetime(2025, 12, 31, 23, 59, 59)
    )


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            report = await export_cases(aicc, YEAR, "cases.jsonl")
        print(f"{report.rows:,} cases, verified: {report.verified}")
        for window in report.unverified:
            print(window.start, window.end, window.reason)


    asyncio.run(main())

It prints::

    12,000 cases, verified: True

On the shell
------------

The same, with a page to look at::

    $ aicc-async export cases.jsonl --since 2025-01-01 --until 2025-12-31
    cases.jsonl: 12,000 cases in 12 windows (12 verified), 8,494,493 bytes, …
    $ aicc-async report cases.jsonl.manifest.json -o report.html
    report.html

Exit code 3 says that something is unverified; with ``--no-strict`` it is 0. The file is there in
both cases.

Before it is paid for
---------------------

``plan_export`` (``--dry-run``) returns what the export would take, and writes nothing. It sends the
requests that plan the export; a page of these tells the size::

    $ aicc-async export cases.jsonl --since 2025-01-01 --until 2025-12-31 --rate 10 --dry-run
    cases.jsonl: 12,000 cases in 12 windows, 2025-01-01 00:00:00 to 2025-12-31 23:59:59
    requests: …, of which … were sent for this plan
    time: … at 10 requests in 1 s
    size: about 8.5 MB as JSON lines

It knows the rate limit of the client, and no other: what moves, is refused or is capped costs more.

Formats
-------

The suffix decides, or ``format=`` (``--format``) where it is that of no format. On the shell ``-``
is standard output, which gets the rows when all are read, and ``--manifest`` names the manifest:

- ``.jsonl`` (also ``.ndjson``), ``.jsonl.gz``, ``.jsonl.zst`` (extra ``zstd``): a row on each line,
  in the service's own bytes.
- ``.csv``: wire names, then the extension fields. Cells that a spreadsheet would run as formulas
  get an apostrophe; ``raw_cells=True`` (``--raw-cells``) leaves them as they are.
  ``bom=True`` (``--bom``) is for Excel, which takes UTF-8 for another encoding without that mark.
  It also takes the 30 digits of a ``caseNo`` for a number, without its zeros and its last digits:
  import the file (Data, From Text/CSV) with that column as text.
- ``.parquet`` (extra ``parquet``): typed columns by Python names, extension fields in the map
  ``extra``.
  ``partition_by="month"`` or ``"day"`` (``--partition-by``) makes it a folder, see below.
- ``.sqlite`` (also ``.db``, ``.sqlite3``): the table ``cases``, upserted by ``id``.
- ``postgresql://user@host/database`` (extra ``postgres``): the table ``aicc_cases``, upserted by
  ``id``. ``PGPASSWORD`` keeps the password out of the URL.

In the last three a value of another type than documented (a flag written as text, a date of zeros)
is null in its column and goes into ``extra`` by its wire name, with a ``RuntimeWarning``, and
``report.odd_values`` counts them by field, with one case of each;
``strict_types=True`` (``--strict-types``) makes it a ``DecodeError`` that names the case.

No document names the fields of a tenant's template, so they are in ``extra`` too. Those of a type
that you know become columns of their own with ``columns={"AICC__score__CST": "int"}``
(``--column AICC__score__CST:int``, which may be repeated); the types are ``str``, ``int``,
``float``, ``bool``, ``time`` and ``decimal``. What is not of that type stays in ``extra``
and is counted.

A file appears when it is whole, and its manifest with it; a table changes in one transaction. A
file that is not empty and has no manifest beside it was not written by an export, and is refused;
so is a folder that is named like the checkpoint and has other files. ``overwrite=True``
(``--overwrite``) replaces the file, and leaves those others where they are.

What is proved
--------------

First a page of each window of time is asked for, which says its total; a window of more than
10,000 rows is halved until it fits. Then each window is read. The totals that its pages announce,
its rows, their ids and the seams between its pages must agree. If they do not, it is read again,
then in halves. The verdicts are:

- ``verified``: all agreed at the first reading.
- ``repaired``: all agreed at a later one.
- ``unverified``: they never did; ``reason`` says why. All rows that any reading brought are there.
- ``open``: all agreed, but the window ended less than five minutes (``settle``) before it was read:
  cases may still come into it. A later run with ``since_last`` reads it again.

A service may give and count so many rows of a query at most. So a total counts only where another
one is higher, or where the window's halves have no more rows (two requests); else the window is
read in parts that announce less. A second that announces as much as anything does is
``unverified``: the total may be capped at that. Where the service refuses deep pages, windows are
read in halves too; a second that has more rows than offsets reach is an ExportError.

The very seconds of ``--since`` and ``--until`` are within, whether or not the service includes
them: the first window begins a second earlier, the last one ends a second later, and what was
created in these seconds is dropped. What lies more than a day after now is not asked for.

Rows that are dated outside their window or after now, and rows that the service counts behind a
range that ends now, say that ``timezone`` is not the tenant's: their windows are ``unverified``,
and a ``RuntimeWarning`` says so. ``aicc-async probe`` finds the offset that fits.

``report.whole`` compares a count of the whole range with the rows that came: a case that is in
no window, for want of a date, is noticed. ``report.verified`` is True when no window is unverified
and the whole agrees. What cannot be seen: a row that changes its place in the order while as many
others come and go, so that every seam and every total look as they did; and a cap of fewer than a
hundred rows.

Verifying costs little over the least that any reader sends (the sign-in, and a request for each
hundred rows of a window): a row of overlap for each page, one count of the whole range, one look at
a row's date, and in a client that has seen no longer page one look beyond the longest. That is 130
requests for 127 in a year of 12,000 cases. A range with rows behind its end, or a row fewer than
the count says, takes two counts more; one of a hundred rows or more that has no other total to
compare with, two more for its halves. Empty windows at either end of the range are found by a few
counts; those in its midst are a request each.

The manifest, beside the target as ``cases.jsonl.manifest.json``, holds the same report with the
SHA-256 of the file, or how many ids were counted in the table before it was committed: all of them,
or nothing is. It holds no secrets, and of contacts only ids.

A manifest adds up over the runs into one target: ``rows`` were read in the last one, ``added`` are
those of them that were not there, ``in_target`` are all that are there now. ``earlier`` keeps what
the runs before have proved, without the windows that were read again since. The page of
``aicc-async report`` counts all of them, and believes none: figures that contradict a verdict, a
gap between windows, or rows that no window brought make it ``Not proven complete``, with the
reason.

By month or day
---------------

With ``partition_by`` a ``.parquet`` target is a folder, in the layout that Hive, Spark, DuckDB and
polars read: ``cases.parquet/month=2025-01/part-0.parquet``. A case is where the client's zone has
its date of creation, one without a date in ``month=__HIVE_DEFAULT_PARTITION__``::

    $ aicc-async export cases.parquet --partition-by month --since 2025-01-01 --until 2025-12-31
    cases.parquet: 12,000 cases in 12 windows (12 verified), …
    $ ls cases.parquet | head -2
    month=2025-01
    month=2025-02

A folder that an export has written is replaced as a whole: it is written beside under a hidden
name, and takes the other one's place by two renames, between which there is none. One of somebody
else is refused, and so is one that somebody has put files into. ``since_last`` adds files with the
new cases; files that are there stay as they are. The manifest's ``sha256`` is the digest of what
``sha256sum`` prints of all files, sorted by their paths.

Into a bucket
-------------

``s3://bucket/prefix/name`` (extra ``s3``) is an object in any store that speaks S3, in a format
that is one file::

    $ aicc-async export s3://history/aicc/cases.parquet --since 2025-01-01 --until 2025-12-31
    s3://history/aicc/cases.parquet: 12,000 cases in 12 windows (12 verified), …

Where and for whom is in the usual variables: ``AWS_ENDPOINT_URL``, ``AWS_REGION``,
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``; profiles in ``~/.aws`` are
not read. An endpoint must be https, or on this machine, unless ``AWS_ALLOW_HTTP=true``. For
Huawei's OBS, which speaks S3, the endpoint is ``https://obs.<region>.myhuaweicloud.com``, the
region is for instance ``ap-southeast-3``, and the keys are an access key (AK and SK) of an IAM
user. Where a bucket answers at its own domain only, set
``AWS_VIRTUAL_HOSTED_STYLE_REQUEST=true`` and ``https://<bucket>.obs.<region>.myhuaweicloud.com``.

The object is written in the working directory first, and appears when its upload is completed; the
manifest follows as ``cases.parquet.manifest.json``. The checkpoint is in the working directory too
(``.history_aicc_cases.parquet.export``): the same command in the same directory resumes. When it
has ended nothing is left there. An object without a manifest is somebody else's, and is refused
unless ``overwrite`` replaces it. What a killed upload leaves in the bucket is invisible, and goes
by the bucket's rule for incomplete uploads: set one. Objects are written anew: ``since_last``,
``partition_by`` and databases are refused.

In detail
---------

``detail=True`` (``--detail``) adds history, contact and tasks to each case, at a request each::

    $ aicc-async export detail.jsonl --since 2025-01-01 --until 2025-01-01 --detail
    detail.jsonl: 50 cases in 1 windows (1 verified), …, 57 requests, 0 retries, 0 throttles

A case that the service does not know any more keeps its row, and counts in
``report.without_detail``.

Files of JSON have the parts as the service wrote them, and a CSV has them as JSON. In Parquet they
are typed: ``case_info`` and ``customer`` are structs, ``case_trace`` and ``tasks`` are lists of
structs. Beside a table they are tables with a row for each record, which join by ``case_id``:
``aicc_case_info``, ``aicc_case_trace``, ``aicc_customer`` and ``aicc_tasks``. They change in the
transaction that changes the case's row.

Without a file
--------------

``aicc.iter_batches(query)`` yields the same rows as ``pyarrow.RecordBatch``, with the columns of a
``.parquet`` file (extra ``parquet``). They are verified window by window, and ExportError ends the
iterator where they do not agree: use what came only once it has ended. Into polars::

    import asyncio
    from datetime import datetime

    import polars as pl

    from aicc_async import AICCClient, CaseQuery

    MARCH = CaseQuery(
        start_time=datetime(2025, 3, 1), end_time=datetime(2025, 3, 31, 23, 59, 59)
    )


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            batches = [batch async for batch in aicc.iter_batches(MARCH)]
        cases = pl.from_arrow(batches)
        print(cases.filter(pl.col("priority") == "Critical").height, "are critical")


    asyncio.run(main())

It prints::

    180 are critical

Into pandas, with Arrow's types, which know null::

    import asyncio
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from aicc_async import AICCClient, CaseQuery

    MARCH = CaseQuery(
        start_time=datetime(2025, 3, 1), end_time=datetime(2025, 3, 31, 23, 59, 59)
    )


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            batches = [batch async for batch in aicc.iter_batches(MARCH)]
        cases = pa.Table.from_batches(batches).to_pandas(types_mapper=pd.ArrowDtype)
        print(cases.groupby(cases["created_date"].dt.day).size().max(), "on a day")


    asyncio.run(main())

It prints::

    59 on a day

Into DuckDB, batch by batch, so that memory stays small. What was inserted is rolled back when the
rows cannot be verified::

    import asyncio
    from datetime import datetime

    import duckdb

    from aicc_async import AICCClient, CaseQuery

    YEAR = CaseQuery(
        start_time=datetime(2025, 1, 1), end_time=datetime(2025, 12, 31, 23, 59, 59)
    )


    async def main() -> None:
        with duckdb.connect("cases.duckdb") as database:
            async with AICCClient.from_env() as aicc:
                database.begin()
                database.execute("DROP TABLE IF EXISTS cases")
                async for batch in aicc.iter_batches(YEAR):
                    database.register("batch", batch)
                    # A batch has its columns even where no case matches.
                    database.execute(
                        "CREATE TABLE IF NOT EXISTS cases AS FROM batch LIMIT 0"
                    )
                    database.execute("INSERT INTO cases FROM batch")
                database.commit()
            print(database.execute("SELECT count(*) FROM cases").fetchone())


    asyncio.run(main())

It prints::

    (12000,)

Resuming
--------

Kill it at any instant, and run the same again: finished windows are not read again, and the result
is as if nothing had happened. What was read is in a hidden folder beside the target
(``.cases.jsonl.export``) until then, with a digest: where somebody else has cut or changed it, all
is read again. An interrupt ends the command within two seconds, whatever it waits for. Another
query or zone is refused; ``restart=True`` (``--restart``) begins anew.

What one format refuses can be finished in another one without reading again: the same export into
a target of the same name with another suffix (``cases.jsonl`` for ``cases.parquet``) takes over
what was read, and a ``RuntimeWarning`` says so.

Every night
-----------

``since_last`` (``--since last``) continues where the last run into this target ended, less a
``--lookback``, which is read again::

    $ aicc-async export cases.db --since 2025-01-01 --until 2025-11-30
    cases.db: 10,924 cases in 11 windows (11 verified), …
    $ aicc-async export cases.db --since last --lookback 7d --until 2025-12-31
    cases.db: 1,322 cases read, 1,076 written, 12,000 in the target, in 2 windows (2 verified), …

Without ``--until`` it ends now. ``--since 7d`` begins so long before now instead, whatever the last
run read; an unfinished export keeps the beginning that it had. In Python::

    import asyncio
    from datetime import timedelta

    from aicc_async import AICCClient, export_cases


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            report = await export_cases(
                aicc, None, "cases.db", since_last=timedelta(days=7)
            )
        print(report.added, "of", report.rows, "rows are new or have changed")


    asyncio.run(main())

The target is compared with its manifest first. In a table the newest case counts if it is before
the last run's end: one that was restored from a backup gets what it lacks. A file must have the
size and the digest of its manifest, else a ``ConfigError`` says so. So it does where a table has
rows and no manifest: nobody knows the query and the zone of those. ``replace=True`` (``--replace``,
without ``--since last``) begins anew.

``mark_deleted=True`` (``--mark-deleted``) sets ``deleted_at`` of a table's cases that are gone. It
takes two verified readings and an answer: the case was created within windows that this run and an
earlier one verified, no page of this run has it, and the service answers its detail with "no such
case". That is a request for each case that is missing, and at most two for one that is there, which
must be answered. Which code says "no such case" is not documented: where it is not HTTP 404,
``aicc-async probe`` finds it, and the profile knows it then. Nothing is marked for an error, nor by
a run with an unverified window or a total that may be capped; a ``RuntimeWarning`` says so. Filters
are refused. A case that comes again loses its mark, in every run. ``deleted_at`` is the export's
own column, which is added when it is first used.

Tables get new cases, and changes of those that were created within the lookback. Files get new
cases only, and a ``RuntimeWarning`` says so. A change of a case that is older is not seen: the
interface cannot be asked for changes.
"""

from __future__ import annotations

from .dry_run import ExportPlan, WindowPlan, plan_export
from .job import export_cases
from .manifest import EarlierRun, ExportReport, OddValues, WholeCount, WindowReport
from .progress import Progress
from .sinks.registry import FORMATS

__all__ = [
    "FORMATS",
    "EarlierRun",
    "ExportPlan",
    "ExportReport",
    "OddValues",
    "Progress",
    "WholeCount",
    "WindowPlan",
    "WindowReport",
    "export_cases",
    "plan_export",
]
