r"""Spans and metrics of a client, by OpenTelemetry: each call, each attempt, each wait.

``pip install 'aicc-async[otel]'`` takes ``opentelemetry-api`` alone; your service has the SDK and
an exporter (here: ``pip install opentelemetry-sdk``)::

    import asyncio

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    from aicc_async import AICCClient
    from aicc_async.connectors.otel import OpenTelemetry


    async def main() -> None:
        exporter = ConsoleSpanExporter(formatter=lambda span: f"{span.name}\n")
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(exporter))
        async with AICCClient.from_env(on_event=OpenTelemetry(traces)) as aicc:
            await aicc.list_cases(limit=1)


    asyncio.run(main())

It prints::

    POST
    aicc token
    POST
    aicc list

``OpenTelemetry()`` takes the global providers, and so do ``AICCClient.from_env()``, the commands,
Spark (driver and tasks) and dlt with ``AICC_TELEMETRY=otel``. Nothing is sent to anybody until
these are set: by your program, or by ``opentelemetry-instrument`` before its name (or before
``aicc-async``), which reads the ``OTEL_*`` variables.

Spans
-----

A call is a span such as ``aicc create``, with ``rpc.method``, ``server.address`` and
``server.port``. An attempt is one within it, named as the method, with ``http.request.method``,
``http.response.status_code``, ``http.request.resend_count`` from the second one on, and
``aicc.res_code`` where the service names one. Both are of the kind client, and have ``error.type``
when they fail. A retry is an event of the call's span, with ``aicc.retry.wait`` in seconds. What
``opentelemetry-instrumentation-aiohttp-client`` makes is within the attempt: that one sends
``traceparent``, and has the URL, in which there may be the id of a case.

Metrics
-------

Under the names that AWS's SDKs use, by ``rpc.method``: ``client.call.duration`` and
``client.call.attempt_duration`` (histograms, in seconds), ``client.call.attempts`` and
``client.call.errors`` (with ``error.type``). Beside them ``aicc.limiter.wait`` (a histogram),
``aicc.throttles``, ``aicc.sign_ins``, ``aicc.rows`` (of windows that were read to their end),
``aicc.windows`` (by ``aicc.verdict``) and ``aicc.journal.outcomes`` (by ``aicc.status``).

No title, name, phone number, token or id is in any of them. What the events behind them are is in
``aicc_async.events``.
"""

from ..events.otel import OpenTelemetry

__all__ = ["OpenTelemetry"]
