"""The emulator's hostile listings, with a bare HTTP client."""

import pytest
from emulator.bare_client import LIST, BareClient, Wire

from aicc_async.emulator import PageFault, Quirks

REFUSED = "40523000"
SECOND = "2025-02-01 12:00:00"


# ---- which date, which order ---------------------------------------------------------------


@pytest.mark.parametrize("field", ["createdDate", "closedDate", "dueDate"])
async def test_a_range_is_of_the_date_that_is_set(client: BareClient, field: str) -> None:
    """Exactly the rows whose date lies within are found, those without it never."""
    client.tenant.quirks = Quirks(date_field=field)
    first, last = "2025-02-10 00:00:00", "2025-02-20 00:00:00"
    wanted = {row["id"] for row in client.tenant.rows() if first <= (row[field] or "") <= last}
    found, count = await client.page(startTime=first, endTime=last)
    assert wanted
    assert (set(found), count) == (wanted, len(wanted))


async def test_a_range_of_modifications(client: BareClient) -> None:
    """A case is found where it was last changed, which rows do not show, and no longer before."""
    [moved, *_] = client.tenant.ids()
    client.tenant.quirks = Quirks(date_field="modifiedDate")
    assert len(await client.ids(endTime="2025-06-30 00:00:00", limit=1)) == 1
    before = client.tenant.count()
    await client.modify(moved)
    assert await client.ids(startTime="2026-01-01 00:00:00") == [moved]
    assert await client.count(endTime="2025-12-31 00:00:00") == before - 1
    [row] = await client.case_rows(limit=1)
    assert "modifiedDate" not in row


async def test_a_create_can_not_set_its_modification(client: BareClient) -> None:
    """The moment of a change is the server's own."""
    [case_id, *_] = client.tenant.ids()
    await client.modify(case_id, modifiedDate="2024-01-01 00:00:00")
    client.tenant.quirks = Quirks(date_field="modifiedDate")
    assert await client.ids(endTime="2024-06-01 00:00:00") == []


async def test_a_modified_row_comes_first(client: BareClient) -> None:
    """In the order of modification each change moves a row to the front, or to the end."""
    one, two, *_ = client.tenant.ids()
    client.tenant.quirks = Quirks(order="modified")
    client.tenant.move(two)
    client.tenant.move(one)
    assert (await client.ids())[:2] == [one, two]
    client.tenant.newest_first = False
    assert (await client.ids(start=200))[-2:] == [two, one]


async def test_a_row_moves_to_another_date(client: BareClient) -> None:
    """A row that is given another date has another place."""
    [moved, *_] = client.tenant.ids()
    assert (await client.ids())[0] != moved
    client.tenant.move(moved, "2025-12-01 00:00:00")
    assert (await client.ids())[0] == moved
    assert client.tenant.ids()[-1] == moved
    assert client.tenant.count() == 300


async def test_moving_an_unknown_case(client: BareClient) -> None:
    """A mistaken id is the test's mistake, and is told."""
    with pytest.raises(KeyError, match="none"):
        client.tenant.move("none")


async def test_ties_are_shuffled(client: BareClient) -> None:
    """Rows of one second come in any order, the seconds in theirs."""
    tied = set(client.tenant.insert_many([{"createdDate": "2025-12-01 00:00:00"}] * 40))
    later = client.tenant.insert(createdDate="2025-12-02 00:00:00")
    client.tenant.quirks = Quirks(order="shuffled_ties")
    one, two = await client.ids(), await client.ids()
    assert one[0] == two[0] == later
    assert set(one[1:41]) == set(two[1:41]) == tied
    assert one[1:41] != two[1:41]
    assert one[41:] == two[41:]


async def test_all_rows_are_shuffled(client: BareClient) -> None:
    """Every request comes in an order of its own, so that pages lose and double rows."""
    client.tenant.quirks = Quirks(order="shuffled")
    assert await client.ids() != await client.ids()
    pages = [row for start in (0, 100, 200) for row in await client.ids(start)]
    assert len(pages) == 300
    assert len(set(pages)) < 300


