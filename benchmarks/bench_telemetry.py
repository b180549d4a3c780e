"""What telemetry costs a request: the CPU of creates with a listener, over that without one.

Each round runs all kinds of clients in turn, in an order that rotates, so that what disturbs the
machine disturbs them alike; the ratios are those within a round. ``again`` is a second client
without a listener: its ratio shows what the measurement itself cannot tell apart. What the points
cost where nobody listens is measured apart (``idle``), since it is less than that: the time of
as many checks as a request makes, and of the two coroutines that it goes through more.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider
from results import Options, Result, run, summarize
from tenant import ZONE, Tenant, tenant

from aicc_async import AICCClient, NewCase, RateLimit, StaticToken
from aicc_async.connectors.otel import OpenTelemetry

CREATES = 100
ROUNDS, QUICK_ROUNDS = 30, 5
# Of a request, where nobody listens.
MAX_IDLE_PERCENT = 2.0
# ``if self._on_event`` and its like on the way of one request.
CHECKS = 6
IDLE_LOOPS = 200_000
NEW = NewCase(
    title="Parcel lost",
    description="The parcel did not come. " * 20,
    type="cvmC0000014Oc9jgT7ZI",
    contact_id="ciIy0000013y7cC8T2rA",
    creator_id="10gg00000148PCjKVDAu",
)


def with_sdk() -> OpenTelemetry:
    """Return telemetry that samples everything, and exports it to memory."""
    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    return OpenTelemetry(traces, MeterProvider([InMemoryMetricReader()]))


LISTENERS: dict[str, Callable[[], Any]] = {
    "without": lambda: None,
    "again": lambda: None,
    "on_event": lambda: lambda _: None,
    "otel, no-op": lambda: OpenTelemetry(NoOpTracerProvider(), NoOpMeterProvider()),
    "otel, SDK": with_sdk,
}


async def cpu(aicc: AICCClient) -> float:
    """Measure the seconds of CPU that creates take, eight at a time."""
    left = iter(range(CREATES))

    async def work() -> None:
        for _ in left:
            await aicc.create_case(NEW)

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(8)))
    return time.process_time() - began


async def measure(server: Tenant, rounds: int) -> dict[str, list[float]]:
    """Run all clients in turns, the first round uncounted; return the seconds of each."""
    found: dict[str, list[float]] = {name: [] for name in LISTENERS}
    async with AsyncExitStack() as stack:
        clients = {}
        for name, make in LISTENERS.items():
            aicc = AICCClient(
                server.url,
                auth=StaticToken(server.token),
                rate_limit=RateLimit(1_000_000),
                timezone=ZONE,
                on_event=make(),
            )
            clients[name] = await stack.enter_async_context(aicc)
        names = list(clients)
        for number in range(rounds + 1):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                seconds = await cpu(clients[name])
                if number:
                    found[name].append(seconds)
    return found


class _Holder:
    observer: object = None


async def idle_seconds() -> list[float]:
    """Measure, five times, what the points of one request take where nobody listens."""
    holder = _Holder()

    async def inner() -> None:
        pass

    async def outer() -> None:
        return await inner()

    async def around() -> None:
        return await outer()

    async def loop(call: Callable[[], Any], checks: int) -> float:
        began = time.process_time()
        for _ in range(IDLE_LOOPS):
            for _ in range(checks):
                if holder.observer:
                    raise AssertionError
            await call()
        return time.process_time() - began

    pairs = [await loop(around, CHECKS) - await loop(inner, 0) for _ in range(5)]
    return [seconds / IDLE_LOOPS for seconds in pairs]


def bench(options: Options) -> list[Result]:
    """Measure each kind of listener, and the points that nobody listens to."""
    with tenant(cases=0) as server:
        found = asyncio.run(measure(server, QUICK_ROUNDS if options.quick else ROUNDS))
    base = found["without"]
    results = []
    for name, seconds in found.items():
        ratios = [one / other for one, other in zip(seconds, base, strict=True)]
        each = median(seconds) / CREATES * 1e6
        print(f"{name:12} {each:5.0f} µs   {median(ratios):.3f}x")
        if seconds is not base:
            results.append(summarize(f"create, listener {name}", ratios, unit="x"))
    a_request = median(base) / CREATES
    shares = [100 * idle / a_request for idle in asyncio.run(idle_seconds())]
    name = "points that nobody listens to, of a request"
    return [summarize(name, shares, unit="%", target=MAX_IDLE_PERCENT), *results]


if __name__ == "__main__":
    sys.exit(run(bench))
