"""Deletions are told by evidence, and by nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.watching import DAY, Watching, change, kinds, shown, watching

from aicc_async import AICCError, CaseQuery, Dialect
from aicc_async.emulator import Fault, PageFault, Quirks
from aicc_async.settings.profile import Profile

SOON: dict[str, Any] = {"every": 30, "period": 60}


async def test_a_case_that_is_gone_is_told_once_with_its_last_row(tmp_path: Path) -> None:
    """After two looks that lack it, for its detail and twice a control's."""
    async with watching(tmp_path) as watch:
        ids = watch.tenant.ids()
        gone = [ids[3], ids[150], ids[-1]]
        titles = [row["title"] for row in watch.tenant.rows() if row["id"] in gone]
        for case_id in gone:
            watch.tenant.delete(case_id)
        assert await watch.look() == []
        assert watch.count("get") == 0
        told = await watch.look()
        assert sorted(kinds(told)) == sorted(("deleted", case_id) for case_id in gone)
        assert {event.case.title for event in told if event.case} == set(titles)
        assert watch.count("get") == 3 + 2
        assert await watch.look(times=4) == []
        assert watch.count("get") == 0


async def test_one_that_comes_again_is_created(tmp_path: Path) -> None:
    """With another event than the first time, though its row is the same."""
    async with watching(tmp_path) as watch:
        new = watch.tenant.insert()
        [created] = await watch.look()
        [row] = [row for row in watch.tenant.rows() if row["id"] == new]
        watch.tenant.delete(new)
        assert kinds(await watch.look(times=3)) == [("deleted", new)]
        watch.tenant.insert(**row)
        [again] = await watch.look()
        assert (again.kind, again.case) == ("created", created.case)
        assert again.id != created.id


async def test_a_case_that_is_created_and_deleted_beside_one_that_is_new(tmp_path: Path) -> None:
    """The count stays the same: the next reading of all rows finds both."""
    async with watching(tmp_path, **SOON) as watch:
        old = watch.tenant.ids()[20]
        [date] = [row["createdDate"] for row in watch.tenant.rows() if row["id"] == old]
        watch.tenant.delete(old)
        new = watch.tenant.insert(createdDate=date)
        told = await watch.look(times=4)
        assert sorted(kinds(told)) == sorted([("created", new), ("deleted", old)])


async def test_one_that_was_missing_and_came_back_is_not_told(tmp_path: Path) -> None:
    """Nor is the mark kept: what is missing later is missing for the first time."""
    async with watching(tmp_path) as watch:
        case_id = watch.tenant.ids()[20]
        [row] = [row for row in watch.tenant.rows() if row["id"] == case_id]
        watch.tenant.delete(case_id)
        await watch.look()
        assert [each.id for each in await watch.state.missing()] == [case_id]
        watch.tenant.insert(**row)
        assert await watch.look() == []
        assert await watch.state.missing() == []
        assert watch.count("get") == 0


async def fail_details(watch: Watching) -> None:
    """Answer no detail."""
    watch.tenant.fail("get", Fault.HTTP_503, times=None)


async def empty_pages(watch: Watching) -> None:
    """Answer pages without the rows that they announce."""
    watch.tenant.fail_page(PageFault.EMPTY, times=1000)


async def cap_totals(watch: Watching) -> None:
    """Serve and announce so few rows of a query."""
    watch.tenant.quirks = Quirks(max_count=120)


async def announce_more(watch: Watching) -> None:
    """Announce more rows than come."""
    watch.tenant.quirks = Quirks(count_offset=1)


async def drift(watch: Watching) -> None:
    """Announce more rows with each request."""
    watch.tenant.quirks = Quirks(count_drift=1)


async def shift_dates(watch: Watching) -> None:
    """Filter in another zone than rows show."""
    watch.tenant.quirks = Quirks(hours_ahead=8)


