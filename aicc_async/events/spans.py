"""Events as spans: one for a call, one within it for each attempt.

The idea: a span is current from its start to its end, for which the context is attached and
detached. Both events come in the task of the call, so what is attached is seen by that task alone,
and by the tasks that it starts meanwhile. The span of aiohttp's instrumentation is within the
attempt's by that.
"""

from __future__ import annotations

from contextvars import Token

from attrs import frozen
from opentelemetry import context, trace

from .records import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    RetryScheduled,
)

FIRST_ERROR_STATUS = 400


@frozen
class _OpenSpan:
    span: trace.Span
    attached: Token[context.Context]

    def end(self, error: str | None) -> None:
        if error:
            self.span.set_attribute("error.type", error)
            # Without a description: the service's own words may name people.
            self.span.set_status(trace.StatusCode.ERROR)
        self.span.end()
        context.detach(self.attached)


class Spans:
    """Starts and ends spans, as events come."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._started = dict[int, CallStarted]()
        self._calls = dict[int, _OpenSpan]()
        self._attempts = dict[int, _OpenSpan]()

    def note(self, event: Event) -> None:
        """Start, end or annotate the span that an event is about."""
        match event:
            case CallStarted():
                self._start_call(event)
            case CallEnded(call=call, error=error):
                del self._started[call]
                self._calls.pop(call).end(error)
            case AttemptStarted():
                self._start_attempt(event)
            case AttemptEnded():
                self._end_attempt(event)
            case RetryScheduled(call=call, seconds=seconds, reason=reason):
                attributes: dict[str, str | float] = {
                    "aicc.retry.wait": seconds,
                    "error.type": reason,
                }
                self._calls[call].span.add_event("retry", attributes)

    def _start_call(self, event: CallStarted) -> None:
        self._started[event.call] = event
        self._calls[event.call] = self._open(
            f"aicc {event.operation}",
            {
                "rpc.service": "aicc",
                "rpc.method": event.operation,
                "server.address": event.server_address,
                "server.port": event.server_port,
            },
        )

    def _start_attempt(self, event: AttemptStarted) -> None:
        call = self._started[event.call]
        attributes: dict[str, str | int] = {
            "http.request.method": call.method,
            "server.address": call.server_address,
            "server.port": call.server_port,
        }
        if event.number > 1:
            attributes["http.request.resend_count"] = event.number - 1
        # The path is left out: it may hold the id of a case, and a name must not vary with that.
        self._attempts[event.call] = self._open(call.method, attributes)

    def _end_attempt(self, event: AttemptEnded) -> None:
        attempt, status = self._attempts.pop(event.call), event.status
        if status is not None:
            attempt.span.set_attribute("http.response.status_code", status)
        if event.code is not None:
            attempt.span.set_attribute("aicc.res_code", event.code)
        has_error_status = status is not None and status >= FIRST_ERROR_STATUS
        attempt.end(str(status) if has_error_status else event.error)

    def _open(self, name: str, attributes: dict[str, str | int]) -> _OpenSpan:
        kind = trace.SpanKind.CLIENT
        span = self._tracer.start_span(name, kind=kind, attributes=attributes)
        return _OpenSpan(span, context.attach(trace.set_span_in_context(span)))
