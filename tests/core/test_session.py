"""The one place where requests go out: what leaves, what is believed, and what stays behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import socket
import ssl
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import aiohttp
import pytest
import trustme
from aiohttp import web
from attrs import evolve
from helpers.clock import SOON, Jump, StoppedClock, time_out_when, until
from helpers.tenants import count

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    AuthError,
    CaseUpdate,
    ClientCredentials,
    ConfigError,
    NewCase,
    NotFoundError,
    RateLimit,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    StaticToken,
    Timeouts,
    TransportError,
    UnknownOutcome,
)
from aicc_async._ratelimit.sliding_window import Limiter
from aicc_async._transport.retry import Call
from aicc_async.emulator import Emulator, Fault, Latency
from aicc_async.errors import DecodeError, RateLimitError

TOKEN = "an-invented-token"
NEW = NewCase(
    title="t", description="d", type="T", contact_id="c", creator_id="u", contact_phone="0700-5550"
)
CHANGE = CaseUpdate(id="1", title="t", description="d", creator_id="u")
CREATED = b'{"resCode":"0","resMsg":"Success","result":{"caseId":"1"}}'
DONE = b'{"resCode":"0","resMsg":"Success"}'
ONCE = RetryPolicy(attempts=1)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run a server of one handler; give its address."""
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[int]:
    """Run a server that answers with these bytes and hangs up, or listens only; give its port."""
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            await (reader.read() if answer is None else reader.readuntil(b"\r\n\r\n"))
            writer.write(answer or b"")
            await writer.drain()
        with suppress(OSError):
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(talk(reader, writer)))

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*talks)


def fixed(answer: Callable[[], web.Response]) -> Handler:
    """Answer every request alike."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return answer()

    return handler


def client_of(
    url: str,
    *,
    session: aiohttp.ClientSession | None = None,
    max_concurrency: int = 8,
    max_body: int = 2**20,
    rate_limit: RateLimit | None = None,
) -> AICCClient:
    """Make a client that tries once."""
    return AICCClient(
        url,
        auth=StaticToken(TOKEN),
        retry=ONCE,
        session=session,
        max_concurrency=max_concurrency,
        max_body=max_body,
        rate_limit=rate_limit,
    )


# ---- what leaves ---------------------------------------------------------------------------


async def test_what_a_request_carries(tenant: Emulator, aicc: AICCClient) -> None:
    """A call carries its token in its own header, its type, and a name; no cookie, no bearer."""
    await aicc.list_cases(limit=1)
    sign_in, page = tenant.requests
    assert sign_in.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "access-token" not in sign_in.headers
    assert len(page.headers["access-token"]) > 20
    assert page.headers["Content-Type"] == "application/json"
    assert page.headers["User-Agent"].startswith("aicc-async")
    assert not {"Cookie", "Authorization"} & set(page.headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is an ApiError: the token does not travel to where it points."""
    seen: list[web.BaseRequest] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=CREATED)

    async with serving(elsewhere) as other:
        headers = {"Location": f"{other}/login"}
        answer = fixed(lambda: web.Response(status=status, headers=headers))
        async with serving(answer) as url, client_of(url) as client:
            for call in (client.list_cases(), client.create_case(NEW), client.get_case("1")):
                with pytest.raises(ApiError) as caught:
                    await call
                assert type(caught.value) is ApiError
                assert caught.value.status == status
    assert seen == []


async def test_cookies_are_not_kept() -> None:
    """What one answer sets, the next request does not carry."""
    cookies: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(body=DONE, headers={"Set-Cookie": "a=b; Path=/"})

    async with serving(handler) as url, client_of(url) as client:
        for _ in range(2):
            await client.modify_case(CHANGE)
    assert cookies == [None, None]


async def test_never_more_at_once_than_allowed() -> None:
    """Of fifty calls, no more than max_concurrency are with the service at the same time."""
    inside: list[int] = [0, 0]
    are_seven = asyncio.Event()

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        inside[0] += 1
        inside[1] = max(inside)
        if inside[0] == 7:
            are_seven.set()
        # The first ones are answered when as many are there as may be.
        await are_seven.wait()
        await asyncio.sleep(0.002)
        inside[0] -= 1
        return web.Response(body=DONE)

    async with serving(handler) as url, client_of(url, max_concurrency=7) as client:
        await asyncio.gather(*(client.modify_case(CHANGE) for _ in range(50)))
    assert inside == [0, 7]


