"""The probe against each of the emulator's settings, over its socket."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict
from helpers import tenants
from helpers.clock import StoppedClock
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ApiError,
    AuthError,
    ClientCredentials,
    NotFoundError,
    RateLimit,
)
from aicc_async._listing.windows import Window
from aicc_async.cli.group import run
from aicc_async.emulator import Emulator, Fault, Quirks
from aicc_async.probe import probe
from aicc_async.probe.asking import Asker
from aicc_async.probe.depth import LIKELY_DEPTHS, choose_depth
from aicc_async.probe.missing import find_missing_code
from aicc_async.probe.order import (
    are_ties_stable,
    detect_order,
    is_order_stable,
    may_be_chance,
)
from aicc_async.probe.pages import ObservedPage
from aicc_async.probe.rate import find_rate
from aicc_async.probe.survey import Survey
from aicc_async.settings.profile import Profile

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001  (wall-clock times)
UNTIL = datetime(2025, 4, 1)  # noqa: DTZ001
WELL_BEHAVED = {
    "start_inclusive": True,
    "end_inclusive": True,
    "date_field": "createdDate",
    "order": "newest_first",
    "order_stable": True,
    "page_size": 100,
    "over_limit": "refused",
    "count_stable": True,
    "count_true": True,
    "deepest_start": None,
    "offset_reached": 200,
    "span": "seconds",
    "content_type": "application/json%3Bcharset=UTF-8",
    "missing_codes": (Emulator.missing_code,),
    "rate": None,
    "rate_refused": None,
}
TIED = [{"createdDate": "2025-01-20 12:00:00"}] * 3


def pair(**options: Any) -> AbstractAsyncContextManager[tuple[Emulator, AICCClient]]:
    """Run a tenant of January to March 2025, and a client of it."""
    return tenants.pair(**{"cases": 300, "since": SINCE, "until": UNTIL, **options})


async def found(*, rows: list[dict[str, str]] | None = None, **options: Any) -> dict[str, Any]:
    """Probe a tenant, and check that few requests were sent, all of them to read."""
    async with pair(**options) as (tenant, aicc):
        tenant.insert_many(rows or [])
        profile = await probe(aicc)
        assert len(tenant.requests) <= 40
        assert {one.operation for one in tenant.requests} == {"token", "list", "get"}
        assert not any(one.applied for one in tenant.requests)
        assert profile.probed is not None
        assert abs(profile.probed - datetime.now(UTC)) < timedelta(minutes=1)
        return asdict(profile)


async def test_a_well_behaved_tenant() -> None:
    """Every answer is found where nothing is odd; of ties there are none to be seen."""
    answers = await found()
    assert answers["ties_stable"] in {None, True}
    assert answers.items() >= WELL_BEHAVED.items()


@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("start_inclusive", [True, False])
async def test_bounds(*, start_inclusive: bool, end_inclusive: bool) -> None:
    """Each bound is found by itself."""
    bounds: dict[str, Any] = {"start_inclusive": start_inclusive, "end_inclusive": end_inclusive}
    assert (await found(**bounds)).items() >= (WELL_BEHAVED | bounds).items()


@pytest.mark.parametrize(
    ("field", "answer"),
    [
        ("createdDate", "createdDate"),
        ("closedDate", "closedDate"),
        ("dueDate", "dueDate"),
        ("modifiedDate", "other"),
    ],
)
@pytest.mark.parametrize("newest_first", [True, False])
async def test_which_date(field: str, answer: str, *, newest_first: bool) -> None:
    """A date of the rows is found by its name, one that they don't show is none of them."""
    answers = await found(quirks=Quirks(date_field=field), newest_first=newest_first)
    assert answers["date_field"] == answer
    assert answers["order"] == ("newest_first" if newest_first else "oldest_first")


async def test_the_bounds_of_another_date() -> None:
    """Bounds are found by the date that is filtered."""
    odd: dict[str, Any] = {"quirks": Quirks(date_field="closedDate"), "start_inclusive": False}
    answers = await found(**odd)
    assert (answers["start_inclusive"], answers["end_inclusive"]) == (False, True)


