"""Answers that are damaged in any way: a record comes out, or an error of ours."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from helpers.fuzz import change_json, damage, fuzzed, runs
from multidict import CIMultiDict

from aicc_async import (
    AICCClient,
    CaseEnqueue,
    CaseQuery,
    CaseTypeQuery,
    ClientCredentials,
    Dialect,
    NewCase,
    NewTask,
    QFlowLogin,
    QueueCancel,
    StaticToken,
    StatisticsQuery,
    StatusUpdate,
    TaskQuery,
)
from aicc_async._listing.windows import Window
from aicc_async._protocol import operations, qflow
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter, dumps
from aicc_async._protocol.requests import Request
from aicc_async._protocol.sign_in import sign_in
from aicc_async._transport.session import Session

SAMPLES = Path(__file__).parents[1] / "samples"
WIRE = RecordConverter(ZoneInfo("Asia/Shanghai"))
PROTOCOL = CaseProtocol(WIRE, Dialect())
DETAIL = (SAMPLES / "004_detail_response.json").read_bytes()
LIST = (SAMPLES / "001_list_response.json").read_bytes()
TICKET = (SAMPLES / "003_enqueue_response.json").read_bytes()
TASK = {"id": "t", "title": "x", "dueDate": "2025-01-01 00:00:00", "status": "New"}
TYPE = {"id": "t", "typeName": "x", "isStrictOrder": True, "createdDate": "2025-01-01 00:00:00"}
COUNTS = {"date": "2025-01-01", "caseType": "t", "newCases": 1, "closedCases": 2}


def answer(result: Any) -> bytes:
    """Write an answer around a result."""
    return json.dumps({"resCode": "0", "resMsg": "ok", "result": result}).encode()


def page(request: Any) -> Any:
    """Return the request for a page of a listing."""
    return request.request(Window(), 0, 100)


READERS: list[tuple[Request[Any], bytes]] = [
    (page(PROTOCOL.cases(CaseQuery())), LIST),
    (page(PROTOCOL.raw_cases(CaseQuery())), LIST),
    (page(PROTOCOL.dated_cases(CaseQuery())), LIST),
    (PROTOCOL.detail("i"), DETAIL),
    (PROTOCOL.raw_detail("i"), DETAIL),
    (
        PROTOCOL.create(
            NewCase(title="t", description="d", type="y", contact_id="c", creator_id="u")
        ),
        (SAMPLES / "000_create_response.json").read_bytes(),
    ),
    (
        PROTOCOL.act(operations.STATUS, StatusUpdate(id="i", creator_id="u", status="New")),
        (SAMPLES / "002_modify_response.json").read_bytes(),
    ),
    (page(PROTOCOL.case_types(CaseTypeQuery())), answer([{"caseTypes": [TYPE], "count": 1}])),
    (PROTOCOL.case_type("t"), answer([{"caseTypeInfo": TYPE}])),
    (page(PROTOCOL.tasks(TaskQuery())), answer({"taskList": [TASK], "count": 1})),
    (PROTOCOL.task("t"), answer([TASK])),
    (PROTOCOL.create_task(NewTask(title="t")), answer({"taskId": "t"})),
    (PROTOCOL.current_statistics(), answer({"newCases": 1, "finishedCases": 2})),
    (
        page(PROTOCOL.statistics(StatisticsQuery())),
        answer([{"caseStatisticsList": [COUNTS], "count": 1}]),
    ),
    (
        sign_in(ClientCredentials("i", "s")),
        b'{"access_token": "invented", "expires_in": 3600, "token_type": "x"}',
    ),
    (qflow.enqueue(CaseEnqueue(service_id=1), WIRE), TICKET),
    (qflow.sign_in(QFlowLogin("u", "p")), b'{"APIToken": "invented"}'),
    (qflow.cancel(QueueCancel(case_id=1), WIRE), b'"done"'),
    (qflow.get_case(1, WIRE), TICKET),
]
REFUSALS = (
    b'{"error_code":"APIG.0308","error_msg":"policy user over ratelimit,limit:60,time:1 minute"}',
    b'{"resCode":"405230602","resMsg":"token","result":null}',
    b'{"error":{"errorCode":"1","errorMsg":"x"}}',
    b'{"Message":"x","ModelState":{"a":["b"]}}',
)
STATUSES = (*[200] * 40, 201, 204, 302, 400, 401, 403, 404, 408, 425, 429, 429, 500, 503, 599, 0)
HEADERS = ("Retry-After", "Date", "X-Request-Id", "Content-Type", "X-RateLimit-Reset")
VALUES = (
    *(
        "",
        "0",
        "-1",
        "1e9",
        "9" * 5000,
        "nan",
        "inf",
        "\xff",
        "application/json",
        "x" * 9000,
        "\u0661",
    ),
    *("Mon, 01 Jan 2020 10:00:00 GMT", "Mon, 01 Jan 2020 10:00:00 +99999999999999"),
    *("Mon, 99 Foo 20 99:99:99 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "1 Jan 0001 00:00:00 +2359"),
)


def read_mutated(session: Session, rng: Random) -> None:
    """Read a damaged answer of any operation, as the session does, and print what comes out."""
    request, body = rng.choice(READERS)
    body = rng.choice(REFUSALS) if rng.random() < 0.1 else body
    for change in rng.choice([(damage,), (change_json,), (change_json, damage), ()]):
        body = change(rng, body)
    headers = CIMultiDict((rng.choice(HEADERS), rng.choice(VALUES)) for _ in range(3))
    session.last_headers = headers
    session.service_time()
    record = session._decode(request, rng.choice(STATUSES), headers, body)
    repr(record)
    rows = getattr(record, "rows", [record])
    if rows and hasattr(rows[0], "extra"):
        dumps([WIRE.dump(row) for row in rows])


async def test_a_damaged_answer_is_a_record_or_our_error() -> None:
    """Bytes, values, keys, statuses and headers are changed; nothing else ever comes out."""
    async with AICCClient("http://127.0.0.1:9", auth=StaticToken("invented")) as aicc:
        for number in range(runs(3000)):
            if number % 1000 == 999:
                await asyncio.sleep(0)
            with fuzzed(number) as rng:
                read_mutated(aicc.api.session, rng)
