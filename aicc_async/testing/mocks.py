"""Answers without a server: aioresponses for tests of code that uses a client (extra ``testing``).

The emulator is the better tenant: mocked answers never exercise time-outs, connections, limits or
paging. They are for what a server cannot be made to do, or where a test wants to see one request::

    import pytest

    from aicc_async import AICCClient, NewCase, StaticToken
    from aicc_async.testing.mocks import MockedResponses

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
    )
    CREATE = "https://host/service/AICC__Case/1.0.0/openapi/case"
    CREATED = {
        "resCode": "0",
        "resMsg": "Success",
        "result": {"caseId": "coiO0000014hmYpZIqYq"},
    }


    @pytest.mark.asyncio
    async def test_the_case_is_created() -> None:
        with MockedResponses() as mocked:
            mocked.post(CREATE, payload=CREATED)
            async with AICCClient("https://host", auth=StaticToken("t")) as aicc:
                await aicc.create_case(NEW)
        assert mocked.sent_json("POST", CREATE)[0]["caseInfo"]["title"] == "Parcel lost"

aioresponses 0.7.9 does not know aiohttp 3.14: it cannot build an answer (``stream_writer`` is
missing), and a body of more than 128 KiB stops its reader. Both are made good here.
"""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from yarl import URL

from .._optional import load

aioresponses: Any = load("aioresponses", "testing").aioresponses

# A reader that is asked to hold more than its limit wants to pause a connection; there is none.
NO_LIMIT = 2**40


class MockedResponse(aiohttp.ClientResponse):
    """A response that no connection brought; for ``response_class=`` of aioresponses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)

    @property
    def content(self) -> aiohttp.StreamReader:
        """The body, of any size."""
        return self._content

    @content.setter
    def content(self, _: object) -> None:
        loop = asyncio.get_running_loop()
        self._content = aiohttp.StreamReader(BaseProtocol(loop), NO_LIMIT, loop=loop)


class MockedResponses(aioresponses):  # type: ignore[misc]  # loaded by name
    """aioresponses that works with aiohttp 3.14, and shows what was sent.

    Use it as aioresponses itself: a context manager with ``get``, ``post`` and so on.
    """

    def add(self, url: Any, method: str = "GET", **answer: Any) -> None:
        """Add an answer, as aioresponses does."""
        super().add(url, method, **{"response_class": MockedResponse, **answer})

    def sent(self, method: str, url: str) -> list[bytes]:
        """Return the bodies that were sent to a URL, in their order; also under a rate limit."""
        calls = self.requests.get((method, URL(url)), [])
        return [bytes(call.kwargs["data"]) for call in calls]

    def sent_json(self, method: str, url: str) -> list[Any]:
        """Return the same bodies, read as JSON."""
        return [json.loads(body) for body in self.sent(method, url)]
