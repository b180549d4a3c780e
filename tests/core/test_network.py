"""A company's network: a real tinyproxy, a private authority, mTLS, headers of a gateway."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from helpers.tenants import NEW, QUICK, count
from helpers.tinyproxy import NO_TUNNELS, PASSWORD, Proxy, proxying
from helpers.tls_front import Authority, make_authority, terminating

from aicc_async import (
    AICCClient,
    CaseEnqueue,
    ClientCredentials,
    ConfigError,
    NetworkSettings,
    QFlowClient,
    QFlowLogin,
    RequestTimeout,
    RetryPolicy,
    StaticToken,
    Timeouts,
    TransportError,
)
from aicc_async.emulator import Emulator, run_in_thread
from aicc_async.errors import ApiError
from aicc_async.settings.environment import override_network, parse_environment
from aicc_async.settings.network import environment_proxy

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


@pytest.fixture(scope="module")
def fronts(tls: int, mtls: int) -> dict[str, int]:
    """Give both ports by name."""
    return {"tls": tls, "mtls": mtls}


@pytest.fixture(scope="module")
def authorities(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Authority, Authority]:
    """Make another authority, which nobody trusts."""
    return authority, make_authority(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def proxies(proxy: Proxy) -> Iterator[tuple[Proxy, Proxy]]:
    """Run another proxy, which opens no tunnel."""
    with proxying(options=NO_TUNNELS) as refusing:
        yield proxy, refusing


def assert_no_secret(text: str) -> None:
    """Check that a text has neither a password, nor the header that holds it, nor a header's."""
    assert PASSWORD not in text
    assert b64encode(b"clerk:").decode()[:7] not in text
    assert HIDDEN not in text


