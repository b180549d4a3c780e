"""What commands share: where the service is, who asks, which cases. No secret is an option."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import evolve

from .._parse import parse_environment, parse_rate_limit, parse_span
from .._protocol.names import wire_names
from .._ratelimit.budget import RequestPriority
from ..client import AICCClient
from ..credentials import ClientCredentials, Credentials, StaticToken, credentials_from
from ..emulator import Emulator
from ..errors import ConfigError
from ..models import CaseQuery
from ..settings import RateLimit
from .console import ask_secret

F = TypeVar("F", bound=Callable[..., Any])
DEMO_CASES = 12_000
DEMO_YEAR = (datetime(2025, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001  (wall-clock times)

LAST = datetime.min  # noqa: DTZ901  (stands for the word of --since last)
RANGE = {"start_time", "end_time"}  # --since and --until
FILTERS = {
    name: field
    for field, wire in wire_names(CaseQuery).items()
    for name in (field, wire)
    if field not in RANGE
}


class Span(click.ParamType[timedelta]):
    """A length of time: 7d, 12h, 5m, 30s."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read a number and a unit."""
        if isinstance(value, timedelta):
            return value
        try:
            found = parse_span(value)
        except OverflowError:
            self.fail(f"{value[:20]}…{value[-1]} is too long a time", param, ctx)
        if found is None:
            self.fail(f"{value!r} is no length of time such as 7d, 12h, 5m or 30s", param, ctx)
        return found


class Moment(click.ParamType[datetime]):
    """A date or a time; a date alone is its first second, or its last one."""

    name = "time"

    def __init__(self, *, last: bool = False, word: str = "") -> None:
        self._last = last
        self._word = word

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read ISO 8601; without an offset it is taken in the client's zone."""
        if self._word and value == self._word:
            return LAST
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2025-01-31 or 2025-01-31T18:00:00", param, ctx)
        whole_day = self._last and len(value) <= len("2025-01-31")
        return moment + timedelta(days=1, seconds=-1) if whole_day else moment


def connection(command: F) -> F:
    """Add the options that say where the service is and who asks."""
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in reversed(
        [
            click.option("--base-url", help="The domain, as https://…  [AICC_BASE_URL]"),
            click.option("--client-id", help="Who signs in; asks for the secret."),
            click.option("--key-file", type=path, help="The administrator's CSV file."),
            click.option("--token-file", type=path, help="A file that holds an access token."),
            click.option("--timezone", help="The tenant's zone.  [AICC_TIMEZONE, Asia/Shanghai]"),
            click.option(
                "--rate",
                help="At most so many requests in any second; 600/60.  [AICC_REDIS_URL shares it]",
            ),
            click.option("--profile", type=path, help="What probe found.  [AICC_PROFILE]"),
        ]
    ):
        command = option(command)
    return command


def demo(command: F) -> F:
    """Add the option that runs a tenant inside, so that no account is needed."""
    text = f"Use a tenant of {DEMO_CASES:,} invented cases of 2025, on this machine."
    return click.option("--demo", is_flag=True, help=text)(command)


def selection(command: F) -> F:
    """Add the options that say which cases."""
    return _selection(command, Moment(), "First second, or day: 2025-01-01.")


def selection_or_last(command: F) -> F:
    """Add the same, where a run may go on from the last one."""
    first = "First second, or day: 2025-01-01; last: where the run before ended."
    return _selection(command, Moment(word="last"), first)


def _selection(command: F, since: Moment, text: str) -> F:
    for option in reversed(
        [
            click.option("--since", type=since, help=text),
            click.option(
                "--until", type=Moment(last=True), help="Last second, or day: 2025-01-31T18:00:00."
            ),
            click.option(
                "--filter",
                "filters",
                multiple=True,
                metavar="NAME=VALUE",
                help="As priority=High or owner_id=…; extension fields by their wire name.",
            ),
        ]
    ):
        command = option(command)
    return command