@pytest.mark.parametrize(
    ("order", "answer", "stable"),
    [
        ("created", "newest_first", (True, True)),
        ("modified", "neither", (True, True)),
        ("id", "neither", (True, True)),
        ("shuffled_ties", "newest_first", (True, False)),
        ("shuffled", "neither", (False, False)),
    ],
)
async def test_orders(order: str, answer: str, stable: tuple[bool, bool]) -> None:
    """The order is found, and whether it stays, for rows of one second too."""
    answers = await found(quirks=Quirks(order=order), rows=TIED)
    assert answers["order"] == answer
    assert (answers["order_stable"], answers["ties_stable"]) == stable


@pytest.mark.parametrize(
    ("most", "policy", "size", "over"),
    [
        (100, "documented", 100, "refused"),
        (100, "clamp", 100, "clamped"),
        (100, "refuse", 100, "refused"),
        (40, "documented", 40, "clamped"),
        (40, "clamp", 40, "clamped"),
        (40, "refuse", 40, "refused"),
        (1, "refuse", 1, "refused"),
        (250, "clamp", 250, "clamped"),
    ],
)
async def test_limits(most: int, policy: str, size: int, over: str) -> None:
    """The size of a page is found, and what becomes of a larger limit."""
    answers = await found(max_limit=most, quirks=Quirks(over_limit=policy))
    assert (answers["page_size"], answers["over_limit"]) == (size, over)


@pytest.mark.parametrize("offset", [-20, -1, 1, 7, 5000])
async def test_counts_that_lie(offset: int) -> None:
    """A total that is wrong by little or much is found."""
    answers = await found(quirks=Quirks(count_offset=offset))
    assert (answers["count_true"], answers["count_stable"]) == (False, True)
    assert (answers["deepest_start"], answers["max_count"]) == (None, None)


@pytest.mark.parametrize("drift", [-1, 1, 10])
async def test_counts_that_move(drift: int) -> None:
    """A total that moves while nothing is written is found."""
    answers = await found(quirks=Quirks(count_drift=drift))
    assert (answers["count_true"], answers["count_stable"]) == (False, False)


@pytest.mark.parametrize("cap", [120, 200, 299])
@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_total_that_is_capped(*, cap: int, newest_first: bool) -> None:
    """How many rows a query has at most is found by counting its parts."""
    answers = await found(quirks=Quirks(max_count=cap), newest_first=newest_first)
    assert answers["max_count"] == cap
    assert answers["count_true"] is True


@pytest.mark.parametrize("cap", [None, 300, 5000])
async def test_a_total_below_any_cap(cap: int | None) -> None:
    """Where all rows are given, no cap is found, rows of one second or not."""
    assert (await found(quirks=Quirks(max_count=cap)))["max_count"] is None
    rows = [{"createdDate": "2025-02-20 12:00:00"}] * 400
    assert (await found(cases=0, rows=rows))["max_count"] is None


@pytest.mark.parametrize("too_deep", ["refuse", "empty"])
@pytest.mark.parametrize("deepest", [0, 42, 99, 100, 150, 199])
async def test_depths(deepest: int, too_deep: str) -> None:
    """The deepest offset is found to the row."""
    answers = await found(quirks=Quirks(deepest_start=deepest, too_deep=too_deep))
    assert (answers["deepest_start"], answers["offset_reached"]) == (deepest, deepest)
    assert answers["count_true"] is True


@pytest.mark.parametrize("deepest", [9_900, 9_999, 10_000])
async def test_depths_that_people_choose(deepest: int) -> None:
    """Round bounds of long lists are found to the row, other ones nearly."""
    answers = await found(cases=10_200, quirks=Quirks(deepest_start=deepest))
    assert answers["deepest_start"] == deepest


async def test_an_odd_depth_of_a_long_list() -> None:
    """When requests run out, the depth is one that was answered."""
    answers = await found(cases=10_200, quirks=Quirks(deepest_start=8_765))
    assert 8_000 < answers["deepest_start"] <= 8_765


