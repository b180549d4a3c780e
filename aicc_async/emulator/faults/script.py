"""Scripted faults: what can happen to a request, and which request it happens to."""

import enum
import random
import threading

import attrs


class Fault(enum.Enum):
    """What may happen to a request; "done" means that the store was changed all the same."""

    DROP_BEFORE = "connection reset, nothing done"
    DROP_AFTER = "done, then the connection is closed without an answer"
    HANG = "no answer ever, nothing done"
    HANG_AFTER = "done, no answer ever"
    CUT_BODY = "done, then half of the body and the end of the connection"
    HTTP_500 = "500 with the platform's JSON, nothing done"
    HTTP_502 = "502 with a gateway's HTML, nothing done"
    HTTP_503 = "503 with the platform's JSON, nothing done"
    HTTP_504 = "504 with a gateway's HTML, nothing done"
    HTTP_500_AFTER = "done, then 500"
    HTML_200 = "200 with an HTML page, nothing done"
    BUSINESS_ERROR = "200 with a resCode other than 0, nothing done"
    THROTTLED = "429, nothing done"
    TOKEN_EXPIRED_401 = "401, nothing done"  # noqa: S105  (a description)
    TOKEN_EXPIRED_200 = "200 with resCode 405230602, nothing done"  # noqa: S105  (a description)
    TOKEN_EXPIRED_500 = "500 with resCode 405230603, nothing done"  # noqa: S105  (a description)
    REDIRECT = "302 to another host, nothing done"
    NOT_JSON = "done, then 200 with half of the JSON"
    BAD_TYPE = "done, then one value of the first record is of another kind"
    GZIP_BOMB = "200 with a body that swells to 200 MB, nothing done"


FAULTS_AFTER_WORK = frozenset(
    {
        Fault.DROP_AFTER,
        Fault.HANG_AFTER,
        Fault.CUT_BODY,
        Fault.HTTP_500_AFTER,
        Fault.NOT_JSON,
        Fault.BAD_TYPE,
    }
)


@attrs.define
class ScriptedFault:
    """A fault that the next ``times`` requests of an operation suffer; None: all of them.

    With a ``share``, each request suffers it with that probability.
    """

    operation: str
    fault: Fault
    times: int | None
    share: float | None


@attrs.define
class Script:
    """The faults to come, first come first served; any thread may add to them."""

    _draw: random.Random
    _queue: list[ScriptedFault] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(
        self, operation: str, fault: Fault, times: int | None, share: float | None = None
    ) -> None:
        """Append a fault."""
        with self._lock:
            self._queue.append(ScriptedFault(operation, fault, times, share))

    def clear(self) -> None:
        """Discard all faults."""
        with self._lock:
            self._queue.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault that this request suffers, if any, and count it as used."""
        # Most tenants have no script. They must not pay for a lock with every request.
        if not self._queue:
            return None
        with self._lock:
            self._queue = [one for one in self._queue if one.times != 0]
            mine = [one for one in self._queue if one.operation in {operation, "*"}]
            # The shares lie side by side on [0, 1), and the one number drawn for a request falls
            # into one of them at most. So each fault strikes as often as its share says, whatever
            # others there are. A draw of its own for each would make the later ones rarer.
            left = self._draw.random() if any(one.share for one in mine) else 0.0
            for one in mine:
                left -= one.share or 0.0
                if one.share is None or left < 0:
                    if one.times is not None:
                        one.times -= 1
                    return one.fault
            return None
