"""Scripted misfortunes: what they are, and when they strike."""

import enum
import random
import threading
from collections.abc import Iterator

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
    TOKEN_EXPIRED_401 = "401, nothing done"  # noqa: S105 -- a description
    TOKEN_EXPIRED_200 = "200 with resCode 405230602, nothing done"  # noqa: S105 -- a description
    TOKEN_EXPIRED_500 = "500 with resCode 405230603, nothing done"  # noqa: S105 -- a description
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
"""The faults that strike after the work."""


@attrs.define
class ScriptedFault:
    """A fault that the next `times` requests of an operation suffer; None: all of them.

    With a `share`, each request suffers it with that probability.
    """

    operation: str
    fault: Fault
    times: int | None
    share: float | None


@attrs.define
class Script:
    """The faults to come, first come first served, filled by any thread.

    One number is drawn for a request, and the shares lie side by side: each strikes as often as
    it says, whatever others there are, as long as their sum is at most 1.
    """

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
        """Forget all faults."""
        with self._lock:
            self._queue.clear()

    def take(self, operation: str) -> Fault | None:
        """Take the fault that this request suffers, if any."""
        if not self._queue:
            return None
        with self._lock:
            self._queue = [one for one in self._queue if one.times != 0]
            mine = [one for one in self._queue if one.operation in {operation, "*"}]
            return next((_use(one) for one in self._striking(mine)), None)

    def _striking(self, scripts: list[ScriptedFault]) -> Iterator[ScriptedFault]:
        left = self._draw.random() if any(one.share for one in scripts) else 0.0
        for one in scripts:
            left -= one.share or 0.0
            if one.share is None or left < 0:
                yield one


def _use(scripted: ScriptedFault) -> Fault:
    if scripted.times is not None:
        scripted.times -= 1
    return scripted.fault
