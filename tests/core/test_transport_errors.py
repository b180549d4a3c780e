"""Every error that aiohttp may raise comes out as one of ours, and says whether it was sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from helpers.tenants import NEW
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aicc_async import (
    AICCClient,
    AICCError,
    RequestTimeout,
    RetryPolicy,
    StaticToken,
    TransportError,
    UnknownOutcome,
)
from aicc_async.errors import DecodeError
from aicc_async.testing.mocks import MockedResponses

HOST = "https://tenant.invalid"
CASES = f"{HOST}/service/AICC__Case/1.0.0/openapi/case"
TOKEN = "an-invented-token"

_KEY = ConnectionKey("tenant.invalid", 443, True, True, None, None, None)
_INFO = aiohttp.RequestInfo(
    URL(CASES), "POST", CIMultiDictProxy(CIMultiDict({"access-token": TOKEN})), URL(CASES)
)
_REFUSED = OSError(111, "refused")

Maker = Callable[[type[Any]], BaseException]


def _connector(kind: type[Any]) -> BaseException:
    made: BaseException = kind(_KEY, _REFUSED)
    return made


def _certificate(kind: type[Any]) -> BaseException:
    made: BaseException = kind(_KEY, ssl.CertificateError("unknown"))
    return made


def _response(kind: type[Any]) -> BaseException:
    made: BaseException = kind(_INFO, (), status=400, message="bad")
    return made


def _url(kind: type[Any]) -> BaseException:
    made: BaseException = kind("https://", "no host")
    return made


def _plain(kind: type[Any]) -> BaseException:
    made: BaseException = kind("oh")
    return made


def _fingerprint(kind: type[Any]) -> BaseException:
    made: BaseException = kind(b"one", b"other", "tenant.invalid", 443)
    return made


MAKERS: dict[type[BaseException], Maker] = {
    aiohttp.ServerFingerprintMismatch: _fingerprint,
    aiohttp.ClientConnectorCertificateError: _certificate,
    aiohttp.ClientConnectorError: _connector,
    aiohttp.ClientResponseError: _response,
    aiohttp.InvalidURL: _url,
    aiohttp.ClientError: _plain,
}
"""How to build one; the first class that fits is taken."""

BEFORE_THE_FIRST_BYTE = {
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientHttpProxyError",
    "ClientProxyConnectionError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "InvalidURL",
    "InvalidUrlClientError",
    "ServerFingerprintMismatch",
}
"""All others may come after the request left, or it cannot be told."""


def client_errors() -> dict[str, type[BaseException]]:
    """List the client errors that aiohttp names."""
    return {
        name: kind
        for name, kind in vars(aiohttp).items()
        if isinstance(kind, type) and issubclass(kind, aiohttp.ClientError)
    }


def built(kind: type[BaseException]) -> BaseException:
    """Build an error of aiohttp's."""
    return next(make for base, make in MAKERS.items() if issubclass(kind, base))(kind)


OTHERS = [
    OSError(5, "I/O error"),
    ConnectionResetError(104, "reset"),
    BrokenPipeError(32, "broken pipe"),
    TimeoutError(),
    ssl.SSLError(1, "alert"),
    ssl.SSLCertVerificationError(1, "certificate"),
    ValueError("odd value in an answer"),
    UnicodeError("odd text in an answer"),
]


@pytest.fixture
async def client() -> AsyncIterator[AICCClient]:
    """Run a client of a tenant that is not there; it tries once."""
    async with AICCClient(
        HOST, auth=StaticToken(TOKEN), retry=RetryPolicy(attempts=1, base=0)
    ) as aicc:
        yield aicc


async def failure(client: AICCClient, error: BaseException) -> AICCError:
    """Read a page while aiohttp raises an error; give what comes out."""
    with MockedResponses() as service:
        service.post(f"{CASES}/list", exception=error)
        with pytest.raises(AICCError) as caught:
            await client.list_cases()
    return caught.value


def test_all_errors_are_known() -> None:
    """The list of what is certain not to be sent names errors that exist."""
    assert client_errors().keys() > BEFORE_THE_FIRST_BYTE


@pytest.mark.parametrize("name", sorted(client_errors()))
async def test_each_client_error_is_mapped(client: AICCClient, name: str) -> None:
    """Each error of aiohttp is a TransportError that knows whether the request left."""
    error = built(client_errors()[name])
    found = await failure(client, error)
    assert isinstance(found, TransportError)
    assert found.sent is (name not in BEFORE_THE_FIRST_BYTE)
    assert found.__cause__ is error


