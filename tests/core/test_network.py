"""A company's network: a real tinyproxy, a private authority, mTLS, headers of a gateway."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import ssl
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from helpers.tenants import NEW, QUICK, count
from helpers.tinyproxy import NO_TUNNELS, PASSWORD, Proxy, proxying
from helpers.tls_front import Authority, make_authority, terminating

from aicc_async import (
    AICCClient,
    ClientCredentials,
    ConfigError,
    NetworkSettings,
    QFlowClient,
    QFlowLogin,
    RequestTimeout,
    StaticToken,
    Timeouts,
    TransportError,
)
from aicc_async._network import environment_proxy
from aicc_async._parse import override_network
from aicc_async.emulator import Emulator, run_in_thread
from aicc_async.errors import ApiError

HIDDEN = "hush-header"
HEADERS = {"X-Stage": "RELEASE", "X-Gateway-Key": HIDDEN}
PROXY = "http://proxy.invalid:3128"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make a private authority."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """Run a proxy that wants a password."""
    with proxying() as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    """Run a tenant for all tests of the file."""
    with run_in_thread(cases=20) as tenant:
        yield tenant


@pytest.fixture
def tenant(shared: Emulator) -> Emulator:
    """Give that tenant, to which nothing came yet."""
    shared.requests.clear()
    return shared


@pytest.fixture(scope="module")
def tls(shared: Emulator, authority: Authority) -> Iterator[int]:
    """Run TLS before the tenant, and give its port."""
    with terminating(port_of(shared), authority.server_context()) as port:
        yield port


@pytest.fixture(scope="module")
def mtls(shared: Emulator, authority: Authority) -> Iterator[int]:
    """Run TLS that wants a client's certificate before the tenant, and give its port."""
    context = authority.server_context(wants_certificate=True)
    with terminating(port_of(shared), context) as port:
        yield port


def port_of(tenant: Emulator) -> int:
    """Return the port of a tenant."""
    return int(tenant.url.rpartition(":")[2])


def free_port() -> int:
    """Return a port where nobody listens."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def client_of(port: int, tenant: Emulator, **network: Any) -> AICCClient:
    """Make a client with a token already."""
    return AICCClient(
        f"https://127.0.0.1:{port}",
        auth=StaticToken(tenant.token()),
        retry=QUICK,
        network=NetworkSettings(**network),
    )


@pytest.mark.parametrize("files", ["one", "two", "context"])
async def test_a_company_s_network(
    proxy: Proxy, mtls: int, authority: Authority, tenant: Emulator, files: str
) -> None:
    """Sign-in, list and create pass the proxy in one tunnel, with certificate and headers."""
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.load_cert_chain(authority.client)
    ways: dict[str, dict[str, Any]] = {
        "one": {"ca_file": authority.ca_file, "client_cert": authority.client},
        "two": {
            "ca_file": str(authority.ca_file),
            "client_cert": str(authority.client_cert),
            "client_key": str(authority.client_key),
        },
        "context": {"ssl_context": context},
    }
    before = proxy.tunnels(mtls)
    network = NetworkSettings(proxy=proxy.url, headers=HEADERS, **ways[files])
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    async with AICCClient(f"https://127.0.0.1:{mtls}", auth=auth, network=network) as aicc:
        assert len((await aicc.list_cases(limit=5)).cases) == 5
        assert await aicc.create_case(NEW)
    assert proxy.tunnels(mtls) == before + 1
    assert [request.operation for request in tenant.requests] == ["token", "list", "create"]
    for request in tenant.requests:
        assert request.headers["X-Stage"] == "RELEASE"
        assert request.headers["X-Gateway-Key"] == HIDDEN
        assert "Proxy-Authorization" not in request.headers


# TLS 1.3 has no room for it in the handshake: the client may be writing already.
CLOSED = "refused the TLS handshake: .*_ALERT_|Can not write request body"
REFUSALS = {
    "unknown authority": ("tls", {"ca_file": None}, "certificate verify failed"),
    "no certificate": ("mtls", {}, CLOSED),
    "foreign certificate": ("mtls", {"client_cert": "foreign"}, CLOSED),
    "no password": ("tls", {"proxy": "address"}, "the proxy opened no tunnel: HTTP 407"),
    "no tunnels": ("tls", {"proxy": "refusing"}, "the proxy opened no tunnel: HTTP 403"),
}


@pytest.mark.parametrize("through_proxy", [True, False], ids=["proxy", "direct"])
@pytest.mark.parametrize("name", REFUSALS)
async def test_what_is_refused_was_not_sent(  # noqa: PLR0917  (fixtures)
    proxy: Proxy,
    refusing_proxy: Proxy,
    tls: int,
    mtls: int,
    authority: Authority,
    foreign: Authority,
    tenant: Emulator,
    name: str,
    through_proxy: bool,
) -> None:
    """A create that met a refusing proxy or TLS is no UnknownOutcome, and is tried once."""
    front, changed, message = REFUSALS[name]
    values: dict[str | None, Any] = {
        "foreign": foreign.client,
        "address": proxy.address,
        "refusing": refusing_proxy.url,
    }
    base: dict[str, Any] = {"ca_file": authority.ca_file}
    if through_proxy:
        base["proxy"] = proxy.url
    elif "proxy" in changed:
        pytest.skip("without a proxy")
    network = base | {option: values.get(value) for option, value in changed.items()}
    async with client_of({"tls": tls, "mtls": mtls}[front], tenant, **network) as aicc:
        with pytest.raises(TransportError, match=message) as caught:
            await aicc.create_case(NEW)
        with pytest.raises(TransportError, match=message):
            await aicc.list_cases()
    assert type(caught.value) is TransportError
    assert not caught.value.sent
    assert aicc.stats.requests == 2 or message is CLOSED
    assert tenant.requests == []
    assert_hidden(caught.value)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make another authority, which nobody trusts."""
    return make_authority(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def refusing_proxy() -> Iterator[Proxy]:
    """Run a proxy that opens no tunnel."""
    with proxying(options=NO_TUNNELS) as found:
        yield found


def assert_hidden(error: BaseException | None) -> None:
    """Check that no error of a chain shows a password."""
    while error is not None:
        text = f"{error} {error!r} {error.args} {vars(error)}"
        assert PASSWORD not in text
        assert "Y2xlcms6" not in text
        error = error.__cause__ or error.__context__