async def test_an_offset_that_is_ignored() -> None:
    """A service that gives the first page always goes no deeper than that."""
    answers = await found(quirks=Quirks(ignore_start=True))
    assert (answers["deepest_start"], answers["count_true"]) == (0, True)


@pytest.mark.parametrize("span", ["seconds", "days", "dates", "none"])
@pytest.mark.parametrize("cases", [0, 300])
async def test_ways_to_count_31_days(span: str, cases: int) -> None:
    """How 31 days are counted needs no rows to be found."""
    assert (await found(cases=cases, quirks=Quirks(span=span)))["span"] == span


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=GBK"])
async def test_content_types(content_type: str) -> None:
    """The answers' own type is noted."""
    answers = await found(quirks=Quirks(content_type=content_type))
    assert answers["content_type"] == content_type


async def test_a_client_of_the_profile_knows_what_is_missing() -> None:
    """The code that the probe met is a NotFoundError from then on."""
    async with pair() as (tenant, aicc):
        profile = await probe(aicc)
        with pytest.raises(ApiError) as before:
            await aicc.get_case("no-such-case")
        auth = ClientCredentials(tenant.client_id, tenant.client_secret)
        async with AICCClient(tenant.url, auth=auth, profile=profile) as later:
            with pytest.raises(NotFoundError):
                await later.get_case("no-such-case")
    assert not isinstance(before.value, NotFoundError)


async def test_a_code_of_everything_is_none_of_what_is_missing() -> None:
    """Where pages are refused with the same code, it says nothing of a case."""
    async with pair() as (_, aicc):
        survey = Survey(now=SINCE, refusals={Emulator.missing_code})
        await find_missing_code(survey, Asker(aicc.api, survey))
    assert survey.answers == {}


@pytest.mark.parametrize("fault", [Fault.HTTP_503, Fault.TOKEN_EXPIRED_401, Fault.NOT_JSON])
async def test_who_may_not_read_a_case_learns_no_code(fault: Fault) -> None:
    """The rest is found as ever."""
    async with pair() as (tenant, aicc):
        tenant.fail("get", fault, times=None)
        profile = await probe(aicc)
    assert (profile.missing_codes, profile.order) == (None, "newest_first")


async def test_an_empty_tenant_is_unknown() -> None:
    """Where there are no rows, what needs rows is not guessed."""
    answers = await found(cases=0)
    needless = {"content_type", "span", "missing_codes"}
    assert {name for name, value in answers.items() if value is not None} - {"probed"} == needless


@pytest.mark.parametrize("cases", range(1, 6))
async def test_few_rows_are_not_enough(cases: int) -> None:
    """What a handful of rows shows by chance is no order and no page size."""
    answers = await found(cases=cases)
    assert answers["order"] is None
    assert answers["page_size"] is None
    assert answers["deepest_start"] is None
    assert answers["count_true"] is not False


async def test_cases_that_were_never_changed_do_not_tell_which_date() -> None:
    """A date of creation is not told from one of modification by cases that nobody touched."""
    rows = [
        {"createdDate": f"2025-01-{day:02} 08:00:00", "closedDate": None, "suspendDate": None}
        for day in range(1, 29)
    ]
    answers = await found(cases=0, rows=rows)  # type: ignore[arg-type]
    assert (answers["date_field"], answers["start_inclusive"]) == (None, None)
    assert answers["order"] == "newest_first"


