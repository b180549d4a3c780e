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
    """Set the priority of the calls made within: ``interactive``, ``worker`` or ``bulk``.

    It overrides the ``priority`` of the client's RateLimit. It has an effect under a shared budget
    only, with one exception: interactive calls have ``max_concurrency`` places of their own, so
    that they don't queue behind an export of the same client. Tasks started within keep it. An
    async generator must not yield within: set it in the loop that consumes the generator instead.
    Raises ConfigError for another word.
    """
    check("priority", priority, one_of(*REQUEST_PRIORITIES))
    token = _current.set(priority)
    try:
        yield
    finally:
        _current.reset(token)


def current_priority() -> RequestPriority | None:
    """Return what ``request_priority`` has set here, or None."""
    return _current.get()


class BudgetUnreachable(Exception):  # noqa: N818  (a state that the limiter handles, never the caller)
    """The store can't be reached or doesn't work: what other processes send is unknown."""


@frozen(kw_only=True)
class Terms:
    """What all who share a budget must agree on; times in seconds.

    A slot stays taken for ``per`` and ``slack``. No slot is given that lies more than ``horizon``
    ahead. ``hold`` is how long no slots are given after the store was lost: until every process has
    noticed; that takes longer where the store is far away. ``ceiling`` is the most that the limit
    is raised to: above ``limit`` only for an adaptive one, which begins there. ``domain`` is that
    of the service, for a budget without a name.
    """

    limit: int
    per: float
    slack: float
    horizon: float
    hold: float
    ceiling: int | None = None
    is_adaptive: bool = False
    domain: str = ""


@frozen(kw_only=True)
class Distance:
    """How far away the store is: seconds of a round trip, and until an answer arrives."""

    round_trip: float = 0.0
    lag: float = 0.0


HERE = Distance()


@frozen(kw_only=True)
class Share:
    """What one process may use when others can't be seen; ``is_idle``: it has sent nothing in T."""

    limit: int = 0
    is_idle: bool = False


NO_SHARE = Share()


@define(kw_only=True)
class SlotReports:
    """What became of slots: names of those that were not used, and those that were used late."""

    unused: list[str] = field(factory=list)
    # Each with the time at which its request left, on the loop's clock.
    late: list[tuple[str, float]] = field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.unused or self.late)


@frozen(kw_only=True)
class BudgetState:
    """A budget at one moment: the store's time, the slots of the last ``per``, the limit.

    ``pace`` is what ``limit`` is derived from, as text: empty until somebody stores one. It never
    makes the limit higher than the ceiling of whoever asks.
    """

    time: float
    sent: int
    limit: int
    pace: str = ""


@frozen(kw_only=True)
class Reservation:
    """Slots, by name and seconds from now; or, when there are none, the seconds until a retry."""

    slots: Sequence[tuple[str, float]]
    retry_after: float
    state: BudgetState


class BudgetConnection(Protocol):
    """A budget as one limiter uses it. All but ``close`` raises BudgetUnreachable."""

    async def reserve(
        self,
        count: int,
        priority: RequestPriority,
        reports: SlotReports,
        *,
        waiting: int | None = None,
        distance: Distance = HERE,
        share: Share = NO_SHARE,
    ) -> Reservation:
        """Store the reports, then reserve up to so many slots; fewer, if they span long.

        ``waiting`` of them are used at once (None: all). The share is what a process may have while
        the store doesn't know what was sent before. Raises ConfigError when others who use the
        budget have another limit.
        """
        ...

    async def report(self, reports: SlotReports) -> BudgetState:
        """Store the reports."""
        ...

    async def pause(self, seconds: float) -> BudgetState:
        """Give no slot to anybody for so long; a shorter pause never ends a longer one."""
        ...

    async def replace_pace(self, old: str, new: str) -> bool:
        """Store another pace; False when the one there is not ``old`` any more."""
        ...

    async def rejoin(
        self, *, lost_for: float = 0.0, sent: Sequence[float] = (), distance: Distance = HERE
    ) -> float:
        """Return in how many seconds slots may be reserved again, after BudgetUnreachable.

        ``lost_for`` is for how many seconds the store was lost, ``sent`` how many seconds ago each
        request left that the store does not know.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class SharedBudget(Protocol):
    """Where a budget is, and what each process may use while it can't be reached."""

    @property
    def fallback_processes(self) -> int:
        """How many processes share the limit while the store is lost."""
        ...

    def connect(self, terms: Terms) -> BudgetConnection:
        """Return a connection for one limiter; there is no I/O yet."""
        ...
