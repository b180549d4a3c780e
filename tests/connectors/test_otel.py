"""Spans and metrics, read from the SDK's in-memory exporters, of a tenant on a socket."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from helpers.new_cases import new_case
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from aicc_async import (
    AICCClient,
    CaseQuery,
    ClientCredentials,
    ConfigError,
    RateLimit,
    RateLimitError,
    RetryPolicy,
    SQLiteJournal,
    UnknownOutcome,
    export_cases,
)
from aicc_async.cli.connect import qflow_client
from aicc_async.connectors.otel import OpenTelemetry
from aicc_async.connectors.spark.options import source_from_options
from aicc_async.emulator import Emulator, Fault, run_in_thread

JANUARY = CaseQuery(
    start_time=datetime(2025, 1, 1),  # noqa: DTZ001  (a wall-clock time)
    end_time=datetime(2025, 1, 31, 23, 59, 59),  # noqa: DTZ001
)
# A program that has the SDK, as ``opentelemetry-instrument`` gives it to any; and what it prints.
WITH_SDK = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from aicc_async import AICCClient
from aicc_async.cli import main
exporter = ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: span.name + "\\n")
traces = TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(traces)


async def count():
    async with AICCClient.from_env() as aicc:
        await aicc.current_statistics()


asyncio.run(count())
main()
"""


@frozen
class Backend:
    """What an OpenTelemetry backend would have got."""

    telemetry: OpenTelemetry
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    traces: TracerProvider = field(repr=False)

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that ended, in the order of their starts."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def metrics(self) -> dict[str, Metric]:
        """Return what was measured, by the names of the instruments."""
        data = self.reader.get_metrics_data()
        assert data is not None
        [resource] = data.resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Return a backend of this test alone."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces, meters = TracerProvider(), MeterProvider([reader])
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    yield Backend(OpenTelemetry(traces, meters), exporter, reader, traces)
    traces.shutdown()
    meters.shutdown()


@pytest.fixture
async def aicc(tenant: Emulator, backend: Backend) -> AsyncIterator[AICCClient]:
    """Run a client that signs in and hardly waits, and makes spans and metrics."""
    async with client_of(tenant, backend) as client:
        yield client


def client_of(tenant: Emulator, backend: Backend, **options: Any) -> AICCClient:
    """Return a client of a tenant."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    usual: dict[str, Any] = {
        "retry": RetryPolicy(base=0.001, patience=0),
        "on_event": backend.telemetry,
    }
    return AICCClient(tenant.url, auth=auth, **usual | options)


def parent(span: ReadableSpan, spans: list[ReadableSpan]) -> ReadableSpan | None:
    """Return the span that this one is within."""
    inside = span.parent and span.parent.span_id
    return next((each for each in spans if each.context.span_id == inside), None)


def values(metric: Metric) -> dict[tuple[object, ...], Any]:
    """Return what a counter counted, or how often a histogram was told, by its attributes."""
    return {
        tuple((point.attributes or {}).values()): getattr(point, "value", None)
        or getattr(point, "count", None)
        for point in metric.data.data_points
    }


# ---- spans -----------------------------------------------------------------------------------


async def test_a_call_is_a_span_and_each_attempt_one_within(
    tenant: Emulator, aicc: AICCClient, backend: Backend
) -> None:
    """They have the attributes of the semantic conventions for HTTP clients."""
    await aicc.list_cases()
    backend.exporter.clear()
    tenant.fail("list", Fault.HTTP_503)
    await aicc.list_cases()

    call, first, second = spans = backend.spans()
    port = int(tenant.url.rpartition(":")[2])
    server = {"server.address": "127.0.0.1", "server.port": port}
    assert [span.name for span in spans] == ["aicc list", "POST", "POST"]
    assert {span.kind for span in spans} == {SpanKind.CLIENT}
    assert [parent(span, spans) for span in spans] == [None, call, call]
    assert call.attributes == {"rpc.service": "aicc", "rpc.method": "list", **server}
    assert first.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "aicc.res_code": "405230503",
        "error.type": "503",
        **server,
    }
    assert second.attributes == {
        "http.request.method": "POST",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        **server,
    }
    codes = [span.status.status_code for span in spans]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]
    [retry] = call.events
    assert retry.name == "retry"
    assert (retry.attributes or {})["error.type"] == "ServerError"
    assert not get_current_span().get_span_context().is_valid


async def test_a_sign_in_is_within_the_call_that_needs_it(
    aicc: AICCClient, backend: Backend
) -> None:
    """A trace shows what a first call waited for."""
    await aicc.list_cases()

    call, sign_in, its_attempt, attempt = spans = backend.spans()
    assert [span.name for span in spans] == ["aicc list", "aicc token", "POST", "POST"]
    assert [parent(span, spans) for span in spans] == [None, call, sign_in, call]
    assert its_attempt.context.trace_id == attempt.context.trace_id


async def test_the_spans_of_aiohttp_are_within_the_attempts(
    tenant: Emulator, aicc: AICCClient, backend: Backend
) -> None:
    """With its instrumentation beside ours, each request has its attempt as its parent."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=backend.traces)
    try:
        with backend.traces.get_tracer("service").start_as_current_span("request"):
            await aicc.get_case(tenant.ids()[0])
    finally:
        instrumentor.uninstrument()

    spans = backend.spans()
    scopes = [span.instrumentation_scope.name for span in spans if span.instrumentation_scope]
    inner = [span for span in spans if "aiohttp" in str(span.instrumentation_scope)]
    outer = [parent(span, spans) for span in inner]
    assert scopes.count("aicc_async") == 4
    assert [
        span.name for span in outer if span and "aicc_async" in str(span.instrumentation_scope)
    ] == ["POST", "GET"]
    assert {span.context.trace_id for span in spans} == {spans[0].context.trace_id}
    assert spans[0].name == "request"


