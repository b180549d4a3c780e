"""What single calls cost over a bare loop, and a case as JSON over the writing of its dictionary.

The bare loop posts with aiohttp and parses with orjson. CPU time is that of this process, eight
calls at a time; calls a second are those of 64 at a time, without latency.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import aiohttp
import orjson
from bench_create import FIELDS, NEW
from bench_create import PATH as CREATE
from floor import LIST
from results import Options, Result, run, summarize
from tenant import UNTIL, Tenant, tenant

from aicc_async import AICCClient, Case, CaseQuery, to_dict, to_json

CALLS = 500
PAIRS, QUICK_PAIRS = 15, 3
CASES = 300
# One time of all cases is too short for the clock.
JSON_REPEATS = 50
# As long as a range of one request may be.
MONTH = CaseQuery(start_time=UNTIL - timedelta(days=31), end_time=UNTIL)
MANY = 64
# Times the floor's time, at most.
MAX_RATIOS = {"get_case": 1.4, "create_case": 1.3, "to_json": 1.3}
# Of the floor's calls a second.
MIN_RATE = 80  # %

Call = Callable[[], Awaitable[object]]
Ratios = dict[str, list[float]]


def ours(aicc: AICCClient, case_id: str) -> dict[str, Call]:
    """Return the client's calls by their names."""
    return {
        "get_case": lambda: aicc.get_case(case_id),
        "list_cases": lambda: aicc.list_cases(MONTH, limit=1),
        "create_case": lambda: aicc.create_case(NEW),
    }


def bare(session: aiohttp.ClientSession, url: str, case_id: str) -> dict[str, Call]:
    """Return the bare loop's calls by the same names."""
    times = {"startTime": f"{MONTH.start_time:%F %T}", "endTime": f"{MONTH.end_time:%F %T}"}

    async def send(method: str, path: str, fields: dict[str, Any]) -> object:
        async with session.request(method, url + path, data=orjson.dumps(fields)) as response:
            return orjson.loads(await response.read())["result"]

    return {
        "get_case": lambda: send("GET", f"{CREATE}/{case_id}", {"id": case_id}),
        "list_cases": lambda: send("POST", LIST, {**times, "start": 0, "limit": 1}),
        "create_case": lambda: send("POST", CREATE, {"caseInfo": FIELDS}),
    }


async def seconds(call: Call, *, at_once: int, clock: Callable[[], float]) -> float:
    """Measure what calls take by a clock, so many at a time."""
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await call()

    gc.collect()
    began = clock()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return clock() - began


async def measure_calls(server: Tenant, pairs: int) -> tuple[Ratios, Ratios]:
    """Run all in turns, the first time uncounted; return ratios of CPU, and of calls a second."""
    headers = {"access-token": server.token, "Content-Type": "application/json"}
    async with (
        server.client(concurrency=MANY) as aicc,
        # The floor keeps all its connections, as the client does.
        aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(limit=MANY)
        ) as session,
    ):
        [case] = (await aicc.list_cases(MONTH, limit=1)).cases
        own, floor = ours(aicc, case.id), bare(session, server.url, case.id)
        cpu: Ratios = {name: [] for name in own}
        rates: Ratios = {name: [] for name in own}
        for number in range(pairs + 1):
            for name in own:
                pair = own[name], floor[name]
                for found, at_once, clock in (
                    (cpu, 8, time.process_time),
                    (rates, MANY, time.perf_counter),
                ):
                    took, least = [
                        await seconds(call, at_once=at_once, clock=clock) for call in pair
                    ]
                    if number:
                        found[name].append(took / least if found is cpu else least / took)
                        each = 1e6 / CALLS
                        print(f"{name:11} {took * each:6.0f} µs   bare {least * each:6.0f} µs")
    return cpu, rates


async def measure_json(server: Tenant, pairs: int) -> list[float]:
    """Write cases one by one, in turns with their dictionaries; return the ratios of CPU."""
    async with server.client() as aicc:
        cases: list[Case] = (await aicc.list_cases(MONTH, limit=100)).cases
    fields = [to_dict(case) for case in cases]
    ratios = []
    for number in range(pairs + 1):
        began = time.process_time()
        for case in chain.from_iterable(repeat(cases, JSON_REPEATS)):
            to_json(case)
        between = time.process_time()
        for each in chain.from_iterable(repeat(fields, JSON_REPEATS)):
            orjson.dumps(each)
        if number:
            ratios.append((between - began) / (time.process_time() - between))
    return ratios


def bench(options: Options) -> list[Result]:
    """Measure calls and JSON."""
    pairs = QUICK_PAIRS if options.quick else PAIRS
    with tenant(cases=CASES) as server:
        cpu, rates = asyncio.run(measure_calls(server, pairs))
        cpu["to_json"] = asyncio.run(measure_json(server, pairs))
    floor = {"to_json": "orjson.dumps"}
    results = [
        summarize(
            f"{name} / {floor.get(name, 'bare')}, CPU", found, unit="x", target=MAX_RATIOS.get(name)
        )
        for name, found in cpu.items()
    ]
    return results + [
        summarize(
            f"{name}, {MANY} at once, of the bare rate",
            [100 * rate for rate in found],
            unit="%",
            target=MIN_RATE,
            is_higher_better=True,
        )
        for name, found in rates.items()
    ]


if __name__ == "__main__":
    sys.exit(run(bench))
