"""What looks find, and what they ask for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.watching import DAY, change, kinds, shown, watching

from aicc_async import CaseQuery
from aicc_async._api import CaseApi
from aicc_async._ratelimit.budget import current_priority
from aicc_async.emulator import Quirks
from aicc_async.settings.profile import Profile


async def test_what_was_there_is_not_told(tmp_path: Path) -> None:
    """Only what is created from the beginning of the watch on is, and each once."""
    async with watching(tmp_path) as watch:
        new = watch.tenant.insert(title="new")
        [event] = await watch.look()
        assert kinds([event]) == [("created", new)]
        assert event.case
        assert (event.case.title, event.changes) == ("new", {})
        assert event.seen_at.utcoffset() == timedelta(hours=8)
        assert await watch.look(times=3) == []


async def test_changes_of_new_cases_are_told_at_the_next_look(tmp_path: Path) -> None:
    """The newest page is read each time; old and new values come by the names of ``Case``."""
    async with watching(tmp_path) as watch:
        newest = watch.tenant.ids()[-1]
        change(watch.tenant, newest, closedDate="2026-01-02 03:04:05", AICC__note__CST="called")
        [event] = await watch.look()
        assert kinds([event]) == [("changed", newest)]
        assert event.case
        assert event.changes == {
            "AICC__note__CST": (None, "called"),
            "closed_date": (event.changes["closed_date"][0], event.case.closed_date),
        }
        assert "2026-01-02T03:04:05+08:00" in str(event.case.closed_date.isoformat())  # type: ignore[union-attr]


async def test_a_case_that_changes_back_has_another_event_each_time(tmp_path: Path) -> None:
    """From A to B to A to B: four ids with the one before, and the values of each step."""
    async with watching(tmp_path) as watch:
        new = watch.tenant.insert(priority="A")
        told = await watch.look()
        for priority in "BAB":
            change(watch.tenant, new, priority=priority)
            told += await watch.look()
        assert len({event.id for event in told}) == 4
        assert all(event.id.startswith(f"{new}:") for event in told)
        assert [event.changes["priority"] for event in told[1:]] == [
            ("A", "B"),
            ("B", "A"),
            ("A", "B"),
        ]


@pytest.mark.slow
async def test_changes_of_old_cases_are_told_within_a_period(tmp_path: Path) -> None:
    """All rows are read again in ten looks, though no count has moved, and each change once."""
    async with watching(tmp_path, cases=1500, every=30, period=300) as watch:
        old = watch.tenant.ids()[::100]
        await watch.look(times=4)
        for case_id in old:
            change(watch.tenant, case_id, priority="Blocker")
        told = await watch.look(times=10)
        assert sorted(kinds(told)) == sorted(("changed", case_id) for case_id in old)
        assert await watch.look(times=10) == []


async def test_late_rows_and_rows_of_the_past_are_created(tmp_path: Path) -> None:
    """A count that is not as expected leads to the rows that explain it, at the next look."""
    async with watching(tmp_path, cases=3000) as watch:
        late = [watch.tenant.insert(createdDate=shown(n * DAY)) for n in (1, 3, 5)]
        watch.count()
        assert sorted(kinds(await watch.look())) == sorted(("created", each) for each in late)
        # Two counts for each halving, and a page for each of the three.
        assert watch.count() < 40
        assert await watch.look(times=3) == []


@pytest.mark.slow
async def test_nothing_happens_for_two_requests(tmp_path: Path) -> None:
    """The newest page and a count; of all rows a page now and then."""
    async with watching(tmp_path, cases=3000, period=3600) as watch:
        await watch.look(times=2)
        watch.count()
        assert await watch.look(times=120) == []
        # 3,000 rows are thirty pages, in leaves that begin and end between them.
        assert 120 * 2 + 30 <= watch.count() <= 120 * 2 + 45


@pytest.mark.slow
async def test_many_cases_at_once(tmp_path: Path) -> None:
    """An import of a thousand in two seconds, dated in the past, is told once each."""
    async with watching(tmp_path, cases=400) as watch:
        dates = [shown(2 * DAY), shown(2 * DAY + timedelta(seconds=1))]
        new = watch.tenant.insert_many([{"createdDate": dates[n % 2]} for n in range(1000)])
        told = await watch.look(times=2)
        assert sorted(kinds(told)) == sorted(("created", case_id) for case_id in new)
        assert await watch.look(times=3) == []


async def test_a_case_that_moves_to_another_date_is_changed(tmp_path: Path) -> None:
    """It is known by its id: neither created anew nor deleted."""
    async with watching(tmp_path) as watch:
        moved = watch.tenant.ids()[40]
        watch.tenant.move(moved, shown(DAY))
        told = await watch.look(times=4)
        assert kinds(told) == [("changed", moved)]
        assert set(told[0].changes) == {"created_date"}


async def test_what_is_older_than_the_look_back_is_forgotten(tmp_path: Path) -> None:
    """Its going, or coming, is no event."""
    async with watching(tmp_path, cases=300, lookback=2 * DAY) as watch:
        await watch.look()
        old = watch.tenant.ids(None, shown(3 * DAY))
        assert old
        assert await watch.state.find(old) == []
        watch.tenant.delete(old[0])
        watch.tenant.insert(createdDate=shown(4 * DAY))
        assert await watch.look(times=4) == []


async def test_a_longer_look_back_tells_nothing_of_what_was_there(tmp_path: Path) -> None:
    """A watch that goes on with it takes older cases as known, and tells later changes."""
    async with watching(tmp_path, lookback=2 * DAY) as watch:
        new = watch.tenant.insert()
        watch.lookback = 6 * DAY
        watch.restart()
        assert kinds(await watch.look(times=3)) == [("created", new)]
        late = watch.tenant.insert(createdDate=shown(4 * DAY))
        assert kinds(await watch.look(times=3)) == [("created", late)]


async def test_a_clock_that_jumps_ahead_forgets_nothing(tmp_path: Path) -> None:
    """Nor one that lags misses something: the service's clock counts as well."""
    async with watching(tmp_path) as watch:
        watch.clock.ahead = timedelta(days=100)
        new = watch.tenant.insert()
        assert kinds(await watch.look(times=2)) == [("created", new)]
        watch.clock.ahead = timedelta(days=-3)
        newer = watch.tenant.insert()
        assert kinds(await watch.look(times=2)) == [("created", newer)]
        watch.clock.ahead = timedelta(0)
        assert await watch.look(times=3) == []
        assert len(await watch.state.find(watch.tenant.ids())) == 302


