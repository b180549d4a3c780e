"""How deep offsets are answered: to the last page, or to a bound that is searched for.

What it can't tell from a bound: the end of a list whose total is wrong.
"""

from __future__ import annotations

from .asking import Asker
from .survey import Survey

_ROUND_NUMBERS = [digit * 10**power for power in range(2, 8) for digit in (1, 2, 5)]
# Offsets that people choose as bounds, of the first or the last row of a page, and the next ones.
LIKELY_DEPTHS = sorted(
    {number + step for number in _ROUND_NUMBERS for step in (-100, -99, -1, 0, 1)} - {0}
)


async def find_offset_reached(survey: Survey, asker: Asker) -> None:
    """See whether an offset counts at all, and whether the last page can be read."""
    first = max(survey.pages, key=lambda page: page.stop)
    if not first.ids or first.stop >= first.count:
        return
    second = await asker.page(survey.whole, start=first.stop)
    if second and set(second.ids) == set(first.ids):
        survey.answers |= {"deepest_start": 0, "offset_reached": 0}
        return
    last_start = first.count - len(first.ids)
    if survey.note_offset(first.stop, second) and last_start > first.stop:
        last = await asker.page(survey.whole, start=last_start)
        survey.note_offset(last_start, last)
    if survey.failed_start is None:
        survey.answers["offset_reached"] = survey.deepest_start


async def find_deepest_start(survey: Survey, asker: Asker) -> None:
    """Search for the deepest offset that is answered, while requests are left."""
    if survey.failed_start is None:
        return
    failed, page = survey.failed_start
    # An empty page may also be the end of a list whose total is wrong.
    if page is not None and survey.answers.get("count_true") is not True:
        return
    try:
        while failed - survey.deepest_start > 1:
            start = choose_depth(survey.deepest_start, failed)
            if not survey.note_offset(start, await asker.page(survey.whole, start=start)):
                failed = start
    finally:
        # Also when the budget is spent: the depth so far was answered.
        reached = survey.deepest_start
        survey.answers |= {"deepest_start": reached, "offset_reached": reached}


def choose_depth(good: int, bad: int) -> int:
    """Return the next depth to try: the middle one of those that people choose, else the middle."""
    likely = [depth for depth in LIKELY_DEPTHS if good < depth < bad]
    return likely[len(likely) // 2] if likely else (good + bad) // 2
