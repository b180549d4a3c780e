"""The commands in a company's network: by options, by variables, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.company import HEADERS, Company, company
from helpers.shell import Call
from helpers.tinyproxy import PASSWORD

from aicc_async.emulator import Emulator


@pytest.fixture(scope="module")
def place(shared: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Put the file's tenant into such a network."""
    with company(shared, tmp_path_factory.mktemp("company")) as found:
        yield found


@pytest.fixture
def network(tenant: Emulator, place: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Give the network to one test, by the variables that hold secrets."""
    assert tenant is place.tenant
    monkeypatch.setenv("AICC_BASE_URL", place.url)
    monkeypatch.setenv("AICC_PROXY", place.proxy.url)
    monkeypatch.setenv("AICC_HEADERS", HEADERS)
    return place


def flags(network: Company) -> list[str]:
    """Return the options that name files."""
    return [f"--{name.replace('_', '-')}={path}" for name, path in network.files.items()]


def test_an_export_by_options(network: Company, call: Call) -> None:
    """It is complete; a header of an option is added to those of the variable."""
    bounds = ("--since", "2025-01-01", "--until", "2025-03-31")
    ended = call("export", "o.jsonl", *bounds, *flags(network), "--header", "X-Trace: one:two")
    assert ended.code == 0, ended.err
    assert "300 cases" in ended.out + ended.err
    network.check()
    assert {request.headers["X-Trace"] for request in network.tenant.requests} == {"one:two"}


def test_variables_alone(network: Company, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of AICC and of Q-Flow read them."""
    for name, path in network.files.items():
        monkeypatch.setenv(f"AICC_{name.upper()}", path)
    url = network.tenant.qflow_url.replace(network.tenant.url, network.url)
    monkeypatch.setenv("AICC_QFLOW_URL", url)
    assert len(call("list", "--limit", "3").rows) == 3
    assert call("enqueue", stdin={"ServiceId": 2}).code == 0
    network.check()


def test_an_option_goes_before_its_variable(network: Company, call: Call) -> None:
    """The proxy without its password refuses, which is told without any secret."""
    ended = call("list", "--proxy", network.proxy.address, *flags(network))
    assert ended.code == 1
    assert "the proxy opened no tunnel: HTTP 407" in ended.err
    assert PASSWORD not in ended.err
    assert network.tenant.requests == []


def test_the_proxy_of_all_programs(
    network: Company, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is read without being asked for."""
    monkeypatch.delenv("AICC_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", network.proxy.address)
    ended = call("list", "--base-url", "https://tenant.invalid")
    assert "the proxy opened no tunnel: HTTP 407" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--proxy", f"http://u:{PASSWORD}@proxy:1"], "--proxy must not hold a password: AICC_PR"),
        (["--header", "X-Stage"], "--header must be 'Name: value' lines"),
        (["--header", "Access-Token: t"], "headers must not hold 'Access-Token', which carries"),
        (["--client-key", "key.pem"], "client_key must come with client_cert"),
        (["--base-url", "http://aicc.example"], "base_url must be https for aicc.example, unless"),
    ],
)
def test_what_cannot_be_is_refused(
    tenant: Emulator, call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """With exit code 2, before anything is sent, and without a secret."""
    (tmp_path / "key.pem").touch()
    ended = call("list", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert PASSWORD not in ended.err
    assert tenant.requests == []


def test_a_plain_address_may_be_allowed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--allow-http`` lets a request try; nobody has that name."""
    monkeypatch.setenv("AICC_ACCESS_TOKEN", "t")
    monkeypatch.setenv("AICC_PROXY", "http://127.0.0.1:1")
    ended = call("list", "--base-url", "http://tenant.invalid", "--allow-http")
    assert ended.code == 1
    assert "cannot connect to the proxy 127.0.0.1:1" in ended.err


def test_the_demo_has_no_network(call: Call) -> None:
    """It never leaves this machine."""
    ended = call("export", "o.jsonl", "--demo", "--proxy", "http://proxy:1")
    assert ended.code == 2
    assert "--demo cannot be combined with --proxy" in ended.err