@pytest.mark.parametrize("name", sorted(client_errors()))
async def test_a_create_is_in_doubt_when_it_was_sent(client: AICCClient, name: str) -> None:
    """A create that may have left is an UnknownOutcome, one that did not is a TransportError."""
    expected = TransportError if name in BEFORE_THE_FIRST_BYTE else UnknownOutcome
    with MockedResponses() as service:
        service.post(CASES, exception=built(client_errors()[name]))
        with pytest.raises(expected) as caught:
            await client.create_case(NEW)
    assert type(caught.value).__module__ == "aicc_async.errors"


@pytest.mark.parametrize("name", sorted(client_errors()))
async def test_timeouts_are_timeouts(client: AICCClient, name: str) -> None:
    """What is a TimeoutError in aiohttp is one in ours, and nothing else is."""
    kind = client_errors()[name]
    found = await failure(client, built(kind))
    assert isinstance(found, TimeoutError) is issubclass(kind, TimeoutError)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
async def test_other_errors_are_mapped(client: AICCClient, error: BaseException) -> None:
    """What is no error of aiohttp's but comes through it is mapped too, as perhaps sent."""
    found = await failure(client, error)
    assert isinstance(found, TransportError)
    assert isinstance(found, RequestTimeout) is isinstance(error, TimeoutError)
    assert found.sent


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
async def test_a_create_is_in_doubt_after_other_errors(
    client: AICCClient, error: BaseException
) -> None:
    """Even a certificate's error, where it isn't one of connecting, does not say "not sent"."""
    with MockedResponses() as service:
        service.post(CASES, exception=error)
        with pytest.raises(UnknownOutcome):
            await client.create_case(NEW)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            aiohttp.ClientConnectorDNSError(_KEY, socket.gaierror(-2, "Name or service not known")),
            "cannot connect to tenant.invalid:443: Name or service not known",
        ),
        (
            aiohttp.ClientConnectorError(
                _KEY, OSError(113, "Connect call failed ('1.2.3.4', 443)")
            ),
            "cannot connect to tenant.invalid:443: No route to host",
        ),
        (
            aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "[SSL] odd")),
            "cannot connect to tenant.invalid:443: TLS failed: SSLError",
        ),
        (
            ConnectionResetError(104, "reset"),
            "no complete answer (ConnectionResetError: Connection reset by peer)",
        ),
        (aiohttp.ClientPayloadError("<b>"), "no complete answer (ClientPayloadError)"),
    ],
)
async def test_the_reason_is_told(client: AICCClient, error: BaseException, text: str) -> None:
    """The message has the reason of the system or of TLS, and nothing of an answer."""
    assert str(await failure(client, error)) == f"list: {text}"


@pytest.mark.parametrize("name", sorted(client_errors()))
async def test_no_token_hides_in_a_cause(client: AICCClient, name: str) -> None:
    """Nothing in the chain of causes holds the headers of the request."""
    found: BaseException | None = await failure(client, built(client_errors()[name]))
    while found is not None:
        assert TOKEN not in f"{found} {found!r} {found.args} {vars(found)}"
        found = found.__cause__ or found.__context__


async def test_cancellation_is_no_error(client: AICCClient) -> None:
    """A cancellation out of aiohttp stays one."""
    with MockedResponses() as service:
        service.post(f"{CASES}/list", exception=asyncio.CancelledError())
        with pytest.raises(asyncio.CancelledError):
            await client.list_cases()


async def test_a_mocked_answer_is_read(client: AICCClient) -> None:
    """An answer out of the mock goes all the way to a record, so the errors above do too."""
    body = b'{"resCode":"0","resMsg":"Success","result":{"caseId":"1"}}'
    with MockedResponses() as service:
        service.post(CASES, body=body)
        assert await client.create_case(NEW) == "1"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[", b"\xff\xfe", b"[[]]", b'{"resCode":'])
async def test_what_is_no_json_is_a_decode_error(client: AICCClient, body: bytes) -> None:
    """No error of a JSON library leaves the package."""
    with MockedResponses() as service:
        service.post(f"{CASES}/list", body=body)
        with pytest.raises(DecodeError, match=r"@ \$"):
            await client.list_cases()
