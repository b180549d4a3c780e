"""What a page looks like: the first one, how many rows it holds, and whether its total is true."""

from __future__ import annotations

from .._listing.pages import MAX_ROWS_PER_PAGE
from .._listing.windows import Window
from .asking import Asker
from .survey import MONTH, Survey

# No page is likely to hold that many rows.
LARGE_LIMIT = 1000


async def read_first_page(survey: Survey, asker: Asker) -> None:
    """Read a page of everything, or else of the last month, with a limit that is accepted.

    A service that refuses a single row of a month refuses for another reason, which is raised.
    """
    for whole in (Window(), Window(survey.now - MONTH, survey.now)):
        survey.whole = whole
        if await asker.page(whole) or await find_accepted_limit(survey, asker):
            survey.conclude("content_type", asker.content_type())
            return
    await asker.send(survey.whole, start=0, limit=1)


async def find_accepted_limit(survey: Survey, asker: Asker) -> bool:
    """Find the highest limit that is accepted, where the documented one is not."""
    if not await asker.page(survey.whole, limit=1):
        return False
    accepted, refused = 1, MAX_ROWS_PER_PAGE
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if await asker.page(survey.whole, limit=middle):
            accepted = middle
        else:
            refused = middle
    survey.limit = accepted
    survey.answers |= {"page_size": accepted, "over_limit": "refused"}
    return True


async def find_page_size(survey: Survey, asker: Asker) -> None:
    """Ask for more rows than a page holds."""
    longest = survey.longest
    if "page_size" in survey.answers or not _has_more(survey, longest):
        return
    if longest < MAX_ROWS_PER_PAGE:
        survey.answers |= {"page_size": longest, "over_limit": "clamped"}
        return
    page = await asker.page(survey.whole, limit=MAX_ROWS_PER_PAGE + 1)
    if page is None:
        survey.answers |= {"page_size": MAX_ROWS_PER_PAGE, "over_limit": "refused"}
        return
    if len(page.ids) > MAX_ROWS_PER_PAGE:
        page = await asker.page(survey.whole, limit=LARGE_LIMIT) or page
    survey.answers["page_size"] = len(page.ids)
    if len(page.ids) < min(page.limit, page.count):
        survey.answers["over_limit"] = "clamped"


def _has_more(survey: Survey, longest: int) -> bool:
    """Return whether more rows follow on a longest page: one came, or a true total says so."""
    if not survey.ignores_offsets and any(
        page.ids and page.start == longest for page in survey.pages
    ):
        return True
    is_true = survey.answers.get("count_true") is True
    return is_true and any(len(page.ids) == longest < page.count for page in survey.pages)


async def find_total_truth(survey: Survey, asker: Asker) -> None:  # noqa: ARG001  (asks nothing)
    """Compare totals with the rows that came: a page that is not full is the last one."""
    pages = [
        page for page in survey.pages if page.ids and not (survey.ignores_offsets and page.start)
    ]
    last_pages = [page for page in pages if not survey.is_cut(page)]
    if any(page.stop > page.count for page in pages):
        survey.answers["count_true"] = False
    elif last_pages:
        survey.answers["count_true"] = all(page.stop == page.count for page in last_pages)