async def test_three_attempts_each() -> None:
    """Of fifteen concurrent calls that each fail twice, each makes exactly three attempts."""
    arrived: Counter[bytes] = Counter()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        arrived[body] += 1
        return web.Response(body=DONE, status=200 if arrived[body] == 3 else 503)

    changes = [evolve(CHANGE, title=f"{number}") for number in range(15)]
    auth, policy = StaticToken(TOKEN), RetryPolicy(base=0.001)
    async with serving(handler) as url, AICCClient(url, auth=auth, retry=policy) as client:
        await asyncio.gather(*map(client.modify_case, changes))
    assert list(arrived.values()) == [3] * 15


async def test_requests_leave_nothing_for_the_garbage_collection(tenant: Emulator) -> None:
    """What a request needed is freed when it is answered: a cycle costs a tenth of an export."""
    async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as client:
        gc.collect()
        # What another test's error still holds is not this client's.
        others = [each for each in gc.get_objects() if isinstance(each, Call)]
        gc.disable()
        try:
            for _ in range(20):
                await client.list_cases(limit=1)
            left = [each for each in gc.get_objects() if isinstance(each, Call)]
        finally:
            gc.enable()
    assert left == others


async def test_the_rate_is_kept_on_the_wire(tenant: Emulator, clock: StoppedClock) -> None:
    """A tenant with a strict quota never refuses a client that keeps to it."""
    tenant.quota = 20
    rate = RateLimit(20)
    auth = StaticToken(tenant.token())
    async with AICCClient(tenant.url, auth=auth, rate_limit=rate, max_concurrency=30) as client:
        await clock.run(asyncio.gather(*(client.list_cases(limit=1) for _ in range(30))))
    assert (tenant.refused, tenant.peak, client.stats.throttled) == (0, 20, 0)


# ---- what is believed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json%3Bcharset=UTF-8"},
        {"Content-Type": "text/html"},
        {"Content-Type": "application/json; charset=no-such-charset"},
        {"Content-Type": ";;;"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate"},
        {"X-Odd": "\u00e4"},
    ],
)
async def test_odd_headers_do_not_matter(headers: dict[str, str]) -> None:
    """The body is read for what it is, whatever its Content-Type, packed or not."""

    def answer() -> web.Response:
        body = gzip.compress(CREATED) if headers.get("Content-Encoding") == "gzip" else CREATED
        if headers.get("Content-Encoding") == "deflate":
            response = web.Response(body=CREATED)
            response.enable_compression(web.ContentCoding.deflate)
            return response
        return web.Response(body=body, headers=headers)

    async with serving(fixed(answer)) as url, client_of(url) as client:
        assert await client.create_case(NEW) == "1"


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (201, b" "), (202, b"null")])
async def test_answers_without_an_envelope(status: int, body: bytes) -> None:
    """A 2xx without the documented envelope is no success: DecodeError, or in doubt."""
    answer = fixed(lambda: web.Response(status=status, body=body or None))
    async with serving(answer) as url, client_of(url) as client:
        with pytest.raises(DecodeError, match=r"@ \$"):
            await client.modify_case(CHANGE)
        with pytest.raises(UnknownOutcome):
            await client.create_case(NEW)


async def test_any_success_status_is_one() -> None:
    """HTTP 201 with the envelope is as good as 200."""
    answer = fixed(lambda: web.Response(status=201, body=CREATED))
    async with serving(answer) as url, client_of(url) as client:
        assert await client.create_case(NEW) == "1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (304, ApiError),
        (400, ApiError),
        (401, AuthError),
        (403, AuthError),
        (404, NotFoundError),
        (408, ApiError),
        (429, RateLimitError),
        (500, ServerError),
        (599, ServerError),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
async def test_statuses(status: int, kind: type[ApiError], strict: bool) -> None:
    """Each status has its error, also in a caller's session that raises by itself."""
    headers = {"X-Request-Id": "r-1", "Retry-After": "7"}
    body = b'{"resCode":"405230009","resMsg":"no"}'
    answer = fixed(
        lambda: web.Response(status=status, body=None if status == 304 else body, headers=headers)
    )
    async with (
        serving(answer) as url,
        aiohttp.ClientSession(raise_for_status=strict) as http,
        client_of(url, session=http) as client,
    ):
        with pytest.raises(ApiError) as caught:
            await client.modify_case(CHANGE)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.request_id) == (status, "r-1")
    assert (error.code, error.message) == ((None, "") if status == 304 else ("405230009", "no"))
    if isinstance(error, RateLimitError | ServerError):
        assert error.retry_after == 7


