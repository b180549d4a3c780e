"""The quirks of case/list: hostile orders, counts, pages and spans."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from emulator.bare_client import LIST, BareClient, Wire

from aicc_async.emulator import PageFault, Quirks

REFUSED = "40523000"
SECOND = "2025-02-01 12:00:00"
CHINA = timezone(timedelta(hours=8))


# ---- which date, which order ---------------------------------------------------------------


@pytest.mark.parametrize("field", ["createdDate", "closedDate", "dueDate"])
async def test_a_range_filters_on_the_configured_date(client: BareClient, field: str) -> None:
    """Exactly the rows whose date lies in the range match; those without the date never do."""
    client.tenant.quirks = Quirks(date_field=field)
    first, last = "2025-02-10 00:00:00", "2025-02-20 00:00:00"
    expected = {row["id"] for row in client.tenant.rows() if first <= (row[field] or "") <= last}
    found, count = await client.page(startTime=first, endTime=last)
    assert expected
    assert (set(found), count) == (expected, len(expected))


async def test_a_range_of_modifications(client: BareClient) -> None:
    """A case is in the range of its last change, which rows do not show, and in no earlier one."""
    [moved, *_] = client.tenant.ids()
    client.tenant.quirks = Quirks(date_field="modifiedDate")
    assert len(await client.ids(endTime="2025-06-30 00:00:00", limit=1)) == 1
    before = client.tenant.count()
    await client.modify(moved)
    assert await client.ids(startTime="2026-01-01 00:00:00") == [moved]
    assert await client.count(endTime="2025-12-31 00:00:00") == before - 1
    [row] = await client.case_rows(limit=1)
    assert "modifiedDate" not in row


async def test_a_modify_cannot_set_its_own_date(client: BareClient) -> None:
    """The time of a change is the server's, whatever the request sends."""
    [case_id, *_] = client.tenant.ids()
    await client.modify(case_id, modifiedDate="2024-01-01 00:00:00")
    client.tenant.quirks = Quirks(date_field="modifiedDate")
    assert await client.ids(endTime="2024-06-01 00:00:00") == []


async def test_a_modified_row_comes_first(client: BareClient) -> None:
    """In the order of modification each change moves a row to one end of the list."""
    one, two, *_ = client.tenant.ids()
    client.tenant.quirks = Quirks(order="modified")
    client.tenant.move(two)
    client.tenant.move(one)
    assert (await client.ids())[:2] == [one, two]
    client.tenant.newest_first = False
    assert (await client.ids(start=200))[-2:] == [two, one]


async def test_a_row_moves_to_another_date(client: BareClient) -> None:
    """A row with another date moves to another place in the order."""
    [moved, *_] = client.tenant.ids()
    assert (await client.ids())[0] != moved
    client.tenant.move(moved, "2025-12-01 00:00:00")
    assert (await client.ids())[0] == moved
    assert client.tenant.ids()[-1] == moved
    assert client.tenant.count() == 300


async def test_a_row_is_changed(client: BareClient) -> None:
    """Its fields are as they were overwritten, its place is the same, and it is modified last."""
    changed, *_ = client.tenant.ids()
    client.tenant.change(changed, title="Another", AICC__region__CST="north")
    [row] = [row for row in client.tenant.rows() if row["id"] == changed]
    assert (row["title"], row["AICC__region__CST"]) == ("Another", "north")
    assert client.tenant.ids()[0] == changed
    client.tenant.quirks = Quirks(order="modified")
    assert (await client.ids())[0] == changed


async def test_moving_an_unknown_case(client: BareClient) -> None:
    """An unknown id is a KeyError, since it is a mistake of the test."""
    with pytest.raises(KeyError, match="none"):
        client.tenant.move("none")
    with pytest.raises(KeyError, match="none"):
        client.tenant.change("none", title="Another")


async def test_ties_are_shuffled(client: BareClient) -> None:
    """Rows of the same second come in any order, the seconds themselves in theirs."""
    tied = set(client.tenant.insert_many([{"createdDate": "2025-12-01 00:00:00"}] * 40))
    later = client.tenant.insert(createdDate="2025-12-02 00:00:00")
    client.tenant.quirks = Quirks(order="shuffled_ties")
    one, two = await client.ids(), await client.ids()
    assert one[0] == two[0] == later
    assert set(one[1:41]) == set(two[1:41]) == tied
    assert one[1:41] != two[1:41]
    assert one[41:] == two[41:]


async def test_all_rows_are_shuffled(client: BareClient) -> None:
    """Every request has an order of its own, so that pages lose and repeat rows."""
    client.tenant.quirks = Quirks(order="shuffled")
    assert await client.ids() != await client.ids()
    pages = [row for start in (0, 100, 200) for row in await client.ids(start)]
    assert len(pages) == 300
    assert len(set(pages)) < 300


