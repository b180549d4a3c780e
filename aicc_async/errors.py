"""The errors of this package: every one that it raises on purpose.

The tree, with what each carries::

    AICCError                        everything below
    ├── ConfigError (ValueError)     before any I/O: bad settings
    │   └── InvalidInput             arguments and records out of bounds; .errors: all of them
    ├── TransportError               no complete answer; .sent: may the service have acted?
    │   └── RequestTimeout (TimeoutError)  .retry_after
    ├── ApiError                     the service refused: .status .code .message .request_id
    │   ├── AuthError
    │   ├── NotFoundError
    │   ├── RateLimitError           .retry_after .limit .period
    │   └── ServerError
    ├── DecodeError (ValueError)     the answer is not what the documents say: "what @ $.path"
    ├── UnknownOutcome               a create or enqueue that may or may not have happened
    ├── KeyInUse                     another call is at work on this key
    ├── CaseChanged                  a case is not as it was read any more
    ├── JournalError                 the journal cannot be read or written
    ├── WatchError                   the state of a watch cannot be used
    └── ExportError                  a listing that could not be read completely

They hold plain values only, so that they can be pickled and kept: no request, no response, no
token, no body. The error of the library underneath is chained as ``__cause__``.

Every error comes after all attempts, so a handler need not retry. ``error.retryable`` says whether
the same call may end well later: False is final (a bad record, a refusal), and what a worker should
put aside::

    import asyncio

    from aicc_async import AICCClient, AICCError, ConfigError, NotFoundError


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            try:
                await aicc.get_case("no-such-case")
            except NotFoundError:
                print("there is no such case")
            except ConfigError as error:
                print("a bug of ours:", error)
            except AICCError as error:
                print("try later:", error)


    asyncio.run(main())

``UnknownOutcome`` is the one to think about: see ``aicc_async.journal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from attrs import frozen


class AICCError(Exception):
    """Everything that this package raises on purpose.

    ``retryable``: the same call may end well later, though nobody changes what it is called with.
    Where that is False it is final: a worker should put the message aside.
    """

    retryable: bool = True


class ConfigError(AICCError, ValueError):
    """A setting or a record is wrong; nothing was sent."""

    retryable = False


@frozen
class FieldFault:
    """What is wrong with one field, without contact data.

    ``bound`` says what it must be (``must be at most 128 bytes in UTF-8``), ``given`` what it was
    as far as that may be shown: a length, a type, a value that is no secret ("": nothing).
    """

    field: str
    bound: str
    given: str = ""

    def __str__(self) -> str:
        text = f"{self.field} {self.bound}" if self.bound.startswith("must ") else self.bound
        return f"{text}, got {self.given}" if self.given else text


class InvalidInput(ConfigError):  # noqa: N818  (reads as what it is)
    """An argument or fields of a record break their bounds; nothing was sent.

    ``errors`` holds a ``FieldFault`` for each of them, not only the first.
    """

    def __init__(self, message: str, *, errors: Sequence[FieldFault] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)

    @classmethod
    def of(cls, faults: Iterable[FieldFault]) -> Self:
        """Return the error that names all these faults."""
        errors = tuple(faults)
        return cls("; ".join(map(str, errors)), errors=errors)


class TransportError(AICCError):
    """No complete answer came.

    ``sent`` is False only when it is certain that the request never left this machine.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class RequestTimeout(TransportError, TimeoutError):  # noqa: N818  (reads as the built-in it is)
    """No complete answer came in time: that of ``Timeouts``, a ``RetryPolicy`` or a ``deadline``.

    ``retry_after`` is in how many seconds the rate limit has room, where a call was not sent
    because its deadline ends before that.
    """

    retry_after: float | None = None


class ApiError(AICCError):
    """The service answered, and refused.

    ``status`` is the HTTP status, ``code`` the ``resCode`` (None when there was none), ``message``
    the ``resMsg``, ``request_id`` the ``X-Request-Id`` header where the service sends one.
    """

    retryable = False

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        code: str | None = None,
        message: str = "",
        request_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id


class AuthError(ApiError):
    """The credentials are wrong, the token is refused for good, or the right is missing."""

    retryable = True


class NotFoundError(ApiError):
    """There is no such thing: HTTP 404, or one of ``Dialect.missing_codes``."""


class RateLimitError(ApiError):
    """The service refused for haste, after all attempts.

    With HTTP 429, the gateway's ``APIG.0308``, or a status or code that ``Dialect`` names.
    ``retry_after`` is what the service asked for, in seconds. ``limit`` and ``period`` (seconds)
    are the quota, where the gateway's message names it.
    """

    retryable = True
    retry_after: float | None = None
    limit: int | None = None
    period: float | None = None


class ServerError(ApiError):
    """HTTP 5xx, after all attempts where the request may be repeated."""

    retryable = True
    retry_after: float | None = None


class DecodeError(AICCError, ValueError):
    """The answer is not what the documents say; the text ends with the path: ``… @ $.result``.

    ``transient``: it was empty or HTML, and came after all attempts where the request may be
    repeated.
    """

    retryable = False
    transient: bool = False


class UnknownOutcome(AICCError):  # noqa: N818  (it is not known to be an error)
    """A create or an enqueue may or may not have happened, and was not sent again.

    ``operation`` names it; ``candidates`` are ids of records that it may have made, when they were
    looked up (empty otherwise). ``retry_after`` is in how many seconds the same key can be decided
    (None: that is not known). ``__cause__`` says what went wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        candidates: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.candidates = tuple(candidates)
        self.retry_after = retry_after


class KeyInUse(AICCError):  # noqa: N818  (nothing is wrong)
    """Another call, in this process or another one, is at work on a create with this key."""


class CaseChanged(AICCError):  # noqa: N818  (nothing is wrong)
    """A case is not as the caller read it any more; ``fields`` says where. It was left as it is."""

    retryable = False

    def __init__(self, message: str, *, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class JournalError(AICCError):
    """The journal cannot be read or written.

    Nothing was sent, or else ``case_id`` is the case that was made and could not be noted.
    """

    case_id: str | None = None


class WatchError(AICCError):
    """The state of a watch cannot be used: it is of another query, or held by somebody else.

    Or it cannot be read or written. What was told and not acknowledged comes again.
    """


class ExportError(AICCError):
    """A listing could not be read completely.

    ``window`` is the span concerned, as text (None: the whole listing); ``resume`` says how to
    continue.
    """

    def __init__(self, message: str, *, window: str | None = None, resume: str = "") -> None:
        super().__init__(message)
        self.window = window
        self.resume = resume
