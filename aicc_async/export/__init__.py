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

First the totals of all windows of time are asked for; a window of more than 10,000 rows is halved
until it fits. Then each window is read. The totals that its pages announce, its rows, their ids and
the seams between its pages must agree. If they do not, it is read again, then in halves. The
verdicts are:

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

``report.whole`` compares a count of the whole range with the sum of the windows: a case that is in
no window, for want of a date, is noticed. ``report.verified`` is True when no window is unverified
and the whole agrees. What cannot be seen: a row that changes its place in the order while as many
others come and go, so that every seam and every total look as they did; and a cap of fewer than a
hundred rows.

The manifest, beside the target as ``cases.jsonl.manifest.json``, holds the same report with the
SHA-256 of the file, or how many ids were counted in the table before it was committed: all of them,
or nothing is. It holds no secrets, and of contacts only ids.

A manifest adds up over the runs into one target: ``rows`` were read in the last one, ``added`` are
those of them that were not there, ``in_target`` are all that are there now. ``earlier`` keeps what
the runs before have proved, without the windows that were read again since. The page of
``aicc-async report`` counts all of them, and believes none: figures that contradict a verdict, a
gap between windows, or rows that no window brought make it ``Not proven complete``, with the
reason.

In detail
---------

``detail=True`` (``--detail``) adds history, contact and tasks to each case, at a request each::

    $ aicc-async export detail.jsonl --since 2025-01-01 --until 2025-01-01 --detail
    detail.jsonl: 50 cases in 1 windows (1 verified), …, 59 requests, 0 retries, 0 throttles

A case that the service does not know any more keeps its row, and counts in
``report.without_detail``.

Files of JSON have the parts as the service wrote them, and a CSV has them as JSON. In Parquet they
are typed: ``case_info`` and ``customer`` are structs, ``case_trace`` and ``tasks`` are lists of
structs. Beside a table they are tables with a row for each record, which join by ``case_id``:
``aicc_case_info``, ``aicc_case_trace``, ``aicc_customer`` and ``aicc_tasks``. They change in the
transaction that changes the case's row.

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

Without ``--until`` it ends now. In Python::

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

from .job import export_cases
from .manifest import EarlierRun, ExportReport, OddValues, WholeCount, WindowReport
from .progress import Progress
from .sinks.registry import FORMATS

__all__ = [
    "FORMATS",
    "EarlierRun",
    "ExportReport",
    "OddValues",
    "Progress",
    "WholeCount",
    "WindowReport",
    "export_cases",
]
