"""The one place where requests go out, and the only file that talks to aiohttp's client."""

from __future__ import annotations

import asyncio
import logging
import os
import select
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from functools import lru_cache, partial
from http import HTTPStatus
from math import inf
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from attrs import define
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from .._protocol.envelope import TOKEN_REFUSED_CODES, build_error
from .._protocol.refusals import classify
from .._protocol.requests import Request
from .._ratelimit.budget import current_priority
from .._ratelimit.sliding_window import AcquiredSlot, AnyLimiter, Limiter
from ..errors import (
    AICCError,
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    RateLimitError,
    RequestTimeout,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from ..events import OnEvent
from ..events.observer import CallObserver, guard
from ..settings import RateLimit, Timeouts
from ..settings.endpoint import Endpoint, domain_of
from ..settings.network import check_headers
from .reasons import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    describe_failure,
    find_refusing_alert,
    will_fail_again,
)
from .retry import Call, RetryBudget, may_have_happened, parse_http_date, retry_after
from .throttles import ThrottleDetector
from .tokens import Signing, Tokens

T = TypeVar("T")
W = TypeVar("W")
logger = logging.getLogger("aicc_async")

# Errors of aiohttp that are certain to come before the first byte of the request leaves.
_ERRORS_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
)
# Raised by aiohttp's writer instead of writing the body, without which no service acts.
_UNWRITTEN = "Cannot write to closing transport"
# Turns of the event loop after which the end of a connection has been read: one until the socket is
# looked at, one to read it.
_TURNS_TO_READ = 2
# Turns after which the protocol of a connection knows why it was closed: its transport tells TLS,
# and that the protocol; in a tunnel through TLS once more.
_TURNS_TO_CLOSE = 4
# Every request of an operation has the same address, and its first attempt the same time limits.
_cached_url = lru_cache(maxsize=64)(URL)
_cached_timeout = lru_cache(maxsize=8)(aiohttp.ClientTimeout)


class _Body(aiohttp.BytesPayload):
    """A body that says when it leaves, and takes its slot, where it has one, anew after that."""

    def __init__(
        self, body: bytes, slot: AcquiredSlot | None, on_departure: Callable[[bool], None] | None
    ) -> None:
        super().__init__(body)
        self._body = body
        self._slot = slot
        self._on_departure = on_departure

    # Mocks see this payload in the place of bytes: it compares as they do.
    def __bytes__(self) -> bytes:
        return self._body

    def __eq__(self, other: object) -> bool:
        return self._body == other

    __hash__ = aiohttp.BytesPayload.__hash__

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        # The headers may have left before. Without the body the service does not act on them.
        if self._on_departure:
            self._on_departure(True)
        await super().write_with_length(writer, content_length)
        if self._slot:
            self._slot.mark_sent()


class _TooLate(Exception):  # noqa: N818  (it never leaves this file)
    """The caller's deadline ends before a request could leave."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _StaleConnection(Exception):  # noqa: N818  (it never leaves this file)
    """A kept connection ended, or said something, while it was idle."""

    def __init__(self, protocol: ResponseHandler | None) -> None:
        self.protocol = protocol


_Send = Callable[[Connection], Coroutine[Any, Any, aiohttp.ClientResponse]]


def _send_if_fresh(send: _Send, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
    """Send on a connection only if nothing came on it while it was idle.

    What came could be taken for the answer of this request.
    """
    protocol = conn.protocol
    if protocol is None or protocol.should_close or not protocol.is_connected():
        raise _StaleConnection(protocol)
    return send(conn)


async def _read_and_send(send: _Send, conn: Connection) -> aiohttp.ClientResponse:
    """Read what the system has of the connection already, then send on it if it is fresh.

    A loop that stood still has not seen the end of it, and what is written after that is in doubt.
    """
    if _may_be_readable(conn):
        for _ in range(_TURNS_TO_READ):
            await asyncio.sleep(0)
    return await _send_if_fresh(send, conn)


def _may_be_readable(conn: Connection) -> bool:
    """Ask the system, which is cheaper than turns of the loop, and True where it can't be asked."""
    socket = conn.transport and conn.transport.get_extra_info("socket")
    number = socket.fileno() if socket else -1
    if number < 0 or not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


