"""Exports through outages and refusals in their midst: whole, or ended with an error of ours."""
# ruff: noqa: S311  (repeatable draws are the point)

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import attrs
import pytest
from helpers.exports import QUARTER, SINCE, read_lines, set_bounds
from helpers.gateway import Gateway

from aicc_async import (
    AICCClient,
    AICCError,
    ClientCredentials,
    Dialect,
    ExportReport,
    RetryPolicy,
    StaticToken,
    export_cases,
)
from aicc_async.credentials import Credentials
from aicc_async.emulator import Emulator, Fault
from aicc_async.export.report.contradictions import find_contradictions

# By hand more of them: an export each, in one run or in several.
RUNS = 3
MAX_RESUMES = 30
OUTAGES = (
    Fault.HTTP_500,
    Fault.HTTP_502,
    Fault.HTTP_503,
    Fault.HTTP_504,
    Fault.HTTP_500_AFTER,
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.CUT_BODY,
)
# Errors at once, which end a run.
REFUSALS = (Fault.HTML_200, Fault.NOT_JSON, Fault.TOKEN_EXPIRED_401, Fault.BAD_TYPE)
PATIENT = RetryPolicy(attempts=3, base=0.0005, cap=0.002, patience=60)
IMPATIENT = RetryPolicy(attempts=2, base=0.0005, cap=0.002, patience=0)


@attrs.define(kw_only=True)
class Outages:
    """Draws a tenant, a gateway before it, and what fails in the midst of a run from a seed."""

    seed: int
    draw: random.Random = attrs.field(init=False)
    tenant: Emulator = attrs.field(init=False)
    gateway: Gateway = attrs.field(init=False)
    detail: bool = attrs.field(init=False)
    # A share of the pages after which something happens, and after how many it is quiet.
    often: float = attrs.field(init=False)
    until: int = attrs.field(init=False)
    pages: int = 0
    inserted: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        draw = self.draw = random.Random(self.seed)
        self.tenant = Emulator(
            cases=draw.choice([0, 40, 150]),
            since=SINCE,
            until=QUARTER.end_time or SINCE,
            seed=self.seed,
            max_limit=draw.choice([7, 30, 100]),
            retry_after=draw.choice([None, None, "0"]),
        )
        self.detail = draw.random() < 0.2
        self.often = draw.choice([0.05, 0.1, 0.3])
        self.until = draw.choice([10, 40, 200])

    def client(self) -> AICCClient:
        """Return a client behind the gateway, patient or not, with a token or without one."""
        tenant, draw = self.tenant, self.draw
        auth: Credentials = StaticToken(tenant.token())
        if draw.random() < 0.5:
            auth = ClientCredentials(tenant.client_id, tenant.client_secret)
        statuses = draw.choice([(), (503,)])
        return AICCClient(
            self.gateway.url,
            auth=auth,
            retry=draw.choice([PATIENT, IMPATIENT]),
            max_concurrency=draw.choice([1, 2, 8]),
            dialect=Dialect(throttle_statuses=statuses),
        )

    def on_page(self, _: Emulator, __: int) -> None:
        """Let something happen between two pages, now and then."""
        self.pages += 1
        if self.pages <= self.until and self.draw.random() < self.often:
            self.draw.choice([
                self.break_down, self.break_down, self.throttle, self.refuse,
                self.be_gone, self.busy, self.insert, self.expire,
            ])()  # fmt: skip

    def break_down(self) -> None:
        """Fail the next requests as an outage does, longer than any call's attempts at times."""
        fault, times = self.draw.choice(OUTAGES), self.draw.choice([1, 2, 5, 12])
        # Where it is a refusal everybody slows down, and a test gets long.
        self.tenant.fail("*", fault, times=min(times, 2) if fault is Fault.HTTP_503 else times)

    def throttle(self) -> None:
        """Refuse the next requests with 429."""
        self.tenant.fail("*", Fault.THROTTLED, times=self.draw.choice([1, 2]))

    def refuse(self) -> None:
        """Answer once what is no answer of the service's."""
        self.tenant.fail("list", self.draw.choice(REFUSALS))

    def be_gone(self) -> None:
        """Cut all connections, and refuse the next ones."""
        self.gateway.refuse(self.draw.choice([1, 4, 12]))

    def busy(self) -> None:
        """Answer the next requests as nginx refuses too many: 503, and a page of its own."""
        self.gateway.busy += self.draw.choice([1, 2, 4])

    def insert(self) -> None:
        """Add a case."""
        second = self.draw.randrange(80 * 86_400)
        day, time = divmod(second, 86_400)
        date = f"2025-{1 + day // 28:02}-{1 + day % 28:02} {time // 3600:02}:{time % 3600 // 60:02}"
        self.inserted.add(self.tenant.insert(createdDate=f"{date}:{time % 60:02}"))

    def expire(self) -> None:
        """Let all tokens expire; one that can't be renewed is the end of a client."""
        self.tenant.expire_tokens()


async def export(outages: Outages, out: Path) -> tuple[ExportReport, int]:
    """Export, and do so again after each error of ours; return the report and the errors."""
    for errors in range(MAX_RESUMES):
        async with outages.client() as aicc:
            try:
                return await export_cases(aicc, QUARTER, out, detail=outages.detail), errors
            except AICCError:
                assert not list(out.parent.glob(out.name))
    raise AssertionError("it never ends")


async def check_outages(seed: int, folder: Path) -> str:
    """Export through what a seed draws; the file then has each case that was there, once."""
    outages, out = Outages(seed=seed), folder / f"{seed}.jsonl"
    async with outages.tenant as tenant, Gateway(tenant.port) as outages.gateway:
        before = set(tenant.ids(end=str(QUARTER.end_time)))
        tenant.on_page(outages.on_page)
        report, errors = await export(outages, out)
        rows = [json.loads(line) for line in read_lines(out)]
        found = Counter(row["id"] for row in rows)
    assert set(found.values()) <= {1}
    assert before <= found.keys() <= before | outages.inserted
    assert report.rows == len(rows)
    assert report.runs <= errors + 1
    # Only a case that comes while a window is read can leave it in doubt.
    assert report.verified or outages.inserted
    assert report.without_detail == 0
    assert find_contradictions(report) == []
    assert all("caseInfo" in row for row in rows) or not outages.detail
    return f"errors={min(errors, 3)}"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
async def test_outages_in_the_midst_of_an_export_lose_nothing(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run or several, the file has every case once; each end before is an error of ours."""
    for seed in range(part * RUNS, (part + 1) * RUNS):
        max_rows = [25, 10_000][seed % 2]
        set_bounds(monkeypatch, max_rows)
        await check_outages(seed, tmp_path)
