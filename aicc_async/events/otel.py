"""What a client's events are given to, where OpenTelemetry is to have them."""

from __future__ import annotations

from typing import Self

from .._optional import load
from .records import Event

# Before the imports below: without it they would fail on a module that no user knows.
load("opentelemetry.trace", "otel")

from opentelemetry import metrics, trace  # noqa: E402  (only where it is installed)

from .metrics import Metrics  # noqa: E402
from .spans import Spans  # noqa: E402

SCOPE = "aicc_async"


class OpenTelemetry:
    """An ``on_event`` that makes spans and metrics of events; it may serve several clients.

    Without a provider of tracers or meters the global one is taken, which may be set later. One
    without providers can be pickled, for the tasks of an engine such as Spark.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._providers = tracer_provider, meter_provider
        self._spans = Spans(trace.get_tracer(SCOPE, tracer_provider=tracer_provider))
        self._metrics = Metrics(metrics.get_meter(SCOPE, meter_provider=meter_provider))

    def __call__(self, event: Event) -> None:
        """Note an event."""
        # While the span is current: a measurement may refer to it as an example.
        self._metrics.note(event)
        self._spans.note(event)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), self._providers
