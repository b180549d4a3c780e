"""aicc-async: a verified export into a file that is synced to the disk."""

import asyncio
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from job import read_job

from aicc_async import AICCClient, CaseQuery, StaticToken, export_cases

ZONE = ZoneInfo("Asia/Shanghai")


async def main() -> None:
    """Export the range of the windows."""
    job = read_job()
    query = CaseQuery(
        start_time=datetime.fromisoformat(job.windows[0][0]).replace(tzinfo=ZONE),
        end_time=datetime.fromisoformat(job.windows[-1][1]).replace(tzinfo=ZONE),
    )
    auth = StaticToken(job.token)
    async with AICCClient(job.url, auth=auth, timezone=ZONE, rate_limit=None) as aicc:
        report = await export_cases(aicc, query, job.target)
    again = sum(window.readings - 1 for window in report.windows)
    if again or not report.verified:
        verdict = "verified" if report.verified else "unverified"
        print(f"noticed: readings discarded: {again}, {verdict}", file=sys.stderr)


asyncio.run(main())
