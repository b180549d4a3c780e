"""What a Spark job reads, and how: the options of its reader, parsed once for all tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from ..._api import CaseApi
from ..._listing.plan import MAX_ROWS_PER_WINDOW
from ..._listing.windows import SETTLE
from ..._protocol.names import wire_names
from ..._validators import shown
from ...client import AICCClient
from ...credentials import Credentials, credentials_from
from ...errors import ConfigError
from ...models import CaseQuery
from ...settings import RateLimit
from ...settings.environment import (
    override_network,
    parse_environment,
    parse_flag,
    parse_headers,
    parse_rate_limit,
)
from ...settings.profile import Profile
from .._shared_token import keep_in_process, kept_token, share_token
from .plan import ColumnText, Part
from .values import parse_filters, parse_integer, parse_settle, parse_time

T = TypeVar("T")

# Of a batch of a stream.
DEFAULT_MAX_DAYS, DEFAULT_MAX_ROWS = 31, 100_000
# As many as a window has at most: more parts cost more requests, fewer have less to share out.
DEFAULT_ROWS_PER_TASK = MAX_ROWS_PER_WINDOW
# In plans and logs Spark hides the values of options whose names hold "secret", "password", "token"
# or "url" (spark.redaction.regex, spark.sql.redaction.options.regex). So each option that may be a
# secret or contact data has such a name, ``redis_url`` as well.
SECRET_FILTERS = "secret_filters"  # noqa: S105  (a name)
CREDENTIAL_OPTIONS = {
    "access_token": "AICC_ACCESS_TOKEN",
    "key_file": "AICC_KEY_FILE",
    "client_id": "AICC_CLIENT_ID",
    "client_secret": "AICC_CLIENT_SECRET",
}
# A filter's name as an option, and the field of CaseQuery. Spark passes names in lower case.
FILTER_OPTIONS = {
    name.lower(): field_name
    for field_name, wire_name in wire_names(CaseQuery).items()
    for name in (field_name, wire_name)
    if field_name not in {"start_time", "end_time"}
}
CONTACT_FIELDS = {"title", "contact_phone"}
# The tasks have these files in the same places.
NETWORK_OPTIONS = {
    "proxy_url": "proxy",
    "ca_file": "ca_file",
    "client_cert": "client_cert",
    "client_key": "client_key",
    "secret_headers": "headers",
}
BUDGET_OPTIONS = {"redis_url", "budget", "fallback_processes"}
READER_OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "strict": parse_flag,
    "settle": parse_settle,
    "rows_per_task": parse_integer,
    "max_days": parse_integer,
    "max_rows": parse_integer,
}
OTHER_OPTIONS = {
    "base_url",
    "timezone",
    "since",
    "until",
    "extra",
    SECRET_FILTERS,
    "rate",
    "concurrency",
    "profile",
    "allow_http",
    *NETWORK_OPTIONS,
}
KNOWN_OPTIONS = {
    *(*FILTER_OPTIONS, *CREDENTIAL_OPTIONS, *BUDGET_OPTIONS, *READER_OPTIONS, *OTHER_OPTIONS)
}


@frozen(kw_only=True)
class Source:
    """What is read, by which clients; small, and pickled for the tasks.

    ``settings`` are those of the client. ``credentials`` are options instead of variables; a key
    file and the variables are read where a client is made: on the driver, and by each task.
    ``by_date`` says that the query's range came from a filter of ``created_date``, ``any_of`` which
    texts Spark wants of a column.
    """

    base_url: str
    query: CaseQuery
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
    strict: bool = True
    by_date: bool = False
    any_of: tuple[ColumnText, ...] = ()
    rows_per_task: int = DEFAULT_ROWS_PER_TASK
    settle: timedelta = SETTLE
    max_days: int = DEFAULT_MAX_DAYS
    max_rows: int = DEFAULT_MAX_ROWS

    def client(self) -> AICCClient:
        """Make a client, for the driver or one task; those of a process share a token."""
        auth, url = self._credentials(), os.environ.get("AICC_TOKEN_REDIS_URL")
        auth = share_token(auth, url) if url else keep_in_process(auth, self.base_url)
        return AICCClient(self.base_url, auth=auth, **self.settings)

    def _credentials(self) -> Credentials:
        environ: Mapping[str, str] = os.environ
        if self.credentials:
            # A client id may be an option and its secret not. Nothing else is taken from the
            # variables then, or a token of theirs would go before.
            environ = {"AICC_CLIENT_SECRET": environ.get("AICC_CLIENT_SECRET", "")} | {
                CREDENTIAL_OPTIONS[name]: value for name, value in self.credentials.items()
            }
        return credentials_from(environ)

    def run(self, work: Callable[[CaseApi], Awaitable[T]]) -> T:
        """Run work on the driver, with a client and an event loop of its own."""

        async def run() -> T:
            async with self.client() as aicc:
                return await work(aicc.api)

        return asyncio.run(run())

    def plan(self, work: Callable[[CaseApi], Awaitable[list[Part]]]) -> list[Part]:
        """Run work on the driver that plans parts, and give these the driver's token."""
        parts, token = self.run(work), kept_token(self._credentials(), self.base_url)
        return [evolve(part, token=token) for part in parts]


