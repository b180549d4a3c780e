"""The emulator's hostile listings, with a bare HTTP client."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from aicc_async.emulator import Emulator, PageFault, Quirks

LIST = "/service/AICC__Case/1.0.0/openapi/case/list"
MODIFY = "/service/AICC__Case/1.0.0/openapi/case/modify"
SINCE = datetime(2025, 1, 1)  # noqa: DTZ001 -- wall-clock time, as on the wire
UNTIL = datetime(2025, 4, 1)  # noqa: DTZ001 -- same
REFUSED = "40523000"
SECOND = "2025-02-01 12:00:00"

Wire = dict[str, Any]


class Reader:
    """A bare client that reads pages."""

    def __init__(self, tenant: Emulator, http: aiohttp.ClientSession) -> None:
        self.tenant = tenant
        self.http = http
        self.token = tenant.token()

    async def post(self, path: str, body: Wire) -> tuple[aiohttp.ClientResponse, Any]:
        """Post a JSON value, parse the answer."""
        headers = {"Content-Type": "application/json", "access-token": self.token}
        url, data = f"{self.tenant.url}{path}", json.dumps(body)
        async with self.http.post(url, data=data, headers=headers) as response:
            return response, json.loads(await response.read())

    async def code(self, **body: Any) -> str:
        """Ask for a page, keep the resCode."""
        _, answer = await self.post(LIST, {"start": 0, "limit": 100} | body)
        return str(answer["resCode"])

    async def page(self, start: int = 0, limit: int = 100, **body: Any) -> tuple[list[str], int]:
        """Ask for a page, keep its ids and its count."""
        _, answer = await self.post(LIST, {"start": start, "limit": limit} | body)
        [result] = answer["result"]
        return [row["id"] for row in result["caseList"]], result["count"]

    async def ids(self, start: int = 0, limit: int = 100, **body: Any) -> list[str]:
        """Ask for a page, keep its ids."""
        return (await self.page(start, limit, **body))[0]


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """Run a tenant with 300 cases of January to March 2025, and a reader of it."""
    async with (
        Emulator(cases=300, since=SINCE, until=UNTIL) as tenant,
        aiohttp.ClientSession() as http,
    ):
        yield Reader(tenant, http)


# ---- which date, which order ---------------------------------------------------------------


@pytest.mark.parametrize("field", ["createdDate", "closedDate", "dueDate"])
async def test_a_range_is_of_the_date_that_is_set(reader: Reader, field: str) -> None:
    """Exactly the rows whose date lies within are found, those without it never."""
    reader.tenant.quirks = Quirks(date_field=field)
    first, last = "2025-02-10 00:00:00", "2025-02-20 00:00:00"
    wanted = {row["id"] for row in reader.tenant.rows() if first <= (row[field] or "") <= last}
    found, count = await reader.page(startTime=first, endTime=last)
    assert wanted
    assert (set(found), count) == (wanted, len(wanted))


async def test_a_range_of_modifications(reader: Reader) -> None:
    """A case is found where it was last changed, which rows do not show, and no longer before."""
    [moved, *_] = reader.tenant.ids()
    reader.tenant.quirks = Quirks(date_field="modifiedDate")
    assert len(await reader.ids(endTime="2025-06-30 00:00:00", limit=1)) == 1
    before = reader.tenant.count()
    change = {"id": moved, "title": "t", "description": "d", "creatorId": "c"}
    await reader.post(MODIFY, {"caseInfo": change})
    assert await reader.ids(startTime="2026-01-01 00:00:00") == [moved]
    assert (await reader.page(endTime="2025-12-31 00:00:00"))[1] == before - 1
    _, answer = await reader.post(LIST, {"start": 0, "limit": 1})
    assert "modifiedDate" not in answer["result"][0]["caseList"][0]


async def test_a_create_can_not_set_its_modification(reader: Reader) -> None:
    """The moment of a change is the server's own."""
    [case_id, *_] = reader.tenant.ids()
    change = {"id": case_id, "title": "t", "description": "d", "creatorId": "c"}
    wanted = change | {"modifiedDate": "2024-01-01 00:00:00"}
    await reader.post(MODIFY, {"caseInfo": wanted})
    reader.tenant.quirks = Quirks(date_field="modifiedDate")
    assert await reader.ids(endTime="2024-06-01 00:00:00") == []