@pytest.mark.parametrize(
    "hinder", [fail_details, empty_pages, cap_totals, announce_more, drift, shift_dates]
)
async def test_what_is_not_proven_deletes_nothing(
    hinder: Callable[[Watching], Awaitable[None]], tmp_path: Path
) -> None:
    """Failures, caps, totals and dates that are wrong: only what is gone is told, or nothing."""
    async with watching(tmp_path, **SOON) as watch:
        gone = watch.tenant.ids()[150]
        watch.tenant.delete(gone)
        await hinder(watch)
        told = []
        for _ in range(6):
            try:
                told += await watch.look()
            except AICCError:
                watch.tenant.clear_faults()
        assert {case_id for kind, case_id in kinds(told) if kind == "deleted"} <= {gone}
        watch.tenant.quirks = Quirks()
        watch.tenant.clear_faults()
        told += await watch.look(times=8)
        assert [each for each in kinds(told) if each[0] == "deleted"] == [("deleted", gone)]


async def test_a_code_that_nobody_knows_deletes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once that the probe finds it out, and it is asked for less and less."""
    async with watching(tmp_path, options={"dialect": Dialect()}) as watch:
        watch.tenant.delete(watch.tenant.ids()[150])
        assert await watch.look(times=12) == []
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "aicc-async probe" in caplog.text
        # The case and a control at the 2nd, 3rd, 5th and 9th look.
        assert watch.count("get") == 2 * 4


async def test_a_zone_that_the_profile_calls_wrong_deletes_nothing(tmp_path: Path) -> None:
    """Rows that come are told all the same."""
    profile = Profile(hours_ahead=8.0)
    async with watching(tmp_path, options={"profile": profile}, **SOON) as watch:
        watch.tenant.delete(watch.tenant.ids()[150])
        new = watch.tenant.insert()
        assert kinds(await watch.look(times=6)) == [("created", new)]


async def test_all_cases_but_one_are_deleted(tmp_path: Path) -> None:
    """The one that is left is the control; the last one is never told."""
    async with watching(tmp_path, cases=40) as watch:
        ids = watch.tenant.ids()
        for case_id in ids[1:]:
            watch.tenant.delete(case_id)
        told = await watch.look(times=3)
        assert sorted(kinds(told)) == sorted(("deleted", case_id) for case_id in ids[1:])
        watch.tenant.delete(ids[0])
        assert await watch.look(times=3) == []
        new = watch.tenant.insert()
        assert sorted(kinds(await watch.look())) == sorted([("created", new), ("deleted", ids[0])])


async def test_a_case_whose_filter_value_was_deleted_is_told_as_deleted(tmp_path: Path) -> None:
    """Also under a query what is gone is gone."""
    query = CaseQuery(priority="Critical")
    async with watching(tmp_path, query=query, **SOON) as watch:
        new = [watch.tenant.insert(priority="Critical") for _ in range(2)]
        await watch.look()
        watch.tenant.delete(new[0])
        assert kinds(await watch.look(times=3)) == [("deleted", new[0])]


async def test_rows_of_the_future_prove_nothing(tmp_path: Path) -> None:
    """A clock of the service that is ahead puts the newest page in doubt, and it is told."""
    async with watching(tmp_path) as watch:
        watch.tenant.quirks = Quirks(date_ahead=None)
        first, second = (watch.tenant.insert(createdDate=shown(timedelta(hours=-2))) for _ in "ab")
        assert len(await watch.look()) == 2
        watch.tenant.delete(first)
        change(watch.tenant, second, priority="Blocker")
        assert kinds(await watch.look(times=4)) == [("changed", second)]


async def test_a_look_at_cases_that_are_wanted(tmp_path: Path) -> None:
    """One that changed is told, one that is new too; what does not exist, or is old, is nothing."""
    async with watching(tmp_path) as watch:
        ids = watch.tenant.ids()
        old = watch.tenant.insert(createdDate=shown(30 * DAY))
        change(watch.tenant, ids[0], priority="Blocker")
        await watch.looker.look_at([ids[0], ids[1], old, "nobody"])
        event = await watch.outbox.next()
        assert event
        assert (event.kind, event.case_id) == ("changed", ids[0])
        await event.ack()
        assert await watch.look() == []


async def test_a_zone_that_is_put_right_is_noticed(tmp_path: Path) -> None:
    """While rows are not found at the dates that they show nothing is deleted; later it is."""
    async with watching(tmp_path, **SOON) as watch:
        gone = watch.tenant.ids()[150]
        watch.tenant.delete(gone)
        watch.tenant.quirks = Quirks(hours_ahead=8)
        watch.restart()
        assert await watch.look(times=4) == []
        watch.tenant.quirks = Quirks()
        assert kinds(await watch.look(times=8)) == [("deleted", gone)]
