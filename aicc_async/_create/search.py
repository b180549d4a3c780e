"""The search for the case that a create in doubt may have made.

The list is asked for what looks like the record, from when its key was first used until it was
last sent, by the best of all clocks (see ``readings.py``) and with a tolerance for those that
differ. Cases of other keys are left out; the rest are read in detail and compared. The search ends
when one case can only be this key's, or when the case should have shown by now. How long that is
ago is counted by a clock that nobody sets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from attrs import Factory, field, frozen

from .._api import CaseApi
from ..errors import ExportError, UnknownOutcome
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
        began = self.clock.now()
        for pause in backoff(*SEARCH_INTERVALS):
            asked = asyncio.get_running_loop().time()
            try:
                cases, has_moved = await self._find_candidates(), False
            except ExportError as error:
                # Rows kept moving: others create cases as well.
                cases, has_moved, moved = [], True, error
            # For so long the case may still not show. What the clocks can't show counts from when
            # this search began.
            known = max(self.readings().age, self.clock.now() - began)
            left = self.list_lag - known.total_seconds()
            if has_moved:
                if left <= 0:
                    raise moved
            else:
                finding = await self.take(cases, asked)
                if finding.status == "found" or (finding.status != "busy" and left <= 0):
                    return finding
            await self.wait(min(pause, left) if left > 0 else pause, left)
        raise AssertionError("backoff has no end")

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
        # Where the range filters by another date, it would hide the case.
        filters_by_creation = self.api.profile.date_field in {None, "createdDate"}
        query = CaseQuery(
            contact_id=self.new.contact_id,
            creator_id=self.new.creator_id,
            type=self.new.type,
            start_time=span.start if filters_by_creation else None,
            end_time=span.end if filters_by_creation else None,
        )
        listing, windows = self.api.protocol.cases(query), self.api.windows(query)
        # A case that is hidden by a capped total would be made twice: small ones are doubted too.
        # And a create must not wait as long as an export may.
        rows = self.api.rows(listing, windows, highest=1, is_patient=False)
        cases = [
            case
            async for case in rows
            if is_of_same_people(case, self.new) and is_dated_within(case, span)
        ]
        return sorted(cases, key=lambda case: (case.created_date or span.start, case.id))

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

    async def _find_candidates(self) -> list[Case]:
        """List the cases that look like it and are no other key's, oldest first."""
        span = self.window()
        cases = await self.list_cases(span)
        # Only an answer shows the service's clock. Where it is far off, the list is asked again.
        better = self.window()
        if abs(better.start - span.start) > MAX_SKEW:
            cases = await self.list_cases(better)
        return await self.pick_free([case for case in cases if is_titled_like(case, self.new)])


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice as long as the one before, up to the longest."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)
