"""What was seen of a tenant so far, and what was concluded from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define

from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.windows import Window
from .pages import ObservedPage

# Touches 31 dates at most: within any reading of the documents' "31 days".
MONTH = timedelta(days=30)


@define(kw_only=True)
class Survey:
    """What the questions of one probe share; each adds to it.

    ``now`` is what the tenant's clock shows. ``whole`` is the widest range that was answered, with
    pages of ``limit`` rows; offsets are asked for in it. ``pages`` are all that came. ``answers``
    are fields of a profile. ``quiet_page`` is of a month that is over.
    ``refusals`` are the codes that pages were refused with. ``deepest_start`` is the
    deepest offset that was answered with rows, ``failed_start`` a deeper one that was not, with the
    empty page that came for it (None: it was refused).
    """

    now: datetime
    whole: Window = Factory(Window)
    limit: int = MAX_ROWS_PER_PAGE
    pages: list[ObservedPage] = Factory(list)
    answers: dict[str, Any] = Factory(dict)
    quiet_page: ObservedPage | None = None
    refusals: set[str] = Factory(set)
    deepest_start: int = 0
    failed_start: tuple[int, ObservedPage | None] | None = None

    def conclude(self, name: str, answer: object) -> None:
        """Keep an answer, unless it is None: nothing could be concluded."""
        if answer is not None:
            self.answers[name] = answer

    @property
    def longest(self) -> int:
        """The most rows that came in a page."""
        return max(len(page.ids) for page in self.pages)

    @property
    def ignores_offsets(self) -> bool:
        """Whether the first page comes, whatever the offset."""
        return self.answers.get("deepest_start") == 0

    def is_cut(self, page: ObservedPage) -> bool:
        """Return whether more rows may match than are on a page: it is as long as pages get."""
        return len(page.ids) >= min(page.limit, self.longest)

    def note_offset(self, start: int, page: ObservedPage | None) -> bool:
        """Note how an offset of the whole range was answered; return whether with rows."""
        if page and page.ids:
            self.deepest_start = start
            return True
        self.failed_start = (start, page)
        return False
