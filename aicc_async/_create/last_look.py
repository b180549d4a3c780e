"""The last look before a create is sent again, at what clocks and the service may hide.

The search has found none where the case should be. It may lie elsewhere all the same: the tenant
may date cases in another zone, a clock may have been set, the service may have written the title
its own way. None of that can be told from a case of somebody else's. So nothing of it is taken:
what may be the case ends as an unknown outcome, which a person settles. Only what is dated where
the search looked, and did not come up there, is judged as the search judges: it has just appeared,
or the tenant filters by another zone than it shows.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from attrs import frozen

from ..journal import Finding
from ..models import Case
from .match import digest_row, is_titled_like
from .readings import CLOCK_TOLERANCE, NONE, Readings, Span, is_dated_within
from .search import MAX_COMPARED_CASES, SEARCH_INTERVALS, CaseSearch, backoff
from .zone import ZONE_STEP, describe

# From UTC-12 to UTC+14: no two zones are further apart.
MAX_ZONE_DIFFERENCE = timedelta(hours=26)
# Where no second clock vouches for this one, it may be off by a day as well.
MAX_CLOCK_ERROR = timedelta(days=1)


@frozen(kw_only=True)
class LastLook:
    """The look for one key, after a search that found none."""

    search: CaseSearch

    async def run(self) -> tuple[Finding, str]:
        """Return what was found, and why when that is unsure; none: it was not made."""
        for pause in backoff(*SEARCH_INTERVALS):
            asked = asyncio.get_running_loop().time()
            searched, readings = self.search.window(), self.search.readings()
            cases = await self.search.list_cases(self._range(searched, readings))
            alike = [
                case
                for case in cases
                if is_titled_like(case, self.search.new) and is_dated_within(case, searched)
            ]
            free, finding = await self.search.pick_free(alike), Finding("none")
            if not all(map(self.search.has_compared, free)):
                finding = await self.search.take(free, asked)
            if finding.status == "busy":
                await self.search.wait(pause)
                continue
            if finding.status != "none":
                return finding, describe_candidates(finding)
            return await self._judge_others(cases, searched, readings)
        raise AssertionError("backoff has no end")

    async def _judge_others(
        self, cases: list[Case], searched: Span, readings: Readings
    ) -> tuple[Finding, str]:
        notes = {case.id: self._suspect(case, searched, readings) for case in cases}
        suspects = await self._free([case for case in cases if notes[case.id]])
        if len(suspects) > MAX_COMPARED_CASES:
            ids = tuple(case.id for case in suspects[:MAX_COMPARED_CASES])
            return Finding("unsure", ids), f"more than {MAX_COMPARED_CASES} cases may be it"
        ids = tuple([case.id for case in suspects if await self._is_equal(case, readings)])
        return (Finding("unsure", ids), notes[ids[0]] or "") if ids else (Finding("none"), "")

    def _range(self, searched: Span, readings: Readings) -> Span:
        possible = readings.possible.widened(CLOCK_TOLERANCE)
        if self.search.offset is None or not readings.are_sure:
            possible = possible.widened(MAX_ZONE_DIFFERENCE)
        if not readings.are_sure:
            possible = possible.widened(MAX_CLOCK_ERROR)
        return Span(min(searched.start, possible.start), max(searched.end, possible.end))

    def _suspect(self, case: Case, searched: Span, readings: Readings) -> str | None:
        """Return why the case may be the one; None: it can't be, or was judged by the search."""
        if case.created_date is None or is_dated_within(case, searched):
            is_titled = is_titled_like(case, self.search.new)
            return None if is_titled else "a case has its description, but another title"
        ahead = searched.distance(case.created_date)
        # The next step away from the range.
        off = ZONE_STEP * (ahead // ZONE_STEP if ahead < NONE else -(-ahead // ZONE_STEP))
        is_in_zone = is_dated_within(case, Span(searched.start + off, searched.end + off))
        if is_in_zone and self.search.offset is None:
            return f"an equal case is dated {describe(off)} off: is timezone right?"
        if is_dated_within(case, readings.possible.widened(CLOCK_TOLERANCE)):
            return f"an equal case is dated {describe(ahead)} off: was a clock set?"
        return None if readings.are_sure else f"an equal case is dated {describe(ahead)} off"

    async def _free(self, cases: list[Case]) -> list[Case]:
        """Return those that no key has, nor can have made while it is in doubt."""
        api, new, journal = self.search.api, self.search.new, self.search.journal
        retitled = {
            case.id: digest_row(api.base_url, case, new)
            for case in cases
            if not is_titled_like(case, new)
        }
        # In this order: a key that is confirmed in between is in one of the two.
        explained = set(await journal.open_digests(sorted(set(retitled.values()))))
        free = await self.search.pick_free(cases)
        return [case for case in free if retitled.get(case.id) not in explained]

    async def _is_equal(self, case: Case, readings: Readings) -> bool:
        if await self.search.compare(case) != "alike":
            return True
        # Where it can have been sent, another description may be the service's.
        is_possible = is_dated_within(case, readings.possible.widened(CLOCK_TOLERANCE))
        return is_possible and is_titled_like(case, self.search.new)


def describe_candidates(finding: Finding) -> str:
    """Return why cases that look like it leave it unknown which is it."""
    return f"{len(finding.ids)} cases look like it"
