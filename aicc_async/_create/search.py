"""The search for the case that a create in doubt may have made.

The list is asked for what looks like the record, from when its key was first used until it was
last sent, with a tolerance for clocks that differ. Cases of other keys are left out; the rest are
read in detail and compared. The search ends when one case can only be this key's, or when the case
should have shown by now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from attrs import Factory, field, frozen

from .._api import CaseApi
from ..errors import ExportError
from ..journal import Entry, Finding, Journal
from ..models import Case, CaseQuery, NewCase
from .match import Match, clock_skew, compare_detail, looks_like

# By how much clocks may differ; the more of it, the more cases of strangers are found.
CLOCK_TOLERANCE = timedelta(minutes=2)
# When the service's clock is further off than that, it is made good in a second request.
MAX_SKEW = timedelta(seconds=30)
# Each costs a request for its detail.
MAX_COMPARED_CASES = 100
SEARCH_INTERVALS = 0.25, 30.0  # seconds, at first and at last


@frozen(kw_only=True)
class CaseSearch:
    """The search for the case of one key; ``list_lag`` as the creator has it."""

    api: CaseApi
    journal: Journal
    new: NewCase
    entry: Entry
    list_lag: float
    _matches: dict[str, Match] = field(default=Factory(dict), init=False)

    async def run(self) -> Finding:
        """Look until the case is found, or should have shown by now."""
        # The wall clock may be set meanwhile.
        clock = asyncio.get_running_loop().time
        shown_by = self.entry.updated_at + timedelta(seconds=self.list_lag)
        last = clock() + min((shown_by - datetime.now(UTC)).total_seconds(), self.list_lag)
        for pause in backoff(*SEARCH_INTERVALS):
            asked, left = datetime.now(UTC), last - clock()
            try:
                cases = await self._find_candidates(min(asked, shown_by))
            except ExportError:
                # Rows kept moving: others create cases as well.
                if left <= 0:
                    raise
                await asyncio.sleep(min(pause, left))
                continue
            finding = await self._take(cases, asked)
            if finding.status == "found" or (finding.status != "busy" and left <= 0):
                return finding
            await asyncio.sleep(min(pause, left) if left > 0 else pause)
        raise AssertionError("backoff has no end")

    async def _find_candidates(self, until: datetime) -> list[Case]:
        """List the cases that look like it and are no other key's, oldest first."""
        began = self.entry.created_at
        cases = await self._list(began, until)
        skew = clock_skew(self.api.last_headers)
        if abs(skew) > MAX_SKEW:
            cases = await self._list(began + skew, until + skew)
        free = set(await self.journal.untaken([case.id for case in cases]))
        return [case for case in cases if case.id in free]

    async def _list(self, began: datetime, until: datetime) -> list[Case]:
        start, end = began - CLOCK_TOLERANCE, until + CLOCK_TOLERANCE
        # Where the range filters by another date, it would hide the case.
        filters_by_creation = self.api.profile.date_field in {None, "createdDate"}
        query = CaseQuery(
            contact_id=self.new.contact_id,
            creator_id=self.new.creator_id,
            type=self.new.type,
            start_time=start if filters_by_creation else None,
            end_time=end if filters_by_creation else None,
        )
        listing, windows = self.api.protocol.cases(query), self.api.windows(query)
        # A case that is hidden by a capped total would be made twice: small ones are doubted too.
        # And a create must not wait as long as an export may.
        rows = self.api.rows(listing, windows, highest=1, is_patient=False)
        cases = [case async for case in rows if looks_like(case, self.new, start, end)]
        return sorted(cases, key=lambda case: (case.created_date or start, case.id))

    async def _take(self, cases: list[Case], asked: datetime) -> Finding:
        """Take one of the cases, if it can only be this key's."""
        ids = [case.id for case in cases]
        if len(ids) > MAX_COMPARED_CASES:
            return Finding("unsure", tuple(ids[:MAX_COMPARED_CASES]))
        for case in cases:
            if case.id not in self._matches:
                detail = (await self.api.detail(case.id)).case
                self._matches[case.id] = compare_detail(self.new, case, detail)
        same = [each for each in ids if self._matches[each] == "same"]
        alike = [each for each in ids if self._matches[each] != "same"]
        finding = await self.journal.take(self.entry.key, same, alike, asked=asked)
        if finding.status == "unsure" and [self._matches[each] for each in ids] == ["near"]:
            # The only one, and nobody else's: the service may write extension fields its own way.
            return await self.journal.take(self.entry.key, ids, [], asked=asked)
        return finding


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice as long as the one before, up to the longest."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)
