"""The source itself: its arguments, and what dlt's configuration adds to them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any, Literal

import dlt
from attrs import evolve
from attrs.validators import ge, in_, instance_of, le
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from ..._validators import check, kind, must
from ...credentials import ClientCredentials, credentials_from
from ...errors import ConfigError
from ...models import CaseQuery
from ...settings.environment import override_network, parse_headers, parse_network
from .._shared_token import share_token
from .load import Load
from .reading import SharedReading
from .tables import cases_resource, windows_resource

DEFAULT_LOOKBACK = timedelta(days=1)
MAX_LOOKBACK = timedelta(days=3660)
_is_lookback = must(
    f"be a timedelta from 0 to {MAX_LOOKBACK.days} days",
    instance_of(timedelta),
    ge(timedelta(0)),
    le(MAX_LOOKBACK),
    got=str,
)

_is_refresh = must("be 'open' or None", in_(["open", None]))


@configspec
class AICCConfiguration(BaseConfiguration):
    """What dlt's configuration may hold: ``sources.aicc_cases.client_secret`` and so on."""

    base_url: str | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    proxy: TSecretStrValue | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    headers: TSecretStrValue | None = None
    allow_http: bool | None = None


# The section is named, because dlt would take the name of this module.
@dlt.source(name="aicc_cases", section="aicc_cases", spec=AICCConfiguration, max_table_nesting=0)
def aicc_cases(
    base_url: str | None = None,
    *,
    since: datetime | None = None,
    query: CaseQuery | None = None,
    lookback: timedelta = DEFAULT_LOOKBACK,
    refresh: Literal["open"] | None = None,
    strict: bool = True,
    detail: bool = False,
    client_id: str | None = None,
    client_secret: TSecretStrValue | None = None,
    proxy: TSecretStrValue | None = None,
    ca_file: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    headers: TSecretStrValue | None = None,
    allow_http: bool | None = None,
    **options: Any,
) -> tuple[DltResource, DltResource]:
    """Read all cases since a time into the table ``cases``, merged by ``id``: run it every night.

    ``since`` is the first second of the first load, in the tenant's zone when naive; None: all.
    ``query`` has the filters, and an ``end_time`` if the last second is not now. Rows are read and
    checked as ``export_cases`` does (documents 001 and 004), into a file in the pipeline's folder;
    only then does dlt get them. After a kill the next load resumes what was read there, up to where
    the killed one would have ended: run once more for what came since. With ``strict`` an
    ExportError ends the load when a window, or a count of the whole, did not agree; else what there
    is is loaded. The verdicts of every load are appended to the table ``cases_windows``, in the
    same package.

    Rows come as Arrow tables, which dlt loads as Parquet where the destination takes that; a
    function of ``add_map`` gets a ``pyarrow.Table``. Columns have the Python names and types of
    ``Case``: texts, booleans, times (with their zone, as the destination keeps them), a double.
    There is no ``_dlt_id``, and ``_dlt_load_id`` only with dlt's setting
    ``normalize.parquet_normalizer.add_dlt_load_id``. ``extra``, one JSON column, holds the
    extension fields by their wire names, and with ``detail`` the parts of each case's detail, at a
    request each. Arrow has JSON as a text only, and so dlt logs for each table of some ten thousand
    rows that "several column hints were different": that is ``extra``, which it loads as JSON, and
    no other column. As columns of their own ``type.name`` would become ``type_name``, which is a
    field already (https://dlthub.com/docs/general-usage/naming-convention), and tables would differ
    by the rows that they happened to get.

    The next load begins where the last one ended (the end is frozen when it begins), less
    ``lookback``. A change of a case that was created before that is not seen, and no deletion is.
    Windows that were open or unverified are read once more. What the next load needs is in dlt's
    state (https://dlthub.com/docs/general-usage/state), per tenant, filters, zone and ``detail``;
    other ones, or an earlier ``since``, begin anew. A load that fails while reading changes neither
    tables nor state; one that fails later is finished by dlt's next run.

    With ``refresh="open"`` older cases are read again too, if they had neither a ``closed_date``
    nor the state ``Completed`` when they were read last. The list is asked for their dates of
    creation: a request for each at most, and one for all that lie within a page of a hundred, but
    for looks behind a page that is as long as any before. State holds these dates, of open cases
    alone. The first load with it reads all. A closed case that is opened again is not seen. If the
    service does not agree with its totals, the load fails; with ``strict=False`` these cases are
    left to the next load, with a RuntimeWarning. They have no rows in ``cases_windows``.

    ``base_url``, ``client_id`` and ``client_secret`` come from dlt's configuration and secrets
    (``sources.aicc_cases``; a ``clone(name="…")`` has a section of its own), or from the variables
    of ``AICCClient.from_env``, whose ``options`` these are (``rate_limit``, ``profile``, …). So do
    ``proxy`` (with its password), ``ca_file``, ``client_cert``, ``client_key``, ``headers``
    (``Name: value`` lines) and ``allow_http``: see ``NetworkSettings``. With
    ``AICC_TOKEN_REDIS_URL`` the token is shared in that Redis. No secret is kept in a state or
    trace. Rows stay in the pipeline's folder as long as dlt is told to keep its packages.

    Each load has a client of its own, on an event loop in a thread of its own, and keeps to its
    limits however dlt runs it; several sources at once have only a shared budget in common. One
    pipeline runs in one process at a time: another one is a ConfigError while that reads.

    Raises ConfigError before any request when a setting is wrong. What fails later is the cause of
    dlt's PipelineStepFailed.
    """
    if client_id is not None or client_secret is not None:
        options = {"auth": ClientCredentials(client_id or "", client_secret or ""), **options}
    if url := os.environ.get("AICC_TOKEN_REDIS_URL"):
        options["auth"] = share_token(options.get("auth") or credentials_from(os.environ), url)
    if allow_http is not None:
        options["allow_http"] = allow_http
    found = parse_network(os.environ, base_url or os.environ.get("AICC_BASE_URL", ""))
    options |= override_network(
        options.get("network", found.get("network")),
        proxy=proxy,
        ca_file=ca_file,
        client_cert=client_cert,
        client_key=client_key,
        headers=parse_headers("headers", headers or ""),
    )
    load = Load(
        base_url=base_url,
        options=options,
        query=_query_since(query, since),
        lookback=check("lookback", lookback, _is_lookback),
        refresh=check("refresh", refresh, _is_refresh),
        strict=strict,
        detail=detail,
    )
    load.check()

    shared = SharedReading(load.read)
    return cases_resource(shared), windows_resource(shared)


def _query_since(query: CaseQuery | None, since: datetime | None) -> CaseQuery:
    check("query", query, kind(CaseQuery, type(None)))
    check("since", since, kind(datetime, type(None)))
    if since is None:
        return query or CaseQuery()
    if query and query.start_time:
        raise ConfigError("since cannot be combined with a start_time of query")
    return evolve(query or CaseQuery(), start_time=since)
