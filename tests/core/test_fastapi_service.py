"""The client page's FastAPI service, served by uvicorn: deadlines, and callers that hang up."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from attrs import evolve
from helpers.clock import SOON, Jump, jump_of, until
from helpers.company import HEADERS, company
from helpers.recipes import recipe
from helpers.tenants import NEW, count
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from aicc_async import (
    AICCClient,
    ClientCredentials,
    Dialect,
    NetworkSettings,
    SQLiteJournal,
    to_dict,
)
from aicc_async.connectors.otel import OpenTelemetry
from aicc_async.emulator import Emulator, Fault
from aicc_async.settings.environment import parse_headers

# A request that is to end otherwise must not end by this one.
LONG = 600.0  # seconds


def make_client(tenant: Emulator, *, url: str = "", **options: Any) -> AICCClient:
    """Make the service's client, of the tenant itself or of what is before it."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    return AICCClient(
        url or tenant.url,
        auth=auth,
        timezone="Asia/Shanghai",
        journal=SQLiteJournal("cases.journal"),
        dialect=Dialect(missing_codes=tenant.missing_code),
        **options,
    )


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load the page's file in a folder of its own."""
    path = tmp_path / "fastapi_service.py"
    path.write_text(recipe("fastapi_service.py"))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("fastapi_service", path)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DEADLINE = LONG
    return module


@asynccontextmanager
async def serving(service: Any, make: Callable[[], AICCClient]) -> AsyncIterator[Caller]:
    """Serve it by uvicorn in a thread, with this client."""
    jumps: list[Jump] = []

    def open_client() -> AICCClient:
        jumps.append(jump_of(asyncio.get_running_loop()))
        return make()

    service.open_client = open_client
    # The clock of another loop can't be set.
    config = uvicorn.Config(service.app, loop="asyncio", log_config=None, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        # Who connects before the server is up waits for it.
        listener.listen()
        # A daemon, so that a test that is killed by its time limit does not keep the process alive.
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            async with aiohttp.ClientSession(
                f"http://127.0.0.1:{listener.getsockname()[1]}"
            ) as session:
                yield Caller(session, jumps)
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join)


class Caller:
    """Who calls the service."""

    def __init__(self, session: aiohttp.ClientSession, jumps: list[Jump]) -> None:
        self._session = session
        self._jumps = jumps

    async def get(self, case_id: str) -> tuple[int, dict[str, Any], str | None]:
        """Ask for a case; return status, answer and ``Retry-After``."""
        async with self._session.get(f"/cases/{case_id}") as answer:
            return answer.status, await answer.json(), answer.headers.get("Retry-After")

    async def get_too_late(
        self, case_id: str, reached: Callable[[], object]
    ) -> tuple[int, dict[str, Any], str | None]:
        """Ask for a case; the service's clock passes the deadline once something is so."""
        asking = asyncio.create_task(self.get(case_id))
        await until(reached)
        self._jumps[-1]()
        return await asking

    async def post(self, body: Any, key: str) -> tuple[int, dict[str, Any]]:
        """Ask for a case to be made."""
        headers = {"Idempotency-Key": key}
        async with self._session.post("/cases", json=body, headers=headers) as answer:
            return answer.status, await answer.json()


async def test_cases_are_read_and_made(tenant: Emulator, service: Any) -> None:
    """A case is read by Python names, made once for its key, and what is wrong is told."""
    body, case_id = to_dict(NEW), tenant.ids()[0]
    async with serving(service, lambda: make_client(tenant)) as caller:
        status, case, _ = await caller.get(case_id)
        assert (status, case["case"]["id"]) == (200, case_id)
        first, second = await caller.post(body, "order-1"), await caller.post(body, "order-1")
        assert first == second == (200, {"id": first[1]["id"]})
        assert (await caller.get("no-such-case"))[0] == 404
        refused = await caller.post({**body, "titel": "x"}, "order-2")
        assert refused == (422, {"error": "unknown field 'titel'. Did you mean 'title'?"})
        tenant.fail("create", Fault.DROP_AFTER)
        assert (await caller.post(to_dict(evolve(NEW, title="u")), "order-3"))[0] == 504
    assert tenant.count() == 302