async def _raise_refusal(protocol: ResponseHandler | None) -> None:
    """Raise the alert by which TLS ended a connection; it is known turns after the end."""
    for _ in range(_TURNS_TO_CLOSE):
        await asyncio.sleep(0)
    refusal = protocol.exception() if protocol else None
    if isinstance(refusal, Exception) and find_refusing_alert(refusal):
        raise refusal


@define
class _Departure:
    """How often an attempt got a connection: then a tunnel is open, and the handshake is over.

    More than once where a middleware of the caller's sends it again.
    """

    has_begun: bool = False
    sends: int = 0

    def send(self, send: _Send, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Send on a connection that is there, and fresh."""
        self.sends += 1
        return send(conn)


def _check_connection(
    send_checked: Callable[[_Send, Connection], Coroutine[Any, Any, aiohttp.ClientResponse]],
    departure: _Departure,
) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that sends in this way, on another connection where one is stale."""

    async def middleware(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        departure.has_begun = True
        # Of this request alone.
        send = partial(departure.send, request.send)
        request.send = partial(send_checked, send)  # type: ignore[method-assign]
        try:
            while True:
                try:
                    return await handler(request)
                except _StaleConnection as stale:
                    # It is closed by this, and a new one is not stale for long, unless the server
                    # refuses the client's certificate: then each one ends at once.
                    await _raise_refusal(stale.protocol)
        finally:
            # Nothing would free the two before the garbage collection.
            del request.send

    return middleware


# The answer of what may be sent again is not worth a wait.
_ways_to_send = {True: _send_if_fresh, False: _read_and_send}


@define
class Stats:
    """What a client has done so far.

    ``quota`` is what a refusal named last: so many requests in so many seconds.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    quota: tuple[int, float] | None = None


class Session:
    """Send requests: paced, signed, retried where that is safe, with every error one of ours."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        signing: Signing | None = None,
        headers: Mapping[str, str] | None = None,
        session: aiohttp.ClientSession | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self.stats = Stats()
        # None where nobody listens: then nothing is made for an event.
        self.on_event = None if on_event is None else guard(on_event)
        # Those of the last answer, whatever its status.
        self.last_headers: Mapping[str, str] = {}
        self._answered_at = 0.0
        self._endpoint = endpoint
        self._signing = signing
        self._tokens = (
            Tokens(signing.source, self.send, store=signing.store, on_event=self.on_event)
            if signing
            else None
        )
        route = endpoint.network.route_to(endpoint.base_url)
        taken = signing.header if signing else ""
        every = CIMultiDict(check_headers(route.headers, taken=taken))
        # Whatever the case of their names, they replace those of the network.
        every.update(headers or {})
        self._headers = dict(every)
        self._way = route.options
        self._limiter = limiter_of(endpoint.rate_limit, domain_of(endpoint.base_url))
        self._slots = asyncio.Semaphore(endpoint.max_concurrency)
        # Interactive calls do not wait behind others.
        self._interactive_slots = asyncio.Semaphore(endpoint.max_concurrency)
        self._budget = RetryBudget()
        self._throttles = ThrottleDetector()
        self._http = session
        self._owned = session is None
        self._closed = False
        # Of the process and the loop that use the connections.
        self._pid: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def service_time(self) -> datetime | None:
        """Return what the service's clock shows, by the ``Date`` of its last answer.

        None without a valid one. How the clock of this machine is set does not matter.
        """
        date = parse_http_date(self.last_headers.get("Date", ""))
        passed = timedelta(seconds=asyncio.get_running_loop().time() - self._answered_at)
        with suppress(OverflowError):
            return date and date + passed
        return None

    async def send(
        self,
        request: Request[T],
        *,
        is_patient: bool = False,
        on_departure: Callable[[bool], None] | None = None,
    ) -> T:
        """Send a request until it is answered, or may not or should not be sent again.

        ``is_patient``: it is one of many of a long reading, which leave evenly spaced and go on
        through an outage. ``on_departure`` is called with True before the body leaves, with False
        when it is known that the service did not act on it.

        Raises UnknownOutcome when a request that may not be repeated may have been acted on, else
        one of TransportError, ApiError, DecodeError; ConfigError when the session is closed.
        """
        # A closed session raises at once, not after a wait for its turn.
        self.check_usable()
        call = Call(
            self._endpoint.retry,
            self._budget,
            repeatable=request.repeatable,
            # Nothing that refers to the call: only the garbage collection would free the two.
            pause_all=self._limiter.pause,
            is_patient=is_patient and request.repeatable,
            on_departure=on_departure,
        )
        if self.on_event is None:
            return await self._run(request, call)
        with self._observer(request, self.on_event) as call.observer:
            return await self._run(request, call)

    def _observer(self, request: Request[Any], on_event: OnEvent) -> CallObserver:
        url = _cached_url(self._endpoint.base_url)
        return CallObserver(
            on_event,
            operation=request.operation,
            method=request.method,
            server_address=url.host or "",
            server_port=url.port or 0,
        )

    async def _run(self, request: Request[T], call: Call) -> T:
        """Attempt it as often as it may be, and say what is in doubt after that."""
        try:
            answer = await call.run(lambda: self._attempt(request, call))
        except AICCError as error:
            if call.is_in_doubt:
                raise UnknownOutcome(
                    f"{request.operation}: it may or may not have happened ({error})",
                    operation=request.operation,
                ) from error
            raise
        except _TooLate as late:
            # What the last attempt met says more, unless it was met by a new token.
            if call.failure and not isinstance(call.failure, AuthError):
                raise call.failure from None
            ended = RequestTimeout(f"{request.operation}: {late}", sent=False)
            ended.retry_after = late.retry_after
            raise ended from None
        finally:
            self.stats.retries += call.retries
        self._budget.give_back(call.paid)
        return answer

    async def sign_in(self) -> None:
        """Get a token now, where there is none that is good for a while."""
        self.check_usable()
        if self._tokens:
            await self._tokens.token()

    async def close(self) -> None:
        """Close what is ours; a session of the caller's stays open."""
        # After a fork, the connections are the parent's, which goes on with them.
        if self._pid not in {None, os.getpid()}:
            self._closed = True
            return
        self._check_loop()
        self._closed = True
        try:
            if self._tokens:
                await self._tokens.close()
        finally:
            try:
                await self._limiter.close()
            finally:
                if self._owned and self._http is not None:
                    await self._http.close()

    async def _attempt(self, request: Request[T], call: Call) -> T:
        """Wait for a place and send it; a refused token is renewed once within an attempt."""
        if not request.signed:
            # A sign-in: others hold the places and wait for it.
            return await self._exchange(request, call, None)
        if call.ends_at is not None:
            self._check_time(call, call.ends_at)
        # Before the queue: one failed sign-in is for all who wait.
        await self._token(request, call)
        is_interactive = current_priority() == "interactive"
        places = self._interactive_slots if is_interactive else self._slots
        place = places.acquire()
        await (self._wait_for_turn(call, place) if call.may_be_late else place)
        try:
            # In the queue, an earlier token may have run out.
            token = await self._token(request, call)
            try:
                return await self._exchange(request, call, token)
            except AuthError as error:
                is_expired = (
                    error.status == HTTPStatus.UNAUTHORIZED or error.code in TOKEN_REFUSED_CODES
                )
                if not (token and self._tokens and is_expired and self._tokens.refuse(token)):
                    raise
            return await self._exchange(request, call, await self._token(request, call))
        finally:
            places.release()

    async def _token(self, request: Request[Any], call: Call) -> str | None:
        if not self._tokens:
            return None
        try:
            token = self._tokens.token()
            return await (token if call.ends_at is None else self._wait_for_turn(call, token))
        except (TransportError, ServerError) as error:
            failure = error
            if isinstance(error, TransportError):
                # The sign-in was sent, the request itself was not.
                failure = type(error)(f"{request.operation}: sign-in failed: {error}", sent=False)
            # An outage that begins with the renewal of a token is one of the request as well.
            if call.is_patient and not will_fail_again(error.__cause__):
                call.failure, call.is_throttled = failure, False
            if failure is error:
                raise
            raise failure from error

    async def _exchange(self, request: Request[T], call: Call, token: str | None) -> T:
        """Send it once, when the limiter lets it."""
        if call.ends_at is not None:
            self._check_time(call, call.ends_at)
        turn: Awaitable[AcquiredSlot | None] = self._limiter.acquire(is_even=call.is_patient)
        if call.observer:
            turn = call.observer.time_limiter(turn)
        slot = await (self._wait_for_turn(call, turn) if call.may_be_late else turn)
        if slot:
            slot.mark_leaving()
        try:
            if call.observer is None:
                return await self._send_once(request, call, token=token, slot=slot)
            with call.observer.attempt():
                return await self._send_once(request, call, token=token, slot=slot)
        finally:
            if slot:
                slot.mark_over()
            self._limiter.release()

    async def _send_once(
        self, request: Request[T], call: Call, *, token: str | None, slot: AcquiredSlot | None
    ) -> T:
        """Send it and read the answer."""
        loop = asyncio.get_running_loop()
        call.sent_at = started = loop.time()
        self.stats.requests += 1
        outcome: object = "no answer"
        code: str | None = None
        try:
            with _own_errors(request.operation, departure := _Departure()):
                sending = self._request(request, call, token=token, slot=slot, departure=departure)
                async with sending as response:
                    self._limiter.note_answer(slot)
                    if call.observer:
                        call.observer.status = response.status
                    body = await self._read(request, response)
            outcome, self.last_headers = response.status, response.headers
            self._answered_at = loop.time()
            return self._decode(request, response.status, response.headers, body)
        except AICCError as error:
            # What is not the call's failure is not sent again: a certificate, or a login, that is
            # refused once is refused at each attempt.
            if may_have_happened(error) or not will_fail_again(error.__cause__):
                call.failure = error
            if call.on_departure and not may_have_happened(error):
                call.on_departure(False)
            code = getattr(error, "code", None)
            call.is_throttled = self._throttles.is_throttle(error, loop.time())
            self.stats.throttled += call.is_refused
            if call.observer and call.is_refused:
                call.observer.note_throttle(error)
            if isinstance(error, RateLimitError) and error.limit and error.period:
                self.stats.quota = quota = error.limit, error.period
                self._limiter.note_quota(*quota)
            raise
        finally:
            took = loop.time() - started
            call.spent += took
            _log_attempt(request, call.retries + 1, outcome=outcome, code=code, seconds=took)

    async def _wait_for_turn(self, call: Call, turn: Awaitable[W]) -> W:
        """Wait for a place, a slot or a token: not beyond the deadlines of the call."""
        turn_left = call.turn_left
        if turn_left is None:
            return await turn
        try:
            async with asyncio.timeout(turn_left) as limit:
                return await turn
        except TimeoutError:
            # A sign-in may have timed out by itself.
            if not limit.expired():
                raise
            # Behind many others that are refused as well its turn may come in minutes.
            raise _TooLate("its deadline ended before it was sent") from None

    def _check_time(self, call: Call, ends_at: float) -> None:
        """Raise _TooLate when the deadline has ended, or the rate limit has no room before it."""
        left = ends_at - asyncio.get_running_loop().time()
        wait = self._limiter.least_wait(is_even=call.is_patient)
        if left <= 0:
            raise _TooLate("its deadline ended before it was sent", wait or None)
        if wait >= left:
            raise _TooLate(
                f"its deadline ends in {left:.3g} s, the rate limit has room in {wait:.3g} s", wait
            )

    def _request(
        self,
        request: Request[Any],
        call: Call,
        *,
        token: str | None,
        slot: AcquiredSlot | None,
        departure: _Departure,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        limits, http, notify = self._endpoint.timeouts, self._client(), call.on_departure
        headers = {**self._headers, **request.headers, "Content-Type": request.content_type}
        if token is not None and self._signing is not None:
            headers[self._signing.header] = self._signing.prefix + token
        return http.request(
            request.method,
            _cached_url(self._endpoint.base_url + request.path, encoded=True),
            data=_Body(request.body, slot, notify) if slot or notify else request.body,
            headers=headers,
            # The token's header would travel to another host.
            allow_redirects=False,
            raise_for_status=False,
            timeout=_timeout(
                call,
                limits,
                is_short=request.is_short or not request.repeatable,
                connect=limits.connect if "proxy" in self._way else None,
            ),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            # These replace the session's own, which a caller's may have.
            middlewares=[
                *http._middlewares,  # noqa: SLF001
                _check_connection(_ways_to_send[request.repeatable], departure),
            ],
            **self._way,
        )

    async def _read(self, request: Request[Any], response: aiohttp.ClientResponse) -> bytes:
        """Read the body in pieces, counted after decompression, so that none fills the memory."""
        limit = self._endpoint.max_body
        pieces, size = [], 0
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise DecodeError(
                    f"{request.operation}: body must be at most {limit} bytes, got more @ $"
                )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _decode(
        self, request: Request[T], status: int, headers: Mapping[str, str], body: bytes
    ) -> T:
        if 200 <= status < 300:  # noqa: PLR2004
            self._throttles.add_success(asyncio.get_running_loop().time())
            try:
                return request.decode(body)
            except DecodeError as unread:
                # That of a gateway, most likely, which another request need not meet.
                unread.transient = body.lstrip()[:1] in {b"", b"<"}
                raise
            except ApiError as refusal:
                error = refusal
                error.request_id = error.request_id or headers.get("X-Request-Id")
        else:
            error = build_error(request, status, headers, body)
        error = classify(
            error,
            throttle_statuses=self._endpoint.throttle_statuses,
            throttle_codes=self._endpoint.throttle_codes,
            missing_codes=self._endpoint.missing_codes,
        )
        if isinstance(error, RateLimitError | ServerError):
            error.retry_after = retry_after(headers)
        raise error

    def check_usable(self) -> None:
        """Raise ConfigError when it is closed, or used in another process or event loop."""
        self._check_open()
        if self._pid is None:
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            raise ConfigError(
                "the client was used before os.fork(), and cannot be used after it: its connections"
                " are the parent's. Make one in each process"
            )
        if self._loop is not asyncio.get_running_loop():
            self._check_loop()
            self._loop = asyncio.get_running_loop()

    def _check_open(self) -> None:
        if self._closed or (self._http is not None and self._http.closed):
            raise ConfigError("the client is closed")

    def _check_loop(self) -> None:
        # A caller's session belongs to the loop that it was made in. Its property is deprecated.
        used = self._loop or (self._http and self._http._loop)  # noqa: SLF001
        if used not in {None, asyncio.get_running_loop()}:
            raise ConfigError(
                "one client per event loop: this one, or its session, belongs to another loop, and"
                " its connections with it. Make it and close it within the loop that uses it"
            )

    def _client(self) -> aiohttp.ClientSession:
        self._check_open()
        if self._http is None:
            self._http = aiohttp.ClientSession(
                # Our own semaphores count; a sign-in goes beside them.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "aicc-async"},
                read_bufsize=2**18,
            )
            # aiohttp would send a GET twice on a stale connection, unpaced and uncounted.
            self._http._retry_connection = False  # noqa: SLF001  (its own tests' switch)
        return self._http


def _timeout(
    call: Call, limits: Timeouts, *, is_short: bool, connect: float | None
) -> aiohttp.ClientTimeout:
    """Return the limits of an attempt; one timer does for an answer of a few bytes.

    ``connect`` bounds what the connecting of sockets does not: a proxy that opens no tunnel.
    """
    total = min(call.left, limits.read) if is_short else call.left
    known = {
        "connect": connect,
        "sock_connect": limits.connect,
        "sock_read": None if is_short else limits.read,
    }
    if call.ends_at is None:
        return _cached_timeout(total, **known)
    # Never the same twice, and to be kept: aiohttp rounds what is longer than that up to a second.
    return aiohttp.ClientTimeout(total, ceil_threshold=inf, **known)


def limiter_of(rate: RateLimit | None, domain: str = "") -> AnyLimiter:
    """Return a limiter for a limit: shared, adaptive, or a sliding window of this client.

    ``domain`` names a shared one that has no name.
    """
    if rate is not None and rate.shared is not None:
        from .._ratelimit.shared import SharedLimiter  # noqa: PLC0415

        return SharedLimiter(
            rate.shared,
            limit=rate.limit,
            per=rate.per,
            ceiling=rate.ceiling,
            priority=rate.priority,
            domain=domain,
        )
    if rate is not None and rate.ceiling is not None:
        from .._ratelimit.adaptive import AdaptiveLimiter  # noqa: PLC0415

        return AdaptiveLimiter(rate.limit, rate.ceiling, per=rate.per)
    if rate is None:
        return Limiter()
    return Limiter(rate.limit, per=rate.per, strict=rate.strict, burst=rate.burst)


class SessionHolder:
    """What every client does with its session."""

    _session: Session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls after this are refused."""
        await self._session.close()

    @property
    def stats(self) -> Stats:
        """Requests, retries and throttles so far."""
        return self._session.stats


def _log_attempt(
    request: Request[Any], attempt: int, *, outcome: object, code: str | None, seconds: float
) -> None:
    """Log what ``-v`` shows: no body and no header, which hold contact data and tokens."""
    if logger.isEnabledFor(logging.DEBUG):
        details = f"{request.method} {request.path}, attempt {attempt}"
        details += f", resCode {code}" if code else ""
        milliseconds = seconds * 1000
        logger.debug("%s: %s after %.0f ms (%s)", request.operation, outcome, milliseconds, details)


@contextmanager
def _own_errors(operation: str, departure: _Departure) -> Iterator[None]:
    """Raise what aiohttp raises as errors of ours, which say whether it was sent."""
    try:
        yield
    except AICCError:
        raise
    except TimeoutError as error:
        sent = _may_be_sent(error, departure)
        message = f"{operation}: no {'complete answer' if sent else 'connection'} in time"
        raise RequestTimeout(message, sent=sent) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        message = f"{operation}: {describe_failure(error)}"
        sent = _may_be_sent(error, departure)
        _remove_quotes(error)
        raise TransportError(message, sent=sent) from error


def _remove_quotes(error: BaseException) -> None:
    """Remove what an error of aiohttp holds of the request and of the answer: a token, names."""
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        # The head of an answer, as far as it came.
        error.message = "the head of the answer is not complete"
        error.args = (error.message,)
    if not isinstance(error, aiohttp.ClientResponseError):
        return
    info, none = error.request_info, CIMultiDictProxy(CIMultiDict[str]())
    error.request_info = aiohttp.RequestInfo(info.url, info.method, none, info.real_url)
    error.args = (error.request_info, error.history)
    if isinstance(unread := error.__cause__, HttpProcessingError):
        # The parser quotes what it could not read.
        error.message = type(unread.__cause__ or unread).__name__
        error.__cause__ = error.__context__ = None


def _may_be_sent(error: BaseException, departure: _Departure) -> bool:
    # The server reads no request before the handshake; but with TLS 1.3 a client has sent one when
    # its certificate is refused. Then the alert says so, or nothing could be written any more. An
    # asyncio server sends no alert: what it refuses may have been sent, for all that is known.
    is_unread = find_refusing_alert(error) or _UNWRITTEN in str(error.__cause__)
    if is_unread and departure.sends <= 1:
        return False
    if departure.has_begun:
        return departure.sends > 0
    # Whatever replaces aiohttp's own way to send, as mocks do: a redirect is an answer.
    is_redirect = isinstance(error, aiohttp.RedirectClientError)
    return is_redirect or not isinstance(error, _ERRORS_BEFORE_SENDING)