async def test_a_failed_call_is_an_error_without_words(tenant: Emulator, backend: Backend) -> None:
    """What the service says may name people: the class of the error is all that is kept."""
    tenant.fail("create", Fault.DROP_AFTER)
    async with client_of(tenant, backend) as aicc:
        with pytest.raises(UnknownOutcome):
            await aicc.create_case(new_case())

    [call] = [span for span in backend.spans() if span.name == "aicc create"]
    assert (call.attributes or {})["error.type"] == "UnknownOutcome"
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, None)
    assert call.events == ()


# ---- metrics ---------------------------------------------------------------------------------


async def test_everything_is_measured_once(
    tenant: Emulator, backend: Backend, tmp_path: Path
) -> None:
    """Calls are under the names of AWS's SDKs; waits, refusals, rows and outcomes beside them."""
    options: dict[str, Any] = {
        "journal": SQLiteJournal(tmp_path / "journal"),
        "rate_limit": RateLimit(1, per=0.02),
        "timezone": "Asia/Shanghai",
    }
    async with client_of(tenant, backend, **options) as aicc:
        report = await export_cases(aicc, JANUARY, tmp_path / "cases.jsonl")
        await aicc.create_case(new_case(), key="a")
        await aicc.create_case(new_case(), key="a")
    async with client_of(tenant, backend, retry=RetryPolicy(attempts=1)) as aicc:
        tenant.fail("get", Fault.THROTTLED)
        with pytest.raises(RateLimitError):
            await aicc.get_case(tenant.ids()[0])

    found = backend.metrics()
    calls = values(found["client.call.duration"])
    assert calls[("aicc", "create")] == 1
    assert (
        calls
        == values(found["client.call.attempt_duration"])
        == values(found["client.call.attempts"])
    )
    assert values(found["client.call.errors"]) == {("aicc", "get", "RateLimitError"): 1}
    assert values(found["aicc.limiter.wait"])[("aicc", "list")] >= 1
    assert values(found["aicc.throttles"]) == {("aicc", "get"): 1}
    assert values(found["aicc.sign_ins"]) == {(): 2}
    assert values(found["aicc.rows"]) == {("aicc", "list"): report.rows}
    assert values(found["aicc.windows"]) == {("aicc", "list", "verified"): len(report.windows)}
    assert values(found["aicc.journal.outcomes"]) == {("created",): 1, ("already",): 1}
    assert {name: metric.unit for name, metric in found.items() if "duration" in name} == {
        "client.call.duration": "s",
        "client.call.attempt_duration": "s",
    }


