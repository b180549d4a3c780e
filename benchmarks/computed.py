"""A tenant whose rows are computed when they are asked for: ten million take no memory of it.

It answers nothing but the list, in which a case was created every so many seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection

from aiohttp import web
from floor import LIST
from tenant import DECADE

from aicc_async import AICCClient, StaticToken

SECOND = timedelta(seconds=1)
ROW = (
    b'{"caseNo":"%030d","closedDate":null,"contactId":"ciIy000001Kh2Be838Vb","contactPhone":null,'
    b'"createdDate":"%s","creatorId":"10gd0000010anGBODgAa","dueDate":null,"externalNo":null,'
    b'"id":"c6m8%016d","isCanced":false,"isSuspend":false,"isUpgraded":false,"origin":"Email",'
    b'"ownerId":"10gg000001lGOGj8W7Bw","parentId":null,"priority":"Low","reason":null,'
    b'"state":"Processing","status":"Processing","stayDate":null,"suspendAccumulatedTime":null,'
    b'"suspendDate":null,"title":"Parcel %d has not arrived","type":"cvmC0000014Oc9jgT7ZI",'
    b'"type.__objectType":"AICC__CaseType__CST","type.name":"","typeName":"Repair"}'
)
PAGE = b'{"resCode":"0","resMsg":"success","result":[{"caseList":[%s],"count":%d}]}'


class Computed:
    """The list of so many cases over ten years, the newest first."""

    def __init__(self, rows: int) -> None:
        assert DECADE.start_time
        assert DECADE.end_time
        self._rows = rows
        self._since = DECADE.start_time.replace(tzinfo=None)
        self._step = (DECADE.end_time - DECADE.start_time) // SECOND // rows

    async def list(self, request: web.Request) -> web.Response:
        """Answer a page of the cases in a range, both of whose ends belong to it."""
        asked = json.loads(await request.read())
        first, end = 0, self._rows
        if start := asked.get("startTime"):
            first = max(-(-self._seconds(start) // self._step), 0)
        if until := asked.get("endTime"):
            end = min(self._seconds(until) // self._step + 1, self._rows)
        newest = end - 1 - asked["start"]
        numbers = range(newest, max(newest - asked["limit"], first - 1), -1)
        page = PAGE % (b",".join(map(self._row, numbers)), max(end - first, 0))
        return web.Response(body=page, content_type="application/json")

    def _seconds(self, time: str) -> int:
        return (datetime.fromisoformat(time) - self._since) // SECOND

    def _row(self, number: int) -> bytes:
        created = str(self._since + number * self._step * SECOND).encode()
        return ROW % (number, created, number, number)


@contextmanager
def computed(rows: int) -> Iterator[str]:
    """Run the tenant in a process of its own; give its address."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, rows), daemon=True)
    process.start()
    try:
        url: str = ours.recv()
        yield url
    finally:
        process.kill()
        process.join()


def client(url: str) -> AICCClient:
    """Make a client of it; any token is good."""
    return AICCClient(url, auth=StaticToken("computed"), timezone="Asia/Shanghai")


def _main(pipe: Connection, rows: int) -> None:
    asyncio.run(_serve(pipe, rows))


async def _serve(pipe: Connection, rows: int) -> None:
    app = web.Application()
    app.router.add_post(LIST, Computed(rows).list)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(site.name)
    await asyncio.Event().wait()
