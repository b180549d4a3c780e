"""What a create costs over a bare post: CPU through session, limiter and retry; the journal's wait.

The CPU time is that of this process, for creates eight at a time. The journal's latency is that of
one create after the other, with a key and without.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import aiohttp
import orjson
from results import Options, Result, run, summarize
from tenant import Tenant, tenant

from aicc_async import AICCClient, NewCase, RateLimit, SQLiteJournal, StaticToken

CREATES = 1_000
PAIRS, QUICK_PAIRS = 15, 3
JOURNAL_ROUNDS = 4
MAX_RATIO = 1.3  # times the floor's CPU, at most
PATH = "/service/AICC__Case/1.0.0/openapi/case"
NEW = NewCase(
    title="Parcel lost",
    description="The parcel did not come. " * 20,
    type="cvmC0000014Oc9jgT7ZI",
    contact_id="ciIy0000013y7cC8T2rA",
    creator_id="10gg00000148PCjKVDAu",
)
FIELDS = {
    "title": NEW.title,
    "description": NEW.description,
    "type": NEW.type,
    "contactId": NEW.contact_id,
    "creatorId": NEW.creator_id,
    "isAutoAssigned": True,
    "isAtuoAssigned": True,
}

Create = Callable[[], Awaitable[str]]


async def cpu(create: Create) -> float:
    """Measure the seconds of CPU that creates take, eight at a time."""
    left = iter(range(CREATES))

    async def work() -> None:
        for _ in left:
            await create()

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(8)))
    return time.process_time() - began


async def overhead(server: Tenant, pairs: int) -> list[float]:
    """Run both in turns, the first time uncounted; return the ratios."""
    headers = {"access-token": server.token, "Content-Type": "application/json"}
    ratios = []
    async with (
        server.client(rate_limit=RateLimit(1_000_000)) as aicc,
        aiohttp.ClientSession(headers=headers) as session,
    ):

        async def bare() -> str:
            body = orjson.dumps({"caseInfo": FIELDS})
            async with session.post(server.url + PATH, data=body) as response:
                return str(orjson.loads(await response.read())["result"]["caseId"])

        for number in range(pairs + 1):
            ours, floor = await cpu(lambda: aicc.create_case(NEW)), await cpu(bare)
            if number:
                ratios.append(ours / floor)
                each = 1e6 / CREATES
                print(f"create_case {ours * each:5.0f} µs   bare post {floor * each:5.0f} µs")
    return ratios


async def waits(create: Callable[[str], Awaitable[str]], run: str) -> list[float]:
    """Measure the milliseconds of creates, one after the other."""
    found = []
    for number in range(CREATES):
        began = time.perf_counter()
        await create(f"{run}-{number}")
        found.append(1000 * (time.perf_counter() - began))
    return found


async def journal(server: Tenant, path: Path) -> list[Result]:
    """Measure what the journal adds, the first round uncounted."""
    medians, tails = [], []
    opened = SQLiteJournal(path)
    auth, zone = StaticToken(server.token), "Asia/Shanghai"
    async with AICCClient(server.url, auth=auth, journal=opened, timezone=zone) as aicc:
        for number in range(JOURNAL_ROUNDS):
            without = await waits(lambda _: aicc.create_case(NEW), "")
            with_it = await waits(lambda key: aicc.create_case(NEW, key=key), f"run-{number}")
            if number:
                medians.append(median(with_it) - median(without))
                tails.append(quantiles(with_it, n=100)[98] - quantiles(without, n=100)[98])
    return [
        summarize("what the journal adds to a create, median", medians, unit="ms"),
        summarize("what the journal adds to a create, p99", tails, unit="ms"),
    ]


def bench(options: Options) -> list[Result]:
    """Measure the CPU of creates, and the journal's wait."""
    pairs = QUICK_PAIRS if options.quick else PAIRS
    with tenant(cases=0) as server, TemporaryDirectory() as folder:
        ratios = asyncio.run(overhead(server, pairs))
        path = Path(folder) / "journal"
        added = [] if options.quick else asyncio.run(journal(server, path))
    return [summarize("create / bare post, CPU", ratios, unit="x", target=MAX_RATIO), *added]


if __name__ == "__main__":
    sys.exit(run(bench))
