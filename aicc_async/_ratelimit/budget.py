"""A budget of requests that many processes share: what a store of it must do, and who goes first.

The stores are connectors; this file knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol, runtime_checkable

from attrs import define, field, frozen

from .._validators import check, one_of

RequestPriority = Literal["interactive", "worker", "bulk"]
REQUEST_PRIORITIES: tuple[RequestPriority, ...] = ("interactive", "worker", "bulk")

_current: ContextVar[RequestPriority | None] = ContextVar("aicc_async_priority", default=None)


@contextmanager
def request_priority(priority: RequestPriority) -> Iterator[None]:
    """Give the calls made within a priority: ``interactive``, ``worker`` or ``bulk``.

    It goes before the ``priority`` of the client's RateLimit, and counts under a shared budget
    only, but for one thing: interactive calls have ``max_concurrency`` places of their own, so that
    they don't queue behind an export of the same client. Tasks that are started within keep it.
    An async generator must not yield within: what it iterates over may be within instead.
    Raises ConfigError for another word.
    """
    check("priority", priority, one_of(*REQUEST_PRIORITIES))
    token = _current.set(priority)
    try:
        yield
    finally:
        _current.reset(token)


def current_priority() -> RequestPriority | None:
    """Return what ``request_priority`` says here; None: nothing."""
    return _current.get()


class BudgetLost(Exception):  # noqa: N818  (a state, told from one room to the next: never raised to callers)
    """The store can't be reached, or doesn't work: nothing is known of the others any more."""


@frozen(kw_only=True)
class Terms:
    """What all who share a budget must agree on; times in seconds.

    A slot stays taken for ``per`` and ``slack``. None is given that lies more than ``reach`` ahead.
    ``hold`` is how long nothing is given when the store was lost: until everybody has noticed.
    ``ceiling`` is that of an adaptive limit, which begins at ``limit``.
    """

    limit: int
    per: float
    slack: float
    reach: float
    hold: float
    ceiling: int | None = None


@define(kw_only=True)
class Reports:
    """What the store should hear: slots that nobody used, and those that were used late."""

    unused: list[str] = field(factory=list)
    moved: list[tuple[str, float]] = field(factory=list)  # and when they left, on the loop's clock

    def __bool__(self) -> bool:
        return bool(self.unused or self.moved)


@frozen(kw_only=True)
class Seen:
    """How a budget stands: the store's time, the slots of the last ``per``, the limit's state."""

    time: float
    sent: int
    limit: int
    pace: str = ""


@frozen(kw_only=True)
class Granted:
    """An answer to an asking: slots, by name and seconds from now; or when to ask again."""

    slots: Sequence[tuple[str, float]]
    again: float
    seen: Seen


class Ledger(Protocol):
    """A budget in use by one limiter. Everything here raises BudgetLost, ``close`` apart."""

    async def reserve(self, count: int, priority: RequestPriority, reports: Reports) -> Granted:
        """Hear the reports, then give at most so many slots, fewer when they span long."""
        ...

    async def tell(self, reports: Reports) -> Seen:
        """Hear the reports."""
        ...

    async def pause(self, seconds: float) -> Seen:
        """Give no slot to anybody for so long; a shorter pause never ends a longer one."""
        ...

    async def adapt(self, old: str, new: str) -> bool:
        """Change the limit's state, unless somebody did meanwhile."""
        ...

    async def rejoin(self) -> float:
        """Come back after BudgetLost; tell in how many seconds one may ask for slots."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class SharedBudget(Protocol):
    """Where a budget is, and what each process may use while it can't be reached."""

    @property
    def fallback_processes(self) -> int:
        """How many processes share the limit then."""
        ...

    def connect(self, terms: Terms) -> Ledger:
        """Make a ledger, without any I/O yet."""
        ...
