"""The client of Q-Flow's case calls: put a case into a service's queue, read it, take it out.

It needs no AICC tenant, and shares nothing with ``AICCClient``. ``aicc-async emulator`` has a
Q-Flow too, and prints its URL::

    import asyncio
    import os

    from aicc_async import CaseEnqueue, QFlowClient, QueueCancel, QueueStatus


    async def main() -> None:
        # login=QFlowLogin("user", "password") signs in; headers={…} go with every request.
        async with QFlowClient(os.environ["AICC_QFLOW_URL"]) as qflow:
            case = CaseEnqueue(service_id=2, subject="Parcel lost")
            enqueued = await qflow.enqueue_case(case)
            queued = await qflow.get_case(enqueued.case_id)
            print(queued.ticket)
            await qflow.cancel_case(
                QueueCancel(case_id=enqueued.case_id, status=QueueStatus.CANCELLED)
            )


    asyncio.run(main())

It prints::

    A001

On the shell::

    $ echo '{"ServiceId": 2, "Subject": "Parcel lost"}' | aicc-async enqueue
    {"CaseId":1,…}
    $ aicc-async qflow case 1
    {"CaseId":1,…}

Each ``enqueue_case`` makes a ticket, and Q-Flow has no key that could prevent a second one: when
the answer is lost, ``UnknownOutcome`` is raised, and it is not sent again.

Every call
----------
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from ._protocol import operations
from ._protocol import qflow as requests
from ._protocol.converter import RecordConverter
from ._transport.session import Session, SessionHolder
from ._transport.tokens import Signing
from ._validators import MAX_INT64, check, integer, kind, shown
from .credentials import QFlowLogin
from .errors import ConfigError
from .events import OnEvent
from .models import CaseEnqueue, EnqueuedCase, QueueCancel, QueuedCase
from .settings import RateLimit, RetryPolicy, Timeouts
from .settings.endpoint import Endpoint, check_base_url, find_zone
from .settings.network import HEADER_NAME, NetworkSettings, check_headers

__doc__ = f"""{__doc__}

{operations.table(operations.QFLOW_OPERATIONS)}
"""


class QFlowClient(SessionHolder):
    """A Q-Flow server.

    ``base_url`` is the API's base, such as ``https://host/API``. With a ``login`` it signs in when
    first needed, once for all calls, and anew when the server refuses the token with HTTP 401.
    Which header carries the token is not documented: ``token_header`` and ``token_prefix`` say so.
    ``headers`` go with every request, the sign-in's among them: the place for a token of your own.
    They replace those of ``network`` that have the same name.
    ``on_event`` is called with what happens (``aicc_async.events``), in the event loop.
    """

    def __init__(
        self,
        base_url: str,
        *,
        login: QFlowLogin | None = None,
        token_header: str = "Authorization",  # noqa: S107  (a name)
        token_prefix: str = "Bearer ",  # noqa: S107  (a word)
        headers: Mapping[str, str] | None = None,
        rate_limit: RateLimit | None = None,
        max_concurrency: int = 8,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        session: aiohttp.ClientSession | None = None,
        allow_http: bool = False,
        on_event: OnEvent | None = None,
        network: NetworkSettings | None = None,
    ) -> None:
        endpoint = Endpoint(
            base_url=check_base_url(base_url, allow_http=allow_http),
            max_concurrency=max_concurrency,
            rate_limit=rate_limit,
            retry=RetryPolicy() if retry is None else retry,
            timeouts=Timeouts() if timeouts is None else timeouts,
            network=NetworkSettings() if network is None else network,
        )
        check("session", session, kind(aiohttp.ClientSession, type(None)))
        # No naive time is on this wire.
        self._converter = RecordConverter(find_zone("UTC"))
        self._session = Session(
            endpoint,
            signing=_signing(login, token_header, token_prefix),
            headers=check_headers(
                {} if headers is None else headers, taken=token_header if login else ""
            ),
            session=session,
            on_event=on_event,
        )

    async def enqueue_case(self, case: CaseEnqueue, *, form: bool = False) -> EnqueuedCase:
        """Put a case into a queue (document 003) and return it with its ``case_id``.

        Each call makes a ticket. It is never sent again once its bytes may have left: when the
        outcome is not known then, UnknownOutcome is raised. ``form`` sends the other documented
        encoding, ``application/x-www-form-urlencoded``.
        """
        check("case", case, kind(CaseEnqueue))
        return await self._session.send(requests.enqueue(case, self._converter, form=form))

    async def cancel_case(self, cancel: QueueCancel) -> str:
        """Take a case out of its queue and return what the server says (``POST Cases/Cancel``).

        It is sent again on a failure, since the same values leave the case in the same state; what
        the server says to a second one, after a first that was lost on its way back, is not known.
        """
        check("cancel", cancel, kind(QueueCancel))
        return await self._session.send(requests.cancel(cancel, self._converter))

    async def get_case(self, case_id: int) -> QueuedCase:
        """Read a case by its number (``GET Cases/{id}``)."""
        check("case_id", case_id, integer(0, MAX_INT64, is_exact=True))
        return await self._session.send(requests.get_case(case_id, self._converter))

    async def get_process(self, process_id: int) -> QueuedCase:
        """Read a case by the number of its process (``GET Cases/Processes/{id}``)."""
        check("process_id", process_id, integer(0, MAX_INT64, is_exact=True))
        return await self._session.send(requests.get_process(process_id, self._converter))


def _signing(login: QFlowLogin | None, header: str, prefix: str) -> Signing | None:
    if login is None:
        return None
    check("login", login, kind(QFlowLogin))
    if not isinstance(header, str) or not HEADER_NAME.fullmatch(header):
        raise ConfigError(f"token_header must be a header's name, got {shown(header)}")
    if not isinstance(prefix, str) or not prefix.isprintable():
        raise ConfigError("token_prefix must be a printable text")
    return Signing(requests.sign_in(login), header, prefix)
