"""Events as metrics: those of calls under the names that AWS's SDKs use, others as ``aicc.…``.

See ``retry`` and ``metrics`` of https://github.com/aws/aws-sdk-go-v2, which have the names, the
units and the attributes ``rpc.service`` and ``rpc.method``.
"""

from __future__ import annotations

from opentelemetry.metrics import Meter

from .records import (
    AttemptEnded,
    CallEnded,
    Event,
    JournalOutcome,
    LimiterWaited,
    Throttled,
    TokenRenewed,
    WindowJudged,
)


class Metrics:
    """Counts and measures, as events come."""

    def __init__(self, meter: Meter) -> None:
        histogram, counter = meter.create_histogram, meter.create_counter
        self._call_duration = histogram(
            "client.call.duration", "s", "Calls, with their retries and all waits"
        )
        self._attempt_duration = histogram(
            "client.call.attempt_duration", "s", "Attempts, from the send to the end of the answer"
        )
        self._attempts = counter("client.call.attempts", "{attempt}", "Attempts of calls")
        self._errors = counter("client.call.errors", "{error}", "Calls that ended with an error")
        self._limiter_wait = histogram("aicc.limiter.wait", "s", "Waits for the rate limit")
        self._throttles = counter("aicc.throttles", "{refusal}", "Refusals for haste")
        self._sign_ins = counter("aicc.sign_ins", "{token}", "Tokens that a sign-in gave")
        self._rows = counter("aicc.rows", "{row}", "Rows of windows that were read to their end")
        self._windows = counter("aicc.windows", "{window}", "Windows by their verdict")
        self._outcomes = counter("aicc.journal.outcomes", "{create}", "Creates with a key")

    def note(self, event: Event) -> None:
        """Count or measure what an event is about."""
        match event:
            case CallEnded(operation=operation, seconds=seconds, error=error):
                self._call_duration.record(seconds, _of(operation))
                if error:
                    self._errors.add(1, _of(operation) | {"error.type": error})
            case AttemptEnded(operation=operation, seconds=seconds):
                self._attempt_duration.record(seconds, _of(operation))
                self._attempts.add(1, _of(operation))
            case LimiterWaited(operation=operation, seconds=seconds):
                self._limiter_wait.record(seconds, _of(operation))
            case Throttled(operation=operation):
                self._throttles.add(1, _of(operation))
            case TokenRenewed():
                self._sign_ins.add(1)
            case WindowJudged(operation=operation, verdict=verdict, rows=rows):
                self._rows.add(rows, _of(operation))
                self._windows.add(1, _of(operation) | {"aicc.verdict": verdict})
            case JournalOutcome(status=status):
                self._outcomes.add(1, {"aicc.status": status})


def _of(operation: str) -> dict[str, str]:
    return {"rpc.service": "aicc", "rpc.method": operation}
