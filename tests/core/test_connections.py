"""Connections that are kept: what the service does to them while they are idle."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

import aiohttp
import pytest
import trustme
from helpers.tenants import NEW

from aicc_async import AICCClient, CaseUpdate, RetryPolicy, StaticToken

CALLS = 12
CHANGE = CaseUpdate(id="1", title="t", description="d", creator_id="u")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def answer(case_id: str) -> bytes:
    """Return an answer to a create, whole."""
    body = b'{"resCode":"0","resMsg":"","result":{"caseId":"%s"}}' % case_id.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Service:
    """Answers the n-th request with the id ``case-n``; its kept connections can be ill-treated."""

    def __init__(self) -> None:
        self.transports: list[asyncio.Transport] = []
        self.requests = 0

    def hang_up(self) -> None:
        """End all connections: that leaves at once, the client has not read it yet."""
        while self.transports:
            transport = self.transports.pop()
            if not transport.get_extra_info("ssl_object"):
                with suppress(OSError):
                    transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            transport.close()

    def answer_unasked(self) -> None:
        """Send an answer to nothing on all connections, once."""
        while self.transports:
            self.transports.pop().write(answer("a-stray"))


class Talk(asyncio.Protocol):
    """One connection of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._service.transports.append(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole."""
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and length and len(body) >= int(length[1]):
            self._read = b""
            self._service.requests += 1
            self._transport.write(answer(f"case-{self._service.requests}"))


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Service, str]]:
    """Run a service; give it and its address."""
    service, loop = Service(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Talk(service), "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield service, f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        service.hang_up()
        server.close()
        await server.wait_closed()


def client_of(url: str, session: aiohttp.ClientSession | None = None) -> AICCClient:
    """Make a client that tries once."""
    once = RetryPolicy(attempts=1)
    return AICCClient(url, auth=StaticToken("an-invented-token"), retry=once, session=session)


async def test_creates_on_connections_that_the_service_has_closed() -> None:
    """Idle connections that were closed while the loop stood still make no create unknown."""
    async with serving() as (service, url), client_of(url) as client:
        for number in range(1, CALLS + 1):
            assert await client.create_case(NEW) == f"case-{number}"
            service.hang_up()
    assert service.requests == CALLS


async def test_creates_on_tls_connections_that_the_service_has_closed() -> None:
    """The same with TLS, whose end takes a moment longer to be read; in the caller's session."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with (
        serving(context) as (service, url),
        aiohttp.ClientSession(connector=connector) as http,
        client_of(url, http) as client,
    ):
        for number in range(1, CALLS + 1):
            assert await client.create_case(NEW) == f"case-{number}"
            service.hang_up()
    assert service.requests == CALLS


@pytest.mark.parametrize("is_ours", [True, False])
async def test_an_answer_to_nothing_is_not_the_next_requests(is_ours: bool) -> None:
    """What comes on an idle connection ends it: each create gets the id of its own case."""
    async with (
        serving() as (service, url),
        aiohttp.ClientSession() as http,
        client_of(url, None if is_ours else http) as client,
    ):
        for number in range(1, CALLS + 1):
            assert await client.create_case(NEW) == f"case-{number}"
            service.answer_unasked()
    assert service.requests == CALLS


async def test_an_answer_to_nothing_costs_a_repeatable_request_no_attempt() -> None:
    """A modify goes on a new connection, and is sent once."""
    async with serving() as (service, url), client_of(url) as client:
        for _ in range(CALLS):
            await client.modify_case(CHANGE)
            service.answer_unasked()
            # Time for the client to read it.
            for _ in range(3):
                await asyncio.sleep(0)
    assert (service.requests, client.stats.requests) == (CALLS, CALLS)


async def test_the_middlewares_of_a_callers_session_are_kept() -> None:
    """The check of the connection is added to what the caller's session does, not in its place."""
    seen: list[str] = []

    async def mine(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append(request.method)
        return await handler(request)

    async with (
        serving() as (service, url),
        aiohttp.ClientSession(middlewares=[mine]) as http,
        client_of(url, http) as client,
    ):
        assert await client.create_case(NEW) == "case-1"
        service.answer_unasked()
        assert await client.create_case(NEW) == "case-2"
    assert seen == ["POST", "POST"]