def source_from_options(
    options: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> Source:
    """Parse the options of a reader; what they leave out is taken from ``AICC_*`` variables.

    Raises ConfigError for a name that is not known, and for a value that can't be right.
    """
    if unknown := options.keys() - KNOWN_OPTIONS:
        known = ", ".join(sorted({FILTER_OPTIONS.get(name, name) for name in KNOWN_OPTIONS}))
        raise ConfigError(f"option must be one of {known}, got {shown(min(unknown))}")
    overrides = {"AICC_BASE_URL": options["base_url"]} if "base_url" in options else {}
    # Not a default argument: ``help()`` shows those, and would show every variable.
    environ = os.environ if environ is None else environ
    if "redis_url" in options and environ.get("AICC_BUDGET"):
        options = {"budget": environ["AICC_BUDGET"], **options}
    base_url, environment = parse_environment({**environ, **overrides})
    return Source(
        base_url=base_url,
        query=_query(options),
        settings=_client_settings(options, environment),
        credentials={name: options[name] for name in CREDENTIAL_OPTIONS if name in options},
        **{
            name: parse(name, options[name])
            for name, parse in READER_OPTIONS.items()
            if name in options
        },
    )


def _query(options: Mapping[str, str]) -> CaseQuery:
    check_hidden(options)
    filters: dict[str, Any] = {}
    for name in options.keys() & FILTER_OPTIONS.keys():
        field_name, text = FILTER_OPTIONS[name], options[name]
        if field_name in filters:
            raise ConfigError(f"{field_name} must be set by one name, got two")
        is_flag = field_name.startswith("is_")
        filters[field_name] = parse_flag(name, text) if is_flag else text
    if "since" in options:
        filters["start_time"] = parse_time("since", options["since"])
    if "until" in options:
        filters["end_time"] = parse_time("until", options["until"], is_last=True)
    if "extra" in options:
        filters["extra"] = parse_filters("extra", options["extra"])
    if SECRET_FILTERS in options:
        for name, value in parse_filters(SECRET_FILTERS, options[SECRET_FILTERS]).items():
            if known := FILTER_OPTIONS.get(name.lower()):
                filters[known] = value
            else:
                filters["extra"] = {**filters.get("extra", {}), name: value}
    return CaseQuery(**filters)


def check_hidden(options: Iterable[str]) -> None:
    """Raise ConfigError for a filter that may be contact data, where Spark would show its value."""
    for name in options:
        if FILTER_OPTIONS.get(name.lower()) in CONTACT_FIELDS:
            raise ConfigError(
                f"{name} must be set in the option {SECRET_FILTERS}, whose value Spark hides"
            )


def _client_settings(options: Mapping[str, str], environment: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(environment)
    if "timezone" in options:
        settings["timezone"] = options["timezone"]
    if "rate" in options:
        settings["rate_limit"] = parse_rate_limit(options["rate"])
    if BUDGET_OPTIONS & options.keys():
        settings["rate_limit"] = _shared_limit(settings.get("rate_limit"), options)
    if "concurrency" in options:
        settings["max_concurrency"] = parse_integer("concurrency", options["concurrency"])
    if "allow_http" in options:
        settings["allow_http"] = parse_flag("allow_http", options["allow_http"])
    given: dict[str, Any] = {
        name: options[option] for option, name in NETWORK_OPTIONS.items() if option in options
    }
    if "headers" in given:
        given["headers"] = parse_headers("secret_headers", given["headers"])
    settings |= override_network(settings.get("network"), **given)
    if path := options.get("profile") or environment.get("profile"):
        # Read on the driver: the file need not exist where the tasks run.
        settings["profile"] = Profile.load(path)
    return settings


def _shared_limit(limit: RateLimit | None, options: Mapping[str, str]) -> RateLimit:
    """Return the limit as one of all tasks, and of all others that share the budget."""
    if limit is None or "redis_url" not in options:
        missing = "redis_url" if limit else "rate"
        raise ConfigError(f"{missing} must be set for a shared budget")
    from ..redis.budget import RedisBudget  # noqa: PLC0415  (who shares nothing needs no redis)

    settings: dict[str, Any] = {}
    if "budget" in options:
        settings["name"] = options["budget"]
    if "fallback_processes" in options:
        processes = parse_integer("fallback_processes", options["fallback_processes"])
        settings["fallback_processes"] = processes
    budget = RedisBudget(options["redis_url"], **settings)
    return evolve(limit, shared=budget, priority="bulk")
