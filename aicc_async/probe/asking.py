"""How a probe asks: pages of the list and a case, as many as its budget allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from attrs import evolve

from .._api import CaseApi
from .._listing.windows import Window
from ..errors import ApiError, AuthError, DecodeError, NotFoundError, RateLimitError, ServerError
from ..models import CaseQuery
from .pages import ObservedPage, parse_dates
from .survey import Survey

# Sign-in and retries count: they are requests to the tenant as well.
MAX_REQUESTS = 40
# For the last request, which may need five attempts and a new token.
RESERVED_REQUESTS = 6
# Huawei's API gateway answers it with what is left of each quota; others ignore it.
GATEWAY_DEBUG = {"X-Apig-Mode": "debug"}
# As many as a profile holds.
MAX_CONTENT_TYPE_CHARACTERS = 200


class BudgetSpent(Exception):  # noqa: N818  (no error: what is found so far is the answer)
    """No request is left to ask with."""


class Asker:
    """Read pages within the budget, and keep them in the survey."""

    def __init__(self, api: CaseApi, survey: Survey) -> None:
        self._api = api
        self._survey = survey
        self._listing = api.protocol.raw_cases(CaseQuery())
        # The client may have sent requests before.
        self._requests_before = api.stats.requests

    async def page(
        self, window: Window, *, start: int = 0, limit: int | None = None
    ) -> ObservedPage | None:
        """Read a page; None when the service refuses, or its answer is not a page.

        Raises BudgetSpent, and errors that have nothing to do with the question.
        """
        self._check_budget()
        try:
            page = await self.send(window, start=start, limit=limit or self._survey.limit)
        except (AuthError, NotFoundError, RateLimitError):
            raise
        except ApiError as error:
            self._survey.refusals.add(error.code or "")
            return None
        except DecodeError:
            return None
        self._survey.pages.append(page)
        return page

    async def send(
        self, window: Window, *, start: int, limit: int, headers: Mapping[str, str] | None = None
    ) -> ObservedPage:
        """Read a page whatever the budget; every error is raised."""
        # Not ``api.page``, which keeps to a page size: what any limit does is to be found out.
        request = self._listing.request(window, start, limit)
        page = await self._api.send(evolve(request, headers=headers) if headers else request)
        return ObservedPage(
            window, start, limit, page.ids, list(map(parse_dates, page.rows)), page.count
        )

    async def refuse_detail(self, case_id: str) -> ApiError | None:
        """Return how the service refuses to read a case; None when it gives one, or no reason."""
        self._check_budget()
        try:
            await self._api.detail(case_id)
        except RateLimitError:
            raise
        except (AuthError, ServerError, DecodeError):
            # An account may read lists alone.
            return None
        except ApiError as error:
            return error
        return None

    async def debug_headers(self, window: Window) -> Mapping[str, str]:
        """Return the headers of a page of one row that asks the gateway what it knows."""
        self._check_budget()
        await self.send(window, start=0, limit=1, headers=GATEWAY_DEBUG)
        return self._api.last_headers

    def _check_budget(self) -> None:
        sent = self._api.stats.requests - self._requests_before
        if sent + RESERVED_REQUESTS >= MAX_REQUESTS:
            raise BudgetSpent

    def content_type(self) -> str | None:
        """Return the Content-Type of the last answer; None when a profile can't hold it."""
        text = self._api.last_headers.get("Content-Type", "")[:MAX_CONTENT_TYPE_CHARACTERS]
        return text if text and text.isprintable() else None


# A question adds to what was seen, by asking.
Question = Callable[[Survey, Asker], Awaitable[None]]