# ---- what nothing of it holds ----------------------------------------------------------------


async def test_nothing_holds_contact_data_or_secrets(tenant: Emulator, backend: Backend) -> None:
    """Texts, ids, token and secret are in no name, attribute, event or measurement."""
    canary = new_case(title="canary-t", description="canary-d", contact_phone="canary-p")
    async with client_of(tenant, backend) as aicc:
        case_id = await aicc.create_case(canary)
        tenant.fail("create", Fault.BUSINESS_ERROR)
        with pytest.raises(Exception, match="create"):
            await aicc.create_case(canary)
        await aicc.get_case(case_id)
        assert aicc._session._tokens
        token = await aicc._session._tokens.token()

    spans = backend.spans()
    text = "".join(span.to_json() for span in spans) + str(backend.metrics())
    assert len(spans) == 8
    assert "aicc create" in text
    secrets = (case_id, token, tenant.client_id, tenant.client_secret)
    assert "canary" not in text
    assert not any(secret in text for secret in secrets)


# ---- from the environment --------------------------------------------------------------------


def test_the_environment_turns_it_on_for_client_and_commands() -> None:
    """Both use the providers that the process has, whoever set them."""
    with run_in_thread(cases=3) as tenant:
        environ = os.environ | {
            "AICC_BASE_URL": tenant.url,
            "AICC_ACCESS_TOKEN": tenant.token(),
            "AICC_TELEMETRY": "otel",
        }
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", WITH_SDK, "get", tenant.ids()[0]],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stderr.split("\n")[:-1] == ["GET", "aicc statistics", "GET", "aicc get"]


def test_spark_takes_it_to_its_tasks(set_variables: Callable[..., None]) -> None:
    """What a job pickles makes clients that have the telemetry of their own process."""
    set_variables(AICC_BASE_URL="https://h", AICC_ACCESS_TOKEN="t", AICC_TELEMETRY="otel")
    source = pickle.loads(pickle.dumps(source_from_options({})))  # noqa: S301

    assert isinstance(source.settings["on_event"], OpenTelemetry)
    assert source.client().api.on_event is not None


def test_q_flow_s_commands_take_it(set_variables: Callable[..., None]) -> None:
    """Their client is made from other variables, and this one."""
    set_variables(AICC_TELEMETRY="otel")

    assert qflow_client("https://h/API")._session.on_event is not None


def test_dlt_takes_it_to_its_loads(set_variables: Callable[..., None]) -> None:
    """Each load makes a client from the variables."""
    pytest.importorskip("dlt", reason="dlt is missing: pip install 'aicc-async[dlt]'")
    from aicc_async.connectors.dlt.load import Load  # noqa: PLC0415  (where it is installed)

    set_variables(AICC_BASE_URL="https://h", AICC_ACCESS_TOKEN="t", AICC_TELEMETRY="otel")
    load = Load(
        base_url=None,
        options={},
        query=JANUARY,
        lookback=timedelta(days=1),
        refresh=None,
        strict=True,
        detail=False,
    )
    assert load.client().api.on_event is not None


def test_another_telemetry_is_refused(set_variables: Callable[..., None]) -> None:
    """A misspelt name is not a client that is silent."""
    set_variables(AICC_BASE_URL="https://h", AICC_ACCESS_TOKEN="t", AICC_TELEMETRY="statsd")
    with pytest.raises(ConfigError, match=r"^telemetry must be 'otel', got 'statsd'$"):
        AICCClient.from_env()


@pytest.mark.parametrize(
    "code", ["import aicc_async.connectors.otel", "aicc_async.AICCClient.from_env()"]
)
def test_without_the_extra_it_says_what_to_install(code: str) -> None:
    """The connector and the variable both name the extra."""
    environ = os.environ | {
        "AICC_BASE_URL": "https://h",
        "AICC_ACCESS_TOKEN": "t",
        "AICC_TELEMETRY": "otel",
    }
    code = f"import sys, aicc_async; sys.modules['opentelemetry'] = None; {code}"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    wanted = "is missing: pip install 'aicc-async[otel]'\n"
    assert done.stderr.endswith(f"ConfigError: opentelemetry.trace {wanted}")
