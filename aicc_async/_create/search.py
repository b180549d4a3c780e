"""The search for the case that a create in doubt may have made.

The list is asked for what looks like the record, from when its key was first used until it was
last sent, by the best of all clocks (see ``readings.py``) and with a tolerance for those that
differ. Cases of other keys are left out; the rest are read in detail and compared. The search ends
when one case can only be this key's, or when the case should have shown by now. How long that is
ago is counted by a clock that nobody sets.

Where there is more than a page of them, the service is asked for the title: one request finds the
case among thousands. But no document says how it compares titles. So a case is taken from that only
where it has the very title, which any way to compare finds in all cases that have it; and that
there is none, only the whole list shows, read once when the case must show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from math import inf

from attrs import Factory, field, frozen

from .._api import CaseApi
from .._listing.pages import MAX_ROWS_PER_PAGE
from ..errors import ApiError, ExportError, UnknownOutcome
from ..journal import Entry, Finding, Journal
from ..models import Case, CaseQuery, NewCase
from .match import Match, compare_detail, is_of_same_people, is_titled_like
from .readings import CLOCK_TOLERANCE, MAX_SKEW, NONE, CallClock, Readings, Span, is_dated_within

# Each costs a request for its detail.
MAX_COMPARED_CASES = 100
SEARCH_INTERVALS = 0.25, 30.0  # seconds, at first and at last


@frozen(kw_only=True)
class CaseSearch:
    """The search for the case of one key; ``list_lag`` as the creator has it.

    ``offset`` is by how much the tenant dates cases ahead of the client's zone; None: that is not
    known, and others may learn it while this search goes on. ``deadline`` is the loop's time until
    which it may wait; None: as long as it takes.
    """

    api: CaseApi
    journal: Journal
    new: NewCase
    entry: Entry
    list_lag: float
    clock: CallClock
    offset: timedelta | None = None
    deadline: float | None = None
    _matches: dict[str, Match] = field(default=Factory(dict), init=False)

    async def run(self) -> Finding:
        """Look until the case is found, or should have shown by now.

        Raises UnknownOutcome where that would take longer than the deadline.
        """
        began, is_crowded = self.clock.now(), False
        for pause in backoff(*SEARCH_INTERVALS):
            asked, is_last = asyncio.get_running_loop().time(), self._left(began) <= 0
            finding = None
            try:
                cases = None if is_crowded else await self._list_window(most=MAX_ROWS_PER_PAGE)
                is_crowded = cases is None
                finding = await self._look_by_title(asked) if cases is None else None
                if cases is None and is_last and not finding:
                    cases = await self._list_window()
                if cases is not None:
                    alike = [case for case in cases if is_titled_like(case, self.new)]
                    finding = await self.take(await self.pick_free(alike), asked)
            except ExportError:
                # Rows kept moving: others create cases as well.
                if self._left(began) <= 0:
                    raise
            left = self._left(began)
            if finding and (finding.status == "found" or (finding.status != "busy" and left <= 0)):
                return finding
            # What was not asked for all rows yet is asked as soon as the case must show.
            await self.wait(min(pause, left) if left > 0 else pause if finding else 0.0, left)
        raise AssertionError("backoff has no end")

    def _left(self, began: datetime) -> float:
        """Return for how many seconds the case may still not show.

        What the clocks can't show counts from when this search began.
        """
        known = max(self.readings().age, self.clock.now() - began)
        return self.list_lag - known.total_seconds()

    async def wait(self, seconds: float, left: float = 0.0) -> None:
        """Wait before the next look; ``left`` is for how many seconds the case may still not show.

        Raises UnknownOutcome where that is beyond the deadline.
        """
        now = asyncio.get_running_loop().time()
        if self.deadline is not None and now + seconds > self.deadline:
            left = max(left, seconds)
            raise UnknownOutcome(
                f"create: it may have happened, which shows in {left:.0f} s",
                operation="create",
                retry_after=left,
            )
        await asyncio.sleep(seconds)

    def readings(self) -> Readings:
        """Return when it can have been sent, by what the clocks show now."""
        now, service_time = self.clock.now(), self.api.service_time()
        skew = None if service_time is None else service_time - now
        return Readings(entry=self.entry, now=now, skew=skew, offset=self.offset or NONE)

    def window(self) -> Span:
        """Return when its case is dated: after the first sending, or while it can still show."""
        readings = self.readings()
        sent = readings.likely
        shown_by = sent.end + timedelta(seconds=self.list_lag)
        now = readings.now + (readings.skew or NONE) + readings.offset
        return Span(sent.start, min(shown_by, max(now, sent.end))).widened(CLOCK_TOLERANCE)

    async def list_cases(self, span: Span) -> list[Case]:
        """List the cases of the same contact, creator and type that are dated within."""
        return await self._list(span) or []

    async def _list(
        self, span: Span, title: str | None = None, most: float = inf
    ) -> list[Case] | None:
        """List the cases; None where there are more rows than ``most``."""
        cases, count = [], 0
        async with aclosing(self._rows(span, title)) as rows:
            async for case in rows:
                count += 1
                if count > most:
                    return None
                if is_of_same_people(case, self.new) and is_dated_within(case, span):
                    cases.append(case)
        return sorted(cases, key=lambda case: (case.created_date or span.start, case.id))

    def _rows(self, span: Span, title: str | None) -> AsyncGenerator[Case]:
        # Where the range filters by another date, it would hide the case.
        filters_by_creation = self.api.profile.date_field in {None, "createdDate"}
        query = CaseQuery(
            title=title,
            contact_id=self.new.contact_id,
            creator_id=self.new.creator_id,
            type=self.new.type,
            start_time=span.start if filters_by_creation else None,
            end_time=span.end if filters_by_creation else None,
        )
        listing, windows = self.api.protocol.cases(query), self.api.windows(query)
        # A case that is hidden by a capped total would be made twice: small ones are doubted too.
        # And a create must not wait as long as an export may.
        return self.api.rows(listing, windows, highest=1, is_patient=False)

    async def pick_free(self, cases: list[Case]) -> list[Case]:
        """Return the cases that no key has."""
        free = set(await self.journal.untaken([case.id for case in cases]))
        return [case for case in cases if case.id in free]

    async def compare(self, case: Case) -> Match:
        """Read a case in detail, once, and compare it."""
        if case.id not in self._matches:
            detail = (await self.api.detail(case.id)).case
            self._matches[case.id] = compare_detail(self.new, case, detail)
        return self._matches[case.id]

    def has_compared(self, case: Case) -> bool:
        """Return whether the case was seen, and read in detail."""
        return case.id in self._matches

    async def take(self, cases: list[Case], asked: float) -> Finding:
        """Take one of the cases, if it can only be this key's."""
        ids = [case.id for case in cases]
        if len(ids) > MAX_COMPARED_CASES:
            return Finding("unsure", tuple(ids[:MAX_COMPARED_CASES]))
        for case in cases:
            await self.compare(case)
        same = [each for each in ids if self._matches[each] == "same"]
        alike = [each for each in ids if self._matches[each] != "same"]
        finding = await self.journal.take(self.entry.key, same, alike, asked=asked)
        if finding.status == "unsure" and [self._matches[each] for each in ids] == ["near"]:
            # The only one, and nobody else's: the service may write extension fields its own way.
            return await self.journal.take(self.entry.key, ids, [], asked=asked)
        return finding

    async def _look_by_title(self, asked: float) -> Finding | None:
        """Return the case that has the very title, if it can only be this key's; else None."""
        try:
            cases = await self._list_window(title=self.new.title) or []
        except ExportError:
            return None
        except ApiError as error:
            # A tenant that refuses the filter has a list all the same.
            if error.retryable:
                raise
            return None
        # One with other spaces may be hidden here beside this one.
        free = await self.pick_free([case for case in cases if case.title == self.new.title])
        finding = await self.take(free, asked) if free else Finding("none")
        return finding if finding.status == "found" else None

    async def _list_window(
        self, *, title: str | None = None, most: float = inf
    ) -> list[Case] | None:
        span = self.window()
        cases = await self._list(span, title, most)
        # Only an answer shows the service's clock. Where it is far off, the list is asked again.
        better = self.window()
        if abs(better.start - span.start) > MAX_SKEW:
            cases = await self._list(better, title, most)
        return cases


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice as long as the one before, up to the longest."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)