async def test_a_field_that_all_rows_have_from_now_on_is_told_once(tmp_path: Path) -> None:
    """As one change of the shape; what changes beside it, and later, is told of its case."""
    async with watching(tmp_path, every=30, period=60) as watch:
        ids = watch.tenant.ids()
        for case_id in ids:
            change(watch.tenant, case_id, AICC__level__CST=1)
        change(watch.tenant, ids[7], priority="Blocker")
        told = await watch.look(times=4)
        assert kinds(told) == [("shape", ""), ("changed", ids[7])]
        assert told[0].changes == {"AICC__level__CST": (None, None)}
        assert told[0].case is None
        assert set(told[1].changes) == {"priority"}
        change(watch.tenant, ids[9], AICC__level__CST=2)
        told = await watch.look(times=4)
        assert kinds(told) == [("changed", ids[9])]
        assert told[0].changes == {"AICC__level__CST": (1, 2)}


async def test_a_field_that_no_row_has_any_more_is_told_once(tmp_path: Path) -> None:
    """Likewise."""
    async with watching(tmp_path, cases=0, every=30, period=60) as watch:
        ids = [watch.tenant.insert(AICC__level__CST=n) for n in range(5)]
        await watch.look()
        for case_id in ids:
            row, hidden = watch.tenant._store.find(case_id) or ({}, {})
            del row["AICC__level__CST"]
            watch.tenant.delete(case_id)
            watch.tenant.insert(**row, **hidden)
        told = await watch.look(times=4)
        assert kinds(told) == [("shape", "")]
        assert set(told[0].changes) == {"AICC__level__CST"}


async def test_only_cases_of_the_query_are_told(tmp_path: Path) -> None:
    """One that does not match any more is changed, once, and forgotten; not deleted."""
    query = CaseQuery(priority="Critical")
    async with watching(tmp_path, query=query, every=30, period=60) as watch:
        watch.tenant.insert(priority="Low")
        new = watch.tenant.insert(priority="Critical")
        assert kinds(await watch.look()) == [("created", new)]
        change(watch.tenant, new, priority="Low")
        told = await watch.look(times=4)
        assert kinds(told) == [("changed", new)]
        assert told[0].changes == {"priority": ("Critical", "Low")}
        assert await watch.state.find([new]) == []


async def test_a_capped_total_leads_to_smaller_windows(tmp_path: Path) -> None:
    """The service counts 150 rows of a query at most: new ones are told, and none is deleted."""
    async with watching(tmp_path, cases=600, every=30, period=120) as watch:
        watch.tenant.quirks = Quirks(max_count=150)
        late = watch.tenant.insert(createdDate=shown(4 * DAY))
        told = await watch.look(times=9)
        assert kinds(told) == [("created", late)]


async def test_any_look_back(tmp_path: Path) -> None:
    """From a minute, of which all is unsettled, to a year, which takes twelve counts."""
    async with watching(tmp_path, lookback=timedelta(minutes=1)) as watch:
        new = watch.tenant.insert()
        assert kinds(await watch.look(times=3)) == [("created", new)]
        watch.lookback = timedelta(days=366)
        watch.restart()
        old = watch.tenant.ids()[0]
        assert await watch.look(times=2) == []
        watch.tenant.delete(old)
        watch.count()
        assert kinds(await watch.look(times=2)) == [("deleted", old)]
        assert watch.count() < 60


async def test_a_page_may_be_small(tmp_path: Path) -> None:
    """Ten rows a page: the same events for more requests."""
    profile = Profile(page_size=10)
    settings = {"every": 30, "period": 90}
    async with watching(tmp_path, options={"profile": profile}, **settings) as watch:
        watch.tenant.max_limit = 10
        ids = watch.tenant.ids()
        change(watch.tenant, ids[100], priority="Blocker")
        watch.tenant.delete(ids[200])
        told = await watch.look(times=4)
        assert sorted(kinds(told)) == sorted([("changed", ids[100]), ("deleted", ids[200])])


async def test_what_is_asked_goes_behind_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest page as a worker's, all else in bulk: nothing as whoever waits for an answer."""
    async with watching(tmp_path) as watch:
        asked = []

        async def page(api: CaseApi, *args: Any, **options: Any) -> Any:
            asked.append(current_priority())
            return await fetch(api, *args, **options)

        fetch = CaseApi.page
        monkeypatch.setattr(CaseApi, "page", page)
        watch.restart()
        watch.tenant.delete(watch.tenant.ids()[3])
        await watch.look(times=3)
        assert asked.count("worker") >= 3
        assert set(asked) == {"worker", "bulk"}
