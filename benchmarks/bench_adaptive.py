"""How much of a hidden quota an adaptive limit uses, and how often it is refused.

The quota changes once, up or down, in the middle of a minute; a refusal asks for 1 second.
"""

from __future__ import annotations

import asyncio
import sys
import time

from results import Options, Result, run, summarize
from tenant import Tenant, tenant

from aicc_async import AICCClient, RateLimit

SECONDS = 60.0
CHANGES = ((20, 30), (30, 20))  # requests in any second, before and after
MIN_USED = 85.0  # per cent of what the quota gave, at least
MAX_REFUSED = 1.0  # per cent of all requests, at most
TASKS = 8


async def send_until(aicc: AICCClient, until: float) -> int:
    """Call until then, and count."""
    calls = 0
    while time.monotonic() < until:
        await aicc.list_cases(limit=1)
        calls += time.monotonic() < until
    return calls


async def minute(server: Tenant, before: int, after: int) -> tuple[float, float]:
    """Use a quota that changes for a minute; return the per cent used, and those refused."""
    server.set(quota=before)
    refused = server.refused()
    async with server.client(concurrency=TASKS, rate_limit=RateLimit.adaptive(5, 100)) as aicc:
        until = time.monotonic() + SECONDS
        tasks = [asyncio.create_task(send_until(aicc, until)) for _ in range(TASKS)]
        await asyncio.sleep(SECONDS / 2)
        await asyncio.to_thread(server.set, quota=after)
        calls = sum(await asyncio.gather(*tasks))
        sent = aicc.stats.requests
    share = 100 * calls / (SECONDS * (before + after) / 2)
    lost = 100 * (server.refused() - refused) / sent
    print(f"{before} to {after}: {share:.1f} % used, {lost:.2f} % refused")
    return share, lost


def bench(options: Options) -> list[Result]:
    """Measure each change. It takes a minute each, so there is no quick way."""
    if options.quick:
        return []
    results = []
    with tenant(cases=100) as server:
        found = [asyncio.run(minute(server, *each)) for each in CHANGES]
    for (before, after), (used, lost) in zip(CHANGES, found, strict=True):
        name = f"hidden quota, {before} to {after}"
        results += [
            summarize(f"{name}: used", [used], unit="%", target=MIN_USED, is_higher_better=True),
            summarize(f"{name}: refused", [lost], unit="%", target=MAX_REFUSED),
        ]
    return results


if __name__ == "__main__":
    sys.exit(run(bench))
