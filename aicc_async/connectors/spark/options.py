"""What a Spark job reads, and how: the options of its reader, made on the driver for every task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from attrs import evolve, field, frozen

from ..._parse import parse_environment, parse_rate_limit, parse_span
from ..._protocol.names import wire_names
from ...client import AICCClient
from ...credentials import Credentials, credentials_from
from ...errors import ConfigError
from ...models import CaseQuery
from ...profile import Profile
from ...settings import RateLimit

SETTLE = timedelta(minutes=5)
SHORTEST_SETTLE = timedelta(seconds=2)  # the last second that is read must be over
MAX_DAYS, MAX_ROWS = 31, 100_000  # of a batch of a stream
DAY = len("2025-01-31")
WORDS = {"true": True, "false": False}
# Spark hides options with such names, and so do these: secret, password, token
CREDENTIALS = {
    "access_token": "AICC_ACCESS_TOKEN",
    "key_file": "AICC_KEY_FILE",
    "client_id": "AICC_CLIENT_ID",
    "client_secret": "AICC_CLIENT_SECRET",
}
FILTERS = {
    name.lower(): field  # Spark tells the names of options in lower case
    for field, wire in wire_names(CaseQuery).items()
    for name in (field, wire)
    if field not in {"start_time", "end_time"}
}
STREAM = {"settle", "max_days", "max_rows"}
BUDGET = {"redis_url", "budget", "fallback_processes"}  # and url, which may hold a password
OTHERS = {"base_url", "timezone", "since", "until", "extra", "concurrency", "profile", "strict"}
KNOWN = {*FILTERS, *CREDENTIALS, *STREAM, *BUDGET, *OTHERS, "rate"}

_read_extra = msgspec.json.Decoder(dict[str, Any]).decode


@frozen(kw_only=True)
class Source:
    """What is read, by which clients; small, and pickled for the tasks.

    ``settings`` are those of the client. ``credentials`` are options in the place of variables; a
    key file and the variables are read where a client is made: on the driver, and by each task.
    ``by_date`` says that the query's range came from a filter of ``created_date``.
    """

    base_url: str
    query: CaseQuery
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
    strict: bool = True
    by_date: bool = False
    settle: timedelta = SETTLE
    max_days: int = MAX_DAYS
    max_rows: int = MAX_ROWS

    def client(self) -> AICCClient:
        """Make a client, for the driver or one task."""
        auth = _credentials(self.credentials, os.environ)
        return AICCClient(self.base_url, auth=auth, **self.settings)


def source_of(options: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> Source:
    """Read the options of a reader; what they leave out is taken from ``AICC_*`` variables.

    Raises ConfigError for a name that is not known, and for a value that can't be right.
    """
    if unknown := options.keys() - KNOWN:
        known = ", ".join(sorted({FILTERS.get(name, name) for name in KNOWN}))
        raise ConfigError(f"option {min(unknown)!r}: one of {known} is needed")
    given = {"AICC_BASE_URL": options["base_url"]} if "base_url" in options else {}
    base_url, settings = parse_environment({**environ, **given})
    return Source(
        base_url=base_url,
        query=_query(options),
        settings=settings | dict(_settings(options, settings)),
        credentials={name: options[name] for name in CREDENTIALS if name in options},
        **dict(_ways(options)),
    )


def _settings(
    options: Mapping[str, str], environment: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    if "timezone" in options:
        yield "timezone", options["timezone"]
    limit = (
        parse_rate_limit(options["rate"]) if "rate" in options else environment.get("rate_limit")
    )
    if BUDGET & options.keys():
        yield "rate_limit", _shared(limit, options)
    elif limit:
        yield "rate_limit", limit
    if "concurrency" in options:
        yield "max_concurrency", _whole("concurrency", options["concurrency"])
    if path := options.get("profile") or environment.get("profile"):
        yield "profile", Profile.load(path)  # here: the file need not be where the tasks run


def _shared(limit: RateLimit | None, options: Mapping[str, str]) -> RateLimit:
    """Make the limit one of all tasks, and of all others that share the budget."""
    if limit is None or "redis_url" not in options:
        missing = "redis_url" if limit else "rate"
        raise ConfigError(f"{missing}: a shared budget needs it")
    from ..redis.budget import RedisBudget  # noqa: PLC0415  (who shares nothing needs no redis)

    given = {"name": options["budget"]} if "budget" in options else {}
    processes = _whole("fallback_processes", options.get("fallback_processes", "8"))
    budget = RedisBudget(options["redis_url"], fallback_processes=processes, **given)
    return evolve(limit, shared=budget, priority="bulk")


def _ways(options: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    readers: dict[str, Callable[[str, str], Any]] = {
        "strict": _flag,
        "settle": _settle,
        "max_days": _whole,
        "max_rows": _whole,
    }
    return ((name, read(name, options[name])) for name, read in readers.items() if name in options)


def _query(options: Mapping[str, str]) -> CaseQuery:
    filters: dict[str, Any] = {}
    for name in options.keys() & FILTERS.keys():
        known = FILTERS[name]
        if known in filters:
            raise ConfigError(f"option {name!r}: one value is needed, two were given")
        is_flag = known.startswith("is_")
        filters[known] = _flag(name, options[name]) if is_flag else options[name]
    return CaseQuery(
        start_time=_moment("since", options),
        end_time=_moment("until", options, last=True),
        extra=_extra(options.get("extra", "{}")),
        **filters,
    )


def _moment(name: str, options: Mapping[str, str], *, last: bool = False) -> datetime | None:
    """Read ISO 8601; a day alone is its first second, or its ``last`` one."""
    if name not in options:
        return None
    text = options[name]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{name}: a time such as 2025-01-31 or 2025-01-31T18:00:00 is needed, {text!r} given"
        ) from None
    return moment + timedelta(days=1, seconds=-1) if last and len(text) <= DAY else moment


def _extra(text: str) -> dict[str, Any]:
    try:
        return _read_extra(text)
    except ValueError:  # its text may hold a piece of a value
        raise ConfigError("extra: a JSON object of filters by their wire names is needed") from None


def _flag(name: str, text: str) -> bool:
    if text.lower() not in WORDS:
        raise ConfigError(f"{name}: true or false is needed, {text!r} was given")
    return WORDS[text.lower()]


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{name}: a whole number of at least 1 is needed, {text!r} was given")
    return int(text)


def _settle(name: str, text: str) -> timedelta:
    try:
        found = parse_span(text)
    except OverflowError:
        raise ConfigError(f"{name}: {text} is longer than can be") from None
    if found is None:
        raise ConfigError(f"{name}: a time such as 5m or 30s is needed, {text!r} was given")
    if found < SHORTEST_SETTLE:
        raise ConfigError(f"{name}: at least {SHORTEST_SETTLE.seconds} s are needed, {text} given")
    return found


def _credentials(options: Mapping[str, str], environ: Mapping[str, str]) -> Credentials:
    if not options:
        return credentials_from(environ)
    given = {CREDENTIALS[name]: value for name, value in options.items()}
    secret = environ.get("AICC_CLIENT_SECRET", "")  # an id may be an option, and its secret not
    return credentials_from({"AICC_CLIENT_SECRET": secret} | given)