async def test_rows_are_ordered_by_id(client: BareClient) -> None:
    """The order by id is stable and independent of dates."""
    client.tenant.quirks = Quirks(order="id")
    pages = [row for start in (0, 100, 200) for row in await client.ids(start)]
    assert pages == sorted(client.tenant.ids(), reverse=True)


# ---- pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_limit", "policy", "requested", "rows"),
    [
        (100, "documented", 101, None),
        (40, "documented", 100, 40),
        (40, "clamp", 1000, 40),
        (40, "refuse", 40, 40),
        (40, "refuse", 41, None),
        (250, "clamp", 1000, 250),
    ],
)
async def test_limits(
    client: BareClient, max_limit: int, policy: str, requested: int, rows: int | None
) -> None:
    """A limit that is too high is refused or reduced, by the tenant's setting."""
    client.tenant.max_limit = max_limit
    client.tenant.quirks = Quirks(over_limit=policy)
    if rows is None:
        assert (await client.code(limit=requested)).startswith(REFUSED)
    else:
        assert len(await client.ids(limit=requested)) == rows


async def test_too_deep_is_refused(client: BareClient) -> None:
    """A page that begins beyond the deepest offset is a business error."""
    client.tenant.quirks = Quirks(deepest_start=150)
    assert len(await client.ids(start=150)) == 100
    assert (await client.code(start=151)).startswith(REFUSED)


async def test_too_deep_is_a_failure(client: BareClient) -> None:
    """Some services answer HTTP 500 to a page that begins beyond the deepest offset."""
    client.tenant.quirks = Quirks(deepest_start=150, too_deep="fail")
    assert len(await client.ids(start=150)) == 100
    response = await client.send("POST", LIST, {"start": 151, "limit": 1})
    assert response.status == 500


async def test_too_deep_is_empty(client: BareClient) -> None:
    """A page that begins beyond the deepest offset has no rows, but the right count."""
    client.tenant.quirks = Quirks(deepest_start=150, too_deep="empty")
    assert len(await client.ids(start=150)) == 100
    assert await client.page(start=151) == ([], 300)


async def test_an_ignored_offset(client: BareClient) -> None:
    """Any offset is answered with the first page."""
    first = await client.ids()
    client.tenant.quirks = Quirks(ignore_start=True)
    assert await client.ids(start=100) == first
    client.tenant.quirks = Quirks()
    assert set(await client.ids(start=100)).isdisjoint(first)


@pytest.mark.parametrize("offset", [7, -7, -1000])
async def test_wrong_counts(client: BareClient, offset: int) -> None:
    """The announced count is wrong by the offset, but never below 0."""
    client.tenant.quirks = Quirks(count_offset=offset)
    assert [await client.count(start) for start in (0, 100)] == [max(300 + offset, 0)] * 2


async def test_drifting_counts(client: BareClient) -> None:
    """Each request announces a higher count than the previous one, also for the same page."""
    client.tenant.quirks = Quirks(count_drift=2)
    first, *rest = [await client.count(start) for start in (0, 100, 0)]
    assert rest == [first + 2, first + 4]


async def test_a_query_has_so_many_rows_at_most(client: BareClient) -> None:
    """Rows beyond the cap are neither served nor counted, whatever is asked for."""
    first = await client.ids(0) + await client.ids(100)
    client.tenant.quirks = Quirks(max_count=150)
    assert await client.page(0) == (first[:100], 150)
    assert await client.page(100) == (first[100:150], 150)
    assert await client.page(150) == ([], 150)
    assert await client.page(120, 40) == (first[120:150], 150)


@pytest.mark.parametrize(
    ("fault", "begins"), [(PageFault.EMPTY, None), (PageFault.REPEATED, 100), (PageFault.FIRST, 0)]
)
async def test_scripted_page_faults(
    client: BareClient, fault: PageFault, begins: int | None
) -> None:
    """Only the scripted page is wrong, and its count is right."""
    right = {start: await client.page(start, 50) for start in (0, 50, 100, 150, 200)}
    client.tenant.fail_page(fault, skip=3)
    seen = {start: await client.page(start, 50) for start in right}
    wrong = ([], 300) if begins is None else right[begins]
    assert seen == right | {150: wrong}


async def test_scripted_page_faults_come_in_their_order(client: BareClient) -> None:
    """Page faults strike in the order of the calls, each as often as requested, until cleared."""
    client.tenant.fail_page(PageFault.EMPTY, times=2)
    client.tenant.fail_page(PageFault.FIRST, skip=1)
    sizes = [len(await client.ids(250)) for _ in range(5)]
    assert sizes == [0, 0, 50, 100, 50]
    client.tenant.fail_page(PageFault.EMPTY)
    client.tenant.clear_faults()
    assert len(await client.ids(250)) == 50


# ---- the rest ------------------------------------------------------------------------------