async def test_a_slow_tenant_is_504_within_the_deadline(tenant: Emulator, service: Any) -> None:
    """A tenant that does not answer keeps nobody waiting beyond the deadline."""
    case_id = tenant.ids()[0]
    async with serving(service, lambda: make_client(tenant)) as caller:
        assert (await caller.get(case_id))[0] == 200
        service.DEADLINE = SOON
        tenant.fail("get", Fault.HANG, times=None)
        status, answer, _ = await caller.get_too_late(case_id, lambda: count(tenant, "get") == 2)
    assert status == 504
    assert "no complete answer in time" in answer["error"]


async def test_a_rate_limit_without_room_is_503_at_once(tenant: Emulator, service: Any) -> None:
    """Once the budget is used up, nobody waits for it: the answer says when it has room."""
    case_id, limit = tenant.ids()[0], "2/3600"
    environ = {
        "AICC_BASE_URL": tenant.url,
        "AICC_CLIENT_ID": tenant.client_id,
        "AICC_CLIENT_SECRET": tenant.client_secret,
        "AICC_RATE_LIMIT": limit,
    }
    async with serving(service, lambda: AICCClient.from_env(environ)) as caller:
        # The sign-in is the first of the two.
        assert (await caller.get(case_id))[0] == 200
        status, answer, wait = await caller.get(case_id)
    assert status == 503
    assert 3000 < int(wait or 0) <= 3601
    assert "the rate limit has room in" in answer["error"]
    assert count(tenant, "get") == 1


async def test_a_caller_that_hangs_up_frees_its_place(tenant: Emulator, service: Any) -> None:
    """The only place is free at once when its request's caller is gone, not at its deadline."""
    case_id = tenant.ids()[0]
    tenant.fail("get", Fault.HANG)
    async with serving(service, lambda: make_client(tenant, max_concurrency=1)) as caller:
        leaving = asyncio.create_task(caller.get(case_id))
        while not count(tenant, "get"):  # noqa: ASYNC110  (there is no event on the far side)
            await asyncio.sleep(0)
        leaving.cancel()
        assert (await caller.get(case_id))[0] == 200
    assert leaving.cancelled()


async def test_it_works_in_a_company(tenant: Emulator, service: Any, tmp_path: Path) -> None:
    """Behind a proxy with a password, a private authority and mTLS it is as quick and as traced."""
    spans = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = OpenTelemetry(tracer_provider=traces, meter_provider=NoOpMeterProvider())
    with company(tenant, tmp_path) as network:
        files: dict[str, Any] = {**network.files}
        headers = parse_headers("headers", HEADERS)
        settings = NetworkSettings(proxy=network.proxy.url, headers=headers, **files)

        def make() -> AICCClient:
            return make_client(
                tenant, url=network.url, network=settings, on_event=telemetry, max_concurrency=1
            )

        case_id = tenant.ids()[0]
        async with serving(service, make) as caller:
            tenant.fail("get", Fault.HTTP_503)
            assert (await caller.get(case_id))[0] == 200
            tenant.fail("get", Fault.HANG)
            leaving = asyncio.create_task(caller.get(case_id))
            while count(tenant, "get") < 3:  # noqa: ASYNC110  (there is no event on the far side)
                await asyncio.sleep(0)
            leaving.cancel()
            assert (await caller.get(case_id))[0] == 200
            service.DEADLINE = SOON
            tenant.fail("get", Fault.HANG, times=None)
            late = await caller.get_too_late(case_id, lambda: count(tenant, "get") == 5)
            assert late[0] == 504
        network.check()
    attempts = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT]
    resends = [(span.attributes or {}).get("http.request.resend_count") for span in attempts]
    # The sign-in and the first get, its repetition, the one that hung, and those after it.
    assert resends.count(1) == 1
    assert count(tenant, "get") == 5