async def test_a_modified_row_comes_first(reader: Reader) -> None:
    """In the order of modification each change moves a row to the front, or to the end."""
    one, two, *_ = reader.tenant.ids()
    reader.tenant.quirks = Quirks(order="modified")
    reader.tenant.move(two)
    reader.tenant.move(one)
    assert (await reader.ids())[:2] == [one, two]
    reader.tenant.newest_first = False
    assert (await reader.ids(start=200))[-2:] == [two, one]


async def test_a_row_moves_to_another_date(reader: Reader) -> None:
    """A row that is given another date has another place."""
    [moved, *_] = reader.tenant.ids()
    assert (await reader.ids())[0] != moved
    reader.tenant.move(moved, "2025-12-01 00:00:00")
    assert (await reader.ids())[0] == moved
    assert reader.tenant.ids()[-1] == moved
    assert reader.tenant.count() == 300


async def test_moving_an_unknown_case(reader: Reader) -> None:
    """A mistaken id is the test's mistake, and is told."""
    with pytest.raises(KeyError, match="none"):
        reader.tenant.move("none")


async def test_ties_are_shuffled(reader: Reader) -> None:
    """Rows of one second come in any order, the seconds in theirs."""
    tied = set(reader.tenant.insert_many([{"createdDate": "2025-12-01 00:00:00"}] * 40))
    later = reader.tenant.insert(createdDate="2025-12-02 00:00:00")
    reader.tenant.quirks = Quirks(order="shuffled_ties")
    one, two = await reader.ids(), await reader.ids()
    assert one[0] == two[0] == later
    assert set(one[1:41]) == set(two[1:41]) == tied
    assert one[1:41] != two[1:41]
    assert one[41:] == two[41:]


async def test_all_rows_are_shuffled(reader: Reader) -> None:
    """Every request comes in an order of its own, so that pages lose and double rows."""
    reader.tenant.quirks = Quirks(order="shuffled")
    assert await reader.ids() != await reader.ids()
    pages = [row for start in (0, 100, 200) for row in await reader.ids(start)]
    assert len(pages) == 300
    assert len(set(pages)) < 300


async def test_rows_in_no_order_of_time(reader: Reader) -> None:
    """The order by id is stable, and tells nothing of dates."""
    reader.tenant.quirks = Quirks(order="id")
    pages = [row for start in (0, 100, 200) for row in await reader.ids(start)]
    assert pages == sorted(reader.tenant.ids(), reverse=True)


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
async def test_limits(reader: Reader, most: int, policy: str, asked: int, given: int) -> None:
    """A limit that is too high is refused or cut down, as the tenant is set."""
    reader.tenant.max_limit = most
    reader.tenant.quirks = Quirks(over_limit=policy)
    if given is None:
        assert (await reader.code(limit=asked)).startswith(REFUSED)
    else:
        assert len(await reader.ids(limit=asked)) == given


async def test_too_deep_is_refused(reader: Reader) -> None:
    """A page that begins beyond the deepest offset is a business error."""
    reader.tenant.quirks = Quirks(deepest_start=150)
    assert len(await reader.ids(start=150)) == 100
    assert (await reader.code(start=151)).startswith(REFUSED)


async def test_too_deep_is_empty(reader: Reader) -> None:
    """A page that begins beyond the deepest offset has no rows, and the count that it had."""
    reader.tenant.quirks = Quirks(deepest_start=150, too_deep="empty")
    assert len(await reader.ids(start=150)) == 100
    assert await reader.page(start=151) == ([], 300)


