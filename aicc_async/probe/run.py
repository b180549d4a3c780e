"""The questions, in an order in which each builds on what was seen before.

Every answer rests on rows: one of the very second of a bound, a page that came twice, a case that
was closed long after it was opened. Where there is none, the answer stays None. What a probe can't
see is anything that needs more than 40 requests, or that differs from one range of time to another.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from .._api import HasCaseApi
from ..settings.profile import Profile
from .asking import Asker, BudgetSpent, Question
from .cap import find_cap
from .clock import find_utc_offset
from .dates import find_date_field, find_quiet_month, find_span
from .depth import find_deepest_start, find_offset_reached
from .gateway import find_quota
from .missing import find_missing_code
from .order import find_order, find_stability
from .page_shape import find_page_size, find_total_truth, read_first_page
from .platform import ask_platform
from .rate import find_rate as find_rate_limit
from .survey import Survey

# The page size can be told by totals only where these are true. The depth comes last, because its
# search takes what requests are left.
QUESTIONS: tuple[Question, ...] = (
    find_quota,
    find_offset_reached,
    find_quiet_month,
    find_utc_offset,
    find_stability,
    find_date_field,
    find_order,
    find_total_truth,
    find_page_size,
    find_span,
    find_missing_code,
    find_cap,
    find_deepest_start,
)


async def probe(aicc: HasCaseApi, *, find_rate: bool = False, platform: bool = False) -> Profile:
    """Find out how a tenant's case/list behaves, in at most 40 requests.

    They read pages, and one case that cannot exist, and write nothing. One of them asks the gateway
    for its quotas.

    What can't be found is None: of an empty tenant nearly all. Raises what ``list_cases`` raises
    when no first page can be read. ``find_rate`` asks faster and faster, from 1 to 50 requests a
    second and a second each, until the first HTTP 429: up to 250 requests more, and none where the
    gateway has told its quota. A quota over longer than a second is not found that way, nor one
    above what the client's own limits let through. ``platform`` asks once whether the platform's
    own route, which is not documented for AICC, counts cases for this account.
    """
    survey = Survey(now=aicc.api.now())
    asker = Asker(aicc.api, survey)
    with suppress(BudgetSpent):
        await read_first_page(survey, asker)
        for question in QUESTIONS:
            await question(survey, asker)
    if platform:
        survey.answers["platform"] = await ask_platform(aicc.api)
    if find_rate and "quota" not in survey.answers:
        # A single row of a quiet month costs the service little.
        window = survey.quiet_page.window if survey.quiet_page else survey.whole
        survey.answers |= await find_rate_limit(
            lambda: asker.send(window, start=0, limit=1), aicc.api.stats
        )
    return Profile(probed=datetime.now(UTC).replace(microsecond=0), **survey.answers)