def assert_hidden(error: BaseException | None) -> None:
    """Check that no error of a chain shows a secret."""
    while error is not None:
        assert_no_secret(f"{error} {error!r} {error.args} {vars(error)}")
        error = error.__cause__ or error.__context__


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
# A client that has written is told by a reset, if the alert is lost.
RESET = "no complete answer .*reset by peer"
REFUSALS: dict[str, tuple[str, dict[str, str | None], str]] = {
    "unknown authority": ("tls", {"ca_file": None}, "certificate verify failed"),
    "unknown authority, direct": (
        "tls",
        {"ca_file": None, "proxy": None},
        "certificate verify failed",
    ),
    "no certificate": ("mtls", {}, CLOSED),
    "no certificate, direct": ("mtls", {"proxy": None}, CLOSED),
    "foreign certificate": ("mtls", {"client_cert": "foreign"}, CLOSED),
    "no password": ("tls", {"proxy": "address"}, "the proxy opened no tunnel: HTTP 407$"),
    "no tunnels": ("tls", {"proxy": "refusing"}, "the proxy opened no tunnel: HTTP 403$"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_is_refused_was_not_sent(
    proxies: tuple[Proxy, Proxy],
    fronts: dict[str, int],
    authorities: tuple[Authority, Authority],
    tenant: Emulator,
    name: str,
) -> None:
    """A create that met a refusing proxy or TLS is no UnknownOutcome, and is tried once."""
    front, changed, message = REFUSALS[name]
    (proxy, refusing), (authority, foreign) = proxies, authorities
    values = {
        None: None,
        "foreign": foreign.client,
        "address": proxy.address,
        "refusing": refusing.url,
    }
    network: dict[str, Any] = {"ca_file": authority.ca_file, "proxy": proxy.url}
    network |= {option: values[value] for option, value in changed.items()}
    async with client_of(fronts[front], tenant, **network) as aicc:
        with pytest.raises(TransportError, match=message) as caught:
            await aicc.create_case(NEW)
        told = f"{message}|{RESET}" if message is CLOSED else message
        with pytest.raises(TransportError, match=told):
            await aicc.list_cases()
    assert type(caught.value) is TransportError
    assert not caught.value.sent
    assert aicc.stats.requests == 2 or message is CLOSED
    assert tenant.requests == []
    assert_hidden(caught.value)


@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_proxy_that_opens_no_tunnel_has_sent_nothing(is_silent: bool) -> None:
    """It hangs up, or says nothing for longer than it may take to connect."""
    over = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if is_silent:
            await over.wait()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        network = NetworkSettings(proxy=f"http://127.0.0.1:{port}")
        async with AICCClient(
            "https://tenant.invalid",
            auth=StaticToken("t"),
            retry=RetryPolicy(attempts=1),
            timeouts=Timeouts(connect=0.05),
            network=network,
        ) as aicc:
            with pytest.raises(RequestTimeout if is_silent else TransportError) as caught:
                await aicc.create_case(NEW)
        over.set()
    assert not caught.value.sent


async def test_a_proxy_that_is_not_there(tenant: Emulator) -> None:
    """The error names it, without its password."""
    port = free_port()
    proxy = f"http://clerk:{PASSWORD}@127.0.0.1:{port}"
    async with client_of(1, tenant, proxy=proxy) as aicc:
        with pytest.raises(TransportError) as caught:
            await aicc.create_case(NEW)
    reason = f"create: cannot connect to the proxy 127.0.0.1:{port}: Connection refused"
    assert str(caught.value) == reason
    assert not caught.value.sent
    assert_hidden(caught.value)


@pytest.mark.parametrize("knows_password", [True, False])
async def test_a_plain_address_through_a_proxy(
    proxy: Proxy, tenant: Emulator, knows_password: bool
) -> None:
    """Without TLS the proxy reads the request itself, and keeps its password to itself."""
    network = NetworkSettings(proxy=proxy.url if knows_password else proxy.address)
    auth = StaticToken(tenant.token())
    async with AICCClient(tenant.url, auth=auth, retry=QUICK, network=network) as aicc:
        if knows_password:
            assert await aicc.create_case(NEW)
        else:
            with pytest.raises(ApiError, match="create: HTTP 407"):
                await aicc.create_case(NEW)
    assert [request.operation for request in tenant.requests] == ["create"] * knows_password
    assert not any("Proxy-Authorization" in request.headers for request in tenant.requests)


async def test_tls_to_the_proxy_and_through_it(
    proxy: Proxy, tls: int, authority: Authority, tenant: Emulator
) -> None:
    """An https:// proxy is verified by the same authorities."""
    with terminating(proxy.port, authority.server_context()) as port:
        url = proxy.url.replace("http://", "https://").replace(str(proxy.port), str(port))
        async with client_of(tls, tenant, proxy=url, ca_file=authority.ca_file) as aicc:
            assert await aicc.create_case(NEW)
        async with client_of(tls, tenant, proxy=url) as aicc:
            with pytest.raises(TransportError, match="certificate verify failed"):
                await aicc.create_case(NEW)
    assert count(tenant, "create") == 1


@pytest.mark.parametrize(
    ("login", "sent"), [("clerk:pass", "clerk:pass"), ("clerk", "clerk:"), (":pass", ":pass")]
)
def test_a_login_may_lack_its_name_or_its_password(login: str, sent: str) -> None:
    """Some proxies want one of the two alone."""
    route = NetworkSettings(proxy=f"http://{login}@proxy:3128").route_to(HTTPS)
    expected = f"Basic {b64encode(sent.encode()).decode()}"
    assert route.options["proxy_headers"] == {"Proxy-Authorization": expected}


async def test_a_session_of_the_caller_s_goes_that_way(
    proxy: Proxy, mtls: int, authority: Authority, tenant: Emulator
) -> None:
    """The network is that of each request: the session's own is not touched."""
    network = NetworkSettings(
        proxy=proxy.url, ca_file=authority.ca_file, client_cert=authority.client, headers=HEADERS
    )
    url, auth = f"https://127.0.0.1:{mtls}", StaticToken(tenant.token())
    async with (
        aiohttp.ClientSession(headers={"X-Mine": "yes"}) as http,
        AICCClient(url, auth=auth, session=http, network=network) as aicc,
    ):
        assert await aicc.create_case(NEW)
    [request] = tenant.requests
    assert request.headers["X-Mine"] == "yes"
    assert request.headers["X-Stage"] == "RELEASE"


async def test_qflow_goes_that_way(
    proxy: Proxy, mtls: int, authority: Authority, tenant: Emulator
) -> None:
    """Sign-in and calls alike; the client's own headers go before those of the network."""
    network = NetworkSettings(
        proxy=proxy.url, ca_file=authority.ca_file, client_cert=authority.client, headers=HEADERS
    )
    url = tenant.qflow_url.replace(tenant.url, f"https://127.0.0.1:{mtls}")
    login = QFlowLogin(tenant.qflow_user, tenant.qflow_password)
    async with QFlowClient(url, login=login, headers={"x-stage": "TEST"}, network=network) as qflow:
        assert (await qflow.enqueue_case(CaseEnqueue(service_id=2))).case_id
    assert [request.headers["X-Stage"] for request in tenant.requests] == ["TEST"] * 2
    assert [request.headers["X-Gateway-Key"] for request in tenant.requests] == [HIDDEN] * 2


async def test_nothing_secret_is_logged_or_shown(
    proxy: Proxy,
    tls: int,
    authority: Authority,
    tenant: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the proxy's password nor the value of a header, at DEBUG of everything."""
    caplog.set_level(logging.DEBUG, "")
    options: dict[str, Any] = {"proxy": proxy.url, "ca_file": authority.ca_file, "headers": HEADERS}
    async with client_of(tls, tenant, **options) as aicc:
        await aicc.create_case(NEW)
    network = NetworkSettings(**options)
    text = f"{network!r} {network.route_to(aicc.base_url)!r} {aicc.api!r} {caplog.text}"
    assert f"proxy='{proxy.address}" in text
    assert "create" in caplog.text
    assert_no_secret(text)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "scheme": ({"proxy": f"socks5://u:{PASSWORD}@proxy:1080"}, r"^proxy must be an http:// or "),
    "no scheme": ({"proxy": "proxy:3128"}, "^proxy must be an http:// or https:// URL such as "),
    "no host": ({"proxy": "http://"}, "^proxy must be an http:// or "),
    "port": ({"proxy": f"http://u:{PASSWORD}@proxy:99999"}, "^proxy must be an http:// or "),
    "path": ({"proxy": f"http://u:{PASSWORD}@proxy/path"}, "without a path$"),
    "line": ({"proxy": f"http://proxy:3128\r\n{PASSWORD}"}, "^proxy must be an http:// or "),
    "punycode": ({"proxy": f"http://u:{PASSWORD}@xn--a:1"}, "^proxy must be an http:// or "),
    "no text": ({"proxy": 5}, "^proxy must be a string, got int$"),
    "no file": (
        {"ca_file": "missing.pem"},
        r"^ca_file must be a file that can be read \(FileNotFoundError\), got 'missing.pem'$",
    ),
    "a folder": ({"client_cert": "."}, r"client_cert must be .* \(IsADirectoryError\), got '.'$"),
    "no path": ({"ca_file": True}, "^ca_file must be a str or PathLike or None, got bool$"),
    "no PEM": ({"ca_file": "empty"}, "^ca_file must be a file of certificates in PEM, got "),
    "no key": ({"client_cert": "cert"}, "^client_cert must be a PEM file with a certificate, and "),
    "other key": ({"client_cert": "cert", "client_key": "foreign"}, "KEY_VALUES_MISMATCH$"),
    "locked key": ({"client_cert": "cert", "client_key": "locked"}, "without a passphrase, got "),
    "key alone": ({"client_key": "foreign"}, "^client_key must come with client_cert$"),
    "two ways": (
        {"ssl_context": ssl.create_default_context(), "ca_file": "cert"},
        "^ssl_context=… cannot be combined with ca_file, client_cert or client_key$",
    ),
    "unverified": (
        {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)},
        "^ssl_context must verify the server's certificate, got CERT_NONE$",
    ),
    "no context": ({"ssl_context": False}, "^ssl_context must be a SSLContext or None, got bool$"),
    "no headers": ({"headers": "a"}, "^headers must be a Mapping, got str$"),
    "host": ({"headers": {"Host": HIDDEN}}, "^headers must have names, and none of the transport"),
    "length": ({"headers": {"content-length": "1"}}, "^headers must have names, and none of the "),
    "name": ({"headers": {"a b": HIDDEN}}, "^headers must have names, "),
    "value": ({"headers": {"a": f"{HIDDEN}\n"}}, "^headers must be printable strings: "),
    "proxy's": (
        {"headers": {"proxy-authorization": HIDDEN}},
        "^headers must not hold 'proxy-authorization': proxy takes the password$",
    ),
    "flag": ({"trust_env": "yes"}, "^trust_env must be a bool, got str$"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(
    authorities: tuple[Authority, Authority], tmp_path: Path, name: str
) -> None:
    """When they are made: with the field, and without a secret."""
    (tmp_path / "empty").touch()
    files = {
        "cert": authorities[0].client_cert,
        "foreign": authorities[1].client_key,
        "locked": lock(authorities[0].client_key, tmp_path / "locked"),
        "empty": tmp_path / "empty",
    }
    given, message = BAD[name]
    options: dict[str, Any] = {
        option: files.get(value, value) if isinstance(value, str) else value
        for option, value in given.items()
    }
    with pytest.raises(ConfigError, match=message) as caught:
        NetworkSettings(**options)
    assert_hidden(caught.value)


def lock(key: Path, locked: Path) -> Path:
    """Write a key anew, with a passphrase."""
    private = load_pem_private_key(key.read_bytes(), None)
    encryption = BestAvailableEncryption(b"a passphrase")
    locked.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)
    )
    return locked


def test_the_token_s_header_is_taken() -> None:
    """A header of the network must not replace it, in either client."""
    network = NetworkSettings(headers={"Access-Token": HIDDEN, "Authorization": HIDDEN})
    with pytest.raises(ConfigError, match=r"^headers must not hold 'Access-Token', which carries"):
        AICCClient("https://tenant.invalid", auth=StaticToken("t"), network=network)
    with pytest.raises(ConfigError, match=r"^headers must not hold 'Authorization', which carries"):
        QFlowClient("https://tenant.invalid", login=QFlowLogin("u", "p"), network=network)
    with pytest.raises(ConfigError, match=r"^network must be a NetworkSettings, got dict$"):
        AICCClient("https://tenant.invalid", auth=StaticToken("t"), network={})  # type: ignore[arg-type]


def test_a_file_that_is_gone_is_told_where_the_client_is_made(
    authority: Authority, tmp_path: Path
) -> None:
    """Settings travel to other machines, which may lack it."""
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.ca_file.read_bytes())
    there = pickle.loads(pickle.dumps(NetworkSettings(ca_file=file)))  # noqa: S301  (our own)
    file.unlink()
    with pytest.raises(ConfigError, match=r"^ca_file must be a file of certificates in PEM, got F"):
        AICCClient("https://tenant.invalid", auth=StaticToken("t"), network=there)


