"""How many rows of a query are given and announced at most.

Two parts of a range that announce more than the range, rows of the second that they share counted
once, prove that its total is a cap. What it can't see: a cap above the rows that there are.
"""

from __future__ import annotations

from .._listing.windows import Window
from .._listing.zones import SECOND
from .asking import Asker
from .survey import Survey


async def find_cap(survey: Survey, asker: Asker) -> None:
    """Count two parts of the whole range, cut where rows were seen."""
    total = max(page.count for page in survey.pages if page.window == survey.whole)
    created = sorted(moment for page in survey.pages for moment in page.created_dates())
    are_totals_wrong = False in {
        survey.answers.get(name) for name in ("count_true", "count_stable")
    }
    if not created or are_totals_wrong:
        return
    middle, whole = created[len(created) // 2], survey.whole
    parts = Window(whole.start, middle), Window(middle - SECOND, whole.end)
    excess = sum([await _count(part, asker) for part in parts]) - total
    if excess <= 0:
        return
    shared = await asker.page(Window(middle - SECOND, middle), limit=1)
    # Cases may have come meanwhile.
    if shared and excess > shared.count and await _count(whole, asker) == total:
        survey.answers["max_count"] = total


async def _count(window: Window, asker: Asker) -> int:
    page = await asker.page(window, limit=1)
    return page.count if page else 0
