"""Night after night, while somebody restores, cuts and moves what was written."""
# ruff: noqa: S311  (repeatable draws are the point)

from __future__ import annotations

import gzip
import json
import random
import shutil
import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.exports import SINCE, read_csv, read_sqlite
from helpers.tenants import client_of

from aicc_async import AICCClient, ApiError, CaseQuery, ConfigError, ExportReport, export_cases
from aicc_async.emulator import Emulator, Fault
from aicc_async.export.report.contradictions import find_contradictions

# By hand more of them: each is some nights.
RUNS = 12
DAY = timedelta(days=1)
BACK = 2 * DAY
SUFFIXES = ("jsonl", "csv", "jsonl.gz", "db", "db")
REFUSED = "must be as its last run left it"
Move = Callable[["Nights"], None]


@attrs.define(kw_only=True)
class Nights:
    """Draws a tenant, a target and what happens between the nights from a seed."""

    seed: int
    folder: Path
    draw: random.Random = attrs.field(init=False)
    target: Path = attrs.field(init=False)
    night: int = 0
    backups: int = 0

    def __attrs_post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.target = self.folder / f"cases.{SUFFIXES[self.seed % len(SUFFIXES)]}"

    @property
    def manifest(self) -> Path:
        """Where the target's manifest is."""
        return self.target.with_name(f"{self.target.name}.manifest.json")

    @property
    def is_table(self) -> bool:
        """Whether the target is a table, which is brought up to date whatever was done to it."""
        return self.target.suffix == ".db"

    def is_as_left(self) -> bool:
        """Return whether a file is as its manifest says, or has none."""
        if not self.manifest.exists():
            return True
        size = json.loads(self.manifest.read_bytes())["size"]
        return self.target.exists() and self.target.stat().st_size == size

    def ids(self) -> list[str]:
        """Return the ids that the target has."""
        if not self.target.exists():
            return []
        if self.is_table:
            return [str(row[0]) for row in read_sqlite(self.target, "id")]
        if self.target.suffix == ".csv":
            header, *rows = read_csv(self.target)
            return [row[header.index("id")] for row in rows]
        content = self.target.read_bytes()
        lines = (gzip.decompress(content) if self.target.suffix == ".gz" else content).splitlines()
        return [json.loads(line)["id"] for line in lines]

    def back_up(self) -> None:
        """Copy target and manifest, as they are after a night."""
        self.backups += 1
        for path in (self.target, self.manifest):
            shutil.copyfile(path, path.with_name(f"{self.backups}-{path.name}"))

    def rest(self) -> None:
        """Leave everything as it is."""

    def restore_target(self) -> None:
        """Put an older target back, and leave the manifest."""
        self._restore(self.target)

    def restore_manifest(self) -> None:
        """Put an older manifest back, and leave the target."""
        self._restore(self.manifest)

    def restore_both(self) -> None:
        """Put back what one night had left."""
        self._restore(self.target, self.manifest)

    def lose_target(self) -> None:
        """Take the target away."""
        self.target.unlink(missing_ok=True)

    def lose_both(self) -> None:
        """Take target and manifest away."""
        self.target.unlink(missing_ok=True)
        self.manifest.unlink(missing_ok=True)

    def rename(self) -> None:
        """Give the target and its manifest another name, and go on there."""
        old, old_manifest = self.target, self.manifest
        self.target = old.with_name(f"moved-{old.name}")
        for path, new in ((old, self.target), (old_manifest, self.manifest)):
            if path.exists():
                path.rename(new)

    def cut(self) -> None:
        """Take the newest rows off a table, or the last lines or bytes off a file."""
        if not self.target.exists():
            return
        if self.is_table:
            day = str(SINCE + self.draw.randrange(self.night + 1) * DAY)
            with closing(sqlite3.connect(self.target)) as database, database:
                database.execute("DELETE FROM cases WHERE created_date >= ?", [f"{day[:10]}"])
            return
        content = self.target.read_bytes()
        lines = content.splitlines(keepends=True)
        kept = b"".join(lines[: -self.draw.randrange(1, 9)])
        self.target.write_bytes(self.draw.choice([kept, content[:-1], b""]))

    def _restore(self, *paths: Path) -> None:
        if self.backups:
            number = self.draw.randrange(1, self.backups + 1)
            for path in paths:
                # Backups of a target that was renamed have its older name.
                name = path.name.removeprefix("moved-").removeprefix("moved-")
                [*_, backup] = sorted(path.parent.glob(f"{number}-*{name}"))
                shutil.copyfile(backup, path)


