"""Refusals that look like an outage: nginx's ``limit_req`` answers 503 unless it is told otherwise.

The idea: several within a second, with successes among them, are no outage, and as many as one of
ten answers are no accident. Only answers without an error code of the platform's count. A refusal
of this kind slows everybody down and costs no attempt. What it can't see: whether the request was
acted on, which nginx alone could not have; so it makes nothing repeatable
(``Dialect(throttle_statuses=…)`` does).
See https://nginx.org/en/docs/http/ngx_http_limit_req_module.html#limit_req_status.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus

from ..errors import AICCError, ServerError

MIN_REFUSALS = 3
# Of all answers within the window.
MIN_REFUSED_SHARE = 0.1
WINDOW = 1.0  # seconds


class ThrottleDetector:
    """Watches the answers of a session; times are those of one clock."""

    def __init__(self) -> None:
        self._refused: deque[float] = deque(maxlen=100)
        self._succeeded: deque[float] = deque(maxlen=1000)

    def add_success(self, now: float) -> None:
        """Note a success."""
        self._succeeded.append(now)

    def is_throttle(self, error: AICCError, now: float) -> bool:
        """Note a failure; return whether it is a refusal of haste, as those around it show."""
        if not isinstance(error, ServerError) or error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return False
        # The platform's own errors have a code.
        if error.code is not None or error.message:
            return False
        self._refused.append(now)
        for times in (self._refused, self._succeeded):
            while times and times[0] < now - WINDOW:
                times.popleft()
        if len(self._refused) < MIN_REFUSALS or not self._succeeded:
            return False
        refused, answered = len(self._refused), len(self._refused) + len(self._succeeded)
        is_outage = self._succeeded[-1] < self._refused[0]
        return not is_outage and refused >= MIN_REFUSED_SHARE * answered
