"""Cases that are older than the look-back and were not closed: a load of dlt's reads them again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from helpers.list_requests import list_bodies
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    CaseCancel,
    CaseQuery,
    ConfigError,
    ExportError,
    StaticToken,
)
from aicc_async._listing.pages import MAX_ROWS_PER_PAGE
from aicc_async._listing.windows import Window
from aicc_async.emulator import Emulator, Quirks, run_in_thread
from aicc_async.settings.profile import Profile

pytest.importorskip("dlt", reason="dlt is missing: pip install 'aicc-async[dlt]'")

from dlt.pipeline.exceptions import PipelineStepFailed
from helpers.dlt_source import (
    cause,
    change,
    now,
    run,
    select,
    source,
    state,
    stored,
    titles,
)

from aicc_async.connectors.dlt import aicc_cases
from aicc_async.connectors.dlt.open_cases import (
    LONGEST_SPAN,
    gather_spans,
    windows_of,
)

pytest_plugins = ["helpers.dlt_pipeline"]
pytestmark = pytest.mark.usefixtures("alone")

DAY = timedelta(days=1)
SINCE = CaseQuery(start_time=datetime(2025, 1, 1))  # noqa: DTZ001  (wall-clock times)
COMPLETED = {"state": "Completed", "closedDate": "2025-02-01 00:00:00"}
STATES = "SELECT state, count(*) FROM cases GROUP BY 1 ORDER BY 1"


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    """Run a tenant with 400 closed cases of 2025, two a day, and twenty of an hour ago."""
    with run_in_thread(cases=0) as emulator:
        days = (datetime(2025, 1, 1, 12) + number * DAY / 2 for number in range(400))  # noqa: DTZ001
        emulator.insert_many({"createdDate": str(day), "title": "old", **COMPLETED} for day in days)
        # A page that is as long as any before is looked behind: these are one page.
        recent = {"createdDate": str(now() - timedelta(hours=1)), "title": "new", **COMPLETED}
        emulator.insert_many(recent for _ in range(20))
        yield emulator


def insert_open(tenant: Emulator, *dates: str) -> list[str]:
    """Add cases that are under way."""
    opened = {"title": "open", "state": "Processing", "closedDate": None}
    return [tenant.insert(createdDate=date, **opened) for date in dates]


def cancel(tenant: Emulator, case_id: str) -> None:
    """Close a case as another user would."""

    async def act() -> None:
        async with AICCClient(tenant.url, auth=StaticToken(tenant.token())) as aicc:
            await aicc.cancel_case(CaseCancel(id=case_id, creator_id="10gd"))

    asyncio.run(act())


def load(pipeline: Any, tenant: Emulator, **options: Any) -> int:
    """Load once with ``refresh``, and return how many requests were sent for old cases."""
    tenant.requests.clear()
    run(pipeline, source(tenant, **{"query": SINCE, "refresh": "open", **options}))
    ends = [str(body.get("endTime", "9999")) for body in list_bodies(tenant)]
    return sum(end < "2026-06-01" for end in ends)


def spans(pipeline: Any) -> list[list[Any]]:
    """Return what dlt's state has of open cases."""
    [resource] = state(pipeline)["aicc_cases"]["resources"].values()
    [ended] = resource.values()
    found: list[list[Any]] = ended["open"]
    return found


def test_an_old_case_that_changes_its_status_is_read_again(tenant: Emulator, pipeline: Any) -> None:
    """Until it is closed; a request for those that lie near each other, and none for the closed."""
    near = insert_open(tenant, "2025-03-01 10:00:00", "2025-03-05 11:00:00")
    [far] = insert_open(tenant, "2025-06-01 10:00:00")
    load(pipeline, tenant)
    assert len(spans(pipeline)) == 2
    cancel(tenant, near[0])
    change(tenant, near[1], "changed")
    assert load(pipeline, tenant) == 2
    assert titles(pipeline) == stored(tenant)
    assert select(pipeline, STATES) == [("Completed", 421), ("Processing", 2)]
    assert spans(pipeline) == [["2025-03-05 11:00:00", 0], ["2025-06-01 10:00:00", 0]]
    cancel(tenant, near[1])
    cancel(tenant, far)
    assert load(pipeline, tenant) == 2
    assert select(pipeline, STATES) == [("Completed", 423)]
    assert spans(pipeline) == []
    assert load(pipeline, tenant) == 0


def test_a_case_that_was_deleted_is_asked_for_once(tenant: Emulator, pipeline: Any) -> None:
    """Its row stays, as that of any deleted one, and costs no request any more."""
    [gone] = insert_open(tenant, "2025-03-01 10:00:00")
    load(pipeline, tenant)
    tenant.delete(gone)
    assert [load(pipeline, tenant) for _ in range(2)] == [1, 0]
    assert gone in titles(pipeline)


