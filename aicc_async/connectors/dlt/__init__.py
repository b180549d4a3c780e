"""A source for dlt: the cases, proved complete as an export's, into each of dlt's destinations.

Take it when cases go into a warehouse night by night, beside other sources. For a file, or a table
of SQLite or Postgres, ``aicc_async.export`` needs less. ``pip install 'aicc-async[dlt]'``, and the
extra of dlt for your destination, such as ``'dlt[duckdb]'``::

    # dlt_cases.py
    from datetime import datetime

    import dlt

    from aicc_async.connectors.dlt import aicc_cases

    pipeline = dlt.pipeline("aicc", destination="duckdb", dataset_name="contact_centre")
    pipeline.run(aicc_cases(since=datetime(2025, 1, 1), refresh="open"))

Run it every night: the next load begins where the last one ended, less ``lookback`` (a day), and
merges by ``id``. The table ``cases`` holds the rows, ``cases_windows`` the verdict of each window
of each load, as in a manifest. A change of a case that is older than the lookback is not seen,
unless it was open (``refresh="open"``), and no deletion is. 100,000 rows into DuckDB took 3.6 s and
492 MB on two cores (``python benchmarks/bench_dlt.py``).

``base_url``, ``client_id`` and ``client_secret`` are taken from dlt's configuration and secrets
(``sources.aicc_cases``) or from the ``AICC_*`` variables, and so is the way through a company's
network (``proxy``, ``ca_file``, ``client_cert``, ``client_key``, ``headers``). Other arguments are
options of ``AICCClient``, such as ``rate_limit``. Sources share nothing but what these options
share: a ``RedisBudget``, for example. ``help()`` of ``aicc_cases`` says what is in dlt's state, and
what a failed load leaves.
"""

from ..._optional import load

# Before the import below: without them it would fail on a module that no user knows.
load("dlt", "dlt")
load("pyarrow", "dlt")

from .source import aicc_cases  # noqa: E402  (only where both are installed)

__all__ = ["aicc_cases"]