# ---- the environment -----------------------------------------------------------------------

HTTPS = "https://tenant.invalid"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY}, PROXY),
        (HTTPS, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        (HTTPS, {"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
        (HTTPS, {"HTTPS_PROXY": "proxy.invalid:3128"}, PROXY),
        (HTTPS, {"HTTP_PROXY": PROXY}, None),
        ("http://tenant.invalid", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://tenant.invalid", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("http://tenant.invalid", {"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "tenant.invalid"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example, .invalid"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "tenant.invalid:443"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "tenant.invalid:444"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "enant.invalid"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "no_proxy": "", "NO_PROXY": "*"}, PROXY),
        ("https://127.0.0.1:8443", {"HTTPS_PROXY": PROXY}, None),
        ("http://localhost", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:80", {"HTTP_PROXY": PROXY}, None),
        ("no url: [", {"HTTPS_PROXY": PROXY}, None),
        ("https://xn--a", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_the_proxy_of_the_environment(
    url: str, environ: dict[str, str], expected: str | None
) -> None:
    """It is read as curl does, but what is said to this machine stays on it."""
    assert environment_proxy(url, environ) == expected


def test_a_proxy_of_the_environment_that_is_none() -> None:
    """The error names the variable, not what it holds."""
    environ = {"HTTPS_PROXY": f"socks5://u:{PASSWORD}@proxy:1080"}
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY must be an http:// or ") as caught:
        environment_proxy(HTTPS, environ)
    assert_hidden(caught.value)


async def test_the_environment_is_trusted_where_it_is_asked_for(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ``trust_env``, and by ``from_env`` unless it says otherwise; never by a plain client."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    monkeypatch.setenv("AICC_BASE_URL", HTTPS)
    monkeypatch.setenv("AICC_ACCESS_TOKEN", "t")
    once, nowhere = (
        RetryPolicy(attempts=1),
        NetworkSettings(proxy=f"http://127.0.0.1:{free_port()}"),
    )
    clients = [
        AICCClient.from_env(retry=once),
        AICCClient(
            HTTPS, auth=StaticToken("t"), retry=once, network=NetworkSettings(trust_env=True)
        ),
        AICCClient.from_env(retry=once, network=nowhere),
    ]
    ends = []
    for client in clients:
        async with client as aicc:
            with pytest.raises(TransportError) as caught:
                await aicc.list_cases()
            ends.append(str(caught.value).rpartition(": ")[2])
    assert ends == ["HTTP 407", "HTTP 407", "Connection refused"]
    assert "network" not in parse_environment({"AICC_BASE_URL": HTTPS})[1]


async def test_all_variables_of_the_network(
    proxy: Proxy, mtls: int, authority: Authority, tenant: Emulator
) -> None:
    """``from_env`` sets proxy, files and headers; a proxy of its own goes before HTTPS_PROXY."""
    environ = {
        "AICC_BASE_URL": f"https://127.0.0.1:{mtls}",
        "AICC_ACCESS_TOKEN": tenant.token(),
        "AICC_PROXY": proxy.url,
        "HTTPS_PROXY": PROXY,
        "AICC_CA_FILE": str(authority.ca_file),
        "AICC_CLIENT_CERT": str(authority.client_cert),
        "AICC_CLIENT_KEY": str(authority.client_key),
        "AICC_HEADERS": f"X-Stage: RELEASE\nX-Gateway-Key: {HIDDEN}",
    }
    async with AICCClient.from_env(environ) as aicc:
        assert await aicc.create_case(NEW)
    [request] = tenant.requests
    assert request.headers["X-Stage"] == "RELEASE"
    assert request.headers["X-Gateway-Key"] == HIDDEN


def test_plain_addresses_by_a_variable() -> None:
    """``AICC_ALLOW_HTTP`` is true or false, as Spark's flags are."""
    environ = {"AICC_BASE_URL": "http://aicc.example", "AICC_ACCESS_TOKEN": "t"}
    assert AICCClient.from_env({**environ, "AICC_ALLOW_HTTP": "True"}).base_url
    with pytest.raises(ConfigError, match="unless allow_http=True"):
        AICCClient.from_env({**environ, "AICC_ALLOW_HTTP": "false"})
    with pytest.raises(ConfigError, match=r"^AICC_ALLOW_HTTP must be one of true, false, got '1'$"):
        AICCClient.from_env({**environ, "AICC_ALLOW_HTTP": "1"})
    with pytest.raises(ConfigError, match=r"^AICC_HEADERS must be 'Name: value' lines$"):
        AICCClient.from_env({**environ, "AICC_HEADERS": HIDDEN})


def test_single_values_go_before_what_is_set() -> None:
    """As the options of a command do; headers are added."""
    network = NetworkSettings(proxy=PROXY, headers={"a": "1", "b": "2"})
    found = override_network(network, proxy="http://other", headers={"b": "3"}, ca_file=None)
    expected = NetworkSettings(proxy="http://other", headers={"a": "1", "b": "3"})
    assert found == {"network": expected}
    assert override_network(None, proxy="", headers={}) == {}