async def test_an_offset_that_is_ignored(reader: Reader) -> None:
    """Whatever is asked for, the first page comes."""
    first = await reader.ids()
    reader.tenant.quirks = Quirks(ignore_start=True)
    assert await reader.ids(start=100) == first
    reader.tenant.quirks = Quirks()
    assert set(await reader.ids(start=100)).isdisjoint(first)


@pytest.mark.parametrize("offset", [7, -7, -1000])
async def test_counts_that_lie(reader: Reader, offset: int) -> None:
    """The announced count is wrong by so much, and never below nothing."""
    reader.tenant.quirks = Quirks(count_offset=offset)
    assert [(await reader.page(start))[1] for start in (0, 100)] == [max(300 + offset, 0)] * 2


async def test_counts_that_move(reader: Reader) -> None:
    """Each page announces more than the one before, the same page too."""
    reader.tenant.quirks = Quirks(count_drift=2)
    first, *rest = [(await reader.page(start))[1] for start in (0, 100, 0)]
    assert rest == [first + 2, first + 4]


@pytest.mark.parametrize(
    ("fault", "begins"), [(PageFault.EMPTY, None), (PageFault.REPEATED, 100), (PageFault.FIRST, 0)]
)
async def test_scripted_pages(reader: Reader, fault: PageFault, begins: int | None) -> None:
    """The page that is scripted is wrong, those before and after are right, the count always."""
    right = {start: await reader.page(start, 50) for start in (0, 50, 100, 150, 200)}
    reader.tenant.fail_page(fault, skip=3)
    seen = {start: await reader.page(start, 50) for start in right}
    wrong = ([], 300) if begins is None else right[begins]
    assert seen == right | {150: wrong}


async def test_scripted_pages_come_in_their_order(reader: Reader) -> None:
    """One after the other, each as often as asked, until they are cleared."""
    reader.tenant.fail_page(PageFault.EMPTY, times=2)
    reader.tenant.fail_page(PageFault.FIRST, skip=1)
    sizes = [len(await reader.ids(250)) for _ in range(5)]
    assert sizes == [0, 0, 50, 100, 50]
    reader.tenant.fail_page(PageFault.EMPTY)
    reader.tenant.clear_faults()
    assert len(await reader.ids(250)) == 50


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
    reader: Reader, span: str, start: str, longest: str, refused: str
) -> None:
    """The longest span that is accepted depends on how days are counted."""
    reader.tenant.quirks = Quirks(span=span)
    assert await reader.code(startTime=start, endTime=longest) == "0"
    assert (await reader.code(startTime=start, endTime=refused)).startswith(REFUSED)


async def test_any_span(reader: Reader) -> None:
    """A tenant without a limit takes years."""
    reader.tenant.quirks = Quirks(span="none")
    found = await reader.page(startTime=MIDNIGHT, endTime="2031-01-01 00:00:00")
    assert found[1] == 300


async def test_the_content_type_is_set(reader: Reader) -> None:
    """Good answers and refusals carry the content type that is set."""
    reader.tenant.quirks = Quirks(content_type="text/plain")
    for limit in (1, 0):
        response, _ = await reader.post(LIST, {"start": 0, "limit": limit})
        assert response.headers["Content-Type"] == "text/plain"


async def test_cached_pages_follow_the_settings(reader: Reader) -> None:
    """The same request is answered anew whenever a setting changes."""
    tenant = reader.tenant
    day: Wire = {"startTime": SECOND, "endTime": "2025-02-20 12:00:00"}
    tenant.insert(createdDate=SECOND)
    ids, count = await reader.page(**day)
    tenant.newest_first = False
    assert await reader.ids(**day) == ids[::-1]
    tenant.start_inclusive = False
    assert (await reader.page(**day))[1] == count - 1
    tenant.max_limit = 1
    assert len(await reader.ids(**day)) == 1
    tenant.quirks = Quirks(count_offset=5)
    assert (await reader.page(**day))[1] == count + 4


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