async def test_rows_in_no_order_of_time(client: BareClient) -> None:
    """The order by id is stable, and tells nothing of dates."""
    client.tenant.quirks = Quirks(order="id")
    pages = [row for start in (0, 100, 200) for row in await client.ids(start)]
    assert pages == sorted(client.tenant.ids(), reverse=True)


# ---- pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "policy", "asked", "given"),
    [
        (100, "documented", 101, None),
        (40, "documented", 100, 40),
        (40, "clamp", 1000, 40),
        (40, "refuse", 40, 40),
        (40, "refuse", 41, None),
        (250, "clamp", 1000, 250),
    ],
)
async def test_limits(client: BareClient, most: int, policy: str, asked: int, given: int) -> None:
    """A limit that is too high is refused or cut down, as the tenant is set."""
    client.tenant.max_limit = most
    client.tenant.quirks = Quirks(over_limit=policy)
    if given is None:
        assert (await client.code(limit=asked)).startswith(REFUSED)
    else:
        assert len(await client.ids(limit=asked)) == given


async def test_too_deep_is_refused(client: BareClient) -> None:
    """A page that begins beyond the deepest offset is a business error."""
    client.tenant.quirks = Quirks(deepest_start=150)
    assert len(await client.ids(start=150)) == 100
    assert (await client.code(start=151)).startswith(REFUSED)


async def test_too_deep_is_empty(client: BareClient) -> None:
    """A page that begins beyond the deepest offset has no rows, and the count that it had."""
    client.tenant.quirks = Quirks(deepest_start=150, too_deep="empty")
    assert len(await client.ids(start=150)) == 100
    assert await client.page(start=151) == ([], 300)


async def test_an_offset_that_is_ignored(client: BareClient) -> None:
    """Whatever is asked for, the first page comes."""
    first = await client.ids()
    client.tenant.quirks = Quirks(ignore_start=True)
    assert await client.ids(start=100) == first
    client.tenant.quirks = Quirks()
    assert set(await client.ids(start=100)).isdisjoint(first)


@pytest.mark.parametrize("offset", [7, -7, -1000])
async def test_counts_that_lie(client: BareClient, offset: int) -> None:
    """The announced count is wrong by so much, and never below nothing."""
    client.tenant.quirks = Quirks(count_offset=offset)
    assert [await client.count(start) for start in (0, 100)] == [max(300 + offset, 0)] * 2


async def test_counts_that_move(client: BareClient) -> None:
    """Each page announces more than the one before, the same page too."""
    client.tenant.quirks = Quirks(count_drift=2)
    first, *rest = [await client.count(start) for start in (0, 100, 0)]
    assert rest == [first + 2, first + 4]


@pytest.mark.parametrize(
    ("fault", "begins"), [(PageFault.EMPTY, None), (PageFault.REPEATED, 100), (PageFault.FIRST, 0)]
)
async def test_scripted_pages(client: BareClient, fault: PageFault, begins: int | None) -> None:
    """The page that is scripted is wrong, those before and after are right, the count always."""
    right = {start: await client.page(start, 50) for start in (0, 50, 100, 150, 200)}
    client.tenant.fail_page(fault, skip=3)
    seen = {start: await client.page(start, 50) for start in right}
    wrong = ([], 300) if begins is None else right[begins]
    assert seen == right | {150: wrong}


async def test_scripted_pages_come_in_their_order(client: BareClient) -> None:
    """One after the other, each as often as asked, until they are cleared."""
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
    """A tenant without a limit takes years."""
    client.tenant.quirks = Quirks(span="none")
    found = await client.page(startTime=MIDNIGHT, endTime="2031-01-01 00:00:00")
    assert found[1] == 300


async def test_the_content_type_is_set(client: BareClient) -> None:
    """Good answers and refusals carry the content type that is set."""
    client.tenant.quirks = Quirks(content_type="text/plain")
    for limit in (1, 0):
        reply = await client.send("POST", LIST, {"start": 0, "limit": limit})
        assert reply.content_type == "text/plain"


async def test_cached_pages_follow_the_settings(client: BareClient) -> None:
    """The same request is answered anew whenever a setting changes."""
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
    """A quirk that does not exist would be none, so it is refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Quirks(**wrong)
