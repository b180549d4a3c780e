"""Requests that reading takes, against the fewest that any reader could take: pages and sign-in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import frozen
from results import Options, Result, run, summarize
from tenant import UNTIL, ZONE, Tenant, tenant

from aicc_async import AICCClient, CaseQuery, ClientCredentials, export_cases
from aicc_async.emulator import Emulator
from aicc_async.settings.profile import Profile

MAX_ROWS_PER_PAGE = 100
SIGN_IN = 1
LOOKBACK = timedelta(days=7)
DAY = timedelta(days=1)
# Whole seconds, since a tenant has no others.
NOW = datetime.now(ZONE).replace(microsecond=0)
Read = Callable[[AICCClient, CaseQuery, Path], Awaitable[int]]


@frozen(kw_only=True)
class Case:
    """What is read, from which tenant, and how many requests it may take.

    ``goal`` is their number, or a ratio of those that are needed where it has a fraction.
    """

    name: str
    rows: int
    goal: float
    read: Read
    # Where the tenant's rows begin and end; ``asked`` begins earlier where some of it is empty.
    since: datetime
    until: datetime = UNTIL
    asked: datetime | None = None
    # What the client knows of the tenant, by a profile or by what it has read before.
    page_size: int | None = None


async def export(aicc: AICCClient, query: CaseQuery, folder: Path) -> int:
    """Export, and return how many requests no reader could save."""
    report = await export_cases(aicc, query, folder / "cases.jsonl")
    assert report.verified
    return sum(-(-window.distinct // MAX_ROWS_PER_PAGE) for window in report.windows)


async def export_in_detail(aicc: AICCClient, query: CaseQuery, folder: Path) -> int:
    """Export in detail likewise."""
    report = await export_cases(aicc, query, folder / "cases.jsonl", detail=True)
    assert report.verified
    pages = sum(-(-window.distinct // MAX_ROWS_PER_PAGE) for window in report.windows)
    return pages + report.rows


async def export_since_last(aicc: AICCClient, _: CaseQuery, folder: Path) -> int:
    """Export what is new, when nothing is, into the table that ``prepare`` has filled."""
    report = await export_cases(aicc, None, folder / "cases.db", since_last=LOOKBACK)
    assert report.verified
    return sum(-(-window.distinct // MAX_ROWS_PER_PAGE) for window in report.windows)


async def iterate(aicc: AICCClient, query: CaseQuery, _: Path) -> int:
    """Iterate likewise."""
    rows = [case.id async for case in aicc.iter_cases(query)]
    return -(-len(rows) // MAX_ROWS_PER_PAGE)


def years(count: int) -> datetime:
    """Return when so many years begin."""
    return UNTIL.replace(year=UNTIL.year - count)


def cases(*, is_quick: bool) -> list[Case]:
    """Return the cases; the largest one is left out where it must be quick."""
    yearly = [
        Case(name="12,000 a year", rows=12_000, since=years(1), read=export, goal=1.03),
        Case(name="100,000 a year", rows=100_000, since=years(1), read=export, goal=1.02),
    ]
    if not is_quick:
        yearly.append(
            Case(name="1,000,000 in 10 years", rows=10**6, since=years(10), read=export, goal=1.015)
        )
    day: dict[str, Any] = {"rows": 10, "since": UNTIL - DAY, "page_size": MAX_ROWS_PER_PAGE}
    return [
        *yearly,
        Case(name="30 a month for 3 years", rows=1080, since=years(3), read=export, goal=40),
        Case(
            name="5 of 6 years empty", rows=12_000, since=years(1), asked=years(6), read=export,
            goal=140,
        ),
        Case(
            name="nightly, nothing new", rows=12_000, since=NOW - 365 * DAY, until=NOW - DAY / 24,
            read=export_since_last, goal=6,
        ),
        Case(name="a day of 10: export", read=export, goal=4, **day),
        Case(name="a day of 10: iter_cases", read=iterate, goal=2, **day),
        Case(name="--detail, 1,000 a year", rows=1000, since=years(1), read=export_in_detail,
             goal=1016),
    ]  # fmt: skip


def client(server: Tenant, case: Case | None = None) -> AICCClient:
    """Return a client that has not signed in yet."""
    auth = ClientCredentials(Emulator.client_id, Emulator.client_secret)
    profile = Profile(page_size=case.page_size) if case and case.page_size else None
    return AICCClient(server.url, auth=auth, timezone=ZONE, profile=profile)


async def count(server: Tenant, case: Case, folder: Path) -> tuple[int, int]:
    """Return how many requests a case sent, and how many it needed."""
    query = CaseQuery(start_time=case.asked or case.since, end_time=case.until)
    if case.read is export_since_last:
        async with client(server) as aicc:
            await export_cases(aicc, CaseQuery(start_time=case.since), folder / "cases.db")
    async with client(server, case) as aicc:
        needed = await case.read(aicc, query, folder)
        return aicc.stats.requests, needed + SIGN_IN


def measure(case: Case) -> Result:
    """Run a case, and print it."""
    until = case.until.replace(tzinfo=None)
    history = CaseQuery(start_time=case.since, end_time=case.until)
    options: dict[str, Any] = {"cases": case.rows, "until": until}
    with tenant(history, **options) as server, TemporaryDirectory() as folder:
        sent, needed = asyncio.run(count(server, case, Path(folder)))
    print(f"{case.name:24} {sent:7,} {needed:7,} {sent / needed:7.3f}", flush=True)
    # A goal that is a number of requests is one of the ratio, too.
    goal = case.goal if isinstance(case.goal, float) else case.goal / needed
    return summarize(f"{case.name}: sent / needed", [sent / needed], unit="x", target=goal)


def bench(options: Options) -> list[Result]:
    """Count the requests of each case; ``--quick`` leaves the largest one out."""
    print(f"{'case':24} {'sent':>7} {'needed':>7} {'ratio':>7}")
    return [measure(case) for case in cases(is_quick=options.quick)]


if __name__ == "__main__":
    sys.exit(run(bench))