MOVES: list[Move] = [
    Nights.rest,
    Nights.restore_target,
    Nights.restore_manifest,
    Nights.restore_both,
    Nights.lose_target,
    Nights.lose_both,
    Nights.rename,
    Nights.cut,
]


async def export(
    aicc: AICCClient, nights: Nights, since_last: timedelta | None = BACK, **options: Any
) -> ExportReport:
    """Export up to this night; that files get new cases only is known."""
    until = CaseQuery(end_time=SINCE + nights.night * DAY)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "cases.*new cases are added|moved.*new cases are added")
        # A table that was lost is made anew.
        warnings.filterwarnings("ignore", ".*cases.db.manifest.json is there without ")
        return await export_cases(aicc, until, nights.target, since_last=since_last, **options)


def insert(tenant: Emulator, nights: Nights) -> None:
    """Add the cases of a day, and some that are dated within the look-back."""
    seconds = int((DAY + BACK).total_seconds()) - 2
    end = SINCE + nights.night * DAY
    dates = [end - timedelta(seconds=nights.draw.randrange(seconds)) for _ in range(6)]
    tenant.insert_many({"createdDate": str(max(date, SINCE))} for date in dates)


async def fail_midway(tenant: Emulator, aicc: AICCClient, nights: Nights) -> None:
    """Begin a night's run, which the service refuses after some requests."""
    answered, share = nights.draw.randrange(2, 14), nights.draw.choice([0.3, 1.0])

    def refuse(_: Emulator, page: int) -> None:
        if page == answered:
            tenant.fail("list", Fault.BUSINESS_ERROR, share=share)

    tenant.on_page(refuse)
    with suppress(ApiError):
        await export(aicc, nights)
    tenant.on_page(None)
    tenant.clear_faults()


async def run_night(aicc: AICCClient, nights: Nights) -> ExportReport:
    """Export, and when the target is refused, do what the error says."""
    try:
        return await export(aicc, nights)
    except ConfigError as error:
        if REFUSED not in str(error) or nights.is_table or nights.is_as_left():
            raise
    return await export(aicc, nights, None, restart=True)


async def check_nights(seed: int, folder: Path) -> None:
    """Run some nights; after each, the target has every case up to then, once, or was refused."""
    nights = Nights(seed=seed, folder=folder)
    async with Emulator(cases=0, seed=seed) as tenant, client_of(tenant, signs_in=False) as aicc:
        for night in range(1, nights.draw.randrange(3, 7)):
            nights.night = night
            insert(tenant, nights)
            if nights.draw.random() < 0.4:
                await fail_midway(tenant, aicc, nights)
            nights.draw.choice(MOVES)(nights)
            report = await run_night(aicc, nights)
            found = Counter(nights.ids())
            assert report.verified
            assert (report.in_target, find_contradictions(report)) == (found.total(), [])
            assert set(found.values()) <= {1}
            assert found.keys() == set(tenant.ids(end=str(SINCE + night * DAY)))
            nights.back_up()


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", range(3))
async def test_no_case_is_lost_whatever_is_done_to_the_target_between_nights(
    part: int, tmp_path: Path
) -> None:
    """A verified target has every case up to now, once; a file that is not as left is refused."""
    for seed in range(part * RUNS, (part + 1) * RUNS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        await check_nights(seed, folder)
