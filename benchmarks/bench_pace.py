"""How much of a strict quota an export uses, and whether it ever oversteps it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tenant import DECADE, Tenant, tenant

from aicc_async import RateLimit, export_cases
from aicc_async.export import ExportReport

ROWS = 120_000  # spread thin, so that a page costs the tenant little
QUOTA = 50  # requests in any second
SECONDS = 20.0  # that the measurement takes at least
BOUND = 95.0  # per cent of the quota, at least


async def export(server: Tenant, path: Path) -> ExportReport:
    """Export everything at the pace of the quota."""
    async with server.client(rate_limit=RateLimit(QUOTA)) as aicc:
        return await export_cases(aicc, DECADE, path)


def main() -> int:
    """Measure, and say whether the bound holds."""
    with tenant(DECADE, cases=ROWS, quota=QUOTA) as server, TemporaryDirectory() as folder:
        report = asyncio.run(export(server, Path(folder) / "cases.jsonl"))
        refused, peak = server.refused_and_peak()
    assert report.rows == ROWS
    assert report.seconds >= SECONDS
    # the first QUOTA requests go at once: only those after them take time
    used = 100 * (report.requests - QUOTA) / report.seconds / QUOTA
    print(f"{report.requests:,} requests in {report.seconds:.1f} s, sent again {report.retries}")
    print(f"at most {peak} arrived in any second, {refused} were refused")
    print(f"bench_pace: {used:.1f} % of the quota, {refused} refused (bound {BOUND:.0f} %, none)")
    return int(used < BOUND or refused > 0 or report.throttled > 0)


if __name__ == "__main__":
    sys.exit(main())
