"""Windows of the list, read with a doubt or without, and counted: all that a watch asks of it.

The idea: a window is read as an export reads it (``_listing``). What its rows say is true whatever
else happens; that a case is not among them means something only where nothing is doubtful: the
reading agreed with itself, its total is no cap, and its dates fit the zone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime

from attrs import frozen

from .._api import CaseApi
from .._listing.counting import Totals, row_counter
from .._listing.creation_dates import CreationDates
from .._listing.divide import Divider
from .._listing.limits import describe_cap
from .._listing.paging import ReadingVerdict, readings
from .._listing.plan import MAX_ROWS_PER_WINDOW
from .._listing.windows import Window
from .._protocol.operations import LIST
from .._protocol.raw import DatedRow
from ..models import CaseQuery
from .absorb import ListedRow
from .bounds import Span, span_of
from .rows import drop_nulls, parse_date, read_row


@frozen
class Reading:
    """The rows of a window by id; ``doubt`` is why what it lacks may be there all the same."""

    window: Window
    rows: dict[str, ListedRow]
    doubt: str | None

    @property
    def span(self) -> Span:
        """The seconds of which all cases are among the rows, if there is no doubt."""
        return span_of(self.window)


UseReading = Callable[[Reading], Awaitable[None]]


class WindowReader:
    """Reads and counts windows of one query; ``now`` returns what the tenant's clock shows."""

    def __init__(self, api: CaseApi, query: CaseQuery, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now
        # Not patient: a look that fails is repeated, and others wait behind it.
        self._fetch = api.pages(api.protocol.dated_cases(query), is_patient=False)
        self.limits = api.limits()
        # The rows of a window are in memory: larger ones are read in parts.
        self.limits.learn_depth(MAX_ROWS_PER_WINDOW)
        self._highest = 0
        self._is_zone_checked = False
        self._zone_doubt: str | None = None

    def begin_look(self) -> None:
        """Check the zone again if it was in doubt: a row may have moved meanwhile."""
        self._is_zone_checked = self._is_zone_checked and not self._zone_doubt

    async def count(self, window: Window) -> int:
        """Return the total of a window."""
        total = await row_counter(self._fetch)(window)
        self._highest = max(self._highest, total)
        return total

    async def read(self, window: Window, use: UseReading) -> None:
        """Read a window, or its parts where it is too large, and pass on each reading."""
        totals = Totals(row_counter(self._fetch), highest=self._highest)
        await self._read(window, use, self._api.divider(totals, self.limits))
        self._highest = max(self._highest, totals.highest)

    async def _read(self, window: Window, use: UseReading, divider: Divider) -> None:
        dates = CreationDates(
            Window(),
            self._api.zone,
            date_field=self._api.profile.date_field,
            hours_ahead=self._api.profile.hours_ahead,
            now=self._now,
        )
        rows: dict[str, DatedRow] = {}
        pages = readings(
            [window],
            self._fetch,
            concurrency=self._api.concurrency,
            limits=self.limits,
            longest_page=self._api.longest_page,
        )
        async with aclosing(pages) as batches:
            async for batch in batches:
                if batch.rows:
                    dates.are_wanted(batch, [date for date, _ in batch.rows])
                    rows.update(zip(batch.ids, batch.rows, strict=True))
                if batch.verdict:
                    verdict = batch.verdict
        parts = await self._find_parts(window, verdict, divider)
        for part in parts:
            await self._read(part, use, divider)
        if not parts:
            await self._check_zone(dates)
            doubt = self._find_doubt(window, verdict, dates)
            self._api.note_window(
                LIST.name, window, "unverified" if doubt else "verified", verdict.distinct
            )
            await use(Reading(window, _listed(window, rows), doubt))

    async def _find_parts(
        self, window: Window, verdict: ReadingVerdict, divider: Divider
    ) -> list[Window]:
        parts = None
        if verdict.too_large:
            parts = await divider.parts_of(window, verdict)
        elif not verdict.problem:
            parts = await divider.find_hidden(window, verdict.announced_last)
        return [part.window for part in parts or ()]

    def _find_doubt(
        self, window: Window, verdict: ReadingVerdict, dates: CreationDates
    ) -> str | None:
        doubt = verdict.describe_problem() or self._zone_doubt
        doubt = doubt or dates.find_doubt(window, verdict.readings)
        if verdict.too_large or verdict.refused:
            doubt = doubt or "it has more rows than can be read"
        if self.limits.may_be_capped(verdict.announced_last):
            doubt = doubt or describe_cap(verdict.announced_last)
        return doubt

    async def _check_zone(self, dates: CreationDates) -> None:
        """Ask once for a row at the date that it shows; it is the same for all readings."""
        if self._is_zone_checked or not dates.has_samples:
            return
        await dates.look_up(self._fetch, self._api.created_date)
        self._zone_doubt = dates.find_doubt(Window(), 0)
        self._is_zone_checked = True


def _listed(window: Window, rows: dict[str, DatedRow]) -> dict[str, ListedRow]:
    """Return rows as they are compared; one without a date counts as of the window's begin."""
    begin, _ = span_of(window)
    found = {}
    for case_id, (date, line) in rows.items():
        created, row = parse_date(date), read_row(line)
        found[case_id] = ListedRow(
            case_id, begin if created is None else created, frozenset(row), drop_nulls(row)
        )
    return found