MIDDAY = "2025-01-01 12:00:00"
MIDNIGHT = "2025-01-01 00:00:00"


@pytest.mark.parametrize(
    ("span", "start", "longest", "refused"),
    [
        ("seconds", MIDDAY, "2025-02-01 12:00:00", "2025-02-01 12:00:01"),
        ("days", MIDDAY, "2025-02-02 11:59:59", "2025-02-02 12:00:00"),
        ("dates", MIDDAY, "2025-01-31 23:59:59", "2025-02-01 00:00:00"),
        ("dates", MIDNIGHT, "2025-01-31 23:59:59", "2025-02-01 00:00:00"),
    ],
)
async def test_ways_to_count_31_days(
    client: BareClient, span: str, start: str, longest: str, refused: str
) -> None:
    """The longest span that is accepted depends on how days are counted."""
    client.tenant.quirks = Quirks(span=span)
    assert await client.code(startTime=start, endTime=longest) == "0"
    assert (await client.code(startTime=start, endTime=refused)).startswith(REFUSED)


async def test_any_span(client: BareClient) -> None:
    """A tenant without a limit accepts a span of years."""
    client.tenant.quirks = Quirks(span="none")
    found = await client.page(startTime=MIDNIGHT, endTime="2031-01-01 00:00:00")
    assert found[1] == 300


async def test_the_content_type_is_set(client: BareClient) -> None:
    """Good answers and refusals have the configured content type."""
    client.tenant.quirks = Quirks(content_type="text/plain")
    for limit in (1, 0):
        reply = await client.send("POST", LIST, {"start": 0, "limit": limit})
        assert reply.content_type == "text/plain"


@pytest.mark.parametrize("ahead", [-28_800.0, -90.0, 20_700.0])
async def test_new_cases_are_dated_ahead(client: BareClient, ahead: float) -> None:
    """The tenant's own clock is off, or it writes the time of another zone."""
    client.tenant.quirks = Quirks(created_ahead=ahead)
    case_id = await client.create()
    row = next(row for row in client.tenant.rows() if row["id"] == case_id)
    off = datetime.fromisoformat(row["createdDate"]) - datetime.now(CHINA).replace(tzinfo=None)
    assert abs(off.total_seconds() - ahead) < 30


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 300.0])
async def test_answers_are_dated_ahead(client: BareClient, ahead: float) -> None:
    """The header is that of a gateway whose clock is off."""
    client.tenant.quirks = Quirks(date_ahead=ahead)
    reply = await client.send("POST", LIST, {"start": 0, "limit": 1})
    off = parsedate_to_datetime(reply.headers["Date"]) - datetime.now(UTC)
    assert abs(off.total_seconds() - ahead) < 30


async def test_answers_may_have_no_date(client: BareClient) -> None:
    """A gateway may leave the header out."""
    client.tenant.quirks = Quirks(date_ahead=None)
    reply = await client.send("POST", LIST, {"start": 0, "limit": 1})
    assert (reply.status, "Date" in reply.headers) == (200, False)


@pytest.mark.parametrize(
    ("form", "title", "written"),
    [
        ("kept", "a & b", "a & b"),
        ("escaped", "a & b", "a &amp; b"),
        ("decomposed", "\u00fc", "u\u0308"),
        ("plane_0", "so \U0001f600", "so ?"),
        ("upper", "Rechnung", "RECHNUNG"),
        ("cut", "x" * 128, "x" * 100),
    ],
)
async def test_titles_are_written_another_way(
    client: BareClient, form: str, title: str, written: str
) -> None:
    """A new case has the title that the tenant makes of it."""
    client.tenant.quirks = Quirks(title_form=form)
    case_id = await client.create(title=title)
    row = next(row for row in client.tenant.rows() if row["id"] == case_id)
    assert row["title"] == written


async def test_cached_pages_follow_the_settings(client: BareClient) -> None:
    """A change of any setting invalidates the cached page of the same request."""
    tenant = client.tenant
    day: Wire = {"startTime": SECOND, "endTime": "2025-02-20 12:00:00"}
    tenant.insert(createdDate=SECOND)
    ids, count = await client.page(**day)
    tenant.newest_first = False
    assert await client.ids(**day) == ids[::-1]
    tenant.start_inclusive = False
    assert await client.count(**day) == count - 1
    tenant.max_limit = 1
    assert len(await client.ids(**day)) == 1
    tenant.quirks = Quirks(count_offset=5)
    assert await client.count(**day) == count + 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"date_field": "birthday"},
        {"order": "random"},
        {"over_limit": "ignore"},
        {"span": "weeks"},
        {"too_deep": "hang"},
        {"deepest_start": -1},
    ],
)
def test_misspelt_settings_are_refused(wrong: Wire) -> None:
    """An unknown quirk is refused, since it would have no effect."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Quirks(**wrong)
