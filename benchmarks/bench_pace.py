"""How much of a strict quota an export uses, and whether it ever oversteps it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tenant import DECADE, Tenant, tenant

from aicc_async import RateLimit, export_cases
from aicc_async.export import ExportReport

ROWS = 240_000
QUOTA = 50  # requests in any second
MIN_SECONDS = 40.0  # that it takes at least: the quota comes in seconds, and the last is cut short
MIN_USED = 95.0  # per cent of the quota, at least


async def export(server: Tenant, path: Path, rate: RateLimit | None) -> ExportReport:
    """Export everything."""
    async with server.client(rate_limit=rate) as aicc:
        return await export_cases(aicc, DECADE, path)


def measure(*, strict: bool) -> tuple[float, int]:
    """Return the share of the quota that was used, and how many requests were refused."""
    with tenant(DECADE, cases=ROWS) as server, TemporaryDirectory() as folder:
        path = Path(folder) / "cases.jsonl"
        asyncio.run(export(server, path, None))  # from now on the tenant has its pages at hand
        server.set(quota=QUOTA)
        report = asyncio.run(export(server, path, RateLimit(QUOTA, strict=strict)))
        refused = server.refused()
    assert report.rows == ROWS
    assert report.seconds >= MIN_SECONDS
    assert report.throttled == refused
    # An export sends evenly from the start: there is no first burst to leave out.
    used = 100 * report.requests / report.seconds / QUOTA
    kind = "strict" if strict else "loose"
    print(
        f"{kind}: {report.requests:,} requests in {report.seconds:.1f} s, {used:.1f} % used,"
        f" {refused} refused"
    )
    return used, refused


def main() -> int:
    """Measure, and say whether the bound holds for the default limit; the strict one is shown."""
    measure(strict=True)
    used, refused = measure(strict=False)
    print(
        f"bench_pace: {used:.1f} % of the quota, {refused} refused (bound {MIN_USED:.0f} %, none)"
    )
    return int(used < MIN_USED or refused > 0)


if __name__ == "__main__":
    sys.exit(main())
