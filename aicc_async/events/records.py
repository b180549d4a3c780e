"""The records of what happens: structs, since attrs would take milliseconds of every import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

JournalStatus = Literal["created", "already", "rejected", "unknown", "failed"]


class CallStarted(Struct, frozen=True, kw_only=True):
    """A call of an operation begins; ``operation`` is its name in ``aicc_async.client``'s table."""

    call: int
    operation: str
    method: str
    server_address: str
    server_port: int


class CallEnded(Struct, frozen=True, kw_only=True):
    """A call ends, after so many attempts and seconds, all waits included."""

    call: int
    operation: str
    attempts: int
    seconds: float
    error: str | None


class AttemptStarted(Struct, frozen=True, kw_only=True):
    """A request leaves, after its wait for the limiter; ``number`` counts from 1."""

    call: int
    operation: str
    number: int


class AttemptEnded(Struct, frozen=True, kw_only=True):
    """A request is answered, or will not be.

    ``status`` is the HTTP status, None without an answer; ``code`` the ``resCode`` of a refusal.
    """

    call: int
    operation: str
    number: int
    status: int | None
    code: str | None
    seconds: float
    error: str | None


class RetryScheduled(Struct, frozen=True, kw_only=True):
    """A request is sent again after so many seconds; ``reason`` is the class of the error."""

    call: int
    operation: str
    seconds: float
    reason: str


class Throttled(Struct, frozen=True, kw_only=True):
    """The service refused for haste; ``retry_after`` is what it asks for, in seconds."""

    call: int
    operation: str
    retry_after: float | None


class LimiterWaited(Struct, frozen=True, kw_only=True):
    """A request waited for the rate limit, for a millisecond at least.

    Also when it does not leave after that, as its deadline ends or it is cancelled.
    """

    call: int
    operation: str
    seconds: float


class TokenRenewed(Struct, frozen=True, kw_only=True):
    """A sign-in gave a token that is good for so many seconds, inf where its end is not told.

    A token that your own function returns, or that another process shares, is no sign-in.
    """

    lifetime: float


class WindowJudged(Struct, frozen=True, kw_only=True):
    """A window of a listing is read to its end.

    ``operation`` is the listing's. ``start`` and ``end`` are wall-clock times of the tenant, as the
    window was asked for (a second wider than the range), None where it is open. ``verdict`` is that
    of a manifest (``verified``, ``repaired``, ``open``, ``unverified``), ``rows`` counts the
    different ids that came.
    """

    operation: str
    start: datetime | None
    end: datetime | None
    verdict: str
    rows: int


class JournalOutcome(Struct, frozen=True, kw_only=True):
    """A create with a key ended.

    ``status`` is as in ``CreateOutcome``, or ``failed``: it ended with another error, such as no
    connection, or was cancelled.
    """

    status: JournalStatus


Event: TypeAlias = (
    CallStarted
    | CallEnded
    | AttemptStarted
    | AttemptEnded
    | RetryScheduled
    | Throttled
    | LimiterWaited
    | TokenRenewed
    | WindowJudged
    | JournalOutcome
)
OnEvent: TypeAlias = Callable[[Event], object]