def test_the_first_load_with_it_reads_all(tenant: Emulator, pipeline: Any) -> None:
    """Loads without it do not note what is open; one without it in between begins anew, too."""
    [case_id] = insert_open(tenant, "2025-03-01 10:00:00")
    for title in ("first", "second"):
        load(pipeline, tenant, refresh=None)
        change(tenant, case_id, title)
        assert load(pipeline, tenant) > 2
        assert titles(pipeline) == stored(tenant)


def test_a_failed_load_keeps_what_is_open(tenant: Emulator, pipeline: Any) -> None:
    """With ``strict`` the load ends; without it these cases are left to the next one."""
    [case_id] = insert_open(tenant, "2025-03-01 10:00:00")
    load(pipeline, tenant)
    kept = spans(pipeline)
    change(tenant, case_id, "changed")
    tenant.quirks = Quirks(count_offset=7)
    with pytest.raises(PipelineStepFailed) as caught:
        load(pipeline, tenant)
    assert type(cause(caught)) is ExportError
    assert spans(pipeline) == kept
    with pytest.warns(RuntimeWarning, match="cases: open ones are as they were"):
        load(pipeline, tenant, strict=False)
    assert titles(pipeline)[case_id] == "open"
    assert spans(pipeline) == kept
    tenant.quirks = Quirks()
    load(pipeline, tenant)
    assert titles(pipeline)[case_id] == "changed"


def test_refreshed_cases_have_their_details(tenant: Emulator, pipeline: Any) -> None:
    """As all others of a load with ``detail``."""
    [case_id] = insert_open(tenant, "2026-01-01 10:00:00")
    query = evolve(SINCE, start_time=datetime(2026, 1, 1))  # noqa: DTZ001
    for _ in range(2):
        load(pipeline, tenant, query=query, detail=True)
        change(tenant, case_id, "changed")
    text = f"SELECT title, extra FROM cases WHERE id = '{case_id}'"  # noqa: S608
    [(title, extra)] = select(pipeline, text)
    assert title == "changed"
    assert {"caseInfo", "caseTrace"} <= json.loads(extra).keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"refresh": "all"}, "^refresh must be 'open' or None, got 'all'$"),
        (
            {"refresh": "open", "profile": Profile(date_field="modifiedDate")},
            "^refresh must be None where the profile's date_field is not createdDate, got 'open'$",
        ),
    ],
)
def test_bad_settings_fail_at_once(options: dict[str, Any], message: str) -> None:
    """Where another date is filtered, creation dates find nothing."""
    with pytest.raises(ConfigError, match=message):
        aicc_cases("https://aicc.example", client_id="id", client_secret="hush", **options)


seconds = st.datetimes(datetime(2025, 1, 1), datetime(2025, 4, 1)).map(  # noqa: DTZ001
    lambda date: date.replace(microsecond=0)
)
ROWS = st.lists(st.tuples(seconds, st.booleans()), max_size=250).map(sorted)


@given(rows=ROWS, breaks=st.lists(seconds, max_size=3).map(sorted))
def test_spans_have_all_open_cases_and_few_others(
    rows: list[tuple[datetime, bool]], breaks: list[datetime]
) -> None:
    """None crosses a break, is too long, or has more than a page but for rows of one second."""
    found = gather_spans(iter(rows), breaks)
    dates = [date for date, is_open in rows if is_open]
    ends = [(span.start or datetime.max, span.end or datetime.min) for span in found]  # noqa: DTZ901
    assert all(sum(start <= date <= end for start, end in ends) == 1 for date in dates)
    for start, end in ends:
        assert {start, end} <= set(dates)
        assert end - start <= LONGEST_SPAN
        assert not any(start < each <= end for each in breaks)
        inside = [date for date, _ in rows if start < date < end]
        assert len(inside) <= MAX_ROWS_PER_PAGE
    assert len(ends) <= len(set(dates))
    if not breaks:
        assert len(ends) <= len(rows) // MAX_ROWS_PER_PAGE + 4


@given(start=seconds, length=st.integers(0, 10**6), before=seconds)
def test_what_is_read_anyway_is_not_read_twice(
    start: datetime, length: int, before: datetime
) -> None:
    """A span ends before the range of the load, or is within that."""
    windows = windows_of([(str(start), length)], before)
    if start >= before:
        assert windows == []
    else:
        second = timedelta(seconds=1)
        assert windows == [Window(start, min(start + length * second, before - second))]
