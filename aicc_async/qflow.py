"""The client of Q-Flow's one call: put a case into a service's queue."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from . import settings
from .errors import ConfigError
from .models import CaseEnqueue, EnqueuedCase
from .protocol import enqueue
from .session import Session, SessionHolder
from .settings import Endpoint, RateLimit, RetryPolicy, Timeouts
from .wire import Wire


class QFlowClient(SessionHolder):
    """A Q-Flow server.

    ``base_url`` is the API's base, such as ``https://host/API``. Which header carries its token is
    not documented: give what yours wants in ``headers``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        rate_limit: RateLimit | None = None,
        max_concurrency: int = 8,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        session: aiohttp.ClientSession | None = None,
        allow_http: bool = False,
    ) -> None:
        endpoint = Endpoint(
            base_url=settings.base_url(base_url, allow_http=allow_http),
            max_concurrency=max_concurrency,
            rate_limit=rate_limit,
            retry=retry or RetryPolicy(),
            timeouts=timeouts or Timeouts(),
        )
        self._wire = Wire(settings.zone("UTC"))  # no naive time is on this wire
        self._session = Session(endpoint, headers=_checked(headers or {}), session=session)

    async def enqueue_case(self, case: CaseEnqueue, *, form: bool = False) -> EnqueuedCase:
        """Put a case into a queue (document 003) and return it with its ``case_id``.

        Each call makes a ticket. It is never sent again once its bytes may have left: when the
        outcome is not known then, UnknownOutcome is raised. ``form`` sends the other documented
        encoding, ``application/x-www-form-urlencoded``.
        """
        return await self._session.send(enqueue(case, self._wire, form=form))


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not all(isinstance(text, str) and text.isprintable() for text in (name, value)):
            raise ConfigError(f"headers: {name!r} is not a printable text")
    return headers
