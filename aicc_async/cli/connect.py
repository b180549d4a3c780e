"""The client that options and ``AICC_*`` variables describe.

A secret that is missing is asked for while the client is made, before an event loop runs: within
one, a prompt could not be interrupted.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from attrs import evolve

from .._ratelimit.budget import RequestPriority
from ..client import AICCClient
from ..connectors._shared_token import share_token
from ..credentials import ClientCredentials, Credentials, QFlowLogin, StaticToken, credentials_from
from ..errors import ConfigError
from ..models import NewTask
from ..qflow import QFlowClient
from ..settings import Dialect
from ..settings.endpoint import check_base_url, domain_of
from ..settings.environment import (
    override_network,
    parse_environment,
    parse_headers,
    parse_network,
    parse_rate_limit,
    parse_telemetry,
)
from .console import ask_secret
from .options import DEMO_CASES, DEMO_YEAR

NETWORK_OPTIONS = ("proxy", "ca_file", "client_cert", "client_key")
Reader = AbstractAsyncContextManager[AICCClient]


def reader(
    *, demo: bool = False, demo_tasks: Sequence[str] = (), concurrency: int = 8, **options: Any
) -> Reader:
    """Return a client as ``client`` does, or one of a tenant that runs inside for ``--demo``.

    ``demo_tasks`` are titles of tasks that this tenant has: it begins without any.
    """
    if not demo:
        return client(concurrency=concurrency, priority="bulk", **options)
    for name in ("base_url", "client_id", "key_file", "token_file", "header", *NETWORK_OPTIONS):
        if options[name]:
            raise ConfigError(f"--demo cannot be combined with --{name.replace('_', '-')}")
    return _demo_client(demo_tasks, max_concurrency=concurrency, **_settings(options))


def client(
    *,
    concurrency: int = 8,
    priority: RequestPriority = "worker",
    writing: Mapping[str, Any] | None = None,
    **options: Any,
) -> AICCClient:
    """Return the client that options and variables describe.

    ``writing`` are settings of the client that are not options of every command. With
    ``AICC_REDIS_URL`` the rate limit is shared, under the name in ``AICC_BUDGET`` or that of the
    domain; ``priority`` is that of the requests there.
    """
    environ = os.environ
    given = {"AICC_BASE_URL": options["base_url"]} if options["base_url"] else {}
    base_url, settings = parse_environment({**environ, **given})
    settings |= _settings(options) | _network(options, settings) | dict(writing or {})
    if environ.get("AICC_REDIS_URL"):
        # An extra of its own.
        from ..connectors.redis import RedisBudget

        if "rate_limit" not in settings:
            raise ConfigError("AICC_REDIS_URL must come with --rate or AICC_RATE_LIMIT")
        name = environ.get("AICC_BUDGET") or domain_of(check_base_url(base_url, allow_http=True))
        budget = RedisBudget(environ["AICC_REDIS_URL"], name=name)
        settings["rate_limit"] = evolve(settings["rate_limit"], shared=budget, priority=priority)
    auth = share_token(_credentials(options, environ), environ.get("AICC_TOKEN_REDIS_URL"))
    return AICCClient(base_url, auth=auth, max_concurrency=concurrency, **settings)


@asynccontextmanager
async def _demo_client(tasks: Sequence[str], **settings: Any) -> AsyncIterator[AICCClient]:
    # It takes a web server, which no other command loads.
    from ..emulator import Emulator

    since, until = DEMO_YEAR
    async with Emulator(cases=DEMO_CASES, since=since, until=until, record=False) as tenant:
        auth = ClientCredentials(tenant.client_id, tenant.client_secret)
        dialect = Dialect(missing_codes=tenant.missing_code)
        async with AICCClient(tenant.url, auth=auth, dialect=dialect, **settings) as aicc:
            for title in tasks:
                await aicc.create_task(NewTask(title=title))
            yield aicc


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: options[name] for name in ("timezone", "profile") if options[name]}
    if options["rate"]:
        settings["rate_limit"] = parse_rate_limit(options["rate"])
    return settings


def _network(options: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    if "@" in (options["proxy"] or ""):
        # Everybody can read the arguments of a process.
        raise ConfigError("--proxy must not hold a password: AICC_PROXY takes one")
    given = {name: options[name] for name in NETWORK_OPTIONS}
    headers = parse_headers("--header", "\n".join(options["header"]))
    allowed = {"allow_http": True} if options["allow_http"] else {}
    return allowed | override_network(settings.get("network"), headers=headers, **given)


def _credentials(options: Mapping[str, Any], environ: Mapping[str, str]) -> Credentials:
    if options["token_file"]:
        try:
            return StaticToken(options["token_file"].read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            kind = type(error).__name__
        # Outside the block above: the error underneath may hold a piece of the file.
        raise ConfigError(f"cannot read the --token-file: {kind}")
    if options["key_file"]:
        return ClientCredentials.from_key_file(options["key_file"])
    secret = environ.get("AICC_CLIENT_SECRET")
    has_others = environ.get("AICC_ACCESS_TOKEN") or environ.get("AICC_KEY_FILE") or secret
    client_id = options["client_id"] or (not has_others and environ.get("AICC_CLIENT_ID"))
    if client_id:
        secret = secret or ask_secret("Client secret", "AICC_CLIENT_SECRET")
        return ClientCredentials(client_id, secret)
    return credentials_from(environ)


def qflow_client(base_url: str) -> QFlowClient:
    """Return the client of a Q-Flow server that variables describe."""
    environ = os.environ
    user, password = environ.get("AICC_QFLOW_USER"), environ.get("AICC_QFLOW_PASSWORD")
    if password and not user:
        raise ConfigError("AICC_QFLOW_USER must be set, as AICC_QFLOW_PASSWORD is")
    login = None
    if user:
        password = password or ask_secret("Q-Flow password", "AICC_QFLOW_PASSWORD")
        login = QFlowLogin(user, password)
    telemetry = environ.get("AICC_TELEMETRY")
    return QFlowClient(
        base_url,
        on_event=parse_telemetry(telemetry) if telemetry else None,
        login=login,
        token_header=environ.get("AICC_QFLOW_TOKEN_HEADER") or "Authorization",
        # It may be empty.
        token_prefix=environ.get("AICC_QFLOW_TOKEN_PREFIX", "Bearer "),
        headers=parse_headers("AICC_QFLOW_HEADERS", environ.get("AICC_QFLOW_HEADERS", "")),
        **parse_network(environ, base_url),
    )
