"""The way of a request through the tenant: recorded, counted, then failed, delayed or answered."""

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
from .http.routes import SIGN_IN_OPERATIONS, Recorded, find_operation
from .options import Settings

MAX_RECORDED = 100_000


class Tenant(Settings, Protocol):
    """The settings of a tenant, and where it keeps its requests."""

    record: bool
    requests: list[Recorded]


@attrs.define(kw_only=True)
class RequestHandler:
    """Answers the requests of a tenant."""

    tenant: Tenant
    quota: Quota
    script: Script
    delays: random.Random
    dispatcher: Dispatcher

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or fail it as the script says."""
        at = time.monotonic()
        path = request.raw_path
        operation = find_operation(request.method, path.partition("?")[0], self.tenant.readings)
        if operation is None:
            return connection.build_response(platform_error(404, "404", "no such path"))
        body = await request.read()
        call = Recorded(operation, request.method, path, request.headers, body, at)
        if self.tenant.record:
            self._remember(call)
        return await self._respond(request, call)

    def _remember(self, call: Recorded) -> None:
        requests = self.tenant.requests
        if len(requests) >= MAX_RECORDED:
            del requests[: MAX_RECORDED // 2]
        requests.append(call)

    async def _respond(self, request: web.BaseRequest, call: Recorded) -> web.StreamResponse:
        if call.operation not in SIGN_IN_OPERATIONS and not self.quota.admit(
            call.at, self.tenant.quota
        ):
            return await self._answer(call, throttled_answer(self.tenant.retry_after))
        fault = self.script.take(call.operation)
        if fault is None:
            return await self._answer(call, self.dispatcher.answer(call))
        if fault in FAULTS_AFTER_WORK:
            return await self._fail_after(request, call, fault)
        return await self._fail_instead(request, call, fault)

    async def _fail_after(
        self, request: web.BaseRequest, call: Recorded, fault: Fault
    ) -> web.StreamResponse:
        answer = self.dispatcher.answer(call)
        if fault is Fault.HANG_AFTER:
            await connection.wait_forever()
        if fault is Fault.DROP_AFTER:
            await self._wait(call)
            return connection.drop(request)
        if fault is Fault.CUT_BODY:
            await self._wait(call)
            return await connection.cut_body(request, answer)
        return await self._answer(call, spoil(answer, fault))

    async def _fail_instead(
        self, request: web.BaseRequest, call: Recorded, fault: Fault
    ) -> web.StreamResponse:
        if fault is Fault.HANG:
            await connection.wait_forever()
        if fault is Fault.DROP_BEFORE:
            return connection.reset(request)
        if fault is Fault.THROTTLED:
            return await self._answer(call, throttled_answer(self.tenant.retry_after))
        return await self._answer(call, replacement_answer(fault))

    async def _answer(self, call: Recorded, answer: Answer) -> web.StreamResponse:
        await self._wait(call)
        call.status = answer.status
        return connection.build_response(answer)

    async def _wait(self, call: Recorded) -> None:
        latency = self.tenant.latency
        if latency is not None and call.operation not in SIGN_IN_OPERATIONS:
            await asyncio.sleep(latency.draw(self.delays))