RUBBISH = {
    "no HTTP": b"hello\r\n\r\n",
    "silence": b"",
    "odd status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "odd length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "short body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + CREATED,
    "odd chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("name", RUBBISH)
async def test_rubbish_on_the_wire(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no HTTP are a TransportError that was sent, and tell no token."""
    caplog.set_level(logging.DEBUG)
    async with listening(RUBBISH[name]) as port, client_of(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransportError) as caught:
            await client.modify_case(CHANGE)
        with pytest.raises(UnknownOutcome):
            await client.create_case(NEW)
    cause = caught.value.__cause__
    assert caught.value.sent
    assert cause is not None
    assert TOKEN not in f"{cause!r} {cause.args} {vars(cause)} {caplog.text}"


UNREADABLE = {
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nEva Example\r\n",
    "end of a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeEva Example\r\n"
    ),
    "header": b"HTTP/1.1 200 OK\r\nX Name Eva Example\r\n\r\n",
    "status": b"Eva Example\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: Eva Example\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nX-Name: Eva Example\r\n",
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_error_quotes_nothing_of_an_answer(name: str) -> None:
    """What could not be read may name people: it is in no error of the chain."""
    async with listening(UNREADABLE[name]) as port, client_of(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransportError) as caught:
            await client.modify_case(CHANGE)

    assert caught.value.__cause__ is not None
    shown = "".join(traceback.format_exception(caught.value))
    found: BaseException | None = caught.value
    while found is not None:
        shown += f"{found!r} {found.args} {vars(found)}"
        found = found.__cause__ or found.__context__
    assert "Eva" not in shown


LARGE_HEAD = {
    "a long header": b"X: " + b"x" * 60_000,
    "a long name": b"X" * 60_000 + b": x",
    "many headers": b"\r\n".join(b"X-%d: x" % number for number in range(900)),
}


@pytest.mark.parametrize("name", LARGE_HEAD)
async def test_a_large_head_of_an_answer_is_read(name: str) -> None:
    """What aiohttp itself refuses is read: a create that was answered is not in doubt."""
    size = b"Content-Length: %d" % len(CREATED)
    answer = b"\r\n".join([b"HTTP/1.1 200 OK", LARGE_HEAD[name], size, b"", CREATED])
    async with listening(answer) as port, client_of(f"http://127.0.0.1:{port}") as client:
        assert await client.create_case(NEW) == "1"


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"X: " + b"x" * 70_000, "its status or a header must be at most 65536 bytes, got more"),
        (b"\r\n".join([b"X: x"] * 1100), "it must have at most 1000 headers, got more"),
    ],
)
async def test_a_head_that_is_too_large_is_told(head: bytes, text: str) -> None:
    """The error says what was too large, and shows nothing of it."""
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n"
    async with listening(answer) as port, client_of(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransportError) as caught:
            await client.modify_case(CHANGE)
    assert str(caught.value) == f"modify: no complete answer: {text}"


async def test_a_body_is_bounded(tenant: Emulator) -> None:
    """A small answer that swells to 200 MB is refused, quickly, and without the memory."""
    auth = StaticToken(tenant.token())
    async with AICCClient(tenant.url, auth=auth, retry=ONCE, max_body=2**20) as client:
        await client.list_cases(limit=1)
        tenant.fail("list", Fault.GZIP_BOMB)
        tracemalloc.start()
        began = time.process_time()
        with pytest.raises(DecodeError, match="list: body must be at most 1048576 bytes, got more"):
            await client.list_cases()
        took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12 * 2**20
        assert took < 2
        assert (await client.list_cases(limit=1)).count == 300


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
async def test_the_bound_is_exact(spare: int, fits: bool) -> None:
    """A body of as many bytes as allowed passes, one more does not."""
    answer = fixed(lambda: web.Response(body=DONE))
    async with serving(answer) as url, client_of(url, max_body=len(DONE) + spare) as client:
        [end] = await asyncio.gather(client.modify_case(CHANGE), return_exceptions=True)
    assert isinstance(end, DecodeError) is not fits


@pytest.mark.parametrize("known", [True, False])
async def test_tls(known: bool) -> None:
    """A certificate of an unknown authority is a TransportError before anything is sent."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    if known:
        authority.configure_trust(trust)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with (
        serving(fixed(lambda: web.Response(body=CREATED)), context) as url,
        aiohttp.ClientSession(connector=connector) as http,
        client_of(url, session=http) as client,
    ):
        [end] = await asyncio.gather(client.create_case(NEW), return_exceptions=True)
    if known:
        assert end == "1"
    else:
        assert type(end) is TransportError
        assert not end.sent
        assert ": certificate verify failed: " in str(end)


@pytest.mark.parametrize("is_pinned", [True, False])
@pytest.mark.parametrize("signs_in", [True, False])
async def test_a_certificate_that_fails_is_tried_once(signs_in: bool, is_pinned: bool) -> None:
    """It fails at each attempt: none of five is wasted, and no outage is waited out."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pin = aiohttp.Fingerprint(b"x" * 32) if is_pinned else True
    auth = ClientCredentials("id", "secret") if signs_in else StaticToken(TOKEN)
    async with (
        serving(fixed(lambda: web.Response(body=CREATED)), context) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin)) as http,
        AICCClient(url, auth=auth, session=http) as client,
    ):
        with pytest.raises(TransportError, match=f"cannot connect to {url[8:]}: .*certificate"):
            await client.list_cases()
        with pytest.raises(TransportError, match="certificate"):
            await anext(client.iter_cases())
    assert client.stats.requests == 2
    assert client.stats.retries == 0


async def test_where_it_could_not_connect_is_told() -> None:
    """The error names host, port and the system's reason, of a proxy as well."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with client_of(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransportError) as caught:
            await client.list_cases()
    assert str(caught.value) == f"list: cannot connect to 127.0.0.1:{port}: Connection refused"
    async with (
        aiohttp.ClientSession(proxy=f"http://user:hush@127.0.0.1:{port}") as http,
        client_of("https://tenant.invalid", session=http) as client,
    ):
        with pytest.raises(TransportError) as caught:
            await client.list_cases()
    place = f"the proxy 127.0.0.1:{port}"
    assert str(caught.value) == f"list: cannot connect to {place}: Connection refused"


async def test_a_deadline_ends_a_slow_answer(tenant: Emulator, jump: Jump) -> None:
    """An attempt may take no longer than what is left of the deadline."""
    tenant.fail("list", Fault.HANG, times=None)
    auth = StaticToken(tenant.token())
    policy = RetryPolicy(deadline=SOON, base=0.001)
    async with AICCClient(tenant.url, auth=auth, retry=policy) as client:
        listing = asyncio.create_task(client.list_cases())
        await until(lambda: tenant.requests)
        jump()
        with pytest.raises(TimeoutError):
            await listing
    assert client.stats.requests == 1


async def test_a_connection_that_is_never_ready_was_not_sent() -> None:
    """A server that takes the connection and never speaks TLS got nothing."""
    async with listening(None) as port:
        url = f"https://127.0.0.1:{port}"
        quick = Timeouts(connect=0.02)
        async with AICCClient(url, auth=StaticToken(TOKEN), retry=ONCE, timeouts=quick) as client:
            with pytest.raises(RequestTimeout) as caught:
                await client.create_case(NEW)
    assert not caught.value.sent


# ---- what stays behind ---------------------------------------------------------------------


async def test_a_callers_session_stays_open(tenant: Emulator) -> None:
    """A session that was given is used, and outlives the client."""
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as http:
        async with client_of(tenant.url, session=http) as client:
            with pytest.raises(AuthError):
                await client.list_cases()
        assert not http.closed
    assert tenant.requests[0].headers["X-Mine"] == "yes"


async def test_a_callers_closed_session_is_said(tenant: Emulator) -> None:
    """A session that its owner has closed is a ConfigError, not an error of aiohttp's."""
    async with aiohttp.ClientSession() as http:
        client = client_of(tenant.url, session=http)
    with pytest.raises(ConfigError, match="closed"):
        await client.list_cases()


async def test_our_own_session_is_closed(aicc: AICCClient) -> None:
    """After closing, no connection and no task is left, and nothing warns."""
    tasks = asyncio.all_tasks()
    await aicc.list_cases(limit=1)
    http = aicc._session._client()
    await aicc.close()
    await aicc.close()
    assert http.closed
    del http
    gc.collect()
    assert {
        task for task in asyncio.all_tasks() - tasks if "aicc_async/_transport" in repr(task)
    } == set()


async def test_calls_after_close(tenant: Emulator, aicc: AICCClient) -> None:
    """After closing, calls are refused at once, even when their turn would be far away."""
    await aicc.list_cases(limit=1)
    aicc._session._limiter.pause(3600)
    await aicc.close()
    for call in (aicc.list_cases(), aicc.create_case(NEW), aicc.get_case("1")):
        with pytest.raises(ConfigError, match="closed"):
            await call
    assert len(tenant.requests) == 2


async def test_unused_clients_leave_nothing() -> None:
    """A client that made no call has opened nothing."""
    client = client_of("https://tenant.invalid")
    await client.close()
    assert client._session._http is None


async def test_closing_under_way(tenant: Emulator, aicc: AICCClient) -> None:
    """Calls that the closing of the client cuts off end in errors of ours, creates in doubt."""
    await aicc.list_cases(limit=1)
    tenant.fail("*", Fault.HANG, times=None)
    calls: list[Awaitable[object]] = [aicc.list_cases(), aicc.create_case(NEW)]
    ends = asyncio.gather(*calls, return_exceptions=True)
    while len(tenant.requests) < 4:  # noqa: ASYNC110 -- the far side sets no event
        await asyncio.sleep(0)
    await aicc.close()
    page, created = await ends
    assert isinstance(page, AICCError)
    assert isinstance(created, UnknownOutcome)


@pytest.mark.parametrize("operation", ["create", "list"])
async def test_cancelled_at_any_moment(tenant: Emulator, operation: str) -> None:
    """A call cancelled after any number of steps is gone, with its place, its slot, its task."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    rate = RateLimit(1000, per=0.001, strict=True)
    async with AICCClient(tenant.url, auth=auth, max_concurrency=2, rate_limit=rate) as client:
        before = asyncio.all_tasks()
        for steps in range(0, 60, 2):
            call: Awaitable[object] = (
                client.create_case(NEW) if operation == "create" else client.list_cases(limit=1)
            )
            task = asyncio.ensure_future(call)
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            [end] = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(end, asyncio.CancelledError) or not isinstance(end, BaseException)
            assert client._session._slots._value == 2
        await client.list_cases(limit=1)
        limiter = client._session._limiter
        assert isinstance(limiter, Limiter)
        assert len(limiter._free or ()) + limiter._unused == 1000
        assert not [t for t in asyncio.all_tasks() - before if "_transport/session" in repr(t)]


async def test_a_timeout_of_the_callers_own_is_theirs(tenant: Emulator, aicc: AICCClient) -> None:
    """A call inside asyncio.timeout ends in the plain TimeoutError, not in one of ours."""
    await aicc.list_cases(limit=1)
    tenant.fail("list", Fault.HANG)
    await time_out_when(lambda: count(tenant, "list") == 2, aicc.list_cases)


async def test_the_log_of_attempts(
    tenant: Emulator, aicc: AICCClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Each attempt is a line of DEBUG with operation, outcome and time; no body, no token."""
    caplog.set_level(logging.DEBUG, logger="aicc_async")
    tenant.fail("create", Fault.THROTTLED)
    tenant.retry_after = None
    tenant.fail("list", Fault.DROP_BEFORE)
    await aicc.create_case(NEW)
    await aicc.list_cases(limit=1)
    lines = [record.getMessage().partition(" after ")[0] for record in caplog.records]
    assert lines == ["token: 200", "create: 429", "create: 200", "list: no answer", "list: 200"]
    token = tenant.requests[-1].headers["access-token"]
    for secret in (token, tenant.client_secret, "0700-5550"):
        assert secret not in caplog.text


async def test_the_statistics(tenant: Emulator, aicc: AICCClient) -> None:
    """Requests, retries and throttles are counted, the sign-in's too."""
    tenant.retry_after = None
    tenant.fail("token", Fault.HTTP_503)
    tenant.fail("list", Fault.THROTTLED)
    tenant.latency = Latency(0.001)
    await aicc.list_cases(limit=1)
    stats = aicc.stats
    assert (stats.requests, stats.retries, stats.throttled) == (4, 2, 1)


@pytest.mark.parametrize(
    "date",
    ["", "soon", "Mon, 01 Jan 2020 10:00:00 +99999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"],
)
async def test_a_date_that_says_nothing_is_no_time_of_the_service(date: str) -> None:
    """Neither one that is none, nor one behind which the calendar ends."""
    async with AICCClient("https://host", auth=StaticToken("t")) as client:
        client._session.last_headers = {"Date": date}
        assert client.api.service_time() is None