async def test_a_live_tenant() -> None:
    """Cases that come in while it is asked do not make a good tenant look bad."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(hours=8)
    async with pair(cases=600, since=now - timedelta(days=90), until=now) as (tenant, aicc):
        tenant.on_page(lambda one, _: one.insert())
        answers = asdict(await probe(aicc))
    assert answers.items() >= (WELL_BEHAVED | {"offset_reached": answers["offset_reached"]}).items()


async def test_retries_are_within_the_budget() -> None:
    """A service that fails again and again is not asked more than 40 times either."""
    async with pair() as (tenant, aicc):
        tenant.on_page(lambda one, _: one.fail("list", Fault.HTTP_503, times=4))
        profile = await probe(aicc)
        assert len(tenant.requests) <= 40
        assert profile.content_type is not None
        assert profile.deepest_start is None


async def test_the_search_for_a_limit_is_within_the_budget() -> None:
    """Where every try costs five requests no limit is found, and that is no error."""
    async with pair(max_limit=99, quirks=Quirks(over_limit="refuse")) as (tenant, aicc):
        tenant.fail("list", Fault.HTTP_503, times=4)
        tenant.on_page(lambda one, _: one.fail("list", Fault.HTTP_503, times=4))
        profile = await probe(aicc)
        assert 30 < len(tenant.requests) <= 40
        assert profile.page_size is None


async def test_who_may_not_ask_is_told_so() -> None:
    """An error that has nothing to do with the question is raised."""
    async with pair() as (tenant, aicc):
        tenant.fail("list", Fault.TOKEN_EXPIRED_401, times=None)
        with pytest.raises(AuthError):
            await probe(aicc)


# ---- how fast ------------------------------------------------------------------------------


async def test_the_rate_is_found_below_the_quota(clock: StoppedClock) -> None:
    """It stops at the first refusal, and the rate that passed is within the quota."""
    async with pair(quota=2, retry_after=None) as (tenant, aicc):
        found_ = await clock.run(find_rate(partial(aicc.list_cases, limit=1), aicc.stats))
        assert found_["rate"] in {1.0, 2.0}
        assert found_["rate_refused"] == found_["rate"] + 1
        assert tenant.refused <= 5


async def test_the_rate_is_asked_for_only_when_wanted(
    monkeypatch: pytest.MonkeyPatch, clock: StoppedClock
) -> None:
    """The profile has the rates that passed and failed, beside all the rest."""
    monkeypatch.setattr("aicc_async.probe.rate.RATES", (4, 100))
    async with pair(quota=50, retry_after=None) as (tenant, aicc):
        answers = asdict(await clock.run(probe(aicc, find_rate=True)))
        assert answers.items() >= (WELL_BEHAVED | {"rate": 4.0, "rate_refused": 100.0}).items()
        assert {one.operation for one in tenant.requests} == {"token", "list", "get"}


async def test_the_clients_own_limit_is_no_finding(
    monkeypatch: pytest.MonkeyPatch, clock: StoppedClock
) -> None:
    """A rate that the client itself held back is neither passed nor refused."""
    monkeypatch.setattr("aicc_async.probe.rate.RATES", (20,))
    async with Emulator(cases=5) as tenant:
        auth, limit = ClientCredentials(tenant.client_id, tenant.client_secret), RateLimit(10)
        async with AICCClient(tenant.url, auth=auth, rate_limit=limit) as aicc:
            found_ = await clock.run(find_rate(partial(aicc.list_cases, limit=1), aicc.stats))
    assert found_ == {}


async def test_errors_end_the_asking() -> None:
    """What is no throttle is raised as it is, not in a group."""
    async with pair() as (tenant, aicc):
        tenant.fail("list", Fault.BUSINESS_ERROR)
        with pytest.raises(ApiError):
            await find_rate(aicc.list_cases, aicc.stats)


# ---- what pages tell -----------------------------------------------------------------------


def page_of(*days: int, ids: str = "") -> ObservedPage:
    """Make a page of rows that were created on these days."""
    dates = [{"createdDate": SINCE + timedelta(days=day)} for day in days]
    names = list(ids) or [str(number) for number in range(len(days))]
    return ObservedPage(Window(), 0, 100, names, dates, len(days))


@given(days=st.lists(st.integers(0, 50), unique=True, min_size=8, max_size=30))
def test_an_order_is_read_off_its_rows(days: list[int]) -> None:
    """Sorted days are an order, either way, and anything else is neither."""
    assert detect_order([page_of(*sorted(days))]) == "oldest_first"
    assert detect_order([page_of(*sorted(days, reverse=True))]) == "newest_first"
    if days not in (sorted(days), sorted(days, reverse=True)):
        assert detect_order([page_of(*days)]) == "neither"


def test_readings_are_compared_by_what_they_share() -> None:
    """Rows that come and go are no change of order; ties that swap are one of ties alone."""
    first = page_of(5, 4, 4, 3, ids="abcd")
    assert is_order_stable([first, *[page_of(6, 5, 4, 4, ids="xabc")] * 3]) is True
    assert are_ties_stable([first, page_of(6, 5, 4, 4, ids="xabc")]) is True
    assert is_order_stable([first, *[page_of(5, 4, 4, 3, ids="acbd")] * 3]) is True
    assert are_ties_stable([first, page_of(5, 4, 4, 3, ids="acbd")]) is False
    assert is_order_stable([first, page_of(4, 5, 4, 3, ids="bacd")]) is False
    assert is_order_stable([first, first]) is None
    assert is_order_stable([first]) is None
    assert are_ties_stable([page_of(3, 2, 1), page_of(3, 2, 1)]) is None
    assert is_order_stable([page_of(1, 1), page_of(1, 1)]) is None


@given(good=st.integers(0, 10**8), steps=st.integers(2, 10**8))
def test_the_search_for_a_depth_ends(good: int, steps: int) -> None:
    """Each try lies between what was answered and what was not, as people choose it if may be."""
    depth = choose_depth(good, good + steps)
    assert good < depth < good + steps
    assert depth in LIKELY_DEPTHS or not any(good < one < good + steps for one in LIKELY_DEPTHS)


def test_chance_is_ruled_out() -> None:
    """The fewer rows share a second, the more readings are needed."""
    assert [may_be_chance(page_of(1, 1), readings) for readings in (1, 3, 6, 7)] == [
        True,
        True,
        True,
        False,
    ]
    assert not may_be_chance(page_of(1, 2, 3), 1)
    assert not may_be_chance(page_of(*[1] * 8), 2)


# ---- the command ---------------------------------------------------------------------------


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It prints what it found, and writes the profile that a client reads."""
    path = tmp_path / "profile.toml"
    monkeypatch.setattr("sys.argv", ["aicc-async", "probe", "--demo", "-o", str(path)])
    assert run() == 0
    printed = capsys.readouterr().out
    profile = Profile.load(path)
    assert (profile.order, profile.page_size, profile.span) == ("newest_first", 100, "seconds")
    assert profile.deepest_start is None
    assert "newest_first" in printed
    assert "unknown" in printed
    assert "none met" in printed
    assert path.name in printed


def test_the_command_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is missing for the file is told before the tenant is asked."""
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    path = tmp_path / "profile.toml"
    monkeypatch.setattr("sys.argv", ["aicc-async", "probe", "--demo", "-o", str(path)])
    assert run() == 2
    assert "pip install 'aicc-async[cli]'" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize("cases", [300, 30_000])
@pytest.mark.parametrize("hours", [8, -8, 1, -11])
async def test_hours_between_what_is_shown_and_what_is_filtered(cases: int, hours: int) -> None:
    """A tenant that shows another zone than it filters is no tenant that filters another date."""
    answers = await found(cases=cases, quirks=Quirks(hours_ahead=hours))
    assert (answers["date_field"], answers["hours_ahead"]) == ("createdDate", hours)


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
async def test_the_offset_that_fits_rows_dated_after_now(zone: str) -> None:
    """Where the newest rows are of the client's future, the tenant's offset is told."""
    now = datetime.now(UTC) + timedelta(hours=8)
    rows = [{"createdDate": f"{now - timedelta(minutes=m):%Y-%m-%d %H:%M:%S}"} for m in range(90)]
    answers = await found(rows=rows, timezone=zone)
    assert answers["utc_offset"] == 8
    assert (await found(rows=rows))["utc_offset"] is None
