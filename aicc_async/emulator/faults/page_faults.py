"""What happens to single pages of case/list: scripted faults, and a callback after each.

A page with a fault is answered well-formed, but its rows are the wrong ones.
"""

import enum
import threading
from collections.abc import Callable

import attrs

from ..data.store import Query


class PageFault(enum.Enum):
    """A fault of a page that is answered well otherwise; its count is always right."""

    EMPTY = "no rows, though there are some"
    REPEATED = "the previous page again: as many rows earlier as were requested"
    FIRST = "the first page, whatever the start"


@attrs.define
class ScriptedPageFault:
    """A fault that lets ``skip`` pages pass and then strikes ``times`` times."""

    fault: PageFault
    skip: int
    times: int


@attrs.define
class PageScript:
    """The page faults to come, first come first served; any thread may add to them.

    ``after_page`` is called after every page, before the next one.
    """

    after_page: Callable[[], object] | None = attrs.field(default=None, init=False)
    _queue: list[ScriptedPageFault] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(self, fault: PageFault, skip: int, times: int) -> None:
        """Append a fault; its pages are counted once those before it have struck."""
        with self._lock:
            self._queue.append(ScriptedPageFault(fault, skip, times))

    def clear(self) -> None:
        """Discard all page faults."""
        with self._lock:
            self._queue.clear()

    def take(self) -> PageFault | None:
        """Count a page, and return the fault that it suffers, if any."""
        # Most tenants have no script. They must not pay for a lock with every page.
        if not self._queue:
            return None
        with self._lock:
            while self._queue and not self._queue[0].times:
                del self._queue[0]
            if not self._queue:
                return None
            scripted = self._queue[0]
            if scripted.skip:
                scripted.skip -= 1
                return None
            scripted.times -= 1
            return scripted.fault


def misplace(query: Query, fault: PageFault) -> Query:
    """Return the query with its page moved to where the fault puts it."""
    if fault is PageFault.EMPTY:
        return attrs.evolve(query, limit=0)
    # The limit of the query is the one that the tenant grants, which may be below the client's. A
    # client that advances by the rows it received sees exactly its previous page.
    start = max(query.start - query.limit, 0) if fault is PageFault.REPEATED else 0
    return attrs.evolve(query, start=start)
