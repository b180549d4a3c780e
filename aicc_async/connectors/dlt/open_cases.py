"""Cases that were not closed: when they were created, in spans that cost a request each. Pure.

The idea: a case that is open may change long after the look-back. The list can be asked for its
second of creation, and a page has a hundred rows: so neighbours that are open are put into one span
while all cases between them fit on a page. A load reads the spans of the loads before it again, and
keeps those of what is open still. There are as many as open cases at most, and hardly more than
pages of the whole history.

The invariant: each case that was open when it was last read is in a span, or within the range that
the next load reads anyway.

What it cannot see: a closed case that is opened again, and a case without a creation date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..._listing.pages import MAX_ROWS_PER_PAGE
from ..._listing.windows import MAX_SPAN, Window
from ..._listing.zones import SECOND
from ..._optional import load
from ...models import State

# A span gets a second more at both ends, and by dates its first and last day count whole.
LONGEST_SPAN = MAX_SPAN - timedelta(days=1)
# As the state keeps it: the first second, and how many come after it.
Span = tuple[str, int]


class OpenCases:
    """Gathers the creation dates of all rows of a load.

    What begins at each of the ``breaks`` was read by itself: nobody knows how many cases lie before
    it. ``unread`` are spans that could not be read again, and stay.
    """

    def __init__(self, breaks: Iterable[datetime], unread: Iterable[Window] = ()) -> None:
        self._breaks = sorted(breaks)
        self._unread = list(unread)
        self._arrow = load("pyarrow", "dlt")
        self._compute = load("pyarrow.compute", "dlt")
        self._seen: list[Any] = []

    def note(self, table: Any) -> None:
        """Take the rows of an Arrow table of cases."""
        compute = self._compute
        is_completed = compute.equal(table["state"], State.COMPLETED.value)
        is_open = compute.and_(
            compute.is_null(table["closed_date"]),
            compute.invert(compute.fill_null(is_completed, fill_value=False)),
        )
        created = compute.local_timestamp(
            compute.floor_temporal(table["created_date"], unit="second")
        )
        noted = self._arrow.table({"created": created, "is_open": is_open})
        self._seen.append(noted.filter(compute.is_valid(created)))

    def spans(self) -> list[Span]:
        """Return the spans of those that are open, oldest first."""
        spans = self._unread
        if self._seen:
            rows = self._arrow.concat_tables(self._seen).sort_by("created")
            dates = zip(rows["created"].to_pylist(), rows["is_open"].to_pylist(), strict=True)
            spans = spans + gather_spans(dates, self._breaks)
        return [
            (str(span.start), (span.end - span.start) // SECOND)
            for span in spans
            if span.start and span.end
        ]


def gather_spans(
    rows: Iterable[tuple[datetime, bool]], breaks: Sequence[datetime] = ()
) -> list[Window]:
    """Return spans of at most a page of rows each, which have all open ones of sorted rows.

    A row is its creation date, and whether it is open. More rows of one second are in one span.
    """
    spans, rest, count = list[Window](), list(breaks), 0
    start: datetime | None = None
    for created, is_open in rows:
        count += 1
        while rest and rest[0] <= created:
            del rest[0]
            start = None
        if not is_open:
            continue
        is_within = (
            start is not None
            and (count <= MAX_ROWS_PER_PAGE or spans[-1].end == created)
            and created - start <= LONGEST_SPAN
        )
        if is_within:
            spans[-1] = Window(start, created)
        else:
            start, count = created, 1
            spans.append(Window(created, created))
    return spans


def windows_of(spans: Iterable[Span], before: datetime) -> list[Window]:
    """Return spans as windows, as far as they are before a time from which all is read."""
    windows = []
    for text, seconds in spans:
        start = datetime.fromisoformat(text)
        if start < before:
            windows.append(Window(start, min(start + seconds * SECOND, before - SECOND)))
    return windows
