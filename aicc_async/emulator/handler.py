"""The way of a request through the tenant: recorded, counted, then failed, delayed or answered.

A fault strikes either instead of the work or after it. That decides whether the store was changed,
which is what a client that retries has to get right.
"""

import asyncio
import random
import time
from typing import Protocol

import attrs
from aiohttp import web

from .dispatch import Dispatcher
from .faults.answers import replacement_answer, spoil, throttled_answer
from .faults.quota import Quota
from .faults.script import FAULTS_AFTER_WORK, Fault, Script
from .http import connection
from .http.answer import Answer, platform_error
from .http.gateway import gateway_headers
from .http.routes import SIGN_IN_OPERATIONS, Recorded, find_operation
from .options import Settings

# A tenant that runs for days must not fill the memory with what it recorded.
MAX_RECORDED = 100_000


class Tenant(Settings, Protocol):
    """The settings of a tenant, and where it keeps its requests."""

    record: bool
    requests: list[Recorded]


@attrs.define(kw_only=True)
class RequestHandler:
    """Handles the requests of a tenant, as aiohttp passes them on."""

    tenant: Tenant
    quota: Quota
    script: Script
    delays: random.Random
    dispatcher: Dispatcher

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or fail it as the script says."""
        # The time of arrival, before a slow client has sent its body: quotas count from here.
        at = time.monotonic()
        path = request.raw_path
        operation = find_operation(request.method, path.partition("?")[0], self.tenant.readings)
        if operation is None:
            return connection.build_response(platform_error(404, "404", "no such path"))
        body = await request.read()
        call = Recorded(operation, request.method, path, request.headers, body, at)
        if self.tenant.record:
            requests = self.tenant.requests
            # The older half goes at once: dropping one at a time would move the list every time.
            if len(requests) >= MAX_RECORDED:
                del requests[: MAX_RECORDED // 2]
            requests.append(call)
        return await self._respond(request, call)

    async def _respond(self, request: web.BaseRequest, call: Recorded) -> web.StreamResponse:
        # Signing in is another service of the platform (/baas), so it costs no quota.
        counted = call.operation not in SIGN_IN_OPERATIONS
        if counted and not self.quota.admit(call.at, self.tenant.quota):
            return await self._answer(call, throttled_answer(self.tenant.retry_after))
        fault = self.script.take(call.operation)
        if fault is None:
            return await self._answer(call, self.dispatcher.answer(call))
        if fault in FAULTS_AFTER_WORK:
            return await self._fail_after_work(request, call, fault)
        if fault is Fault.HANG:
            await connection.wait_forever()
        if fault is Fault.DROP_BEFORE:
            return connection.reset(request)
        if fault is Fault.THROTTLED:
            return await self._answer(call, throttled_answer(self.tenant.retry_after))
        return await self._answer(call, replacement_answer(fault))

    async def _fail_after_work(
        self, request: web.BaseRequest, call: Recorded, fault: Fault
    ) -> web.StreamResponse:
        answer = self.dispatcher.answer(call)
        if fault is Fault.HANG_AFTER:
            await connection.wait_forever()
        if fault is Fault.DROP_AFTER:
            await self._delay(call)
            return connection.drop(request)
        if fault is Fault.CUT_BODY:
            await self._delay(call)
            return await connection.cut_body(request, answer)
        return await self._answer(call, spoil(answer, fault))

    async def _answer(self, call: Recorded, answer: Answer) -> web.StreamResponse:
        await self._delay(call)
        call.status = answer.status
        if self.tenant.quirks.gateway:
            passed = self.quota.passed(call.at)
            # The header has a form for the quota of a second only.
            quota = self.tenant.quota if isinstance(self.tenant.quota, int) else None
            added = gateway_headers(call.headers, quota=quota, passed=passed)
            answer = attrs.evolve(answer, headers={**answer.headers, **added})
        return connection.build_response(answer, date_ahead=self.tenant.quirks.date_ahead)

    async def _delay(self, call: Recorded) -> None:
        # The work is done on arrival and the answer delayed, as by a slow network. A client that
        # gives up meanwhile has changed the store all the same.
        latency = self.tenant.latency
        if latency is not None and call.operation not in SIGN_IN_OPERATIONS:
            await asyncio.sleep(latency.draw(self.delays))
