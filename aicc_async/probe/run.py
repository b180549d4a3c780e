"""The questions, in an order in which each builds on what was seen before.

Every answer rests on rows: one of the very second of a bound, a page that came twice, a case that
was closed long after it was opened. Where there is none, the answer stays None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from .._api import CaseApi, HasCaseApi
from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.windows import MAX_SPAN, Window
from .._listing.zones import SECOND
from ..errors import ApiError, AuthError, DecodeError, NotFoundError, RateLimitError
from ..models import CaseQuery
from ..profile import Profile
from .rate import find_rate as _find_rate
from .seen import (
    CREATED,
    DATES,
    ENOUGH,
    Seen,
    by_chance,
    dates_of,
    has_ties,
    order_of,
    order_stable,
    ties_stable,
    witness,
)

BUDGET = 40  # requests, sign-in and retries included
RESERVE = 6  # of them, for a request that needs five attempts and a new token
EVERYTHING = Window()
MONTH = timedelta(days=30)  # touches 31 dates at most: within any reading of "31 days"
QUIET = timedelta(hours=1)  # a month that is over for so long is hardly written to
READINGS = 3  # of one page
LARGE = 1000  # a limit that no page is likely to hold
ROUND = [digit * 10**power for power in range(2, 8) for digit in (1, 2, 5)]
DEPTHS = sorted({number + step for number in ROUND for step in (-100, -99, -1, 0, 1)} - {0})
"""Offsets that people choose as bounds, of the first or the last row of a page, and the next."""


class _Spent(Exception):  # noqa: N818  (no error: the budget is used up)
    """No request is left to ask with."""


async def probe(aicc: HasCaseApi, *, find_rate: bool = False) -> Profile:
    """Find out how a tenant's case/list behaves, in at most 40 requests that read pages.

    What can't be found is None: of an empty tenant nearly all. Raises what ``list_cases`` raises
    when no first page can be read. ``find_rate`` asks faster and faster, from 1 to 50 requests a
    second and a second each, until the first HTTP 429: up to 250 requests more. A quota over longer
    than a second is not found that way, nor one above what the client's own limits let through.
    """
    asking = _Probe(aicc.api)
    await asking.begin()
    try:
        for question in asking.questions():
            await question()
    except _Spent:
        pass
    if find_rate:
        asking.found |= await _find_rate(asking.cheap, aicc.api.stats)
    return Profile(probed=datetime.now(UTC).replace(microsecond=0), **asking.found)


class _Probe:
    """One probing: the pages seen so far, and what was found."""

    def __init__(self, api: CaseApi) -> None:
        self.found: dict[str, Any] = {}
        self._api = api
        self._listing = api.protocol.raw_cases(CaseQuery())
        self._before = api.stats.requests
        self._now = api.now()
        self._pages: list[Seen] = []
        self._whole = EVERYTHING
        self._limit = MAX_ROWS_PER_PAGE
        self._quiet: Seen | None = None
        self._witness: tuple[str, datetime] | None = None  # which date was filtered, and where
        self._deepest = 0  # offset that was answered with rows
        self._failed: tuple[int, Seen | None] | None = None  # an offset without rows, its answer

    def questions(self) -> list[Callable[[], Awaitable[None]]]:
        """List the questions; the last takes what requests are left."""
        reading = [self._offset, self._quiet_month, self._stability, self._date, self._bounds]
        return [*reading, self._order, self._count, self._size, self._span, self._depth]

    async def begin(self) -> None:
        """Read a first page: of everything, or else of the last month, with a limit that is taken.

        A service that refuses a single row of a month refuses for another reason.
        """
        for whole in (EVERYTHING, Window(self._now - MONTH, self._now)):
            self._whole = whole
            if await self._ask(self._whole) or await self._lower_limit():
                self.found["content_type"] = self._content_type()
                return
        await self._send(self._whole, 0, 1)

    async def cheap(self) -> None:
        """Send a request that costs the service little."""
        await self._send(self._quiet.window if self._quiet else self._whole, 0, 1)

    # ---- asking ----------------------------------------------------------------------------

    async def _ask(self, window: Window, start: int = 0, limit: int | None = None) -> Seen | None:
        """Read a page; None when the service refuses, or answers nothing that is a page."""
        if self._api.stats.requests - self._before + RESERVE >= BUDGET:
            raise _Spent
        try:
            page = await self._send(window, start, limit or self._limit)
        except (AuthError, NotFoundError, RateLimitError):
            raise
        except (ApiError, DecodeError):
            return None
        self._pages.append(page)
        return page

    async def _send(self, window: Window, start: int, limit: int) -> Seen:
        # Not api.page: what a tenant does with any limit is to be found out.
        page = await self._api.send(self._listing.request(window, start, limit))
        return Seen(window, start, limit, page.ids, list(map(dates_of, page.rows)), page.count)

    def _content_type(self) -> str | None:
        text = self._api.last_headers.get("Content-Type", "")[:200]
        return text if text and text.isprintable() else None

    async def _lower_limit(self) -> bool:
        """Find the highest limit that is taken, where the documented one is not."""
        if not await self._ask(self._whole, limit=1):
            return False
        taken, refused = 1, MAX_ROWS_PER_PAGE
        while refused - taken > 1:
            middle = (taken + refused) // 2
            good = await self._ask(self._whole, limit=middle)
            taken, refused = (middle, refused) if good else (taken, middle)
        self._limit = taken
        self.found |= {"page_size": taken, "over_limit": "refused"}
        return True

    # ---- what is there ---------------------------------------------------------------------

    async def _offset(self) -> None:
        """See whether an offset counts at all, and whether the last page can be read."""
        first = max(self._pages, key=lambda page: page.stop)
        if not first.ids or first.stop >= first.count:
            return
        second = await self._ask(self._whole, first.stop)
        if second and set(second.ids) == set(first.ids):
            self.found |= {"deepest_start": 0, "offset_reached": 0}
            return
        last = first.count - len(first.ids)
        if self._reaches(first.stop, second) and last > first.stop:
            self._reaches(last, await self._ask(self._whole, last))
        if self._failed is None:
            self.found["offset_reached"] = self._deepest

    def _reaches(self, start: int, page: Seen | None) -> bool:
        if page and page.ids:
            self._deepest = start
            return True
        self._failed = (start, page)
        return False

    async def _quiet_month(self) -> None:
        """Find a month with rows that is over, near the oldest row that was seen."""
        created = [moment for page in self._pages for moment in page.created()]
        if not created:
            return
        oldest = min(created)
        after, before = Window(oldest, oldest + MONTH), Window(oldest - MONTH, oldest - SECOND)
        over = [window for window in (after, before) if window.end < self._now - QUIET]  # type: ignore[operator]
        for window in (*over, Window(oldest - MONTH + SECOND, oldest + SECOND)):
            page = await self._ask(window)
            if page and page.ids:
                self._quiet = page
                return

    async def _order(self) -> None:
        self._note("order", order_of(self._pages))

    def _note(self, name: str, value: object) -> None:
        if value is not None:
            self.found[name] = value

    # ---- whether it stays ------------------------------------------------------------------

    async def _stability(self) -> None:
        """Read the quiet month again, and a page with ties so often that chance is ruled out."""
        if self._quiet:
            readings = await self._readings(self._quiet)
            self.found["count_stable"] = len({page.count for page in readings}) == 1
            self._note("order_stable", order_stable(readings))
        tied = next((page for page in [self._quiet, *self._pages] if page and has_ties(page)), None)
        if self.found.get("order_stable") is False:
            self.found["ties_stable"] = False
        elif tied:
            self._note("ties_stable", ties_stable(await self._readings(tied)))

    async def _readings(self, page: Seen) -> list[Seen]:
        """Collect readings of one page, asking for those that are missing."""
        place = (page.window, page.start, page.limit)
        readings = [one for one in self._pages if (one.window, one.start, one.limit) == place]
        while len(readings) < READINGS or by_chance(page, len(readings)):
            again = await self._ask(*place)
            if again is None:
                break
            readings.append(again)
        return readings

    # ---- which date, and its bounds --------------------------------------------------------

    async def _date(self) -> None:
        """Look for a row by each of its dates, a second around it, until one finds it."""
        if self._quiet is None:
            return
        for name in filter(self._quiet.all_within, DATES):
            finds = await self._finds(self._quiet, name)
            if finds is None:
                return
            if finds:
                self.found["date_field"] = name
                return
        self.found["date_field"] = "other"

    async def _finds(self, quiet: Seen, name: str) -> bool | None:
        found = witness([quiet, *self._pages], name)
        if found is None or (name != CREATED and len(quiet.ids) < ENOUGH):
            return None
        row_id, moment = found
        page = await self._ask(Window(moment - SECOND, moment + SECOND))
        if page is None or (row_id not in page.ids and self._is_cut(page)):
            return None
        if row_id not in page.ids or not page.all_within(name):
            return False
        self._witness = (name, moment)
        return True

    async def _bounds(self) -> None:
        """Ask for the second after a row, and for the second before it: it is on the bound."""
        if self._witness is None:
            return
        moment = self._witness[1]
        self._note("start_inclusive", await self._shows_witness(moment, moment + SECOND))
        self._note("end_inclusive", await self._shows_witness(moment - SECOND, moment))

    async def _shows_witness(self, start: datetime, end: datetime) -> bool | None:
        page = await self._ask(Window(start, end))
        if page is None or self._witness is None:
            return None
        name, moment = self._witness
        if any(dates.get(name) == moment for dates in page.dates):
            return True
        return None if self._is_cut(page) else False

    def _is_cut(self, page: Seen) -> bool:
        """Tell whether more rows may match than are on a page: it is as long as pages get."""
        longest = max(len(one.ids) for one in self._pages)
        return len(page.ids) >= min(page.limit, longest)

    # ---- limit and total -------------------------------------------------------------------

    async def _size(self) -> None:
        """Ask for more rows than a page holds."""
        if "page_size" in self.found:
            return
        longest = max(len(page.ids) for page in self._pages)
        if not self._goes_on(longest):
            return
        if longest < MAX_ROWS_PER_PAGE:
            self.found |= {"page_size": longest, "over_limit": "clamped"}
            return
        page = await self._ask(self._whole, limit=MAX_ROWS_PER_PAGE + 1)
        if page is None:
            self.found |= {"page_size": MAX_ROWS_PER_PAGE, "over_limit": "refused"}
            return
        if len(page.ids) > MAX_ROWS_PER_PAGE:
            page = await self._ask(self._whole, limit=LARGE) or page
        self.found["page_size"] = len(page.ids)
        if len(page.ids) < min(page.limit, page.count):
            self.found["over_limit"] = "clamped"

    def _goes_on(self, longest: int) -> bool:
        """Tell whether more rows follow on the longest page: one came, or a true total says so."""
        if self.found.get("deepest_start") != 0 and any(
            page.ids and page.start == longest for page in self._pages
        ):
            return True
        true = self.found.get("count_true") is True
        return true and any(len(page.ids) == longest < page.count for page in self._pages)

    async def _count(self) -> None:
        """Compare totals with the rows that came: a page that is not full is the last one."""
        ignored = self.found.get("deepest_start") == 0
        pages = [page for page in self._pages if page.ids and not (ignored and page.start)]
        last = [page for page in pages if not self._is_cut(page)]
        if any(page.stop > page.count for page in pages):
            self.found["count_true"] = False
        elif last:
            self.found["count_true"] = all(page.stop == page.count for page in last)

    # ---- how far ---------------------------------------------------------------------------

    async def _span(self) -> None:
        """Ask for 31 days from midday to midday, for a second more, and for 40 days."""
        start = (self._quiet.window.start if self._quiet else None) or self._now - 2 * MONTH
        midnight = start.replace(hour=0, minute=0, second=0)
        midday = midnight + timedelta(hours=12)
        if not await self._takes(midday, MAX_SPAN):
            dates = await self._takes(midnight, MAX_SPAN - SECOND)
            self._note("span", "dates" if dates else None)
        elif not await self._takes(midday, MAX_SPAN + SECOND):
            self.found["span"] = "seconds"
        else:
            longer = await self._takes(midday, timedelta(days=40))
            self.found["span"] = "none" if longer else "days"

    async def _takes(self, start: datetime, span: timedelta) -> bool:
        return await self._ask(Window(start, start + span), limit=1) is not None

    async def _depth(self) -> None:
        """Search for the deepest offset that is answered, while requests are left.

        An empty page may also be the end of a list whose total is wrong.
        """
        if self._failed is None:
            return
        bad, answer = self._failed
        if answer is not None and self.found.get("count_true") is not True:
            return
        try:
            while bad - self._deepest > 1:
                start = _between(self._deepest, bad)
                if not self._reaches(start, await self._ask(self._whole, start)):
                    bad = start
        finally:
            self.found |= {"deepest_start": self._deepest, "offset_reached": self._deepest}


def _between(good: int, bad: int) -> int:
    """Choose the next depth: the middle one of those that people choose, else the middle."""
    near = [depth for depth in DEPTHS if good < depth < bad]
    return near[len(near) // 2] if near else (good + bad) // 2