def query(since: datetime | None, until: datetime | None, filters: tuple[str, ...]) -> CaseQuery:
    """Make a query out of the options; an unknown name is a ConfigError, not a silent no-op."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for text in filters:
        name, value = _filter(text)
        if name in known or name in extra:
            raise ConfigError(f"--filter {name}: one value is needed, two were given")
        (known if name in FILTERS else extra)[name] = value
    return CaseQuery(start_time=since, end_time=until, **known, extra=extra)


def _filter(text: str) -> tuple[str, str | bool]:
    name, equals, value = text.partition("=")
    field = FILTERS.get(name)
    if not equals or (field is None and "__" not in name):
        names = ", ".join(sorted(set(FILTERS.values())))
        raise ConfigError(f"--filter {name}: NAME=VALUE is needed, NAME one of {names}")
    if field and field.startswith("is_"):
        return field, _flag(name, value)
    return field or name, value


def _flag(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ConfigError(f"--filter {name}: true or false is needed")
    return text.lower() == "true"


def reader(
    *, demo: bool = False, concurrency: int = 8, **options: Any
) -> AbstractAsyncContextManager[AICCClient]:
    """Make a client as ``client`` does, or run a tenant for one when ``demo`` is wanted."""
    if not demo:
        return client(concurrency=concurrency, priority="bulk", **options)
    for name in ("base_url", "client_id", "key_file", "token_file"):
        if options[name]:
            raise ConfigError(f"--demo: it is a tenant of its own; leave {_option(name)} out")
    return _demo_client(max_concurrency=concurrency, **_settings(options))


def client(
    *,
    concurrency: int = 8,
    priority: RequestPriority = "worker",
    writing: Mapping[str, Any] | None = None,
    **options: Any,
) -> AICCClient:
    """Make the client that options and variables describe, asking for a secret if need be.

    ``writing`` are settings of the client's that are no options of every command. With
    ``AICC_REDIS_URL`` the limit is shared, by the name of the domain; ``priority`` says who waits.

    That is done before an event loop runs: within one a prompt could not be interrupted.
    """
    environ = os.environ
    given = {"AICC_BASE_URL": options["base_url"]} if options["base_url"] else {}
    base_url, settings = parse_environment({**environ, **given})
    settings |= _settings(options) | dict(writing or {})
    if environ.get("AICC_REDIS_URL"):
        settings["rate_limit"] = _shared(settings, base_url, environ["AICC_REDIS_URL"], priority)
    auth = _credentials(options, environ)
    return AICCClient(base_url, auth=auth, max_concurrency=concurrency, **settings)


def _shared(
    settings: Mapping[str, Any], base_url: str, url: str, priority: RequestPriority
) -> RateLimit:
    from ..connectors.redis import RedisBudget  # noqa: PLC0415  (an extra of its own)

    if "rate_limit" not in settings:
        raise ConfigError("AICC_REDIS_URL: --rate or AICC_RATE_LIMIT is needed, to be shared")
    name = base_url.partition("://")[2].rstrip("/")
    limit: RateLimit = settings["rate_limit"]
    return evolve(limit, shared=RedisBudget(url, name=name), priority=priority)


@asynccontextmanager
async def _demo_client(**settings: Any) -> AsyncIterator[AICCClient]:
    """Run a tenant on loopback, and a client of it."""
    since, until = DEMO_YEAR
    async with Emulator(cases=DEMO_CASES, since=since, until=until, record=False) as tenant:
        auth = ClientCredentials(tenant.client_id, tenant.client_secret)
        async with AICCClient(tenant.url, auth=auth, **settings) as aicc:
            yield aicc


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if options["timezone"]:
        settings["timezone"] = options["timezone"]
    if options["profile"]:
        settings["profile"] = options["profile"]
    if options["rate"]:
        settings["rate_limit"] = parse_rate_limit(options["rate"])
    return settings


def _credentials(options: Mapping[str, Any], environ: Mapping[str, str]) -> Credentials:
    if options["token_file"]:
        return StaticToken(_token(options["token_file"]))
    if options["key_file"]:
        return ClientCredentials.from_key_file(options["key_file"])
    secret = environ.get("AICC_CLIENT_SECRET")
    if options["client_id"]:
        return ClientCredentials(options["client_id"], secret or _secret())
    others = environ.get("AICC_ACCESS_TOKEN") or environ.get("AICC_KEY_FILE") or secret
    if environ.get("AICC_CLIENT_ID") and not others:
        return ClientCredentials(environ["AICC_CLIENT_ID"], _secret())
    return credentials_from(environ)


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
    # outside the block above: the error underneath may hold a piece of the file
    raise ConfigError(f"--token-file: it can't be read: {kind}")


def _secret() -> str:
    return ask_secret("Client secret", "AICC_CLIENT_SECRET")
