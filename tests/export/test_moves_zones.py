"""Exports whose zone is not the tenant's, or whose tenant shows other dates than it filters."""
# ruff: noqa: S311  (repeatable draws are the point)

from __future__ import annotations

import random
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest
from helpers.exports import read_jsonl, set_bounds
from helpers.tenants import client_of

from aicc_async import CaseQuery, ExportReport, export_cases
from aicc_async.emulator import Emulator, Quirks
from aicc_async.export.manifest import WindowReport
from aicc_async.export.report.contradictions import find_contradictions

# By hand more of them: an export each.
RUNS = 40
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
# A row that is dated so long after now or less: how long a run lasts decides whether it is seen.
UNCERTAIN = timedelta(minutes=8)
# None of them changes its clock.
ZONES = ("Asia/Shanghai", "Asia/Shanghai", "UTC", "Asia/Kathmandu", "Etc/GMT+12", "Etc/GMT-14")


@attrs.define(kw_only=True)
class Zones:
    """Draws a tenant, its zone, the client's, and a range from a seed."""

    seed: int
    draw: random.Random = attrs.field(init=False)
    client: ZoneInfo = attrs.field(init=False)
    tenant: Emulator = attrs.field(init=False)
    query: CaseQuery = attrs.field(init=False)
    now: datetime = attrs.field(init=False)  # as the client's zone shows it
    shift: timedelta = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        draw = self.draw = random.Random(self.seed)
        self.client = ZoneInfo(draw.choice(ZONES))
        hours_ahead = draw.choice([0, 0, 0, 8, -8, 1, -14, 26])
        self.shift = hours_ahead * HOUR
        self.now = datetime.now(self.client).replace(tzinfo=None, microsecond=0)
        self.tenant = Emulator(
            cases=0,
            start_inclusive=draw.random() < 0.5,
            end_inclusive=draw.random() < 0.5,
            newest_first=draw.random() < 0.5,
            max_limit=draw.choice([3, 100]),
            quirks=Quirks(hours_ahead=hours_ahead),
        )
        start = draw.choice([self.now - 5 * DAY, self.now - 30 * HOUR, self.now - 70 * DAY])
        self.query = CaseQuery(
            start_time=start,
            end_time=draw.choice([None, None, self.now + DAY, self.now - 20 * HOUR]),
        )

    def fill(self) -> None:
        """Add cases of the last days, dated by the tenant's clock; none of an uncertain date."""
        zone, days = ZoneInfo(self.draw.choice(ZONES)), self.draw.choice([1, 6, 80])
        tenant_now = datetime.now(zone).replace(tzinfo=None, microsecond=0)
        for _ in range(self.draw.choice([0, 3, 20, 60])):
            shown = tenant_now - self.draw.randrange(days * DAY // SECOND) * SECOND
            if not any(
                abs(date - self.now) < UNCERTAIN or abs(date - self.now - DAY) < UNCERTAIN
                for date in (shown, shown - self.shift)
            ):
                self.tenant.insert(createdDate=str(shown))

    def dates(self) -> dict[str, tuple[datetime, datetime]]:
        """Return when each case was created, as it is filtered and as it is shown."""
        found = {
            row["id"]: datetime.fromisoformat(row["createdDate"]) for row in self.tenant.rows()
        }
        return {row_id: (date - self.shift, date) for row_id, date in found.items()}

    def has_evidence(self, window: WindowReport, *, is_last: bool) -> bool:
        """Return whether a window's rows, or those after the range, show that a zone is wrong."""
        start, end = (datetime.fromisoformat(time or "") for time in (window.start, window.end))
        # A second more at both ends of the range was asked for.
        is_to_now = is_last and end > self.now - UNCERTAIN
        return any(
            # Either bound may be exclusive; the seconds of bounds are no seconds of rows here.
            (start <= filtered <= end and not start <= shown <= min(end, self.now + UNCERTAIN))
            or (is_to_now and filtered > end)
            for filtered, shown in self.dates().values()
        )

    def check(self, report: ExportReport, ids: set[str]) -> None:
        """Check the windows' verdicts, and that no case of the range is missing."""
        is_shifted = False
        for window in report.windows:
            # From the first row on it is known that rows are not found at their dates.
            is_shifted = is_shifted or bool(self.shift and window.distinct)
            is_shown = self.has_evidence(window, is_last=window is report.windows[-1])
            is_doubted = window.verdict == "unverified"
            assert is_doubted == ("timezone" in window.reason)
            assert is_doubted == (is_shown or is_shifted)
        first, last = (datetime.fromisoformat(time or "") for time in (report.start, report.end))
        for row_id, (filtered, shown) in self.dates().items():
            # A service that filters by another zone than it shows gives what it filters.
            if first < filtered < last and first <= shown <= last:
                assert row_id in ids
            if not self.shift and not first <= shown <= last:
                assert row_id not in ids


async def check_zones(seed: int, folder: Path) -> str:
    """Export once; verdicts are exactly what the rows' dates show. Return how it ended.

    What no row shows is not seen: a tenant that filters by another zone, and gave no row at all.
    Such a run may lack rows, and is verified.
    """
    zones, out = Zones(seed=seed), folder / "cases.jsonl"
    async with zones.tenant as tenant:
        zones.fill()
        async with client_of(tenant, signs_in=False, timezone=zones.client) as aicc:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", RuntimeWarning)
                report = await export_cases(aicc, zones.query, out)
        ids = {row["id"] for row in read_jsonl(out)}
        zones.check(report, ids)
        assert find_contradictions(report) == []
        assert bool(caught) is not report.verified
        assert all("timezone" in str(warning.message) for warning in caught)
        shown = {
            row_id
            for row_id, (_, date) in zones.dates().items()
            if str(report.start) <= str(date) <= str(report.end)
        }
        if report.verified and (ids or not zones.shift):
            assert shown == ids
    return f"verified={report.verified} lacks={bool(shown - ids)}"


@pytest.mark.parametrize("part", range(3))
async def test_a_wrong_zone_is_never_verified_where_any_row_shows_it(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window is unverified, for its zone, exactly where rows are dated outside or after now."""
    for seed in range(part * RUNS, (part + 1) * RUNS):
        max_rows = [7, 10_000][seed % 2]
        set_bounds(monkeypatch, max_rows)
        await check_zones(seed, tmp_path)
