"""Pages that are not where they were asked for: scripted, as faults are."""

import enum
import threading

import attrs

from ..data.store import Query


class PageFault(enum.Enum):
    """What may be wrong with a page that is answered well otherwise; its count is as ever."""

    EMPTY = "no rows, though there are some"
    REPEATED = "the page before again: as many rows earlier as were asked for"
    FIRST = "the first page, whatever start says"


@attrs.define
class ScriptedPageFault:
    """A fault that waits for `skip` pages and then strikes `times` times."""

    fault: PageFault
    skip: int
    times: int


@attrs.define
class PageScript:
    """The page faults to come, first come first served, filled by any thread."""

    _queue: list[ScriptedPageFault] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(self, fault: PageFault, skip: int, times: int) -> None:
        """Append a fault; its pages are counted from when those before it have struck."""
        with self._lock:
            self._queue.append(ScriptedPageFault(fault, skip, times))

    def clear(self) -> None:
        """Forget all page faults."""
        with self._lock:
            self._queue.clear()

    def take(self) -> PageFault | None:
        """Count a page; take the fault that it suffers, if any."""
        if not self._queue:
            return None
        with self._lock:
            return self._take_first()

    def _take_first(self) -> PageFault | None:
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
    """Move a page to where the fault puts it; it goes by the limit that is really given."""
    if fault is PageFault.EMPTY:
        return attrs.evolve(query, limit=0)
    start = max(query.start - query.limit, 0) if fault is PageFault.REPEATED else 0
    return attrs.evolve(query, start=start)
